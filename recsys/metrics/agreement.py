"""How much two recommenders' lists for the same users agree.

`one` and `other` are item indices, shape ``(n_users, depth)``, best first, each item at most once,
-1 where there is no item; the depths may differ. `k` is a list length, or several: then there is
one row of values for each.
"""

import numpy as np

from recsys.metrics.hits import (
    ListLength,
    at,
    check_positive,
    lengths,
    rank_numbers,
    running,
    up_to,
)
from recsys.types import Flags, Floats, Indices


def overlap_at_k(one: Indices, other: Indices, *, k: ListLength) -> Floats:
    """Share of the `k` places that hold items of both lists, shape ``(n_users,)``, in [0, 1].

    ``overlap_at_k = |A_k ∩ B_k| / k`` with ``A_k`` and ``B_k`` the first `k` items of each list.

    Examples
    --------
    >>> overlap_at_k(np.array([[3, 5]]), np.array([[5, 4]]), k=2).tolist()
    [0.5]
    """
    return at(k, _shared(one, other, k)) / lengths(k)


def rbo(one: Indices, other: Indices, *, k: ListLength, patience: float = 0.9) -> Floats:
    """Rank-biased overlap of the first `k` ranks, shape ``(n_users,)``: early ranks weigh more.

    ``rbo = (1 - p) · Σ_{t≤k} p^(t-1) · |A_t ∩ B_t| / t`` with `patience` ``p``: a lower bound of
    the overlap of the endless lists, nothing is extrapolated, so equal lists reach ``1 - p^k``.

    References
    ----------
    Webber, Moffat & Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 28(4), 2010.

    Examples
    --------
    >>> rbo(np.array([[3, 5]]), np.array([[5, 3]]), k=2, patience=0.5).tolist()
    [0.25]
    """
    shared = _shared(one, other, k)
    ranks = rank_numbers(len(shared))
    return (1 - patience) * up_to(k, shared / ranks * patience ** (ranks - 1))


def lists_differ(one: Indices, other: Indices, *, k: int) -> Flags:
    """Whether any of the first `k` ranks differs, shape ``(n_users,)``.

    Users for whom it is false cannot tell the two recommenders apart.

    Examples
    --------
    >>> lists_differ(np.array([[3, 5]]), np.array([[3]]), k=2).tolist()
    [True]
    """
    check_positive("k", k)
    return np.asarray((_padded(one, k) != _padded(other, k)).any(axis=1))


def _shared(one: Indices, other: Indices, k: ListLength) -> Floats:
    """Return ``|A_t ∩ B_t|`` for each depth ``t``, shape ``(max(k), n_users)``."""
    check_positive("k", k)
    depth = int(np.max(k))
    left, right = _padded(one, depth).T, _padded(other, depth).T
    new = np.zeros(left.shape)
    for rank in range(depth):
        # What the rank adds: its item on either side among the other side's ranks so far.
        new[rank] += ((left[: rank + 1] == right[rank]) & (right[rank] >= 0)).sum(axis=0)
        new[rank] += ((right[:rank] == left[rank]) & (left[rank] >= 0)).sum(axis=0)
    return running(new)


def _padded(lists: Indices, depth: int) -> Indices:
    padded = np.full((len(lists), depth), -1, dtype=np.int64)
    kept = lists[:, :depth]
    padded[:, : kept.shape[1]] = kept
    return padded
