"""Which items may take a place: pins, caps and requirements, as the list grows.

A test tells which of some items may take the place. Requirements are kept by counting: at every
place what is still owed by each deadline must fit into the free places before it, and once it only
just fits, the place goes to what is owed. A requirement that shares values with a cap keeps the
room its last items need. Nothing is taken back, so where several requirements share one cap, one
that could have been met may be missed; it is reported like any other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from recsys.ranking.in_force import Cap, InForce, Pins, Requirement
from recsys.types import Flags, Indices

Test: TypeAlias = Callable[[Indices], Flags]
"""Tells which of some items may take a place."""


def pinned_places(pins: Sequence[Pins], allowed: Flags, k: int) -> dict[int, int]:
    """Return place -> item, places counted from 0.

    The items of a rule that may be listed take the places from its position on, in order; a place
    or an item that a stronger rule has taken is skipped.
    """
    taken: dict[int, int] = {}
    for rule in pins:
        place = rule.position - 1
        for item in rule.items.tolist():
            if item < 0 or not allowed[item] or item in taken.values():
                continue
            while place in taken:
                place += 1
            if place < k:
                taken[place] = item
    return taken


class Room:
    """What a cap leaves of each value; pins use it up before the first place is filled."""

    def __init__(self, cap: Cap, pinned: Mapping[int, int], k: int) -> None:
        self.codes = cap.codes
        self.within = min(cap.within or k, k)
        self.left: Indices = np.full(len(cap.values), cap.at_most)
        for place, item in pinned.items():
            self.take(item, place)

    def take(self, item: int, place: int) -> None:
        """Note that an item is listed."""
        if place < self.within and self.codes[item] >= 0:
            self.left[self.codes[item]] -= 1

    def counts(self, items: Indices) -> Indices:
        """How many of some items have each value, shape ``(n_values,)``."""
        codes = self.codes[items]
        return np.bincount(codes[codes >= 0], minlength=len(self.left)).astype(np.int64)

    def admits(self, items: Indices) -> Flags:
        """Tell which items fit."""
        codes = self.codes[items]
        return (codes < 0) | (np.append(self.left, 1)[codes] > 0)


class Need:
    """What a requirement still asks for, and what there is to meet it with."""

    def __init__(
        self,
        requirement: Requirement,
        allowed: Flags,
        pinned: Mapping[int, int],
        rooms: Sequence[Room],
        k: int,
    ) -> None:
        self.matches = requirement.items
        self.within = min(requirement.within or k, k)
        self.left = requirement.at_least
        there = np.flatnonzero(allowed & requirement.items)
        self._supply = len(there)
        # Room may be saved for it only where the cap holds as far as it does.
        self._shared = {
            number: room.counts(there)
            for number, room in enumerate(rooms)
            if room.within >= self.within
        }
        self._rooms = rooms
        for place, item in pinned.items():
            self.take(item, place)

    def take(self, item: int, place: int) -> None:
        """Note that an item is listed."""
        if not self.matches[item]:
            return
        self.left -= place < self.within
        self._supply -= 1
        for number, values in self._shared.items():
            code = self._rooms[number].codes[item]
            if code >= 0:
                values[code] -= 1

    def debt(self) -> "Debt":
        """Return what it still asks for, as far as caps let such items in."""
        meetable = {number: self._meetable(number) for number in self._shared}
        owed = max(0, min(self.left, self._supply, *meetable.values()))
        # A cap that lets no more in than is owed: others stay out of what room there is.
        saved = [self._saving(number) for number, most in meetable.items() if most <= owed]
        return Debt(self.matches, self.within, owed, saved)

    def _meetable(self, number: int) -> int:
        """How many matching items a cap lets in."""
        room, values = self._rooms[number], self._shared[number]
        return self._supply - int(np.maximum(values - np.maximum(room.left, 0), 0).sum())

    def _saving(self, number: int) -> Test:
        room, values = self._rooms[number], self._shared[number]
        scarce = np.append((values > 0) & (room.left <= values), False)
        return lambda items: self.matches[items] | ~scarce[room.codes[items]]


class Debt(NamedTuple):
    """What a requirement asks for at a place.

    Attributes
    ----------
    matches
        The items that meet it, shape ``(n_items,)``.
    within
        The place before which it is due.
    owed
        How many.
    saved
        Tests that keep other items out of the room its last ones need.
    """

    matches: Flags
    within: int
    owed: int
    saved: list[Test]


class Constraints:
    """Everything that binds a list while it is filled from its first place to its last."""

    def __init__(self, in_force: InForce, allowed: Flags, k: int) -> None:
        self.k = k
        self.pinned = pinned_places(in_force.pins, allowed, k)
        self._rooms = [Room(cap, self.pinned, k) for cap in in_force.caps]
        self._needs = [
            Need(rule, allowed, self.pinned, self._rooms, k) for rule in in_force.requirements
        ]

    def take(self, item: int, place: int) -> None:
        """Note that an item which is not pinned is listed."""
        for room in self._rooms:
            room.take(item, place)
        for need in self._needs:
            need.take(item, place)

    def tests(self, place: int) -> Iterator[list[Test]]:
        """Give what to ask of an item, each time less: the last resort is no test at all.

        First what is owed is let go that there is no item for, then the caps, weakest first.
        """
        caps: list[Test] = [room.admits for room in self._rooms if place < room.within]
        debts = [need.debt() for need in self._needs if place < need.within]
        kept, late = self._in_time([debt for debt in debts if debt.owed], place)
        due = self._due(kept, place)
        saved = [test for debt in kept for test in debt.saved]
        strict = [*caps, *saved, *([_one_of(due)] if due else [])]
        if late:
            yield [*strict, _one_of(late)]
        if len(strict) > len(caps):
            yield strict
        for n_caps in range(len(caps), -1, -1):
            yield caps[:n_caps]

    def _in_time(self, debts: Sequence[Debt], place: int) -> tuple[list[Debt], list[Debt]]:
        """Part what can all be met from what comes too late beside stronger rules."""
        kept: list[Debt] = []
        late: list[Debt] = []
        for debt in debts:
            together = [*kept, debt]
            deadlines = [one.within for one in together]
            fits = all(_owed(together, end) <= self._free(place, end) for end in deadlines)
            (kept if fits else late).append(debt)
        return kept, late

    def _due(self, debts: Sequence[Debt], place: int) -> list[Debt]:
        """Return the debts of the first deadline before which no place is left to spare."""
        for deadline in sorted({debt.within for debt in debts}):
            if _owed(debts, deadline) == self._free(place, deadline):
                return [debt for debt in debts if debt.within <= deadline]
        return []

    def _free(self, place: int, deadline: int) -> int:
        return deadline - place - sum(place <= taken < deadline for taken in self.pinned)


def _owed(debts: Sequence[Debt], deadline: int) -> int:
    return sum(debt.owed for debt in debts if debt.within <= deadline)


def _one_of(debts: Sequence[Debt]) -> Test:
    return lambda items: np.asarray(
        np.logical_or.reduce([debt.matches[items] for debt in debts]), dtype=np.bool_
    )


def passing(tests: Sequence[Test], items: Indices) -> Flags:
    """Tell which items pass every test, shape ``(len(items),)``."""
    flags = np.ones(len(items), dtype=np.bool_)
    for test in tests:
        flags &= test(items)
    return flags
