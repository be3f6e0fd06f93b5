"""What searches mean: the categories a query leads to, how often it is asked, and in vain."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import (
    CATEGORY,
    EVENT,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    SEARCH,
    TIME,
    USER_ID,
)
from recsys.interactions.weights import FIXED_POINT, event_weight, fixed
from recsys.types import Flags, Floats

QUERY: Final = "query"
SESSION_ID: Final = "session_id"
WEIGHT: Final = "weight"
STRENGTHS: Final[Mapping[str, float]] = MappingProxyType(
    {"click": 1.0, "view": 1.0, "favorite": 2.0, "cart": 3.0, "purchase": 5.0}
)
"""How much an event of each kind says of what the user was looking for."""
MINUTE: Final = 60_000_000

_STRENGTH: Final = "strength"
_NUMBER: Final = "number"
_IS_SEARCH: Final = "is_search"
_SEARCHED: Final = "searched"
_VISIT: Final = "visit"
_LED: Final = "led"


def normal_query(text: str) -> str:
    """Write a query the one way that equal queries share: case folded, blanks collapsed.

    Examples
    --------
    >>> normal_query("  Rye   BREAD ")
    'rye bread'
    """
    return " ".join(text.casefold().split())


def normal_queries(raw: "pd.Series[str]") -> "pd.Series[str]":
    """`normal_query` of each text of a column, worked out once for each distinct one."""
    return raw.map({text: normal_query(text) for text in raw.unique()})


def query_categories(
    events: nw.LazyFrame[Any],
    item_category: nw.LazyFrame[Any],
    *,
    strengths: Mapping[str, float] = STRENGTHS,
    within_minutes: float = 30.0,
    prior: float = 20.0,
) -> pd.DataFrame:
    """Learn the categories of each query from what its users dealt with next.

    An event follows a search of the same user if no other search of hers lies between and, where
    both name a session, it is the same one; where either names none, if it comes within
    `within_minutes`. An event at the very time of a search follows it. A query's weights are
    shrunk towards the shares of all that followed any search:

    ``weight(q, c) = (s_qc + prior · p_c) / (s_q + prior)``

    with ``s_qc`` the strengths of the events that followed ``q`` in the category, ``s_q`` their
    sum over categories and ``p_c = Σ_q s_qc / Σ_q s_q``. Over all categories a query's weights
    sum to 1; only those that followed it have a row, so that its rows leave out what is mere
    prior, and sum to less the less is known.

    Parameters
    ----------
    events
        Accepted events before the moment.
    item_category
        ``item_id, category``, one row for each item, on the same engine.
    strengths
        Event -> its strength; one that is not named, or not above 0, says nothing.
    within_minutes
        How long a search lasts where sessions are not named.
    prior
        The prior's strength, in the unit of `strengths`: 20 is as much as four purchases.

    Returns
    -------
    DataFrame
        ``query, category, weight, n``, sorted by query and falling weight; ``n`` counts the
        query's searches that led to the category. Empty without searches or without times.

    References
    ----------
    Zhai & Lafferty, "A Study of Smoothing Methods for Language Models", SIGIR 2001: Dirichlet
    smoothing of a distribution towards that of the whole collection.
    """
    rows = _numbered(events, strengths)
    of_items = item_category.select(ITEM_ID, CATEGORY).filter(~nw.col(CATEGORY).is_null())
    led = _followers(rows, within_minutes).join(of_items, on=ITEM_ID, how="inner")
    by_search = led.group_by(USER_ID, _NUMBER, QUERY, CATEGORY).agg(nw.col(_STRENGTH).sum())
    by_query = by_search.group_by(QUERY, CATEGORY).agg(nw.col(_STRENGTH).sum(), nw.len().alias("n"))
    table = _by_normal_query(by_query.collect("pandas").to_native(), [CATEGORY])
    table[WEIGHT] = _shrunken(table, prior)
    ordered = table.sort_values([QUERY, WEIGHT, CATEGORY], ascending=[True, False, True])
    return ordered[[QUERY, CATEGORY, WEIGHT, "n"]].reset_index(drop=True)


def _shrunken(table: pd.DataFrame, prior: float) -> Floats:
    strength = table[_STRENGTH].astype("int64")
    of_query = strength.groupby(table[QUERY]).transform("sum").to_numpy() / FIXED_POINT
    of_category = strength.groupby(table[CATEGORY]).transform("sum").to_numpy()
    share = of_category / max(int(strength.sum()), 1)
    own = strength.to_numpy() / FIXED_POINT
    return np.asarray((own + prior * share) / (of_query + prior), dtype=np.float64)


def query_volumes(
    events: nw.LazyFrame[Any],
    *,
    as_of: int,
    window: float,
    strengths: Mapping[str, float] = STRENGTHS,
    within_minutes: float = 30.0,
    head: float = 0.8,
) -> pd.DataFrame:
    """Count how often each query was searched, by how many, and how often it led nowhere.

    Parameters
    ----------
    events
        Accepted events; those of the last `window` days before `as_of` count.
    as_of
        Microseconds.
    window
        Days.
    strengths, within_minutes
        What follows a search; see `query_categories`.
    head
        A query is tail if those searched more often make up this share of all searches already;
        queries searched equally often fall on the same side.

    Returns
    -------
    DataFrame
        ``query, searches, users, share, tail, nowhere``, most frequent first. ``share`` is of
        all searches with words, ``nowhere`` counts searches that nothing followed. Empty without
        searches or without times.
    """
    since = as_of - int(window * MICROSECONDS_PER_DAY)
    recent = events.filter((nw.col(TIME) >= since) & (nw.col(TIME) < as_of))
    rows = _numbered(recent, strengths)
    followed = _followers(rows, within_minutes).select(USER_ID, _NUMBER).unique()
    searches = _searches(rows).join(
        followed.with_columns(nw.lit(1).alias(_LED)), on=[USER_ID, _NUMBER], how="left"
    )
    by_user = (
        searches.with_columns(nw.col(_LED).fill_null(0))
        .group_by(USER_ID, QUERY)
        .agg(nw.len().alias("searches"), nw.col(_LED).sum())
    )
    table = _by_normal_query(by_user.collect("pandas").to_native(), [USER_ID])
    return _volumes(table, head)


def _volumes(by_user: pd.DataFrame, head: float) -> pd.DataFrame:
    grouped = by_user.groupby(QUERY, sort=True)
    found = grouped[["searches", _LED]].sum().astype("int64")
    found["users"] = grouped.size()
    found = found.reset_index().sort_values(["searches", QUERY], ascending=[False, True])
    found["share"] = found["searches"] / max(int(found["searches"].sum()), 1)
    found["tail"] = _tail(found["searches"].to_numpy(dtype=np.float64), head)
    found["nowhere"] = found["searches"] - found[_LED]
    columns = [QUERY, "searches", "users", "share", "tail", "nowhere"]
    return found[columns].reset_index(drop=True)


def _tail(searches: Floats, head: float) -> Flags:
    """Tell which counts, in falling order, lie outside the head."""
    first = np.searchsorted(-searches, -searches, side="left")
    more_often = np.append(0.0, np.cumsum(searches))[first]
    return np.asarray(more_often >= head * searches.sum(), dtype=np.bool_)


def _by_normal_query(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Add up the rows whose queries are the same but for case and blanks."""
    table = table.assign(**{QUERY: normal_queries(table[QUERY])})
    return table[table[QUERY] != ""].groupby([QUERY, *by], as_index=False, sort=True).sum()


def _numbered(events: nw.LazyFrame[Any], strengths: Mapping[str, float]) -> nw.LazyFrame[Any]:
    """Give each search, and what may follow it, the count of its user's searches so far."""
    told = {name: strength for name, strength in strengths.items() if strength > 0}
    search = nw.col(EVENT) == SEARCH
    tells = nw.col(EVENT).is_in(list(told)) & ~nw.col(ITEM_ID).is_null()
    rows = events.filter((search | tells) & ~nw.col(TIME).is_null()).select(
        USER_ID,
        ITEM_ID,
        QUERY,
        SESSION_ID,
        TIME,
        search.cast(nw.Int64).alias(_IS_SEARCH),
        (1 - search.cast(nw.Int64)).alias("later"),
        fixed(event_weight(told)).alias(_STRENGTH),
    )
    searchers = rows.filter(nw.col(_IS_SEARCH) == 1).select(USER_ID).unique()
    # Who never searches is most of a shop, and need not be sorted.
    mine = rows.join(searchers, on=USER_ID, how="semi")
    number = nw.col(_IS_SEARCH).cum_sum()
    ordered = number.over(USER_ID, order_by=[TIME, "later", QUERY, SESSION_ID])
    return mine.with_columns(ordered.cast(nw.Int64).alias(_NUMBER))


def _searches(numbered: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    searches = numbered.filter((nw.col(_IS_SEARCH) == 1) & ~nw.col(QUERY).is_null())
    return searches.select(
        USER_ID,
        _NUMBER,
        QUERY,
        nw.col(TIME).alias(_SEARCHED),
        nw.col(SESSION_ID).alias(_VISIT),
    )


def _followers(numbered: nw.LazyFrame[Any], within_minutes: float) -> nw.LazyFrame[Any]:
    """Events that follow a search, one row each, with the search's number and query."""
    others = numbered.filter(nw.col(_IS_SEARCH) == 0)
    after = others.select(USER_ID, _NUMBER, ITEM_ID, _STRENGTH, TIME, SESSION_ID)
    pairs = _searches(numbered).join(after, on=[USER_ID, _NUMBER], how="inner")
    named = ~nw.col(SESSION_ID).is_null() & ~nw.col(_VISIT).is_null()
    same = nw.col(SESSION_ID) == nw.col(_VISIT)
    soon = nw.col(TIME) - nw.col(_SEARCHED) <= int(within_minutes * MINUTE)
    return pairs.filter((named & same) | (~named & soon))
