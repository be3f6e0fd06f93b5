"""Who is about: active, average, or silent though known from before."""

from typing import Final, Literal

import numpy as np
from pydantic import Field

from recsys.segments.axis import AxisFit, AxisKind, Window, when
from recsys.segments.facts import Read, UserFacts
from recsys.segments.graded import GradedConfig, Scale, assign_besides, levels, with_segment
from recsys.segments.graded import fit as fit_levels
from recsys.segments.profiles.shopping import ACTIVE_DAYS, EVENTS
from recsys.types import Membership

SILENT: Final = "silent"
SCALE: Final = Scale(
    ACTIVE_DAYS,
    ("average", "active"),
    "came on",
    unit="days",
    remedy='nobody came within the window; take a longer window = "…"',
    among=None,
)


class ActivityConfig(GradedConfig):
    """The window, and where active begins."""

    kind: Literal["activity"]
    window: Window = Field("30d", description="how far back events count")
    quantiles: tuple[float, ...] = Field(
        (0.7,), description="of those who came within the window: where active begins"
    )

    @property
    def scale(self) -> Scale:
        """The days with an event."""
        return SCALE

    @property
    def reads(self) -> tuple[Read, ...]:
        """The days, and whether somebody is known at all."""
        return (*super().reads, Read(EVENTS, np.inf))


def fit(config: ActivityConfig, facts: UserFacts) -> AxisFit:
    """Freeze where active begins."""
    silent = f"not seen {when(config.window, facts)}, but known from before"
    return with_segment(fit_levels(config, facts), SILENT, silent)


def assign(config: ActivityConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put everybody with an event into one segment."""
    known = facts.feature(EVENTS, window=np.inf) > 0
    silent = known & (levels(config, fitted, facts) < 0)
    return assign_besides(config, fitted, facts, silent)


KIND = AxisKind(ActivityConfig, fit, assign, needs_times=True)
