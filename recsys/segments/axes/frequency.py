"""Who orders often, and who may come to: high, low or potential."""

from typing import Final, Literal

import numpy as np
from pydantic import Field

from recsys.events.schema import MINOR_UNITS
from recsys.segments.axis import AxisFit, AxisKind, grade, quantile_cuts, when
from recsys.segments.facts import Read, UserFacts
from recsys.segments.graded import GradedConfig, Scale, assign_besides, levels, with_segment
from recsys.segments.graded import fit as fit_levels
from recsys.segments.profiles.shopping import (
    FREQUENCY,
    ORDER_TREND,
    ORDER_VALUE,
    ORDERS,
)
from recsys.types import Floats, Membership

POTENTIAL: Final = "potential"
SCALE: Final = Scale(FREQUENCY, ("low", "high"), "ordered", unit="times in 30 days")


class FrequencyConfig(GradedConfig):
    """Where high begins, and who of the others has potential."""

    kind: Literal["frequency"]
    quantiles: tuple[float, ...] = Field((0.8,), description="of the buyers: where high begins")
    worth_quantile: float = Field(
        0.75, gt=0, lt=1, description="of the buyers by order value: where potential begins"
    )

    @property
    def scale(self) -> Scale:
        """The orders in 30 days."""
        return SCALE

    @property
    def reads(self) -> tuple[Read, ...]:
        """The orders, where they are going, and what they are worth."""
        return (*super().reads, *(Read(name, self.days) for name in (ORDER_TREND, ORDER_VALUE)))


def fit(config: FrequencyConfig, facts: UserFacts) -> AxisFit:
    """Freeze where high begins, and what most orders are worth."""
    fitted = fit_levels(config, facts)
    cuts = quantile_cuts(_order_value(config, facts), (config.worth_quantile,))
    worth = f" or {cuts[0] / MINOR_UNITS:.2f} or more an order" if cuts else ""
    time = when(config.window, facts)
    words = f"below the highest, but orders more than before{worth} {time}"
    added = with_segment(fitted, POTENTIAL, words)
    return added.model_copy(update={"cuts": {**fitted.cuts, ORDER_VALUE: cuts}})


def assign(config: FrequencyConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each buyer into one segment."""
    below = levels(config, fitted, facts)
    lower = (below >= 0) & (below < len(config.levels) - 1)
    # A first order is no trend.
    again = facts.feature(ORDERS, window=config.days) >= 2
    rising = again & (facts.feature(ORDER_TREND, window=config.days) > 0)
    generous = grade(_order_value(config, facts), fitted.cuts[ORDER_VALUE]) > 0
    return assign_besides(config, fitted, facts, lower & (rising | generous))


def _order_value(config: FrequencyConfig, facts: UserFacts) -> Floats:
    bought = facts.feature(ORDERS, window=config.days) > 0
    return np.where(bought, facts.feature(ORDER_VALUE, window=config.days), np.nan)


KIND = AxisKind(FrequencyConfig, fit, assign, needs_times=True)
