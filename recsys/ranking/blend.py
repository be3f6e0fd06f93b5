"""The blend: each signal's weight moves as a history grows."""

from collections.abc import Sequence

import numpy as np
from pydantic import NonNegativeFloat

from recsys.models import (
    ALS,
    HABIT,
    NEIGHBOURS,
    PRIOR,
    TASTE,
    Centre,
    Grouped,
    Model,
    Sparse,
    Term,
    confidence,
)
from recsys.models.fold_in import Equations, Origin
from recsys.models.neighbours import history_weights
from recsys.models.taste import taste
from recsys.ranking.customers import Customers
from recsys.ranking.recipe import PRIORS, Recipe
from recsys.types import Config, Floats, Indices

KNOTS = (0.0, 1.0, 3.0, 8.0, 20.0, 60.0, 200.0)
"""Activities at which weights are learnt; between them they are linear in ``log(1 + n)``."""


class Weights(Config):
    """Learnt weights of a variant: ``w_s(n) = Σ_k φ_k(n) w_sk``, ``n`` a user's activity.

    ``φ_k`` is 1 at the k-th of the knots, 0 at the others and linear in ``log(1 + n)`` between.

    Attributes
    ----------
    knots
        Activities, ascending: decayed numbers of distinct items of a history.
    signals
        Signal -> its weight at each knot, all at least 0.
    centre
        Where the fold-in starts from: a user's segments, only if that has earned something.
    """

    knots: tuple[NonNegativeFloat, ...] = KNOTS
    signals: dict[str, tuple[NonNegativeFloat, ...]]
    centre: Centre = "mean"

    def at(self, activity: float) -> dict[str, float]:
        """Return the weight of each signal for a user of that activity."""
        shares = shares_of_knots(np.asarray([activity]), self.knots)[0]
        return {signal: float(shares @ np.asarray(at)) for signal, at in self.signals.items()}


def shares_of_knots(activity: Floats, knots: Sequence[float] = KNOTS) -> Floats:
    """Return ``φ_k(n)`` of each activity, shape ``(n_users, n_knots)``; rows sum to 1."""
    places = np.interp(np.log1p(activity), np.log1p(knots), np.arange(len(knots)))
    return np.maximum(1.0 - np.abs(places[:, np.newaxis] - np.arange(len(knots))), 0.0)


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
    model: Model,
    customers: Customers,
    user_index: int,
    centre: Centre | None,
    equations: Equations | None = None,
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
    equations
        See `user_equations`; set up here where they are not given.

    Returns
    -------
    dict
        ``als``: ``x_u / s_u``; ``prior:AXIS``: memberships; ``popularity``: 1; float64.
    """
    membership = customers.memberships.row(user_index)
    parts = {PRIOR + axis: membership[columns] for axis, columns in model.segments.items()}
    parts[ALS] = np.zeros(len(model.fold_in.mean))
    if centre is not None:
        vector = user_vector(model, customers, user_index, membership, centre, equations)
        parts[ALS] = vector / model.fold_in.scale(vector)
    return {name: parts.get(name, np.ones(1)) for name in model.blocks}


def user_vector(
    model: Model,
    customers: Customers,
    user_index: int,
    membership: Floats,
    centre: Centre,
    equations: Equations | None = None,
) -> Floats:
    """Fold a user in: ``x_u``, shape ``(d,)``."""
    known = equations or user_equations(model, customers, user_index, centre)
    return known.solve(model.fold_in.centre(membership, list(model.segments.values()), centre))


def user_equations(
    model: Model, customers: Customers, user_index: int, centre: Centre
) -> Equations:
    """Set up the normal equations of a user."""
    evidence = folded_in(model, customers, user_index)
    return model.fold_in.equations(*evidence, centre, model.config.prior_strength)


def folded_in(model: Model, customers: Customers, user_index: int) -> tuple[Indices, Floats]:
    """Return the items of a history that a fold-in goes by, and ``+c`` or ``−c`` for each."""
    rows = customers.histories.rows(user_index)
    worth, items = customers.histories.worth[rows], customers.histories.items[rows]
    used = np.flatnonzero((worth != 0.0) & model.fold_in.supported[items])
    return items[used], confidence(worth[used], model.slope)


def user_origin(
    model: Model,
    customers: Customers,
    user_index: int,
    centre: Centre,
    equations: Equations | None = None,
) -> Origin:
    """Return what a user's vector comes from."""
    known = equations or user_equations(model, customers, user_index, centre)
    membership = customers.memberships.row(user_index)
    own = model.fold_in.centre(membership, list(model.segments.values()), centre)
    return known.origin(model.fold_in.mean, own)


def own_terms(model: Model, customers: Customers, user_index: int) -> dict[str, Term]:
    """Return what the items of a user's history say, of them and of others."""
    histories, pairs = customers.histories, customers.histories.rows(user_index)
    items, groups = histories.items[pairs], model.catalogue.groups
    near = model.neighbours.terms(items, history_weights(histories.worth[pairs]))
    return {
        HABIT: Sparse(items, model.habit.terms(histories, pairs)),
        NEIGHBOURS: Sparse(*near),
        TASTE: Grouped(
            groups, taste(groups[items], histories.visits[pairs], model.category_shares)
        ),
    }
