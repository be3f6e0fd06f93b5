"""Less noise by what was known before: CUPED, and post-stratification."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recsys.statistics.intervals import Estimate, check_values, estimate
from recsys.types import Floats


def cuped(before: tuple[Floats, Floats], values: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Return both groups' values, less what their users were like before the experiment.

    A user's value becomes ``y − θ (x − x̄)`` with ``θ = cov(x, y) / var(x)`` and ``x̄`` over all
    users of both groups. What the experiment did is not in `x`, so the difference keeps its
    expectation, and its variance falls by the share ``ρ²`` that `x` explains.

    Parameters
    ----------
    before
        ``x`` of the control's users and of the treatment's: the same measure before the start.
    values
        ``y`` of the same users.

    Raises
    ------
    ValueError
        No user, different users, or a value that is not finite.

    References
    ----------
    Deng, Xu, Kohavi, Walker, "Improving the Sensitivity of Online Controlled Experiments by
    Utilizing Pre-Experiment Data", WSDM 2013.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0])
    >>> y = np.array([1.1, 2.0, 2.9]), np.array([2.0, 3.1, 7.0])
    >>> [round(float(found.mean()), 3) for found in cuped(x, y)]
    [2.536, 3.498]
    """
    for known, measured in zip(before, values, strict=True):
        if known.shape != measured.shape:
            raise ValueError(f"users must be the same, got {known.shape} and {measured.shape}")
        check_values(known)
        check_values(measured)
    together, measured = np.concatenate(before), np.concatenate(values)
    slope, mean = regression_slope(together, measured), float(together.mean())
    control, treatment = (y - slope * (x - mean) for x, y in zip(before, values, strict=True))
    return control, treatment


def regression_slope(known: Floats, values: Floats) -> float:
    """Return ``θ = cov(x, y) / var(x)``; 0 where `x` does not vary."""
    centred = known - known.mean()
    spread = float(centred @ centred)
    return float(centred @ (values - values.mean())) / spread if spread else 0.0


def post_stratified(strata: Sequence[Estimate], sizes: Floats) -> Estimate:
    """Return a mean over all users from those within each stratum.

    ``Σ W_h m_h`` with ``error² = Σ W_h² e_h²`` and ``W_h`` a stratum's share of users: what strata
    differ in no longer adds to the noise. Degrees of freedom as Satterthwaite has them.

    Parameters
    ----------
    strata
        The mean of each stratum.
    sizes
        Its users, in all groups together, shape ``(n_strata,)``.

    Raises
    ------
    ValueError
        No stratum, or sizes that do not belong to them or are not above 0.

    References
    ----------
    Miratrix, Sekhon, Yu, "Adjusting Treatment Effect Estimates by Post-Stratification in
    Randomized Experiments", JRSS B 75, 2013.

    Examples
    --------
    >>> some = [Estimate(0.02, 0.01, 5000, 5000.0), Estimate(0.05, 0.015, 3000, 3000.0)]
    >>> found = post_stratified(some, np.array([5000.0, 3000.0]))
    >>> round(found.mean, 5), round(found.error, 5)
    (0.03125, 0.00841)
    """
    if not len(strata) or len(strata) != len(sizes) or not (sizes > 0).all():
        raise ValueError(f"{len(strata)} strata need as many sizes above 0, got {sizes}")
    shares = sizes / sizes.sum()
    means = np.array([found.mean for found in strata])
    parts = np.square(shares * [found.error for found in strata])
    free = np.array([found.effective_n - 1 for found in strata])
    whole, n = float(parts.sum()), sum(found.n for found in strata)
    freedom = whole**2 / float((parts**2 / free).sum()) if whole > 0 else float(n - 1)
    return Estimate(float(shares @ means), math.sqrt(whole), n, 1 + freedom)


class Stratified(NamedTuple):
    """Two groups whose strata count by the users of both.

    Attributes
    ----------
    control, treatment
        Their means.
    left_out
        Users of strata in which one of the groups has fewer than two.
    """

    control: Estimate
    treatment: Estimate
    left_out: int


def stratified(control: Sequence[Floats], treatment: Sequence[Floats]) -> Stratified:
    """Return the means of two groups, each stratum weighed by its users in both together.

    Parameters
    ----------
    control, treatment
        The values of each stratum's users, strata in the same order.

    Raises
    ------
    ValueError
        When no stratum has two users of either group.
    """
    pairs = list(zip(control, treatment, strict=True))
    fit = [pair for pair in pairs if min(map(len, pair)) > 1]
    if not fit:
        raise ValueError("no stratum has two users on either side")
    sizes = np.array([len(one) + len(other) for one, other in fit], dtype=np.float64)
    sides = [post_stratified([estimate(pair[side]) for pair in fit], sizes) for side in (0, 1)]
    everybody = sum(len(one) + len(other) for one, other in pairs)
    return Stratified(sides[0], sides[1], everybody - int(sizes.sum()))
