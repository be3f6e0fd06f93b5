"""Questions as arrays: what peers are fitted on and rank from.

Columns are the items that may be listed, the most bought first, so that an earlier column wins a
tie; events of other items are left out.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from .questions import Ask, Question, baskets_ago

AXIS_VALUES = 50
"""An attribute with more values divides too finely to be an axis."""


@dataclass(frozen=True)
class Rows:
    """Events sorted by user: `age` in days and `basket` in baskets ago, where there are times."""

    user: np.ndarray
    item: np.ndarray
    n_users: int
    n_items: int
    age: np.ndarray | None = None
    basket: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.user)

    def where(self, mask: np.ndarray) -> "Rows":
        """Return the events that `mask` names."""
        age = None if self.age is None else self.age[mask]
        basket = None if self.basket is None else self.basket[mask]
        return replace(self, user=self.user[mask], item=self.item[mask], age=age, basket=basket)

    def of(self, start: int, stop: int) -> "Rows":
        """Return the events of users `start` to `stop`, counted from 0 again."""
        first, last = np.searchsorted(self.user, [start, stop])
        part = self.where(np.arange(first, last))
        return replace(part, user=part.user - start, n_users=stop - start)

    def once_a_basket(self) -> "Rows":
        """Return the events without further ones of an item in the same basket."""
        keys = np.stack([self.user, self.item, self.basket], axis=1)
        return self.where(np.sort(np.unique(keys, axis=0, return_index=True)[1]))

    def matrix(self, values: np.ndarray | None = None) -> sparse.csr_array:
        """Sum values (1 an event) to users × items."""
        values = np.ones(len(self)) if values is None else values
        shape = (self.n_users, self.n_items)
        return sparse.coo_array((values, (self.user, self.item)), shape=shape).tocsr()

    def worth(self, weight: str) -> sparse.csr_array:
        """Return users × items: 1 a pair (`once`), events (`count`), or their `log1p`."""
        counts = self.matrix()
        if weight == "once":
            counts.data[:] = 1.0
        elif weight == "log":
            counts.data = np.log1p(counts.data)
        return counts


@dataclass(frozen=True)
class People:
    """Events of users and their one-hot attributes; `same` is where each is in train, or −1."""

    rows: Rows
    attributes: sparse.csr_array
    same: np.ndarray

    def of(self, start: int, stop: int) -> "People":
        rows = self.rows.of(start, stop)
        return People(rows, self.attributes[start:stop], self.same[start:stop])


class Train(NamedTuple):
    """Everybody who may be learnt from; `axes` names the attribute of each attribute column."""

    people: People
    axes: np.ndarray


@dataclass(frozen=True)
class Indexed:
    """A question's vocabularies and what may be learnt."""

    question: Question
    items: pd.Index
    users: pd.Index
    columns: pd.DataFrame
    train: Train

    def known(self, ask: Ask) -> tuple[pd.Index, People]:
        """Return the users an ask asks about, and what is known of them."""
        asked = pd.Index(np.sort(ask.targets["user_id"].unique().astype(object)))
        rows = rows_of(ask.known, asked, self.items, self.question.as_of)
        attributes = sparse.csr_array(self.columns.reindex(asked, fill_value=0.0).to_numpy())
        return asked, People(rows, attributes, self.users.get_indexer(asked))


def index(question: Question) -> Indexed:
    """Give every user, item and attribute value of a question a place."""
    counts = question.train["item_id"].value_counts().reindex(sorted(question.catalogue))
    items = pd.Index(counts.sort_values(ascending=False, kind="stable").index.astype(object))
    users = pd.Index(np.sort(question.train["user_id"].unique().astype(object)))
    columns = one_hot(question.users)
    attributes = sparse.csr_array(columns.reindex(users, fill_value=0.0).to_numpy())
    rows = rows_of(question.train, users, items, question.as_of)
    people = People(rows, attributes, np.arange(len(users)))
    axes = np.array([axis for axis, _ in columns.columns], dtype=object)
    return Indexed(question, items, users, columns, Train(people, axes))


def one_hot(users: pd.DataFrame) -> pd.DataFrame:
    """Return users × (attribute, value), 1 where it holds; nothing for what is not known."""
    users = users.set_index("user_id")
    kept = [axis for axis in users if 2 <= users[axis].nunique() <= AXIS_VALUES]
    parts = {axis: pd.get_dummies(users[axis].astype(object), dtype=float) for axis in kept}
    if not parts:
        empty = pd.MultiIndex.from_arrays([[], []])
        return pd.DataFrame(index=users.index, columns=empty, dtype=float)
    return pd.concat(parts, axis=1)


def rows_of(
    events: pd.DataFrame, users: pd.Index, items: pd.Index, as_of: pd.Timestamp | None
) -> Rows:
    """Give events their indices; those of unknown users and items are left out."""
    user, item = users.get_indexer(events["user_id"]), items.get_indexer(events["item_id"])
    timed = "timestamp" in events
    age = (as_of - events["timestamp"]).dt.total_seconds().to_numpy() / 86400 if timed else None
    rows = Rows(user, item, len(users), len(items), age, baskets_ago(events) if timed else None)
    order = np.argsort(user, kind="stable")
    return rows.where(order[(user[order] >= 0) & (item[order] >= 0)])
