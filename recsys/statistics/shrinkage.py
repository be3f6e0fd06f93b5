"""Many small groups that borrow strength from each other: random effects and their posterior.

Group ``g`` has a measured effect ``y_g`` with standard error ``s_g``. The true effects are taken
as normal around a common mean ``μ`` with standard deviation ``τ``:

``y_g ~ N(θ_g, s_g²)``, ``θ_g ~ N(μ, τ²)``.

Errors are taken as known and independent; groups that share users are not quite that. Flat priors
expect large effects, so where most effects are near 0 the rates of wrong signs are too low, up to
twice (`benchmarks/quality/comparison.py`). Call them approximate; `heterogeneity` comes first.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtr, ndtri

from recsys.types import Floats

_GRID = 81
"""Points of the default grid of τ."""
_HALVINGS = 50
"""Bisections: past the precision of a float."""


@dataclass(frozen=True)
class Heterogeneity:
    """Whether the groups differ by more than their errors explain.

    Attributes
    ----------
    q
        Cochran's ``Q = Σ w_g (y_g - m)²``, ``w_g = 1 / s_g²``, ``m = Σ w_g y_g / Σ w_g``.
    p
        Its p, chi-squared of ``n_groups - 1`` degrees of freedom; 1 for a single group.
    i2
        ``max(0, 1 - (n_groups - 1) / Q)``: the share of the variance that is not error.
    mean
        ``m``, the mean if all groups had one effect.
    """

    q: float
    p: float
    i2: float
    mean: float


@dataclass(frozen=True)
class Shrunken:
    """The groups' effects after borrowing strength, all of shape ``(n_groups,)``.

    Attributes
    ----------
    mean, sd
        Of each true effect's posterior.
    low, high
        The quantiles ``(1 ∓ confidence) / 2`` of the posterior.
    below
        Posterior probability that the true effect is below 0.
    pull
        How much of the way to the common mean an effect was drawn, between 0 and 1.
    common, common_error
        Posterior mean and standard deviation of ``μ``.
    tau
        ``τ``, or its posterior mean.
    """

    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    below: Floats
    pull: Floats
    common: float
    common_error: float
    tau: float

    @property
    def false_sign_rate(self) -> Floats:
        """Probability that the sign of `mean` is wrong: ``min(below, 1 - below)``."""
        return np.minimum(self.below, 1 - self.below)


def heterogeneity(effects: Floats, errors: Floats) -> Heterogeneity:
    """Test whether the groups differ.

    Parameters
    ----------
    effects, errors
        ``y_g`` and ``s_g``, shape ``(n_groups,)`` each; errors above 0.

    Raises
    ------
    ValueError
        No group, arrays that differ in length, or an error that is not above 0.

    References
    ----------
    Cochran, "The Combination of Estimates from Different Experiments", Biometrics 10(1), 1954;
    Higgins & Thompson, "Quantifying Heterogeneity in a Meta-Analysis", 2002.

    Examples
    --------
    >>> found = heterogeneity(np.array([0.0, 4.0]), np.array([1.0, 1.0]))
    >>> found.q, round(found.p, 4), found.i2, found.mean
    (8.0, 0.0047, 0.875, 2.0)
    """
    _check(effects, errors)
    weights = errors**-2.0
    mean = float(weights @ effects / weights.sum())
    q = float(weights @ (effects - mean) ** 2)
    free = len(effects) - 1
    p = float(chdtrc(free, q)) if free else 1.0
    return Heterogeneity(q, p, max(0.0, 1 - free / q) if q else 0.0, mean)


def dersimonian_laird(effects: Floats, errors: Floats) -> float:
    """Variance between groups by moments: ``τ² = max(0, (Q - (n_groups - 1)) / (W - Σ w² / W))``.

    ``W = Σ w_g``; the rest as in `heterogeneity`. 0 for a single group.

    Parameters
    ----------
    effects, errors
        ``y_g`` and ``s_g``, shape ``(n_groups,)`` each; errors above 0.

    Raises
    ------
    ValueError
        As `heterogeneity`.

    References
    ----------
    DerSimonian & Laird, "Meta-Analysis in Clinical Trials", Controlled Clinical Trials 7(3), 1986.

    Examples
    --------
    >>> dersimonian_laird(np.array([0.0, 4.0]), np.array([1.0, 1.0]))
    7.0
    """
    q = heterogeneity(effects, errors).q
    if len(effects) == 1:
        return 0.0
    weights = errors**-2.0
    total = float(weights.sum())
    return max(0.0, (q - (len(effects) - 1)) / (total - float(weights @ weights) / total))


def paule_mandel(effects: Floats, errors: Floats) -> float:
    """Variance between groups: the ``τ²`` with ``Σ (y_g - μ)² / (s_g² + τ²) = n_groups - 1``.

    ``μ`` is the mean weighted by ``1 / (s_g² + τ²)``; 0 where the sum starts below. The sum falls
    as ``τ²`` grows, so halving finds the root.

    Parameters
    ----------
    effects, errors
        ``y_g`` and ``s_g``, shape ``(n_groups,)`` each; errors above 0.

    Raises
    ------
    ValueError
        As `heterogeneity`.

    References
    ----------
    Paule & Mandel, "Consensus Values and Weighting Factors", Journal of Research of the National
    Bureau of Standards 87(5), 1982.

    Examples
    --------
    >>> round(paule_mandel(np.array([0.0, 4.0]), np.array([1.0, 1.0])), 9)
    7.0
    """
    _check(effects, errors)
    low, high = 0.0, float(np.sum((effects - effects.mean()) ** 2))
    if _excess(effects, errors, low) <= 0:
        return 0.0
    for _ in range(2 * _HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _excess(effects, errors, middle) > 0 else (low, middle)
    return (low + high) / 2


def _excess(effects: Floats, errors: Floats, tau2: float) -> float:
    # Q with the groups' own variance in it, less what it would be on average.
    return heterogeneity(effects, np.sqrt(errors**2 + tau2)).q - (len(effects) - 1)


def shrink(effects: Floats, errors: Floats, tau2: float, *, confidence: float = 0.95) -> Shrunken:
    """Posterior of each group's effect for one known variance between groups.

    ``B_g = s_g² / (s_g² + τ²)``; mean ``B_g μ + (1 - B_g) y_g``; variance
    ``s_g² (1 - B_g) + B_g² Var(μ)``; ``μ`` the mean weighted by ``1 / (s_g² + τ²)``, whose
    variance is one over the sum of the weights.

    Parameters
    ----------
    effects, errors
        ``y_g`` and ``s_g``, shape ``(n_groups,)`` each; errors above 0.
    tau2
        ``τ²``, at least 0: from `dersimonian_laird` or `paule_mandel`.
    confidence
        Posterior probability between the bounds.

    Raises
    ------
    ValueError
        As `heterogeneity`, or `tau2` below 0.

    References
    ----------
    Efron & Morris, "Data Analysis Using Stein's Estimator and Its Generalizations", JASA 70, 1975.

    Examples
    --------
    >>> shrink(np.array([0.0, 4.0]), np.array([1.0, 1.0]), 1.0).mean.tolist()
    [1.0, 3.0]
    """
    return shrink_over_grid(effects, errors, np.array([math.sqrt(tau2)]), confidence=confidence)


def shrink_over_grid(
    effects: Floats, errors: Floats, taus: Floats | None = None, *, confidence: float = 0.95
) -> Shrunken:
    """Posterior of each group's effect with ``τ`` unknown: full Bayes over a grid.

    Flat priors on ``τ`` over the grid and on ``μ``, which is integrated out:
    ``log p(τ | y) = -½ Σ log(s_g² + τ²) - ½ log W - ½ Σ w_g (y_g - μ_τ)²``,
    ``w_g = 1 / (s_g² + τ²)``, ``W = Σ w_g``. Each effect's posterior is the mixture, over ``τ``,
    of the normals of `shrink`.

    Parameters
    ----------
    effects, errors
        ``y_g`` and ``s_g``, shape ``(n_groups,)`` each; errors above 0.
    taus
        Values of ``τ`` at even steps, at least 0; default: 81 from 0 to five times the standard
        deviation of `effects`. With one or two groups the data do not bound ``τ``, so the grid
        decides.
    confidence
        Posterior probability between the bounds.

    Raises
    ------
    ValueError
        As `heterogeneity`, or a ``τ`` below 0.

    References
    ----------
    Gelman et al., "Bayesian Data Analysis", 3rd ed. 2013, section 5.4; Stephens, "False Discovery
    Rates: a New Deal", Biostatistics 18(2), 2017 (local false sign rate).

    Examples
    --------
    >>> found = shrink_over_grid(np.array([0.0, 0.1, 4.0]), np.array([1.0, 1.0, 1.0]))
    >>> bool(found.mean[0] > 0.0), bool(found.mean[2] < 4.0)
    (True, True)
    """
    _check(effects, errors)
    if taus is None:
        taus = np.linspace(0.0, 5 * float(effects.std()), _GRID)
    if not (taus >= 0).all():
        raise ValueError(f"tau must be at least 0, got {taus.min()}")
    # Rows are values of tau, columns are groups.
    variances = errors**2 + taus[:, np.newaxis] ** 2
    weights = 1 / variances
    totals = weights.sum(axis=1)
    centres = weights @ effects / totals
    chances = _posterior_of_tau(effects, variances, totals, centres)
    pulls = errors**2 * weights
    means = pulls * centres[:, np.newaxis] + (1 - pulls) * effects
    sds = np.sqrt(errors**2 * (1 - pulls) + pulls**2 / totals[:, np.newaxis])
    mean, common = chances @ means, float(chances @ centres)
    low, high = (_quantile(p, chances, means, sds) for p in _tails(confidence))
    return Shrunken(
        mean=mean,
        sd=np.sqrt(chances @ (sds**2 + (means - mean) ** 2)),
        low=low,
        high=high,
        # The chances add up to 1 but for rounding.
        below=np.minimum(chances @ ndtr(-means / sds), 1.0),
        pull=chances @ pulls,
        common=common,
        common_error=math.sqrt(float(chances @ (1 / totals + (centres - common) ** 2))),
        tau=float(chances @ taus),
    )


def _posterior_of_tau(
    effects: Floats, variances: Floats, totals: Floats, centres: Floats
) -> Floats:
    squares = ((effects - centres[:, np.newaxis]) ** 2 / variances).sum(axis=1)
    logs = -0.5 * (np.log(variances).sum(axis=1) + np.log(totals) + squares)
    chances = np.exp(logs - logs.max())
    return np.asarray(chances / chances.sum())


def _tails(confidence: float) -> tuple[float, float]:
    return (1 - confidence) / 2, (1 + confidence) / 2


def _quantile(p: float, chances: Floats, means: Floats, sds: Floats) -> Floats:
    # A mixture's quantile lies between the least and the largest of its parts' quantiles.
    parts = means + float(ndtri(p)) * sds
    low, high = parts.min(axis=0), parts.max(axis=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        short = chances @ ndtr((middle - means) / sds) < p
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray((low + high) / 2)


def s_values(false_sign_rates: Floats) -> Floats:
    """Share of wrong signs to expect if this group and all that are surer are claimed.

    The running mean of the rates in rising order, shape ``(n_groups,)``.

    Parameters
    ----------
    false_sign_rates
        As of `Shrunken`, shape ``(n_groups,)``.

    References
    ----------
    Stephens, "False Discovery Rates: a New Deal", Biostatistics 18(2), 2017.

    Examples
    --------
    >>> s_values(np.array([0.3, 0.1])).tolist()
    [0.2, 0.1]
    """
    order = np.argsort(false_sign_rates, kind="stable")
    result = np.empty(len(order))
    result[order] = np.cumsum(false_sign_rates[order]) / np.arange(1, len(order) + 1)
    return result


def normal_p(effects: Floats, errors: Floats) -> Floats:
    """Two-sided p of each group's effect by itself, unshrunken: ``2 Φ(-|y_g| / s_g)``.

    Parameters
    ----------
    effects, errors
        ``y_g`` and ``s_g``, shape ``(n_groups,)`` each; errors above 0.

    Raises
    ------
    ValueError
        As `heterogeneity`.

    Examples
    --------
    >>> normal_p(np.array([1.96]), np.array([1.0])).round(3).tolist()
    [0.05]
    """
    _check(effects, errors)
    return np.asarray(2 * ndtr(-np.abs(effects) / errors))


def _check(effects: Floats, errors: Floats) -> None:
    if effects.ndim != 1 or effects.shape != errors.shape or not len(effects):
        raise ValueError(
            f"one effect and one error for each of 1 or more groups, got {effects.shape} and "
            f"{errors.shape}"
        )
    if not (np.isfinite(effects) & np.isfinite(errors) & (errors > 0)).all():
        raise ValueError("effects must be finite, and errors finite and above 0")
