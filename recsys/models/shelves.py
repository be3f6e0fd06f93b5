"""Shelves: alike items side by side, and how high any item of a shelf can score.

An item's side of the dot product is ``[y_i | r_i]``, its factors and its other columns; a user's is
``[x | t]``. For every item of a shelf ``S``

``x·y_i + t·r_i ≤ |x| · max_S |y_j| + Σ_c max(t_c · max_S r_jc, t_c · min_S r_jc)``

(Cauchy–Schwarz; Fagin's threshold and LEMP, Teflioudi, Gemulla, Mykytiuk, SIGMOD 2015, prune by the
same lengths). Items go by the length of their factors into sections of shelves, and in a section by
their last column, popularity, so that shelves are alike in both. Around a centre of its own, or
column by column, the factors of a shelf are bounded no better: their spectrum is flat, and no 64
items of a shop lie close together in 128 dimensions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recsys.types import Factors, Floats, Indices

SIZE = 64
"""Items of a shelf: half as many bound a little tighter, and cost twice as many bounds."""
SECTION = 16
"""Shelves of a section: longer ones let blends look at less, and factors alone at more."""
ROWS_AT_ONCE = 1 << 14
"""Items measured at a time: bounds the memory."""

Places = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Shelves:
    """The order of the items on the shelves, and what bounds each shelf.

    Attributes
    ----------
    size
        Items of each shelf; the last one may have fewer.
    items
        Item indices, shelf after shelf, int32, shape ``(n_items,)``.
    shelf_of
        The shelf of each item, int32, shape ``(n_items,)``.
    longest
        ``max_S |y_j|``, rounded up, float32, shape ``(n_shelves,)``.
    highest, lowest
        ``max_S r_jc`` and ``min_S r_jc``, float32, shape ``(n_columns − d, n_shelves)``.
    """

    size: int
    items: Places
    shelf_of: Places
    longest: Factors
    highest: Factors
    lowest: Factors

    @cached_property
    def _largest(self) -> tuple[float, Factors]:
        sizes = np.maximum(self.highest, -self.lowest).max(axis=1, initial=0.0)
        return float(self.longest.max(initial=0.0)), sizes

    def bounds(self, query: Factors) -> Factors:
        """Return what no item of a shelf exceeds, shape ``(n_shelves,)``.

        The true bound, rounded like any sum of float32: `reach` says by how much at most.

        Parameters
        ----------
        query
            ``[x | t]``, shape ``(n_columns,)``.
        """
        factors, others = self._split(query)
        up, down = np.flatnonzero(others > 0), np.flatnonzero(others < 0)
        bounds = _length(factors) * self.longest
        bounds += others[up] @ self.highest[up]
        bounds += others[down] @ self.lowest[down]
        return np.asarray(bounds)

    def reach(self, query: Factors) -> float:
        """Return at least ``Σ_c |query_c c_ic|`` of any item: what rounding errors grow with."""
        factors, others = self._split(query)
        longest, sizes = self._largest
        return float(_length(factors) * longest + np.abs(others) @ sizes)

    def on(self, shelves: Indices) -> Indices:
        """Return the items on some shelves."""
        places = (shelves[:, np.newaxis] * self.size + np.arange(self.size)).ravel()
        return np.asarray(self.items[places[places < len(self.items)]], dtype=np.int64)

    def _split(self, query: Factors) -> tuple[Factors, Factors]:
        d = len(query) - len(self.highest)
        return query[:d], query[d:]


def shelve(columns: Factors, d: int, size: int = SIZE) -> Shelves:
    """Put items on shelves: sections by the length of their factors, in them by the last column.

    Parameters
    ----------
    columns
        ``[y_i | r_i]``, shape ``(n_items, n_columns)``.
    d
        How many of them are factors.
    size
        Items of a shelf.
    """
    lengths = _lengths(columns, d)
    section = np.empty(len(lengths), dtype=np.int64)
    section[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths)) // (SECTION * size)
    items = np.lexsort((-columns[:, -1], section))
    shelf_of = np.empty(len(items), dtype=np.int32)
    shelf_of[items] = np.arange(len(items)) // size
    starts = np.arange(0, len(items), size)
    highest, lowest = _extremes(columns[:, d:], items, starts, size)
    longest = np.maximum.reduceat(lengths[items], starts) if len(starts) else lengths
    return Shelves(
        size,
        items.astype(np.int32),
        shelf_of,
        np.nextafter(longest.astype(np.float32), np.float32(np.inf)),
        highest,
        lowest,
    )


def _lengths(columns: Factors, d: int) -> Floats:
    lengths = np.empty(len(columns))
    for start in range(0, len(columns), ROWS_AT_ONCE):
        block = columns[start : start + ROWS_AT_ONCE, :d].astype(np.float64)
        lengths[start : start + len(block)] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return lengths


def _extremes(
    others: Factors, items: Indices, starts: Indices, size: int
) -> tuple[Factors, Factors]:
    highest = np.empty((others.shape[1], len(starts)), dtype=np.float32)
    lowest = np.empty_like(highest)
    step = max(1, ROWS_AT_ONCE // size)
    for first in range(0, len(starts), step):
        block = others[items[first * size : (first + step) * size]]
        within = np.arange(0, len(block), size)
        shelves = slice(first, first + len(within))
        highest[:, shelves] = np.maximum.reduceat(block, within, axis=0).T
        lowest[:, shelves] = np.minimum.reduceat(block, within, axis=0).T
    return highest, lowest


def _length(vector: Factors) -> np.float32:
    return np.float32(np.linalg.norm(vector.astype(np.float64)))
