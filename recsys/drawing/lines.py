"""Lines: a measure along steps, each with its name at its end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from recsys.drawing.canvas import (
    PANEL,
    Plot,
    Row,
    Up,
    across_at,
    as_is,
    having,
    layer_of,
    marks_of,
    point_layer,
    sized,
    text_layers,
    up_scale,
)
from recsys.drawing.documents import Document
from recsys.drawing.looks import Look


def lines_plot(
    records: Iterable[Document],
    styles: Mapping[str, Look],
    steps: Sequence[str],
    titles: tuple[str, str],
    width: int,
    label: str = "",
) -> Plot | None:
    """Draw a measure along steps, each line's name at its end.

    Bands are drawn for the candidate and the baseline alone: a dozen of them hide each other.

    Parameters
    ----------
    records
        ``step`` (one of `steps`), ``line``, ``mean`` and, where known, ``low`` and ``high``.
    styles
        The look of each line.
    steps
        The steps, from left to right.
    titles
        What the steps are, and which measure.
    width
        Pixels.
    label
        An expression of Vega that writes a tick's number.

    Returns
    -------
    Plot or None
        None where no line has a point.
    """
    known = [row for row in records if row.get("line") in styles and "mean" in row]
    if not known:
        return None
    height = max(280, 19 * len(styles))
    y = up_scale([_trusted(row) for row in known], height, titles[1], label=label)
    rows = [{**_inside(row, y), **marks_of(styles[row["line"]])} for row in known]
    right = min(170, round(0.295 * width))
    # A panel has no room to spare beside the first and the last step.
    padding, apart = (0.15, 4) if width == PANEL else (alt.Undefined, alt.Undefined)
    x = alt.X("step:N", sort=list(steps), title=titles[0]).scale(
        type="point", range=[56, width - right - 24], padding=padding
    )
    layers = [
        *_bands(rows, x.axis(**STEPS, labelSeparation=apart), y),
        *_series(rows, x, y),
        *_end_labels(rows, x, y, steps=steps, at=(width - right, width), height=height),
    ]
    return sized(layers, width, height, top=28, bottom=48)


MIN_USERS = 30
"""Fewer, and an interval does not widen the scale of lines."""


def _trusted(row: Document) -> Row:
    # The interval of a handful of users would flatten everything else.
    keys = ("mean", "low", "high") if row.get("users", MIN_USERS) >= MIN_USERS else ("mean",)
    return {key: row[key] for key in keys if key in row}


def _inside(row: Document, y: Up) -> Row:
    ends = {key: min(max(row[key], y.low), y.high) for key in ("low", "high") if key in row}
    return {**row, **ends}


def _bands(rows: Sequence[Row], x: alt.X, y: Up) -> list[alt.Chart]:
    few = len({row["line"] for row in rows}) <= 2
    shown = [row for row in having(rows, "low") if few or row["role"] != "other"]
    # The whole layer stands even where it is empty: it is the one that carries the axes.
    band = layer_of(shown).mark_area(opacity=0.13)
    return [
        band.encode(
            x, y("low"), alt.Y2("high"), fill=as_is("ink", alt.Fill), detail=alt.Detail(LINE)
        )
    ]


LINE = "line:N"
STEPS: Mapping[str, Any] = {
    "labelExpr": "split(datum.label, ' ')",  # each word on a line of its own
    "labelAngle": 0,
    "labelOverlap": "greedy",
    "grid": False,
}
STROKES: Mapping[str, Mapping[str, Any]] = {
    "other": {"strokeWidth": 1.25},
    "baseline": {"strokeWidth": 2, "strokeDash": [6, 4]},
    "candidate": {"strokeWidth": 3},
}


def _series(rows: Sequence[Row], x: alt.X, y: Up) -> list[alt.Chart]:
    layers = []
    for role, stroke in STROKES.items():  # the candidate last, on top
        part = layer_of([row for row in rows if row["role"] == role])
        ink = as_is("ink", alt.Stroke)
        layers.append(
            part.mark_line(**stroke).encode(x, y("mean"), stroke=ink, detail=alt.Detail(LINE))
        )
    return [*layers, point_layer(rows, x, y("mean"))]


def _end_labels(
    rows: Sequence[Row],
    x: alt.X,
    y: Up,
    *,
    steps: Sequence[str],
    at: tuple[int, int],
    height: int,
) -> list[alt.Chart]:
    last = {row["line"]: row for row in sorted(rows, key=lambda row: steps.index(row["step"]))}
    places = spread([row["mean"] for row in last.values()], gap=17 * y.extent / height)
    named = [row | {"place": place} for row, place in zip(last.values(), places, strict=True)]
    start, end = at
    leader = layer_of(named).mark_rule(strokeWidth=0.75, opacity=0.6)
    return [
        leader.encode(
            x,
            y("mean"),
            x2=alt.value(start - 4),
            y2=alt.Y2("place"),
            stroke=as_is("ink", alt.Stroke),
        ),
        point_layer(named, across_at(start + 2), y("place")),
        *text_layers(named, "line", across_at(start + 12), y("place"), limit=end - start - 12),
    ]


def spread(values: Sequence[float], *, gap: float) -> list[float]:
    """Return places near `values`, in the same order, no two nearer than `gap`.

    Neighbours that are too near share a block around the mean of their values; blocks that meet
    are merged (pool adjacent violators), so the places move as little as they can in total squares.

    Parameters
    ----------
    values
        Where the labels would stand best.
    gap
        The least distance, in the unit of `values`.

    Examples
    --------
    >>> spread([0.0, 10.0, 0.5], gap=1.0)
    [-0.25, 10.0, 0.75]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    blocks: list[list[float]] = []
    for rank, place in enumerate(order):
        blocks.append([values[place] - rank * gap])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    shifted = [_mean(block) for block in blocks for _ in block]
    places = {place: shifted[rank] + rank * gap for rank, place in enumerate(order)}
    return [places[place] for place in range(len(values))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
