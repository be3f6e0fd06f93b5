"""Axes that grade one feature: cut points, names from low to high, and calm between periods."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from recsys.errors import ConfigError
from recsys.segments.axis import (
    AxisBase,
    AxisFit,
    AxisKind,
    Period,
    Window,
    grade,
    one_hot,
    raw_cuts,
    when,
    window_days,
)
from recsys.segments.calendar import moments
from recsys.segments.facts import Read, UserFacts
from recsys.segments.hysteresis import Calm, replay, step_now
from recsys.segments.profiles.shopping import ORDERS
from recsys.types import Flags, Floats, Indices, Membership

EMPTY: Final = " (nobody: so many have one value that both bounds fall on it)"


class Scale(NamedTuple):
    """An ordered feature, and how its levels are told.

    Attributes
    ----------
    feature
        Its name.
    segments
        Names of the levels, from low to high.
    says
        The words in front of a bound: ``spent``.
    unit
        The words after the bounds.
    times
        What a bound in the config is multiplied by to be one of the feature: 100 for money.
    remedy
        What to do where nobody has the feature.
    among
        Only users in whom this feature is above 0 are graded; None: everybody who has the feature.
    """

    feature: str
    segments: tuple[str, ...]
    says: str
    unit: str = ""
    times: float = 1.0
    remedy: str = "remove the axis"
    among: str | None = ORDERS

    def write(self, bound: float) -> str:
        """Write a bound for people: money to the cent, other numbers to three digits or more."""
        if self.times != 1.0:
            return f"{bound / self.times:.2f}"
        return f"{bound:.3g}" if abs(bound) < 1000 else f"{bound:.0f}"

    def tell(self, bounds: str, time: str) -> str:
        """Say which values a level has, and of which time."""
        return " ".join(part for part in (self.says, bounds, self.unit, time) if part)


class GradedConfig(AxisBase):
    """Where the levels of a feature begin."""

    quantiles: tuple[float, ...] = Field(
        description="of the customers who have the feature: where each level but the first begins"
    )
    cuts: tuple[float, ...] | None = Field(
        None, description="fixed bounds in place of quantiles, in the feature's own unit"
    )
    names: tuple[str, ...] | None = Field(None, description="the levels, from low to high")
    window: Window = Field("none", description='how far back events count; "none" = all of them')
    calm: Calm | None = Field(
        None,
        description="move on a calendar, up fast and down slowly; of fixed cuts the margin is a "
        "share of the cut",
    )

    @field_validator("quantiles")
    @classmethod
    def _ascend(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or list(value) != sorted({*value}) or not 0 < value[0] <= value[-1] < 1:
            raise ValueError(f"quantiles {list(value)} are not ascending between 0 and 1")
        return value

    @field_validator("cuts")
    @classmethod
    def _ascend_too(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (not value or list(value) != sorted({*value})):
            raise ValueError(f"cuts {list(value)} are not ascending")
        return value

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        bounds = self.quantiles if self.cuts is None else self.cuts
        if len(self.levels) != len(bounds) + 1 or len({*self.levels}) != len(self.levels):
            raise ValueError(
                f"{len(bounds)} bounds part {len(bounds) + 1} levels, and names are "
                f"{', '.join(self.levels)}; give as many different names"
            )
        return self

    @property
    def scale(self) -> Scale:
        """The feature, and how its levels are told."""
        raise NotImplementedError

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels, from low to high."""
        return self.names or self.scale.segments

    @property
    def days(self) -> float:
        """The window's length in days."""
        return window_days(self.window)

    @property
    def reads(self) -> tuple[Read, ...]:
        """The feature, and who is graded at all."""
        names = (self.scale.feature, self.scale.among)
        return tuple(Read(name, self.days) for name in names if name is not None)

    @property
    def update(self) -> str:
        """When memberships change, in words."""
        return "with every event" if self.calm is None else self.calm.words

    def moments(self, as_of: int) -> tuple[int, ...]:
        """Return now, and the grid points that a calm axis replays."""
        return (*self.grid(as_of), as_of)

    def grid(self, as_of: int) -> tuple[int, ...]:
        """Return the grid points that are replayed, ascending; none without calm."""
        if self.calm is None:
            return ()
        return moments(self.calm.every, as_of=as_of, count=self.calm.periods)


def fit(config: GradedConfig, facts: UserFacts) -> AxisFit:
    """Freeze the cut points of the customers: as they are now, or as of each grid point.

    Raises
    ------
    ConfigError
        When nobody has the feature, or too few differ in it.
    """
    cuts = _cuts_now(config, facts)
    periods = _periods(config, facts) if facts.timed else ()
    in_words = periods[-1].plain if periods else cuts
    return AxisFit(
        segments=config.levels,
        definitions=tuple(_definitions(config, facts, in_words)),
        cuts={config.scale.feature: cuts},
        periods=periods,
    )


def with_segment(fitted: AxisFit, name: str, definition: str) -> AxisFit:
    """Add a segment that is taken out of the levels, after them.

    Raises
    ------
    ConfigError
        When a level is called so.
    """
    if name in fitted.segments:
        raise ConfigError(f"names {list(fitted.segments)}: {name!r} is a segment besides them")
    changed = {
        "segments": (*fitted.segments, name),
        "definitions": (*fitted.definitions, definition),
    }
    return fitted.model_copy(update=changed)


def cuts_of(
    feature: str, values: Floats, quantiles: Sequence[float], *, remedy: str
) -> tuple[float, ...]:
    """Cut the known values into levels; where cuts fall on one value, nobody is between them.

    Raises
    ------
    ConfigError
        When nobody has the feature, or all have the same.
    """
    known = values[np.isfinite(values)]
    if not known.any():
        raise ConfigError(f"no customer has the feature {feature!r}: {remedy}")
    cuts = raw_cuts(known, quantiles)
    if not len(cuts):
        raise ConfigError(
            f"{feature!r} is {known[0]:g} for all of {len(known)} customers: too even for "
            f"quantiles {list(quantiles)}; take another feature or fixed cuts, or remove the axis"
        )
    return tuple(cuts.tolist())


def _cuts_now(config: GradedConfig, facts: UserFacts) -> tuple[float, ...]:
    scale, values = config.scale, measured(config, facts, facts.as_of)
    if config.cuts is None:
        return cuts_of(scale.feature, values, config.quantiles, remedy=scale.remedy)
    if not values[np.isfinite(values)].any():
        raise ConfigError(f"no customer has the feature {scale.feature!r}: {scale.remedy}")
    return tuple(bound * scale.times for bound in config.cuts)


def measured(config: GradedConfig, facts: UserFacts, until: int) -> Floats:
    """Return the feature of those who are graded; NaN for the others."""
    scale = config.scale
    values = facts.feature(scale.feature, window=config.days, until=until)
    if scale.among is None:
        return values
    graded = facts.feature(scale.among, window=config.days, until=until) > 0
    return np.where(graded, values, np.nan)


def _definitions(config: GradedConfig, facts: UserFacts, cuts: Sequence[float]) -> list[str]:
    bounds = [config.scale.write(cut) for cut in cuts]
    between = [
        f"{low} or more but less than {high}" + (EMPTY if first == last else "")
        for (low, high), (first, last) in zip(pairwise(bounds), pairwise(cuts), strict=True)
    ]
    ranges = [f"less than {bounds[0]}", *between, f"{bounds[-1]} or more"]
    calm = f"; moves {config.calm.words}" if config.calm and facts.timed else ""
    time = when(config.window, facts) + calm
    return [config.scale.tell(part, time) for part in ranges]


def _periods(config: GradedConfig, facts: UserFacts) -> tuple[Period, ...]:
    """Freeze the cuts of each grid point; one with too few customers takes the next one's."""
    points = config.grid(facts.as_of)
    frozen = [_period(config, facts, moment) for moment in (*points, facts.as_of)]
    following = frozen.pop()
    periods: list[Period] = []
    for moment, period in zip(reversed(points), reversed(frozen), strict=True):
        following = period or following
        periods += [following.model_copy(update={"moment": moment})] if following else []
    return tuple(reversed(periods))


def _period(config: GradedConfig, facts: UserFacts, moment: int) -> Period | None:
    bounds = _bounds(config, measured(config, facts, moment))
    if not len(bounds[0]):
        return None
    plain, enter, leave = (tuple(part.tolist()) for part in bounds)
    return Period(moment=moment, plain=plain, enter=enter, leave=leave)


def _bounds(config: GradedConfig, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the cuts, and those a margin above and below: in customers, or of a fixed cut."""
    margin = config.calm.margin if config.calm else 0.0
    if config.cuts is not None:
        cuts = np.asarray(config.cuts) * config.scale.times
        return cuts, cuts + np.abs(cuts) * margin, cuts - np.abs(cuts) * margin
    plain, enter, leave = (
        raw_cuts(values, _shifted(config.quantiles, by)) for by in (0.0, margin, -margin)
    )
    return plain, enter, leave


def _shifted(quantiles: Sequence[float], by: float) -> list[float]:
    # 0.8 + 0.05 is a little more than 0.85, which could be the next customer.
    return [min(max(round(quantile + by, 9), 0.0), 1.0) for quantile in quantiles]


def assign(config: GradedConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each customer into one level; who has not the feature in the window is unknown."""
    return one_hot(levels(config, fitted, facts), len(fitted.segments))


def assign_besides(
    config: GradedConfig, fitted: AxisFit, facts: UserFacts, taken: Flags
) -> Membership:
    """Put the `taken` into the segment that was added last, and everybody else into a level."""
    last = len(fitted.segments) - 1
    codes = np.where(taken, last, levels(config, fitted, facts))
    return one_hot(codes.astype(np.int64), len(fitted.segments))


def levels(config: GradedConfig, fitted: AxisFit, facts: UserFacts) -> Indices:
    """Return each user's level, shape ``(n_users,)``; -1 is unknown."""
    if config.calm is None or not fitted.periods:
        return grade(measured(config, facts, facts.as_of), fitted.cuts[config.scale.feature])
    return _calm_levels(config, fitted, facts, config.calm)


def _calm_levels(config: GradedConfig, fitted: AxisFit, facts: UserFacts, calm: Calm) -> Indices:
    """Replay the grid points, then take the provisional step of the days since the last one."""
    graded = [_grades(config, fitted, facts, point) for point in config.grid(facts.as_of)]
    enter, leave, plain = (np.stack(part) for part in zip(*graded, strict=True))
    state = replay(enter, leave, plain, calm)[-1]
    enter_now, _, plain_now = _grades(config, fitted, facts, facts.as_of)
    return step_now(state, enter_now, plain_now)


def _grades(
    config: GradedConfig, fitted: AxisFit, facts: UserFacts, moment: int
) -> tuple[Indices, Indices, Indices]:
    period = in_force(fitted.periods, moment)
    values = measured(config, facts, moment)
    return (
        grade(values, period.enter),
        grade(values, period.leave),
        grade(values, period.plain),
    )


def in_force(periods: Sequence[Period], moment: int) -> Period:
    """Return the newest period that began by a moment; the first one before all of them."""
    begun = [period for period in periods if period.moment <= moment]
    return begun[-1] if begun else periods[0]


def graded_kind(config: type[GradedConfig], *, needs_times: bool = False) -> AxisKind:
    """Make the family of axes that a scale and its defaults are."""
    return AxisKind(config, fit, assign, needs_times=needs_times)
