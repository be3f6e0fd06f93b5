"""How much of what somebody buys is new: to her, or in the shop."""

from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import ITEM_ID, MICROSECONDS_PER_DAY, TIME, USER_ID
from recsys.segments.profiles.family import (
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    known,
    norm,
    pooled,
    ratio,
    recorded,
    values,
)
from recsys.segments.reference import LAUNCHED, NEW_DAYS, OWN_BRAND

FIRST_TIME_SHARE: Final = "first_time_share"
NEW_ITEM_SHARE: Final = "new_item_share"

RECENT_DAYS: Final = 60.0
"""What `FIRST_TIME_SHARE` looks at where the window has no end of its own."""

FEATURES: Final = (
    Feature(
        FIRST_TIME_SHARE,
        "0 to 1",
        "of the distinct items bought within the window (the last 60 days where there is none), "
        "those never bought before it",
    ),
    Feature(
        NEW_ITEM_SHARE,
        "0 to 1",
        "of the purchase lines of known items, those less than 30 days after the item's launch; "
        "unknown in a shop that launched nothing",
    ),
)

_FIRST: Final = "first"
_RECENT: Final = "recent"
_LINES: Final = "lines"
_NEW: Final = "new"


def measure(reading: Reading) -> pd.DataFrame:
    """Count each user's items, and the lines among them that were new."""
    return collect(_first_times(reading).join(_new_lines(reading), on=USER_ID, how="left"))


def _first_times(reading: Reading) -> nw.LazyFrame[Any]:
    items = reading.ever_sold.group_by(USER_ID, ITEM_ID).agg(
        nw.col(TIME).min().alias(_FIRST), nw.col(TIME).max().alias(_RECENT)
    )
    since = _looked_at(reading.span)
    flags = items.select(
        USER_ID,
        (nw.col(_FIRST) >= since).cast(nw.Int64).alias(_FIRST),
        (nw.col(_RECENT) >= since).cast(nw.Int64).alias(_RECENT),
    )
    return flags.group_by(USER_ID).agg(nw.col(_FIRST, _RECENT).sum())


def _looked_at(span: Span) -> int:
    days = RECENT_DAYS if np.isinf(span.days) else span.days
    return int(span.until - days * MICROSECONDS_PER_DAY)


def _new_lines(reading: Reading) -> nw.LazyFrame[Any]:
    # Of every item in `goods` it is known whether it is of an own brand.
    lines = reading.lines.filter(~nw.col(OWN_BRAND).is_null())
    age = nw.col(TIME) - nw.col(LAUNCHED)
    new = ~nw.col(LAUNCHED).is_null() & (age < int(NEW_DAYS * MICROSECONDS_PER_DAY))
    flags = lines.select(
        USER_ID, nw.lit(1).alias(_LINES), nw.when(new).then(1).otherwise(0).alias(_NEW)
    )
    return flags.group_by(USER_ID).agg(nw.col(_LINES, _NEW).sum())


def norms(sums: pd.DataFrame) -> dict[str, float]:
    """Return the share of new items in all purchase lines."""
    new, lines = np.nan_to_num(values(sums, _NEW)), np.nan_to_num(values(sums, _LINES))
    return known(**{NEW_ITEM_SHARE: pooled(new, lines)})


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums."""
    del span
    new = ratio(values(sums, _NEW), values(sums, _LINES))
    columns = {
        FIRST_TIME_SHARE: ratio(values(sums, _FIRST), values(sums, _RECENT)),
        NEW_ITEM_SHARE: recorded(new, norm(norms, NEW_ITEM_SHARE)),
    }
    return pd.DataFrame(columns, index=sums.index)


FAMILY = Family("novelty", FEATURES, measure, derive, norms, needs_times=True)
