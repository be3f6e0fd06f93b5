"""What users do: one block of users, and all of their events.

A visit is a look around: some items are bought (view, cart, purchase), some left in the cart (view,
cart), some liked (view, favorite), and each of them is drawn from the user's preference. Her first
purchase of an item may begin a chain of repeats (cart, purchase); a purchase may be rated or
returned some days later. Views that come to nothing fill the block up to its exact number of
events.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from recsys.events.schema import MICROSECONDS_PER_DAY, PURCHASE, SEARCH
from recsys.random import generator
from recsys.simulation.catalogue import Catalogue
from recsys.simulation.config import DAYS_PER_MONTH, VISITS_PER_EVENT, SimulationConfig
from recsys.simulation.events import MICROSECONDS_PER_SECOND, Events, join, new_events
from recsys.simulation.population import People
from recsys.simulation.preference import Preference
from recsys.simulation.visits import TOLERANCE, Visits, due_days, plan_visits, settle
from recsys.types import Floats, Indices

VIEW, FAVORITE, CART, RETURN, RATING = "view", "favorite", "cart", "return", "rating"
CARTED, LIKED = 0.25, 0.1
"""Items a visit that are left in the cart, and that are marked as a favourite."""
LOOKING, CHECKOUT = (60, 1_500), 1_800
"""Seconds after a visit's begin: between which items are looked at, and when all is paid."""
TO_SEARCH, TO_LIKE, TO_CART = -20, 15, 30
"""Seconds from the view of an item to the search before it, and to what follows it."""
RETURN_DAYS, RATING_DAYS = (2, 14), (1, 15)
"""Days after a purchase: from, and before."""
QUANTITIES: Final = (0.75, 0.93)
"""Share of purchases of one piece, and of one or two; the others are of three."""
DISCOUNTED: Final = 0.12
"""Share of purchases with a tenth, two or three taken off."""
OPINION_SPREAD: Final = 0.8


class Looks(NamedTuple):
    """Items that a user turned to, and the visits in which that was."""

    visits: Visits
    items: Indices


def simulate_block(
    config: SimulationConfig, preference: Preference, people: People, block: int
) -> Events:
    """Simulate a block of users; no other block has a part in it.

    Parameters
    ----------
    config, preference
        The shop.
    people
        The users, as `make_people` draws them for the block.
    block
        The block's number.

    Returns
    -------
    Events
        Exactly ``config.block_quota(block)``, sorted by user and time.
    """
    quota = config.block_quota(block)
    rng = generator(config.seed, "events", str(block))
    behaviour = Behaviour(config, preference, people, preference.shares(people), rng)
    planned = plan_visits(people, round(quota * VISITS_PER_EVENT), config.days, rng)
    events = behaviour.deeds(planned, purchases_per_visit(config, preference.catalogue))
    idle = _idle(planned, max(0, quota - len(events)), rng)
    events = join([events, behaviour.views(behaviour.look(planned.take(idle)))])
    if len(events) > quota:
        # A small block can have too many: those that are cut off are its last, so that whatever
        # is left still has what came before it.
        events = events.earliest(quota)
    span = config.days * MICROSECONDS_PER_DAY
    return events.take(np.argsort(events.users * span + events.times, kind="stable"))


@dataclass(frozen=True)
class Behaviour:
    """How a block's users act.

    Attributes
    ----------
    config, preference, people
        The shop, and the block.
    shares
        P(category | user), shape ``(n_users, n_categories)``.
    rng
        The block's source of randomness.
    """

    config: SimulationConfig
    preference: Preference
    people: People
    shares: Floats
    rng: np.random.Generator

    def deeds(self, planned: Visits, bought: float) -> Events:
        """Return all that planned visits lead to, but for the views that come to nothing.

        `bought` is how many items a visit are bought for the first time, on average.
        """
        first, carted, liked = (self._look_at(planned, n) for n in (bought, CARTED, LIKED))
        again = self.bought_again(planned, first)
        views = [self.views(looks) for looks in (first, carted, liked)]
        carts = [*(seen.after(TO_CART, CART) for seen in views[:2]), self._seen(CART, again)]
        likes = views[2].after(TO_LIKE, FAVORITE)
        sales = join([self.sales(first), self.sales(again)])
        later = [self.returns(sales), self.rated(sales)]
        return join([*views, self.searches(join(views)), *carts, likes, sales, *later])

    def look(self, visits: Visits) -> Looks:
        """Draw an item for each visit, by the user's preference in that month."""
        months = visits.days // DAYS_PER_MONTH
        items = self.preference.draw(self.people, self.shares, visits.users, months, self.rng)
        return Looks(visits, items)

    def bought_again(self, planned: Visits, first: Looks) -> Looks:
        """Draw the repeats of the first purchase of each item by each user."""
        catalogue, people = self.preference.catalogue, self.people
        pairs = first.visits.users * len(catalogue) + first.items
        # Visits are sorted by time, so that the first row of a pair is its first purchase.
        _, starts = np.unique(pairs, return_index=True)
        items, visits = first.items[starts], first.visits.take(starts)
        follows, due = due_days(visits.days, items, catalogue, self.config.days, self.rng)
        items, users = items[follows], visits.users[follows]
        there = (due < people.leaves[users]) & catalogue.sold(items, due // DAYS_PER_MONTH)
        items, users, due = items[there], users[there], due[there]
        pace = catalogue.categories.pace[catalogue.category[items]]
        settled = settle(planned, users, due, np.maximum(1.0, TOLERANCE * pace), self.rng)
        # The visit near by may fall into the month in which the item is sold no more.
        kept = np.flatnonzero(catalogue.sold(items, settled.days // DAYS_PER_MONTH))
        return Looks(settled.take(kept), items[kept])

    def views(self, looks: Looks) -> Events:
        """Return the views of items, some time during the visits."""
        return self._seen(VIEW, looks)

    def searches(self, views: Events) -> Events:
        """Return the searches that led to some of the views."""
        found = views.take(self.rng.random(len(views)) < self.config.searches)
        return found.after(TO_SEARCH, SEARCH)

    def sales(self, looks: Looks) -> Events:
        """Return the purchases of items, all of a visit at one time."""
        size = len(looks.items)
        quantity = 1 + np.searchsorted(QUANTITIES, self.rng.random(size), side="right")
        full = quantity * self.preference.catalogue.price[looks.items]
        tenths = self.rng.integers(1, 4, size=size) * (self.rng.random(size) < DISCOUNTED)
        discount = full * tenths // 10
        sold = _in_visits(PURCHASE, looks, np.full(size, CHECKOUT))
        return sold.with_numbers(quantity=quantity, amount=full - discount, discount=discount)

    def returns(self, sales: Events) -> Events:
        """Return the returns of some purchases: the same item, quantity and money."""
        catalogue = self.preference.catalogue
        rate = catalogue.categories.return_rate[catalogue.category[sales.items]]
        back = sales.take(self.rng.random(len(sales)) < rate)
        returned = back.become(RETURN, self._later(back, RETURN_DAYS))
        same = returned.with_numbers(quantity=back.quantity, amount=back.amount)
        return self._in_time(same)

    def rated(self, sales: Events) -> Events:
        """Return the ratings of some purchases: the better liked, the more stars."""
        chosen = sales.take(self.rng.random(len(sales)) < self.config.ratings)
        noise = self.rng.normal(0.0, OPINION_SPREAD, size=len(chosen))
        stars = np.rint(3.5 + self.affinity(chosen.users, chosen.items) + noise)
        given = chosen.become(RATING, self._later(chosen, RATING_DAYS))
        return self._in_time(given.with_numbers(stars=np.clip(stars, 1, 5).astype(np.int64)))

    def affinity(self, users: Indices, items: Indices) -> Floats:
        """Return how much users like items, about 0 on average.

        ``log(P(c | u) · n_categories) / 2 + ½ · 1[b_i = b_u]``, for category ``c`` and brand
        ``b_i`` of the item and the user's favourite brand ``b_u``.
        """
        catalogue = self.preference.catalogue
        share = self.shares[users, catalogue.category[items]]
        favourite = catalogue.brand[items] == self.people.brand[users]
        return np.asarray(np.log(share * self.shares.shape[1]) / 2 + 0.5 * favourite)

    def _look_at(self, planned: Visits, mean: float) -> Looks:
        """Look at a Poisson number of items in each visit."""
        counts = self.rng.poisson(mean, size=len(planned))
        return self.look(planned.take(np.repeat(np.arange(len(planned)), counts)))

    def _seen(self, kind: str, looks: Looks) -> Events:
        return _in_visits(kind, looks, self.rng.integers(*LOOKING, size=len(looks.items)))

    def _later(self, events: Events, days: tuple[int, int]) -> Indices:
        wait = self.rng.integers(*days, size=len(events)) * MICROSECONDS_PER_DAY
        return np.asarray(events.times + wait)

    def _in_time(self, events: Events) -> Events:
        return events.take(events.times < self.config.days * MICROSECONDS_PER_DAY)


def purchases_per_visit(config: SimulationConfig, catalogue: Catalogue) -> float:
    """Return how many items a visit are bought for the first time, on average.

    So many that, with what comes of them, about the share β = `browsing` of all events is left to
    views that come to nothing::

        (1 − β) / v = λ (3 + s + g + R (2 + g)) + (carted + liked) (2 + s)

    ``λ``: the answer; ``v``: visits per event; ``s``, ``g``: chance of a search before and of a
    rating or a return after; ``R``: `expected_repeats`.
    """
    follows = config.ratings + float(catalogue.categories.return_rate.mean())
    others = (CARTED + LIKED) * (2 + config.searches)
    room = (1 - config.browsing) / VISITS_PER_EVENT - others
    repeats = expected_repeats(catalogue, config.days)
    return max(0.05, room / (3 + config.searches + follows + repeats * (2 + follows)))


def expected_repeats(catalogue: Catalogue, days: int) -> float:
    """Return about how many repeats follow a first purchase on a uniform day of the period.

    ``Σ_c P(c) Σ_n r_cⁿ max(0, 1 − n · pace_c / days)``, with the P(c) of nobody in particular;
    users who join late or leave early have fewer.
    """
    categories = catalogue.categories
    shares = np.exp(categories.base) / np.exp(categories.base).sum()
    nth = np.arange(1, 100)[:, None]
    inside = np.maximum(0.0, 1 - nth * categories.pace / days)
    return float(shares @ np.sum(categories.repeat**nth * inside, axis=0))


def _idle(planned: Visits, n: int, rng: np.random.Generator) -> Indices:
    """Draw the visits of `n` views that come to nothing, the first visit of each user first.

    So there is a user to every id, where there are views enough.
    """
    _, first = np.unique(planned.users, return_index=True)
    more = rng.integers(len(planned), size=max(0, n - len(first)))
    return np.concatenate([first, more])[:n]


def _in_visits(kind: str, looks: Looks, seconds: Indices) -> Events:
    visits = looks.visits
    moments = (visits.seconds + seconds) * MICROSECONDS_PER_SECOND
    times = visits.days * MICROSECONDS_PER_DAY + moments
    return new_events(kind, visits.users, looks.items, times, visits.days)
