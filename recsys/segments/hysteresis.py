"""Calm levels: up at once and down slowly, on a fixed grid of periods.

A plain level jumps to and fro for whoever is near a cut point. A calm one is the replay of some
periods, and so a function of the history alone: nothing is kept between two runs.
"""

from typing import Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from recsys.errors import ConfigError
from recsys.segments.calendar import check_every
from recsys.types import Config, Indices


class Calm(Config):
    """How calm an ordered axis is."""

    every: str = Field(
        "month", description="when levels move: week, month, quarter or a duration like 30d"
    )
    margin: float = Field(
        0.05,
        ge=0,
        lt=0.5,
        description="how far beyond a cut she must be, above it to rise and below it to fall; "
        "a share of the customers",
    )
    confirm: int = Field(
        2, ge=1, description="periods in a row she must be below before she falls by one level"
    )
    dwell: int = Field(1, ge=0, description="periods a level is held before she can fall from it")
    periods: int = Field(6, ge=1, description="periods that are replayed")

    @field_validator("every")
    @classmethod
    def _is_a_grid(cls, value: str) -> str:
        check_every(value)
        return value

    @model_validator(mode="after")
    def _falls_at_all(self) -> Self:
        least = max(self.confirm, self.dwell) + 1
        if self.periods < least:
            raise ConfigError(
                f"periods = {self.periods} with confirm = {self.confirm} and dwell = {self.dwell}: "
                f"nobody could ever fall; take at least {least} periods"
            )
        return self

    @property
    def words(self) -> str:
        """When levels move, in words."""
        often = f"every {self.every}"
        down = "1 period" if self.confirm == 1 else f"{self.confirm} periods in a row"
        return f"{often}: up at once, down one level after {down} below"


def replay(enter: Indices, leave: Indices, levels: Indices, calm: Calm) -> Indices:
    """Return every user's level after each period, shape ``(n_periods, n_users)``.

    In her first known period a user has her plain level. After that, in each period:

    - she rises to `enter` at once where that is above her level;
    - she falls by one level where `leave` has been below her level for ``confirm`` periods in a
      row and she has held it for ``dwell`` periods; the next fall begins to count anew;
    - where her plain level is unknown so is her level, and all before is forgotten.

    So a level moves only towards the plain one and never past it: nobody is below `enter`, and in
    levels travelled a user never moves more than plainly (on an axis of two levels: never more
    often). With a margin of 0 and ``confirm = 1`` the level is the plain one or the last one less
    one, whichever is higher. Whoever has just come to a level has held it for 1 period in the
    next one: a ``dwell`` of 0 is the same as 1.

    Parameters
    ----------
    enter, leave, levels
        Levels from 0, int64, shape ``(n_periods, n_users)`` each, periods ascending: as graded by
        the cuts moved up by the margin, moved down by it, and by the plain cuts; -1 is unknown.
        Where merged cuts put `enter` above the plain level, or `leave` below it, the plain level
        counts.
    calm
        Its ``confirm`` and ``dwell`` are used.

    Raises
    ------
    ValueError
        Arrays of different shapes.

    Examples
    --------
    >>> levels = np.array([[1], [2], [1], [1], [0], [0]])
    >>> replay(levels, levels, levels, Calm(confirm=2)).ravel().tolist()
    [1, 2, 2, 1, 1, 0]
    """
    if not enter.shape == leave.shape == levels.shape or levels.ndim != 2:
        raise ValueError(
            "enter, leave and levels must be (n_periods, n_users) each, got "
            f"{enter.shape}, {leave.shape} and {levels.shape}"
        )
    enter, leave = np.minimum(enter, levels), np.maximum(leave, levels)
    states = np.empty(levels.shape, dtype=np.int64)
    state = np.full(levels.shape[1], -1, dtype=np.int64)
    held, below = np.zeros_like(state), np.zeros_like(state)
    for period, plain in enumerate(levels):
        below = np.where(leave[period] < state, below + 1, 0)
        falls = (below >= calm.confirm) & (held >= calm.dwell)
        moved = np.where(state < 0, plain, np.maximum(state - falls, enter[period]))
        moved = np.where(plain < 0, -1, moved)
        stays = moved == state
        held = np.where(stays, held + 1, 1)
        below = np.where(stays, below, 0)
        state = states[period] = moved
    return states


def step_now(state: Indices, enter: Indices, levels: Indices) -> Indices:
    """Return the level between two grid points: who rises does so at once, who falls waits.

    Parameters
    ----------
    state
        Levels after the last grid point, shape ``(n_users,)``; -1 is unknown.
    enter, levels
        As of now, as for `replay`, shape ``(n_users,)`` each. Whose level was unknown takes the
        plain one; whose plain level is unknown is unknown.

    Examples
    --------
    >>> step_now(np.array([1, 1, -1, 1]), np.array([2, 0, 1, -1]), np.array([2, 0, 1, -1])).tolist()
    [2, 1, 1, -1]
    """
    risen = np.where(state < 0, levels, np.maximum(state, np.minimum(enter, levels)))
    return np.where(levels < 0, -1, risen)
