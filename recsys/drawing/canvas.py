"""What all plots are made of: sizes, scales, marks, and the drawing itself.

Every plot is laid out in pixels here (``autosize: none``), so that it does not depend on the fonts
of the machine that draws it. Names of a shop are data of the drawing and never part of an
expression; colours are variables of the page (`recsys.drawing.looks`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import altair as alt
import vl_convert

from recsys.drawing.looks import INK, MUTED, RULE, Look

WIDE, NARROW, PANEL = 800, 340, 400
"""Pixels: of a desk or a sheet of paper, of a phone, and of one panel among others."""
LETTER = 7.6
"""About the width of a letter, in pixels: enough to keep labels apart."""

Row: TypeAlias = dict[str, Any]
"""What one mark is drawn from: columns by name."""
Plot: TypeAlias = alt.LayerChart

_LABELS = {"labelColor": MUTED, "labelFontSize": 12, "titleColor": MUTED, "titleFontSize": 12}
CONFIG = {
    "aria": False,  # the figure carries one text alternative; a label on each mark would be noise
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_LABELS,
        "domain": False,
        "ticks": False,
        "labelPadding": 8,
        "gridColor": RULE,
        "titleFontWeight": "normal",
        "titlePadding": 10,
    },
    "text": {"fontSize": 13, "baseline": "middle", "color": INK},
}


def draw(plot: Plot) -> str:
    """Return a plot as SVG text; nothing is fetched."""
    # The schema's check of what is written here takes longer than the drawing; a test does it.
    # Without an address that is allowed, a specification cannot make the drawing fetch anything.
    svg: str = vl_convert.vegalite_to_svg(
        plot.to_dict(validate=False), config=CONFIG, allowed_base_urls=[]
    )
    return svg


@dataclass(frozen=True)
class Up:
    """The vertical scale of lines and points."""

    low: float
    high: float
    height: int
    title: str
    label: str = ""

    @property
    def extent(self) -> float:
        """From the low end to the high one."""
        return self.high - self.low

    def __call__(self, name: str) -> alt.Y:
        """Return the channel that reads a column."""
        scale = alt.Scale(domain=[self.low, self.high], range=[self.height, 0], nice=False)
        axis = alt.Axis(
            tickCount=5,
            titleAngle=0,
            titleAlign="left",
            titleX=0,
            titleY=-16,
            offset=-46,
            labelExpr=self.label or alt.Undefined,
        )
        return alt.Y(f"{name}:Q", scale=scale, axis=axis, title=self.title)


def up_scale(
    rows: Sequence[Row], height: int, title: str, *, margin: float = 0.06, label: str = ""
) -> Up:
    """Return a vertical scale that holds the means and intervals of rows."""
    keys = ("mean", "low", "high")
    low, high = domain_of([row[key] for row in rows for key in keys if key in row], margin=margin)
    return Up(low, high, height, title, label)


def domain_of(values: Sequence[float], margin: float = 0.06) -> tuple[float, float]:
    """Return the ends of a scale that holds all values, with a margin of the extent."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    # Equal values still need a scale with an extent.
    room = margin * (high - low) or 0.1 * abs(high) or 0.1
    return low - room, high + room


def layer_of(rows: Iterable[Row]) -> alt.Chart:
    """Return a layer that draws these rows."""
    return alt.Chart(alt.InlineData(values=list(rows)))


def having(rows: Iterable[Row], key: str) -> list[Row]:
    """Return the rows that have a column."""
    return [row for row in rows if key in row]


def across_at(pixels: float) -> Any:
    """Return the channel that stands at pixels from the left."""
    return alt.XValue(pixels)  # type: ignore[no-untyped-call]


def down_at(pixels: float) -> Any:
    """Return the channel that stands at pixels from the top."""
    return alt.YValue(pixels)  # type: ignore[no-untyped-call]


def as_is(name: str, channel: type[Any]) -> Any:
    """Return a channel whose column holds the colour or the shape itself."""
    return channel(f"{name}:N", scale=None)


def marks_of(look: Look) -> Row:
    """Return the columns by which a look is drawn."""
    bold = look.role == "candidate"
    return {
        "role": look.role,
        "ink": look.ink,
        "fill": look.fill,
        "shape": look.shape,
        "bold": bold,
    }


def ends_of(interval: tuple[float, float] | None, low: str = "low", high: str = "high") -> Row:
    """Return an interval as two columns; none where there is no interval."""
    return {} if interval is None else {low: interval[0], high: interval[1]}


def point_layer(rows: Iterable[Row], x: Any, y: Any, *, ink: str = "ink") -> alt.Chart:
    """Return one symbol for each row; `ink` is the column of its outline."""
    marks = {"stroke": alt.Stroke, "fill": alt.Fill, "shape": alt.Shape}
    names = {"stroke": ink, "fill": "fill", "shape": "shape"}
    channels = {name: as_is(names[name], channel) for name, channel in marks.items()}
    points = layer_of(rows).mark_point(size=62, strokeWidth=1.75, opacity=1)
    placed: alt.Chart = points.encode(x=x, y=y, **channels)
    return placed


def text_layers(
    rows: Sequence[Row], name: str, x: Any, y: Any, *, align: Any = "left", limit: int = 0
) -> list[alt.Chart]:
    """Return the words of a column; longer ones than `limit` pixels are cut."""
    # The weight of a text is no channel: the bold ones are a layer of their own.
    parts = {bold: [row for row in rows if bool(row.get("bold")) == bold] for bold in (False, True)}
    return [
        layer_of(part)
        .mark_text(align=align, limit=limit, fontWeight=600 if bold else 400)
        .encode(x=x, y=y, text=alt.Text(f"{name}:N"), color=as_is("ink", alt.Color))
        for bold, part in parts.items()
        if part
    ]


def sized(
    layers: Sequence[alt.Chart], width: int, height: int, *, top: int = 6, bottom: int
) -> Plot:
    """Return layers as one plot of a size; `top` and `bottom` are room for axes, in pixels."""
    padding = {"left": 0, "right": 0, "top": top, "bottom": bottom}
    return alt.LayerChart(
        layer=list(layers), width=width, height=height, padding=padding, autosize="none"
    )
