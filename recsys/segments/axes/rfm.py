"""Recency, frequency and monetary value in grades, and the six cells people speak of.

The marketing convention: R = days since the last order, F = orders, M = spend, each graded 1 to 5,
or 1 to 3.
"""

from typing import Final, Literal

import numpy as np
from pydantic import Field

from recsys.errors import ConfigError
from recsys.segments.axis import (
    AxisBase,
    AxisFit,
    AxisKind,
    Window,
    grade,
    one_hot,
    quantile_cuts,
    when,
    window_days,
)
from recsys.segments.facts import Read, UserFacts
from recsys.segments.profiles.shopping import ORDERS, RECENCY, SPEND
from recsys.types import Floats, Indices, Membership

QUANTILES: Final = {3: (1 / 3, 2 / 3), 5: (0.2, 0.4, 0.6, 0.8)}
CELLS: Final = {
    "champions": "recent, frequent and generous (R and F and M {high})",
    "loyal": "frequent (F {high})",
    "promising": "recent, not yet frequent (R {high}, F at most {middle})",
    "at_risk": "was frequent, has not come lately (R {low}, F at least {middle})",
    "hibernating": "neither recent nor frequent (R and F {low})",
    "regular": "the middle",
}
WORDS: Final = {
    3: {"high": "3 of 3", "low": "1 of 3", "middle": "2"},
    5: {"high": "at least 4 of 5", "low": "at most 2 of 5", "middle": "3"},
}


class RfmConfig(AxisBase):
    """The window and the grades of RFM."""

    kind: Literal["rfm"]
    window: Window = Field("none", description='how far back orders count; "none" = all of them')
    grades: Literal[3, 5] = Field(5, description="thirds or fifths of the buyers")

    @property
    def reads(self) -> tuple[Read, ...]:
        """The profile features it goes by."""
        days = window_days(self.window)
        return tuple(Read(feature, days) for feature in (RECENCY, ORDERS, SPEND))


def fit(config: RfmConfig, facts: UserFacts) -> AxisFit:
    """Freeze the grades of the buyers.

    Raises
    ------
    ConfigError
        When nobody bought within the window.
    """
    recency, orders, spend = _measures(config, facts)
    if not np.isfinite(recency).any():
        raise ConfigError(
            f"nobody bought {when(config.window, facts)}; "
            f"take another window than {config.window!r} or remove the axis"
        )
    quantiles = QUANTILES[config.grades]
    cuts = {
        RECENCY: quantile_cuts(-recency, quantiles),
        ORDERS: quantile_cuts(orders, quantiles),
        SPEND: quantile_cuts(spend, quantiles),
    }
    definitions = tuple(words.format(**WORDS[config.grades]) for words in CELLS.values())
    return AxisFit(segments=tuple(CELLS), definitions=definitions, cuts=cuts)


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
    window = window_days(config.window)
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
    # Thirds, and fifths where equal values merged some cuts, span 1 to 5, too.
    return 3.0 + np.zeros(len(grades)) if n_cuts == 0 else 1.0 + 4.0 * grades / n_cuts


KIND = AxisKind(RfmConfig, fit, assign, needs_times=True)
