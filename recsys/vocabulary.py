"""Outside ids on one side, positions on the other."""

from collections.abc import Iterable
from copy import copy
from typing import TypeAlias

import numpy as np
import pandas as pd

from recsys.types import Ids, Indices

Objects: TypeAlias = np.ndarray[tuple[int], np.dtype[np.object_]]


class Vocabulary:
    """The sorted, distinct ids of users or items; an id's position is its index.

    Sorting makes the index a function of the set of ids alone, whatever order rows came in. Only
    ids that came later stand behind the others, see `followed_by`.

    Parameters
    ----------
    ids
        Any texts; duplicates are merged.

    Examples
    --------
    >>> vocabulary = Vocabulary(["b", "a", "b"])
    >>> vocabulary.ids.tolist()
    ['a', 'b']
    >>> vocabulary.index_of(["b", "z"]).tolist()
    [1, -1]
    """

    def __init__(self, ids: Iterable[str]) -> None:
        distinct = pd.unique(_column(ids))
        self.ids: Ids = np.sort(distinct.astype(np.str_))
        self._parts: tuple[Ids, ...] = (self.ids,)

    @classmethod
    def of_sorted(cls, ids: Ids) -> "Vocabulary":
        """Return that of an array that is sorted and distinct already; it is not copied."""
        found = cls(())
        found.ids, found._parts = ids, (ids,)
        return found

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, identifier: object) -> bool:
        return isinstance(identifier, str) and bool(self.index_of([identifier])[0] >= 0)

    def index_of(self, ids: Iterable[str]) -> Indices:
        """Positions of `ids`, shape ``(n,)``; -1 for an id that is not in the vocabulary."""
        codes, distinct = pd.factorize(_column(ids))
        found, start = np.full(len(distinct) + 1, -1), 0
        for part in self._parts:
            places = _found(part, distinct)
            found[:-1] = np.where(places >= 0, start + places, found[:-1])
            start += len(part)
        # What is missing has the code -1, and so the last place.
        return found[codes]

    def followed_by(self, ids: Iterable[str]) -> "Vocabulary":
        """Return the same with those of `ids` that are not in it behind all others, sorted.

        No position changes.
        """
        column = _column(ids)
        fresh = np.unique(column[self.index_of(column) < 0].astype(np.str_))
        if not len(fresh):
            return self
        longer = copy(self)
        longer.ids = np.concatenate([self.ids, fresh])
        longer._parts = (*self._parts, fresh)
        return longer


def _found(ids: Ids, wanted: Objects) -> Indices:
    """Return where texts stand among sorted ids, by halving; -1 for those that do not."""
    if not len(ids):
        return np.full(len(wanted), -1)
    # Of one width, or NumPy would make all ids as wide as the widest that is looked for.
    places = np.searchsorted(ids, wanted.astype(ids.dtype))
    places[places == len(ids)] = 0
    return np.where(ids[places].astype(object) == wanted, places, -1)


def _column(ids: Iterable[str]) -> Objects:
    # Python strings hash once and compare by pointer; fixed-width text would be copied each time.
    if isinstance(ids, np.ndarray | pd.Series | pd.Index):
        return (
            ids.astype(object).to_numpy() if not isinstance(ids, np.ndarray) else ids.astype(object)
        )
    return np.asarray(list(ids), dtype=object)
