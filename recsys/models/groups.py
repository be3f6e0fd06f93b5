"""Item groups: what an item without support of its own takes from its category."""

import numpy as np

from recsys.types import Factors, Flags, Floats, Indices

GROUP_SHRINKAGE = 5.0
"""A group's mean counts as much as this many items of the whole catalogue's mean."""


def group_means(values: Floats, supported: Flags, groups: Indices) -> Floats:
    """Mean of each group's supported rows, shrunk to the mean of all supported rows.

    Parameters
    ----------
    values
        Shape ``(n_items, d)``.
    supported
        Rows that count, shape ``(n_items,)``.
    groups
        Group of each row, shape ``(n_items,)``.

    Returns
    -------
    ndarray
        Shape ``(n_groups + 1, d)``; the last row is that of a group without any item.
    """
    n_groups = n_groups_of(groups) + 1
    sums = np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, groups[supported], values[supported])
    counts = np.bincount(groups[supported], minlength=n_groups).astype(np.float64)
    overall = values[supported].mean(axis=0) if supported.any() else np.zeros(values.shape[1])
    shrunk = sums + GROUP_SHRINKAGE * overall
    return np.asarray(shrunk / (counts + GROUP_SHRINKAGE)[:, np.newaxis])


def n_groups_of(groups: Indices) -> int:
    """Return how many groups there are, by the group of each item."""
    return int(groups.max(initial=-1)) + 1


def with_group_factors(item_factors: Factors, supported: Flags, groups: Indices) -> Factors:
    """Give every unsupported item its group's mean factor; such pseudo-factors only rank."""
    means = group_means(item_factors.astype(np.float64), supported, groups)
    filled = item_factors.copy()
    filled[~supported] = means[groups[~supported]].astype(np.float32)
    return filled
