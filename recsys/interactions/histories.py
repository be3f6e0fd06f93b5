"""A user's history: for each item she dealt with, how much, how often she bought it, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from recsys.events.schema import EVENT, ITEM_ID, MICROSECONDS_PER_DAY, QUANTITY, TIME, USER_ID
from recsys.interactions.contacts import (
    Contacts,
    contact_columns,
    contacts_of,
    daily_contacts,
    days_since,
    faded_contacts,
    floats,
    summed_contacts,
)
from recsys.interactions.weights import InteractionsConfig, faded, fixed, from_fixed, worth
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
    contacts
        What else was done; None where nothing but purchases is known.
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
    contacts: Contacts | None = None

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

    def positive_items(self) -> UserItems:
        """Return the interactions above 0 alone, shape ``(n_users, n_items)``."""
        matrix = self.user_items()
        matrix.data = np.maximum(matrix.data, 0.0)
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
            None if self.contacts is None else self.contacts.take(pairs),
        )


def pair_table(
    events: nw.LazyFrame[Any],
    config: InteractionsConfig,
    *,
    as_of: int,
    timed: bool,
    half_lives: Sequence[float],
    kinds: Sequence[str] = (),
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
    kinds
        Kinds of contact besides purchases, each with columns of its own; by default none.

    Returns
    -------
    DataFrame
        ``user_id, item_id, worth, visits, decayed_0 …, last, first`` (microseconds).
    """
    rows = _rows(events, config, as_of=as_of, timed=timed, kinds=kinds)
    # A day's dealings with an item first: buying a thing twice on one day is one visit.
    visits = nw.col(BOUGHT).max() if timed else nw.col(BOUGHT).sum()
    daily = rows.group_by(USER_ID, ITEM_ID, DAY).agg(
        nw.col(WORTH).sum(),
        visits.alias(VISITS),
        nw.col(TIME).max().alias(LAST),
        nw.col(TIME).min().alias(FIRST),
        *daily_contacts(kinds, timed=timed),
    )
    named = {
        f"{DECAYED}{number}": faded(VISITS, LAST, half_life, as_of=as_of, timed=timed)
        for number, half_life in enumerate(half_lives)
    } | faded_contacts(kinds, as_of=as_of, timed=timed)
    pairs = (
        daily.with_columns(**named)
        .group_by(USER_ID, ITEM_ID)
        .agg(
            nw.col(WORTH, VISITS, *named).sum(),
            nw.col(LAST).max(),
            nw.col(FIRST).min(),
            *summed_contacts(kinds),
        )
        .with_columns(from_fixed(WORTH), *[from_fixed(name) for name in named])
    )
    table: pd.DataFrame = pairs.collect("pandas").to_native()
    return table


def _rows(
    events: nw.LazyFrame[Any],
    config: InteractionsConfig,
    *,
    as_of: int,
    timed: bool,
    kinds: Sequence[str],
) -> nw.LazyFrame[Any]:
    """Say of each event what it is worth, whether it is a purchase, and which contact it is."""
    bought = nw.col(EVENT).is_in(config.target) & (nw.col(QUANTITY).fill_null(1.0) > 0)
    return events.filter(~nw.col(ITEM_ID).is_null()).select(
        USER_ID,
        ITEM_ID,
        fixed(worth(config, as_of=as_of, timed=timed)).alias(WORTH),
        bought.cast(nw.Int64).alias(BOUGHT),
        (nw.col(TIME) // MICROSECONDS_PER_DAY if timed else nw.lit(0)).alias(DAY),
        nw.when(bought).then(nw.col(TIME)).alias(TIME),
        *contact_columns(kinds),
    )


def build_histories(
    table: pd.DataFrame,
    users: Vocabulary,
    items: Vocabulary,
    *,
    as_of: int,
    kinds: Sequence[str] = (),
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
    kinds
        The kinds of contact it was made with.
    """
    user_index = users.index_of(table[USER_ID])
    item_index = items.index_of(table[ITEM_ID])
    known = (user_index >= 0) & (item_index >= 0)
    order = np.lexsort((item_index[known], user_index[known]))
    rows = table[known].iloc[order]
    counts = np.bincount(user_index[known], minlength=len(users))
    names = [name for name in map(str, table.columns) if name.startswith(DECAYED)]
    names.sort(key=lambda name: int(name.removeprefix(DECAYED)))
    # In one layout however it was made: the order of a sum's terms would follow it.
    decayed = np.ascontiguousarray(rows[names].to_numpy(dtype=np.float64))
    return Histories(
        users,
        len(items),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        item_index[known][order],
        floats(rows[WORTH]),
        floats(rows[VISITS]),
        decayed.reshape(len(rows), len(names)),
        days_since(rows[LAST], as_of),
        days_since(rows[FIRST], as_of),
        contacts_of(rows, kinds, as_of=as_of),
    )
