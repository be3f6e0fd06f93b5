"""How often an item is bought again, and how soon: by item, shrunk to its category and the shop."""

import numpy as np

from recsys.interactions import Histories
from recsys.models.groups import n_groups_of
from recsys.types import Floats, Indices

RATE_SHRINKAGE = 10.0
"""An item's rate counts as much as this many buyers behave like its category's."""
CATEGORY_SHRINKAGE = 30.0
PACE_SHRINKAGE = 2.0
"""A user's own pace counts against this many intervals of the category's."""


def or_none(days: Floats) -> Floats:
    """Return 0 for days that are not known."""
    return np.where(np.isnan(days), 0.0, days)


def own_pace(histories: Histories, pairs: slice, category_pace: Floats) -> Floats:
    """``τ_ui``: the user's mean interval for the item, shrunk to the category's; days."""
    intervals = np.maximum(histories.visits[pairs] - 1.0, 0.0)
    span = or_none(histories.since_first[pairs] - histories.since_last[pairs])
    typical = category_pace[histories.items[pairs]]
    return np.asarray((span + PACE_SHRINKAGE * typical) / (intervals + PACE_SHRINKAGE))


def repeat_rates(items: Indices, label: Floats, groups: Indices) -> tuple[Floats, Floats]:
    """Return each item's rate relative to the shop's mean, and each category's absolute rate.

    The last of the categories is one without any item: it has the shop's mean.

    Parameters
    ----------
    items
        Item of each bought pair.
    label
        1 where the pair was bought again.
    groups
        Category of each item.
    """
    overall = float(label.mean()) if len(label) else 0.0
    prior = np.full(n_groups_of(groups) + 1, overall)
    by_group = _shrunk(groups[items], label, prior, CATEGORY_SHRINKAGE)
    by_item = _shrunk(items, label, by_group[groups], RATE_SHRINKAGE)
    return relative(by_item, overall), by_group


def relative(rates: Floats, overall: float) -> Floats:
    """Return rates as multiples of the shop's mean."""
    # Where nothing is ever bought again every item is as likely as the mean: not at all.
    multiples = rates / overall if overall > 0 else np.ones(len(rates))
    return np.asarray(np.maximum(multiples, 1e-6))


def category_paces(histories: Histories, groups: Indices) -> Floats:
    """Return the mean days between purchases of an item of each category.

    The last one is a category without any item: it has the shop's mean.
    """
    repeated = histories.visits > 1
    keys = groups[histories.items[repeated]]
    span = or_none((histories.since_first - histories.since_last)[repeated])
    intervals = histories.visits[repeated] - 1.0
    n_groups = n_groups_of(groups) + 1
    overall = span.sum() / intervals.sum() if intervals.sum() else 1.0
    spans = np.bincount(keys, weights=span, minlength=n_groups) + RATE_SHRINKAGE * overall
    counts = np.bincount(keys, weights=intervals, minlength=n_groups) + RATE_SHRINKAGE
    return np.asarray(np.maximum(spans / counts, 1e-3))


def _shrunk(keys: Indices, label: Floats, prior: Floats, strength: float) -> Floats:
    hits = np.bincount(keys, weights=label, minlength=len(prior))
    seen = np.bincount(keys, minlength=len(prior))
    return np.asarray((hits + strength * prior) / (seen + strength))


def crossed_rates(folds: Indices, items: Indices, label: Floats, groups: Indices) -> Floats:
    """Return the rate of each pair's item as the other half of the users shows it.

    So no label sees itself.

    Parameters
    ----------
    folds
        0 or 1: the half of each pair's user.
    items, label, groups
        As of `repeat_rates`.
    """
    rates = [repeat_rates(items[folds != f], label[folds != f], groups)[0] for f in (0, 1)]
    return np.where(folds == 0, rates[0][items], rates[1][items])
