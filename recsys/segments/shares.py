"""How a user's dealings are shared out over a column of the items: the soft side of a profile."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from recsys.engines import beside
from recsys.events.schema import CATEGORY_SEPARATOR, ITEM_ID, USER_ID
from recsys.interactions import Catalogue, InteractionsConfig
from recsys.interactions.weights import FIXED_POINT, fixed, worth
from recsys.segments.reference import items_of
from recsys.types import Ids, Indices, Membership
from recsys.vocabulary import Vocabulary


class Column(NamedTuple):
    """A text column of the items, cut to so many steps of its hierarchy."""

    name: str
    level: int


@dataclass(frozen=True)
class Shares:
    """What users' dealings are worth by value of a column.

    Attributes
    ----------
    values
        Distinct values, sorted; the empty text stands for items without one.
    worth
        ``Σ event weight × decay × log2(1 + quantity)``, where positive; shape
        ``(n_users, n_values)``.
    """

    values: Ids
    worth: Membership

    def of(self, wanted: Ids) -> Membership:
        """Return each user's share of some values in everything she did, unknown values included.

        Shape ``(n_users, len(wanted))``; what she did elsewhere is missing from the sum of 1.
        """
        total = np.asarray(self.worth.sum(axis=1)).ravel()
        inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        return sparse.csr_matrix(sparse.diags_array(inverse) @ self.worth[:, self._places(wanted)])

    def _places(self, wanted: Ids) -> Indices:
        # A value that nobody here has dealt with is one more column, which is empty.
        place = np.searchsorted(self.values, wanted)
        found = place < len(self.values)
        found[found] = self.values[place[found]] == np.asarray(wanted)[found]
        return np.where(found, place, self.worth.shape[1] - 1)


def measure_shares(
    events: nw.LazyFrame[Any],
    catalogue: Catalogue,
    column: Column,
    users: Vocabulary,
    interactions: InteractionsConfig,
    *,
    as_of: int,
    timed: bool,
) -> Shares:
    """Add up what events are worth by user and value, in one scan.

    Parameters
    ----------
    events
        Accepted events before `as_of`.
    catalogue
        The items and their columns.
    column
        What to share out over.
    users
        Row order; others are left out.
    interactions
        What events are worth.
    as_of
        Microseconds.
    timed
        Without times nothing decays.
    """
    values, codes = coded(catalogue, column)
    rows = items_of(events, catalogue)
    table = pd.DataFrame({ITEM_ID: catalogue.items.ids[rows], "value": codes[rows]})
    valued = events.join(beside(events, table), on=ITEM_ID, how="inner")
    amounts = valued.select(
        USER_ID, "value", fixed(worth(interactions, as_of=as_of, timed=timed)).alias("worth")
    )
    summed = amounts.group_by(USER_ID, "value").agg(nw.col("worth").sum())
    found: pd.DataFrame = summed.collect("pandas").to_native()
    return Shares(values, _matrix(found, users, len(values)))


def coded(catalogue: Catalogue, column: Column) -> tuple[Ids, Indices]:
    """Return the sorted values of a column at its level, and each item's code."""
    codes, texts = catalogue.codes(column.name)
    steps = (text.split(CATEGORY_SEPARATOR)[: column.level] for text in texts.tolist())
    cut = np.asarray([CATEGORY_SEPARATOR.join(step) for step in steps], dtype=np.str_)
    values, short = np.unique(cut, return_inverse=True)
    return values, short[codes].astype(np.int64)


def _matrix(found: pd.DataFrame, users: Vocabulary, n_values: int) -> Membership:
    rows = users.index_of(found[USER_ID])
    worth = found["worth"].to_numpy(dtype=np.float64) / FIXED_POINT
    kept = (rows >= 0) & (worth > 0)
    cells = (worth[kept], (rows[kept], found["value"].to_numpy(dtype=np.int64)[kept]))
    # One column more than there are values, for those that nobody here has dealt with.
    return sparse.csr_matrix(cells, shape=(len(users), n_values + 1))
