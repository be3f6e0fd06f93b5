"""What can be recommended: the items file, plus every item seen before ``as_of``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys.events.schema import AVAILABLE, CATEGORY
from recsys.types import Flags, Ids, Indices
from recsys.vocabulary import Vocabulary

UNKNOWN = ""
"""The category of an item that has none."""


@dataclass(frozen=True)
class Catalogue:
    """Items and their columns, aligned to one vocabulary.

    Attributes
    ----------
    items
        Every item, available or not: histories may hold what can no longer be bought.
    available
        Shape ``(n_items,)``.
    columns
        Text columns by name, each of shape ``(n_items,)``; an empty text is "unknown".
    """

    items: Vocabulary
    available: Flags
    columns: dict[str, Ids]

    def codes(self, column: str) -> tuple[Indices, Ids]:
        """Return the code of each item's value, and the sorted distinct values.

        Without such a column every value is unknown.
        """
        # Sorting all texts once for each request would be most of what a request costs.
        if column not in self._coded:
            texts = self.columns.get(column, np.full(len(self.items), UNKNOWN, dtype=np.str_))
            values, codes = np.unique(texts, return_inverse=True)
            self._coded[column] = (codes.astype(np.int64), values)
        return self._coded[column]

    def told(self, changes: Mapping[str, Mapping[str, Any]]) -> "Catalogue":
        """Return the catalogue with what was told of items since; others stay as they are.

        Parameters
        ----------
        changes
            ``item_id`` -> fields; those that are no column of the catalogue play no part.
        """
        places = self.items.index_of(changes)
        known = [
            (place, fields)
            for place, fields in zip(places.tolist(), changes.values(), strict=True)
            if place >= 0
        ]
        available = self.available.copy()
        for place, fields in known:
            if AVAILABLE in fields:
                available[place] = fields[AVAILABLE] is not False
        columns = {name: _changed(name, texts, known) for name, texts in self.columns.items()}
        return Catalogue(self.items, available, columns)

    @cached_property
    def _coded(self) -> dict[str, tuple[Indices, Ids]]:
        return {}

    @property
    def category(self) -> Ids:
        """Each item's category; every item in one unnamed group where the shop has none."""
        codes, values = self.codes(CATEGORY)
        return values[codes]

    @property
    def groups(self) -> Indices:
        """The code of each item's category, shape ``(n_items,)``."""
        return self.codes(CATEGORY)[0]


def _changed(name: str, texts: Ids, known: Sequence[tuple[int, Mapping[str, Any]]]) -> Ids:
    """Return a column with some of its texts replaced; one nobody spoke of is not copied."""
    spoken = {place: str(fields[name]) for place, fields in known if name in fields}
    if not spoken:
        return texts
    longest = max(map(len, spoken.values()))
    changed = texts.astype(f"<U{max(longest, texts.dtype.itemsize // 4)}")
    for place, text in spoken.items():
        changed[place] = text
    return changed


def build_catalogue(file: pd.DataFrame, seen: Iterable[str], columns: Iterable[str]) -> Catalogue:
    """Join the items file and the items seen in events.

    Parameters
    ----------
    file
        The items file, indexed by ``item_id``; may be empty.
    seen
        Item ids of events before ``as_of``.
    columns
        The text columns to keep; one the file does not have is left out.
    """
    items = Vocabulary([*file.index, *seen])
    aligned = file.reindex(items.ids)
    # An item that only events know is available: they are the proof that it was sold.
    available = aligned[AVAILABLE].astype(object).ne(False)
    kept = {name: _text(aligned[name]) for name in columns if name in aligned}
    return Catalogue(items, available.to_numpy(dtype=bool), kept)


def _text(column: "pd.Series[str]") -> Ids:
    return column.astype(object).where(column.notna(), UNKNOWN).astype(str).to_numpy(dtype=np.str_)
