"""Recency, frequency and monetary value in quintiles, and the six cells people speak of.

The marketing convention: R = days since the last order, F = orders, M = spend, each graded 1 to 5.
"""

from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from recsys.segments.axis import AxisFit, AxisKind, grade, one_hot, quantile_cuts, window_days
from recsys.segments.facts import UserFacts
from recsys.segments.profiles import ORDERS, RECENCY, SPEND
from recsys.types import Config, Floats, Indices, Membership

QUINTILES = (0.2, 0.4, 0.6, 0.8)
CELLS = {
    "champions": "recent, frequent and generous (R and F and M at least 4)",
    "loyal": "frequent (F at least 4)",
    "promising": "recent, not yet frequent (R at least 4, F at most 3)",
    "at_risk": "was frequent, has not come lately (R at most 2, F at least 3)",
    "hibernating": "neither recent nor frequent (R and F at most 2)",
    "regular": "the middle",
}


class RfmConfig(Config):
    """The window of RFM."""

    kind: Literal["rfm"]
    window: str = Field("none", description='how far back orders count; "none" = all of them')

    @field_validator("window")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        window_days(value)
        return value

    @property
    def windows(self) -> tuple[float, ...]:
        """The profile windows this axis reads, in days."""
        return (window_days(self.window),)


def fit(config: RfmConfig, facts: UserFacts) -> AxisFit:
    """Freeze the quintiles of the buyers."""
    recency, orders, spend = _measures(config, facts)
    cuts = {
        RECENCY: quantile_cuts(-recency, QUINTILES),
        ORDERS: quantile_cuts(orders, QUINTILES),
        SPEND: quantile_cuts(spend, QUINTILES),
    }
    return AxisFit(segments=tuple(CELLS), definitions=tuple(CELLS.values()), cuts=cuts)


def assign(config: RfmConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each buyer into the first cell that fits."""
    recency, orders, spend = _measures(config, facts)
    r = _scale(grade(-recency, fitted.cuts[RECENCY]), len(fitted.cuts[RECENCY]))
    f = _scale(grade(orders, fitted.cuts[ORDERS]), len(fitted.cuts[ORDERS]))
    m = _scale(grade(spend, fitted.cuts[SPEND]), len(fitted.cuts[SPEND]))
    conditions = [
        np.isnan(recency),
        (r >= 4) & (f >= 4) & (m >= 4),
        f >= 4,
        (r >= 4) & (f <= 3),
        (r <= 2) & (f >= 3),
        (r <= 2) & (f <= 2),
    ]
    codes = np.select(conditions, [-1, 0, 1, 2, 3, 4], default=5)
    return one_hot(codes.astype(np.int64), len(fitted.segments))


def _measures(config: RfmConfig, facts: UserFacts) -> tuple[Floats, Floats, Floats]:
    (window,) = config.windows
    recency, orders, spend = (
        facts.feature(name, window=window) for name in (RECENCY, ORDERS, SPEND)
    )
    bought = orders > 0
    return (
        np.where(bought, recency, np.nan),
        np.where(bought, orders, np.nan),
        np.where(bought, spend, np.nan),
    )


def _scale(grades: Indices, n_cuts: int) -> Floats:
    # Where equal values merged some cuts, the grades that are left still span 1 to 5.
    return 3.0 + np.zeros(len(grades)) if n_cuts == 0 else 1.0 + 4.0 * grades / n_cuts


KIND = AxisKind(RfmConfig, fit, assign, needs_times=True)
