"""Customers of a simulated shop who answer lists: they look, click and buy by their own truth.

A list is looked at from its top. For place ``r``, item ``i`` and user ``u``::

    P(looks at r)      = r^(-η)
    P(clicks | looks)  = a · p(i | u) / max_j p(j | u)
    P(cart | click), P(purchase | cart): as `Habits` has them

``p``: the chance that an item is what she turns to next (`Truth.preferences`, at the shop's end).
Beside lists she buys what she came for, drawn from the same ``p``: it is bought whatever is listed.

The position-based model of clicks: Craswell, Zoeter, Taylor, Ramsey, "An Experimental Comparison of
Click Position-Bias Models", WSDM 2008; ``r^(-η)``: Joachims, Swaminathan, Schnabel, "Unbiased
Learning-to-Rank with Biased Feedback", WSDM 2017.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from recsys.events.schema import MICROSECONDS_PER_DAY, PURCHASE
from recsys.random import generator
from recsys.simulation.truth import Truth
from recsys.types import Floats

CLICK, CART = "click", "cart"
SECOND: Final = 1_000_000
OPENS, CLOSES = 8 * 3600, 22 * 3600
"""Seconds of a day between which visits begin."""
BLOCK: Final = 500
"""Users whose chances are worked out together."""


class Habits(NamedTuple):
    """How customers answer.

    Attributes
    ----------
    examination
        ``η``: the higher, the sooner they stop looking.
    appeal
        ``a``: chance that the item a customer likes best is clicked when it is looked at.
    carts, purchases
        Share of clicks that are put into the cart, and of these that are bought.
    own
        Share of visits in which something is bought that she came for.
    """

    examination: float = 1.0
    appeal: float = 0.5
    carts: float = 0.5
    purchases: float = 0.6
    own: float = 0.3


class Visit(NamedTuple):
    """Somebody comes.

    Attributes
    ----------
    user
        Her place among the customers.
    user_id, session_id
        Who, and the visit's own id.
    time
        When, microseconds.
    """

    user: int
    user_id: str
    session_id: str
    time: int


class Deed(NamedTuple):
    """Something done in a visit.

    Attributes
    ----------
    event, item_id
        What was done with which item.
    time
        When, microseconds.
    amount
        What was paid, minor units.
    listed
        Whether the list led to it.
    """

    event: str
    item_id: str
    time: int
    amount: int
    listed: bool


class Customers:
    """Some users of a simulated shop, in the days after its end.

    Parameters
    ----------
    truth
        Of the shop.
    user_ids
        Who they are.
    seed
        Of every draw; each visit has draws of its own.
    visits
        Mean visits of a user a day; who came often before comes often.
    habits
        How they answer.

    Raises
    ------
    NotFoundError
        When a user is none of the shop's.
    """

    def __init__(
        self,
        truth: Truth,
        user_ids: Sequence[str],
        *,
        seed: int,
        visits: float = 0.3,
        habits: Habits | None = None,
    ) -> None:
        self.user_ids, self.seed, self._habits = list(user_ids), seed, habits or Habits()
        self.start = truth.config.end_time
        self._items, self._prices = truth.items, truth.prices
        self._places = {str(item): place for place, item in enumerate(truth.items.tolist())}
        self._rates = visits * truth.activity(self.user_ids)
        self._chances = _chances(truth, self.user_ids)
        self._most = self._chances.max(axis=1)

    def visits_on(self, day: int) -> list[Visit]:
        """Return the visits of a day after the shop's end, counted from 0, in their order."""
        rng = generator(self.seed, "visits", str(day))
        users = np.repeat(np.arange(len(self._rates)), rng.poisson(self._rates))
        seconds = rng.integers(OPENS, CLOSES, size=len(users))
        midnight = self.start + day * MICROSECONDS_PER_DAY
        return [
            Visit(
                user,
                self.user_ids[user],
                f"after-{day}-{number}",
                midnight + int(seconds[number]) * SECOND,
            )
            for number, user in sorted(
                enumerate(users.tolist()), key=lambda one: int(seconds[one[0]])
            )
        ]

    def answer(self, visit: Visit, items: Sequence[str]) -> list[Deed]:
        """Return what a customer does in a visit in which she is shown a list.

        Parameters
        ----------
        visit
            Whose, and when.
        items
            The list; what the shop does not have appeals to nobody.
        """
        rng, habits = generator(self.seed, "answers", visit.session_id), self._habits
        own = self._chances[visit.user]
        found: list[Deed] = []
        # A draw for every place, used or not: another list of the same items has the same luck.
        luck = rng.random((len(items), 4))
        for place, item in enumerate(items):
            known = self._places.get(item)
            liked = 0.0 if known is None else own[known] / self._most[visit.user]
            looks = (place + 1.0) ** -habits.examination
            if known is None or luck[place, 0] >= looks or luck[place, 1] >= habits.appeal * liked:
                continue
            moment = visit.time + (place + 1) * 5 * SECOND
            found.append(Deed(CLICK, item, moment, 0, listed=True))
            if luck[place, 2] < habits.carts:
                found.append(Deed(CART, item, moment + SECOND, 0, listed=True))
                if luck[place, 3] < habits.purchases:
                    paid = int(self._prices[known])
                    found.append(Deed(PURCHASE, item, moment + 2 * SECOND, paid, listed=True))
        return [*found, *self._came_for(visit, rng)]

    def expected_clicks(self, user: int, items: Sequence[str]) -> float:
        """Return how many clicks a list is worth, by the formula above.

        Parameters
        ----------
        user
            Her place among the customers.
        items
            The list.
        """
        habits, own = self._habits, self._chances[user]
        liked = [own[self._places[item]] if item in self._places else 0.0 for item in items]
        looks = np.arange(1, len(items) + 1) ** -habits.examination
        return float(habits.appeal * (looks * np.array(liked)).sum() / self._most[user])

    def _came_for(self, visit: Visit, rng: np.random.Generator) -> list[Deed]:
        if rng.random() >= self._habits.own:
            return []
        item = int(rng.choice(len(self._items), p=self._chances[visit.user]))
        moment, paid = visit.time + 600 * SECOND, int(self._prices[item])
        return [Deed(PURCHASE, str(self._items[item]), moment, paid, listed=False)]


def _chances(truth: Truth, user_ids: Sequence[str]) -> Floats:
    """Return p(item | user) at the shop's end, shape ``(n_users, n_items)``."""
    moment = truth.config.end_time
    parts = [
        truth.preferences(user_ids[first : first + BLOCK], moment)
        for first in range(0, len(user_ids), BLOCK)
    ]
    found = np.concatenate(parts)
    return np.asarray(found / found.sum(axis=1, keepdims=True))
