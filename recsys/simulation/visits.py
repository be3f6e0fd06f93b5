"""When users come, and when they buy an item again."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.simulation.catalogue import Catalogue
from recsys.simulation.population import People
from recsys.types import Floats, Indices

OPENS, CLOSES = 8 * 3600, 21 * 3600
"""Seconds of the day between which a visit begins."""
SOONEST, LATEST = 0.7, 1.3
"""An item is due again after its pace times something between these."""
TOLERANCE: Final = 0.25
"""Of the pace: a visit so near to the day an item is due is taken for it; else she comes for it."""


@dataclass(frozen=True)
class Visits:
    """Visits of a block's users, shape ``(n,)``; a user has at most one on a day.

    Attributes
    ----------
    users
        Index within the block.
    days
        Days since the shop's start.
    seconds
        Seconds of the day at which it begins.
    """

    users: Indices
    days: Indices
    seconds: Indices

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: Indices) -> "Visits":
        """Return the visits at `rows`, which may repeat."""
        return Visits(self.users[rows], self.days[rows], self.seconds[rows])

    def followed_by(self, others: "Visits") -> "Visits":
        """Return these visits and then the others."""
        return Visits(
            np.concatenate([self.users, others.users]),
            np.concatenate([self.days, others.days]),
            np.concatenate([self.seconds, others.seconds]),
        )


def plan_visits(people: People, n: int, span: int, rng: np.random.Generator) -> Visits:
    """Draw about `n` visits, sorted: each user's first on the day she joins, the rest by activity.

    Two of a user that fall on one day are one, so there can be fewer; there is one a user at least.
    """
    presence = people.activity * (people.leaves - people.joins)
    more = rng.multinomial(max(0, n - len(people)), presence / presence.sum())
    users = np.repeat(np.arange(len(people)), more)
    later = users * span + rng.integers(people.joins[users], people.leaves[users])
    first = np.arange(len(people)) * span + people.joins
    return _opened(np.unique(np.concatenate([first, later])), span, rng)


def due_days(
    days: Indices, items: Indices, catalogue: Catalogue, span: int, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Draw the days on which first purchases fall due again, and again.

    The number of repeats is geometric, ``P(n) = (1 − r) rⁿ``, and the gaps are the category's pace
    times a uniform number between `SOONEST` and `LATEST`.

    Parameters
    ----------
    days, items
        Day and item of each first purchase.
    catalogue
        Holds r and the pace of each item's category.
    span
        Days of the shop; nothing is due from then on.
    rng
        The source of randomness.

    Returns
    -------
    tuple of Indices
        For each repeat: which first purchase it follows, and its day.
    """
    category = catalogue.category[items]
    pace = catalogue.categories.pace[category]
    wanted = rng.geometric(1 - catalogue.categories.repeat[category]) - 1
    room = np.ceil((span - days) / (SOONEST * pace)).astype(np.int64)
    lengths = np.minimum(wanted, room)
    follows = np.repeat(np.arange(len(items)), lengths)
    passed = np.cumsum(pace[follows] * rng.uniform(SOONEST, LATEST, size=len(follows)))
    # A running sum over all chains, less what stood there before each chain began.
    begun = np.concatenate([[0.0], passed])[np.cumsum(lengths) - lengths]
    due = days[follows] + np.rint(passed - begun[follows]).astype(np.int64)
    return follows[due < span], due[due < span]


def settle(
    planned: Visits, users: Indices, days: Indices, within: Floats, rng: np.random.Generator
) -> Visits:
    """Return a visit for each (user, day): a planned one near by, else one of its own.

    Parameters
    ----------
    planned
        Sorted by user and day.
    users, days
        Who wants to come, and when.
    within
        How many days away a planned visit may be.
    rng
        The source of randomness.
    """
    span = int(max(planned.days.max(initial=0), days.max(initial=0))) + 1
    near = nearest(planned, users, days, within)
    alone = near < 0
    own, place = np.unique((users * span + days)[alone], return_inverse=True)
    near[alone] = len(planned) + place
    return planned.followed_by(_opened(own, span, rng)).take(near)


def nearest(visits: Visits, users: Indices, days: Indices, within: Floats) -> Indices:
    """Return the row of each user's visit nearest to a day, the earlier of two; -1: none within.

    Examples
    --------
    >>> visits = Visits(np.array([0, 0, 1]), np.array([3, 9, 5]), np.zeros(3, dtype=np.int64))
    >>> nearest(visits, np.array([0, 0, 1]), np.array([6, 7, 1]), np.full(3, 3.0)).tolist()
    [0, 1, -1]
    """
    span = int(max(visits.days.max(initial=0), days.max(initial=0))) + 1
    after = np.searchsorted(visits.users * span + visits.days, users * span + days)
    candidates = np.stack([np.maximum(after - 1, 0), np.minimum(after, len(visits) - 1)])
    away = np.abs(visits.days[candidates] - days).astype(np.float64)
    away[visits.users[candidates] != users] = np.inf
    best = np.argmin(away, axis=0)
    every = np.arange(len(users))
    return np.where(away[best, every] <= within, candidates[best, every], -1)


def _opened(keys: Indices, span: int, rng: np.random.Generator) -> Visits:
    """Return the visits of distinct keys ``user * span + day``, each with a time of its day."""
    return Visits(keys // span, keys % span, rng.integers(OPENS, CLOSES, size=len(keys)))
