"""Where in a category's prices somebody buys, and who goes for discounts whatever the price."""

from typing import Final, Literal

import numpy as np
from pydantic import Field

from recsys.segments.axis import AxisFit, AxisKind, grade, quantile_cuts, when
from recsys.segments.facts import Read, UserFacts
from recsys.segments.graded import GradedConfig, Scale, assign, assign_besides, with_segment
from recsys.segments.graded import fit as fit_levels
from recsys.segments.profiles.price import DISCOUNT_SHARE, PRICE_POSITION
from recsys.segments.profiles.shopping import ORDERS
from recsys.types import Flags, Floats, Membership

VALUE_FIRST: Final = "value_first"
SCALE: Final = Scale(
    PRICE_POSITION,
    ("price_sensitive", "middle", "premium"),
    "bought where the share of cheaper items of the category is on average",
    remedy="give items prices, or purchases amounts, or remove the axis",
)


class PriceConfig(GradedConfig):
    """Where middle and premium begin, and from where on a discount decides."""

    kind: Literal["price"]
    quantiles: tuple[float, ...] = Field(
        (0.3, 0.7), description="of the buyers: where middle begins, and where premium begins"
    )
    value_first: bool = Field(
        True, description="whether those with the highest discounts are a segment besides the rest"
    )
    discount_quantile: float = Field(
        0.8, gt=0, lt=1, description="of the buyers by discount share: where value_first begins"
    )
    discount_cut: float | None = Field(
        None, gt=0, le=1, description="a fixed discount share in place of the quantile"
    )

    @property
    def scale(self) -> Scale:
        """The price position."""
        return SCALE

    @property
    def reads(self) -> tuple[Read, ...]:
        """The price position, and the discounts."""
        own = (Read(DISCOUNT_SHARE, self.days),) if self.value_first else ()
        return (*super().reads, *own)


def fit(config: PriceConfig, facts: UserFacts) -> AxisFit:
    """Freeze the cuts; where nobody had a discount there is no segment value_first."""
    fitted = fit_levels(config, facts)
    cuts = _discount_cuts(config, facts)
    if not cuts:
        return fitted
    words = f"paid {cuts[0]:.0%} or more less than the list price {when(config.window, facts)}"
    added = with_segment(fitted, VALUE_FIRST, words)
    return added.model_copy(update={"cuts": {**fitted.cuts, DISCOUNT_SHARE: cuts}})


def _discount_cuts(config: PriceConfig, facts: UserFacts) -> tuple[float, ...]:
    if not config.value_first:
        return ()
    discounts = _discounts(config, facts)
    if not (discounts > 0).any():
        return ()
    if config.discount_cut is not None:
        return (config.discount_cut,)
    return quantile_cuts(discounts, (config.discount_quantile,))


def _discounts(config: PriceConfig, facts: UserFacts) -> Floats:
    bought = facts.feature(ORDERS, window=config.days) > 0
    return np.where(bought, facts.feature(DISCOUNT_SHARE, window=config.days), np.nan)


def assign_prices(config: PriceConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each buyer into one segment; a high discount share goes before the price."""
    if DISCOUNT_SHARE not in fitted.cuts:
        return assign(config, fitted, facts)
    reached: Flags = grade(_discounts(config, facts), fitted.cuts[DISCOUNT_SHARE]) > 0
    return assign_besides(config, fitted, facts, reached)


KIND = AxisKind(PriceConfig, fit, assign_prices)
