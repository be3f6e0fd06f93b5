"""How close a customer is: aware, interested, bought, loyal (AIPL).

Alibaba's Brand Databank: contact and interest expire after 15 days, a purchase after 2 years and
180 days; only the loyal fall back, to purchase.
"""

from typing import Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from recsys.events.times import parse_days
from recsys.segments.axis import AxisBase, AxisFit, AxisKind, Duration, one_hot
from recsys.segments.facts import Read, UserFacts
from recsys.segments.profiles.contact import BEST_RATING, BOUGHT_DAYS, SINCE_CONTACT, since
from recsys.segments.profiles.shopping import ORDERS
from recsys.types import Flags, Membership

SEGMENTS: Final = ("aware", "interest", "purchase", "loyal")

Interest = Literal[
    "view", "click", "impression", "search", "cart", "favorite", "rating", "repeat_view"
]


class AiplConfig(AxisBase):
    """The windows, and what tells interest and loyalty."""

    kind: Literal["aipl"]
    aware: Duration = Field("15d", description="any event but a purchase within this time")
    interest: Duration = Field("15d", description="an event of interest within this time")
    interest_events: tuple[Interest, ...] = Field(
        ("search", "cart", "favorite", "rating", "repeat_view"),
        min_length=1,
        description="what tells interest; repeat_view = an item viewed twice within the time",
    )
    purchase: Duration = Field("910d", description="bought within this time")
    loyal: Duration = Field("365d", description="came back, or praised, within this time")
    loyal_days: int = Field(2, ge=1, description="days with a purchase that make her loyal")
    good_rating: float = Field(4.0, description="a rating from which on a buyer is loyal")

    @model_validator(mode="after")
    def _loyal_have_bought(self) -> Self:
        if parse_days(self.loyal) > parse_days(self.purchase):
            raise ValueError(
                f"loyal = {self.loyal!r} is longer than purchase = {self.purchase!r}; "
                "the loyal fall back to purchase"
            )
        return self

    @property
    def reads(self) -> tuple[Read, ...]:
        """Contacts, purchases and ratings over their windows."""
        interest, loyal = parse_days(self.interest), parse_days(self.loyal)
        return (
            Read(SINCE_CONTACT, parse_days(self.aware)),
            *(Read(since(event), interest) for event in self.interest_events),
            Read(ORDERS, parse_days(self.purchase)),
            Read(BOUGHT_DAYS, loyal),
            Read(BEST_RATING, loyal),
        )


def fit(config: AiplConfig, facts: UserFacts) -> AxisFit:
    """Say the windows in words; nothing is learnt from `facts`."""
    del facts
    events = ", ".join(event.replace("_", " ") for event in config.interest_events)
    definitions = (
        f"in contact within the last {config.aware}, no more",
        f"showed interest within the last {config.interest} ({events}), did not buy",
        f"bought within the last {config.purchase}, not loyal",
        f"bought, and within the last {config.loyal} on {config.loyal_days} or more days, "
        f"or rated {config.good_rating:g} or better",
    )
    return AxisFit(segments=SEGMENTS, definitions=definitions)


def assign(config: AiplConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each user into the closest segment; who is in none of them now is unknown."""
    bought = facts.feature(ORDERS, window=parse_days(config.purchase)) > 0
    aware = np.isfinite(facts.feature(SINCE_CONTACT, window=parse_days(config.aware)))
    conditions = [bought & _keen(config, facts), bought, _interested(config, facts), aware]
    codes = np.select(conditions, [3, 2, 1, 0], default=-1)
    return one_hot(codes.astype(np.int64), len(fitted.segments))


def _keen(config: AiplConfig, facts: UserFacts) -> Flags:
    days = parse_days(config.loyal)
    often = facts.feature(BOUGHT_DAYS, window=days) >= config.loyal_days
    return np.asarray(often | (facts.feature(BEST_RATING, window=days) >= config.good_rating))


def _interested(config: AiplConfig, facts: UserFacts) -> Flags:
    days = parse_days(config.interest)
    found = [
        np.isfinite(facts.feature(since(event), window=days)) for event in config.interest_events
    ]
    return np.asarray(np.any(found, axis=0))


KIND = AxisKind(AiplConfig, fit, assign, needs_times=True)
