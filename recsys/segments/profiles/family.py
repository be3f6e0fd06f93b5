"""What a profile is made of: features in families, each family measured in few scans.

A family is measured on the engine (sums for each user), its norms are taken over all users once and
frozen, and its features follow from both by arithmetic. Millions of users and one user's events go
through the same three functions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import (
    BASKET_ID,
    EVENT,
    EVENT_ID,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    QUANTITY,
    TIME,
    USER_ID,
)
from recsys.types import Floats

DAY: Final = "day"
ORDER: Final = "order_key"

Norms = Mapping[str, float]
"""Numbers taken over all users that a family's features are shrunk to, by name."""


class Feature(NamedTuple):
    """One profile feature: its name, its unit and its definition for people."""

    name: str
    unit: str
    definition: str


class Span(NamedTuple):
    """The time a profile looks at: the `days` before `until`.

    Attributes
    ----------
    until
        Microseconds; events at or after it play no part.
    days
        Infinite: everything before `until`, and always so without times.
    """

    until: int
    days: float

    @property
    def since(self) -> float:
        """The first microsecond within; minus infinity where everything counts."""
        return self.until - self.days * MICROSECONDS_PER_DAY

    @property
    def today(self) -> int:
        """The day of `until`, days since the epoch."""
        return self.until // MICROSECONDS_PER_DAY


@dataclass(frozen=True)
class Reading:
    """The events and items that a family measures.

    Attributes
    ----------
    events
        Accepted events before the span's end, whatever their age.
    goods
        One row an item: ``item_id`` and the columns of `recsys.segments.reference.Goods`.
    target
        The events that count as a purchase.
    span
        The time to look at.
    timed
        Without times the span is everything, and what goes by times is unknown.
    """

    events: nw.LazyFrame[Any]
    goods: nw.LazyFrame[Any]
    target: tuple[str, ...]
    span: Span
    timed: bool

    # Kept, since frames of pandas are worked out on the spot, and families ask for the same.
    @cached_property
    def within(self) -> nw.LazyFrame[Any]:
        """The events of the span."""
        if not self.timed or np.isinf(self.span.days):
            return self.events
        return self.events.filter(nw.col(TIME) >= int(self.span.since))

    @property
    def bought(self) -> nw.Expr:
        """Whether an event is a purchase."""
        return nw.col(EVENT).is_in(list(self.target)) & (nw.col(QUANTITY).fill_null(1.0) > 0)

    @property
    def day(self) -> nw.Expr:
        """The event's day, days since the epoch; without times every event is a day of its own."""
        return day_number().cast(nw.String) if self.timed else nw.col(EVENT_ID)

    @property
    def order(self) -> nw.Expr:
        """What tells a user's orders apart: the basket, else the day."""
        return nw.when(nw.col(BASKET_ID).is_null()).then(self.day).otherwise(nw.col(BASKET_ID))

    @cached_property
    def sold(self) -> nw.LazyFrame[Any]:
        """The purchases of the span, with their ``day`` and ``order_key``."""
        rows = self.within.filter(self.bought)
        return rows.with_columns(self.day.alias(DAY), self.order.alias(ORDER))

    @cached_property
    def ever_sold(self) -> nw.LazyFrame[Any]:
        """The purchases before the span's end, whatever their age."""
        return self.events.filter(self.bought)

    @cached_property
    def lines(self) -> nw.LazyFrame[Any]:
        """The purchases of the span beside their items; all is null of an item not in `goods`."""
        return self.sold.join(self.goods, on=ITEM_ID, how="left")


def day_number() -> nw.Expr:
    """Whole days from the epoch to the event; null without times."""
    return nw.col(TIME) // MICROSECONDS_PER_DAY


def no_norms(sums: pd.DataFrame) -> dict[str, float]:
    """Return the norms of a family whose features need none."""
    del sums
    return {}


class Family(NamedTuple):
    """Features that are measured together.

    Attributes
    ----------
    name
        Of the family.
    features
        In the order of the columns that `derive` gives.
    measure
        ``reading -> sums``: one row for each user with something to measure, indexed by
        ``user_id``; what an engine can add up.
    derive
        ``(sums, span, norms) -> features``: float64 columns named after `features`; NaN = unknown.
    norms
        ``sums -> norms``: over all users, once, at training.
    needs_times
        Whether every feature is unknown for data without times; it is then measured on no event.
    """

    name: str
    features: tuple[Feature, ...]
    measure: Callable[[Reading], pd.DataFrame]
    derive: Callable[[pd.DataFrame, Span, Norms], pd.DataFrame]
    norms: Callable[[pd.DataFrame], dict[str, float]] = no_norms
    needs_times: bool = False


def collect(frame: nw.LazyFrame[Any], key: str = USER_ID) -> pd.DataFrame:
    """Fetch aggregated rows, one for each `key`, sorted by it."""
    table: pd.DataFrame = frame.collect("pandas").to_native()
    return table.set_index(key).sort_index()


def values(table: pd.DataFrame, column: str) -> Floats:
    """Return a column as float64; NaN = missing."""
    return np.asarray(table[column].to_numpy(dtype=np.float64, na_value=np.nan))


def ratio(over: Floats, under: Floats) -> Floats:
    """Divide where there is something to divide by; NaN elsewhere."""
    unknown = np.full_like(over, np.nan, dtype=np.float64)
    return np.divide(over, under, out=unknown, where=under > 0)


def pooled(over: Floats, under: Floats) -> float:
    """Return ``Σ over / Σ under`` over all users; NaN where there is nothing to divide by."""
    # Rounded once, so that it depends on no order.
    whole = math.fsum(under)
    return math.fsum(over) / whole if whole > 0 else math.nan


def known(**norms: float) -> dict[str, float]:
    """Return the norms that are known; NaN is no JSON."""
    return {name: value for name, value in norms.items() if math.isfinite(value)}


def norm(norms: Norms, name: str) -> float:
    """Return a norm; NaN where it is unknown."""
    return norms.get(name, math.nan)


def recorded(shares: Floats, overall: float) -> Floats:
    """Return `shares`; all unknown where the share `overall` is 0: the shop does not record it."""
    return shares if overall > 0 else np.full_like(shares, np.nan)


def shrunk(total: Floats, count: Floats, *, towards: float, strength: float) -> Floats:
    """Return the mean pulled to a norm: ``(Σx + s·norm) / (n + s)``; NaN where ``n`` is 0.

    Parameters
    ----------
    total, count
        ``Σx`` and ``n`` of each user.
    towards
        The norm.
    strength
        ``s``: how many observations the norm counts for.
    """
    return np.where(count > 0, (total + strength * towards) / (count + strength), np.nan)
