"""Peers that read baskets: TIFU-KNN and UP-CF.

References
----------
Hu, He, Gao, Zhang (2020). Modeling personalized item frequency information for next-basket
recommendation. SIGIR.
Faggioli, Polato, Aiolli (2020). Recency aware collaborative filtering for next basket
recommendation. UMAP.
"""

import numpy as np
from scipy import sparse

from .arrays import People, Rows, Train
from .popularity import Scorer


def decayed_baskets(rows: Rows, size: int, within: float, between: float) -> sparse.csr_array:
    """Return the vectors of TIFU-KNN: means of groups of baskets, then the mean of the groups.

    Baskets are grouped by `size` from the newest back; the basket ``b`` places before a group's
    newest counts ``within^b``, the group ``g`` places before the newest ``between^g``.
    """
    rows = rows.once_a_basket()
    n_baskets = np.zeros(rows.n_users, dtype=int)
    np.maximum.at(n_baskets, rows.user, rows.basket + 1)
    group, place = np.divmod(rows.basket, size)
    of_user = n_baskets[rows.user]
    in_group = np.minimum(size, of_user - group * size)
    n_groups = -(-of_user // size)
    return rows.matrix(within**place / in_group * between**group / n_groups)


def tifu_knn(
    train: Train, size: int, within: float, between: float, k: int, alpha: float
) -> Scorer:
    """Score by ``α · own + (1 − α) · mean of the k nearest``, nearest by Euclidean distance."""
    others = decayed_baskets(train.people.rows, size, within, between)
    lengths = squared_lengths(others)

    def score(people: People) -> np.ndarray:
        own = decayed_baskets(people.rows, size, within, between)
        closeness = 2 * (own @ others.T).toarray() - lengths
        near = mean_of_nearest(not_themselves(closeness, people.same, -np.inf), k)
        scores = alpha * own.toarray() + (1 - alpha) * (near @ others).toarray()
        return np.where(squared_lengths(own)[:, None] > 0, scores, 0.0)

    return score


def squared_lengths(vectors: sparse.csr_array) -> np.ndarray:
    return np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()


def not_themselves(closeness: np.ndarray, same: np.ndarray, value: float) -> np.ndarray:
    """Put `value` where a user would meet herself among those learnt from."""
    closeness[np.flatnonzero(same >= 0), same[same >= 0]] = value
    return closeness


def mean_of_nearest(closeness: np.ndarray, k: int) -> sparse.csr_array:
    """Return weights ``1/k`` on each row's `k` greatest."""
    k = min(k, closeness.shape[1])
    near = np.argpartition(-closeness, k - 1, axis=1)[:, :k].ravel()
    row = np.repeat(np.arange(len(closeness)), k)
    return sparse.csr_array((np.full(len(near), 1 / k), (row, near)), shape=closeness.shape)


def recent_shares(rows: Rows, last: int) -> sparse.csr_array:
    """Return in which share of the user's `last` baskets, or of all of fewer, an item was."""
    rows = rows.once_a_basket()
    n_baskets = np.zeros(rows.n_users, dtype=int)
    np.maximum.at(n_baskets, rows.user, rows.basket + 1)
    rows = rows.where(rows.basket < last)
    return rows.matrix(1 / np.minimum(n_baskets, last)[rows.user])


def up_cf(train: Train, last: int, locality: float, asymmetry: float) -> Scorer:
    """Score by ``Σ_v w_uv^q · share of v's last baskets with the item``, the user herself with 1.

    ``w_uv = |I_u ∩ I_v| / (|I_u|^a · |I_v|^(1 − a))``, the asymmetric cosine of sets of items.
    """
    others = train.people.rows.worth("once")
    sizes = sizes_of(others) ** (1 - asymmetry)
    shares = recent_shares(train.people.rows, last)

    def score(people: People) -> np.ndarray:
        own = people.rows.worth("once")
        alike = (own @ others.T).toarray() / sizes / sizes_of(own)[:, None] ** asymmetry
        weights = not_themselves(alike**locality, people.same, 0.0)
        return recent_shares(people.rows, last).toarray() + weights @ shares

    return score


def sizes_of(pairs: sparse.csr_array) -> np.ndarray:
    return np.maximum(np.diff(pairs.indptr), 1).astype(float)
