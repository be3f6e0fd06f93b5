"""How close somebody has come lately: seen, interested, bought, came back, praised."""

from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import (
    EVENT,
    EVENT_TYPES,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    PURCHASE,
    TIME,
    USER_ID,
)
from recsys.segments.profiles.family import (
    DAY,
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    values,
)

SINCE_CONTACT: Final = "since_contact"
BOUGHT_DAYS: Final = "bought_days"
BEST_RATING: Final = "best_rating"
VIEW: Final = "view"
RATING: Final = "rating"
RETURN: Final = "return"
REPEAT_VIEW: Final = "repeat_view"

EVENTS: Final = tuple(event for event in EVENT_TYPES if event not in (PURCHASE, RETURN))
"""Events that bring somebody closer without a purchase."""
KINDS: Final = (*EVENTS, REPEAT_VIEW)
"""Kinds of contact: the events, and an item looked at more than once."""
_TIMES: Final = "times"


def since(kind: str) -> str:
    """Return the name of the feature that tells when a kind of contact was last.

    Examples
    --------
    >>> since("cart")
    'since_cart'
    """
    return f"since_{kind}"


FEATURES: Final = (
    Feature(SINCE_CONTACT, "days", "from the last event but purchases and returns to the moment"),
    *(Feature(since(kind), "days", f"from the last {kind} to the moment") for kind in EVENTS),
    Feature(
        since(REPEAT_VIEW),
        "days",
        "from the last view of an item that was viewed twice or more to the moment",
    ),
    Feature(BOUGHT_DAYS, "days", "distinct days with a purchase"),
    Feature(BEST_RATING, "of the shop's scale", "the highest rating given"),
)


def measure(reading: Reading) -> pd.DataFrame:
    """Find each user's last contact of each kind, her days of purchase and her best rating."""
    kind, time = nw.col(EVENT), nw.col(TIME)
    contact = ~kind.is_in([*reading.target, PURCHASE, RETURN])
    rows = reading.within.select(
        USER_ID,
        nw.when(contact).then(time).alias(SINCE_CONTACT),
        *(nw.when(kind == event).then(time).alias(since(event)) for event in EVENTS),
        nw.when(kind == RATING).then(nw.col(RATING)).alias(BEST_RATING),
    )
    newest = (SINCE_CONTACT, *(since(event) for event in EVENTS), BEST_RATING)
    last = rows.group_by(USER_ID).agg(nw.col(*newest).max())
    viewed = last.join(_repeat_views(reading), on=USER_ID, how="left")
    return collect(viewed.join(_bought_days(reading), on=USER_ID, how="left"))


def _repeat_views(reading: Reading) -> nw.LazyFrame[Any]:
    views = reading.within.filter((nw.col(EVENT) == VIEW) & ~nw.col(ITEM_ID).is_null())
    by_item = views.group_by(USER_ID, ITEM_ID).agg(
        nw.len().alias(_TIMES), nw.col(TIME).max().alias(since(REPEAT_VIEW))
    )
    again = by_item.filter(nw.col(_TIMES) >= 2).select(USER_ID, since(REPEAT_VIEW))
    return again.group_by(USER_ID).agg(nw.col(since(REPEAT_VIEW)).max())


def _bought_days(reading: Reading) -> nw.LazyFrame[Any]:
    days = reading.sold.select(USER_ID, DAY).unique()
    return days.group_by(USER_ID).agg(nw.len().alias(BOUGHT_DAYS))


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Turn times into days before the moment."""
    del norms
    contacts = (SINCE_CONTACT, *(since(kind) for kind in KINDS))
    columns = {name: (span.until - values(sums, name)) / MICROSECONDS_PER_DAY for name in contacts}
    columns[BOUGHT_DAYS] = np.nan_to_num(values(sums, BOUGHT_DAYS))
    columns[BEST_RATING] = values(sums, BEST_RATING)
    return pd.DataFrame(columns, index=sums.index)


FAMILY = Family("contact", FEATURES, measure, derive, needs_times=True)
