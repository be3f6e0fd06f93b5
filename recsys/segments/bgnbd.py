"""BG/NBD: how likely a customer is still one, and how often she will come back.

While she is a customer she buys at a rate ``λ`` of her own; after every purchase, but the first,
she leaves for good with a probability ``p`` of her own: ``λ ~ Gamma(r, α)``, ``p ~ Beta(a, b)``.
All that counts of her history is ``x``, the days with a purchase after the first such day,
``t_x``, the time from the first to the last of them, and ``T``, the time from the first to now.

References
----------
Fader, Hardie & Lee, "'Counting Your Customers' the Easy Way: An Alternative to the Pareto/NBD
Model", Marketing Science 24(2), 2005.
"""

import math
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln, hyp2f1
from threadpoolctl import threadpool_limits

from recsys.errors import DataError
from recsys.types import Config, Flags, Floats

MOST_SHAPE: Final = 50.0
"""From there on all customers are as good as alike, and the closed form loses its digits."""
_SHAPES: Final = (math.log(1e-4), math.log(0.999 * MOST_SHAPE))
"""Between which the logarithms of the shapes are looked for."""
FEWEST: Final = 10
"""Customers without whom four parameters cannot be learnt."""
_STARTS: Final = ((0.5, 0.5, 2.0), (1.0, 0.2, 4.0))
"""``r``, ``a`` and ``b`` from which the likelihood is climbed."""
_SCALES: Final = (math.log(1e-6), math.log(1e6))
"""Between which the logarithm of ``α`` is looked for, in mean ages of a customer."""
_BESIDE_ONE: Final = 1e-5
_BESIDE: Final = 1e-7
"""How far beside what the closed form cannot take it is evaluated: near enough, digits enough."""


class BgNbd(Config):
    """The four parameters; times are in days."""

    r: float = Field(gt=0, le=MOST_SHAPE, description="shape of the purchase rates")
    alpha: float = Field(gt=0, description="inverse scale of the purchase rates, days")
    a: float = Field(gt=0, le=MOST_SHAPE, description="weight of leaving after a purchase")
    b: float = Field(gt=0, le=MOST_SHAPE, description="weight of staying after a purchase")


class _Customers(NamedTuple):
    """Distinct histories; `weight` is how many customers have each."""

    x: Floats
    t_x: Floats
    age: Floats
    weight: Floats


def log_likelihood(params: BgNbd, x: Floats, t_x: Floats, age: Floats) -> Floats:
    """Log-likelihood of each customer's history, shape ``(n,)``.

    ``L = B(a, b+x)/B(a, b) · Γ(r+x) αʳ / (Γ(r) (α+T)^(r+x)) · (1 + D)``, where
    ``D = a/(b+x-1) · ((α+T)/(α+t_x))^(r+x)`` is the odds that she has left, 0 for ``x = 0``.

    Parameters
    ----------
    params
        ``r, α, a, b``.
    x, t_x, age
        ``x``, ``t_x`` and ``T``, shape ``(n,)`` each; ``t_x`` and ``T`` in days.

    References
    ----------
    Fader, Hardie & Lee 2005, equation 6, with the powers of ``α + T`` taken out as in Fader &
    Hardie, "Overcoming the BG/NBD Model's #NUM! Error Problem", 2013.

    Examples
    --------
    >>> params = BgNbd(r=1.0, alpha=1.0, a=1.0, b=1.0)
    >>> once = log_likelihood(params, np.array([0.0]), np.array([0.0]), np.array([3.0]))
    >>> np.exp(once).round(6).tolist()
    [0.25]
    """
    r, alpha, a, b = params.r, params.alpha, params.a, params.b
    buying = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + age)
    staying = betaln(a, b + x) - betaln(a, b)
    return np.asarray(buying + staying + np.logaddexp(0.0, _log_odds_left(params, x, t_x, age)))


def gradient(params: BgNbd, x: Floats, t_x: Floats, age: Floats) -> Floats:
    """Return the derivatives of `log_likelihood` by ``r, α, a, b``, shape ``(n, 4)``.

    With ``s`` the probability that she has left, ``1 - p_alive``, and ``ψ`` the digamma function:

    - ``∂r = ψ(r+x) - ψ(r) + ln α - ln(α+T) + s (ln(α+T) - ln(α+t_x))``
    - ``∂α = r/α - (r+x)/(α+T) + s (r+x) (1/(α+T) - 1/(α+t_x))``
    - ``∂a = ψ(a+b) - ψ(a+b+x) + s/a``
    - ``∂b = ψ(a+b) - ψ(a+b+x) + ψ(b+x) - ψ(b) - s/(b+x-1)``

    Parameters
    ----------
    params, x, t_x, age
        As for `log_likelihood`.
    """
    r, alpha, a, b = params.r, params.alpha, params.a, params.b
    left = expit(_log_odds_left(params, x, t_x, age))
    whole = digamma(a + b) - digamma(a + b + x)
    columns = (
        digamma(r + x) - digamma(r) - np.log1p(age / alpha) + left * _log_silence(params, t_x, age),
        r / alpha - (r + x) * ((1 - left) / (alpha + age) + left / (alpha + t_x)),
        whole + left / a,
        whole + digamma(b + x) - digamma(b) - left / _stays(params, x),
    )
    return np.stack(columns, axis=1)


def p_alive(params: BgNbd, x: Floats, t_x: Floats, age: Floats) -> Floats:
    """Probability that each is still a customer, shape ``(n,)``.

    ``P = 1 / (1 + a/(b+x-1) · ((α+T)/(α+t_x))^(r+x))``. It is 1 for ``x = 0``, however long ago
    that was: in this model nobody leaves before her first repeat purchase.

    Parameters
    ----------
    params, x, t_x, age
        As for `log_likelihood`.

    References
    ----------
    Fader, Hardie & Lee, "Computing P(alive) Using the BG/NBD Model", 2008.

    Examples
    --------
    >>> params = BgNbd(r=0.243, alpha=30.9, a=0.793, b=2.426)
    >>> x, last, age = np.array([0.0, 4.0, 4.0]), np.array([0.0, 90.0, 250.0]), np.full(3, 270.0)
    >>> p_alive(params, x, last, age).round(2).tolist()
    [1.0, 0.13, 0.84]
    """
    return np.asarray(expit(-_log_odds_left(params, x, t_x, age)))


def expected_purchases(
    params: BgNbd, x: Floats, t_x: Floats, age: Floats, horizon: float
) -> Floats:
    """Days with a purchase to be expected of each customer from now on, shape ``(n,)``.

    ``E = (a+b+x-1)/(a-1) · (1 - (1-z)^(a-1) ₂F₁(a+b-1-r, a-1; a+b+x-1; z)) · P(alive)``,
    ``z = t/(α+T+t)``: the published form after Euler's transformation, so that nothing grows with
    ``x``. What it cannot take, such as ``a = 1``, is moved by up to 1e-5.

    Parameters
    ----------
    params, x, t_x, age
        As for `log_likelihood`.
    horizon
        ``t``, days from now.

    References
    ----------
    Fader, Hardie & Lee 2005, equation 10.

    Examples
    --------
    The customer of the authors' worked example, whose times are in weeks:

    >>> params = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> one = np.array([2.0]), np.array([30.43]), np.array([38.86])
    >>> expected_purchases(params, *one, 39.0).round(3).tolist()
    [1.226]
    """
    alpha, b = params.alpha, params.b
    a = params.a if abs(params.a - 1) > _BESIDE_ONE else 1 + _BESIDE_ONE
    # Where r - a is a whole number ₂F₁ overflows for large x.
    r = params.r if abs(math.remainder(params.r - a, 1)) > _BESIDE else params.r + 2 * _BESIDE
    z = horizon / (alpha + age + horizon)
    never = np.exp((a - 1) * np.log1p(-z)) * hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, z)
    return np.asarray((a + b + x - 1) / (a - 1) * (1 - never) * p_alive(params, x, t_x, age))


def fit_bgnbd(x: Floats, t_x: Floats, age: Floats, *, weights: Floats | None = None) -> BgNbd:
    """Learn the parameters by maximum likelihood; the order of the customers does not count.

    Equal histories are counted once with their number, so times in whole days make it fast.

    Parameters
    ----------
    x, t_x, age
        As for `log_likelihood`: ``0 < t_x ≤ T`` where ``x > 0``, and ``t_x = 0`` where ``x = 0``.
    weights
        How much each customer counts, at least 0; default 1.

    Raises
    ------
    DataError
        Fewer than 10 customers, nobody who came back, or a history that cannot be.
    """
    counted = np.ones(len(x)) if weights is None else weights
    _check(x, t_x, age, counted)
    used = counted > 0
    customers = _distinct(x[used], t_x[used], age[used], counted[used])
    unit = float(np.average(customers.age, weights=customers.weight))
    scaled = customers._replace(t_x=customers.t_x / unit, age=customers.age / unit)
    # One thread: the steps of the search must not depend on how many there are.
    with threadpool_limits(limits=1):
        value, best = min((_climb(scaled, start) for start in _STARTS), key=itemgetter(0))
    if not np.isfinite(value):
        raise DataError("the likelihood of these customers is not finite; look at their times")
    return best.model_copy(update={"alpha": best.alpha * unit})


def _stays(params: BgNbd, x: Floats) -> Floats:
    # Where x = 0 nobody can have left: any number above 0 does.
    return np.where(x > 0, params.b + x - 1, 1.0)


def _log_silence(params: BgNbd, t_x: Floats, age: Floats) -> Floats:
    return np.asarray(np.log1p((age - t_x) / (params.alpha + t_x)))


def _log_odds_left(params: BgNbd, x: Floats, t_x: Floats, age: Floats) -> Floats:
    silence = (params.r + x) * _log_silence(params, t_x, age)
    return np.where(x > 0, np.log(params.a) - np.log(_stays(params, x)) + silence, -np.inf)


def _distinct(x: Floats, t_x: Floats, age: Floats, weights: Floats) -> _Customers:
    rows = np.stack([x, t_x, age], axis=1)
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    counts = np.bincount(inverse.ravel(), weights=weights).astype(np.float64)
    return _Customers(distinct[:, 0], distinct[:, 1], distinct[:, 2], counts)


def _params(logs: Floats) -> BgNbd:
    r, alpha, a, b = np.exp(logs).tolist()
    return BgNbd(r=r, alpha=alpha, a=a, b=b)


def _climb(customers: _Customers, start: tuple[float, float, float]) -> tuple[float, BgNbd]:
    """Return the mean of minus the log-likelihood at the top, and the parameters there."""
    *history, weight = customers
    share = weight / weight.sum()

    # Sums, not BLAS: their order must not depend on the threads.
    def height(logs: Floats) -> tuple[float, Floats]:
        params = _params(logs)
        value = float(np.sum(share * log_likelihood(params, *history)))
        slope = np.sum(share[:, np.newaxis] * gradient(params, *history), axis=0)
        return -value, -slope * np.exp(logs)

    r, a, b = start
    # Where the mean rate r/α is the mean number of purchases in a mean age, which is 1 here.
    log_alpha = math.log(r) - math.log(float(np.sum(share * customers.x)))
    found = minimize(
        height,
        np.array([math.log(r), min(log_alpha, _SCALES[1]), math.log(a), math.log(b)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[_SHAPES, _SCALES, _SHAPES, _SHAPES],
        options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 500},
    )
    return float(found.fun), _params(found.x)


def _check(x: Floats, t_x: Floats, age: Floats, weights: Floats) -> None:
    known = np.isfinite(x) & np.isfinite(t_x) & np.isfinite(age)
    repeat = (x > 0) & (t_x > 0) & (t_x <= age)
    once = (x == 0) & (t_x == 0) & (age >= 0)
    _refuse(~(known & (repeat | once)), x, t_x, age)
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError("weights of customers must be finite and at least 0")
    counted = weights > 0
    if counted.sum() < FEWEST:
        raise DataError(
            f"{counted.sum()} customers are too few for BG/NBD; it needs at least {FEWEST}"
        )
    if not (counted & repeat).any():
        raise DataError(
            "no customer came back after her first day, so BG/NBD has nothing to learn from; "
            "take a longer history"
        )


def _refuse(wrong: Flags, x: Floats, t_x: Floats, age: Floats) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"customer {row} has x = {x[row]}, t_x = {t_x[row]}, T = {age[row]}; "
            "0 < t_x <= T where x > 0, and t_x = 0 where x = 0"
        )
