"""The best items for one user, without scoring every item.

The items that her own history or a rule speaks of are looked at one by one, the others shelf by
shelf, those first that can score most. Once nothing that is left can reach the k-th best score so
far, the search ends. Scores are within `Side.error` of the exact ones: what is let go of is
certainly not among the best k, whatever was rounded away.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from recsys.models import Grouped, Model, Sparse, Term
from recsys.models.terms import find
from recsys.types import Factors, Flags, Floats, Indices

FEW: Final = 1024
"""Where no more items than that are allowed all of them are looked at, without bounds."""
ITEMS_FIRST: Final = 64
SHELVES_FIRST: Final = 2
GROWTH: Final = 4
"""So many times more are looked at each time, before the k-th best score is worked out anew."""
ROWS_AT_ONCE: Final = 1024
"""Rows gathered at a time: as many as stay in a processor's cache."""
ROUNDING: Final = 2.0**-24
"""The error of one operation in float32, relative."""
NONE: Final[Indices] = np.empty(0, dtype=np.int64)


class Allowed(NamedTuple):
    """What may be listed.

    Attributes
    ----------
    flags
        Shared between requests and never written to, shape ``(n_items,)``.
    barred
        Items that may not be listed all the same, ascending.
    """

    flags: Flags
    barred: Indices = NONE

    def of(self, items: Indices) -> Flags:
        """Tell which of some items may be listed."""
        allowed = self.flags[items]
        if len(self.barred):
            allowed &= ~find(self.barred, items)[0]
        return allowed

    def but(self, items: Indices) -> "Allowed":
        """Leave out more items, in any order."""
        return Allowed(self.flags, np.union1d(self.barred, items)) if len(items) else self

    def everywhere(self) -> Flags:
        """Return a copy of the flags of all items."""
        flags = self.flags.copy()
        flags[self.barred] = False
        return flags


class Side:
    """One user's side of the score, and how high it lets items score.

    Parameters
    ----------
    model
        The items.
    query
        The user side of the dot product, float32, shape ``(n_columns,)``.
    parts
        What comes on top of it, each with its weight.
    """

    def __init__(self, model: Model, query: Factors, parts: Sequence[tuple[float, Term]]) -> None:
        self.model, self.shelves = model, model.shelves
        self.query, self.parts = query, parts
        self._grouped = [(w, term) for w, term in parts if isinstance(term, Grouped)]
        self._sparse = [(w, term) for w, term in parts if isinstance(term, Sparse)]

    def dense(self, items: Indices) -> Floats:
        """Return the dot product of some items, to within `error`."""
        scores = np.empty(len(items))
        for start in range(0, len(items), ROWS_AT_ONCE):
            rows = self.model.rows(items[start : start + ROWS_AT_ONCE])
            scores[start : start + len(rows)] = rows @ self.query
        return scores

    def add_parts(self, scores: Floats, items: Indices) -> Floats:
        """Add what comes on top of the dot product of some items, in place."""
        for weight, term in self.parts:
            scores += weight * term.at(items)
        return scores

    def all_scores(self, dense: Factors | None) -> Floats:
        """Return the scores of all items, to within `error`; `dense` is the product, if known."""
        product = self.model.product(self.query) if dense is None else dense
        scores = product.astype(np.float64)
        for weight, term in self.parts:
            term.add_to(scores, weight)
        return scores

    @cached_property
    def error(self) -> float:
        """The largest error of a score, of a bound, and of what float64 makes of a score."""
        reach, n = self.model.reach(self.query), len(self.query) + 4
        own = sum(weight * _largest(term.values) for weight, term in self.parts)
        smallest = float(np.finfo(np.float32).tiny)
        return n * (ROUNDING * reach + smallest) + 2.0**-48 * (reach + own)

    def ceilings(self) -> Floats:
        """Return what no item of a shelf exceeds but for sparse terms, shape ``(n_shelves,)``.

        Worked out for every request: to keep them would be most of what a customer takes in a
        large catalogue.
        """
        return self.shelves.bounds(self.query).astype(np.float64) + self.most_by_group

    @cached_property
    def most_by_group(self) -> float:
        """What grouped terms add to an item at most."""
        return sum(weight * float(term.values.max()) for weight, term in self._grouped)

    @cached_property
    def raising(self) -> list["Raising"]:
        """The sparse terms that add to some item on a shelf, those of the fewest items first."""
        n = len(self.shelves.shelf_of)
        shelved = ((weight, term.below(n)) for weight, term in self._sparse)
        parts = [Raising(w, term, w * float(term.values.max(initial=0.0))) for w, term in shelved]
        raising = [part for part in parts if part.most > 0]
        return sorted(raising, key=lambda part: len(part.term.items))

    def spoken_of(self, place: int, floor: float, ceilings: Floats) -> "Waiting":
        """Return those items of the term at a place of `raising` that can reach a floor.

        Their bounds hold but for items of the terms before it, which have been there already.
        """
        weight, term, _ = self.raising[place]
        longer = self.raising[place + 1 :]
        least = floor - (ceilings.max() + sum(part.most for part in longer))
        high = np.flatnonzero(term.values >= least / weight)
        items = term.items[high].astype(np.int64)
        bounds = weight * term.values[high].astype(np.float64)
        bounds += ceilings.take(self.shelves.shelf_of.take(items))
        for part in longer:
            bounds += part.weight * part.term.at(items)
        return Waiting(items, bounds).above(floor)


class Raising(NamedTuple):
    """A sparse term, its weight, and what it adds to an item at most."""

    weight: float
    term: Sparse
    most: float


class Waiting(NamedTuple):
    """Items or shelves not looked at yet, and how high each can score."""

    numbers: Indices
    bounds: Floats

    def above(self, floor: float) -> "Waiting":
        """Let go of what cannot reach a floor."""
        return self._only(self.bounds >= floor)

    def split(self, n: int) -> tuple["Waiting", "Waiting"]:
        """Part the `n` highest, and those as high as the last of them, from the rest."""
        if len(self.bounds) <= n:
            return self, Waiting(NONE, np.empty(0))
        high = self.bounds >= np.partition(self.bounds, -n)[-n]
        return self._only(high), self._only(~high)

    def _only(self, flags: Flags) -> "Waiting":
        chosen = np.flatnonzero(flags)
        return Waiting(self.numbers[chosen], self.bounds[chosen])


class Search:
    """Looks for the best of the allowed items.

    Parameters
    ----------
    side
        The user's.
    allowed
        What may be listed.
    k
        How many of the best are wanted.
    most
        So many rows may be gathered before one product over all items is cheaper.
    few
        See `FEW`.
    """

    def __init__(self, side: Side, allowed: Allowed, k: int, *, most: int, few: int = FEW) -> None:
        self._side, self._allowed, self._k = side, allowed, k
        self._most, self._few = most, few
        self._items, self._scores = NONE, np.empty(0)
        self._floor = -np.inf
        self._settled: bool | None = None
        self.looked_at = 0

    def candidates(self, dense: Factors | None = None) -> Indices:
        """Return every item that can be among the best `k`, in no order.

        Parameters
        ----------
        dense
            The product of the query and all columns, if it is known, shape ``(n_items,)``.
        """
        if not self.settle():
            scores = self._side.all_scores(dense)
            high = np.flatnonzero(scores >= self._floor)
            high = high[self._allowed.of(high)]
            self._take_in(high, scores[high])
            self.looked_at = len(scores)
        return self._items

    def settle(self) -> bool:
        """Look until nothing that is left can be among the best; False: it takes too much."""
        if self._settled is None:
            self._settled = self._looked_at_few() or (
                self._looked_at_new() and self._looked_at_own() and self._looked_around()
            )
        return self._settled

    @cached_property
    def _ceilings(self) -> Floats:
        return self._side.ceilings()

    def _looked_at_few(self) -> bool:
        flags = self._allowed.flags
        if np.count_nonzero(flags) > self._few:
            return False
        self._look(np.flatnonzero(flags))
        return True

    def _looked_at_new(self) -> bool:
        """Look at all items that stand on no shelf yet."""
        shelved, number = len(self._side.shelves.shelf_of), len(self._allowed.flags)
        if shelved < number:
            self._look(np.arange(shelved, number))
        return self.looked_at <= self._most

    def _looked_at_own(self) -> bool:
        for place in range(len(self._side.raising)):
            waiting = self._side.spoken_of(place, self._floor, self._ceilings)
            n = max(ITEMS_FIRST, 2 * self._k)
            while len(waiting.numbers):
                now, waiting = waiting.split(n)
                self._look(now.numbers)
                waiting, n = waiting.above(self._floor), n * GROWTH
        return self.looked_at <= self._most

    def _looked_around(self) -> bool:
        side, size = self._side, self._side.shelves.size
        waiting = Waiting(np.arange(len(self._ceilings)), self._ceilings).above(self._floor)
        n = max(SHELVES_FIRST, -(-self._k // size))
        while len(waiting.numbers):
            now, waiting = waiting.split(n)
            # Items that sparse terms raise have been there already, if they can reach the floor.
            self._look(side.shelves.on(now.numbers), self._floor - side.most_by_group)
            waiting, n = waiting.above(self._floor), n * GROWTH
            if self.looked_at + len(waiting.numbers) * size > self._most:
                return False
        return True

    def _look(self, items: Indices, above: float = -np.inf) -> None:
        """Take in those of some items whose dot product is high enough."""
        items = items[self._allowed.of(items)]
        self.looked_at += len(items)
        dense = self._side.dense(items)
        high = np.flatnonzero(dense >= above)
        if len(high):
            self._take_in(items[high], self._side.add_parts(dense[high], items[high]))

    def _take_in(self, items: Indices, scores: Floats) -> None:
        near = np.flatnonzero(scores >= self._floor)
        both = np.concatenate([self._items, items[near]])
        self._items, first = np.unique(both, return_index=True)
        self._scores = np.concatenate([self._scores, scores[near]])[first]
        if len(self._items) >= self._k > 0:
            kth = np.partition(self._scores, -self._k)[-self._k]
            self._floor = float(kth) - 2.0 * self._side.error
            high = np.flatnonzero(self._scores >= self._floor)
            self._items, self._scores = self._items[high], self._scores[high]


def _largest(values: Floats | Factors) -> float:
    return float(max(values.max(initial=0.0), -values.min(initial=0.0)))
