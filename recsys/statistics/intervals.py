"""A mean over users, plain or weighted by membership, with Student's t interval."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from recsys.types import Floats


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


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error.

    Attributes
    ----------
    mean
        The mean over users, weighted or not.
    error
        Its standard error; nan where the weights amount to one user.
    n
        Number of users with a weight above 0.
    effective_n
        How many users of equal weight would say as much; `n` where all weights are equal.
    """

    mean: float
    error: float
    n: int
    effective_n: float

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return ``mean ± t · error``, `t` of ``effective_n - 1`` degrees of freedom."""
        quantile = float(stdtrit(self.effective_n - 1, (1 + confidence) / 2))
        margin = quantile * self.error
        return Interval(self.mean, self.mean - margin, self.mean + margin, self.n)

    def p(self) -> float:
        """Two-sided p that the true mean is 0; nan where the error is unknown."""
        if self.error > 0:
            return 2 * float(stdtr(self.effective_n - 1, -abs(self.mean) / self.error))
        return self._p_without_spread(self.mean == 0)

    def p_below(self) -> float:
        """One-sided p against "the true mean is 0 or more": small where it is below 0."""
        if self.error > 0:
            return float(stdtr(self.effective_n - 1, self.mean / self.error))
        return self._p_without_spread(self.mean >= 0)

    def _p_without_spread(self, holds: bool) -> float:
        # Values that are all equal leave no doubt; one user alone says nothing.
        return math.nan if math.isnan(self.error) else float(holds)


def effective_n(weights: Floats) -> float:
    """Kish's effective number of users, ``(Σ w)² / Σ w²``; 0 without weights.

    Parameters
    ----------
    weights
        Not negative, shape ``(n,)``.

    References
    ----------
    Kish, "Survey Sampling", 1965.

    Examples
    --------
    >>> effective_n(np.array([1.0, 1.0, 1.0])), effective_n(np.array([1.0, 0.5]))
    (3.0, 1.8)
    """
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def estimate(values: Floats, weights: Floats | None = None) -> Estimate:
    """Mean over users with its standard error.

    ``m = Σ w x / Σ w`` and ``error² = Σ w² (x - m)² / (Σ w)² · e / (e - 1)`` with ``e`` Kish's
    effective number of users: the linearised variance, right also where heavy and light members
    differ in spread. With equal weights it is ``s² / n``.

    Parameters
    ----------
    values
        One finite value for each user, shape ``(n,)``.
    weights
        Memberships, at least 0 and not all 0, shape ``(n,)``; default: all equal.

    Raises
    ------
    ValueError
        No value, a value that is not finite, or weights that are not such.

    References
    ----------
    Cochran, "Sampling Techniques", 3rd ed. 1977, chapter 6 (the ratio estimator).

    Examples
    --------
    >>> found = estimate(np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 0.5]))
    >>> round(found.mean, 3), round(found.error, 3), found.n, round(found.effective_n, 3)
    (2.0, 0.707, 3, 2.778)
    """
    check_values(values)
    if weights is None:
        weights = np.ones(len(values))
    _check_weights(values, weights)
    total = float(weights.sum())
    mean = float((weights * values).sum()) / total
    effective = effective_n(weights)
    n = int((weights > 0).sum())
    if n == 1:
        return Estimate(mean, math.nan, n, 1.0)
    spread = weights * (values - mean)
    variance = float(spread @ spread) / total**2 * effective / (effective - 1)
    return Estimate(mean, math.sqrt(variance), n, effective)


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
    check_confidence(confidence)
    return estimate(values).interval(confidence)


def weighted_mean_interval(
    values: Floats, weights: Floats, *, confidence: float = 0.95
) -> Interval:
    """Mean of a segment whose users belong to it by degrees, with Student's t interval.

    As `estimate`, with ``t`` of ``e - 1`` degrees of freedom, ``e`` Kish's effective number of
    users. With equal weights it is `mean_interval`.

    Parameters
    ----------
    values
        One finite value for each user, shape ``(n,)``.
    weights
        Memberships, at least 0 and not all 0, shape ``(n,)``.
    confidence
        Share of such intervals that hold the true mean, between 0 and 1.

    Raises
    ------
    ValueError
        As `estimate`, or `confidence` out of range.

    Examples
    --------
    >>> interval = weighted_mean_interval(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 0.0]))
    >>> interval.mean, interval.n
    (1.5, 2)
    """
    check_confidence(confidence)
    return estimate(values, weights).interval(confidence)


def check_values(values: Floats) -> None:
    """Refuse what has no mean.

    Raises
    ------
    ValueError
        No value, more than one for each user, or a value that is not finite.
    """
    if values.ndim != 1 or not len(values):
        raise ValueError(f"a mean needs one value for each of 1 or more users, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, got {values[~np.isfinite(values)][0]}")


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is no share.

    Raises
    ------
    ValueError
        Not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")


def _check_weights(values: Floats, weights: Floats) -> None:
    if weights.shape != values.shape:
        raise ValueError(f"one weight for each user: {weights.shape} for {values.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError("weights must be finite, at least 0, and not all 0")
