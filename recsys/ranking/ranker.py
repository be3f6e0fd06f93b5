"""The chain: signals, blend, filters, rules, top-k, exact scores.

float32 finds the candidates; the score that is kept, shown and explained is the sum of the float64
terms in a fixed order, so that a batch and a single request agree to the last bit.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.errors import ConfigError
from recsys.events.schema import CATEGORY
from recsys.models import ALS, Centre, Model, Sparse
from recsys.models.related import Together
from recsys.ranking.answer import Ranking, Request
from recsys.ranking.blend import Weights, fixed_weights
from recsys.ranking.customers import Customers
from recsys.ranking.finish import Finish
from recsys.ranking.listing import Listing
from recsys.ranking.recipe import Variant
from recsys.ranking.rules import check_rules, matching
from recsys.ranking.scorer import Scorer
from recsys.ranking.search import NONE, Allowed
from recsys.types import Flags

BLOCK_BYTES = 64 * 2**20
"""Memory of one block of scores in a batch."""
GATHERED, GATHERED_IN_A_BATCH = 3, 12
"""Of a catalogue one part in so many may be looked at, row by row, before one product over all of
it is cheaper; in a batch users share the product."""


class Ranker:
    """Ranks a model's catalogue for users, by any variant the model has weights for.

    Parameters
    ----------
    model
        What was learnt.
    weights
        `Variant.learns` -> learnt weights.
    together
        What is bought together, for requests with a cart; default nothing is known of it.
    """

    def __init__(
        self, model: Model, weights: Mapping[str, Weights], together: Together | None = None
    ) -> None:
        self.model = model
        self.weights = weights
        self.together = together
        self._plans: dict[str, _Plan] = {}

    def check(self, variant: Variant) -> list[str]:
        """Refuse a variant this model cannot rank by.

        Returns
        -------
        list of str
            What its rules name that is not there now; items and brands come and go.

        Raises
        ------
        ConfigError
            When its weights were not learnt, or it lists an axis, or its rules name something,
            that the model does not have.
        """
        variant.signals(self.model.segments)
        if variant.recipe.weights == "learned" and variant.learns not in self.weights:
            raise ConfigError(
                f"this model has not learnt the weights of the variant {variant.name!r} "
                f"(digest {variant.digest[:12]}); train again"
            )
        return check_rules(variant.recipe.rules, self.model.catalogue, self.model.axes)

    def rank(
        self, customers: Customers, user_index: int, variant: Variant, request: Request
    ) -> Ranking:
        """Rank for one user; see `rank_all`."""
        return self.answer(self.scorer(customers, user_index, variant), request)

    def rank_all(
        self,
        customers: Customers,
        user_indices: Iterable[int],
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
        users, n_items = list(user_indices), max(len(self.model.items), 1)
        allowed, cart = self._allowed(request), self._cart(request)
        step = max(1, BLOCK_BYTES // (4 * n_items))
        most = n_items // GATHERED_IN_A_BATCH
        for start in range(0, len(users), step):
            scorers = (
                self.scorer(customers, user, variant) for user in users[start : start + step]
            )
            listings = (Listing(scorer, request, allowed, cart, most=most) for scorer in scorers)
            # Threads cut products, and other cuts have other last bits.
            with threadpool_limits(1, "blas"):
                answers = list(self._answers(listings))
            yield from answers

    def _answers(self, listings: Iterable[Listing]) -> Iterator[Ranking]:
        """Finish some lists; those that look at much share one matrix product."""
        answers = [one if one.takes_too_much() else one.ranking() for one in listings]
        wide = [one.scorer.query for one in answers if isinstance(one, Listing)]
        dense = iter(self.model.product(np.stack(wide)) if wide else ())
        for one in answers:
            yield one.ranking(next(dense)) if isinstance(one, Listing) else one

    def scorer(self, customers: Customers, user_index: int, variant: Variant) -> Scorer:
        """Work out a user's side of the score: what no request changes, for `answer`."""
        plan = self._plan(variant)
        return Scorer(
            self.model,
            customers,
            user_index,
            plan.finish,
            self._weights(customers, user_index, plan),
            plan.centre,
        )

    def answer(self, scorer: Scorer, request: Request) -> Ranking:
        """Answer a request of a user whose side of the score is known."""
        most = len(self.model.items) // GATHERED
        allowed, cart = self._allowed(request), self._cart(request)
        return Listing(scorer, request, allowed, cart, most=most).ranking()

    def _cart(self, request: Request) -> Sparse | None:
        if not request.cart or self.together is None:
            return None
        known = self.model.items.index_of(request.cart)
        return self.together.cart_term(known[known >= 0])

    def centre(self, variant: Variant) -> Centre | None:
        """Return where a variant's fold-in starts from; None where it asks for no factors."""
        return self._plan(variant).centre

    def user_weights(self, customers: Customers, user: int, variant: Variant) -> dict[str, float]:
        """Return the weight of each listed signal for one user."""
        return self._weights(customers, user, self._plan(variant))

    def _weights(self, customers: Customers, user: int, plan: "_Plan") -> dict[str, float]:
        if plan.learnt is None:
            row = customers.memberships.row(user)
            known = [axis for axis, part in self.model.segments.items() if row[part].any()]
            return fixed_weights(plan.finish.recipe, plan.signals, known)
        activity = customers.activity(user, self.model.interactions.largest_weight)
        found = plan.learnt.at(activity)
        return {signal: found.get(signal, 0.0) for signal in plan.signals}

    def _plan(self, variant: Variant) -> "_Plan":
        # Rules look at the whole catalogue: once for a variant, not for every request.
        if variant.digest not in self._plans:
            self.check(variant)
            self._plans[variant.digest] = self._planned(variant)
        return self._plans[variant.digest]

    def _planned(self, variant: Variant) -> "_Plan":
        recipe, signals = variant.recipe, variant.signals(self.model.segments)
        finish, centre = Finish(recipe, self.model), recipe.fold_in_centre
        if recipe.weights != "learned":
            return _Plan(finish, signals, None, centre)
        learnt = self.weights[variant.learns]
        return _Plan(finish, signals, learnt, learnt.centre if ALS in recipe.signals else None)

    def allowed(self, request: Request) -> Flags:
        """Tell which items a request's filters leave, shape ``(n_items,)``."""
        return self._allowed(request).everywhere()

    def _allowed(self, request: Request) -> Allowed:
        flags = self.model.catalogue.available
        if request.categories:
            flags = flags & matching({CATEGORY: sorted(request.categories)}, self.model.catalogue)
        left_out = sorted({*request.exclude_items, *request.cart})
        excluded = self.model.items.index_of(left_out) if left_out else NONE
        return Allowed(flags).but(excluded[excluded >= 0])


class _Plan(NamedTuple):
    """What a variant comes to on this model: its signals, their weights, and what follows them.

    Attributes
    ----------
    learnt
        None where the recipe has weights of its own.
    centre
        Where its fold-in starts from; None where it asks for no factors.
    """

    finish: Finish
    signals: tuple[str, ...]
    learnt: Weights | None
    centre: Centre | None
