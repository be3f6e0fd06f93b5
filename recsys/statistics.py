"""How sure a mean over users is. The user is the unit, never the interaction."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from recsys.types import Floats

_BLOCK = 1 << 20
"""Values resampled at a time: bounds the memory, changes no result."""


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes
    ----------
    mean
        The mean over users.
    low, high
        The bounds, in the unit of the mean; nan for one user, who says nothing of the spread.
    n
        Number of users.
    """

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: Floats, *, confidence: float = 0.95) -> Interval:
    """Mean over users with Student's t interval.

    ``mean ± t · s / √n`` with ``s`` the standard deviation (over ``n - 1``), ``n`` the number of
    users and ``t`` the quantile ``(1 + confidence) / 2`` of Student's t with ``n - 1`` degrees
    of freedom.

    Parameters
    ----------
    values
        One finite value for each user, shape ``(n,)``.
    confidence
        Share of such intervals that hold the true mean, between 0 and 1.

    Raises
    ------
    ValueError
        No value, a value that is not finite, or `confidence` out of range.

    References
    ----------
    Student, "The Probable Error of a Mean", Biometrika 6(1), 1908.

    Examples
    --------
    >>> interval = mean_interval(np.array([1.0, 2.0, 3.0]))
    >>> interval.mean, round(interval.low, 3), round(interval.high, 3), interval.n
    (2.0, -0.484, 4.484, 3)
    """
    _check(values, confidence)
    n, mean = len(values), float(values.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, n)
    quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
    margin = quantile * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - margin, mean + margin, n)


def paired_bootstrap(
    one: Floats, other: Floats, *, draws: int = 1000, seed: int, confidence: float = 0.95
) -> Interval:
    """Mean difference between two systems over the same users, with a percentile bootstrap.

    ``mean = Σ_u (other_u - one_u) / n``. Each draw takes ``n`` users with replacement; the bounds
    are the quantiles ``(1 ∓ confidence) / 2`` of the means of the draws.

    Parameters
    ----------
    one, other
        One finite value for each user, shape ``(n,)`` each, users in the same order.
    draws
        How many times the users are drawn anew, at least 1.
    seed
        The same seed gives the same interval.
    confidence
        Share of such intervals that hold the true difference, between 0 and 1.

    Raises
    ------
    ValueError
        No user, different users, a value that is not finite, or an option out of range.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> one, other = np.array([0.1, 0.4, 0.2]), np.array([0.3, 0.5, 0.2])
    >>> interval = paired_bootstrap(one, other, seed=0)
    >>> round(interval.mean, 3), round(interval.low, 3), round(interval.high, 3), interval.n
    (0.1, 0.0, 0.2, 3)
    """
    if one.shape != other.shape:
        raise ValueError(f"users must be the same on both sides, got {one.shape}, {other.shape}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    differences = other - one
    _check(differences, confidence)
    n, mean = len(differences), float(differences.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, n)
    means = _resampled_means(differences, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean, float(low), float(high), n)


def _resampled_means(values: Floats, draws: int, rng: np.random.Generator) -> Floats:
    n = len(values)
    rows = max(1, _BLOCK // n)
    sizes = [min(rows, draws - done) for done in range(0, draws, rows)]
    means = [values[rng.integers(n, size=(size, n))].mean(axis=1) for size in sizes]
    return np.concatenate(means)


def _check(values: Floats, confidence: float) -> None:
    if values.ndim != 1 or not len(values):
        raise ValueError(f"a mean needs one value for each of 1 or more users, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, got {values[~np.isfinite(values)][0]}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
