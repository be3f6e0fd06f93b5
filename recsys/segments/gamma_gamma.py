"""Gamma–gamma: what a customer's next purchase is worth, shrunken towards what all spend.

The values of a customer's purchases are ``Gamma(p, ν)`` around a mean of her own, and the inverse
scales are ``ν ~ Gamma(q, γ)`` over customers; how much she spends has nothing to do with how often
she buys. Few purchases say little, so her mean value is drawn towards the mean of all.

References
----------
Fader & Hardie, "The Gamma-Gamma Model of Monetary Value", 2013; Fader, Hardie & Lee, "RFM and CLV:
Using Iso-Value Curves for Customer Base Analysis", Journal of Marketing Research 42(4), 2005.
"""

import math
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import digamma, gammaln
from threadpoolctl import threadpool_limits

from recsys.errors import DataError
from recsys.types import Config, Flags, Floats

FEWEST: Final = 10
"""Customers without whom three parameters cannot be learnt."""
_STARTS: Final = ((1.0, 2.0), (6.0, 3.0))
"""``p`` and ``q - 1`` from which the likelihood is climbed."""
_SHAPES: Final = (math.log(1e-3), math.log(1e4))
"""Between which the logarithms of ``p`` and of ``q - 1`` are looked for."""
_SCALES: Final = (math.log(1e-6), math.log(1e6))
"""Between which the logarithm of ``γ`` is looked for, in mean values of a purchase."""


class GammaGamma(Config):
    """The three parameters; values in any one unit of money.

    The mean over all customers, ``p γ / (q - 1)``, exists for ``q`` above 1 only.
    """

    p: float = Field(gt=0, description="shape of a customer's values")
    q: float = Field(gt=1, description="shape of the inverse scales over customers")
    gamma: float = Field(gt=0, description="scale of the inverse scales, in the unit of the values")

    @property
    def mean(self) -> float:
        """The mean value of a purchase over all customers, ``p γ / (q - 1)``."""
        return self.p * self.gamma / (self.q - 1)


class _Customers(NamedTuple):
    """Distinct customers; `weight` is how many there are of each."""

    x: Floats
    mean_value: Floats
    weight: Floats


def log_likelihood(params: GammaGamma, x: Floats, mean_value: Floats) -> Floats:
    """Log of the density of each customer's mean value, shape ``(n,)``.

    ``f(m | x) = Γ(px+q) / (Γ(px) Γ(q)) · γ^q m^(px-1) x^(px) / (γ + x m)^(px+q)``.

    Parameters
    ----------
    params
        ``p, q, γ``.
    x
        Purchases, shape ``(n,)``, at least 1.
    mean_value
        ``m``, the mean value of a purchase, shape ``(n,)``, above 0.

    References
    ----------
    Fader & Hardie 2013, equation 1a.

    Examples
    --------
    >>> params = GammaGamma(p=1.0, q=2.0, gamma=1.0)
    >>> np.exp(log_likelihood(params, np.array([1.0]), np.array([1.0]))).round(6).tolist()
    [0.25]
    """
    p, q, gamma = params.p, params.q, params.gamma
    constant = gammaln(p * x + q) - gammaln(p * x) - gammaln(q)
    total = gamma + x * mean_value
    powers = q * np.log(gamma / total) + p * x * np.log(x * mean_value / total)
    return np.asarray(constant + powers - np.log(mean_value))


def gradient(params: GammaGamma, x: Floats, mean_value: Floats) -> Floats:
    """Return the derivatives of `log_likelihood` by ``p, q, γ``, shape ``(n, 3)``.

    With ``ψ`` the digamma function:

    - ``∂p = x (ψ(px+q) - ψ(px) + ln(x m / (γ + x m)))``
    - ``∂q = ψ(px+q) - ψ(q) + ln(γ / (γ + x m))``
    - ``∂γ = q/γ - (px+q) / (γ + x m)``

    Parameters
    ----------
    params, x, mean_value
        As for `log_likelihood`.
    """
    p, q, gamma = params.p, params.q, params.gamma
    total = gamma + x * mean_value
    columns = (
        x * (digamma(p * x + q) - digamma(p * x) + np.log(x * mean_value / total)),
        digamma(p * x + q) - digamma(q) + np.log(gamma / total),
        q / gamma - (p * x + q) / total,
    )
    return np.stack(columns, axis=1)


def expected_value(params: GammaGamma, x: Floats, mean_value: Floats) -> Floats:
    """Value to be expected of each customer's next purchase, shape ``(n,)``.

    ``E(M | m, x) = w m + (1 - w) p γ / (q - 1)`` with ``w = p x / (p x + q - 1)``: between her own
    mean and that of all, the nearer to her own the more she bought.

    Parameters
    ----------
    params
        ``p, q, γ``.
    x, mean_value
        As for `log_likelihood`. Whoever bought nothing, or whose mean value is unknown or not
        above 0, is expected to spend the mean of all.

    References
    ----------
    Fader & Hardie 2013, equation 5.

    Examples
    --------
    >>> params = GammaGamma(p=1.0, q=2.0, gamma=10.0)
    >>> expected_value(params, np.array([0.0, 1.0, 4.0]), np.array([np.nan, 20.0, 20.0])).tolist()
    [10.0, 15.0, 18.0]
    """
    known = _usable(x, mean_value)
    own = np.where(known, params.p * x / (params.p * x + params.q - 1), 0.0)
    return np.asarray(own * np.where(known, mean_value, 0.0) + (1 - own) * params.mean)


def fit_gamma_gamma(x: Floats, mean_value: Floats, *, weights: Floats | None = None) -> GammaGamma:
    """Learn the parameters by maximum likelihood; the order of the customers does not count.

    Parameters
    ----------
    x, mean_value
        As for `log_likelihood`; customers without a purchase, or without a mean value above 0,
        are left out.
    weights
        How much each customer counts, at least 0; default 1.

    Raises
    ------
    DataError
        Fewer than 10 customers with a purchase of a value above 0, or a weight below 0.
    """
    customers = _distinct(x, mean_value, np.ones(len(x)) if weights is None else weights)
    unit = float(np.average(customers.mean_value, weights=customers.weight))
    scaled = customers._replace(mean_value=customers.mean_value / unit)
    # One thread: the steps of the search must not depend on how many there are.
    with threadpool_limits(limits=1):
        value, best = min((_climb(scaled, start) for start in _STARTS), key=itemgetter(0))
    if not np.isfinite(value):
        raise DataError("the likelihood of these customers is not finite; look at their values")
    return best.model_copy(update={"gamma": best.gamma * unit})


def _usable(x: Floats, mean_value: Floats) -> Flags:
    return np.asarray((x >= 1) & np.isfinite(x) & (mean_value > 0) & np.isfinite(mean_value))


def _distinct(x: Floats, mean_value: Floats, weights: Floats) -> _Customers:
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError("weights of customers must be finite and at least 0")
    used = _usable(x, mean_value) & (weights > 0)
    if used.sum() < FEWEST:
        raise DataError(
            f"{used.sum()} customers with a purchase of a value above 0 are too few for "
            f"gamma–gamma; it needs at least {FEWEST}"
        )
    rows = np.stack([x[used], mean_value[used]], axis=1)
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    counts = np.bincount(inverse.ravel(), weights=weights[used]).astype(np.float64)
    return _Customers(distinct[:, 0], distinct[:, 1], counts)


def _params(logs: Floats) -> GammaGamma:
    p, above, gamma = np.exp(logs).tolist()
    return GammaGamma(p=p, q=1 + above, gamma=gamma)


def _climb(customers: _Customers, start: tuple[float, float]) -> tuple[float, GammaGamma]:
    """Return the mean of minus the log-likelihood at the top, and the parameters there."""
    x, mean_value, weight = customers
    share = weight / weight.sum()

    # Sums, not BLAS: their order must not depend on the threads.
    def height(logs: Floats) -> tuple[float, Floats]:
        params = _params(logs)
        value = float(np.sum(share * log_likelihood(params, x, mean_value)))
        slope = np.sum(share[:, np.newaxis] * gradient(params, x, mean_value), axis=0)
        return -value, -slope * np.exp(logs)

    p, above = start
    found = minimize(
        height,
        # Where the mean of all, p γ / (q - 1), is the mean value, which is 1 here.
        np.array([math.log(p), math.log(above), math.log(above / p)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[_SHAPES, _SHAPES, _SCALES],
        options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 500},
    )
    return float(found.fun), _params(found.x)
