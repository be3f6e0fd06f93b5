"""Fit every signal on one set of histories; training only, since it loads `implicit`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from recsys.interactions import HALF_LIVES, Catalogue, Histories, InteractionsConfig
from recsys.models.als import confidence_slope, factorise
from recsys.models.config import ModelConfig
from recsys.models.fold_in import Factorisation, FoldIn, confidence, fit_fold_in
from recsys.models.groups import group_means, n_groups_of, with_group_factors
from recsys.models.habit import fit_habit
from recsys.models.model import POPULARITY, TREND, Model
from recsys.models.neighbours import fit_neighbours
from recsys.models.popularity import (
    TREND_HALF_LIFE,
    Recency,
    log_popularity,
    log_popularity_of_new,
    trend,
)
from recsys.models.priors import Prior, Support, fit_prior
from recsys.segments import Axis, Memberships, Reference, columns_of
from recsys.segments.axes.combine import PARENTS, CombineConfig
from recsys.segments.memberships import in_order
from recsys.types import Factors, Flags, Floats, Indices, UserItems


class Crowd(NamedTuple):
    """Some users.

    Attributes
    ----------
    histories
        What they did.
    memberships
        Which segments they are in.
    """

    histories: Histories
    memberships: Memberships


class Past(NamedTuple):
    """Earlier windows that show what is bought again: histories, and which pairs came back.

    Attributes
    ----------
    histories, bought_next
        Of the newest window; without times it is not known what came back.
    earlier
        Of those before it.
    """

    histories: Histories
    bought_next: Flags | None
    earlier: tuple[tuple[Histories, Flags], ...] = ()


def fit_model(
    histories: Histories,
    memberships: Memberships,
    catalogue: Catalogue,
    reference: Reference,
    past: Past,
    *,
    interactions: InteractionsConfig,
    config: ModelConfig,
    recency: Recency,
    timed: bool,
    also: Crowd | None = None,
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
    recency
        What windows tell of changes; see `Recency`.
    timed
        Whether the data have times.
    also
        Users who count in popularity and lifts, and in nothing else.
    threads
        For ALS; 0 = one for each core. Nothing depends on it.
    on_sweep
        Called after each ALS sweep.
    """
    crowds = [Crowd(histories, memberships), *([] if also is None else [also])]
    user_items = histories.user_items()
    positive = histories.positive_items()
    supported = support(positive) >= interactions.min_item_users
    groups = catalogue.groups
    slope = confidence_slope(user_items, supported, config.alpha)
    weights = user_items.copy()
    weights.data = confidence(user_items.data, slope)
    fold_in = _fit_fold_in(weights, supported, memberships, config, threads, on_sweep)
    priors = _fit_priors(crowds, Support(supported, groups, config.kappa_scale))
    everyone = _for_everyone(crowds, recency, len(catalogue.items))
    columns, newcomers = _columns(fold_in, groups, priors, everyone)
    return Model(
        catalogue=catalogue,
        columns=columns,
        newcomers=newcomers,
        fold_in=fold_in,
        slope=slope,
        habit=fit_habit(*past[:2], groups, HALF_LIVES, past.earlier),
        neighbours=fit_neighbours(positive, supported, config.neighbours, threads=threads),
        axes=memberships.axes,
        reference=reference,
        kappa=priors.kappa,
        popularity_half_life=recency.half_life,
        interactions=interactions,
        config=config,
        timed=timed,
    )


def with_memberships(
    model: Model, memberships: Memberships, histories: Histories, factors: Factorisation
) -> Model:
    """Return the model that other memberships of the same users would have led to.

    Factors, habit, neighbours and popularity depend on no membership and stay as they are.

    Parameters
    ----------
    model
        Fitted on `histories`.
    memberships
        Of the same users.
    histories
        What the priors are learnt from.
    factors
        Those of the model, with the users', whom a model does not keep.
    """
    supported = model.fold_in.supported
    groups = model.catalogue.groups
    beside = Support(supported, groups, model.config.kappa_scale)
    priors = _fit_priors([Crowd(histories, memberships)], beside)
    segments = list(columns_of(memberships.axes).values())
    fold_in = fit_fold_in(factors, supported, memberships.matrix, segments)
    shown = slice(model.blocks[TREND].start, model.blocks[POPULARITY].stop)
    everyone = np.vstack([model.columns[:, shown], model.newcomers[:1, shown]]).astype(np.float64)
    columns, newcomers = _columns(fold_in, groups, priors, everyone)
    return replace(
        model,
        columns=columns,
        newcomers=newcomers,
        fold_in=fold_in,
        axes=memberships.axes,
        kappa=priors.kappa,
    )


def support(positive: UserItems) -> Indices:
    """Count the distinct users of each item."""
    return np.bincount(positive.indices, minlength=positive.shape[1])


def _fit_fold_in(
    weights: UserItems,
    supported: Flags,
    memberships: Memberships,
    config: ModelConfig,
    threads: int,
    on_sweep: Callable[[], None],
) -> FoldIn:
    learnt = factorise(weights, supported, config, threads=threads, on_sweep=on_sweep)
    axes = list(columns_of(memberships.axes).values())
    return fit_fold_in(learnt, supported, memberships.matrix, axes)


class _Priors(NamedTuple):
    """Those of every axis: lifts of items and of groups, a row for each segment, and each κ."""

    lifts: Floats
    of_groups: Floats
    kappa: dict[str, float | None]


def _fit_priors(crowds: Sequence[Crowd], support: Support) -> _Priors:
    positive = _stacked(crowd.histories.positive_items() for crowd in crowds)
    found: dict[str, Prior] = {}
    axes = {axis.name: axis for axis in crowds[0].memberships.axes}
    for name in in_order({name: axis.config for name, axis in axes.items()}):
        parents = _parents(axes, axes[name], found)
        membership = _stacked(crowd.memberships.of(name) for crowd in crowds)
        found[name] = fit_prior(positive, membership, support, parents)
    lifts = [np.empty((0, positive.shape[1])), *(found[name].lifts for name in axes)]
    n_groups = n_groups_of(support.groups) + 1
    of_groups = [np.empty((0, n_groups)), *(found[name].of_groups for name in axes)]
    kappa = {name: k if np.isfinite(k := found[name].kappa) else None for name in axes}
    return _Priors(np.vstack(lifts), np.vstack(of_groups), kappa)


def _stacked(matrices: Iterable[sparse.csr_matrix[Any]]) -> sparse.csr_matrix[Any]:
    return sparse.csr_matrix(sparse.vstack(list(matrices), format="csr"))


def _for_everyone(crowds: Sequence[Crowd], recency: Recency, n_items: int) -> Floats:
    """Return trend and popularity of each item and, last, of one that nobody has bought."""
    items = np.concatenate([crowd.histories.items for crowd in crowds])
    visits = _faded(crowds, recency.half_life)
    popular = np.append(
        log_popularity(items, visits, n_items), log_popularity_of_new(visits, n_items)
    )
    rising = np.zeros(len(popular))
    if recency.trends:
        rising = trend(items, _faded(crowds, TREND_HALF_LIFE), popular)
    return np.column_stack([rising, popular])


def _faded(crowds: Sequence[Crowd], half_life: float) -> Floats:
    column = HALF_LIVES.index(half_life)
    return np.concatenate([crowd.histories.decayed_visits[:, column] for crowd in crowds])


def _parents(axes: Mapping[str, Axis], axis: Axis, found: Mapping[str, Prior]) -> Prior | None:
    """Return what the segments of a combined axis are shrunk to: those of its first axis."""
    if not isinstance(axis.config, CombineConfig):
        return None
    first = axis.config.axes[0]
    place = {segment: number for number, segment in enumerate(axes[first].segments)}
    rows = [place[axis.fit.learnt[PARENTS][segment][0]] for segment in axis.segments]
    parent = found[first]
    return parent._replace(lifts=parent.lifts[rows], of_groups=parent.of_groups[rows])


def _columns(
    fold_in: FoldIn, groups: Indices, priors: _Priors, everyone: Floats
) -> tuple[Factors, Factors]:
    """Return the item side of the dot product, and that of new items by their group.

    The last row of `everyone` is that of an item which nobody has bought.
    """
    factors, supported = fold_in.item_factors, fold_in.supported
    filled = with_group_factors(factors, supported, groups)
    means = group_means(factors.astype(np.float64), supported, groups)
    unseen = np.repeat(everyone[-1:], len(means), axis=0)
    return (
        _joined(filled, priors.lifts.T, everyone[:-1]),
        _joined(means, priors.of_groups.T, unseen),
    )


def _joined(*parts: Factors | Floats) -> Factors:
    return np.hstack(parts, dtype=np.float32, casting="same_kind")
