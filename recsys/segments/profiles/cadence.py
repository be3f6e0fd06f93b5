"""The rhythm somebody buys in: days between purchases, and when the next is due."""

from typing import Any, Final

import narwhals as nw
import pandas as pd

from recsys.events.schema import USER_ID
from recsys.segments.profiles.family import (
    DAY,
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    day_number,
    known,
    norm,
    pooled,
    values,
)

GAP: Final = "gap"
LAST_GAP: Final = "last_gap"
NEXT_IN: Final = "next_in"
OVERDUE: Final = "overdue"

STRENGTH: Final = 3.0
"""Gaps that the customers at large count for."""

FEATURES: Final = (
    Feature(
        GAP,
        "days",
        "(Σ gaps + 3 · norm) / (n + 3) over the n gaps between consecutive days with a purchase, "
        "norm = the mean gap of all customers",
    ),
    Feature(LAST_GAP, "days", "between the last two days with a purchase"),
    Feature(NEXT_IN, "days", "gap − days since the last day with a purchase; below 0: overdue"),
    Feature(OVERDUE, "gaps", "days since the last day with a purchase / gap"),
)

_DAYS: Final = "days"
_FIRST: Final = "first"
_LAST: Final = "last"
_BEFORE: Final = "before"


def measure(reading: Reading) -> pd.DataFrame:
    """Find each user's first, last and last but one day with a purchase, and count them."""
    days = reading.sold.select(USER_ID, day_number().alias(DAY)).unique()
    ends = days.group_by(USER_ID).agg(
        nw.len().alias(_DAYS), nw.col(DAY).min().alias(_FIRST), nw.col(DAY).max().alias(_LAST)
    )
    return collect(ends.join(_before_last(days, ends), on=USER_ID, how="left"))


def _before_last(days: nw.LazyFrame[Any], ends: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    earlier = days.join(ends.select(USER_ID, _LAST), on=USER_ID, how="inner")
    before = earlier.filter(nw.col(DAY) < nw.col(_LAST)).select(USER_ID, DAY)
    return before.group_by(USER_ID).agg(nw.col(DAY).max().alias(_BEFORE))


def norms(sums: pd.DataFrame) -> dict[str, float]:
    """Return the mean gap of all customers: ``Σ (last − first) / Σ (days − 1)``."""
    gaps = values(sums, _LAST) - values(sums, _FIRST)
    return known(**{GAP: pooled(gaps, values(sums, _DAYS) - 1)})


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums; the gaps add up to the time from first to last."""
    last = values(sums, _LAST)
    total, count = last - values(sums, _FIRST), values(sums, _DAYS) - 1
    gap = (total + STRENGTH * norm(norms, GAP)) / (count + STRENGTH)
    waited = span.today - last
    columns = {
        GAP: gap,
        LAST_GAP: last - values(sums, _BEFORE),
        NEXT_IN: gap - waited,
        OVERDUE: waited / gap,
    }
    return pd.DataFrame(columns, index=sums.index)


FAMILY = Family("cadence", FEATURES, measure, derive, norms, needs_times=True)
