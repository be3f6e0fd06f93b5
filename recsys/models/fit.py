"""Fit every signal on one set of histories; training only, since it loads `implicit`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recsys.interactions import HALF_LIVES, Catalogue, Histories, InteractionsConfig
from recsys.models.als import factorise
from recsys.models.config import ModelConfig
from recsys.models.fold_in import FoldIn, confidence, fit_fold_in
from recsys.models.groups import with_group_factors
from recsys.models.habit import fit_habit
from recsys.models.model import Model
from recsys.models.popularity import log_popularity
from recsys.models.priors import fit_prior
from recsys.segments import Memberships, Reference, columns_of
from recsys.types import Factors, Flags, Floats, Indices, UserItems


class Past(NamedTuple):
    """An earlier window that shows what is bought again: histories, and which pairs came back."""

    histories: Histories
    bought_next: Flags | None


def fit_model(
    histories: Histories,
    memberships: Memberships,
    catalogue: Catalogue,
    reference: Reference,
    past: Past,
    *,
    interactions: InteractionsConfig,
    config: ModelConfig,
    popularity_half_life: float,
    timed: bool,
    threads: int = 0,
    on_sweep: Callable[[], None] = lambda: None,
) -> Model:
    """Fit all signals.

    Parameters
    ----------
    histories
        Of the users to learn from.
    memberships
        Of the same users.
    catalogue, reference
        The items; what profiles were measured against.
    past
        What repeat purchases are learnt from.
    interactions, config
        Minimum support; hyper-parameters.
    popularity_half_life
        Days, one of `HALF_LIVES`.
    timed
        Whether the data have times.
    threads
        For ALS; 0 = one for each core. Nothing depends on it.
    on_sweep
        Called after each ALS sweep.
    """
    user_items = histories.user_items()
    positive = _positive(user_items)
    supported = support(positive) >= interactions.min_item_users
    _, groups = np.unique(catalogue.category, return_inverse=True)
    fold_in = _fit_fold_in(user_items, supported, memberships, config, threads, on_sweep)
    lifts, kappa = _fit_priors(positive, memberships, supported, groups)
    visits = histories.decayed_visits[:, HALF_LIVES.index(popularity_half_life)]
    popular = log_popularity(histories.items, visits, len(catalogue.items))
    return Model(
        catalogue=catalogue,
        columns=_columns(fold_in, groups, lifts, popular),
        fold_in=fold_in,
        habit=fit_habit(past.histories, past.bought_next, groups, HALF_LIVES),
        axes=memberships.axes,
        reference=reference,
        kappa=kappa,
        popularity_half_life=popularity_half_life,
        interactions=interactions,
        config=config,
        timed=timed,
    )


def support(positive: UserItems) -> Indices:
    """Count the distinct users of each item."""
    return np.bincount(positive.indices, minlength=positive.shape[1])


def _positive(user_items: UserItems) -> UserItems:
    matrix = user_items.copy()
    matrix.data = np.maximum(matrix.data, 0.0)
    matrix.eliminate_zeros()
    return matrix


def _fit_fold_in(
    user_items: UserItems,
    supported: Flags,
    memberships: Memberships,
    config: ModelConfig,
    threads: int,
    on_sweep: Callable[[], None],
) -> FoldIn:
    weights = user_items.copy()
    weights.data = confidence(user_items.data, config.alpha)
    learnt = factorise(weights, supported, config, threads=threads, on_sweep=on_sweep)
    axes = list(columns_of(memberships.axes).values())
    return fit_fold_in(learnt, supported, memberships.matrix, axes)


def _fit_priors(
    positive: UserItems, memberships: Memberships, supported: Flags, groups: Indices
) -> tuple[Floats, dict[str, float | None]]:
    lifts = [np.empty((0, positive.shape[1]))]
    kappa: dict[str, float | None] = {}
    for axis in memberships.axes:
        prior = fit_prior(positive, memberships.of(axis.name), supported, groups)
        lifts.append(prior.lifts)
        kappa[axis.name] = prior.kappa if np.isfinite(prior.kappa) else None
    return np.vstack(lifts), kappa


def _columns(fold_in: FoldIn, groups: Indices, lifts: Floats, popular: Floats) -> Factors:
    factors = with_group_factors(fold_in.item_factors, fold_in.supported, groups)
    return np.hstack(
        [factors, lifts.T, popular[:, np.newaxis]], dtype=np.float32, casting="same_kind"
    )
