"""Terms of the score that no column of the dot product holds: what a user's own history says."""

from typing import NamedTuple

import numpy as np

from recsys.types import Factors, Floats, Indices


class Sparse(NamedTuple):
    """Items and their values; every other item has 0.

    Attributes
    ----------
    items
        Item indices, ascending, shape ``(n,)``.
    values
        One for each of them.
    """

    items: Indices
    values: Floats

    def at(self, items: Indices) -> Floats:
        """Return the values of `items`, in any order, 0 where an item has none."""
        if not len(self.items):
            return np.zeros(len(items))
        place = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        return np.where(self.items[place] == items, self.values[place], 0.0)

    def add_to(self, scores: Factors, weight: float) -> None:
        """Add the weighted term to the scores of all items, in place."""
        scores[self.items] += (weight * self.values).astype(np.float32)


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

    def add_to(self, scores: Factors, weight: float) -> None:
        """Add the weighted term to the scores of all items, in place."""
        scores += (weight * self.values).astype(np.float32)[self.groups]


Term = Sparse | Grouped
