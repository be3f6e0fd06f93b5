"""From candidates to a list: one place after another, under rules, with a second aim, by lot.

At every place: a pinned item, if there is one; else, of the items that may take it, the one with
the highest utility (ties: item index ascending), or, under exploration, one drawn among the best.
Where nothing binds and nothing is drawn that is the plain top-k, to the last bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np

from recsys.ranking.constraints import Constraints, Test, passing
from recsys.ranking.exploration import Draws
from recsys.ranking.in_force import NOTHING, InForce
from recsys.ranking.unmet import Unmet, unmet_rules
from recsys.types import Flags, Floats, Indices

POOL: Final = 500
"""Candidates that a second aim chooses among, or `POOL_PER_PLACE` for each place if that is more:
part of its definition, since a longer pool has another scale and stranger items."""
POOL_PER_PLACE: Final = 5
SPARE: Final = 100
"""Candidates besides those that fill a list by score: for rules that pass some over. Any number
gives the same list; a larger one saves asking again."""


@dataclass(frozen=True)
class Candidates:
    """Where a list's items come from.

    Attributes
    ----------
    allowed
        What may be listed at all, shape ``(n_items,)``: filters and rules that forbid have acted.
    best
        Gives the items and the exact scores of the best ``n`` among flagged ones, in any order;
        fewer only where there are no more. It is asked for allowed items only.
    """

    allowed: Flags
    best: Callable[[Flags, int], tuple[Indices, Floats]]


def candidates_of(scores: Floats, allowed: Flags) -> Candidates:
    """Make candidates of the exact scores of every item.

    Parameters
    ----------
    scores, allowed
        Shape ``(n_items,)``.
    """

    def best(flags: Flags, n: int) -> tuple[Indices, Floats]:
        items = np.flatnonzero(flags)
        chosen = items[np.lexsort((items, -scores[items]))[:n]]
        return chosen, scores[chosen]

    return Candidates(allowed, best)


class Objective(Protocol):
    """What makes an item worth listing at the next place."""

    def meet(self, items: Indices, scores: Floats) -> None:
        """Take in more candidates, after those met before."""
        ...

    def take(self, item: int) -> None:
        """Note that an item is listed."""
        ...

    def utilities(self) -> Floats:
        """Return what each candidate is worth at the next place, in the order they were met."""
        ...


class ByScore:
    """The score alone."""

    def __init__(self) -> None:
        self._scores = np.empty(0)

    def meet(self, items: Indices, scores: Floats) -> None:  # noqa: ARG002
        """Take in more candidates."""
        self._scores = np.append(self._scores, scores)

    def take(self, item: int) -> None:
        """Nothing depends on what is listed."""

    def utilities(self) -> Floats:
        """Return the scores."""
        return self._scores


class Arrangement(NamedTuple):
    """A finished list.

    Attributes
    ----------
    items
        Item indices by place, shape ``(n,)``, ``n < k`` only where the catalogue has no more.
    scores
        Their scores as the candidates gave them: with pins, caps, a second aim or a draw they do
        not fall from place to place.
    propensities
        Probability of each item at its place, given those above it; 1 where nothing is drawn.
    offers
        For each place, rule -> label.
    unmet
        Rules that are not kept, and why.
    """

    items: Indices
    scores: Floats
    propensities: Floats
    offers: list[dict[str, str]]
    unmet: tuple[Unmet, ...]

    @property
    def log_probability(self) -> float:
        """Of the whole list: ``Σ_places log propensity``; 0 where nothing is drawn."""
        return float(np.log(self.propensities).sum())


def arrange(
    candidates: Candidates,
    in_force: InForce = NOTHING,
    *,
    k: int,
    objective: Objective | None = None,
    draws: Draws | None = None,
) -> Arrangement:
    """Fill the places of a list from the first to the last.

    Parameters
    ----------
    candidates
        What may be listed, and how it scores, nudges of rules included.
    in_force
        The rules that hold.
    k
        Length of the list.
    objective
        What an item is worth beside those above it; a fresh one for each list. Default the score.
    draws
        The luck of an exploration; default none: the best takes the place.
    """
    constraints = Constraints(in_force, candidates.allowed, k)
    depth = draws.config.depth if draws else 1
    size = k + depth + SPARE if objective is None else max(POOL, POOL_PER_PLACE * k)
    filling = _Filling(_Pool(candidates, constraints, objective or ByScore(), size), draws)
    for place in range(k):
        if not filling.fill(place):
            break
    items = np.asarray(filling.items, dtype=np.int64)
    return Arrangement(
        items,
        np.asarray(filling.scores, dtype=np.float64),
        np.asarray(filling.propensities, dtype=np.float64),
        [_labels(in_force, item) for item in filling.items],
        unmet_rules(in_force, items, candidates.allowed),
    )


def _labels(in_force: InForce, item: int) -> dict[str, str]:
    return {offer.rule: offer.label for offer in in_force.offers if offer.items[item]}


class _Pool:
    """The candidates met so far; more are fetched when too few of them may take a place."""

    def __init__(
        self, candidates: Candidates, constraints: Constraints, objective: Objective, size: int
    ) -> None:
        self.constraints = constraints
        self.objective = objective
        self._candidates = candidates
        self._size = size
        self._unseen = candidates.allowed.copy()
        self.items = np.empty(0, dtype=np.int64)
        self.scores = np.empty(0)
        self._free = np.empty(0, dtype=np.bool_)
        self._first = np.empty(0, dtype=np.bool_)
        pinned = list(constraints.pinned.values())
        self.pinned = self._scores_of(pinned)
        self._unseen[pinned] = False
        self._meet(self._unseen, size)

    def _scores_of(self, items: list[int]) -> dict[int, float]:
        if not items:
            return {}
        flags = np.zeros(len(self._unseen), dtype=np.bool_)
        flags[items] = True
        found, scores = self._candidates.best(flags, len(items))
        return dict(zip(found.tolist(), scores.tolist(), strict=True))

    def _meet(self, flags: Flags, n: int) -> None:
        items, scores = self._candidates.best(flags, n)
        self._unseen[items] = False
        self.items = np.append(self.items, items)
        self.scores = np.append(self.scores, scores)
        self._free = np.append(self._free, np.ones(len(items), dtype=np.bool_))
        self._first = np.append(self._first, np.full(len(items), not len(self._first)))
        self.objective.meet(items, scores)

    def open_to(self, place: int, n: int) -> Indices:
        """Return the positions in the pool of what may take a place; `n` of them are enough."""
        for tests in self.constraints.tests(place):
            found = self._open(tests)
            # Only nothing unseen is better than the first ones: the others were met for a test.
            if np.count_nonzero(self._first[found]) < n and self._deepen(tests, n):
                found = self._open(tests)
            if len(found):
                return found
        return np.empty(0, dtype=np.int64)

    def _open(self, tests: list[Test]) -> Indices:
        free = np.flatnonzero(self._free)
        return free[passing(tests, self.items[free])]

    def _deepen(self, tests: list[Test], n: int) -> bool:
        unseen = np.flatnonzero(self._unseen)
        wanted = unseen[passing(tests, unseen)]
        flags = np.zeros(len(self._unseen), dtype=np.bool_)
        flags[wanted] = True
        if len(wanted):
            self._meet(flags, max(n, self._size))
        return len(wanted) > 0

    def take(self, position: int, place: int) -> int:
        """List a candidate, and return its item index."""
        item = int(self.items[position])
        self._free[position] = False
        self.constraints.take(item, place)
        return item


class _Filling:
    """The list as it grows."""

    def __init__(self, pool: _Pool, draws: Draws | None) -> None:
        self.items: list[int] = []
        self.scores: list[float] = []
        self.propensities: list[float] = []
        self._pool = pool
        self._draws = draws
        self._pinned = dict(pool.constraints.pinned)

    def fill(self, place: int) -> bool:
        """Fill a place; False: nothing is left."""
        if place in self._pinned:
            self._pin(place)
            return True
        depth = self._draws.config.depth if self._draws else 1
        found = self._pool.open_to(place, depth)
        if len(found):
            position, propensity = self._chosen(place, found)
            score = float(self._pool.scores[position])
            self._list(self._pool.take(position, place), score, propensity)
            return True
        # The catalogue ends before the place of a pin: the pin moves up.
        if self._pinned:
            self._pin(min(self._pinned))
            return True
        return False

    def _pin(self, place: int) -> None:
        item = self._pinned.pop(place)
        self._list(item, self._pool.pinned[item], 1.0)

    def _list(self, item: int, score: float, propensity: float) -> None:
        self.items.append(item)
        self.scores.append(score)
        self.propensities.append(propensity)
        self._pool.objective.take(item)

    def _chosen(self, place: int, found: Indices) -> tuple[int, float]:
        utilities = self._pool.objective.utilities()[found]
        items = self._pool.items[found]
        if self._draws is None:
            tied = np.flatnonzero(utilities == utilities.max())
            return int(found[tied[items[tied].argmin()]]), 1.0
        ordered = np.lexsort((items, -utilities))[: self._draws.config.depth]
        drawn, propensity = self._draws.choose(place, utilities[ordered])
        return int(found[ordered[drawn]]), propensity
