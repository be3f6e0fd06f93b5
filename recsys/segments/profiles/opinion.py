"""What somebody thinks of what she bought: returns, ratings, sentiment."""

from typing import Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import EVENT, QUANTITY, USER_ID
from recsys.interactions.weights import FIXED_POINT, fixed
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
    shrunk,
    values,
)
from recsys.types import Floats

RETURN_RATE: Final = "return_rate"
MEAN_RATING: Final = "mean_rating"
SENTIMENT: Final = "sentiment"

STRENGTH: Final = 3.0
"""Opinions that those of the customers at large count for."""

FEATURES: Final = (
    Feature(
        RETURN_RATE,
        "0 to 1",
        "pieces returned / pieces bought, at most 1; unknown in a shop without returns",
    ),
    Feature(
        MEAN_RATING,
        "the shop's scale of ratings",
        "(Σ rating + 3 · norm) / (n + 3), norm = the mean rating of all customers",
    ),
    Feature(
        SENTIMENT,
        "-1 to 1",
        "(Σ sentiment + 3 · norm) / (n + 3), norm = the mean sentiment of all customers",
    ),
)

_RATING: Final = "rating"
_RATED: Final = "rated"
_FELT: Final = "felt"
_BOUGHT: Final = "bought"
_RETURNED: Final = "returned"
_SUMS: Final = (_BOUGHT, _RETURNED, _RATING, _RATED, SENTIMENT, _FELT)


def measure(reading: Reading) -> pd.DataFrame:
    """Add up pieces, ratings and sentiment of each user."""
    returned = nw.col(EVENT) == "return"
    rated, felt = ~nw.col(_RATING).is_null(), ~nw.col(SENTIMENT).is_null()
    told = reading.within.filter(reading.bought | returned | rated | felt)
    pieces = fixed(nw.col(QUANTITY).fill_null(1.0))
    rows = told.select(
        USER_ID,
        nw.when(reading.bought).then(pieces).otherwise(0).alias(_BOUGHT),
        nw.when(returned).then(pieces).otherwise(0).alias(_RETURNED),
        fixed(nw.col(_RATING).fill_null(0.0)).alias(_RATING),
        rated.cast(nw.Int64).alias(_RATED),
        fixed(nw.col(SENTIMENT).fill_null(0.0)).alias(SENTIMENT),
        felt.cast(nw.Int64).alias(_FELT),
    )
    return collect(rows.group_by(USER_ID).agg(nw.col(*_SUMS).sum()))


def norms(sums: pd.DataFrame) -> dict[str, float]:
    """Return the rate of returns and the mean opinions of all customers together."""
    overall = {
        RETURN_RATE: pooled(values(sums, _RETURNED), values(sums, _BOUGHT)),
        MEAN_RATING: pooled(_total(sums, _RATING), values(sums, _RATED)),
        SENTIMENT: pooled(_total(sums, SENTIMENT), values(sums, _FELT)),
    }
    return known(**overall)


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums."""
    del span
    rate = np.minimum(ratio(values(sums, _RETURNED), values(sums, _BOUGHT)), 1.0)
    rating, sentiment = norm(norms, MEAN_RATING), norm(norms, SENTIMENT)
    columns = {
        RETURN_RATE: recorded(rate, norm(norms, RETURN_RATE)),
        MEAN_RATING: _mean(sums, _RATING, _RATED, rating),
        SENTIMENT: _mean(sums, SENTIMENT, _FELT, sentiment),
    }
    return pd.DataFrame(columns, index=sums.index)


def _mean(sums: pd.DataFrame, what: str, count: str, towards: float) -> Floats:
    return shrunk(_total(sums, what), values(sums, count), towards=towards, strength=STRENGTH)


def _total(sums: pd.DataFrame, what: str) -> Floats:
    return values(sums, what) / FIXED_POINT


FAMILY = Family("opinion", FEATURES, measure, derive, norms)
