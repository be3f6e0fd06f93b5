"""How much and how often somebody shops: orders, spend, recency, tenure, and where it is going."""

from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import AMOUNT, EVENT, MICROSECONDS_PER_DAY, QUANTITY, TIME, USER_ID
from recsys.interactions.weights import FIXED_POINT, fixed
from recsys.segments.profiles.family import (
    DAY,
    ORDER,
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    day_number,
    ratio,
    values,
)
from recsys.types import Floats

EVENTS: Final = "events"
ACTIVE_DAYS: Final = "active_days"
ORDERS: Final = "orders"
SPEND: Final = "spend"
RECENCY: Final = "recency"
LAST_SEEN: Final = "last_seen"
TENURE: Final = "tenure"
FREQUENCY: Final = "frequency"
ORDER_VALUE: Final = "order_value"
ORDER_ITEMS: Final = "order_items"
ORDER_TREND: Final = "order_trend"
SPEND_TREND: Final = "spend_trend"

MONTH: Final = 30.0
"""Days that frequency is told in; a shorter acquaintance counts as one."""
TREND_DAYS: Final = 180.0
"""What a trend halves where the span has no end of its own."""

FEATURES: Final = (
    Feature(EVENTS, "events", "events of any kind"),
    Feature(ACTIVE_DAYS, "days", "distinct days with any event"),
    Feature(ORDERS, "orders", "distinct baskets bought; days with a purchase where none is named"),
    Feature(SPEND, "minor units of money", "sum of the line totals of purchases less returns"),
    Feature(RECENCY, "days", "from the last purchase to the moment"),
    Feature(LAST_SEEN, "days", "from the last event of any kind to the moment"),
    Feature(TENURE, "days", "from the first purchase to the moment"),
    Feature(FREQUENCY, "orders in 30 days", "orders · 30 / max(tenure, 30)"),
    Feature(ORDER_VALUE, "minor units of money", "spend / orders"),
    Feature(ORDER_ITEMS, "pieces", "sum of the quantities bought / orders"),
    Feature(
        ORDER_TREND,
        "-1 to 1",
        "(new − old) / (new + old): orders of the newer and the older half of the window, "
        "of the last 180 days where there is none",
    ),
    Feature(SPEND_TREND, "-1 to 1", "the same of the line totals of purchases"),
)


def measure(reading: Reading) -> pd.DataFrame:
    """Add up each user's events, and her orders, of which each counts once."""
    rows = reading.within.select(
        USER_ID,
        day_number().alias(DAY),
        nw.lit(1).alias(EVENTS),
        nw.when(reading.bought).then(nw.col(TIME)).alias("bought"),
        nw.col(TIME).alias("seen"),
        _signed_amount(reading.bought).alias(SPEND),
    )
    summed = rows.group_by(USER_ID).agg(
        nw.col(EVENTS, SPEND).sum(),
        nw.col("seen").max(),
        nw.col(DAY).n_unique().alias(ACTIVE_DAYS),
        nw.col("bought").max().alias("last"),
        nw.col("bought").min().alias("first"),
    )
    return collect(summed.join(_orders(reading), on=USER_ID, how="left"))


def _orders(reading: Reading) -> nw.LazyFrame[Any]:
    lines = reading.sold.select(
        USER_ID,
        ORDER,
        TIME,
        nw.col(AMOUNT).fill_null(0).alias("paid"),
        fixed(nw.col(QUANTITY).fill_null(1.0)).alias("pieces"),
    )
    orders = lines.group_by(USER_ID, ORDER).agg(
        nw.col(TIME).max(), nw.col("paid").sum(), nw.col("pieces").sum()
    )
    newer = nw.col(TIME) >= int(_middle(reading.span))
    known = nw.col(TIME) >= int(_middle(reading.span) - _half(reading.span))
    halves = orders.select(
        USER_ID,
        nw.lit(1).alias(ORDERS),
        "pieces",
        nw.when(newer).then(1).otherwise(0).alias("new_orders"),
        nw.when(known & ~newer).then(1).otherwise(0).alias("old_orders"),
        nw.when(newer).then(nw.col("paid")).otherwise(0).alias("new_paid"),
        nw.when(known & ~newer).then(nw.col("paid")).otherwise(0).alias("old_paid"),
    )
    return halves.group_by(USER_ID).agg(
        nw.col(ORDERS, "pieces", "new_orders", "old_orders", "new_paid", "old_paid").sum()
    )


def _half(span: Span) -> float:
    """Half of what a trend looks at, microseconds."""
    return min(span.days, TREND_DAYS) * MICROSECONDS_PER_DAY / 2


def _middle(span: Span) -> float:
    return span.until - _half(span)


def _signed_amount(bought: nw.Expr) -> nw.Expr:
    amount = nw.col(AMOUNT).fill_null(0)
    returned = nw.col(EVENT) == "return"
    # Some shops write a return's total as negative already.
    lost = nw.when(amount > 0).then(-1 * amount).otherwise(amount)
    return nw.when(bought).then(amount).otherwise(nw.when(returned).then(lost).otherwise(0))


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums; those that go by times are unknown without."""
    del norms
    orders = np.nan_to_num(values(sums, ORDERS))
    tenure = _days_since(values(sums, "first"), span)
    seen = values(sums, "seen")
    columns = {
        EVENTS: values(sums, EVENTS),
        ACTIVE_DAYS: np.where(np.isfinite(seen), values(sums, ACTIVE_DAYS), np.nan),
        ORDERS: orders,
        SPEND: values(sums, SPEND),
        RECENCY: _days_since(values(sums, "last"), span),
        LAST_SEEN: _days_since(seen, span),
        TENURE: tenure,
        FREQUENCY: orders * MONTH / np.maximum(tenure, MONTH),
        ORDER_VALUE: ratio(values(sums, SPEND), orders),
        ORDER_ITEMS: ratio(values(sums, "pieces") / FIXED_POINT, orders),
        ORDER_TREND: np.where(np.isfinite(seen), _trend(sums, "orders"), np.nan),
        SPEND_TREND: np.where(np.isfinite(seen), _trend(sums, "paid"), np.nan),
    }
    return pd.DataFrame(columns, index=sums.index)


def _trend(sums: pd.DataFrame, what: str) -> Floats:
    newer, older = values(sums, f"new_{what}"), values(sums, f"old_{what}")
    # Where corrections outweigh what was bought, the difference is larger than the sum.
    return np.clip(ratio(newer - older, newer + older), -1.0, 1.0)


def _days_since(times: Floats, span: Span) -> Floats:
    return (span.until - times) / MICROSECONDS_PER_DAY


FAMILY = Family("shopping", FEATURES, measure, derive)
