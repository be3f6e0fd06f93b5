"""Peers without a model: what sells, what sells in a segment, and what the user bought before.

Every peer is a function of `Train` and its settings that returns a function from `People` to scores
`(n_users, n_items)`; a user it knows nothing of scores 0 throughout and so gets popularity.
"""

from collections.abc import Callable
from functools import reduce

import numpy as np
from scipy import sparse

from .arrays import People, Rows, Train

Scorer = Callable[[People], np.ndarray]


def shares(rows: Rows, weight: str) -> np.ndarray:
    """Return each item's share of the events, or of the pairs where the weight is `once`."""
    counts = np.asarray(rows.worth(weight).sum(axis=0)).ravel()
    return counts / max(counts.sum(), 1.0)


def same_for_all(score: np.ndarray) -> Scorer:
    return lambda people: np.tile(score, (people.rows.n_users, 1))


def popular(train: Train, weight: str) -> Scorer:
    return same_for_all(shares(train.people.rows, weight))


def recent_popular(train: Train, weight: str, days: int) -> Scorer:
    rows = train.people.rows
    return same_for_all(shares(rows.where(rows.age <= days), weight))


def segment_popular(train: Train, axes: list[str], crossed: bool) -> Scorer:
    """Score by an item's share of its group's pairs, the mean over the axes a user is known on."""
    tables = [
        counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        for counts in pairs_by_group(train, axes, crossed)
    ]
    return mean_of_groups(train, axes, crossed, tables, shares(train.people.rows, "once"))


def segment_lifts(train: Train, axes: list[str], crossed: bool, kappa: float | None) -> Scorer:
    """Score by `log p_i` and the mean of the groups' Gamma–Poisson lifts.

    ``L_gi = log((n_gi + κ) / (E_gi + κ))``, ``E_gi = N_g · n_i / N``; without a `kappa` each axis
    takes its moment estimate ``ΣE² / Σ((n − E)² − E (1 − N_g/N))``, and no lift where that is ≤ 0.
    """
    share = shares(train.people.rows, "once")
    popularity = np.log(np.maximum(share, 1e-12))
    bought = pairs_by_group(train, axes, crossed)
    tables = [popularity + gamma_poisson(counts, share, kappa) for counts in bought]
    return mean_of_groups(train, axes, crossed, tables, popularity)


def gamma_poisson(bought: np.ndarray, share: np.ndarray, kappa: float | None) -> np.ndarray:
    """Return the shrunken log lifts of an axis, shape ``(n_groups, n_items)``."""
    of_group = bought.sum(axis=1, keepdims=True)
    expected = of_group * share
    if kappa is None:
        noise = expected * (1 - of_group / max(of_group.sum(), 1.0))
        excess = ((bought - expected) ** 2 - noise).sum()
        kappa = (expected**2).sum() / excess if excess > 0 else np.inf
    if np.isinf(kappa):
        return np.zeros_like(bought)
    return np.log((bought + kappa) / (expected + kappa))


def groups_of(train: Train, people: People, axes: list[str], crossed: bool) -> list[np.ndarray]:
    """Return users × groups for each axis, or for the one axis that is all of them crossed."""
    parts = [people.attributes[:, np.flatnonzero(train.axes == axis)].toarray() for axis in axes]
    return [reduce(cross, parts)] if crossed else parts


def cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return users × pairs of groups."""
    return (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)


def pairs_by_group(train: Train, axes: list[str], crossed: bool) -> list[np.ndarray]:
    pairs = train.people.rows.worth("once")
    return [(pairs.T @ part).T for part in groups_of(train, train.people, axes, crossed)]


def mean_of_groups(
    train: Train, axes: list[str], crossed: bool, tables: list[np.ndarray], otherwise: np.ndarray
) -> Scorer:
    """Score by the mean of the rows of a user's groups, and by `otherwise` for a user of none."""

    def score(people: People) -> np.ndarray:
        parts = groups_of(train, people, axes, crossed)
        known = sum(part.sum(axis=1, keepdims=True) for part in parts)
        total = sum(part @ table for part, table in zip(parts, tables, strict=True))
        return np.where(known > 0, total / np.maximum(known, 1.0), otherwise)

    return score


def own_frequency(train: Train, unit: str, days: int | None) -> Scorer:
    """Score by how often the user bought the item in the last days: events, or baskets with it."""
    del train

    def score(people: People) -> np.ndarray:
        rows = people.rows if days is None else people.rows.where(people.rows.age <= days)
        return (rows.once_a_basket() if unit == "baskets" else rows).matrix().toarray()

    return score


def own_recency(train: Train, half_life: float) -> Scorer:
    """Score by the user's baskets with the item, each worth ``2^(−age / half_life)``.

    A half-life of 0 days asks for the last purchase alone; frequency orders one day's items.
    """
    del train

    def score(people: People) -> np.ndarray:
        rows = people.rows.once_a_basket()
        if half_life > 0:
            return rows.matrix(0.5 ** (rows.age / half_life)).toarray()
        return (last_day(rows) + 1e-6 * rows.worth("log")).toarray()

    return score


def last_day(rows: Rows) -> sparse.csr_array:
    """Return ``1 / (1 + days since the user last bought the item)``."""
    newest = np.lexsort((rows.age, rows.item, rows.user))
    user, item = rows.user[newest], rows.item[newest]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    latest = rows.where(np.sort(newest[first]))
    return latest.matrix(1 / (1 + np.floor(latest.age)))
