"""Who wants what: one closed form, which events are drawn from and the truth is worked out by.

::

    p(i | u, m) = P(c | u) · [(1 − ℓ) · w_i / Σ_{j in c} w_j
                              + ℓ · 1[b_i = b_u] · w_i / Σ_{j in c, b_j = b_u} w_j]

    P(c | u)  ∝ exp(base_c + Σ_axes lift[axis, segment of u, c] + taste_uc)
    w_i(t, m) ∝ 1[sold in month m] · popularity_i · exp(growth_i · (m / (M − 1) − ½))
                · exp(−(price_effect / 2) · (dearness_i − t)²)

``c``, ``b_i``: category and brand of item ``i``; ``b_u``, ``ℓ``, ``t``: favourite brand, loyalty
and level of price (−1, 0, 1) of user ``u``; ``m``: the month, of ``M``. Where the favourite brand
has nothing in a category that month, ``ℓ`` is 0 there. A nested choice of category, brand and item.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.random import generator
from recsys.simulation.catalogue import Catalogue, make_catalogue
from recsys.simulation.config import AXES, TIERS, SimulationConfig
from recsys.simulation.population import People
from recsys.types import Floats, Indices

UNIT: Final = 2.0**50
"""Weights are integers, their sum for a level of price and a month about this: sums are exact, so
that a draw never falls on an item that is not sold."""
OF_DEPARTMENT: Final = 0.7
"""Share of a lift's variance that all shelves of a department have in common."""


@dataclass(frozen=True)
class Preference:
    """The closed form with a shop's numbers in it.

    Attributes
    ----------
    catalogue
        The items.
    lifts
        Axis -> log lifts, shape ``(n_segments, n_categories)``; over segments their mean is 0.
    n_months
        Months of the period.
    before
        Sum of the weights before each item, and after the last, for each level of price and month,
        and of all rows above; shape ``(n_tiers * n_months, n_items + 1)``, never decreasing.
    """

    catalogue: Catalogue
    lifts: Mapping[str, Floats]
    n_months: int
    before: Indices

    def shares(self, people: People) -> Floats:
        """Return P(c | u), shape ``(n_users, n_categories)``."""
        logs = self.catalogue.categories.base + people.taste
        for axis, lifts in self.lifts.items():
            logs += lifts[people.segments[axis]]
        shares = np.exp(logs)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def draw(
        self,
        people: People,
        shares: Floats,
        users: Indices,
        months: Indices,
        rng: np.random.Generator,
    ) -> Indices:
        """Draw one item for each row, by the closed form.

        Parameters
        ----------
        people, shares
            A block of users, and their P(c | u).
        users, months
            The block's user and the month of each draw, shape ``(n,)``.
        rng
            The source of randomness.

        Returns
        -------
        Indices
            Positions in the catalogue, shape ``(n,)``.
        """
        category = _draw_category(shares, users, rng)
        rows = self.row(people.tier[users], months)
        first, after = self._bounds(rows, category, None)
        own_first, own_after = self._bounds(rows, category, people.brand[users])
        loyal = (rng.random(len(users)) < people.loyalty[users]) & (own_after > own_first)
        low, high = np.where(loyal, own_first, first), np.where(loyal, own_after, after)
        # Below `high` for certain: (1 − 2⁻⁵³) times an integer is rounded to less than it.
        target = low + (rng.random(len(users)) * (high - low)).astype(np.int64)
        place = np.searchsorted(self.before.ravel(), target, side="right") - 1
        return np.asarray(place - rows * self._width)

    def chances(self, people: People, rows: Indices, month: int) -> Floats:
        """Return p(i | u, m) of some users of a block, shape ``(n_rows, n_items)``."""
        items = self.catalogue
        tables = self.row(people.tier[rows], np.full(len(rows), month))
        weights = np.diff(self.before[tables]).astype(np.float64)
        of_category = self._within(tables)
        own = self._within(tables, people.brand[rows])
        loyalty = np.where(own > 0, people.loyalty[rows][:, None], 0.0)
        favourite = items.brand == people.brand[rows][:, None]
        any_brand = (1 - loyalty) / of_category
        one_brand = loyalty / np.maximum(own, 1.0)
        factor = any_brand[:, items.category] + favourite * one_brand[:, items.category]
        share = self.shares(people)[rows][:, items.category]
        return np.asarray(share * weights * factor)

    def row(self, tiers: Indices, months: Indices) -> Indices:
        """Return the rows of `before` for levels of price and months."""
        return tiers * self.n_months + months

    @property
    def _width(self) -> int:
        return int(self.before.shape[1])

    def _bounds(
        self, rows: Indices, categories: Indices, brands: Indices | None
    ) -> tuple[Indices, Indices]:
        """Return the summed weights before the first and after the last item of a range."""
        starts, flat = self.catalogue.starts, self.before.ravel()
        first = starts[categories, 0 if brands is None else brands]
        after = starts[categories, -1 if brands is None else brands + 1]
        return flat[rows * self._width + first], flat[rows * self._width + after]

    def _within(self, rows: Indices, brands: Indices | None = None) -> Floats:
        """Return the weight of each category, or of a brand in it, shape ``(n, n_categories)``."""
        every = np.arange(len(self.catalogue.categories.names))
        first, after = self._bounds(
            rows[:, None], every, None if brands is None else brands[:, None]
        )
        return (after - first).astype(np.float64)


def make_preference(config: SimulationConfig) -> Preference:
    """Draw the catalogue and the lifts of a shop."""
    catalogue = make_catalogue(config)
    weights = _weights(config, catalogue).reshape(-1, len(catalogue))
    sums = np.cumsum(weights, axis=1)
    above = np.concatenate([[0], np.cumsum(sums[:, -1])[:-1]])
    before = np.concatenate([np.zeros((len(sums), 1), dtype=np.int64), sums], axis=1)
    return Preference(catalogue, make_lifts(config), config.n_months, before + above[:, None])


def make_lifts(config: SimulationConfig) -> dict[str, Floats]:
    """Draw each axis' log lifts by category; an axis of strength 0 has none."""
    lifts = {}
    for axis, names in AXES.items():
        rng = generator(config.seed, "lifts", axis)
        broad = rng.standard_normal((len(names), config.departments))
        narrow = rng.standard_normal((len(names), config.n_categories))
        mixed = np.sqrt(OF_DEPARTMENT) * np.repeat(broad, config.shelves, axis=1)
        mixed += np.sqrt(1 - OF_DEPARTMENT) * narrow
        lifts[axis] = config.lifts.get(axis, 0.0) * (mixed - mixed.mean(axis=0))
    return lifts


def _weights(config: SimulationConfig, catalogue: Catalogue) -> Indices:
    """Return w_i, shape ``(n_tiers, n_months, n_items)``; 0 only where an item is not sold."""
    month = np.arange(config.n_months)[:, None]
    progress = month / max(config.n_months - 1, 1) - 0.5
    wanted = (np.arange(len(TIERS)) - 1.0)[:, None, None]
    logs = np.log(catalogue.popularity) + catalogue.growth * progress
    logs = logs - config.price_effect / 2 * (catalogue.dearness - wanted) ** 2
    sold = catalogue.sold(np.arange(len(catalogue)), month)
    weights = np.where(sold, np.exp(logs), 0.0)
    units = np.rint(UNIT * weights / weights.sum(axis=2, keepdims=True)).astype(np.int64)
    return np.where(sold, np.maximum(units, 1), 0)


def _draw_category(shares: Floats, users: Indices, rng: np.random.Generator) -> Indices:
    """Draw from the rows of `shares`: user ``u``'s cumulative shares lie between u and u + 1."""
    n_users, size = shares.shape
    bounds = np.cumsum(shares, axis=1) + np.arange(n_users)[:, None]
    bounds[:, -1] = np.arange(1, n_users + 1)
    place = np.searchsorted(bounds.ravel(), users + rng.random(len(users)), side="right")
    # A sum can be rounded up to the next user's first.
    return np.asarray(np.minimum(place - users * size, size - 1))
