"""One answer: a user's side of the score, what a request and the rules add to it, and the list."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from recsys.models import Sparse
from recsys.ranking.answer import Ranking, Request
from recsys.ranking.arrangement import Candidates, arrange
from recsys.ranking.exploration import Draws, draws
from recsys.ranking.scorer import Scorer
from recsys.ranking.search import Allowed, Search, Side
from recsys.ranking.unmet import Unmet
from recsys.types import Factors, Flags, Floats, Indices

CART = "cart"
"""The term of what completes the basket."""
CART_WEIGHT = 30.0
"""Against popularity of weight 1: of full baskets 10 finds less of the rest, 100 no more."""


class Listing:
    """A list in the making.

    Parameters
    ----------
    scorer
        Whose it is.
    request
        What is asked for.
    allowed
        What the request's filters leave.
    cart
        What completes her cart; None without one.
    most
        So many rows may be gathered before one product over all items is cheaper.
    """

    def __init__(
        self, scorer: Scorer, request: Request, allowed: Allowed, cart: Sparse | None, *, most: int
    ) -> None:
        self.scorer, self.request, self._cart, self._most = scorer, request, cart, most
        self.in_force = scorer.finish.in_force(scorer.membership, as_of=request.as_of)
        added = self._additions()
        self.side = scorer.side
        if added:
            self.side = Side(scorer.model, scorer.query, [*scorer.parts, *added])
        self.allowed = self._left_by_rules(allowed.but(scorer.hidden))
        self.search = self._search(self.allowed, request.k)
        self._dense: Factors | None = None

    def takes_too_much(self) -> bool:
        """Tell whether one product over all items is cheaper than looking for the best."""
        return not self.search.settle()

    def ranking(self, dense: Factors | None = None) -> Ranking:
        """Find the best, and arrange them.

        Parameters
        ----------
        dense
            The product of her query and all columns, if it is known, shape ``(n_items,)``.
        """
        self._dense = dense
        listed, request = self._listed(), self.request
        shortfall = request.k - len(listed.best.items)
        if request.new:
            others = self.allowed.but(listed.best.items).but(self.scorer.items)
            listed = listed.followed_by(self._best(self._search(others, request.new), request.new))
        return Ranking(
            *listed.best,
            self.scorer.fallback,
            shortfall,
            listed.propensities,
            listed.offers,
            listed.unmet,
        )

    def _additions(self) -> list[tuple[float, Sparse]]:
        nudges = [(1.0, nudge.term) for nudge in self.in_force.nudges]
        return nudges if self._cart is None else [(CART_WEIGHT, self._cart), *nudges]

    def _left_by_rules(self, allowed: Allowed) -> Allowed:
        forbidden = self.in_force.forbids()
        return allowed if forbidden is None else Allowed(allowed.flags & ~forbidden, allowed.barred)

    def _search(self, allowed: Allowed, k: int) -> Search:
        return Search(self.side, allowed, k, most=self._most)

    def _listed(self) -> "_Listed":
        recipe = self.scorer.finish.recipe
        if not (self.in_force.arranges or recipe.diversity or recipe.exploration):
            return _plain(self._best(self.search, self.request.k))

        def best(flags: Flags, n: int) -> tuple[Indices, Floats]:
            found = self._best(self._search(Allowed(flags), n), n)
            return found.items, found.scores

        scorer = self.scorer
        found = arrange(
            Candidates(self.allowed.everywhere(), best),
            self.in_force,
            k=self.request.k,
            objective=scorer.finish.objective(scorer.items, scorer.worth, scorer.membership),
            draws=self._draws(),
        )
        chosen = _Best(found.items, found.scores, self.terms(found.items))
        return _Listed(chosen, found.propensities, found.offers, found.unmet)

    def _draws(self) -> Draws | None:
        config = self.scorer.finish.recipe.exploration
        if config is None:
            return None
        return draws(
            config,
            seed=self.request.seed,
            user_id=self.scorer.user_id,
            request_id=self.request.request_id,
            k=self.request.k,
        )

    def _best(self, search: Search, k: int) -> "_Best":
        candidates = search.candidates(self._dense)
        terms = self.terms(candidates)
        exact = _sum(terms, len(candidates))
        order = np.lexsort((candidates, -exact))[:k]
        kept = {name: values[order] for name, values in terms.items()}
        return _Best(candidates[order], exact[order], kept)

    def terms(self, items: Indices) -> dict[str, Floats]:
        """Return each part of the score of `items`, float64, in fixed order."""
        terms = self.scorer.terms(items)
        if self._cart is not None:
            terms[CART] = CART_WEIGHT * self._cart.at(items) + 0.0
        return terms | self.in_force.terms(items)


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


def _sum(terms: Mapping[str, Floats], size: int) -> Floats:
    total = np.zeros(size)
    for values in terms.values():
        total = total + values
    return total
