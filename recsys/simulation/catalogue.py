"""The catalogue of a simulated shop: categories with a pace, items with a price and a fate."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.events.schema import CATEGORY_SEPARATOR
from recsys.random import generator
from recsys.simulation.config import DEPARTMENTS, SimulationConfig
from recsys.types import Flags, Floats, Indices

PACES: Final = (7.0, 14.0, 28.0, 56.0)
"""Days between two purchases of one item."""
POPULARITY_EXPONENT: Final = 0.8
TREND: Final = 1.5
"""Log of how many times as popular a rising item is at the end as at the start."""
TRENDING: Final = 0.1
"""Share of items that rise, and as many fall."""
WITHDRAWN: Final = 0.03
DEEPEST_PAST: Final = 720
"""Days before the start that the oldest items were launched."""


@dataclass(frozen=True)
class Categories:
    """The shelves, one entry each, shape ``(n_categories,)``.

    Attributes
    ----------
    names
        ``department > shelf``.
    base
        Log of how much a shelf is wanted by nobody in particular, up to a constant.
    repeat
        Chance that an item is bought once more, after each purchase of it.
    pace
        Days between two purchases of one item.
    return_rate
        Chance that a purchase is returned.
    """

    names: tuple[str, ...]
    base: Floats
    repeat: Floats
    pace: Floats
    return_rate: Floats

    @property
    def queries(self) -> tuple[str, ...]:
        """What people search for: the shelf's own name."""
        return tuple(name.rpartition(CATEGORY_SEPARATOR)[2] for name in self.names)


@dataclass(frozen=True)
class Catalogue:
    """The items, sorted by category and brand, so that a brand's part of a category is a range.

    Shapes are ``(n_items,)`` where nothing else is said; a position here is not the item's number.

    Attributes
    ----------
    categories
        The shelves.
    number
        The number an item's id is made of: ids say nothing of category, brand or popularity.
    category, brand
        Indices.
    starts
        Position of a category's first item of each brand, and after its last; shape
        ``(n_categories, n_brands + 1)``.
    price
        Minor units.
    dearness
        Standardised log price within the category: 0 is usual, 1 is dear, −1 is cheap.
    margin
        Share of the price that is earned.
    popularity
        Weight, a power of the item's random rank.
    growth
        Log of its popularity at the end over that at the start: 0 for most.
    launched, withdrawn
        The month from which it is sold, and from which it is not; 0 and `n_months` for most.
    past_days
        Days before the start that it was launched; 0 for one launched within the period.
    """

    categories: Categories
    number: Indices
    category: Indices
    brand: Indices
    starts: Indices
    price: Indices
    dearness: Floats
    margin: Floats
    popularity: Floats
    growth: Floats
    launched: Indices
    withdrawn: Indices
    past_days: Indices

    def __len__(self) -> int:
        return len(self.number)

    def sold(self, items: Indices, months: Indices) -> Flags:
        """Return whether items are sold in months; the two broadcast."""
        return (self.launched[items] <= months) & (months < self.withdrawn[items])


def make_catalogue(config: SimulationConfig) -> Catalogue:
    """Draw the catalogue of a shop."""
    rng = generator(config.seed, "items")
    categories = make_categories(config)
    category, brand, starts = _shelve(config, rng)
    launched, withdrawn = _fates(config, category, rng)
    dearness = rng.normal(size=config.n_items)
    usual = rng.normal(1.5, 0.5, size=config.n_categories)
    price = np.exp(usual[category] + 0.4 * dearness)
    ranks = rng.permutation(config.n_items) + 1.0
    return Catalogue(
        categories,
        rng.permutation(config.n_items),
        category,
        brand,
        starts,
        np.maximum(1, np.rint(100 * price)).astype(np.int64),
        dearness,
        rng.uniform(0.1, 0.5, size=config.n_items),
        np.asarray(ranks**-POPULARITY_EXPONENT, dtype=np.float64),
        _growth(config.n_items, rng),
        launched,
        withdrawn,
        np.where(launched > 0, 0, rng.integers(1, DEEPEST_PAST, size=config.n_items)),
    )


def make_categories(config: SimulationConfig) -> Categories:
    """Draw the shelves: what is used up is bought again at a pace, what lasts hardly ever is."""
    rng = generator(config.seed, "categories")
    size = config.n_categories
    used_up = rng.random(size) < 0.5
    names = [
        f"{department}{CATEGORY_SEPARATOR}{department} {shelf + 1}"
        for department in DEPARTMENTS[: config.departments]
        for shelf in range(config.shelves)
    ]
    return Categories(
        tuple(names),
        rng.normal(0.0, 0.5, size),
        np.where(used_up, rng.uniform(0.6, 0.85, size), rng.uniform(0.0, 0.15, size)),
        rng.choice(PACES, size),
        rng.uniform(0.0, 0.08, size),
    )


def brand_chances(n_brands: int) -> Floats:
    """Return how common each brand is, ``1 / rank``, among items and as a favourite."""
    chances = 1.0 / np.arange(1, n_brands + 1)
    return np.asarray(chances / chances.sum())


def _shelve(config: SimulationConfig, rng: np.random.Generator) -> tuple[Indices, Indices, Indices]:
    """Draw category and brand of each item, sorted, and where each range starts."""
    others = rng.integers(config.n_categories, size=config.n_items - config.n_categories)
    category = np.concatenate([np.arange(config.n_categories), others])
    brand = rng.choice(config.brands, size=config.n_items, p=brand_chances(config.brands))
    order = np.lexsort((brand, category))
    shelf, label = category[order], brand[order]
    wanted = np.arange(config.n_categories)[:, None] * config.brands + np.arange(config.brands + 1)
    starts = np.searchsorted(shelf * config.brands + label, wanted)
    return shelf, label, starts.astype(np.int64)


def _fates(
    config: SimulationConfig, category: Indices, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Draw when items are launched and withdrawn; a category's first is sold all the time."""
    months, size = config.n_months, len(category)
    fate = rng.random(size)
    fate[np.searchsorted(category, np.arange(config.n_categories))] = 1.0
    # Within the period means at the start of its second month or later: there may be none.
    moment = rng.integers(1, max(months, 2), size=size)
    new = (fate < config.new_items) & (months > 1)
    gone = ~new & (fate < config.new_items + WITHDRAWN) & (months > 1)
    return np.where(new, moment, 0), np.where(gone, moment, months)


def _growth(size: int, rng: np.random.Generator) -> Floats:
    fate = rng.random(size)
    return np.select([fate < TRENDING, fate < 2 * TRENDING], [TREND, -TREND], default=0.0)
