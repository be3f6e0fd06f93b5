"""Many comparisons at once: adjusted p values, each to be held against the level as it is.

`holm` keeps the chance of any false claim at the level (few candidates against one baseline);
`benjamini_hochberg` keeps the share of false claims there (many segments). The others are for
reports that ask for them. Every function takes p values of shape ``(n,)`` in any order, returns
adjusted ones in that order, and raises ValueError for a p outside [0, 1].
"""

import numpy as np

from recsys.types import Floats


def bonferroni(p: Floats) -> Floats:
    """``min(1, n p)``: the chance of any false claim, whatever the dependence.

    Examples
    --------
    >>> bonferroni(np.array([0.01, 0.04])).tolist()
    [0.02, 0.08]
    """
    _check(p)
    return np.minimum(1.0, len(p) * p)


def holm(p: Floats) -> Floats:
    """Step down: the running maximum of ``(n - i + 1) p_(i)``, smallest first, at most 1.

    Never larger than Bonferroni's, and holds as generally.

    References
    ----------
    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6(2), 1979.

    Examples
    --------
    >>> holm(np.array([0.04, 0.01])).tolist()
    [0.04, 0.02]
    """
    _check(p)
    factors = np.arange(len(p), 0, -1)
    return _unsorted(p, np.maximum.accumulate(factors * np.sort(p)))


def hochberg(p: Floats) -> Floats:
    """Step up: the running minimum of ``(n - i + 1) p_(i)``, largest first.

    Holds for tests that are independent or positively dependent.

    References
    ----------
    Hochberg, "A Sharper Bonferroni Procedure for Multiple Tests of Significance", Biometrika
    75(4), 1988.

    Examples
    --------
    >>> hochberg(np.array([0.04, 0.03])).tolist()
    [0.04, 0.04]
    """
    return _step_up(p, np.arange(len(p), 0, -1).astype(np.float64))


def hommel(p: Floats) -> Floats:
    """Adjust by the closure of Simes' tests: never larger than Hochberg's.

    A set of ``m`` hypotheses has Simes' p, ``min_i m p_(i) / i``; a hypothesis' adjusted p is the
    largest over the sets that hold it. For one of a size it is enough to look at the set that
    joins it with the ``m - 1`` largest p.

    References
    ----------
    Hommel, "A Stagewise Rejective Multiple Test Procedure Based on a Modified Bonferroni Test",
    Biometrika 75(2), 1988; Wright, "Adjusted P-Values for Simultaneous Inference", Biometrics
    48(4), 1992.

    Examples
    --------
    >>> hommel(np.array([0.01, 0.02, 0.03])).round(4).tolist()
    [0.03, 0.03, 0.03]
    """
    _check(p)
    ordered = np.sort(p)
    n = len(p)
    adjusted = ordered.copy()
    for m in range(2, n + 1):
        largest = ordered[n - m + 1 :]
        simes = float(np.min(m * largest / np.arange(2, m + 1)))
        # One of the m largest has Simes' p of that whole set; a smaller one joins as the first.
        whole = min(simes, m * float(ordered[n - m]))
        joined = np.minimum(simes, m * ordered[: n - m])
        adjusted = np.maximum(adjusted, np.append(joined, np.full(m, whole)))
    return _unsorted(p, adjusted)


def benjamini_hochberg(p: Floats) -> Floats:
    """Step up: the running minimum of ``n p_(i) / i``, largest first.

    Claims with an adjusted p of at most ``q`` are false in a share of at most ``q`` on average,
    for tests that are independent or positively dependent.

    References
    ----------
    Benjamini & Hochberg, "Controlling the False Discovery Rate", JRSS B 57(1), 1995.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.04, 0.01, 0.9])).tolist()
    [0.06, 0.03, 0.9]
    """
    return _step_up(p, len(p) / np.arange(1, len(p) + 1))


def benjamini_yekutieli(p: Floats) -> Floats:
    """`benjamini_hochberg` times ``Σ_i 1 / i``: holds whatever the dependence.

    References
    ----------
    Benjamini & Yekutieli, "The Control of the False Discovery Rate in Multiple Testing under
    Dependency", Annals of Statistics 29(4), 2001.

    Examples
    --------
    >>> benjamini_yekutieli(np.array([0.04, 0.01])).tolist()
    [0.06, 0.03]
    """
    places = np.arange(1, len(p) + 1)
    return _step_up(p, len(p) / places * float(np.sum(1 / places)))


def _step_up(p: Floats, factors: Floats) -> Floats:
    _check(p)
    return _unsorted(p, np.minimum.accumulate((factors * np.sort(p))[::-1])[::-1])


def _unsorted(p: Floats, adjusted: Floats) -> Floats:
    result = np.empty(len(p))
    result[np.argsort(p, kind="stable")] = np.minimum(1.0, adjusted)
    return result


def _check(p: Floats) -> None:
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values must be between 0 and 1, got {p}")
