"""Figures: a plot for a desk, one for a phone, and words for those who hear it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsys.drawing.canvas import Plot


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    name
        What its address in the page is made of.
    title, caption
        Above and below the plot.
    alternative
        What the plot shows, in words.
    wide, narrow
        SVG text.
    """

    name: str
    title: str
    caption: str
    alternative: str
    wide: str
    narrow: str


def figure(
    name: str,
    title: str,
    caption: str,
    alternative: str,
    plot: Callable[[int], Plot | None],
) -> Figure | None:
    """Draw a plot at both widths; None where there is nothing to draw.

    Parameters
    ----------
    name, title, caption, alternative
        As of `Figure`.
    plot
        What is drawn at a width, in pixels.
    """
    # Drawing loads altair, which not everybody installs.
    from recsys.drawing.canvas import NARROW, WIDE, draw

    wide, narrow = plot(WIDE), plot(NARROW)
    if wide is None or narrow is None:
        return None
    return Figure(name, title, caption, alternative, draw(wide), draw(narrow))


@dataclass(frozen=True)
class Panel:
    """One of several small plots of the same kind, as wide as a phone.

    Attributes
    ----------
    title
        What tells it from its neighbours.
    alternative
        What it shows, in words.
    drawing
        SVG text.
    """

    title: str
    alternative: str
    drawing: str


def panel(title: str, alternative: str, plot: Plot | None) -> Panel | None:
    """Draw one panel; None where there is nothing to draw."""
    from recsys.drawing.canvas import draw

    return None if plot is None else Panel(title, alternative, draw(plot))


@dataclass(frozen=True)
class Panels:
    """A figure of several panels.

    Attributes
    ----------
    name, title, caption
        As of `Figure`.
    panels
        In reading order.
    """

    name: str
    title: str
    caption: str
    panels: list[Panel]
