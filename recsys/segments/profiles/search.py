"""How much somebody searches."""

from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import EVENT, SEARCH, USER_ID
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
from recsys.segments.queries import QUERY, normal_queries

SEARCHES: Final = "searches"
QUERIES: Final = "queries"
SEARCH_SHARE: Final = "search_share"

FEATURES: Final = (
    Feature(SEARCHES, "events", "searches"),
    Feature(QUERIES, "queries", "distinct words searched for, whatever their case and blanks"),
    Feature(SEARCH_SHARE, "0 to 1", "searches / events of any kind"),
)

_EVENTS: Final = "events"


def measure(reading: Reading) -> pd.DataFrame:
    """Count each user's events, searches and queries."""
    is_search = nw.col(EVENT) == SEARCH
    rows = reading.within.select(
        USER_ID, nw.lit(1).alias(_EVENTS), is_search.cast(nw.Int64).alias(SEARCHES)
    )
    counts = collect(rows.group_by(USER_ID).agg(nw.col(_EVENTS, SEARCHES).sum()))
    asked = reading.within.filter(is_search & ~nw.col(QUERY).is_null())
    return counts.assign(**{QUERIES: _distinct(asked).reindex(counts.index)})


def _distinct(asked: nw.LazyFrame[Any]) -> "pd.Series[int]":
    """Count the different normal queries of each user."""
    table: pd.DataFrame = asked.select(USER_ID, QUERY).unique().collect("pandas").to_native()
    normal = table.assign(**{QUERY: normal_queries(table[QUERY])}).drop_duplicates()
    return normal[normal[QUERY] != ""].groupby(USER_ID).size()


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the counts."""
    del span, norms
    searches = values(sums, SEARCHES)
    columns = {
        SEARCHES: searches,
        QUERIES: np.nan_to_num(values(sums, QUERIES)),
        SEARCH_SHARE: ratio(searches, values(sums, _EVENTS)),
    }
    return pd.DataFrame(columns, index=sums.index)


FAMILY = Family("search", FEATURES, measure, derive)
