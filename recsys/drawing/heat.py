"""Heat maps: tables whose cells are coloured by how far they are from what is usual.

A table, and no drawing: its numbers can be read, heard, searched and copied.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = (0.05, 0.18, 0.4, 0.7, 1.1)
"""Where the shades of a log ratio begin: about 5 %, 20 %, 50 %, twice and three times as much."""


@dataclass(frozen=True)
class Shade:
    """One cell: what it says, and the class of its colour."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Heat:
    """A heat map.

    Attributes
    ----------
    caption
        What it shows.
    header
        The name of the first column and of each further one.
    rows
        The name of each row and its cells.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shade, ...]], ...]


def diverging(text: str, log_ratio: float | None) -> Shade:
    """Return a cell on the scale with two ends; a log ratio of 0 is usual.

    Examples
    --------
    >>> diverging("×2.0", 0.69).tone, diverging("×1.0", 0.0).tone, diverging("×0.2", -1.6).tone
    ('more-3', '', 'less-5')
    """
    step = bisect_right(STEPS, abs(log_ratio or 0.0))
    return Shade(text, f"{'more' if (log_ratio or 0) > 0 else 'less'}-{step}" if step else "")


def rising(text: str, part: float | None) -> Shade:
    """Return a cell on the scale from 0 to 1.

    Examples
    --------
    >>> rising("0.42", 0.42).tone, rising("0.00", 0.0).tone
    ('more-3', '')
    """
    step = math.ceil(5 * min(part or 0.0, 1.0) - 1e-9)
    return Shade(text, f"more-{step}" if step > 0 else "")


def strongest(values: Sequence[float], most: int) -> list[int]:
    """Return the places of the `most` largest values, in their own order.

    Examples
    --------
    >>> strongest([3.0, 1.0, 2.0], 2)
    [0, 2]
    """
    order = sorted(range(len(values)), key=lambda place: -values[place])
    return sorted(order[:most])
