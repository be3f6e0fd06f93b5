"""How calm segments are: between two moments, and under cut points learnt from other users."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.errors import DataError
from recsys.random import generator
from recsys.types import Floats, Indices, Membership

RANGE = (0.025, 0.975)
"""The quantiles over refits that are told beside a mean."""
_HALF_A_USER = 0.5


def population(membership: Membership) -> Floats:
    """Users in each segment, and last the unknown, shape ``(n_segments + 1,)``.

    What a user's weights lack to 1 is unknown, so the sum is the number of users.

    Examples
    --------
    >>> population(sparse.csr_matrix([[1.0, 0.0], [0.25, 0.5], [0.0, 0.0]])).tolist()
    [1.25, 0.5, 1.25]
    """
    weights = np.asarray(membership.sum(axis=0), dtype=np.float64).ravel()
    return np.append(weights, max(membership.shape[0] - weights.sum(), 0.0))


def psi(before: Floats, after: Floats) -> float:
    """Return the population stability index: how far the sizes of segments have shifted.

    ``PSI = Σ_b (p_b - q_b) · ln(p_b / q_b)`` with ``p_b = (n_b + ½) / Σ_c (n_c + ½)`` the share
    of bin ``b`` after, ``q_b`` the same before. The half user keeps it finite where a segment
    comes into being or dies out; a bin that is empty at both moments is left out. By custom below
    0.1 is calm and above 0.25 is a shift, whatever the number of users; chance alone gives two
    samples of ``m`` and ``n`` users about ``(bins - 1) (1/m + 1/n)``.

    Parameters
    ----------
    before, after
        Users in each bin, at least 0, the unknown being a bin of its own, in the same order,
        shape ``(n_bins,)`` each: see `population`.

    Returns
    -------
    float
        At least 0, in nats; nan if there is nobody at one of the moments.

    Raises
    ------
    DataError
        When the bins are not the same.

    References
    ----------
    Siddiqi, "Credit Risk Scorecards", 2006; Yurdakul & Naranjo, "Statistical Properties of the
    Population Stability Index", Journal of Risk Model Validation 14(4), 2020.

    Examples
    --------
    >>> round(psi(np.array([50.0, 50.0]), np.array([70.0, 30.0])), 3)
    0.166
    """
    if before.shape != after.shape:
        raise DataError(
            f"{len(before)} bins before and {len(after)} after; give both in one order of segments"
        )
    if not before.any() or not after.any():
        return math.nan
    used = (before > 0) | (after > 0)
    q, p = _smoothed(before[used]), _smoothed(after[used])
    return float(((p - q) * np.log(p / q)).sum())


def _smoothed(users: Floats) -> Floats:
    return np.asarray((users + _HALF_A_USER) / (users + _HALF_A_USER).sum())


def largest(membership: Membership) -> Indices:
    """Each user's segment of the largest weight, shape ``(n_users,)``; -1 without any.

    Of equal weights the first column counts.

    Examples
    --------
    >>> largest(sparse.csr_matrix([[0.25, 0.5], [0.0, 0.0], [0.5, 0.5]])).tolist()
    [1, -1, 0]
    """
    n_users = membership.shape[0]
    rows = np.repeat(np.arange(n_users), np.diff(membership.indptr))
    order = np.lexsort((membership.indices, -membership.data, rows))
    known, first = np.unique(rows[order], return_index=True)
    codes = np.full(n_users, -1, dtype=np.int64)
    codes[known] = membership.indices[order[first]]
    return codes


def adjusted_rand(one: Indices, other: Indices) -> float:
    """Return the adjusted Rand index of two divisions of the same users.

    ``ARI = (S - E) / (½ (A + B) - E)`` with ``S = Σ_gh C(n_gh, 2)`` the pairs of users that are
    together on both sides, ``A = Σ_g C(a_g, 2)``, ``B = Σ_h C(b_h, 2)`` those together on one
    side, and ``E = A B / C(n, 2)`` what chance alone would leave of ``S``: 1 for the same
    division, 0 on average for independent ones; it may be below 0. The names play no part.

    Parameters
    ----------
    one, other
        Segment of each user, shape ``(n_users,)`` each; a user who is unknown (-1) on either side
        is left out. For memberships by degrees, give `largest`.

    Returns
    -------
    float
        At most 1; nan for fewer than two users.

    Raises
    ------
    DataError
        When the users are not the same.

    References
    ----------
    Hubert & Arabie, "Comparing Partitions", Journal of Classification 2, 1985.

    Examples
    --------
    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    >>> round(adjusted_rand(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])), 3)
    0.571
    """
    _check_users(len(one), len(other))
    known = (one >= 0) & (other >= 0)
    if known.sum() < 2:
        return math.nan
    table = sparse.coo_matrix((np.ones(known.sum()), (one[known], other[known]))).tocsr()
    together = _couples(table.data)
    left = _couples(np.asarray(table.sum(axis=1)))
    right = _couples(np.asarray(table.sum(axis=0)))
    chance = left * right / _couples(np.array(known.sum()))
    most = (left + right) / 2
    # Equal only where both divisions hold everybody together, or everybody apart.
    return 1.0 if most == chance else (together - chance) / (most - chance)


def _couples(sizes: Floats | Indices) -> float:
    return float((sizes * (sizes - 1.0) / 2).sum())


def jaccard(one: Membership, other: Membership) -> Floats:
    """How much of each segment is the same on both sides, shape ``(n_segments,)``, in [0, 1].

    ``J_g = Σ_u min(m_ug, m'_ug) / Σ_u max(m_ug, m'_ug)``; for whole members that is ``|A ∩ B| /
    |A ∪ B|``. nan for a segment that is empty on both sides.

    Parameters
    ----------
    one, other
        The same users and the same segments, shape ``(n_users, n_segments)`` each.

    Raises
    ------
    DataError
        When users or segments are not the same.

    References
    ----------
    Ruzicka, 1958, for weights; Jaccard, 1901.

    Examples
    --------
    >>> one = sparse.csr_matrix([[1.0, 0.0], [0.5, 0.5]])
    >>> jaccard(one, sparse.csr_matrix([[1.0, 0.0], [1.0, 0.0]])).tolist()
    [0.75, 0.0]
    """
    _check_users(one.shape[0], other.shape[0])
    if one.shape[1] != other.shape[1]:
        raise DataError(
            f"{one.shape[1]} segments on one side and {other.shape[1]} on the other; "
            "lay both out in one order of segments"
        )
    return _ratio(_sums(one.minimum(other)), _sums(one.maximum(other)))


def best_jaccard(one: Membership, other: Membership) -> Floats:
    """As `jaccard`, against whichever segment of `other` is most like it, ``(n_segments,)``.

    For clusters, which have no name that says which is which. Several may take the same one.

    Parameters
    ----------
    one
        Shape ``(n_users, n_segments)``.
    other
        The same users in any number of segments.

    Raises
    ------
    DataError
        When the users are not the same.

    References
    ----------
    Hennig, "Cluster-wise Assessment of Cluster Stability", Computational Statistics & Data
    Analysis 52(1), 2007.

    Examples
    --------
    >>> one = sparse.csr_matrix([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> best_jaccard(one, sparse.csr_matrix([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])).tolist()
    [1.0, 1.0]
    """
    _check_users(one.shape[0], other.shape[0])
    rows = np.repeat(np.arange(one.shape[0]), np.diff(one.indptr))
    sizes = _sums(one)
    best = np.where(sizes > 0, 0.0, np.nan)
    for column in range(other.shape[1]):
        theirs = other[:, [column]].toarray().ravel()
        least = np.minimum(one.data, theirs[rows])
        shared = np.bincount(one.indices, weights=least, minlength=one.shape[1]).astype(np.float64)
        best = np.maximum(best, _ratio(shared, sizes + theirs.sum() - shared))
    return best


def _sums(membership: Membership) -> Floats:
    return np.asarray(membership.sum(axis=0), dtype=np.float64).ravel()


def _ratio(shared: Floats, either: Floats) -> Floats:
    return shared / np.where(either > 0, either, np.nan)


@dataclass(frozen=True)
class Stability:
    """How alike segments come out when their cut points are learnt from other users.

    The ranges are the quantiles `RANGE` over the refits: how far single refits lie apart, not how
    sure the mean is.

    Attributes
    ----------
    refits
        How many there were.
    ari, ari_low, ari_high
        `adjusted_rand` with each refit: mean and range; nan where nobody is known.
    jaccard, jaccard_low, jaccard_high
        `jaccard` of each segment with each refit, shape ``(n_segments,)``; nan for a segment that
        is always empty.
    """

    refits: int
    ari: float
    ari_low: float
    ari_high: float
    jaccard: Floats
    jaccard_low: Floats
    jaccard_high: Floats


def stability_of(
    membership: Membership,
    refit: Callable[[Indices], Membership],
    *,
    seed: int,
    refits: int = 50,
    named: bool = True,
) -> Stability:
    """Learn the cut points anew from bootstrap draws of the users, and compare.

    Parameters
    ----------
    membership
        As learnt from all users, shape ``(n_users, n_segments)``.
    refit
        Takes the users of a draw, with repeats, shape ``(n_users,)``; learns from them and returns
        the memberships of all users, shape ``(n_users, n_segments)``.
    seed
        The same seed gives the same draws.
    refits
        How many draws, at least 1.
    named
        False: columns of the refits may stand in any order and number (clusters), so that
        `best_jaccard` compares them.

    Raises
    ------
    DataError
        No draw, or a refit with other users or, if `named`, other segments.

    References
    ----------
    Hennig, 2007, see `best_jaccard`: below 0.6 a cluster should not be trusted, above 0.85 it is
    highly stable.

    Examples
    --------
    >>> spend = np.arange(40.0)
    >>> def refit(rows):
    ...     rich = spend >= np.median(spend[rows])
    ...     return sparse.csr_matrix(np.stack([~rich, rich], axis=1).astype(np.float64))
    >>> found = stability_of(refit(np.arange(40)), refit, seed=0)
    >>> bool(0 < found.ari_low <= found.ari <= found.ari_high <= 1)
    True
    """
    if refits < 1:
        raise DataError(f"refits must be at least 1, got {refits}")
    codes, likeness = largest(membership), jaccard if named else best_jaccard
    agreements, overlaps = [], []
    for number in range(refits):
        other = sparse.csr_matrix(refit(_draw(membership.shape[0], seed, number)))
        agreements.append(adjusted_rand(codes, largest(other)))
        overlaps.append(likeness(membership, other))
    ari = _spread(np.asarray(agreements)[:, np.newaxis])[:, 0].tolist()
    return Stability(refits, *ari, *_spread(np.asarray(overlaps)))


def _draw(n_users: int, seed: int, number: int) -> Indices:
    # A draw of its own for each refit: more refits leave the first ones as they were.
    return generator(seed, "stability", str(number)).integers(n_users, size=n_users)


def _spread(values: Floats) -> Floats:
    """Return mean and range of each column, shape ``(3, n)``, of the refits that have a value."""
    found = np.full((3, values.shape[1]), np.nan)
    for column, one in enumerate(values.T):
        known = one[~np.isnan(one)]
        if len(known):
            found[:, column] = [np.mean(known), *np.quantile(known, RANGE)]
    return found


def _check_users(one: int, other: int) -> None:
    if one != other:
        raise DataError(f"{one} users on one side and {other} on the other; give the same users")
