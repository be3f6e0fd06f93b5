"""Two rankings in one list: each user sees both, so that few users tell which she prefers.

What is measured is a preference between lists, not an effect on orders or on coming back: a fast
test before an experiment, not in place of one.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import bdtr

from recsys.experiments.assignment import position
from recsys.statistics import Estimate, estimate, estimate_share, wilson
from recsys.types import Floats

Side = Literal["control", "treatment"]
SIDES: tuple[Side, Side] = ("control", "treatment")


class Interleaved(NamedTuple):
    """A list of two teams.

    Attributes
    ----------
    items
        As they are shown.
    sides
        Whose pick each one is.
    """

    items: list[str]
    sides: list[Side]


def coins(key: str) -> Iterator[Side]:
    """Toss as many coins as one likes, the same ones whenever the key is the same."""
    for toss in count():
        yield SIDES[int(position("sha256-1", f"coin {toss}", key) < 0.5)]


def team_draft(
    control: Sequence[str], treatment: Sequence[str], k: int, coins: Iterable[Side]
) -> Interleaved:
    """Let two rankings pick in turn, each its best item that is not there yet.

    The side with fewer picks goes next; a coin decides where they have equally many. A side with
    nothing left to pick leaves the rest to the other.

    Parameters
    ----------
    control, treatment
        Items, best first.
    k
        Length of the list.
    coins
        Used one by one, where picks are equal.

    References
    ----------
    Radlinski, Kurup, Joachims, "How Does Clickthrough Data Reflect Retrieval Quality?", CIKM 2008.

    Examples
    --------
    >>> team_draft(["a", "b"], ["b", "c"], 3, ["treatment", "control"])
    Interleaved(items=['b', 'a', 'c'], sides=['treatment', 'control', 'treatment'])
    """
    found, tossed = Interleaved([], []), iter(coins)
    rankings = dict(zip(SIDES, (control, treatment), strict=True))
    while len(found.items) < k:
        left = {side: _best(rankings[side], found.items) for side in SIDES}
        able = [side for side in SIDES if left[side] is not None]
        if not able:
            break
        side = _next(found.sides, tossed) if len(able) == 2 else able[0]
        found.items.append(str(left[side]))
        found.sides.append(side)
    return found


def balanced(control: Sequence[str], treatment: Sequence[str], k: int, *, first: Side) -> list[str]:
    """Interleave so that every start of the list holds as many of either's best, give or take one.

    References
    ----------
    Joachims, "Evaluating Retrieval Performance Using Clickthrough Data", 2003.

    Examples
    --------
    >>> balanced(["a", "b"], ["b", "c"], 3, first="treatment")
    ['b', 'a', 'c']
    """
    items: list[str] = []
    seen_control = seen_treatment = 0
    while len(items) < k and seen_control < len(control) and seen_treatment < len(treatment):
        even = seen_control == seen_treatment
        if seen_control < seen_treatment or (even and first == "control"):
            item, seen_control = control[seen_control], seen_control + 1
        else:
            item, seen_treatment = treatment[seen_treatment], seen_treatment + 1
        if item not in items:
            items.append(item)
    return items


def credit(sides: Sequence[Side], clicked: Iterable[int]) -> dict[Side, int]:
    """Count the clicks on either side's picks.

    Parameters
    ----------
    sides
        Whose pick each item is.
    clicked
        Places of the clicked items, from 0 on.
    """
    found: dict[Side, int] = dict.fromkeys(SIDES, 0)
    for place in set(clicked):
        found[sides[place]] += 1
    return found


class Preference(NamedTuple):
    """Which side is preferred.

    Attributes
    ----------
    delta
        ``(wins + ties / 2) / n − 1/2``, for the treatment: Δ of Chapelle et al.
    win_rate
        The treatment's share of the lists with a preference; nan without one.
    interval
        Wilson's, of the win rate.
    p
        Two-sided binomial p that either side wins as often, over lists with a preference.
    """

    delta: float
    win_rate: float
    interval: tuple[float, float]
    p: float


def preference_of_lists(wins: int, losses: int, ties: int) -> Preference:
    """Compare by lists: every list one vote. Lists of one user are not independent.

    Parameters
    ----------
    wins, losses, ties
        Lists on which the treatment had more clicks, fewer, or as many.

    Raises
    ------
    ValueError
        Without a list.

    References
    ----------
    Chapelle, Joachims, Radlinski, Yue, "Large-Scale Validation and Analysis of Interleaved Search
    Evaluation", ACM TOIS 30(1), 2012.

    Examples
    --------
    >>> found = preference_of_lists(60, 40, 100)
    >>> round(found.delta, 3), found.win_rate, round(found.p, 4)
    (0.05, 0.6, 0.0569)
    """
    n, told = wins + losses + ties, wins + losses
    if n < 1:
        raise ValueError("a preference needs a list")
    delta = (wins + ties / 2) / n - 0.5
    if not told:
        return Preference(delta, float("nan"), (0.0, 1.0), 1.0)
    share = estimate_share(wins, told)
    p = min(1.0, 2 * float(bdtr(min(wins, losses), told, 0.5)))
    return Preference(delta, share.mean, wilson(share), p)


def preference_of_users(control: Floats, treatment: Floats) -> Estimate:
    """Compare by users: every user one preference, ``(t − c) / (t + c)``.

    Parameters
    ----------
    control, treatment
        Clicks of each user on either side's picks, shape ``(n_users,)``.

    Returns
    -------
    Estimate
        Of the mean preference over users who clicked at all, from −1 to 1.

    Raises
    ------
    ValueError
        When nobody clicked.
    """
    clicks = control + treatment
    told = clicks > 0
    return estimate(np.asarray((treatment - control)[told] / clicks[told]))


def _best(ranking: Sequence[str], shown: Sequence[str]) -> str | None:
    return next((item for item in ranking if item not in shown), None)


def _next(sides: Sequence[Side], coins: Iterable[Side]) -> Side:
    picks = [sides.count(side) for side in SIDES]
    if picks[0] != picks[1]:
        return SIDES[int(picks[0] > picks[1])]
    return next(iter(coins))
