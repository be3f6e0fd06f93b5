"""The blend: each signal's weight moves from a cold end to a warm end as a history grows."""

from collections.abc import Sequence

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

from recsys.models import ALS, HABIT, PRIOR, Centre, Model, confidence
from recsys.ranking.customers import Customers
from recsys.ranking.recipe import PRIORS, Recipe
from recsys.types import Config, Floats


class Weights(Config):
    """Learnt weights of a variant: ``w_s(u) = cold_s + (warm_s − cold_s) · g``.

    ``g = n / (n + half)``, ``n`` the decayed number of distinct items of the user's history.

    Attributes
    ----------
    cold, warm
        Signal -> weight with an empty and with an endless history, both at least 0.
    half
        The history size at which a user is half warm.
    """

    cold: dict[str, NonNegativeFloat]
    warm: dict[str, NonNegativeFloat]
    half: PositiveFloat

    def at(self, signal: str, activity: float) -> float:
        """Return the weight of a signal for a user of that activity."""
        g = activity / (activity + self.half)
        cold, warm = self.cold.get(signal, 0.0), self.warm.get(signal, 0.0)
        return cold + (warm - cold) * g


def fixed_weights(
    recipe: Recipe, signals: Sequence[str], known_axes: Sequence[str]
) -> dict[str, float]:
    """Return a recipe's own weights for one user.

    Parameters
    ----------
    recipe
        With a number for each signal.
    signals
        The model's signals that the recipe lists.
    known_axes
        Axes on which something is known of the user: they share the weight of ``priors``.
    """
    given = dict(recipe.weights) if isinstance(recipe.weights, dict) else {}
    each = given.get(PRIORS, 0.0) / max(len(known_axes), 1)
    weights = {signal: given.get(signal, 0.0) for signal in signals}
    for axis in known_axes:
        if PRIORS in given and PRIOR + axis in weights:
            weights[PRIOR + axis] = given.get(PRIOR + axis, 0.0) + each
    return weights


def coordinates(
    model: Model, customers: Customers, user_index: int, centre: Centre | None
) -> dict[str, Floats]:
    """Return the user side of each dense signal.

    Parameters
    ----------
    model
        What was learnt.
    customers, user_index
        Whom to score.
    centre
        The centre of the fold-in; None where no factors are asked for: a fold-in costs a solve.

    Returns
    -------
    dict
        ``als``: ``x_u / s_u``; ``prior:AXIS``: memberships; ``popularity``: 1; float64.
    """
    membership = customers.memberships.row(user_index)
    parts = {PRIOR + axis: membership[columns] for axis, columns in model.segments.items()}
    parts[ALS] = np.zeros(len(model.fold_in.mean))
    if centre is not None:
        vector = user_vector(model, customers, user_index, membership, centre)
        parts[ALS] = vector / model.fold_in.scale(vector)
    return {name: parts.get(name, np.ones(1)) for name in model.blocks}


def user_vector(
    model: Model, customers: Customers, user_index: int, membership: Floats, centre: Centre
) -> Floats:
    """Fold a user in: ``x_u``, shape ``(d,)``."""
    rows = customers.histories.rows(user_index)
    worth = customers.histories.worth[rows]
    stored = worth != 0.0
    items = customers.histories.items[rows][stored]
    middle = model.fold_in.centre(membership, list(model.segments.values()), centre)
    return model.fold_in.user_vector(
        items,
        confidence(worth[stored], model.config.alpha),
        middle,
        centre,
        model.config.prior_strength,
    )


def own_terms(model: Model, customers: Customers, user_index: int) -> dict[str, Floats]:
    """Return the sparse signals: one value for each pair of the user's history."""
    return {HABIT: model.habit.terms(customers.histories, customers.histories.rows(user_index))}
