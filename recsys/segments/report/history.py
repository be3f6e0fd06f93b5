"""How large the segments were at earlier moments."""

from collections.abc import Iterable, Sequence
from itertools import cycle

from recsys.drawing.canvas import PANEL
from recsys.drawing.documents import Document
from recsys.drawing.figures import Panel, Panels, panel
from recsys.drawing.lines import lines_plot
from recsys.drawing.looks import CANDIDATE, SHAPES, Look, other
from recsys.drawing.numbers import count, share
from recsys.drawing.tables import Group, Table
from recsys.segments.report.dots import SHARES
from recsys.segments.report.parts import PANELS, Part, day, more, text

LINES = 8
"""Lines in a panel."""
UNKNOWN = "unknown"


def history(document: Document) -> Part:
    """Return the sizes of segments over time, one panel an axis."""
    axes = [axis for axis in document["axes"] if len(axis.get("history", [])) > 1]
    panels = [one for one in map(_panel, axes[:PANELS]) if one]
    caption = (
        "Share of all users at each moment; moments stand at equal distances. Bold: the segment "
        "whose share changed most." + more(len(axes) - PANELS, "axes")
    )
    found = Panels("history", "", caption, panels) if panels else None
    tables = [part for axis in axes for part in _table(axis)]
    groups = [Group("The shares in figures", tables)] if tables else []
    return Part("history", "How the sizes changed", panels=found, groups=groups)


def shares_of(moment: Document) -> dict[str, float]:
    """Return the share of each segment at a moment, and of those whose segment is unknown."""
    unknown = moment.get("unknown")
    return {**moment.get("shares", {}), **({UNKNOWN: unknown} if unknown else {})}


def changes(moments: Sequence[Document]) -> dict[str, float]:
    """Return by how much each segment's share changed from the first to the last moment.

    A segment that is missing at a moment had nobody.
    """
    first, last = shares_of(moments[0]), shares_of(moments[-1])
    names = dict.fromkeys(name for moment in moments for name in shares_of(moment))
    return {name: last.get(name, 0.0) - first.get(name, 0.0) for name in names}


def looks_of(names: Iterable[str], bold: str) -> dict[str, Look]:
    """Return the look of each line; one of them stands out."""
    shapes = cycle(SHAPES)
    return {name: CANDIDATE if name == bold else other(next(shapes)) for name in names}


def _panel(axis: Document) -> Panel | None:
    moments = axis["history"]
    found = changes(moments)
    if not found:
        return None
    moved = max(found, key=lambda name: abs(found[name]))
    last = shares_of(moments[-1])
    rest = sorted(found.keys() - {moved}, key=lambda name: (-last.get(name, 0.0), name))
    shown = [moved, *rest[: LINES - 1]]
    rows = [
        {"step": _step(moment.get("as_of", n)), "line": name, "mean": shares_of(moment)[name]}
        for n, moment in enumerate(moments)
        for name in shown
        if name in shares_of(moment)
    ]
    steps = list(dict.fromkeys(str(row["step"]) for row in rows))
    plot = lines_plot(rows, looks_of(shown, moved), steps, ("", "share of users"), PANEL, SHARES)
    left_out = len(found) - len(shown)
    title = text(axis, "name") + (f" (and {count(left_out)} more segments)" if left_out else "")
    return panel(title, _told(axis, shown), plot)


def _step(moment: object) -> str:
    # The year stands on a line of its own.
    return day(moment).replace("-", " ", 1)


def _told(axis: Document, shown: Sequence[str]) -> str:
    first, last = axis["history"][0], axis["history"][-1]
    before, after = shares_of(first), shares_of(last)
    parts = [f"{name} {share(before.get(name))} to {share(after.get(name))}" for name in shown]
    when = f"{day(first.get('as_of', ''))} to {day(last.get('as_of', ''))}"
    return f"Share of users on {text(axis, 'name')}, {when}: {'; '.join(parts)}."


def _table(axis: Document) -> list[Table]:
    moments = axis["history"]
    shares = [shares_of(moment) for moment in moments]
    # Two moments may be of one day, so the columns are no mapping.
    days = [day(moment.get("as_of", n)) for n, moment in enumerate(moments)]
    rows = tuple((name, *(share(at.get(name)) for at in shares)) for name in changes(moments))
    return [Table(f"{text(axis, 'name')}: shares over time", ("segment", *days), rows)]
