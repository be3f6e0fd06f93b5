"""The users of a simulated shop, a block at a time: what is known of them, and what is not."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from recsys.random import generator
from recsys.simulation.catalogue import brand_chances
from recsys.simulation.config import AXES, TIERS, SimulationConfig
from recsys.types import Flags, Floats, Indices

ALWAYS_KNOWN: Final = "region"
"""A parcel needs an address; the other attributes may be missing."""
ACTIVITY_SPREAD: Final = 0.8
LEAVERS: Final = 0.2
"""Share of users who stop coming within the period."""
LOYALTY_CONCENTRATION: Final = 4.0


@dataclass(frozen=True)
class People:
    """A block of users.

    Attributes
    ----------
    numbers
        Their numbers in the whole shop, shape ``(n,)``, like all that follow.
    segments
        Axis -> index of the user's true segment.
    known
        Axis -> whether the shop knows it.
    tier
        The level of price she looks for, an index into `TIERS`.
    brand, loyalty
        Her favourite brand, and her chance of asking for it.
    activity
        How often she visits; only ratios matter.
    joins, leaves
        The day of her first visit, and the day from which she visits no more.
    taste
        Her own log taste for each category, shape ``(n, n_categories)``.
    """

    numbers: Indices
    segments: dict[str, Indices]
    known: dict[str, Flags]
    tier: Indices
    brand: Indices
    loyalty: Floats
    activity: Floats
    joins: Indices
    leaves: Indices
    taste: Floats

    def __len__(self) -> int:
        return len(self.numbers)


def make_people(config: SimulationConfig, block: int) -> People:
    """Draw a block of users; no other block has a part in it."""
    rng = generator(config.seed, "users", str(block))
    numbers = np.asarray(config.block_users(block))
    size = len(numbers)
    segments = {axis: rng.integers(len(names), size=size) for axis, names in AXES.items()}
    known = {axis: rng.random(size) >= config.missing for axis in AXES}
    known[ALWAYS_KNOWN][:] = True
    joins, leaves = _presence(config, size, rng)
    shape = LOYALTY_CONCENTRATION * np.array([config.loyalty, 1 - config.loyalty])
    return People(
        numbers,
        segments,
        known,
        _tiers(segments["income"], tier_chances(config.price_effect), rng),
        rng.choice(config.brands, size=size, p=brand_chances(config.brands)),
        rng.beta(shape[0], shape[1], size=size),
        rng.lognormal(0.0, ACTIVITY_SPREAD, size=size),
        joins,
        leaves,
        config.taste * rng.standard_normal((size, config.n_categories)),
    )


def tier_chances(price_effect: float) -> Floats:
    """Chance of each level of price by income, shape ``(n_incomes, n_tiers)``; rows sum to 1.

    ``P(tier t | income j) ∝ exp(−1.5 · price_effect · |t − j|)``.

    Examples
    --------
    >>> tier_chances(0.0)[0].round(3).tolist()
    [0.333, 0.333, 0.333]
    """
    steps = np.abs(np.arange(len(AXES["income"]))[:, None] - np.arange(len(TIERS)))
    chances = np.exp(-1.5 * price_effect * steps)
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _tiers(incomes: Indices, chances: Floats, rng: np.random.Generator) -> Indices:
    bounds = np.cumsum(chances, axis=1)[:, :-1]
    return np.asarray(np.sum(rng.random(len(incomes))[:, None] >= bounds[incomes], axis=1))


def _presence(
    config: SimulationConfig, size: int, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    late = rng.random(size) < config.new_users
    joins = np.where(late, rng.integers(config.days, size=size), 0)
    left = rng.random(size) < LEAVERS
    leaves = np.where(left, rng.integers(joins + 1, config.days + 1), config.days)
    return joins, leaves
