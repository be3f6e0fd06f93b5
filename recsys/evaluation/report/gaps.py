"""Plots of gaps: how far the best and the worst served segment of each axis lie apart."""

from collections.abc import Sequence

import altair as alt

from recsys.drawing.canvas import (
    Plot,
    Row,
    across_at,
    as_is,
    ends_of,
    having,
    layer_of,
    marks_of,
    point_layer,
    sized,
    text_layers,
)
from recsys.drawing.documents import Document, span
from recsys.drawing.looks import ACCENT, BASELINE, INK, MUTED, PAPER
from recsys.drawing.numbers import number
from recsys.drawing.rows import ROW, Across, Frame, across, down, frame_of

BELOW = 0.3
"""Rows from the mark of the one to that of the other, which would hide it."""


def gaps_plot(fairness: Sequence[Document], measure: str, width: int) -> Plot | None:
    """Draw the gap on each axis with its interval, beside what chance alone would give.

    Parameters
    ----------
    fairness
        The one that is looked at, and what it is held against; only their axes with a gap.
    measure
        What the gap is in.
    width
        Pixels.

    Returns
    -------
    Plot or None
        None where no axis has a gap.
    """
    rows = _gap_rows(fairness)
    if not rows:
        return None
    others = _other_rows(rows, fairness[1:2])
    frame = frame_of(width)
    x = across([*rows, *others, {"mean": 0.0}], frame, title=f"gap in {measure}")
    y = down(len(rows))
    layers = [*_chance_marks(rows, x, y), *_gap_marks(rows, others, x, y), *_texts(rows, frame, y)]
    return sized(layers, width, ROW * len(rows), bottom=48)


def gaps_of(fairness: Document) -> list[Document]:
    """Return the axes that have a gap."""
    return [gap for gap in fairness.get("gaps", []) if "gap" in gap and "axis" in gap]


def _gap_rows(fairness: Sequence[Document]) -> list[Row]:
    gaps = gaps_of(fairness[0]) if fairness else []
    rows = [_gap_row(gap) for gap in sorted(gaps, key=lambda gap: -gap["gap"])]
    for place, row in enumerate(rows):
        row["row"] = place
    return rows


def _gap_row(gap: Document) -> Row:
    ink = ACCENT if gap.get("beyond_chance") else INK
    chance = {"chance": gap["by_chance"]} if "by_chance" in gap else {}
    ends = [gap[name] for name in ("best", "worst") if name in gap]
    return {
        "axis": gap["axis"],
        "label": ": ".join([gap["axis"], *filter(None, [" – ".join(ends)])]),
        "short": number(gap["gap"]),
        "text": f"{number(gap['gap'])}  (chance {number(gap.get('by_chance'))})",
        "mean": gap["gap"],
        "ink": INK,
        "mark": ink,
        "fill": ink if gap.get("beyond_chance") else PAPER,
        "shape": "circle",
        "zero": 0.0,
        **chance,
        **ends_of(span(gap)),
    }


def _other_rows(rows: Sequence[Row], fairness: Sequence[Document]) -> list[Row]:
    gaps = {gap["axis"]: gap["gap"] for one in fairness for gap in gaps_of(one)}
    return [
        {"mean": gaps[row["axis"]], "row": row["row"] + BELOW, **marks_of(BASELINE)}
        for row in rows
        if row["axis"] in gaps
    ]


def _chance_marks(rows: Sequence[Row], x: Across, y: alt.Y) -> list[alt.Chart]:
    return [
        layer_of(having(rows, "chance"))
        .mark_rule(stroke=MUTED, strokeWidth=12, opacity=0.35)
        .encode(x("zero"), alt.X2("chance"), y),
        layer_of([{"zero": 0.0}]).mark_rule(stroke=INK, strokeWidth=1).encode(x("zero")),
    ]


def _gap_marks(rows: Sequence[Row], others: Sequence[Row], x: Across, y: alt.Y) -> list[alt.Chart]:
    return [
        layer_of(having(rows, "low"))
        .mark_rule(strokeWidth=2)
        .encode(x("low"), alt.X2("high"), y, stroke=as_is("mark", alt.Stroke)),
        point_layer(others, x("mean"), y),
        point_layer(rows, x("mean"), y, ink="mark"),
    ]


def _texts(rows: Sequence[Row], frame: Frame, y: alt.Y) -> list[alt.Chart]:
    label, figure = ("axis", "short") if frame.narrow else ("label", "text")
    return [
        *text_layers(rows, label, across_at(0), y, limit=frame.labels - 12),
        *text_layers(rows, figure, across_at(frame.width), y, align="right"),
    ]
