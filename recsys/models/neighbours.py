"""Neighbours: the items that users of an item deal with besides it.

``S_ji = Σ_{u has i and j} d_u^(−α) / (n_j^α · n_i^β · s)``, with ``d_u`` the items of user ``u``
and ``n_i`` the users of item ``i``: the chance to come from item ``j`` over one of its users to
item ``i``, each step raised to the power ``α``, divided by the popularity of where it ends (RP3β:
Paudel, Christoffel, Newell, Bernstein, ACM TiiS 2017). Of each row the ``k`` strongest are kept,
never the item itself, and all are divided by ``s``, the root mean square of what is kept over all
pairs of supported items: a user of one item has about the spread of her ALS scores in any shop.
"""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt
from scipy import sparse

from recsys.types import Columns, Config, Factors, Flags, Floats, Indices, UserItems

FIXED_POINT = float(2**30)
"""Users weigh whole numbers of this unit: sums of up to 2^23 of them are exact in any order."""
BLOCK_PATHS = 1 << 23
"""Paths from item to item followed at a time: bounds the memory, changes no result."""


class NeighboursConfig(Config):
    """The ``[model.neighbours]`` table of the config."""

    k: PositiveInt = Field(200, description="neighbours kept of each item")
    alpha: NonNegativeFloat = Field(0.7, description="power of each step from item to item")
    beta: NonNegativeFloat = Field(0.5, description="how hard a popular neighbour is marked down")


@dataclass(frozen=True)
class Neighbours:
    """The strongest neighbours of each item, as the rows of a sparse matrix.

    Attributes
    ----------
    indptr
        Item ``j`` owns the entries ``indptr[j]:indptr[j + 1]``, int64, shape ``(n_items + 1,)``.
    indices
        The neighbours' item indices, ascending in each row, int32.
    data
        ``S_ji > 0``, float32.
    """

    indptr: Indices
    indices: Columns
    data: Factors

    def terms(self, items: Indices, weights: Floats) -> tuple[Columns, Factors]:
        """Return the term of one user: the items it touches, ascending, and its values.

        ``neighbours(u, i) = Σ_j w_uj S_ji / Σ_j w_uj`` over the items ``j`` of her history, added
        up in float64. A history touches tens of thousands of items, and a service keeps this of
        every customer it remembers: so it is kept in the types that ``S`` is stored in.

        Parameters
        ----------
        items
            Item indices of her history, ascending, shape ``(n,)``.
        weights
            ``w_uj ≥ 0`` of each, shape ``(n,)``; see `history_weights`.
        """
        lengths, places = self.entries(items)
        shares = weights / max(float(weights.sum()), np.finfo(np.float64).tiny)
        parts = np.repeat(shares, lengths)
        parts *= self.data.take(places)
        # One part after the other, in the order of the history.
        n_items = len(self.indptr) - 1
        sums = np.bincount(self.indices.take(places), weights=parts, minlength=n_items)
        # Flags are searched several times as fast as numbers.
        touched = np.flatnonzero(sums != 0.0)
        return touched.astype(np.int32), sums.take(touched).astype(np.float32)

    def entries(self, items: Indices) -> tuple[Indices, Indices]:
        """Return the length of each item's row, and where the entries of all of them stand."""
        starts = self.indptr[items]
        lengths = self.indptr[items + 1] - starts
        first = np.cumsum(lengths) - lengths
        return lengths, np.repeat(starts - first, lengths) + np.arange(lengths.sum())


def history_weights(worth: Floats) -> Floats:
    """Return ``w_uj = log1p(max(r_uj, 0))``: how much an item of a history counts.

    Parameters
    ----------
    worth
        ``r_uj``, decayed, of each item; what was returned more than bought counts nothing.
    """
    return np.log1p(np.maximum(worth, 0.0))


class _Paths(NamedTuple):
    """From an item to its users, and on to their items."""

    to_users: UserItems
    to_items: UserItems
    leave: Floats
    arrive: Floats
    k: int


class _Rows(NamedTuple):
    lengths: Indices
    indices: Columns
    data: Floats


def fit_neighbours(
    user_items: UserItems,
    supported: Flags,
    config: NeighboursConfig,
    *,
    threads: int = 0,
    on_block: Callable[[], None] = lambda: None,
) -> Neighbours:
    """Find each item's neighbours.

    Parameters
    ----------
    user_items
        Interactions, shape ``(n_users, n_items)``; pairs above 0 count, all alike.
    supported
        Items that have neighbours and can be one, shape ``(n_items,)``.
    config
        ``k``, ``α`` and ``β``.
    threads
        Worker threads; 0 = one for each core. The result depends neither on them nor on the order
        of the users.
    on_block
        Called after each block of items.
    """
    paths = _paths(user_items, supported, config)

    def rows_of(block: tuple[int, int]) -> _Rows:
        return _strongest_rows(paths, *block)

    found = []
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for rows in pool.map(rows_of, _blocks(paths)):
            found.append(rows)
            on_block()
    lengths, indices, data = (np.concatenate(parts) for parts in zip(*found, strict=True))
    scaled = (data / _spread(data, int(supported.sum()))).astype(np.float32)
    return Neighbours(np.concatenate([[0], np.cumsum(lengths)]), indices, scaled)


def _spread(data: Floats, n_supported: int) -> float:
    """Root mean square of a row over all supported items; 1 where there is nothing."""
    squares = float((data**2).sum())
    return math.sqrt(squares) / n_supported if squares > 0 else 1.0


def _paths(user_items: UserItems, supported: Flags, config: NeighboursConfig) -> _Paths:
    pairs = user_items.astype(np.float64)
    pairs.data = ((pairs.data > 0) & supported[pairs.indices]).astype(np.float64)
    pairs.eliminate_zeros()
    per_user = np.maximum(np.diff(pairs.indptr), 1.0)
    per_item = np.maximum(np.bincount(pairs.indices, minlength=len(supported)), 1.0)
    steps = np.round(per_user**-config.alpha * FIXED_POINT)
    to_users = sparse.csr_matrix((sparse.diags(steps) @ pairs).T)
    leave, arrive = per_item**-config.alpha / FIXED_POINT, per_item**-config.beta
    return _Paths(to_users, pairs, leave, arrive, config.k)


def _blocks(paths: _Paths) -> list[tuple[int, int]]:
    """Cut the items, in order, into ranges of about `BLOCK_PATHS` paths each."""
    items, lengths = paths.to_items.indices, np.diff(paths.to_items.indptr)
    n_items = paths.to_items.shape[1]
    through = np.bincount(items, weights=np.repeat(lengths, lengths), minlength=n_items)
    cuts = np.arange(BLOCK_PATHS, through.sum(), BLOCK_PATHS)
    starts = np.unique([0, *np.searchsorted(np.cumsum(through), cuts).tolist()])
    return list(pairwise([*starts.tolist(), n_items]))


def _strongest_rows(paths: _Paths, start: int, stop: int) -> _Rows:
    strengths = sparse.csr_matrix(paths.to_users[start:stop] @ paths.to_items)
    rows = [_strongest(paths, item, *row) for item, row in enumerate(_split(strengths), start)]
    lengths = np.asarray([len(indices) for indices, _ in rows], dtype=np.int64)
    # An empty array first: there may be no item at all.
    indices = np.concatenate([np.empty(0, dtype=np.int32), *(indices for indices, _ in rows)])
    data = np.concatenate([np.empty(0), *(data for _, data in rows)])
    return _Rows(lengths, indices, data)


def _split(matrix: UserItems) -> Iterator[tuple[Columns, Floats]]:
    for start, stop in pairwise(matrix.indptr.tolist()):
        yield matrix.indices[start:stop], matrix.data[start:stop]


def _strongest(
    paths: _Paths, item: int, indices: Columns, arrived: Floats
) -> tuple[Columns, Floats]:
    """Return the row of one item: its ``k`` strongest; of equals, those that stand first."""
    strength = arrived * paths.arrive[indices]
    strength[indices == item] = 0.0
    kept = np.flatnonzero(strength)
    if len(kept) > paths.k:
        least = np.partition(strength, -paths.k)[-paths.k]
        above, equal = np.flatnonzero(strength > least), np.flatnonzero(strength == least)
        equal = equal[np.argsort(indices[equal])]
        kept = np.concatenate([above, equal[: paths.k - len(above)]])
    kept = kept[np.argsort(indices[kept])]
    return indices[kept], strength[kept] * paths.leave[item]
