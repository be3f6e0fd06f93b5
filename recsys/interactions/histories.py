"""A user's history: for each item she dealt with, how much, how often she bought it, and when."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from recsys.events.schema import EVENT, ITEM_ID, MICROSECONDS_PER_DAY, QUANTITY, TIME, USER_ID
from recsys.interactions.weights import (
    InteractionsConfig,
    age_in_days,
    decay,
    fixed,
    from_fixed,
    worth,
)
from recsys.types import Floats, Indices, UserItems
from recsys.vocabulary import Vocabulary

WORTH = "worth"
BOUGHT = "bought"
DAY = "day"
VISITS = "visits"
DECAYED = "decayed_"
LAST = "last"
FIRST = "first"


@dataclass(frozen=True)
class Histories:
    """What is known of some users as of a moment, one row for each (user, item) pair.

    Pairs are sorted by user and item; user ``u`` owns the rows ``indptr[u]:indptr[u + 1]``.

    Attributes
    ----------
    users
        The users, in the order of `indptr`.
    n_items
        Size of the item vocabulary.
    indptr
        Shape ``(n_users + 1,)``.
    items
        Item index, shape ``(n_pairs,)``.
    worth
        ``r = Σ event weight × decay × log2(1 + quantity)``; may be negative.
    visits
        Distinct days of purchase (without times: purchase rows).
    decayed_visits
        ``Σ over days of purchase 2^(−age / half_life)``, shape ``(n_pairs, n_half_lives)``.
    since_last, since_first
        Days from the last and the first purchase to `as_of`; NaN where nothing was bought.
    """

    users: Vocabulary
    n_items: int
    indptr: Indices
    items: Indices
    worth: Floats
    visits: Floats
    decayed_visits: Floats
    since_last: Floats
    since_first: Floats

    @property
    def user_index(self) -> Indices:
        """The user index of each pair, shape ``(n_pairs,)``."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.indptr))

    def user_items(self) -> UserItems:
        """Return the interactions ``r``, shape ``(n_users, n_items)``; zeros are not stored."""
        shape = (len(self.users), self.n_items)
        matrix = sparse.csr_matrix((self.worth, self.items, self.indptr), shape=shape, copy=True)
        matrix.eliminate_zeros()
        return matrix

    def rows(self, user_index: int) -> slice:
        """Return the slice of one user's pairs."""
        return slice(int(self.indptr[user_index]), int(self.indptr[user_index + 1]))

    def aligned(self, users: Vocabulary) -> "Histories":
        """Return the histories of `users`, in their order; one who is not known has none."""
        rows = self.users.index_of(users.ids)
        # -1, a user who is not known, picks the length that stands last: none.
        lengths = np.append(np.diff(self.indptr), 0)[rows]
        ends = np.cumsum(lengths)
        # Every pair's place: its user's first row, plus how far it is from her first pair.
        pairs = np.repeat(self.indptr[rows] - (ends - lengths), lengths) + np.arange(lengths.sum())
        return Histories(
            users,
            self.n_items,
            np.concatenate([[0], ends]).astype(np.int64),
            self.items[pairs],
            self.worth[pairs],
            self.visits[pairs],
            self.decayed_visits[pairs],
            self.since_last[pairs],
            self.since_first[pairs],
        )


def pair_table(
    events: nw.LazyFrame[Any],
    config: InteractionsConfig,
    *,
    as_of: int,
    timed: bool,
    half_lives: Sequence[float],
) -> pd.DataFrame:
    """Aggregate events to one row for each (user, item), on whatever engine holds them.

    Parameters
    ----------
    events
        Accepted events, all before `as_of`.
    config
        Event weights, half-life, and the events that count as a purchase.
    as_of
        Microseconds.
    timed
        Without times every purchase row is a visit of its own and nothing decays.
    half_lives
        Days, one for each column of decayed visits; infinite = no decay.

    Returns
    -------
    DataFrame
        ``user_id, item_id, worth, visits, decayed_0 …, last, first`` (microseconds).
    """
    bought = nw.col(EVENT).is_in(config.target) & (nw.col(QUANTITY).fill_null(1.0) > 0)
    rows = events.filter(~nw.col(ITEM_ID).is_null()).select(
        USER_ID,
        ITEM_ID,
        fixed(worth(config, as_of=as_of, timed=timed)).alias(WORTH),
        bought.cast(nw.Int64).alias(BOUGHT),
        (nw.col(TIME) // MICROSECONDS_PER_DAY if timed else nw.lit(0)).alias(DAY),
        nw.when(bought).then(nw.col(TIME)).alias(TIME),
    )
    # A day's dealings with an item first: buying a thing twice on one day is one visit.
    visits = nw.col(BOUGHT).max() if timed else nw.col(BOUGHT).sum()
    daily = rows.group_by(USER_ID, ITEM_ID, DAY).agg(
        nw.col(WORTH).sum(),
        visits.alias(VISITS),
        nw.col(TIME).max().alias(LAST),
        nw.col(TIME).min().alias(FIRST),
    )
    faded = [_decayed(half_life, as_of=as_of, timed=timed) for half_life in half_lives]
    named = {f"{DECAYED}{number}": value for number, value in enumerate(faded)}
    pairs = (
        daily.with_columns(**named)
        .group_by(USER_ID, ITEM_ID)
        .agg(
            nw.col(WORTH, VISITS, *named).sum(),
            nw.col(LAST).max(),
            nw.col(FIRST).min(),
        )
        .with_columns(from_fixed(WORTH), *[from_fixed(name) for name in named])
    )
    table: pd.DataFrame = pairs.collect("pandas").to_native()
    return table


def _decayed(half_life: float, *, as_of: int, timed: bool) -> nw.Expr:
    visits = nw.col(VISITS).cast(nw.Float64)
    if timed and math.isfinite(half_life):
        faded = decay(age_in_days(as_of, of=LAST), half_life)
        visits = nw.when(nw.col(VISITS) > 0).then(faded).otherwise(0.0)
    return fixed(visits)


def build_histories(
    table: pd.DataFrame, users: Vocabulary, items: Vocabulary, *, as_of: int
) -> Histories:
    """Index a pair table by `users` and `items`; pairs of others are left out.

    Parameters
    ----------
    table
        As `pair_table` returns it, in any order.
    users, items
        The vocabularies the indices refer to.
    as_of
        Microseconds; the moment the table was made for.
    """
    user_index = users.index_of(table[USER_ID])
    item_index = items.index_of(table[ITEM_ID])
    known = (user_index >= 0) & (item_index >= 0)
    order = np.lexsort((item_index[known], user_index[known]))
    rows = table[known].iloc[order]
    counts = np.bincount(user_index[known], minlength=len(users))
    names = [name for name in map(str, table.columns) if name.startswith(DECAYED)]
    names.sort(key=lambda name: int(name.removeprefix(DECAYED)))
    return Histories(
        users,
        len(items),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        item_index[known][order],
        _floats(rows[WORTH]),
        _floats(rows[VISITS]),
        rows[names].to_numpy(dtype=np.float64).reshape(len(rows), len(names)),
        _days_since(rows[LAST], as_of),
        _days_since(rows[FIRST], as_of),
    )


def _floats(column: "pd.Series[Any]") -> Floats:
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _days_since(times: "pd.Series[Any]", as_of: int) -> Floats:
    # Exact integer microseconds first: a float64 difference would lose none below 2^53, but an
    # object column of missing values would not subtract at all.
    return (as_of - _floats(times)) / MICROSECONDS_PER_DAY
