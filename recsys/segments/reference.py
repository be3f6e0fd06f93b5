"""What profiles are measured against: what is known of the items and of customers at large.

It is learnt from everybody's events as of a moment and frozen with the model, so that one user's
profile in serving means what it meant in training.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.engines import beside, held_here
from recsys.events.schema import (
    AMOUNT,
    CATEGORY,
    EVENT,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    PRICE,
    QUANTITY,
    TIME,
)
from recsys.interactions import Catalogue
from recsys.interactions.weights import FIXED_POINT, fixed
from recsys.types import Floats, Ids, Indices

BRAND: Final = "brand"
CREATED: Final = "created_at"
PRICE_POSITION: Final = "price_position"
LAUNCHED: Final = "launched"
OWN_BRAND: Final = "own_brand"
NEW_DAYS: Final = 30.0
"""How long an item is new; what was seen in the shop's first days may be older than that."""


@dataclass(frozen=True)
class Reference:
    """What is known of items and of all customers.

    Attributes
    ----------
    price_position
        Share of the items of the same category that are cheaper, half of the equally dear ones
        counted, 0 to 1; NaN unknown; shape ``(n_items,)``.
    launched
        When the item came, microseconds; NaN = it was always there; shape ``(n_items,)``.
    own_brands
        The shop's own.
    norms
        Family of features -> what its features are shrunk to; see `recsys.segments.profiles`.
    """

    price_position: Floats
    launched: Floats
    own_brands: tuple[str, ...] = ()
    norms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def learn_reference(
    events: nw.LazyFrame[Any],
    file: pd.DataFrame,
    catalogue: Catalogue,
    *,
    target: Collection[str],
    timed: bool,
    own_brands: Collection[str] = (),
) -> Reference:
    """Learn prices and launches from everybody's events; norms come with the profiles.

    An item's price is the items file's, else the mean it was sold at. It was launched at the file's
    ``created_at``, else when it was first seen, if that was later than the shop's first 30 days.

    Parameters
    ----------
    events
        Accepted events before the moment.
    file
        The items file, indexed by ``item_id``.
    catalogue
        The items.
    target
        The events that count as a purchase.
    timed
        Whether events have times.
    own_brands
        The shop's own.
    """
    sales = _sales(events, target).reindex(catalogue.items.ids)
    listed = file.reindex(catalogue.items.ids)
    price = _column(listed, PRICE)
    amount, pieces = _column(sales, AMOUNT), _column(sales, QUANTITY) / FIXED_POINT
    sold_at = np.divide(amount, pieces, out=np.full_like(amount, np.nan), where=pieces > 0)
    launched = _launched(listed, _column(sales, TIME)) if timed else np.full(len(price), np.nan)
    known = np.where(np.isfinite(price), price, sold_at)
    return Reference(rank_within(known, catalogue.groups), launched, tuple(own_brands))


def _sales(events: nw.LazyFrame[Any], target: Collection[str]) -> pd.DataFrame:
    priced = (
        nw.col(EVENT).is_in(list(target))
        & (nw.col(QUANTITY).fill_null(1.0) > 0)
        & (nw.col(AMOUNT).fill_null(0) > 0)
    )
    rows = events.filter(~nw.col(ITEM_ID).is_null()).select(
        ITEM_ID,
        TIME,
        nw.when(priced).then(nw.col(AMOUNT)).alias(AMOUNT),
        nw.when(priced).then(fixed(nw.col(QUANTITY).fill_null(1.0))).alias(QUANTITY),
    )
    items = rows.group_by(ITEM_ID).agg(nw.col(TIME).min(), nw.col(AMOUNT, QUANTITY).sum())
    table: pd.DataFrame = items.collect("pandas").to_native()
    return table.set_index(ITEM_ID)


def _launched(listed: pd.DataFrame, first_seen: Floats) -> Floats:
    begun = np.nanmin(first_seen, initial=np.inf) + NEW_DAYS * MICROSECONDS_PER_DAY
    seen = np.where(first_seen > begun, first_seen, np.nan)
    if CREATED not in listed:
        return seen
    times = pd.to_datetime(listed[CREATED], utc=True, errors="coerce", format="ISO8601")
    known = times.notna().to_numpy()
    created = times.dt.as_unit("us").astype("int64").to_numpy().astype(np.float64)
    return np.where(known, created, seen)


def _column(table: pd.DataFrame, name: str) -> Floats:
    if name not in table:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].to_numpy(dtype=np.float64, na_value=np.nan))


def rank_within(values: Floats, groups: Indices) -> Floats:
    """Return each value's mid-rank within its group, 0 to 1: ``(below + ½ equal) / n``.

    An unknown value has none and counts for no other.

    Examples
    --------
    >>> rank_within(np.array([1.0, 3.0, 3.0, 9.0]), np.zeros(4, dtype=np.int64)).tolist()
    [0.125, 0.5, 0.5, 0.875]
    """
    frame = pd.DataFrame({"group": groups, "value": np.where(values > 0, values, np.nan)})
    ranked = frame.groupby("group")["value"]
    middle = ranked.rank(method="average") - 0.5
    return np.asarray((middle / ranked.transform("count")).to_numpy(dtype=np.float64))


def goods_beside(
    events: nw.LazyFrame[Any], catalogue: Catalogue, reference: Reference
) -> nw.LazyFrame[Any]:
    """Lay the items out beside events, on the same engine.

    Returns
    -------
    LazyFrame
        ``item_id, category, brand`` (null = unknown), ``own_brand`` (1 or 0), ``price_position``
        (null = unknown) and ``launched`` (microseconds, null = always there).
    """
    rows = items_of(events, catalogue)
    missing = np.full(len(catalogue.items), "", dtype=np.str_)
    brand = catalogue.columns.get(BRAND, missing)[rows]
    table = pd.DataFrame(
        {
            ITEM_ID: catalogue.items.ids[rows],
            CATEGORY: _or_null(catalogue.category[rows]),
            BRAND: _or_null(brand),
            OWN_BRAND: np.isin(brand, reference.own_brands).astype(np.int64),
            PRICE_POSITION: pd.array(reference.price_position[rows], dtype="Float64"),
            LAUNCHED: pd.array(reference.launched[rows], dtype="Float64").astype("Int64"),
        }
    )
    return beside(events, table)


def items_of(events: nw.LazyFrame[Any], catalogue: Catalogue) -> Indices:
    """Return the items to lay out beside events: those of a few events, else the catalogue."""
    named = held_here(events, ITEM_ID)
    if named is None:
        return np.arange(len(catalogue.items))
    found = catalogue.items.index_of(named)
    return np.unique(found[found >= 0])


def _or_null(texts: Ids) -> "pd.Series[Any]":
    column = pd.Series(texts.astype(object))
    return column.where(column != "", None)
