"""Two groups of users side by side: the difference of means, of shares and of ratios.

Each group is an `Estimate`, and so is their difference: what tests and intervals need of either is
a mean, its standard error and how many users that amounts to.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from recsys.statistics.intervals import Estimate, Interval, check_confidence, check_values, estimate
from recsys.types import Floats


def estimate_from_sums(n: int, total: float, squares: float) -> Estimate:
    """Return the mean of `n` users of whom only ``Σ x`` and ``Σ x²`` are known.

    Raises
    ------
    ValueError
        No user, or squares that no values have.

    Examples
    --------
    >>> found = estimate_from_sums(3, 7.0, 21.0)
    >>> round(found.mean, 3), round(found.error, 3)
    (2.333, 0.882)
    """
    if n < 1:
        raise ValueError(f"a mean needs a user, got n={n}")
    spread = squares - total * total / n
    if spread < -1e-9 * max(abs(squares), 1.0):
        raise ValueError(f"no {n} values add up to {total} and their squares to {squares}")
    if n == 1:
        return Estimate(total, math.nan, 1, 1.0)
    return Estimate(total / n, math.sqrt(max(spread, 0.0) / (n - 1) / n), n, float(n))


def estimate_share(successes: int, n: int) -> Estimate:
    """Return the share of `n` users who did something, ``error² = p (1 − p) / n``.

    Raises
    ------
    ValueError
        No user, or a number of successes outside 0 to `n`.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    share = successes / n
    return Estimate(share, math.sqrt(share * (1 - share) / n), n, float(n))


def estimate_ratio(tops: Floats, bottoms: Floats) -> Estimate:
    """Return ``R = Σ y / Σ x`` over users, with the error of the delta method.

    ``error² = (s_y² − 2 R s_xy + R² s_x²) / (x̄² n)``: users are the unit, so that one who looks
    often does not count as many. It is the mean of ``R + (y_u − R x_u) / x̄``.

    Parameters
    ----------
    tops, bottoms
        ``y_u`` and ``x_u`` of each user, such as clicks and lists seen, shape ``(n,)``.

    Raises
    ------
    ValueError
        No user, a value that is not finite, or bottoms that add up to 0.

    References
    ----------
    Deng, Knoblich, Lu, "Applying the Delta Method in Metric Analytics", KDD 2018.

    Examples
    --------
    >>> found = estimate_ratio(np.array([1.0, 0.0, 2.0]), np.array([4.0, 1.0, 5.0]))
    >>> round(found.mean, 3), round(found.error, 3)
    (0.3, 0.075)
    """
    check_values(tops)
    check_values(bottoms)
    if len(tops) != len(bottoms):
        raise ValueError(f"users must be the same, got {len(tops)} and {len(bottoms)}")
    mean = float(bottoms.mean())
    if not mean:
        raise ValueError("a ratio needs bottoms that do not add up to 0")
    ratio = float(tops.mean()) / mean
    return estimate(ratio + (tops - ratio * bottoms) / mean)


def welch(control: Estimate, treatment: Estimate) -> Estimate:
    """Return the difference, treatment less control, of two groups with spreads of their own.

    ``error² = e_c² + e_t²`` with Welch and Satterthwaite's degrees of freedom
    ``(e_c² + e_t²)² / (e_c⁴ / ν_c + e_t⁴ / ν_t)``.

    References
    ----------
    Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances
    are Involved", Biometrika 34, 1947.

    Examples
    --------
    >>> one, other = estimate(np.array([1.0, 2.0, 3.0])), estimate(np.array([2.0, 4.0, 6.0]))
    >>> found = welch(one, other)
    >>> found.mean, round(found.error, 3), round(found.effective_n - 1, 3)
    (2.0, 1.291, 2.941)
    """
    return _combined(treatment.mean - control.mean, control, treatment, 1.0, 1.0)


def relative(control: Estimate, treatment: Estimate) -> Estimate:
    """Return ``m_t / m_c − 1`` with the delta method's error, symmetric around it.

    ``error² = e_t² / m_c² + m_t² e_c² / m_c⁴``; degrees of freedom are those of `welch`. For an
    interval take `relative_interval`, which cannot pass below −100 %.

    Raises
    ------
    ValueError
        When the control's mean is 0.
    """
    if not control.mean:
        raise ValueError("relative to a control whose mean is 0 there is no difference")
    ratio = treatment.mean / control.mean
    error = math.hypot(treatment.error, ratio * control.error) / abs(control.mean)
    absolute = welch(control, treatment)
    return Estimate(ratio - 1, error, absolute.n, absolute.effective_n)


def log_ratio(control: Estimate, treatment: Estimate) -> Estimate:
    """Return ``log(m_t / m_c)``, ``error² = e_c² / m_c² + e_t² / m_t²``, freedom as in `welch`.

    Raises
    ------
    ValueError
        When a mean is not above 0.
    """
    if control.mean <= 0 or treatment.mean <= 0:
        raise ValueError(
            f"a logarithm needs means above 0, got {control.mean:g} and {treatment.mean:g}"
        )
    mean = math.log(treatment.mean / control.mean)
    return _combined(mean, control, treatment, 1 / control.mean, 1 / treatment.mean)


def relative_interval(
    control: Estimate, treatment: Estimate, *, confidence: float = 0.95
) -> Interval:
    """Return ``m_t / m_c − 1`` with an interval on the log scale; nan where a mean is not above 0.

    Examples
    --------
    >>> one, other = Estimate(2.0, 0.1, 500, 500.0), Estimate(2.2, 0.1, 500, 500.0)
    >>> found = relative_interval(one, other)
    >>> round(found.low, 3), round(found.mean, 3), round(found.high, 3)
    (-0.037, 0.1, 0.256)
    """
    check_confidence(confidence)
    if control.mean <= 0 or treatment.mean <= 0:
        mean = treatment.mean / control.mean - 1 if control.mean > 0 else math.nan
        return Interval(mean, math.nan, math.nan, control.n + treatment.n)
    return as_relative(log_ratio(control, treatment).interval(confidence))


def as_relative(logarithm: Interval) -> Interval:
    """Return an interval of a log ratio as one of the relative difference."""
    mean, low, high = (math.expm1(x) for x in (logarithm.mean, logarithm.low, logarithm.high))
    return Interval(mean, low, high, logarithm.n)


class Shares(NamedTuple):
    """Two shares compared.

    Attributes
    ----------
    difference
        Treatment less control with Newcombe's interval, which holds for small shares too.
    z, p
        Of the pooled test, two-sided; 0 and 1 where nobody or everybody did it.
    """

    difference: Interval
    z: float
    p: float


def compare_shares(
    control: tuple[int, int], treatment: tuple[int, int], *, confidence: float = 0.95
) -> Shares:
    """Compare the shares of users who did something.

    ``z = (p_t − p_c) / sqrt(p̄ (1 − p̄) (1/n_c + 1/n_t))``; the interval joins Wilson's of each side.

    Parameters
    ----------
    control, treatment
        How many did it, and of how many.
    confidence
        Share of such intervals that hold the truth.

    Raises
    ------
    ValueError
        When a pair is no share, or `confidence` is out of range.

    References
    ----------
    Newcombe, "Interval Estimation for the Difference Between Independent Proportions", Statistics
    in Medicine 17, 1998, method 10.

    Examples
    --------
    >>> found = compare_shares((1320, 10000), (1450, 10000))
    >>> round(found.difference.low, 4), round(found.z, 3), round(found.p, 4)
    (0.0034, 2.661, 0.0078)
    """
    check_confidence(confidence)
    one, other = estimate_share(*control), estimate_share(*treatment)
    mean, pooled = other.mean - one.mean, (control[0] + treatment[0]) / (one.n + other.n)
    error = math.sqrt(pooled * (1 - pooled) * (1 / one.n + 1 / other.n))
    z = mean / error if error else 0.0
    (low, high), (low_other, high_other) = (wilson(e, confidence) for e in (one, other))
    down = math.hypot(other.mean - low_other, high - one.mean)
    up = math.hypot(high_other - other.mean, one.mean - low)
    interval = Interval(mean, mean - down, mean + up, one.n + other.n)
    return Shares(interval, z, 2 * float(ndtr(-abs(z))))


def wilson(share: Estimate, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share of users, within 0 and 1.

    References
    ----------
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.
    """
    z, n, p = float(ndtri((1 + confidence) / 2)), share.n, share.mean
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    margin = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(centre - margin, 0.0), min(centre + margin, 1.0)


def _combined(
    mean: float, one: Estimate, other: Estimate, scale_one: float, scale_other: float
) -> Estimate:
    parts = np.square([scale_one * one.error, scale_other * other.error])
    free = np.array([one.effective_n - 1, other.effective_n - 1])
    whole = float(parts.sum())
    n = one.n + other.n
    if not whole > 0:
        # No spread at all, or one user alone, of whose spread nothing is known.
        return Estimate(mean, math.sqrt(whole), n, float(n))
    return Estimate(mean, math.sqrt(whole), n, 1 + whole**2 / float((parts**2 / free).sum()))
