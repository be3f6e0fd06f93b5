"""Plots of rows: a label, a mark on a horizontal scale, a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from recsys.drawing.canvas import (
    NARROW,
    Row,
    across_at,
    as_is,
    domain_of,
    down_at,
    having,
    layer_of,
    point_layer,
    text_layers,
)
from recsys.drawing.looks import MUTED, PAPER

ROW = 24
"""Pixels from a row to the next."""


@dataclass(frozen=True)
class Frame:
    """Where the columns of a plot of rows stand, in pixels."""

    width: int
    labels: int
    figures: int

    @property
    def ends(self) -> list[int]:
        """Where the horizontal scale begins and ends."""
        return [self.labels, self.width - self.figures]

    @property
    def narrow(self) -> bool:
        """Whether there is room for less."""
        return self.width <= NARROW


def frame_of(width: int) -> Frame:
    """Return the columns for a width."""
    return Frame(width, 112, 64) if width <= NARROW else Frame(width, 230, 200)


@dataclass(frozen=True)
class Across:
    """The horizontal scale of a plot of rows."""

    low: float
    high: float
    frame: Frame
    title: str
    label: str = ""

    def __call__(self, name: str) -> alt.X:
        """Return the channel that reads a column."""
        scale = alt.Scale(domain=[self.low, self.high], range=self.frame.ends, nice=False)
        ticks = 3 if self.frame.narrow else 5
        axis = alt.Axis(
            tickCount=ticks,
            labelFlush=False,
            labelOverlap=True,
            labelExpr=self.label or alt.Undefined,
        )
        return alt.X(f"{name}:Q", scale=scale, axis=axis, title=self.title)


def across(rows: Sequence[Row], frame: Frame, *, title: str, label: str = "") -> Across:
    """Return a horizontal scale that holds the points and intervals of rows.

    Parameters
    ----------
    rows
        ``mean``, ``low``, ``high``, ``raw``, ``from`` and ``to``, where they have them.
    frame
        The columns of the plot.
    title
        What the scale measures.
    label
        An expression of Vega that writes a tick's number.
    """
    keys = ("mean", "low", "high", "raw", "from", "to")
    low, high = domain_of([row[key] for row in rows for key in keys if key in row])
    return Across(low, high, frame, title, label)


def down(n_rows: int) -> alt.Y:
    """Return the vertical channel: the column ``row`` counts from the top."""
    scale = alt.Scale(domain=[-0.5, n_rows - 0.5], range=[0, ROW * n_rows], nice=False)
    return alt.Y("row:Q", scale=scale, axis=None)


def side_words(frame: Frame, height: int, words: tuple[str, str]) -> list[alt.Chart]:
    """Return what the left and the right end of the scale mean, below its title."""
    left, right = frame.ends
    below = down_at(height + 48)
    return [
        text
        for place, align, word in zip((left, right), ("left", "right"), words, strict=True)
        for text in text_layers(
            [{"text": word, "ink": MUTED}], "text", across_at(place), below, align=align
        )
    ]


def interval_marks(rows: Sequence[Row], x: Across, y: alt.Y) -> list[alt.Chart]:
    """Draw estimates: the raw interval thin, that after borrowing strength thick.

    Parameters
    ----------
    rows
        Where they have them: ``mean``, ``low`` and ``high``, ``raw``, ``from`` and ``to``; ``mark``
        and ``fill`` are their colours, ``shape`` their symbol.
    x, y
        The scales.
    """
    drawn, ink = having(rows, "mean"), as_is("mark", alt.Stroke)
    return [
        layer_of(having(drawn, "low"))
        .mark_rule(strokeWidth=1)
        .encode(x("low"), alt.X2("high"), y, stroke=ink),
        layer_of(having(drawn, "from"))
        .mark_rule(strokeWidth=5, opacity=0.35)
        .encode(x("from"), alt.X2("to"), y, stroke=ink),
        layer_of(having(drawn, "raw"))
        .mark_tick(thickness=1.5, height=11)
        .encode(x("raw"), y, color=as_is("mark", alt.Color)),
        point_layer(drawn, x("mean"), y, ink="mark"),
    ]


def row_texts(rows: Sequence[Row], frame: Frame, y: alt.Y) -> list[alt.Chart]:
    """Write what stands beside the marks.

    Parameters
    ----------
    rows
        ``label`` at the left, ``gain`` and ``users`` at the right; ``few`` in place of a mark.
    frame
        The columns of the plot.
    y
        The vertical scale.
    """
    few = [row | {"few": "too few users"} if frame.narrow else row for row in having(rows, "few")]
    middle = across_at(sum(frame.ends) / 2)
    # The lines of the scale run behind these words: a rim of paper keeps them readable.
    rim = layer_of(few).mark_text(align="center", stroke=PAPER, strokeWidth=6)
    texts = [
        *text_layers(rows, "label", across_at(0), y, limit=frame.labels - 12),
        rim.encode(x=middle, y=y, text=alt.Text("few:N")),
        *text_layers(few, "few", middle, y, align="center"),
        *text_layers(having(rows, "gain"), "gain", across_at(frame.width), y, align="right"),
    ]
    if frame.narrow:
        return texts
    users = text_layers(
        having(rows, "users"), "users", across_at(frame.width - 90), y, align="right"
    )
    return [*texts, *users]
