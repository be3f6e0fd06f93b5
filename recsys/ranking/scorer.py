"""One user's side of the score, and the list it leads to."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from recsys.interactions import Histories
from recsys.models import ALS, PRIOR, Centre, Model, Sparse, Term
from recsys.ranking.answer import Fallback, Ranking, Request
from recsys.ranking.arrangement import Candidates, arrange
from recsys.ranking.blend import coordinates, own_terms
from recsys.ranking.customers import Customers
from recsys.ranking.exploration import Draws, draws
from recsys.ranking.finish import Finish
from recsys.ranking.recipe import Repeat
from recsys.ranking.unmet import Unmet
from recsys.types import Factors, Flags, Floats, Indices

EXCLUDED = np.float32(-np.inf)
CART = "cart"
"""The term of what completes the basket."""
CART_WEIGHT = 30.0
"""Against popularity of weight 1: of full baskets 10 finds less of the rest, 100 no more."""


class Scorer:
    """One user's side of the score under one variant.

    Parameters
    ----------
    model
        What was learnt.
    customers, user_index
        Whom to score.
    finish
        What comes after the blend.
    weights
        Signal -> weight for this user.
    centre
        Of the fold-in; None where no factors are asked for.
    cart
        What completes her cart; None without one.
    as_of
        When she asks, microseconds: rules hold at times.
    """

    def __init__(
        self,
        model: Model,
        customers: Customers,
        user_index: int,
        finish: Finish,
        weights: Mapping[str, float],
        centre: Centre | None,
        cart: Sparse | None,
        *,
        as_of: int,
    ) -> None:
        self.model, self.finish = model, finish
        self.user_id = str(customers.users.ids[user_index])
        self.rows = customers.histories.rows(user_index)
        self.histories = customers.histories
        self.membership = customers.memberships.row(user_index)
        self.in_force = finish.in_force(self.membership, as_of=as_of)
        self.centre = centre
        self.coordinates = coordinates(model, customers, user_index, centre)
        self.own = _own(model, customers, user_index, weights)
        self.weights = dict(weights)
        if cart is not None:
            self.own[CART], self.weights[CART] = cart, CART_WEIGHT

    @property
    def query(self) -> Factors:
        """The user side of the dot product, shape ``(columns,)``."""
        query = np.zeros(self.model.columns.shape[1])
        for signal, block in self.model.blocks.items():
            query[block] = self.weights.get(signal, 0.0) * self.coordinates[signal]
        return query.astype(np.float32)

    def answer(self, scores: Factors, allowed: Flags, request: Request) -> Ranking:
        """Add what only her own history and the rules say, filter, and take the best.

        Parameters
        ----------
        scores
            The dense part, shape ``(n_items,)``; changed in place.
        allowed
            What the request's filters leave, shape ``(n_items,)``.
        request
            What is asked for.
        """
        items = self.histories.items[self.rows]
        self._complete(scores)
        scores[~allowed] = EXCLUDED
        scores[hidden_items(self.model, self.histories, self.rows, self._repeat)] = EXCLUDED
        forbidden = self.in_force.forbids()
        if forbidden is not None:
            scores[forbidden] = EXCLUDED
        listed = self._listed(scores, request)
        shortfall = request.k - len(listed.best.items)
        if request.new:
            scores[listed.best.items] = EXCLUDED
            scores[items] = EXCLUDED
            listed = listed.followed_by(self._best(scores, request.new))
        return Ranking(
            *listed.best,
            self._fallback(),
            shortfall,
            listed.propensities,
            listed.offers,
            listed.unmet,
        )

    @property
    def _repeat(self) -> Repeat:
        return self.finish.recipe.repeat

    def _complete(self, scores: Factors) -> None:
        for signal, term in self.own.items():
            term.add_to(scores, self.weights[signal])
        for nudge in self.in_force.nudges:
            scores += nudge.values.astype(np.float32)

    def _listed(self, scores: Factors, request: Request) -> "_Listed":
        recipe = self.finish.recipe
        if not (self.in_force.arranges or recipe.diversity or recipe.exploration):
            return _plain(self._best(scores, request.k))

        def best(flags: Flags, n: int) -> tuple[Indices, Floats]:
            found = self._best(np.where(flags, scores, EXCLUDED), n)
            return found.items, found.scores

        worth = self.histories.worth[self.rows]
        history = self.histories.items[self.rows]
        found = arrange(
            Candidates(np.isfinite(scores), best),
            self.in_force,
            k=request.k,
            objective=self.finish.objective(history, worth, self.membership),
            draws=self._draws(request),
        )
        chosen = _Best(found.items, found.scores, self.terms(found.items))
        return _Listed(chosen, found.propensities, found.offers, found.unmet)

    def _draws(self, request: Request) -> Draws | None:
        config = self.finish.recipe.exploration
        if config is None:
            return None
        return draws(
            config,
            seed=request.seed,
            user_id=self.user_id,
            request_id=request.request_id,
            k=request.k,
        )

    def _best(self, scores: Factors, k: int) -> "_Best":
        candidates = _candidates(scores, k, self._rounding_error())
        terms = self.terms(candidates)
        exact = _sum(terms, len(candidates))
        order = np.lexsort((candidates, -exact))[:k]
        kept = {name: values[order] for name, values in terms.items()}
        return _Best(candidates[order], exact[order], kept)

    def terms(self, items: Indices) -> dict[str, Floats]:
        """Return each part of the score of `items`, float64, in fixed order."""
        terms = {}
        for signal in (*self.model.signals, CART):
            weight = self.weights.get(signal)
            if weight is not None:
                # Adding 0 turns a −0.0 into what a reader expects.
                terms[signal] = weight * self._term(signal, items) + 0.0
        return terms | self.in_force.terms(items)

    def _term(self, signal: str, items: Indices) -> Floats:
        if signal in self.own:
            return self.own[signal].at(items)
        if signal in self.model.own:
            return np.zeros(len(items))
        block = self.model.blocks[signal]
        columns = self.model.columns[items, block].astype(np.float64)
        # A sum along each row: the same for one item as among a thousand, unlike a matrix product.
        return np.asarray((columns * self.coordinates[signal]).sum(axis=1))

    def _rounding_error(self) -> float:
        # The errors of n products add up like a random walk; the others are added once.
        dense = float(np.abs(self.query) @ self.model.largest) * np.sqrt(len(self.query))
        own = sum(
            self.weights[signal] * float(np.abs(term.values).max(initial=0.0))
            for signal, term in self.own.items()
        )
        nudges = sum(float(np.abs(nudge.values).max()) for nudge in self.in_force.nudges)
        return float(np.finfo(np.float32).eps * (dense + own + nudges))

    def _fallback(self) -> Fallback | None:
        # An event that is worth nothing, such as an impression, tells nothing of a user.
        if self.histories.worth[self.rows].any() or self.histories.visits[self.rows].any():
            return None
        moved = self.centre == "segments" and self.membership.any()
        speaking = {signal for signal, weight in self.weights.items() if weight > 0}
        known = any(self.coordinates[s].any() for s in speaking if s.startswith(PRIOR))
        return "segment" if known or (moved and ALS in speaking) else "popular"


class _Best(NamedTuple):
    """The best items, their scores and the terms of those."""

    items: Indices
    scores: Floats
    terms: dict[str, Floats]


class _Listed(NamedTuple):
    """A list, and how it came about; see `Ranking`."""

    best: _Best
    propensities: Floats
    offers: list[dict[str, str]]
    unmet: tuple[Unmet, ...]

    def followed_by(self, other: _Best) -> "_Listed":
        mine, rest = self.best, _plain(other)
        terms = {name: np.append(values, other.terms[name]) for name, values in mine.terms.items()}
        best = _Best(
            np.append(mine.items, other.items), np.append(mine.scores, other.scores), terms
        )
        propensities = np.append(self.propensities, rest.propensities)
        return _Listed(best, propensities, self.offers + rest.offers, self.unmet)


def _plain(best: _Best) -> _Listed:
    """Return a list by score alone: nothing drawn, no offers, no rule that is not kept."""
    n = len(best.items)
    return _Listed(best, np.ones(n), [{} for _ in range(n)], ())


def _own(
    model: Model, customers: Customers, user_index: int, weights: Mapping[str, float]
) -> dict[str, Term]:
    """Return those terms of a user's own history that weigh something."""
    if not any(weights.get(signal) for signal in model.own):
        return {}
    own = own_terms(model, customers, user_index)
    return {signal: term for signal, term in own.items() if weights.get(signal)}


def hidden_items(model: Model, histories: Histories, rows: slice, repeat: Repeat) -> Indices:
    """Return the items a user's list must not hold, by a repeat policy."""
    if repeat == "always":
        return np.empty(0, dtype=np.int64)
    bought = histories.items[rows][histories.visits[rows] > 0]
    if repeat == "never":
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
