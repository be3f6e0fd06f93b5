"""Where a customer stands: prospect, new, active, silent or lapsed, by fixed windows."""

import math
from typing import Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from recsys.events.times import parse_days
from recsys.segments.axis import AxisFit, AxisKind, one_hot
from recsys.segments.facts import UserFacts
from recsys.segments.profiles import EVENTS, RECENCY, TENURE
from recsys.types import Config, Membership

SEGMENTS = ("prospect", "new", "active", "silent", "lapsed")


class LifecycleConfig(Config):
    """Windows of the lifecycle."""

    kind: Literal["lifecycle"]
    new: str = Field("30d", description="first bought within this time")
    active: str = Field("30d", description="else: last bought within this time")
    silent: str = Field("90d", description="else: last bought within this time; later is lapsed")

    @field_validator("new", "active", "silent")
    @classmethod
    def _is_a_duration(cls, value: str, info: ValidationInfo) -> str:
        parse_days(value, what=str(info.field_name))
        return value

    @property
    def windows(self) -> tuple[float, ...]:
        """The profile windows this axis reads, in days."""
        return (math.inf,)


def fit(config: LifecycleConfig, facts: UserFacts) -> AxisFit:
    """Say the windows in words; nothing is learnt from `facts`."""
    del facts
    definitions = (
        "looked, never bought",
        f"first bought within the last {config.new}",
        f"bought within the last {config.active}, and before that",
        f"last bought within the last {config.silent}",
        f"last bought more than {config.silent} ago",
    )
    return AxisFit(segments=SEGMENTS, definitions=definitions)


def assign(config: LifecycleConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each user with an event into one segment."""
    recency = facts.feature(RECENCY, window=math.inf)
    tenure = facts.feature(TENURE, window=math.inf)
    known = np.isfinite(facts.feature(EVENTS, window=math.inf))
    conditions = [
        ~known,
        np.isnan(recency),
        tenure <= parse_days(config.new),
        recency <= parse_days(config.active),
        recency <= parse_days(config.silent),
    ]
    codes = np.select(conditions, [-1, 0, 1, 2, 3], default=4)
    return one_hot(codes.astype(np.int64), len(fitted.segments))


KIND = AxisKind(LifecycleConfig, fit, assign, needs_times=True)
