"""Points: two measures of each variant against each other."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import altair as alt

from recsys.drawing.canvas import (
    LETTER,
    NARROW,
    Plot,
    Row,
    across_at,
    domain_of,
    down_at,
    marks_of,
    point_layer,
    sized,
    text_layers,
    up_scale,
)
from recsys.drawing.documents import Document
from recsys.drawing.looks import Look


def scatter_plot(
    document: Document, styles: Mapping[str, Look], names: tuple[str, str], width: int
) -> Plot | None:
    """Draw each variant at two of its means, with its name beside it.

    Parameters
    ----------
    document
        The evaluation.
    styles
        The look of each variant.
    names
        The measures across and up.
    width
        Pixels.
    """
    rows = [
        {"variant": name, "x": mean[names[0]], "mean": mean[names[1]], **marks_of(styles[name])}
        for name, mean in ((n, v.get("mean", {})) for n, v in document["variants"].items())
        if names[0] in mean and names[1] in mean
    ]
    if not rows:
        return None
    height = 300 if width <= NARROW else 360
    left, right = 56, width - 16
    low, high = domain_of([row["x"] for row in rows], margin=0.12)
    x = alt.X("x:Q", title=names[0]).scale(domain=[low, high], range=[left, right], nice=False)
    y = up_scale(rows, height, names[1], margin=0.12)
    pixels = [
        (
            left + (row["x"] - low) / (high - low) * (right - left),
            (y.high - row["mean"]) / y.extent * height,
        )
        for row in rows
    ]
    labels = beside(pixels, [row["variant"] for row in rows], width)
    x_axis = x.axis(tickCount=max(3, width // 110), labelFlush=False)
    layers = [point_layer(rows, x_axis, y("mean")), *_side_labels(rows, labels, width)]
    return sized(layers, width, height, top=28, bottom=48)


SIDES = ((10, 0, "left"), (-10, 0, "right"), (0, -15, "center"), (0, 16, "center"))
"""Pixels from a point to its label, and the end of the label that stands there."""
START = {"left": 0.0, "right": -1.0, "center": -0.5}
"""Where a label begins, in its own lengths from where it stands."""

Label: TypeAlias = tuple[float, float, str]
"""Pixels across and down, and the alignment."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


def beside(points: Sequence[tuple[float, float]], names: Sequence[str], width: int) -> list[Label]:
    """Return a place for each label beside its point where it hides nothing, if there is one.

    The sides are tried in turn: right, left, above, below.

    Parameters
    ----------
    points
        Pixels across and down.
    names
        The labels.
    width
        Pixels of the plot; a label stays inside it.
    """
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in points]
    labels = []
    for (x, y), name in zip(points, names, strict=True):
        tries = [(x + dx, y + dy, align) for dx, dy, align in SIDES]
        boxes = [_box(label, name) for label in tries]
        costs = [_overlaps(box, taken) + 9 * (box[0] < 0 or box[2] > width) for box in boxes]
        best = costs.index(min(costs))
        labels.append(tries[best])
        taken.append(boxes[best])
    return labels


def _box(label: Label, name: str) -> Box:
    x, y, align = label
    length = LETTER * len(name)
    start = x + START[align] * length
    return (start, y - 8, start + length, y + 8)


def _overlaps(box: Box, others: Sequence[Box]) -> int:
    return sum(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in others
    )


def _side_labels(rows: Sequence[Row], labels: Sequence[Label], width: int) -> list[alt.Chart]:
    return [
        text
        for row, (x, y, align) in zip(rows, labels, strict=True)
        for text in text_layers(
            [row], "variant", across_at(x), down_at(y), align=align, limit=width // 2
        )
    ]
