"""Ribbons from names on the left to names on the right, as thick as what flows."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import altair as alt

from recsys.drawing.canvas import (
    PANEL,
    Plot,
    Row,
    across_at,
    layer_of,
    sized,
    text_layers,
)
from recsys.drawing.looks import ACCENT, INK, MUTED

HEIGHT, GAP, LEAST = 150, 10, 17
"""Pixels: of all ribbons together, between two names, and of a name."""
NAMES = 112
"""Pixels of the names on either side."""
BENDS = 16
"""Straight pieces of which an edge is made."""
HEAD = 24
"""Pixels of the line that says when."""

Rooms: TypeAlias = Mapping[str, tuple[float, float]]
"""By name: where it begins and how much room it takes, downwards, in pixels."""


def ribbons_plot(
    ends: Sequence[tuple[str, str]],
    users: Sequence[float],
    order: Sequence[str],
    when: tuple[str, str],
) -> Plot:
    """Draw who went from where to where.

    Parameters
    ----------
    ends
        The left and the right name of each ribbon, the one that stands out first.
    users
        How many (> 0) went each way.
    order
        Names from top to bottom; others follow.
    when
        What stands above the left and the right names.
    """
    unit = HEIGHT / sum(users)
    thick = [unit * number for number in users]
    sources, targets = [end[0] for end in ends], [end[1] for end in ends]
    left, right = rooms(sources, thick, order), rooms(targets, thick, order)
    starts = stacked((sources, targets), (left, right), thick)
    stops = stacked((targets, sources), (right, left), thick)
    height = round(max(top + size for side in (left, right) for top, size in side.values()))
    y = alt.Y("y:Q", scale=alt.Scale(domain=[0, height], range=[0, height]), axis=None)
    layers = [
        *_ribbons(list(zip(starts, stops, thick, strict=True)), y),
        *_names(left, when[0], y, at=NAMES - 8, align="right"),
        *_names(right, when[1], y, at=PANEL - NAMES + 8, align="left"),
    ]
    return sized(layers, PANEL, height, bottom=6)


def rooms(names: Sequence[str], thick: Sequence[float], order: Sequence[str]) -> Rooms:
    """Return where each name of one side stands."""
    total: dict[str, float] = {}
    for name, size in zip(names, thick, strict=True):
        total[name] = total.get(name, 0.0) + size
    ranks = {name: rank for rank, name in enumerate(order)}
    found, top = {}, float(HEAD)
    for name in sorted(total, key=lambda name: (ranks.get(name, len(ranks)), name)):
        found[name] = (top, max(total[name], LEAST))
        top += found[name][1] + GAP
    return found


def stacked(
    names: tuple[Sequence[str], Sequence[str]],
    places: tuple[Rooms, Rooms],
    thick: Sequence[float],
) -> list[float]:
    """Return the middle of each ribbon on one side.

    Ribbons of one name lie below each other without gaps, in the order of their other ends, so
    that few of them cross.

    Parameters
    ----------
    names
        Of each ribbon: on this side, and on the other.
    places
        Where the names of this side and of the other stand.
    thick
        Pixels of each ribbon.
    """
    (mine, theirs), (here, there) = names, places
    total = {name: sum(t for n, t in zip(mine, thick, strict=True) if n == name) for name in here}
    filled = {name: top + (size - total[name]) / 2 for name, (top, size) in here.items()}
    middles = [0.0] * len(thick)
    for ribbon in sorted(range(len(thick)), key=lambda ribbon: there[theirs[ribbon]][0]):
        middles[ribbon] = filled[mine[ribbon]] + thick[ribbon] / 2
        filled[mine[ribbon]] += thick[ribbon]
    return middles


def _ribbons(ribbons: Sequence[tuple[float, float, float]], y: alt.Y) -> list[alt.Chart]:
    start, stop = NAMES, PANEL - NAMES
    steps = [step / BENDS for step in range(BENDS + 1)]
    rows: list[Row] = [
        {
            "ribbon": place,
            "x": start + (stop - start) * step,
            "y": begin + (end - begin) * _bend(step) - size / 2,
            "bottom": begin + (end - begin) * _bend(step) + size / 2,
        }
        for place, (begin, end, size) in enumerate((b, e, max(s, 1.0)) for b, e, s in ribbons)
        for step in steps
    ]
    return [
        layer_of([row for row in rows if (row["ribbon"] == 0) == first])
        .mark_area(fill=ACCENT, opacity=0.75 if first else 0.35)
        .encode(
            alt.X("x:Q", scale=None, axis=None),
            y,
            alt.Y2("bottom"),
            detail=alt.Detail("ribbon:N"),
        )
        for first in (False, True)
    ]


def _bend(step: float) -> float:
    # Level at both ends.
    return step * step * (3 - 2 * step)


def _names(side: Rooms, when: str, y: alt.Y, *, at: int, align: str) -> list[alt.Chart]:
    rows: list[Row] = [
        {"name": name, "y": top + size / 2, "ink": INK} for name, (top, size) in side.items()
    ]
    rows.append({"name": when, "y": 8, "ink": MUTED})
    return text_layers(rows, "name", across_at(at), y, align=align, limit=NAMES - 10)
