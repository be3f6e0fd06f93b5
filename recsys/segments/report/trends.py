"""What rises and falls, and with whom."""

import math

from recsys.drawing.canvas import Row
from recsys.drawing.documents import Document, span
from recsys.drawing.figures import Figure, figure
from recsys.drawing.looks import LESS, MORE
from recsys.drawing.numbers import ABSENT, count, times
from recsys.drawing.tables import Cell, Table, number_of, table, text_of
from recsys.segments.report.dots import Measured, dot, dots_plot, grouped
from recsys.segments.report.parts import LIMIT, Part, day, more, of, text

SHOWN = LIMIT // 2
"""Rising and falling things in the plot, of each the clearest."""
RISES, FALLS = "rising", "falling"
TIMES = "'×' + format(pow(2, datum.value), '.2~r')"


def trends(document: Document) -> Part:
    """Return what changed most between two windows."""
    found = document.get("trends", {})
    records = found.get("rows", [])
    return Part(
        "trends",
        "What rises and falls",
        lead=_lead(found, records),
        figures=_figures(records),
        tables=_table(records),
    )


def _lead(found: Document, records: list[Document]) -> list[str]:
    tested = found.get("tested")
    told = [] if tested is None else [_clear(tested, found.get("clear", len(records)))]
    return [_when(found), *told] if records or told else []


def _clear(tested: int, clear: int) -> str:
    changes = "change is" if clear == 1 else "changes are"
    return f"Of {count(tested)} compared, {count(clear)} {changes} clear of chance."


def _when(found: Document) -> str:
    ends = {key: day(found[key]) for key in ("before", "since", "until") if key in found}
    if len(ends) < 3:
        return "Distinct users in the newest window, against those in the window before."
    return (
        f"Distinct users: {ends['since']} to {ends['until']}, against {ends['before']} to "
        f"{ends['since']}."
    )


def clearest(records: list[Document]) -> list[Document]:
    """Return the rising and the falling things that are furthest from "no change".

    By the end of the interval that is nearest to it; by the ratio itself where there is none.
    What is said to be neither rising nor falling is left out.
    """
    known = [
        record
        for record in records
        if record.get("ratio", 0.0) > 0 and record.get("direction", RISES) in (RISES, FALLS)
    ]
    ups = [record for record in known if record["ratio"] >= 1]
    downs = [record for record in known if record["ratio"] < 1]
    chosen = [
        *sorted(ups, key=lambda record: -record.get("low", record["ratio"]))[:SHOWN],
        *sorted(downs, key=lambda record: record.get("high", record["ratio"]))[:SHOWN],
    ]
    return [record for record in records if any(record is one for one in chosen)]


def _figures(records: list[Document]) -> list[Figure]:
    chosen = clearest(records)
    rows = grouped((of(record), _row(record)) for record in chosen)
    title = "users of the newest window ÷ users before"
    measured = Measured(title, TIMES, ("← falls", "rises →"), 0.0)
    told = "; ".join(
        f"{_name(record)} {times(record['ratio'])} with {of(record)}" for record in chosen
    )
    drawn = figure(
        "trends",
        "",
        "The clearest changes, with 95 % intervals; equal steps are equal factors. On the right: "
        "the factor, and users before and now." + more(len(records) - len(chosen), "changes"),
        f"Changes in the number of users: {told}.",
        lambda width: dots_plot(rows, measured, width),
    )
    return [drawn] if drawn else []


def _name(record: Document) -> str:
    return text(record, "title" if record.get("title") else "name")


def _row(record: Document) -> Row:
    ends = span(record)
    logs = None if ends is None else (_log(ends[0]), _log(ends[1]))
    mean = _log(record["ratio"])
    users = f" ({count(record.get('before'))} → {count(record.get('after'))})"
    told = times(record["ratio"])
    ink = MORE if mean >= 0 else LESS
    return dot(_name(record), mean, logs, ink) | {"bar": 0.0, "text": told + users, "short": told}


def _log(ratio: float) -> float:
    # An interval that reaches to nothing would push everything else together.
    return max(-6.0, min(6.0, math.log2(ratio))) if ratio > 0 else -6.0


def _table(records: list[Document]) -> list[Table]:
    columns: dict[str, Cell] = {
        "what": _name,
        "kind": text_of("what"),
        "with": of,
        "direction": text_of("direction"),
        "before": number_of(count, "before"),
        "now": number_of(count, "after"),
        "factor": number_of(times, "ratio"),
        "95 % interval": _interval,
    }
    return table("All changes", records, columns, words=4)


def _interval(record: Document) -> str:
    ends = span(record)
    return ABSENT if ends is None else f"{times(ends[0])} to {times(ends[1])}"
