"""Peers that relate items to items: cosine neighbours, RP3beta, EASE.

References
----------
Paudel, Christoffel, Newell, Bernstein (2017). Updatable, accurate, diverse, and scalable
recommendations for interactive applications. ACM TiiS 7(1).
Steck (2019). Embarrassingly shallow autoencoders for sparse data. WWW.
"""

import numpy as np
from scipy import linalg, sparse

from .arrays import People, Train
from .popularity import Scorer

BLOCK = 512
EASE_ITEMS = 10_000
"""EASE inverts a dense matrix: so many of the most bought items, at most."""
EASE_COVERS = 0.7
"""What these must hold of all pairs."""


class InfeasibleError(Exception):
    """The peer cannot be fitted on this protocol, and why."""


def from_history(similarity: sparse.csr_array, weight: str) -> Scorer:
    """Score by the sum of the rows of the items in the user's history."""

    def score(people: People) -> np.ndarray:
        return (people.rows.worth(weight) @ similarity).toarray()

    return score


def item_knn(train: Train, k: int, shrink: float, weight: str) -> Scorer:
    """Score by the `k` nearest of each item, ``x_i·x_j / (|x_i| |x_j| + shrink)``."""
    users = train.people.rows.worth(weight)
    lengths = np.sqrt(np.asarray(users.multiply(users).sum(axis=0)).ravel())

    def normalised(start: int, together: np.ndarray) -> np.ndarray:
        return together / (np.outer(lengths[start : start + len(together)], lengths) + shrink)

    return from_history(nearest(users.T.tocsr(), users, k, normalised), weight)


def rp3beta(train: Train, alpha: float, beta: float, k: int, weight: str) -> Scorer:
    """Score by walks of three steps, ``Σ_u P_iu^α P_uj^α / popularity_j^β``, `k` items a row."""
    users = train.people.rows.worth(weight)
    to_items = to_the_power(users, alpha)
    to_users = to_the_power(users.T.tocsr(), alpha)
    popularity = np.maximum(np.asarray(users.sum(axis=0)).ravel(), 1.0) ** beta
    walks = nearest(to_users, to_items, k, lambda _, block: block / popularity)
    return from_history(walks, weight)


def to_the_power(counts: sparse.csr_array, alpha: float) -> sparse.csr_array:
    """Return the rows divided by their sums, each entry to the power `alpha`."""
    sums = np.repeat(np.asarray(counts.sum(axis=1)).ravel(), np.diff(counts.indptr))
    return sparse.csr_array(((counts.data / sums) ** alpha, counts.indices, counts.indptr),
                            shape=counts.shape)  # fmt: skip


def nearest(left: sparse.csr_array, right: sparse.csr_array, k: int, scaled) -> sparse.csr_array:
    """Return the `k` greatest of each row of ``scaled(left @ right)``, without the diagonal."""
    parts = []
    for start in range(0, left.shape[0], BLOCK):
        block = scaled(start, (left[start : start + BLOCK] @ right).toarray())
        block[np.arange(len(block)), start + np.arange(len(block))] = 0.0
        parts.append(greatest(block, k))
    return sparse.vstack(parts, format="csr")


def greatest(block: np.ndarray, k: int) -> sparse.csr_array:
    """Keep the `k` greatest entries of each row, those above 0."""
    k = min(k, block.shape[1])
    found = np.argpartition(-block, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(block, found, axis=1)
    row = np.repeat(np.arange(len(block)), k)
    kept = values.ravel() > 0
    places = (row[kept], found.ravel()[kept])
    return sparse.csr_array((values.ravel()[kept], places), shape=block.shape)


def ease(train: Train, regularization: float, weight: str) -> Scorer:
    """Score by ``x_u B``, ``B = −P / diag P`` off the diagonal, ``P = (XᵀX + λI)⁻¹``."""
    users = train.people.rows.worth(weight)
    n_items = min(users.shape[1], EASE_ITEMS)
    covered = users[:, :n_items].nnz / max(users.nnz, 1)
    if covered < EASE_COVERS:
        share = f"{100 * covered:.0f} %"
        raise InfeasibleError(f"{n_items:,} items, the most inverted here, hold {share} of pairs")
    weights = ease_weights(users[:, :n_items], regularization)

    def score(people: People) -> np.ndarray:
        known = people.rows.worth(weight)[:, :n_items]
        scores = np.full((people.rows.n_users, users.shape[1]), -np.inf)
        scores[:, :n_items] = known.astype(np.float32) @ weights
        return scores

    return score


def ease_weights(users: sparse.csr_array, regularization: float) -> np.ndarray:
    """Return B, float32, by one Cholesky factorisation in place."""
    gram = (users.T @ users).toarray().astype(np.float32, order="F")
    gram[np.diag_indices_from(gram)] += regularization
    factorise, invert = linalg.get_lapack_funcs(("potrf", "potri"), (gram,))
    factor, _ = factorise(gram, lower=True, overwrite_a=True)
    inverse, _ = invert(factor, lower=True, overwrite_c=True)
    for row in range(len(inverse)):
        inverse[row, row + 1 :] = inverse[row + 1 :, row]
    diagonal = inverse.diagonal().copy()
    inverse /= -diagonal
    np.fill_diagonal(inverse, 0.0)
    return inverse
