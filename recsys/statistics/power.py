"""How many users a difference takes, and what difference some users can show.

With ``z = Φ⁻¹``: to see a difference `d` of means with an error rate `alpha` in a share `power` of
experiments takes ``n = (z_{1−α/2} + z_power)² σ² (1 + 1/r) / d²`` users of the control and ``r n``
of the treatment.
"""

import math

from scipy.special import ndtri

from recsys.statistics.intervals import check_confidence


def users_for_means(
    sd: float,
    difference: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    ratio: float = 1.0,
    sides: int = 2,
) -> float:
    """Return how many users the control needs; round up.

    Parameters
    ----------
    sd
        Standard deviation of a user's value; with CUPED times ``sqrt(1 − ρ²)``.
    difference
        Of the means, in the same unit, not 0.
    alpha, power
        Error rate, and share of experiments that see the difference.
    ratio
        Users of the treatment for each one of the control.
    sides
        2; or 1 where only a difference in one direction counts, as for a guardrail.

    Raises
    ------
    ValueError
        When a number is out of range.

    Examples
    --------
    >>> math.ceil(users_for_means(1.0, 0.1))
    1570
    """
    _check(difference, ratio, sides)
    reach = _reach(alpha, power, sides)
    return reach**2 * sd**2 * (1 + 1 / ratio) / difference**2


def users_for_shares(
    share: float,
    difference: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    ratio: float = 1.0,
    sides: int = 2,
) -> float:
    """Return how many users the control needs to see a difference of shares; round up.

    Each group has its own spread, ``p (1 − p)``; formulas with a common one differ by up to 9 %.

    Raises
    ------
    ValueError
        When a number is out of range, or the treatment's share would be.

    Examples
    --------
    >>> math.ceil(users_for_shares(0.1, 0.02))
    3839
    """
    _check(difference, ratio, sides)
    other = share + difference
    if not (0 < share < 1 and 0 < other < 1):
        raise ValueError(f"shares lie between 0 and 1, got {share} and {other:g}")
    spread = share * (1 - share) + other * (1 - other) / ratio
    return _reach(alpha, power, sides) ** 2 * spread / difference**2


def detectable(
    n: float, sd: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0
) -> float:
    """Return the least difference of means that `n` users of the control can show.

    Examples
    --------
    >>> round(detectable(1000, 1.0), 4)
    0.1253
    """
    return _reach(alpha, power, 2) * sd * math.sqrt((1 + 1 / ratio) / n)


def lists_for_preference(share: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return how many lists with a preference interleaving needs; round up.

    ``((z_{1−α/2} / 2 + z_power sqrt(p (1 − p))) / (p − ½))²``, `p` the share that prefers one side.

    Examples
    --------
    >>> math.ceil(lists_for_preference(0.55))
    783
    """
    if not 0 < share < 1 or share == 0.5:
        raise ValueError(f"a preference is between 0 and 1 and not one half, got {share}")
    high, often = float(ndtri(1 - alpha / 2)), float(ndtri(power))
    return ((high / 2 + often * math.sqrt(share * (1 - share))) / (share - 0.5)) ** 2


def _reach(alpha: float, power: float, sides: int) -> float:
    check_confidence(1 - alpha)
    check_confidence(power)
    return float(ndtri(1 - alpha / sides) + ndtri(power))


def _check(difference: float, ratio: float, sides: int) -> None:
    if not difference or not ratio > 0 or sides not in (1, 2):
        raise ValueError(
            "a difference that is not 0, a ratio above 0 and 1 or 2 sides are needed, got "
            f"{difference}, {ratio} and {sides}"
        )
