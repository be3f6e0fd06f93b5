"""The chain: signals, blend, filters, top-k, exact scores.

float32 finds the candidates; the score that is kept, shown and explained is the sum of the float64
terms in a fixed order, so that a batch and a single request agree to the last bit.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from recsys.errors import ConfigError
from recsys.interactions import Histories
from recsys.interactions.catalogue import UNKNOWN
from recsys.models import ALS, HABIT, PRIOR, Model
from recsys.ranking.answer import Fallback, Ranking, Request
from recsys.ranking.blend import Weights, coordinates, fixed_weights, own_terms
from recsys.ranking.customers import Customers
from recsys.ranking.recipe import Variant
from recsys.types import Factors, Flags, Floats, Indices

BLOCK_BYTES = 64 * 2**20
"""Memory of one block of scores in a batch."""
EXCLUDED = np.float32(-np.inf)


class Ranker:
    """Ranks a model's catalogue for users, by any variant the model has weights for.

    Parameters
    ----------
    model
        What was learnt.
    weights
        Variant digest -> learnt weights.
    """

    def __init__(self, model: Model, weights: Mapping[str, Weights]) -> None:
        self.model = model
        self.weights = weights

    def check(self, variant: Variant) -> None:
        """Refuse a variant this model cannot rank by.

        Raises
        ------
        ConfigError
            When its weights were not learnt, or it lists an axis the model does not have.
        """
        variant.signals(self.model.segments)
        if variant.recipe.weights == "learned" and variant.digest not in self.weights:
            raise ConfigError(
                f"this model has not learnt the weights of the variant {variant.name!r} "
                f"(digest {variant.digest[:12]}); train again"
            )

    def rank(
        self, customers: Customers, user_index: int, variant: Variant, request: Request
    ) -> Ranking:
        """Rank for one user; see `rank_all`."""
        return next(self.rank_all(customers, [user_index], variant, request))

    def rank_all(
        self,
        customers: Customers,
        user_indices: Iterator[int] | range | list[int],
        variant: Variant,
        request: Request,
    ) -> Iterator[Ranking]:
        """Rank for many users, in blocks of bounded memory.

        Parameters
        ----------
        customers
            Histories and memberships.
        user_indices
            Whom to rank for, as rows of `customers`.
        variant
            The recipe.
        request
            Length and filters, the same for all.

        Yields
        ------
        Ranking
            In the order of `user_indices`.
        """
        self.check(variant)
        allowed = self._allowed(request)
        users = list(user_indices)
        step = max(1, BLOCK_BYTES // (4 * max(len(self.model.items), 1)))
        for start in range(0, len(users), step):
            block = users[start : start + step]
            scorers = [_Scorer(self, customers, user, variant) for user in block]
            queries = np.stack([scorer.query for scorer in scorers])
            dense = queries @ self.model.columns.T
            for scorer, scores in zip(scorers, dense, strict=True):
                yield scorer.answer(scores, allowed, request)

    def user_weights(self, customers: Customers, user: int, variant: Variant) -> dict[str, float]:
        """Return the weight of each listed signal for one user."""
        signals = variant.signals(self.model.segments)
        if isinstance(variant.recipe.weights, dict):
            row = customers.memberships.row(user)
            known = [axis for axis, part in self.model.segments.items() if row[part].any()]
            return fixed_weights(variant.recipe, signals, known)
        learnt = self.weights[variant.digest]
        activity = customers.activity(user, self.model.interactions.largest_weight)
        return {signal: learnt.at(signal, activity) for signal in signals}

    def _allowed(self, request: Request) -> Flags:
        allowed = self.model.catalogue.available.copy()
        if request.categories:
            allowed &= _in_categories(self.model, request.categories)
        excluded = self.model.items.index_of(sorted(request.exclude_items))
        allowed[excluded[excluded >= 0]] = False
        return allowed


class _Best(NamedTuple):
    """The best items, their scores and the terms of those."""

    items: Indices
    scores: Floats
    terms: dict[str, Floats]

    def followed_by(self, other: "_Best") -> "_Best":
        terms = {name: np.append(mine, other.terms[name]) for name, mine in self.terms.items()}
        return _Best(
            np.append(self.items, other.items), np.append(self.scores, other.scores), terms
        )


class _Scorer:
    """One user's side of the score under one variant."""

    def __init__(
        self, ranker: Ranker, customers: Customers, user_index: int, variant: Variant
    ) -> None:
        self.model = ranker.model
        self.variant = variant
        self.histories = customers.histories
        self.rows = customers.histories.rows(user_index)
        self.weights = ranker.user_weights(customers, user_index, variant)
        centre = variant.recipe.fold_in_centre
        self.coordinates = coordinates(self.model, customers, user_index, centre)
        uses_habit = HABIT in self.weights
        self.own = own_terms(self.model, customers, user_index) if uses_habit else {}
        self.known_segments = bool(customers.memberships.row(user_index).any())

    @property
    def query(self) -> Factors:
        """The user side of the dot product, shape ``(columns,)``."""
        query = np.zeros(self.model.columns.shape[1])
        for signal, block in self.model.blocks.items():
            query[block] = self.weights.get(signal, 0.0) * self.coordinates[signal]
        return query.astype(np.float32)

    def answer(self, scores: Factors, allowed: Flags, request: Request) -> Ranking:
        items = self.histories.items[self.rows]
        for signal, values in self.own.items():
            scores[items] += (self.weights.get(signal, 0.0) * values).astype(np.float32)
        scores[~allowed] = EXCLUDED
        scores[hidden_items(self.model, self.histories, self.rows, self.variant)] = EXCLUDED
        best = self._best(scores, request.k)
        shortfall = request.k - len(best.items)
        if request.new:
            scores[best.items] = EXCLUDED
            scores[items] = EXCLUDED
            best = best.followed_by(self._best(scores, request.new))
        return Ranking(*best, self._fallback(), shortfall)

    def _best(self, scores: Factors, k: int) -> "_Best":
        candidates = _candidates(scores, k, self._rounding_error())
        terms = self.terms(candidates)
        exact = _sum(terms, len(candidates))
        order = np.lexsort((candidates, -exact))[:k]
        kept = {name: values[order] for name, values in terms.items()}
        return _Best(candidates[order], exact[order], kept)

    def terms(self, items: Indices) -> dict[str, Floats]:
        """Return each listed signal's part of the score of `items`, float64, in fixed order."""
        terms = {}
        for signal in self.model.signals:
            weight = self.weights.get(signal)
            if weight is not None:
                # Adding 0 turns a −0.0 into what a reader expects.
                terms[signal] = weight * self._term(signal, items) + 0.0
        return terms

    def _term(self, signal: str, items: Indices) -> Floats:
        if signal in self.own:
            return spread(self.histories.items[self.rows], self.own[signal], items)
        block = self.model.blocks[signal]
        columns = self.model.columns[items, block].astype(np.float64)
        # A sum along each row: the same for one item as among a thousand, unlike a matrix product.
        return np.asarray((columns * self.coordinates[signal]).sum(axis=1))

    def _rounding_error(self) -> float:
        # The errors of n products add up like a random walk; an own term is added once.
        dense = float(np.abs(self.query) @ self.model.largest) * np.sqrt(len(self.query))
        own = max((float(values.max(initial=0.0)) for values in self.own.values()), default=0.0)
        size = dense + self.weights.get(HABIT, 0.0) * own
        return float(np.finfo(np.float32).eps * size)

    def _fallback(self) -> Fallback | None:
        # An event that is worth nothing, such as an impression, tells nothing of a user.
        if self.histories.worth[self.rows].any() or self.histories.visits[self.rows].any():
            return None
        moved = self.variant.recipe.centre == "segments" and self.known_segments
        speaking = {signal for signal, weight in self.weights.items() if weight > 0}
        known = any(self.coordinates[s].any() for s in speaking if s.startswith(PRIOR))
        return "segment" if known or (moved and ALS in speaking) else "popular"


def spread(history: Indices, values: Floats, items: Indices) -> Floats:
    """Return the value that each of `items` has in a user's history, 0 where it is not there.

    Parameters
    ----------
    history
        The user's items, ascending.
    values
        One for each of them.
    items
        Whose value is asked for.
    """
    if not len(history):
        return np.zeros(len(items))
    position = np.minimum(np.searchsorted(history, items), len(history) - 1)
    return np.where(history[position] == items, values[position], 0.0)


def hidden_items(model: Model, histories: Histories, rows: slice, variant: Variant) -> Indices:
    """Return the items a user's list must not hold, by the variant's repeat policy."""
    if variant.recipe.repeat == "always":
        return np.empty(0, dtype=np.int64)
    bought = histories.items[rows][histories.visits[rows] > 0]
    if variant.recipe.repeat == "never":
        return bought
    return bought[~model.habit.rebought[bought]]


def _candidates(scores: Factors, k: int, rounding_error: float) -> Indices:
    """Return every item that could be among the best `k`, whatever float32 rounded away."""
    possible = int(np.count_nonzero(np.isfinite(scores)))
    if possible <= k:
        return np.flatnonzero(np.isfinite(scores))
    kth = np.partition(scores, len(scores) - k)[len(scores) - k]
    return np.flatnonzero(scores >= kth - 2.0 * rounding_error)


def _sum(terms: Mapping[str, Floats], size: int) -> Floats:
    total = np.zeros(size)
    for values in terms.values():
        total = total + values
    return total


def _in_categories(model: Model, categories: frozenset[str]) -> Flags:
    """Tell which items are in one of `categories`, or below one in the hierarchy."""
    codes, values = np.unique(model.catalogue.category, return_inverse=True)[::-1]
    wanted = [
        value != UNKNOWN
        and any(value == name or value.startswith(name + " > ") for name in categories)
        for value in values.tolist()
    ]
    return np.asarray(wanted, dtype=bool)[codes]
