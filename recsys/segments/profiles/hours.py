"""When in the day and in the week somebody buys, UTC."""

from typing import Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.engines import beside
from recsys.events.schema import TIME, USER_ID
from recsys.interactions.weights import FIXED_POINT
from recsys.segments.profiles.family import (
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    ratio,
    values,
)
from recsys.types import Floats

USUAL_HOUR: Final = "usual_hour"
HOUR_CONCENTRATION: Final = "hour_concentration"
EVENING_SHARE: Final = "evening_share"
NIGHT_SHARE: Final = "night_share"
WEEKEND_SHARE: Final = "weekend_share"

FEATURES: Final = (
    Feature(
        USUAL_HOUR,
        "hours, 0 to 24",
        "the direction of (C, S), C = Σ cos(2π h / 24), S = Σ sin(2π h / 24) over the hours h of "
        "purchases, UTC; what was bought in one minute counts once",
    ),
    Feature(HOUR_CONCENTRATION, "0 to 1", "√(C² + S²) / n: 1 where all are at the same hour"),
    Feature(EVENING_SHARE, "0 to 1", "purchases from 18:00 on / purchases"),
    Feature(NIGHT_SHARE, "0 to 1", "purchases before 6:00 / purchases"),
    Feature(WEEKEND_SHARE, "0 to 1", "purchases on Saturday and Sunday / purchases"),
)

EVENING: Final = 18
MORNING: Final = 6
SATURDAY: Final = 5
NOWHERE: Final = 1e-6
"""A concentration below it is rounding: the hours point nowhere."""

_MICROSECONDS: Final = 60_000_000
_DAY: Final = 24 * 60
_WEEK: Final = 7 * _DAY
_MONDAY: Final = 4 * _DAY
"""The first Monday of the epoch, in minutes."""
_MINUTE: Final = "minute"
_PURCHASES: Final = "purchases"
_COSINE: Final = "cosine"
_SINE: Final = "sine"
_SUMS: Final = (_PURCHASES, _COSINE, _SINE, EVENING_SHARE, NIGHT_SHARE, WEEKEND_SHARE)


def measure(reading: Reading) -> pd.DataFrame:
    """Add up the directions of each user's purchases on the clock."""
    moments = reading.sold.select(USER_ID, (nw.col(TIME) // _MICROSECONDS).alias(_MINUTE)).unique()
    of_week = ((nw.col(_MINUTE) - _MONDAY) % _WEEK).cast(nw.Int64)
    told = moments.select(USER_ID, of_week.alias(_MINUTE)).join(
        beside(reading.events, _clock()), on=_MINUTE, how="inner"
    )
    return collect(told.group_by(USER_ID).agg(nw.col(*_SUMS).sum()))


def _clock() -> pd.DataFrame:
    """Lay out what each minute of the week, from Monday on, adds to the sums."""
    minute = np.arange(_WEEK)
    hour = minute % _DAY / 60
    angle = 2 * np.pi * hour / 24
    # Engines differ in the last digit of a cosine, so they are not asked for it.
    columns = {
        _MINUTE: minute,
        _PURCHASES: np.ones(_WEEK),
        _COSINE: np.rint(np.cos(angle) * FIXED_POINT),
        _SINE: np.rint(np.sin(angle) * FIXED_POINT),
        EVENING_SHARE: hour >= EVENING,
        NIGHT_SHARE: hour < MORNING,
        WEEKEND_SHARE: minute // _DAY >= SATURDAY,
    }
    return pd.DataFrame(columns).astype("int64")


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums."""
    del span, norms
    count = values(sums, _PURCHASES)
    cosine, sine = values(sums, _COSINE) / FIXED_POINT, values(sums, _SINE) / FIXED_POINT
    concentration = ratio(np.hypot(cosine, sine), count)
    columns = {
        USUAL_HOUR: np.where(concentration > NOWHERE, _hour(cosine, sine), np.nan),
        HOUR_CONCENTRATION: np.minimum(concentration, 1.0),
        **{name: ratio(values(sums, name), count) for name in _SUMS[3:]},
    }
    return pd.DataFrame(columns, index=sums.index)


def _hour(cosine: Floats, sine: Floats) -> Floats:
    # A hair before midnight would round up to 24.
    return np.mod(np.mod(np.arctan2(sine, cosine) * 12 / np.pi, 24), 24)


FAMILY = Family("hours", FEATURES, measure, derive, needs_times=True)
