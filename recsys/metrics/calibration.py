"""How far the categories of a list are from those of the user's history."""

from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from recsys.types import Floats, Indices

Shares: TypeAlias = sparse.csr_matrix[Any]
"""Shares of the categories, rows sum to 1 or, where nothing is known, to 0; ``(n_users, n)``."""


def category_shares(
    users: Indices, items: Indices, category: Indices, *, n_users: int, n_categories: int
) -> Shares:
    """Share of each category among a user's items, shape ``(n_users, n_categories)``.

    Every item counts the same; an item of unknown category, and item -1, counts not at all.

    Parameters
    ----------
    users, items
        Row and item index of each (user, item) pair, shape ``(n_pairs,)``.
    category
        Category of each item, shape ``(n_items,)``; -1 is unknown.

    Examples
    --------
    >>> users, items = np.array([0, 0, 1]), np.array([0, 1, 2])
    >>> shares = category_shares(users, items, np.array([0, 1, -1]), n_users=2, n_categories=2)
    >>> shares.toarray().tolist()
    [[0.5, 0.5], [0.0, 0.0]]
    """
    codes = np.where(items >= 0, category[items], -1)
    known = codes >= 0
    rows = users[known]
    weights = 1 / np.bincount(rows, minlength=n_users)[rows]
    shape = (n_users, n_categories)
    return sparse.csr_matrix((weights, (rows, codes[known])), shape=shape)


def calibration_kl(history: Shares, listed: Shares, *, alpha: float = 0.01) -> Floats:
    """Kullback-Leibler divergence of a list's categories from the history's, in nats.

    ``calibration_kl = Σ_c p_c · ln(p_c / q̃_c)`` with ``q̃ = (1 - alpha) · q + alpha · p``, ``p`` the
    shares in the history and ``q`` those in the list: 0 where they agree, at most
    ``-ln alpha``. A little of ``p`` keeps it finite for a category that the list lacks.

    Parameters
    ----------
    history, listed
        Shares of the categories, shape ``(n_users, n_categories)``.
    alpha
        How much of ``p`` is mixed in, in (0, 1).

    Returns
    -------
    Floats
        Shape ``(n_users,)``; nan for a user whose history or list has no known category.

    References
    ----------
    Steck, "Calibrated Recommendations", RecSys 2018, equations 6 and 7.

    Examples
    --------
    >>> history, listed = sparse.csr_matrix([[0.5, 0.5]]), sparse.csr_matrix([[1.0, 0.0]])
    >>> calibration_kl(history, listed).round(4).tolist()
    [1.9585]
    """
    mixed = (1 - alpha) * listed + alpha * history
    return _where_both(history, listed, _divergence(history, mixed))


def calibration_js(history: Shares, listed: Shares) -> Floats:
    """Jensen-Shannon divergence between the categories of history and list, in bits.

    ``calibration_js = [KL(p ‖ m) + KL(q ‖ m)] / 2`` with ``m = (p + q) / 2`` and base 2: 0 where
    they agree, 1 where they have nothing in common. The square of the distance of that name.

    Parameters
    ----------
    history, listed
        Shares of the categories, shape ``(n_users, n_categories)``.

    Returns
    -------
    Floats
        Shape ``(n_users,)``; nan for a user whose history or list has no known category.

    References
    ----------
    Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information
    Theory 37(1), 1991.

    Examples
    --------
    >>> history, listed = sparse.csr_matrix([[1.0, 0.0]]), sparse.csr_matrix([[0.0, 1.0]])
    >>> calibration_js(history, listed).tolist()
    [1.0]
    """
    middle: Shares = 0.5 * (history + listed)
    nats = (_divergence(history, middle) + _divergence(listed, middle)) / 2
    return _where_both(history, listed, nats / np.log(2))


def _divergence(shares: Shares, other: Shares) -> Floats:
    """Return ``Σ_c p_c · ln(p_c / q_c)`` by row, for ``q`` that is positive wherever ``p`` is."""
    rows, columns = shares.nonzero()
    if not len(rows):  # scipy picks no entries as a matrix, not as an array
        return np.zeros(shares.shape[0])
    p = np.asarray(shares[rows, columns], dtype=np.float64).ravel()
    q = np.asarray(other[rows, columns], dtype=np.float64).ravel()
    total = np.bincount(rows, p * np.log(p / q), minlength=shares.shape[0])
    return np.maximum(total, 0)  # equal shares may differ by rounding


def _where_both(history: Shares, listed: Shares, values: Floats) -> Floats:
    both = (np.diff(history.indptr) > 0) & (np.diff(listed.indptr) > 0)
    return np.where(both, values, np.nan)
