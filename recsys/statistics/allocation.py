"""Do users come in the shares that were allocated? If not, the groups cannot be compared."""

import math

import numpy as np
from scipy.special import chdtrc, gammaln

from recsys.types import Floats, Indices


def sample_ratio(counts: Indices, shares: Floats) -> float:
    """Return p of "users come in these shares", by the χ² test, for a single look.

    Parameters
    ----------
    counts
        Users of each group, shape ``(n_groups,)``.
    shares
        What was allocated to each, above 0; they sum to 1.

    Raises
    ------
    ValueError
        When counts and shares do not belong together, or shares are none.

    References
    ----------
    Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019.

    Examples
    --------
    >>> round(sample_ratio(np.array([10000, 10321]), np.array([0.5, 0.5])), 4)
    0.0243
    """
    check_shares(counts, shares)
    total = counts.sum()
    if not total:
        return 1.0
    expected = shares * total
    return float(chdtrc(len(counts) - 1, float(((counts - expected) ** 2 / expected).sum())))


def sample_ratio_at_any_time(counts: Indices, shares: Floats, *, prior: float = 1.0) -> float:
    """Return a p of "users come in these shares" that may be looked at any time.

    The Bayes factor of "in any other shares", drawn from a Dirichlet distribution around `shares`,
    against `shares` is an e-value, whatever the order in which users came; p is ``min(1, 1 / e)``.

    Parameters
    ----------
    counts
        Users of each group, shape ``(n_groups,)``.
    shares
        What was allocated to each, above 0; they sum to 1.
    prior
        Weight of the Dirichlet distribution, in users of each group.

    Raises
    ------
    ValueError
        When counts and shares do not belong together, or shares are none.

    References
    ----------
    Lindon, Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022.

    Examples
    --------
    >>> round(sample_ratio_at_any_time(np.array([5200, 4800]), np.array([0.5, 0.5])), 4)
    0.0267
    """
    check_shares(counts, shares)
    before = np.full(len(shares), prior)
    log_e = _log_beta(before + counts) - _log_beta(before) - float(counts @ np.log(shares))
    return min(1.0, math.exp(-max(log_e, 0.0)))


def check_shares(counts: Indices, shares: Floats) -> None:
    """Refuse counts and shares of groups that do not fit.

    Raises
    ------
    ValueError
        When they do not.
    """
    if counts.shape != shares.shape or not len(counts):
        raise ValueError(f"each group needs a count and a share, got {counts} and {shares}")
    if (counts < 0).any():
        raise ValueError(f"counts are not negative, got {counts}")
    if not (shares > 0).all() or abs(float(shares.sum()) - 1) > 1e-9:
        raise ValueError(f"shares are above 0 and sum to 1, got {shares}")


def _log_beta(weights: Floats) -> float:
    return float(gammaln(weights).sum() - gammaln(weights.sum()))
