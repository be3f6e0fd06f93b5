"""How far customers of each segment come, and where they are lost."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from recsys.drawing.canvas import PANEL
from recsys.drawing.documents import Document
from recsys.drawing.figures import Panel, Panels, panel
from recsys.drawing.heat import Heat, Shade, diverging
from recsys.drawing.lines import lines_plot
from recsys.drawing.looks import BASELINE
from recsys.drawing.numbers import count, scalar, share
from recsys.drawing.tables import Cell, Table, table, text_of
from recsys.segments.report.dots import SHARES
from recsys.segments.report.history import LINES, looks_of
from recsys.segments.report.parts import EVERYONE, LIMIT, PANELS, Part, at, more, of, text

WEAKEST = "weakest at"


def funnel(document: Document) -> Part:
    """Return the way of each segment from the first step to the last."""
    found = document.get("funnel", {})
    steps = [scalar(step) for step in found.get("steps", [])]
    records = found.get("rows", []) if steps else []
    axes = list(dict.fromkeys(text(record, "axis") for record in records if record.get("axis")))
    panels = [one for one in (_panel(axis, records, steps) for axis in axes[:PANELS]) if one]
    caption = (
        "Share of those at the first step who come to each step. Bold: the segment of which the "
        "fewest come to the end. Dashed: all users." + more(len(axes) - PANELS, "axes")
    )
    return Part(
        "funnel",
        "Where customers are lost",
        lead=_sentences(found, records),
        panels=Panels("funnel", "", caption, panels) if panels else None,
        heats=_map(records, steps),
        tables=_table(records, steps),
    )


def _sentences(found: Document, records: list[Document]) -> list[str]:
    told = [found.get("sentence"), found.get("separates", {}).get("sentence"), _most(records)]
    return [scalar(sentence) for sentence in told if sentence]


def _most(records: list[Document]) -> str:
    known = [record for record in records if record.get("axis") and record.get("loses_at")]
    losing = Counter(text(record, "loses_at") for record in known)
    if not losing:
        return ""
    step, n_segments = losing.most_common(1)[0]
    return f"“{step}” is the weakest step of {count(n_segments)} of {count(len(known))} segments."


def reached(record: Document, n_steps: int) -> list[float | None]:
    """Return the share of those at the first step who come to each step; empty if nobody did."""
    users = record.get("users", [])
    first = at(users, 0)
    if not first:
        return []
    known = [at(users, place) for place in range(n_steps)]
    return [None if number is None else number / first for number in known]


def kept(record: Document, step: int) -> float | None:
    """Return the share of the step before who come to a step."""
    return at(record.get("kept", []), step)


def _panel(axis: str, records: list[Document], steps: list[str]) -> Panel | None:
    mine = [record for record in records if record.get("axis") and text(record, "axis") == axis]
    known = {text(r, "segment"): shares for r in mine if (shares := reached(r, len(steps)))}
    if not known:
        return None
    worst = min(known, key=lambda name: _or_all(known[name][-1]))
    shown = [worst, *[name for name in known if name != worst][: LINES - 1]]
    lines = {name: known[name] for name in shown}
    styles = looks_of(shown, worst) | {EVERYONE: BASELINE}
    for record in _everyone(records):
        lines[EVERYONE] = reached(record, len(steps))
    rows = [
        {"step": step, "line": name, "mean": mean}
        for name, shares in lines.items()
        for step, mean in zip(steps, shares, strict=False)  # nobody may have begun
        if mean is not None
    ]
    plot = lines_plot(rows, styles, steps, ("", "come this far"), PANEL, SHARES)
    left_out = len(known) - len(shown)
    title = axis + (f" (and {count(left_out)} more segments)" if left_out else "")
    return panel(title, f"{axis}: {_told(lines, steps)}", plot)


def _or_all(last: float | None) -> float:
    # Of whom it is not known how many come to the end, nobody says they are the fewest.
    return 1.0 if last is None else last


def _told(lines: Mapping[str, Sequence[float | None]], steps: Sequence[str]) -> str:
    parts = [
        f"{name}, {', '.join(f'{step} {share(v)}' for step, v in zip(steps, shares, strict=False))}"
        for name, shares in lines.items()
    ]
    return f"{'; '.join(parts)}."


def _everyone(records: Iterable[Document]) -> list[Document]:
    return [record for record in records if not record.get("axis")][:1]


def _map(records: list[Document], steps: Sequence[str]) -> list[Heat]:
    shown = [*_everyone(records), *[record for record in records if record.get("axis")]][:LIMIT]
    if not shown or len(steps) < 2:
        return []
    usual = [kept(one, place) for one in _everyone(records) for place in range(len(steps))]
    rest = more(len(records) - len(shown), "segments")
    header = [f"{before} → {after}" for before, after in pairwise(steps)]
    return [
        Heat(
            "Of those at a step, how many come to the next; ochre where fewer do than of all "
            f"users, weakest where a segment falls furthest behind them.{rest}",
            ("", *header, WEAKEST),
            tuple((of(record), _cells(record, usual, len(steps))) for record in shown),
        )
    ]


def _cells(record: Document, usual: list[float | None], n_steps: int) -> tuple[Shade, ...]:
    cells = (_kept(kept(record, place), at(usual, place)) for place in range(1, n_steps))
    return (*cells, Shade(text(record, "loses_at")))


def _kept(part: float | None, usual: float | None) -> Shade:
    log_ratio = math.log(part / usual) if part and usual else None
    return diverging(share(part), log_ratio)


def _table(records: list[Document], steps: Sequence[str]) -> list[Table]:
    columns: dict[str, Cell] = {"axis and segment": of}
    columns |= {step: _users_at(place) for place, step in enumerate(steps)}
    columns[WEAKEST] = text_of("loses_at")
    return table("Users at each step, and the share of the step before", records, columns)


def _users_at(place: int) -> Cell:
    def cell(record: Document) -> str:
        users = count(at(record.get("users", []), place))
        part = kept(record, place) if place else None
        return users if part is None else f"{users}\n{share(part)}"

    return cell
