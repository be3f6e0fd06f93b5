"""How often users buy in each category, and which category is due when."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import (
    CATEGORY,
    EVENT,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    QUANTITY,
    TIME,
    USER_ID,
)
from recsys.types import Config, Floats

PURCHASES: Final = "purchases"
GAP: Final = "gap"
NEXT_IN: Final = "next_in"
OVERDUE: Final = "overdue"
STRENGTH: Final = 3.0
"""Gaps that the level above counts for."""

_DAY: Final = "day"
_FIRST: Final = "first"
_LAST: Final = "last"


class CategoryPaces(Config):
    """Days between two days with a purchase in the same category, by all customers.

    Attributes
    ----------
    shop
        Over all categories; NaN where nobody bought twice in one.
    categories
        Category -> days, shrunk to `shop`.
    """

    shop: float
    categories: Mapping[str, float]

    def of(self, categories: "pd.Series[Any]") -> Floats:
        """Return the pace of each category; the shop's for one that nobody has bought in."""
        found = categories.map(self.categories).astype("float64").fillna(self.shop)
        return np.asarray(found.to_numpy(dtype=np.float64))


def learn_paces(
    events: nw.LazyFrame[Any], goods: nw.LazyFrame[Any], *, target: Collection[str], as_of: int
) -> CategoryPaces:
    """Learn the pace of the shop and of each category from everybody's purchases, in one scan.

    ``gap_shop = Σ gaps / n`` and ``gap_c = (Σ_c gaps + 3 · gap_shop) / (n_c + 3)`` over the gaps
    between consecutive days with a purchase of the same user in the same category ``c``.

    Parameters
    ----------
    events, goods, target, as_of
        As for `paces`.
    """
    return _pool(_purchase_days(events, goods, target=target, as_of=as_of))


def paces(
    events: nw.LazyFrame[Any],
    goods: nw.LazyFrame[Any],
    *,
    target: Collection[str],
    as_of: int,
    pooled: CategoryPaces | None = None,
) -> pd.DataFrame:
    """Tell how often each user buys in each category, and when it is due again, in one scan.

    ``gap = (Σ gaps + 3 · gap_c) / (n + 3)`` over her ``n`` gaps between consecutive days with a
    purchase in category ``c``; they add up to the time from the first day to the last.
    ``next_in = gap − waited`` and ``overdue = waited / gap``, ``waited`` the days since the last
    of those days.

    Parameters
    ----------
    events
        Accepted events; those before `as_of` count.
    goods
        ``item_id, category``, one row for each item, on the same engine.
    target
        The events that count as a purchase.
    as_of
        Microseconds.
    pooled
        What a gap is shrunk to; default: what these events teach.

    Returns
    -------
    DataFrame
        ``user_id, category, purchases, gap, next_in, overdue``, sorted by user and category.
        ``purchases`` counts days, ``gap`` and ``next_in`` are in days, NaN where nobody bought
        twice in any category. Items without a category are left out. Empty without times.
    """
    days = _purchase_days(events, goods, target=target, as_of=as_of)
    count, total = _gaps(days)
    expected = (_pool(days) if pooled is None else pooled).of(days[CATEGORY])
    gap = (total + STRENGTH * expected) / (count + STRENGTH)
    waited = as_of // MICROSECONDS_PER_DAY - days[_LAST].to_numpy(dtype=np.float64)
    columns = {GAP: gap, NEXT_IN: gap - waited, OVERDUE: waited / gap}
    return days[[USER_ID, CATEGORY, PURCHASES]].assign(**columns)


def _purchase_days(
    events: nw.LazyFrame[Any], goods: nw.LazyFrame[Any], *, target: Collection[str], as_of: int
) -> pd.DataFrame:
    """Find the first and the last day a user bought in a category, and count those days."""
    bought = nw.col(EVENT).is_in(list(target)) & (nw.col(QUANTITY).fill_null(1.0) > 0)
    timely = ~nw.col(TIME).is_null() & (nw.col(TIME) < as_of)
    rows = events.filter(bought & timely).select(
        USER_ID, ITEM_ID, (nw.col(TIME) // MICROSECONDS_PER_DAY).alias(_DAY)
    )
    grouped = goods.filter(~nw.col(CATEGORY).is_null()).select(ITEM_ID, CATEGORY)
    days = rows.join(grouped, on=ITEM_ID, how="inner").select(USER_ID, CATEGORY, _DAY).unique()
    counted = days.group_by(USER_ID, CATEGORY).agg(
        nw.len().alias(PURCHASES),
        nw.col(_DAY).min().alias(_FIRST),
        nw.col(_DAY).max().alias(_LAST),
    )
    table: pd.DataFrame = counted.collect("pandas").to_native()
    whole = dict.fromkeys((PURCHASES, _FIRST, _LAST), "int64")
    return table.sort_values([USER_ID, CATEGORY], ignore_index=True).astype(whole)


def _gaps(days: pd.DataFrame) -> tuple[Floats, Floats]:
    """How many gaps each row has, and their sum in days."""
    total = (days[_LAST] - days[_FIRST]).to_numpy(dtype=np.float64)
    return days[PURCHASES].to_numpy(dtype=np.float64) - 1, total


def _pool(days: pd.DataFrame) -> CategoryPaces:
    count, total = _gaps(days)
    # Sums of whole numbers, which do not depend on their order.
    shop = float(total.sum() / count.sum()) if count.any() else math.nan
    gaps = pd.DataFrame({CATEGORY: days[CATEGORY], "count": count, "total": total})
    found = gaps.groupby(CATEGORY, sort=True).sum()
    shrunk = (found["total"] + STRENGTH * shop) / (found["count"] + STRENGTH)
    return CategoryPaces(shop=shop, categories=shrunk.to_dict())
