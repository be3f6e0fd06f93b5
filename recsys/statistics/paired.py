"""Two systems over the same users: Student's t, sign flips, and the tests that ignore size.

Wilcoxon's and the sign test are here for those who have to repeat older work. With many users
they reject differences that are not there (Ihemelandu & Ekstrand, "Inference at Scale: Significance
Testing for Large Search and Recommendation Experiments", SIGIR 2023), so no verdict uses them.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, stdtrit

from recsys.statistics.intervals import (
    Estimate,
    Interval,
    check_confidence,
    check_values,
    estimate,
)
from recsys.types import Floats

_EXACT_USERS = 16
"""Up to so many users that differ, all sign flips are gone through."""
_TOLERANCE = 1e-12
"""A flipped mean within this share of the observed one counts as reaching it."""
_BLOCK = 1 << 20
"""Counts drawn at a time: bounds the memory, changes no result."""


@dataclass(frozen=True)
class PairedT:
    """A paired t test.

    Attributes
    ----------
    one, other
        The two means.
    difference
        ``mean(other - one)`` with Student's t interval.
    relative
        ``mean(other) / mean(one) - 1`` with an interval on the log scale; nan where a mean is
        not above 0.
    t, p
        The statistic and its two-sided p; 0 and 1 where nobody differs.
    dz
        Cohen's dz, mean over standard deviation of the differences; 0 where nobody differs.
    """

    one: float
    other: float
    difference: Interval
    relative: Interval
    t: float
    p: float
    dz: float


def paired_t(one: Floats, other: Floats, *, confidence: float = 0.95) -> PairedT:
    """Compare two systems over the same users by Student's t.

    ``t = d̄ √n / s``, ``dz = d̄ / s``, with ``d̄`` the mean and ``s`` the standard deviation (over
    ``n - 1``) of the users' differences. The relative difference ``r = m2 / m1 - 1`` has its
    interval on the log scale, by the delta method:
    ``log(1 + r) ± t · sd(v_u / m2 - w_u / m1) / √n``, with ``w_u``, ``v_u`` a user's values on
    one and the other side and ``m1``, ``m2`` their means; so it never passes below -100 %.

    Parameters
    ----------
    one, other
        One finite value for each user, shape ``(n,)`` each, users in the same order.
    confidence
        Share of such intervals that hold the truth, between 0 and 1.

    Raises
    ------
    ValueError
        No user, different users, a value that is not finite, or `confidence` out of range.

    References
    ----------
    Student, "The Probable Error of a Mean", Biometrika 6(1), 1908; Cohen, "Statistical Power
    Analysis for the Behavioral Sciences", 2nd ed. 1988, section 2.3.5.

    Examples
    --------
    >>> found = paired_t(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.5, 4.5]))
    >>> found.difference.mean, round(found.t, 3), round(found.p, 3), round(found.dz, 3)
    (1.0, 3.464, 0.074, 2.0)
    """
    if one.shape != other.shape:
        raise ValueError(f"users must be the same on both sides, got {one.shape}, {other.shape}")
    check_values(one)
    check_values(other)
    check_confidence(confidence)
    found = estimate(other - one)
    t = _over(found.mean, found.error)
    return PairedT(
        one=float(one.mean()),
        other=float(other.mean()),
        difference=found.interval(confidence),
        relative=_relative(one, other, confidence),
        t=t,
        p=found.p(),
        dz=t / math.sqrt(found.n),
    )


def _over(mean: float, error: float) -> float:
    if error > 0 or math.isnan(error):
        return mean / error
    return math.copysign(math.inf, mean) if mean else 0.0


def _relative(one: Floats, other: Floats, confidence: float) -> Interval:
    n, m1, m2 = len(one), float(one.mean()), float(other.mean())
    if m1 <= 0 or m2 <= 0:
        mean = m2 / m1 - 1 if m1 > 0 else math.nan
        return Interval(mean, math.nan, math.nan, n)
    scaled: Estimate = estimate(other / m2 - one / m1)
    margin = float(stdtrit(n - 1, (1 + confidence) / 2)) * scaled.error
    ratio = m2 / m1
    return Interval(ratio - 1, ratio * math.exp(-margin) - 1, ratio * math.exp(margin) - 1, n)


def sign_flip(differences: Floats, *, draws: int = 10_000, seed: int) -> float:
    """Two-sided p of Fisher's randomisation test: which system is which might be chance.

    The share of sign flips of the users' differences whose mean is at least as far from 0 as
    the observed one. With up to 16 users that differ, all flips are gone through; above, `draws`
    random ones are, and ``p = (1 + reached) / (1 + draws)``, which is never 0.

    Parameters
    ----------
    differences
        One finite value for each user, shape ``(n,)``.
    draws
        Random flips, at least 1; not used where all are gone through.
    seed
        The same seed gives the same p.

    Raises
    ------
    ValueError
        No user, a value that is not finite, or `draws` below 1.

    References
    ----------
    Fisher, "The Design of Experiments", 1935, section 21; Phipson & Smyth, "Permutation P-values
    Should Never Be Zero", 2010.

    Examples
    --------
    >>> sign_flip(np.array([1.0, 2.0, 3.0]), seed=0)
    0.25
    """
    check_values(differences)
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    # Users who do not differ flip to themselves.
    sizes = np.abs(differences[differences != 0])
    least = abs(float(differences.sum())) * (1 - _TOLERANCE)
    if len(sizes) <= _EXACT_USERS:
        return float(np.mean(np.abs(_all_flips(sizes)) >= least))
    sums = _random_flips(sizes, draws, np.random.default_rng(seed))
    return float((1 + np.sum(np.abs(sums) >= least)) / (1 + draws))


def _all_flips(sizes: Floats) -> Floats:
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def _random_flips(sizes: Floats, draws: int, rng: np.random.Generator) -> Floats:
    # Of c users with one size, the number that keep their sign is binomial.
    distinct, counts = np.unique(sizes, return_counts=True)
    rows = max(1, _BLOCK // len(distinct))
    blocks = [min(rows, draws - done) for done in range(0, draws, rows)]
    kept = (rng.binomial(counts, 0.5, size=(block, len(counts))) for block in blocks)
    return np.concatenate([(2 * block - counts) @ distinct for block in kept])


def sign_test(differences: Floats) -> float:
    """Two-sided p of the sign test, users who do not differ left out; 1 where nobody does.

    ``p = min(1, 2 · P(X ≤ min(wins, losses)))``, ``X`` binomial with chance ½.

    Parameters
    ----------
    differences
        One finite value for each user, shape ``(n,)``.

    Raises
    ------
    ValueError
        No user, or a value that is not finite.

    Examples
    --------
    >>> sign_test(np.array([0.1, 0.2, 0.3, -0.1]))
    0.625
    """
    check_values(differences)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def wilcoxon(differences: Floats) -> tuple[float, float]:
    """Wilcoxon's signed-rank statistic and its exact two-sided p.

    ``W = min(sum of the ranks of the gains, of the losses)``, ranks of the absolute differences
    from 1, equal ones by their mean rank; users who do not differ are left out. The p counts the
    sign flips of the ranks with ``W`` at most as large: time and memory grow as ``n³``, ``n²``.

    Parameters
    ----------
    differences
        One finite value for each user, shape ``(n,)``.

    Returns
    -------
    tuple
        ``W`` and ``p``; 0 and 1 where nobody differs.

    Raises
    ------
    ValueError
        No user, or a value that is not finite.

    References
    ----------
    Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1(6), 1945.

    Examples
    --------
    >>> wilcoxon(np.array([1.0, 2.0, 3.0, -0.5]))
    (1.0, 0.25)
    """
    check_values(differences)
    moved = differences[differences != 0]
    _, inverse, counts = np.unique(np.abs(moved), return_inverse=True, return_counts=True)
    # Twice the mean rank is a whole number, so that sums of ranks can be counted exactly.
    doubled = (2 * np.cumsum(counts) - counts + 1)[inverse]
    least = int(min(doubled[moved > 0].sum(), doubled[moved < 0].sum()))
    chances = np.ones(1)
    for rank in doubled:
        chances = (np.append(chances, np.zeros(rank)) + np.append(np.zeros(rank), chances)) / 2
    return least / 2, min(1.0, 2 * float(chances[: least + 1].sum()))
