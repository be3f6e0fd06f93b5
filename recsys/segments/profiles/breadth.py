"""How widely somebody buys: items, categories, and how evenly over them."""

import math
from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import CATEGORY, ITEM_ID, USER_ID
from recsys.interactions.weights import FIXED_POINT
from recsys.segments.profiles.family import Family, Feature, Norms, Reading, Span, values

ITEMS: Final = "items"
CATEGORIES: Final = "categories"
CATEGORY_ENTROPY: Final = "category_entropy"

FEATURES: Final = (
    Feature(ITEMS, "items", "distinct items bought"),
    Feature(CATEGORIES, "categories", "distinct categories bought"),
    Feature(
        CATEGORY_ENTROPY,
        "nats",
        "−Σ s ln s over the categories, s = share of the purchase lines with a known category",
    ),
)

_LINES: Final = "lines"
_GROUPS: Final = "groups"
_KNOWN: Final = "known"
_N_LOG_N: Final = "n_log_n"


def measure(reading: Reading) -> pd.DataFrame:
    """Count each user's items, categories and lines, and ``Σ n ln n`` over her categories.

    With ``s = n / N``, ``n`` the lines of a category and ``N`` their sum, ``−Σ s ln s`` is
    ``ln N − (Σ n ln n) / N``.
    """
    found: pd.DataFrame = _alike(reading).collect("pandas").to_native()
    count = found[[ITEMS, _LINES, _GROUPS, _KNOWN]].astype("int64")
    categories = count[_GROUPS] * count[_KNOWN]
    columns = {
        USER_ID: found[USER_ID],
        ITEMS: count[ITEMS],
        CATEGORIES: categories,
        _LINES: count[_LINES] * categories,
        _N_LOG_N: count[_LINES].map(_n_log_n(count[_LINES])) * categories,
    }
    return pd.DataFrame(columns).groupby(USER_ID, sort=True).sum()


def _alike(reading: Reading) -> nw.LazyFrame[Any]:
    """Count a user's categories that have the same number of lines, and the items in them."""
    lines = reading.lines.select(USER_ID, CATEGORY, ITEM_ID)
    items = lines.group_by(USER_ID, CATEGORY, ITEM_ID).agg(nw.len().alias(_LINES))
    categories = items.group_by(USER_ID, CATEGORY).agg(nw.len().alias(ITEMS), nw.col(_LINES).sum())
    known = (~nw.col(CATEGORY).is_null()).cast(nw.Int64)
    alike = categories.select(USER_ID, ITEMS, _LINES, known.alias(_KNOWN))
    return alike.group_by(USER_ID, _KNOWN, _LINES).agg(nw.len().alias(_GROUPS), nw.col(ITEMS).sum())


def _n_log_n(counts: "pd.Series[int]") -> dict[int, int]:
    # Engines differ in the last digit of a logarithm, so they are not asked for it.
    return {n: round(n * math.log(n) * FIXED_POINT) for n in counts.unique().tolist()}


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums."""
    del span, norms
    lines = values(sums, _LINES)
    counted = np.where(lines > 0, lines, np.nan)
    entropy = np.log(counted) - values(sums, _N_LOG_N) / FIXED_POINT / counted
    columns = {
        ITEMS: values(sums, ITEMS),
        CATEGORIES: values(sums, CATEGORIES),
        # Rounding may leave a hair below 0 where all is in one category.
        CATEGORY_ENTROPY: np.maximum(entropy, 0.0),
    }
    return pd.DataFrame(columns, index=sums.index)


FAMILY = Family("breadth", FEATURES, measure, derive)
