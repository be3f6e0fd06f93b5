"""One user's side of the score."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from recsys.models import ALS, PRIOR, Centre, Model, Term
from recsys.ranking.answer import Fallback
from recsys.ranking.blend import coordinates, own_terms, user_equations, user_origin
from recsys.ranking.customers import Customers
from recsys.ranking.finish import Finish
from recsys.ranking.recipe import Repeat
from recsys.ranking.search import Side
from recsys.types import Factors, Flags, Floats, Indices


class Scorer:
    """One user's side of the score under one variant: what no request changes.

    It may be kept for as long as the customer, the variant and the model stay the same, and answer
    any number of requests; nothing in it changes.

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

    Attributes
    ----------
    origin
        What her vector comes from, for `reasons`; None without a fold-in.
    """

    def __init__(
        self,
        model: Model,
        customers: Customers,
        user_index: int,
        finish: Finish,
        weights: Mapping[str, float],
        centre: Centre | None,
    ) -> None:
        self.model, self.finish, self.weights = model, finish, weights
        self.user_id = str(customers.users.ids[user_index])
        rows, histories = customers.histories.rows(user_index), customers.histories
        self.items, self.worth = histories.items[rows], histories.worth[rows]
        self.visits, self.owned = histories.visits[rows], customers.owned
        self.membership = customers.memberships.row(user_index)
        # A fold-in costs a solve: not where it weighs nothing.
        folded = centre if weights.get(ALS) else None
        equations = folded and user_equations(model, customers, user_index, folded)
        self.origin = folded and user_origin(model, customers, user_index, folded, equations)
        self.coordinates = coordinates(model, customers, user_index, folded, equations)
        self.own = _own(model, customers, user_index, weights)
        self.query = self._query()
        self.fallback = self._fallback(centre)

    def _query(self) -> Factors:
        """Return the user side of the dot product, shape ``(n_columns,)``."""
        query = np.zeros(self.model.columns.shape[1])
        for signal, block in self.model.blocks.items():
            query[block] = self.weights.get(signal, 0.0) * self.coordinates[signal]
        return query.astype(np.float32)

    @cached_property
    def side(self) -> Side:
        """How high her side lets items score, where no request adds to it."""
        return Side(self.model, self.query, self.parts)

    @property
    def parts(self) -> list[tuple[float, Term]]:
        """What comes on top of the dot product, each with its weight."""
        return [(self.weights[signal], term) for signal, term in self.own.items()]

    @cached_property
    def hidden(self) -> Indices:
        """The items that the repeat policy keeps from her list."""
        bought = np.concatenate([self.items[self.visits > 0], self.owned])
        return hidden_items(bought, self.model.habit.rebought, self.finish.recipe.repeat)

    def terms(self, items: Indices) -> dict[str, Floats]:
        """Return each part of the score of `items`, float64, in fixed order."""
        rows = self.model.rows(items).astype(np.float64)
        return {
            signal: self._term(signal, weight, items, rows)
            for signal in self.model.signals
            if (weight := self.weights.get(signal)) is not None
        }

    def _term(self, signal: str, weight: float, items: Indices, rows: Floats) -> Floats:
        if not weight:
            return np.zeros(len(items))
        # Adding 0 turns a −0.0 into what a reader expects.
        if signal in self.own:
            return weight * self.own[signal].at(items) + 0.0
        # A sum along each row: the same for one item as among a thousand, unlike a matrix product.
        products = rows[:, self.model.blocks[signal]] * self.coordinates[signal]
        return np.asarray(weight * products.sum(axis=1) + 0.0)

    def _fallback(self, centre: Centre | None) -> Fallback | None:
        # An event that is worth nothing, such as an impression, tells nothing of a user.
        if self.worth.any() or self.visits.any():
            return None
        moved = centre == "segments" and self.membership.any()
        speaking = {signal for signal, weight in self.weights.items() if weight > 0}
        known = any(self.coordinates[s].any() for s in speaking if s.startswith(PRIOR))
        return "segment" if known or (moved and ALS in speaking) else "popular"


def _own(
    model: Model, customers: Customers, user_index: int, weights: Mapping[str, float]
) -> dict[str, Term]:
    """Return those terms of a user's own history that weigh something."""
    if not any(weights.get(signal) for signal in model.own):
        return {}
    own = own_terms(model, customers, user_index)
    return {signal: term for signal, term in own.items() if weights.get(signal)}


def hidden_items(bought: Indices, rebought: Flags, repeat: Repeat) -> Indices:
    """Return those of a user's purchases that her list must not hold, by a repeat policy.

    Parameters
    ----------
    bought
        Item indices.
    rebought
        False for items that nobody buys twice, shape ``(n_items,)``.
    repeat
        The policy.
    """
    if repeat == "always":
        return bought[:0]
    return bought if repeat == "never" else bought[~rebought[bought]]
