"""High, middle and low spenders, by quantiles of what buyers spent in a window."""

from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from recsys.errors import ConfigError
from recsys.events.schema import MINOR_UNITS
from recsys.segments.axis import AxisFit, AxisKind, grade, one_hot, quantile_cuts, window_days
from recsys.segments.facts import UserFacts
from recsys.segments.profiles import ORDERS, SPEND
from recsys.types import Config, Floats, Membership

SEGMENTS = ("low", "middle", "high")


class SpendingConfig(Config):
    """Quantiles and the window of spending."""

    kind: Literal["spending"]
    quantiles: tuple[float, float] = Field(
        (0.5, 0.8), description="where middle begins, and where high begins"
    )
    window: str = Field("none", description='how far back spending counts; "none" = all of it')

    @field_validator("window")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        window_days(value)
        return value

    @field_validator("quantiles")
    @classmethod
    def _ascend(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] < value[1] < 1:
            raise ConfigError(f"quantiles {list(value)} are not ascending between 0 and 1")
        return value

    @property
    def windows(self) -> tuple[float, ...]:
        """The profile windows this axis reads, in days."""
        return (window_days(self.window),)


def fit(config: SpendingConfig, facts: UserFacts) -> AxisFit:
    """Freeze the quantiles of the buyers' spending."""
    spend = _spend(config, facts)
    cuts = quantile_cuts(spend, config.quantiles)
    if not np.nansum(np.abs(spend)):
        raise ConfigError(
            "an axis of kind 'spending' needs amounts and the events have none; "
            'name their column in [data.columns] amount = "…" or remove the axis'
        )
    if len(cuts) < len(config.quantiles):
        raise ConfigError(
            f"spending is too even for quantiles {config.quantiles}: they fall on one amount; "
            "choose quantiles further apart"
        )
    low, high = (f"{cut / MINOR_UNITS:.2f}" for cut in cuts)
    ever = config.window == "none" or not facts.timed
    window = "ever" if ever else f"in the last {config.window}"
    definitions = (
        f"spent less than {low} {window}",
        f"spent {low} or more but less than {high} {window}",
        f"spent {high} or more {window}",
    )
    return AxisFit(segments=SEGMENTS, definitions=definitions, cuts={SPEND: cuts})


def assign(config: SpendingConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each buyer into one segment; who bought nothing in the window is unknown."""
    codes = grade(_spend(config, facts), fitted.cuts[SPEND])
    return one_hot(codes, len(fitted.segments))


def _spend(config: SpendingConfig, facts: UserFacts) -> Floats:
    (window,) = config.windows
    spend, orders = (facts.feature(name, window=window) for name in (SPEND, ORDERS))
    return np.where(orders > 0, spend, np.nan)


KIND = AxisKind(SpendingConfig, fit, assign)
