"""A dot and an interval on each row, or a bar from the middle."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import altair as alt

from recsys.drawing.canvas import (
    Plot,
    Row,
    across_at,
    as_is,
    having,
    layer_of,
    point_layer,
    sized,
    text_layers,
)
from recsys.drawing.looks import INK, MUTED, PAPER
from recsys.drawing.rows import ROW, Across, across, down, frame_of, side_words

SHARES = "format(datum.value, '.0%')"
CHANGES = "format(datum.value, '+.1%')"


@dataclass(frozen=True)
class Measured:
    """What the horizontal scale of a plot measures.

    Attributes
    ----------
    title
        Below it.
    label
        An expression of Vega that writes a tick's number.
    sides
        What its two ends mean.
    zero
        Where a line stands; none where there is no such place.
    """

    title: str
    label: str = ""
    sides: tuple[str, str] | None = None
    zero: float | None = None


def dot(label: str, mean: float | None, interval: tuple[float, float] | None, ink: str) -> Row:
    """Return the row of a dot; filled where it is told apart by its colour.

    A row whose mean is missing keeps its label.
    """
    row: Row = {"label": label, "ink": INK if mean is not None else MUTED}
    if mean is None:
        return row
    fill = PAPER if ink == INK else ink
    row |= {"mean": mean, "mark": ink, "fill": fill, "shape": "circle"}
    return row if interval is None else row | {"low": interval[0], "high": interval[1]}


def heading(label: str) -> Row:
    """Return the row that names the ones below it."""
    return {"label": label, "ink": INK, "bold": True}


def grouped(records: Iterable[tuple[str, Row]]) -> list[Row]:
    """Return rows under the names of their groups, in the order in which those are met."""
    groups: dict[str, list[Row]] = {}
    for group, row in records:
        groups.setdefault(group, []).append(row)
    return [row for group, rows in groups.items() for row in (heading(group), *rows)]


def dots_plot(rows: Sequence[Row], measured: Measured, width: int) -> Plot | None:
    """Draw rows on one scale.

    Parameters
    ----------
    rows
        ``label``, ``ink`` and, where known, ``mean``, ``low``, ``high``, ``mark``, ``fill``,
        ``shape``; ``bar`` where a bar begins, ``tick`` where a tick stands, ``text`` on the right
        and ``short``, which takes its place on a phone.
    measured
        The scale.
    width
        Pixels.

    Returns
    -------
    Plot or None
        None where no row has a mean.
    """
    drawn = having(rows, "mean")
    if not drawn:
        return None
    placed = [row | {"row": place} for place, row in enumerate(rows)]
    frame, height = frame_of(width), ROW * len(rows)
    seen = [*drawn, *({"mean": row["tick"]} for row in having(rows, "tick"))]
    zero = [] if measured.zero is None else [{"mean": measured.zero}]
    x = across([*seen, *zero], frame, title=measured.title, label=measured.label)
    y = down(len(rows))
    told = "short" if frame.narrow else "text"
    layers = [
        layer_of(zero).mark_rule(stroke=INK, strokeWidth=1).encode(x("mean")),
        *_marks(placed, x, y),
        *text_layers(placed, "label", across_at(0), y, limit=frame.labels - 12),
        *text_layers(having(placed, told), told, across_at(width), y, align="right"),
        *(side_words(frame, height, measured.sides) if measured.sides else []),
    ]
    return sized(layers, width, height, bottom=62 if measured.sides else 48)


def _marks(rows: Sequence[Row], x: Across, y: alt.Y) -> list[alt.Chart]:
    ink = as_is("mark", alt.Stroke)
    bars = layer_of(having(rows, "bar")).mark_rule(strokeWidth=12, opacity=0.3)
    rules = layer_of(having(rows, "low")).mark_rule(strokeWidth=1.5)
    ticks = layer_of(having(rows, "tick")).mark_tick(thickness=2, height=14, color=MUTED)
    return [
        bars.encode(x("bar"), alt.X2("mean"), y, stroke=ink),
        rules.encode(x("low"), alt.X2("high"), y, stroke=ink),
        ticks.encode(x("tick"), y),
        point_layer(having(rows, "mean"), x("mean"), y, ink="mark"),
    ]
