"""What was bought at one time: baskets as a matrix, without the users who filled them."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from recsys.events.schema import BASKET_ID, ITEM_ID, MICROSECONDS_PER_DAY, TIME, USER_ID
from recsys.interactions.targets import is_target
from recsys.random import generator
from recsys.segments.queries import SESSION_ID
from recsys.types import Indices, UserItems
from recsys.vocabulary import Vocabulary

Unit = Literal["basket", "session", "day", "user"]
BASKET: Final = "basket"
UNIT: Final = "unit"


@dataclass(frozen=True)
class Baskets:
    """Which items were bought together.

    Attributes
    ----------
    matrix
        int32 ones, shape ``(n_baskets, n_items)``; every basket holds an item.
    unit
        What most of them are. ``user``: the shop has neither baskets nor sessions nor times, and
        everything a user ever bought counts as bought together.
    """

    matrix: UserItems
    unit: Unit


def basket_table(events: nw.LazyFrame[Any], target: list[str], *, timed: bool) -> pd.DataFrame:
    """Return the distinct items of each basket, on whatever engine holds the events.

    A basket is what one user bought under one ``basket_id``; of rows without one, in one session;
    without that, on one day; without times, ever.

    Parameters
    ----------
    events
        Accepted events.
    target
        The event types that count.
    timed
        Whether the events have times.

    Returns
    -------
    DataFrame
        ``user_id, unit, basket, item_id``, in any order.
    """
    day = (nw.col(TIME) // MICROSECONDS_PER_DAY).cast(nw.String) if timed else nw.lit("")
    none, no_session = nw.col(BASKET_ID).is_null(), nw.col(SESSION_ID).is_null()
    last = nw.lit("day" if timed else "user")
    visit = nw.when(no_session).then(day).otherwise(nw.col(SESSION_ID))
    visit_unit = nw.when(no_session).then(last).otherwise(nw.lit("session"))
    bought = events.filter(is_target(target)).select(
        USER_ID,
        nw.when(none).then(visit_unit).otherwise(nw.lit("basket")).alias(UNIT),
        nw.when(none).then(visit).otherwise(nw.col(BASKET_ID)).alias(BASKET),
        ITEM_ID,
    )
    table: pd.DataFrame = bought.unique().collect("pandas").to_native()
    return table


def build_baskets(table: pd.DataFrame, items: Vocabulary, *, largest: int, seed: int) -> Baskets:
    """Index a basket table by `items`; items of others are left out.

    A basket of more than `largest` items counts as `largest` of them, drawn at random: a pair in it
    says little, there are as many as the square of its size, and a draw leaves every lift as it is
    on average. The draw depends on the set of rows alone, not on their order.

    Parameters
    ----------
    table
        As `basket_table` returns it.
    items
        The vocabulary the columns refer to.
    largest
        Items of a basket, at most.
    seed
        The seed of the draw.
    """
    item = items.index_of(table[ITEM_ID])
    rows = table[item >= 0]
    number = np.asarray(rows.groupby([USER_ID, UNIT, BASKET]).ngroup(), dtype=np.int64)
    n_baskets = int(number.max(initial=-1)) + 1
    ones = np.ones(len(number), dtype=np.int32)
    matrix = sparse.csr_matrix((ones, (number, item[item >= 0])), shape=(n_baskets, len(items)))
    return Baskets(thinned(matrix, largest, seed=seed), _commonest(rows, number))


def thinned(matrix: UserItems, largest: int, *, seed: int) -> UserItems:
    """Keep `largest` entries of a longer row, drawn at random; shorter rows stay as they are."""
    matrix.sort_indices()
    sizes = np.diff(matrix.indptr)
    if sizes.max(initial=0) <= largest:
        return matrix
    row = np.repeat(np.arange(len(sizes)), sizes)
    draws = generator(seed, "large baskets").random(len(row))
    order = np.lexsort((draws, row))
    kept = np.sort(order[np.arange(len(row)) - matrix.indptr[row] < largest])
    indptr = np.concatenate([[0], np.cumsum(np.minimum(sizes, largest))])
    return sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def _commonest(rows: pd.DataFrame, number: Indices) -> Unit:
    order: tuple[Unit, ...] = ("basket", "session", "day", "user")
    _, first = np.unique(number, return_index=True)
    units = rows[UNIT].to_numpy()[first]
    counts = [int((units == unit).sum()) for unit in order]
    return order[int(np.argmax(counts))]
