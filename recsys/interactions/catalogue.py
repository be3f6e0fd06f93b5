"""What can be recommended: the items file, plus every item seen before ``as_of``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys.events.schema import AVAILABLE, CATEGORY, MARGIN
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

    def told(
        self, changes: Mapping[str, Mapping[str, Any]], before: "Catalogue | None" = None
    ) -> "Catalogue":
        """Return the catalogue with what was told of some items; the others stay as they are.

        An item that is not in it yet comes behind all others.

        Parameters
        ----------
        changes
            ``item_id`` -> all that is told of it; fields that are no column play no part.
        before
            What holds of an item where nothing is told any more; by default this one.
        """
        items = self.items.followed_by(changes)
        told = dict(zip(items.index_of(changes).tolist(), changes.values(), strict=True))
        origin = before or self
        available = np.append(self.available, np.ones(len(items) - len(self.items), dtype=bool))
        for place, fields in told.items():
            known = place >= len(origin.items) or bool(origin.available[place])
            available[place] = fields.get(AVAILABLE, known) is not False
        changed = Catalogue(items, available, {})
        for name in self.columns:
            said = {place: origin._said(name, place, fields) for place, fields in told.items()}
            self._hand_on(name, said, changed)
        return changed

    def _said(self, column: str, place: int, fields: Mapping[str, Any]) -> str:
        """Return a text that was told, else the own one."""
        own = str(self.columns[column][place]) if place < len(self.items) else UNKNOWN
        return str(fields.get(column, own))

    def _hand_on(self, name: str, said: Mapping[int, str], to: "Catalogue") -> None:
        """Give a column, with some texts replaced, to a catalogue; as it is where none is new."""
        texts = self.columns[name]
        new = {p: text for p, text in said.items() if p >= len(texts) or texts[p] != text}
        to.columns[name] = _replaced(texts, new, len(to.items)) if new else texts
        if name in self._coded:
            codes = self._coded[name]
            to._coded[name] = _recoded(*codes, new, len(to.items)) if new else codes

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

    def margins(self) -> dict[str, float]:
        """Return what is earned with a piece of each item that says so, in the money of prices."""
        texts = self.columns.get(MARGIN, np.empty(0, dtype=np.str_))
        told = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(dtype=np.float64)
        known = np.flatnonzero(np.isfinite(told)).tolist()
        return {str(self.items.ids[n]): float(told[n]) for n in known}


def _replaced(texts: Ids, new: Mapping[int, str], n_items: int) -> Ids:
    """Return a column with some texts replaced, and made longer."""
    longest = max(map(len, new.values()))
    changed = np.zeros(n_items, dtype=f"<U{max(longest, texts.dtype.itemsize // 4)}")
    changed[: len(texts)] = texts
    changed[list(new)] = list(new.values())
    return changed


def _recoded(
    codes: Indices, values: Ids, new: Mapping[int, str], n_items: int
) -> tuple[Indices, Ids]:
    """Return the codes of a column that `_replaced` has changed, without sorting all its texts."""
    every = np.union1d(values, list(new.values()))
    changed = np.empty(n_items, dtype=np.int64)
    changed[: len(codes)] = np.searchsorted(every, values)[codes]
    changed[list(new)] = np.searchsorted(every, list(new.values()))
    used = np.bincount(changed, minlength=len(every)) > 0
    return (np.cumsum(used) - 1)[changed], every[used]


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
