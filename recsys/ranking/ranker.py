"""The chain: signals, blend, filters, rules, top-k, exact scores.

float32 finds the candidates; the score that is kept, shown and explained is the sum of the float64
terms in a fixed order, so that a batch and a single request agree to the last bit.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from recsys.errors import ConfigError
from recsys.events.schema import CATEGORY
from recsys.models import ALS, Centre, Model
from recsys.models.related import Together
from recsys.ranking.answer import Ranking, Request
from recsys.ranking.blend import Weights, fixed_weights
from recsys.ranking.customers import Customers
from recsys.ranking.finish import Finish
from recsys.ranking.recipe import Variant
from recsys.ranking.rules import check_rules, matching
from recsys.ranking.scorer import Scorer
from recsys.types import Flags

BLOCK_BYTES = 64 * 2**20
"""Memory of one block of scores in a batch."""


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
        self._finishes: dict[str, Finish] = {}

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
        return next(self.rank_all(customers, [user_index], variant, request))

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
        self.check(variant)
        allowed = self._allowed(request)
        users = list(user_indices)
        step = max(1, BLOCK_BYTES // (4 * max(len(self.model.items), 1)))
        for start in range(0, len(users), step):
            block = users[start : start + step]
            scorers = [self._scorer(customers, user, variant, request) for user in block]
            queries = np.stack([scorer.query for scorer in scorers])
            dense = queries @ self.model.columns.T
            for scorer, scores in zip(scorers, dense, strict=True):
                yield scorer.answer(scores, allowed, request)

    def _scorer(
        self, customers: Customers, user: int, variant: Variant, request: Request
    ) -> Scorer:
        weights = self.user_weights(customers, user, variant)
        cart = None
        if request.cart and self.together is not None:
            known = self.model.items.index_of(request.cart)
            cart = self.together.cart_term(known[known >= 0])
        return Scorer(
            self.model,
            customers,
            user,
            self._finish(variant),
            weights,
            self.centre(variant),
            cart,
            as_of=request.as_of,
        )

    def centre(self, variant: Variant) -> Centre | None:
        """Return where a variant's fold-in starts from; None where it asks for no factors."""
        recipe = variant.recipe
        if ALS not in recipe.signals or recipe.weights != "learned":
            return recipe.fold_in_centre
        return self.weights[variant.learns].centre

    def user_weights(self, customers: Customers, user: int, variant: Variant) -> dict[str, float]:
        """Return the weight of each listed signal for one user."""
        signals = variant.signals(self.model.segments)
        if isinstance(variant.recipe.weights, dict):
            row = customers.memberships.row(user)
            known = [axis for axis, part in self.model.segments.items() if row[part].any()]
            return fixed_weights(variant.recipe, signals, known)
        learnt = self.weights[variant.learns]
        activity = customers.activity(user, self.model.interactions.largest_weight)
        found = learnt.at(activity)
        return {signal: found.get(signal, 0.0) for signal in signals}

    def _finish(self, variant: Variant) -> Finish:
        # Rules look at the whole catalogue: once for a variant, not for every request.
        if variant.digest not in self._finishes:
            self._finishes[variant.digest] = Finish(variant.recipe, self.model)
        return self._finishes[variant.digest]

    def _allowed(self, request: Request) -> Flags:
        allowed = self.model.catalogue.available.copy()
        if request.categories:
            allowed &= matching({CATEGORY: sorted(request.categories)}, self.model.catalogue)
        excluded = self.model.items.index_of(sorted({*request.exclude_items, *request.cart}))
        allowed[excluded[excluded >= 0]] = False
        return allowed
