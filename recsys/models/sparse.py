"""A term of the score that only some items have: what a user's own history says of them."""

from typing import NamedTuple

import numpy as np

from recsys.types import Floats, Indices


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
