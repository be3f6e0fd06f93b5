"""What every axis has: a config, a fit that freezes what it learnt, and an assignment."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    model_validator,
)
from scipy import sparse

from recsys.errors import ConfigError
from recsys.events.times import format_time, parse_days
from recsys.segments.facts import Read, UserFacts
from recsys.segments.shares import Column
from recsys.types import Config, Floats, Indices, Membership


def window_days(window: str, *, what: str = "window") -> float:
    """Return the length of a profile window in days; infinite for ``none``."""
    return math.inf if window == "none" else parse_days(window, what=what)


def _is_duration(value: str, info: ValidationInfo) -> str:
    parse_days(value, what=str(info.field_name))
    return value


def _is_window(value: str, info: ValidationInfo) -> str:
    window_days(value, what=str(info.field_name))
    return value


Duration = Annotated[str, AfterValidator(_is_duration)]
"""A length of time such as ``30d``."""

Window = Annotated[str, AfterValidator(_is_window)]
"""How far back events count: a length of time, or ``none`` for all of them."""


class AxisBase(Config):
    """What the config of every axis may say, and what the rest of the house asks it."""

    title: str | None = Field(None, description="the axis in plain words, for the tag catalogue")
    owner: str | None = Field(None, description="who answers for it, for the tag catalogue")
    check: str | None = Field(
        None, description="another axis, or a users' column, that should say the same"
    )

    @model_validator(mode="wrap")
    @classmethod
    def _keeps_its_place(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # To pydantic a ValueError has a place in the file, which a ConfigError would lose.
        try:
            return handler(value)
        except ConfigError as error:
            raise ValueError(str(error)) from error

    @property
    def reads(self) -> tuple[Read, ...]:
        """The profile features it goes by."""
        return ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The item columns it shares users out over."""
        return ()

    @property
    def parents(self) -> tuple[str, ...]:
        """The axes it is made of."""
        return ()

    @property
    def update(self) -> str:
        """When memberships change, in words."""
        return "with every event"

    def moments(self, as_of: int) -> tuple[int, ...]:
        """When it looks at users: now; a calm axis at grid points before, too."""
        return (as_of,)


class Period(Config):
    """The cut points of an ordered axis that a grid point froze until the next.

    Attributes
    ----------
    moment
        The grid point, microseconds.
    plain, enter, leave
        Cuts between the levels, ascending; those to be reached to move up, and those to fall
        below to move down.
    """

    moment: int
    plain: tuple[float, ...]
    enter: tuple[float, ...]
    leave: tuple[float, ...]


class AxisFit(Config):
    """The frozen part of an axis: what assigning a user needs besides her own facts.

    Attributes
    ----------
    segments
        Their names, in column order.
    definitions
        Each segment in words.
    cuts
        Cut points by feature, ascending.
    periods
        Of a calm axis: the cuts of each grid point, the newest last.
    learnt
        Whatever else an axis has learnt, as JSON.
    """

    segments: tuple[str, ...]
    definitions: tuple[str, ...]
    cuts: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    periods: tuple[Period, ...] = ()
    learnt: dict[str, Any] = Field(default_factory=dict)


class AxisKind(NamedTuple):
    """A family of axes.

    Attributes
    ----------
    config
        The type of its config; its ``kind`` names the family.
    fit
        ``(config, facts) -> AxisFit``.
    assign
        ``(config, fit, facts) -> membership`` of shape ``(n_users, n_segments)``.
    needs_times
        Whether the family is off for data without times.
    """

    config: type[AxisBase]
    fit: Callable[[Any, UserFacts], AxisFit]
    assign: Callable[[Any, AxisFit, UserFacts], Membership]
    needs_times: bool = False


def when(window: str, facts: UserFacts) -> str:
    """Say in words which time a window is: ``in the 90 days before 2017-12-01``."""
    if not facts.timed:
        return "ever"
    moment = format_time(facts.as_of)[:16].replace("T", " ").removesuffix(" 00:00")
    if window == "none":
        return f"before {moment}"
    days = window_days(window)
    return f"in the {days:g} day{'' if days == 1 else 's'} before {moment}"


def one_hot(codes: Indices, n_segments: int) -> Membership:
    """Put each user wholly into the segment of her code; -1 is unknown and stays empty."""
    known = np.flatnonzero(codes >= 0)
    ones = np.ones(len(known))
    return sparse.csr_matrix((ones, (known, codes[known])), shape=(len(codes), n_segments))


def quantile_cuts(values: Floats, quantiles: Sequence[float]) -> tuple[float, ...]:
    """Cut points of the known values; equal ones are merged, so that no segment is empty by law."""
    return tuple(np.unique(raw_cuts(values, quantiles)).tolist())


def raw_cuts(values: Floats, quantiles: Sequence[float]) -> Floats:
    """Cut points of the known values, one for each quantile; none where all values are equal."""
    known = values[np.isfinite(values)]
    distinct = np.unique(known)
    if len(distinct) < 2:
        return np.empty(0)
    # Nothing is below the smallest value: a quantile that falls on it moves up to the next one.
    reached = np.quantile(known, quantiles, method="higher")
    return np.asarray(np.maximum(reached, distinct[1]), dtype=np.float64)


def grade(values: Floats, cuts: Sequence[float]) -> Indices:
    """Return how many cuts each value reaches (``value >= cut``); -1 for an unknown value."""
    graded = np.searchsorted(np.asarray(cuts), values, side="right")
    return np.where(np.isfinite(values), graded, -1).astype(np.int64)
