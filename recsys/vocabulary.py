"""Outside ids on one side, positions on the other."""

from collections.abc import Iterable
from copy import copy

import numpy as np
import pandas as pd

from recsys.types import Ids, Indices


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
        self._index = pd.Index(self.ids.astype(object), dtype=object)
        self._later = self._index[:0]

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._index or identifier in self._later

    def index_of(self, ids: Iterable[str]) -> Indices:
        """Positions of `ids`, shape ``(n,)``; -1 for an id that is not in the vocabulary."""
        column = _column(ids)
        found = np.asarray(self._index.get_indexer(column), dtype=np.int64)
        if len(self._later):
            later = np.asarray(self._later.get_indexer(column), dtype=np.int64)
            found = np.where(later >= 0, len(self._index) + later, found)
        return found

    def followed_by(self, ids: Iterable[str]) -> "Vocabulary":
        """Return the same with those of `ids` that are not in it behind all others, sorted.

        No position changes, and what finds the earlier ids is shared.
        """
        column = _column(ids)
        fresh = np.unique(column[self.index_of(column) < 0].astype(np.str_))
        if not len(fresh):
            return self
        longer = copy(self)
        longer.ids = np.concatenate([self.ids, fresh])
        longer._later = self._later.append(pd.Index(fresh.astype(object), dtype=object))
        return longer


def _column(ids: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    # Python strings hash once and compare by pointer; fixed-width text would be copied each time.
    if isinstance(ids, np.ndarray | pd.Series | pd.Index):
        return (
            ids.astype(object).to_numpy() if not isinstance(ids, np.ndarray) else ids.astype(object)
        )
    return np.asarray(list(ids), dtype=object)
