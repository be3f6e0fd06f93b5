"""A user's profile as of a moment: one expression each, for millions of users or for one."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import (
    AMOUNT,
    BASKET_ID,
    EVENT,
    EVENT_ID,
    MICROSECONDS_PER_DAY,
    QUANTITY,
    TIME,
    USER_ID,
)


class Feature(NamedTuple):
    """One profile feature: its name, its unit and its definition for people."""

    name: str
    unit: str
    definition: str


EVENTS: Final = "events"
ORDERS: Final = "orders"
SPEND: Final = "spend"
RECENCY: Final = "recency"
TENURE: Final = "tenure"

FEATURES: Final = (
    Feature(EVENTS, "events", "events of any kind"),
    Feature(ORDERS, "orders", "distinct baskets bought; days with a purchase where none is named"),
    Feature(SPEND, "minor units of money", "sum of the line totals of purchases less returns"),
    Feature(RECENCY, "days", "from the last purchase to the moment"),
    Feature(TENURE, "days", "from the first purchase to the moment"),
)


def profiles(
    events: nw.LazyFrame[Any],
    target: Sequence[str],
    *,
    as_of: int,
    timed: bool,
    window: float = math.inf,
) -> pd.DataFrame:
    """Compute every feature of every user that has an event.

    Parameters
    ----------
    events
        Accepted events before `as_of`.
    target
        The events that count as a purchase.
    as_of
        Microseconds.
    timed
        Without times recency and tenure are unknown.
    window
        Only the last so many days count; infinite = everything, and always so without times.

    Returns
    -------
    DataFrame
        Indexed by ``user_id``, float64 columns named after `FEATURES`; NaN = unknown.
    """
    if timed and math.isfinite(window):
        events = events.filter(nw.col(TIME) >= as_of - int(window * MICROSECONDS_PER_DAY))
    bought = nw.col(EVENT).is_in(list(target)) & (nw.col(QUANTITY).fill_null(1.0) > 0)
    day = (nw.col(TIME) // MICROSECONDS_PER_DAY).cast(nw.String) if timed else nw.col(EVENT_ID)
    basket = nw.col(BASKET_ID)
    order = nw.when(basket.is_null()).then(day).otherwise(basket)
    rows = events.select(
        USER_ID,
        nw.lit(1).alias(EVENTS),
        nw.when(bought).then(order).alias(ORDERS),
        _signed_amount(bought).alias(SPEND),
        nw.when(bought).then(nw.col(TIME)).alias("last"),
        nw.when(bought).then(nw.col(TIME)).alias("first"),
    )
    grouped = rows.group_by(USER_ID).agg(
        nw.col(EVENTS).sum(), nw.col(SPEND).sum(), nw.col("last").max(), nw.col("first").min()
    )
    baskets = rows.filter(~nw.col(ORDERS).is_null()).select(USER_ID, ORDERS).unique()
    counted = baskets.group_by(USER_ID).agg(nw.col(ORDERS).count())
    table = grouped.join(counted, on=USER_ID, how="left").collect("pandas").to_native()
    return _features(table.set_index(USER_ID).sort_index(), as_of=as_of)


def profiles_over(
    windows: Iterable[float],
    events: nw.LazyFrame[Any],
    target: Sequence[str],
    *,
    as_of: int,
    timed: bool,
) -> dict[float, pd.DataFrame]:
    """Compute the profiles once for each distinct window; see `profiles`."""
    return {
        window: profiles(events, target, as_of=as_of, timed=timed, window=window)
        for window in sorted(set(windows))
    }


def _signed_amount(bought: nw.Expr) -> nw.Expr:
    amount = nw.col(AMOUNT).fill_null(0)
    returned = nw.col(EVENT) == "return"
    # Some shops write a return's total as negative already.
    lost = nw.when(amount > 0).then(-1 * amount).otherwise(amount)
    return nw.when(bought).then(amount).otherwise(nw.when(returned).then(lost).otherwise(0))


def _features(table: pd.DataFrame, *, as_of: int) -> pd.DataFrame:
    columns = {
        EVENTS: _floats(table[EVENTS]),
        ORDERS: np.nan_to_num(_floats(table[ORDERS])),
        SPEND: _floats(table[SPEND]),
        RECENCY: (as_of - _floats(table["last"])) / MICROSECONDS_PER_DAY,
        TENURE: (as_of - _floats(table["first"])) / MICROSECONDS_PER_DAY,
    }
    return pd.DataFrame(columns, index=table.index)


def _floats(column: "pd.Series[Any]") -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
