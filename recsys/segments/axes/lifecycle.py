"""Where a customer stands: prospect, new, active, returning, silent or lapsed.

By fixed windows, or by her own pace: what is a long silence for a weekly customer is none for one
who comes twice a year.
"""

import math
from typing import Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from recsys.errors import ConfigError
from recsys.events.times import parse_days
from recsys.segments.axis import AxisBase, AxisFit, AxisKind, Duration, one_hot
from recsys.segments.facts import Read, UserFacts
from recsys.segments.profiles.cadence import GAP, LAST_GAP
from recsys.segments.profiles.expectation import P_ALIVE
from recsys.segments.profiles.shopping import EVENTS, RECENCY, TENURE
from recsys.types import Flags, Floats, Membership

SEGMENTS: Final = ("prospect", "new", "active", "returning", "silent", "lapsed")


class LifecycleConfig(AxisBase):
    """Windows of the lifecycle."""

    kind: Literal["lifecycle"]
    new: Duration = Field("30d", description="first bought within this time")
    active: Duration = Field("30d", description="else: last bought within this time")
    silent: Duration = Field(
        "90d", description="else: last bought within this time; later is lapsed"
    )
    pace: Literal["fixed", "own"] = Field(
        "fixed", description="own: the customer's mean gap in place of the windows but new"
    )
    silent_gaps: float = Field(2.0, gt=0, description="own pace: silent after so many of her gaps")
    lapsed_gaps: float = Field(4.0, gt=0, description="own pace: lapsed after so many of her gaps")
    lapsed_alive: float | Literal["none"] = Field(
        0.2, description='own pace: lapsed below this chance to come back, too; "none" = not'
    )

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        if parse_days(self.active) > parse_days(self.silent):
            raise ValueError(
                f"active = {self.active!r} is longer than silent = {self.silent!r}; "
                "nobody could be silent"
            )
        if self.silent_gaps > self.lapsed_gaps:
            raise ValueError(
                f"silent_gaps = {self.silent_gaps:g} is more than "
                f"lapsed_gaps = {self.lapsed_gaps:g}; nobody could be silent"
            )
        return self

    @property
    def reads(self) -> tuple[Read, ...]:
        """The profile features it goes by."""
        own = (GAP, P_ALIVE) if self.pace == "own" else ()
        names = (EVENTS, RECENCY, TENURE, LAST_GAP, *own)
        return tuple(Read(feature, math.inf) for feature in names)


def fit(config: LifecycleConfig, facts: UserFacts) -> AxisFit:
    """Say the windows in words; nothing is learnt from `facts`.

    Raises
    ------
    ConfigError
        When customers have no pace: nobody came back.
    """
    if config.pace == "own" and not np.isfinite(_of(facts, GAP)).any():
        raise ConfigError(
            "pace = 'own' goes by the days between purchases, and nobody bought on two days; "
            "take pace = 'fixed'"
        )
    words = _own_pace_in_words(config) if config.pace == "own" else _windows_in_words(config)
    bought_first = f"first bought within the last {config.new}"
    definitions = ("looked, never bought", bought_first, *words)
    return AxisFit(segments=SEGMENTS, definitions=definitions)


def _windows_in_words(config: LifecycleConfig) -> tuple[str, ...]:
    return (
        f"bought within the last {config.active}, and before that",
        f"bought within the last {config.active}, after a pause of more than {config.silent}",
        f"last bought within the last {config.silent}",
        f"last bought more than {config.silent} ago",
    )


def _own_pace_in_words(config: LifecycleConfig) -> tuple[str, ...]:
    silent = f"{config.silent_gaps:g} times her mean gap"
    alive = config.lapsed_alive
    chance = "" if alive == "none" else f", or with a chance to come back below {alive:g}"
    return (
        f"last bought within {silent}",
        f"last bought within {silent}, after a pause of more than that",
        f"last bought more than {silent} ago",
        f"last bought more than {config.lapsed_gaps:g} times her mean gap ago{chance}",
    )


def assign(config: LifecycleConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each user with an event into one segment."""
    recency, tenure = _of(facts, RECENCY), _of(facts, TENURE)
    lately, silent, lapsed = _bounds(config, facts)
    gone = (recency > lapsed) | _has_little_chance(config, facts)
    conditions = [
        np.isnan(_of(facts, EVENTS)),
        np.isnan(recency),
        tenure <= parse_days(config.new),
        gone,
        recency > lately,
        _of(facts, LAST_GAP) > silent,
    ]
    codes = np.select(conditions, [-1, 0, 1, 5, 4, 3], default=2)
    return one_hot(codes.astype(np.int64), len(fitted.segments))


def _bounds(config: LifecycleConfig, facts: UserFacts) -> tuple[Floats, Floats, Floats]:
    """Return the days up to which a purchase is lately, a gap no pause, and nobody lapsed."""
    if config.pace == "own":
        gap = _of(facts, GAP)
        return config.silent_gaps * gap, config.silent_gaps * gap, config.lapsed_gaps * gap
    active, silent = parse_days(config.active), parse_days(config.silent)
    everybody = np.ones(len(facts))
    return active * everybody, silent * everybody, silent * everybody


def _has_little_chance(config: LifecycleConfig, facts: UserFacts) -> Flags:
    if config.pace == "fixed" or config.lapsed_alive == "none":
        return np.zeros(len(facts), dtype=np.bool_)
    return np.asarray(_of(facts, P_ALIVE) < config.lapsed_alive)


def _of(facts: UserFacts, name: str) -> Floats:
    return facts.feature(name, window=math.inf)


KIND = AxisKind(LifecycleConfig, fit, assign, needs_times=True)
