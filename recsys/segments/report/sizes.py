"""How large the segments are."""

from collections.abc import Sequence

import altair as alt

from recsys.drawing.canvas import WIDE, Plot, Row, layer_of, sized, text_layers
from recsys.drawing.documents import Document
from recsys.drawing.figures import figure
from recsys.drawing.looks import ACCENT, INK, MUTED
from recsys.drawing.numbers import count, share
from recsys.segments.report.parts import Part, more, text

AXES, SEGMENTS = 12, 8
"""Axes in the plot, and segments of each of them."""
STEP = 22
"""Pixels from a bar to the next."""


def sizes(document: Document) -> Part:
    """Return how large the segments of each axis are."""
    axes = [axis for axis in document["axes"] if axis.get("segments")]
    shown = axes[:AXES]
    told = "; ".join(_told(axis) for axis in shown)
    drawn = figure(
        "sizes",
        "",
        "Share of all users. The largest segments of each axis; a user may be in several segments "
        "of an axis whose shares add up to more than the whole." + more(len(axes) - AXES, "axes"),
        f"Share of users: {told}.",
        lambda width: bars_plot(shown, width),
    )
    return Part("sizes", "How large the segments are", figures=[drawn] if drawn else [])


def largest(axis: Document) -> list[Document]:
    """Return the largest segments of an axis, at most `SEGMENTS`."""
    known = [segment for segment in axis.get("segments", []) if "share" in segment]
    return sorted(known, key=lambda segment: -segment["share"])[:SEGMENTS]


def _told(axis: Document) -> str:
    parts = [f"{text(part, 'name')} {share(part['share'])}" for part in largest(axis)]
    return f"{text(axis, 'name')}: {', '.join(parts)}"


# Bars, laid out by hand: the columns of a page of bars have no scale in common but the shares.


def bars_plot(axes: Sequence[Document], width: int) -> Plot | None:
    """Draw the largest segments of each axis as bars, in two columns where there is room.

    Parameters
    ----------
    axes
        Axes of the document.
    width
        Pixels.

    Returns
    -------
    Plot or None
        None where no segment has a share.
    """
    blocks = [rows for rows in map(_block, axes) if rows]
    if not blocks:
        return None
    columns = 2 if width >= WIDE else 1
    column = (width - 48 * (columns - 1)) // columns
    rows = _placed(blocks, columns, column)
    bars = [row for row in rows if "share" in row]
    height = max(row["y"] for row in rows) + STEP // 2
    y = alt.Y("y:Q", scale=alt.Scale(domain=[0, height], range=[0, height]), axis=None)
    right = alt.X("right:Q", scale=None)
    layers = [
        _bars(bars, y),
        *text_layers(rows, "label", alt.X("left:Q", scale=None), y, limit=_labels(column) - 12),
        *text_layers(bars, "figure", right, y, align="right"),
    ]
    return sized(layers, width, height, bottom=6)


def _block(axis: Document) -> list[Row]:
    found = largest(axis)
    if not found:
        return []
    rows = [{"label": text(part, "name"), "ink": INK, "share": part["share"]} for part in found]
    left_out = len(axis["segments"]) - len(found)
    if left_out:
        rows.append({"label": f"and {count(left_out)} more", "ink": MUTED})
    return [{"label": text(axis, "name"), "ink": INK, "bold": True}, *rows]


def _placed(blocks: Sequence[Sequence[Row]], columns: int, width: int) -> list[Row]:
    # The next axis goes where there is most room, so both columns end at about the same height.
    filled = [0] * columns
    most = max(row.get("share", 0.0) for block in blocks for row in block) or 1.0
    placed = []
    for block in blocks:
        column = filled.index(min(filled))
        left = column * (width + 48)
        start = left + _labels(width)
        for place, row in enumerate(block):
            length = (width - _labels(width) - 60) * row.get("share", 0.0) / most
            spot = {"y": filled[column] + STEP * place + STEP // 2, "tip": start + length}
            figures = {"figure": share(row["share"])} if "share" in row else {}
            placed.append(
                {**row, **spot, **figures, "left": left, "start": start, "right": left + width}
            )
        filled[column] += STEP * len(block) + 16
    return placed


def _labels(column: int) -> int:
    return round(0.38 * column)


def _bars(rows: Sequence[Row], y: alt.Y) -> alt.Chart:
    x, x2 = alt.X("start:Q", scale=None, axis=None), alt.X2("tip")
    drawn: alt.Chart = layer_of(rows).mark_rule(strokeWidth=12, stroke=ACCENT).encode(x, x2, y)
    return drawn
