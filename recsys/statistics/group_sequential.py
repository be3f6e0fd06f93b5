"""A few planned looks: how large a difference has to be at each, so that all err α in sum.

The statistic of the looks is a Brownian motion at times `t`, the shares of the planned users that
have come: ``S_k = Z_k sqrt(t_k)``. What has not crossed a bound so far has a density, which is
carried from look to look by integrals (Armitage, McPherson, Rowe, JRSS A 132, 1969).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Final, Literal, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from recsys.types import Floats

Spending = Literal["obrien_fleming", "pocock", "power"]
SPENDINGS: Final[tuple[Spending, ...]] = ("obrien_fleming", "pocock", "power")

NODES: Final = (48, 16)
"""Of an integral between two bounds: so many, and so many more for each step that they are apart.
Errors stay far below 1e-9."""
FARTHEST: Final = 12.0
"""Standard deviations beyond which no bound is looked for."""


def spent(spending: Spending, t: float, *, alpha: float, power: float = 1.0) -> float:
    """Return how much of `alpha` may be spent by the time `t`.

    ``obrien_fleming``: ``4 (1 − Φ(z_{α/4} / sqrt t))``, for each side by itself;
    ``pocock``: ``α log(1 + (e − 1) t)``; ``power``: ``α t^power``.

    Parameters
    ----------
    spending
        The function.
    t
        Share of the planned users, above 0; 1 or more spends all of it.
    alpha
        Two-sided error over all looks.
    power
        For ``power`` alone.

    References
    ----------
    Lan, DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983; Kim,
    DeMets, Biometrika 74, 1987 (powers).
    """
    if t >= 1:
        return alpha
    if spending == "obrien_fleming":
        return 4 * float(ndtr(ndtri(alpha / 4) / math.sqrt(t)))
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * t)
    return alpha * math.pow(t, power)


def bounds(
    t: Sequence[float], spending: Spending, *, alpha: float = 0.05, power: float = 1.0
) -> list[float]:
    """Return the bound of ``|Z|`` at each look.

    Parameters
    ----------
    t
        Share of the planned users at each look, ascending, above 0, the last at most 1.
    spending, alpha, power
        See `spent`.

    Raises
    ------
    ValueError
        When times are none.

    Examples
    --------
    >>> [round(z, 2) for z in bounds([0.2, 0.4, 0.6, 0.8, 1.0], "obrien_fleming")]
    [4.88, 3.36, 2.68, 2.29, 2.03]
    """
    return list(_bounds(tuple(t), spending, alpha, power))


@lru_cache(maxsize=256)
def _bounds(
    t: tuple[float, ...], spending: Spending, alpha: float, power: float
) -> tuple[float, ...]:
    check_times(t)
    totals = [spent(spending, time, alpha=alpha, power=power) for time in t]
    found: list[float] = []
    walk = _START
    for time, total, before in zip(t, totals, [0.0, *totals], strict=False):
        step = math.sqrt(time - walk.time)
        bound = _bound(walk, step, max(total - before, 0.0), math.sqrt(time))
        found.append(bound / math.sqrt(time))
        walk = walk.on(time, bound, 0.0)
    return tuple(found)


def crossing(t: Sequence[float], z: Sequence[float], *, drift: float = 0.0) -> list[float]:
    """Return the probability of having crossed a bound, upwards or downwards, by each look.

    Parameters
    ----------
    t, z
        Times and bounds of ``|Z|``, shape ``(n_looks,)`` each.
    drift
        What ``Z`` is expected to be at time 1: 0 without a difference.

    Examples
    --------
    Five looks at 5 % each err in 14 % of experiments:

    >>> round(crossing([0.2, 0.4, 0.6, 0.8, 1.0], [1.96] * 5)[-1], 3)
    0.142
    """
    check_times(t)
    walk, found, total = _START, [], 0.0
    for time, bound in zip(t, z, strict=True):
        high, step = bound * math.sqrt(time), math.sqrt(time - walk.time)
        total += walk.leaves(high, step, drift * (time - walk.time))
        found.append(total)
        walk = walk.on(time, high, drift)
    return found


def drift_for(t: Sequence[float], z: Sequence[float], power: float) -> float:
    """Return the drift at which some look crosses with probability `power`.

    Its square over ``(z_{α/2} + z_power)²`` says how many more users the looks cost at most.
    """
    if not crossing(t, z)[-1] < power < 1:
        raise ValueError(f"the power has to lie between α and 1, got {power}")
    return float(brentq(lambda drift: crossing(t, z, drift=drift)[-1] - power, 0.0, FARTHEST))


def check_times(t: Sequence[float]) -> None:
    """Refuse times that are not ascending shares.

    Raises
    ------
    ValueError
        When they are not.
    """
    if not len(t) or min(np.diff([0.0, *t])) <= 0 or t[-1] > 1 + 1e-12:
        raise ValueError(f"looks are at ascending shares of the planned users, got {list(t)}")


class _Walk(NamedTuple):
    """Where the statistic may be that has not left so far: weights of points, and the time."""

    time: float
    points: Floats
    weights: Floats

    def leaves(self, bound: float, step: float, moved: float) -> float:
        """Return the probability of being beyond a bound after the next step."""
        above = ndtr((self.points + moved - bound) / step)
        below = ndtr((-bound - self.points - moved) / step)
        return float(self.weights @ (above + below))

    def on(self, time: float, bound: float, drift: float) -> "_Walk":
        """Go on to a time, and stay within a bound."""
        step, moved = math.sqrt(time - self.time), drift * (time - self.time)
        reach = min(bound, FARTHEST * math.sqrt(time) + abs(drift) * time)
        nodes, widths = _legendre(NODES[0] + NODES[1] * math.ceil(reach / step))
        points = reach * nodes
        away = (points[:, np.newaxis] - self.points - moved) / step
        density = np.exp(-0.5 * away**2) @ self.weights / (step * math.sqrt(2 * math.pi))
        return _Walk(time, points, np.asarray(density * widths * reach))


@lru_cache(maxsize=64)
def _legendre(n: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(n)


_START: Final = _Walk(0.0, np.zeros(1), np.ones(1))


def _bound(walk: _Walk, step: float, chance: float, scale: float) -> float:
    """Return the bound that is crossed with a given chance."""
    excess: Callable[[float], float] = partial(_excess, walk, step, chance)
    highest = FARTHEST * scale
    if excess(highest) >= 0:
        return highest
    return float(brentq(excess, 0.0, highest, xtol=1e-13))


def _excess(walk: _Walk, step: float, chance: float, bound: float) -> float:
    return walk.leaves(bound, step, 0.0) - chance
