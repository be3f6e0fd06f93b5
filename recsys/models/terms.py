"""Terms of the score that no column of the dot product holds: what a user's own history says."""

from typing import NamedTuple

import numpy as np

from recsys.types import Columns, Factors, Flags, Floats, Indices


def find(among: Indices | Columns, items: Indices) -> tuple[Flags, Indices]:
    """Tell which of `items` are `among` some, ascending, and where they would stand there."""
    # Of two types NumPy makes one first, and here that would be a copy of what is searched.
    places = np.searchsorted(among, items.astype(among.dtype, copy=False))
    if not len(among):
        return np.zeros(len(items), dtype=np.bool_), places
    return among[np.minimum(places, len(among) - 1)] == items, places


class Sparse(NamedTuple):
    """Items and their values; every other item has 0.

    Attributes
    ----------
    items
        Item indices, ascending, shape ``(n,)``.
    values
        One for each of them.
    """

    items: Indices | Columns
    values: Floats | Factors

    def at(self, items: Indices) -> Floats:
        """Return the values of `items`, in any order, 0 where an item has none."""
        found, places = find(self.items, items)
        values = np.zeros(len(items))
        values[found] = self.values[places[found]]
        return values

    def below(self, n: int) -> "Sparse":
        """Return the part of the term that speaks of the first `n` items."""
        stop = int(np.searchsorted(self.items, self.items.dtype.type(n)))
        return self if stop == len(self.items) else Sparse(self.items[:stop], self.values[:stop])

    def add_to(self, scores: Factors | Floats, weight: float) -> None:
        """Add the weighted term to the scores of all items, in place."""
        scores[self.items] += (weight * self.values).astype(scores.dtype)


class Grouped(NamedTuple):
    """A value for each group of items.

    Attributes
    ----------
    groups
        The group of each item, shape ``(n_items,)``.
    values
        One for each group.
    """

    groups: Indices
    values: Floats

    def at(self, items: Indices) -> Floats:
        """Return the values of `items`, in any order."""
        return np.asarray(self.values[self.groups[items]])

    def add_to(self, scores: Factors | Floats, weight: float) -> None:
        """Add the weighted term to the scores of all items, in place."""
        np.add(scores, (weight * self.values).astype(scores.dtype)[self.groups], out=scores)


Term = Sparse | Grouped
