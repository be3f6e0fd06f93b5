"""What each axis is worth: how much likelier it makes the next purchase."""

from recsys.drawing.canvas import Row
from recsys.drawing.documents import Document, span
from recsys.drawing.figures import Figure, figure
from recsys.drawing.looks import ACCENT, BAD, INK
from recsys.drawing.numbers import (
    ABSENT,
    count,
    number,
    percent,
    percent_between,
    signed,
    signed_between,
)
from recsys.drawing.tables import Cell, Table, number_of, table, text_of
from recsys.segments.report.dots import CHANGES, Measured, dot, dots_plot
from recsys.segments.report.parts import LIMIT, Part, Told, gain, more, span_of_gain, text
from recsys.segments.report.verdicts import gained, judged, kind_of

INKS = {"good": ACCENT, "bad": BAD}
SENTENCES = 12
"""Sentences in the list; the table has one for each axis."""
MARKS = {"good": "▲", "bad": "▼", "plain": "="}


def worth(document: Document) -> Part:
    """Return what each axis is worth, the most useful first."""
    axes = judged(document)
    return Part(
        "worth",
        "What each axis is worth",
        figures=_figures(axes),
        told=[_told(axis) for axis in axes[:SENTENCES]],
        tables=_table(axes),
    )


def _told(axis: Document) -> Told:
    found = axis["worth"]
    kind = kind_of(found)
    words = [text(found, key) for key in ("verdict", "sentence") if key in found]
    return Told(MARKS[kind], kind, text(axis, "name"), ". ".join(words) or ABSENT)


def _figures(axes: list[Document]) -> list[Figure]:
    shown = [axis for axis in axes if gained(axis) is not None][:LIMIT]
    rows = [_row(axis) for axis in shown]
    measured = Measured("the next purchase becomes likelier by", CHANGES, None, 0.0)
    told = "; ".join(f"{row['label']} {row['text']}" for row in rows)
    drawn = figure(
        "worth",
        "",
        "How much likelier the next purchase becomes when the axis is known, over popularity "
        "alone, with the 95 % interval. Filled: clear of chance. Grey tick: the most that the same "
        "segments reached when they were dealt out to customers at random."
        + more(len(axes) - len(shown), "axes"),
        f"How much likelier the next purchase becomes by each axis: {told}.",
        lambda width: dots_plot(rows, measured, width),
    )
    return [drawn] if drawn else []


def _row(axis: Document) -> Row:
    found = axis["worth"]
    nats = found["log_likelihood"]
    mean = gain(nats["gain"])
    ink = INKS.get(kind_of(found), INK)
    row = dot(text(axis, "name"), mean, span_of_gain(nats), ink)
    row |= {"text": _words(mean, found), "short": percent(mean)}
    highest = found.get("placebo", {}).get("highest")
    return row if highest is None else row | {"tick": gain(highest)}


def _words(mean: float, found: Document) -> str:
    verdict = f", {found['verdict']}" if "verdict" in found else ""
    return percent(mean) + verdict


def _table(axes: list[Document]) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": text_of("name"),
        "verdict": text_of("verdict"),
        "in words": text_of("sentence"),
        "users": number_of(count, "users"),
        "likelier by": lambda row: percent(gained(row)),
        "95 % interval": lambda row: percent_between(span_of_gain(row["nats"])),
        "log-likelihood, nats": lambda row: signed(row["nats"].get("gain")),
        "95 % interval, nats": lambda row: signed_between(span(row["nats"])),
        "at random, median": lambda row: signed(row["placebo"].get("median")),
        "at random, highest": lambda row: signed(row["placebo"].get("highest")),
        "NDCG, popular": lambda row: number(row["ndcg"].get("popular")),
        "NDCG, with the axis": lambda row: number(row["ndcg"].get("prior")),
        "NDCG gain": lambda row: signed(row["ndcg"].get("gain")),
        "95 % interval, NDCG": lambda row: signed_between(span(row["ndcg"])),
        "κ": number_of(number, "kappa"),
    }
    return table("What each axis is worth, in figures", map(_record, axes), columns, words=3)


def _record(axis: Document) -> Document:
    found = axis["worth"]
    nested = {key: found.get(key, {}) for key in ("placebo", "ndcg")}
    nats = found.get("log_likelihood", {})
    return {**found, **nested, "nats": nats, "name": text(axis, "name"), "worth": found}
