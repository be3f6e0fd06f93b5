"""What shop is simulated: how much of everything, for how long, and how strongly who buys what."""

import math
from typing import Final

from pydantic import Field, model_validator

from recsys.errors import ConfigError
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.times import parse_time
from recsys.types import Config

AXES: Final[dict[str, tuple[str, ...]]] = {
    "age": ("18-29", "30-44", "45-59", "60+"),
    "gender": ("female", "male"),
    "income": ("low", "middle", "high"),
    "region": ("north", "south", "east", "west"),
}
"""Attribute of a user -> its segments."""
DEPARTMENTS: Final = (
    "bakery",
    "dairy",
    "drinks",
    "fruit",
    "household",
    "snacks",
    "baby",
    "beauty",
    "garden",
    "meat",
    "pets",
    "toys",
)
TIERS: Final = ("low", "middle", "high")
"""Levels of price, within a category, that a user may look for."""

BLOCK: Final = 1024
"""Users that are simulated together. Part of what a seed means: changing it changes every shop."""
DAYS_PER_MONTH: Final = 30
"""A month here is 30 days from the start: within one, nothing in the shop changes."""
EVENTS_PER_USER: Final = 40
VISITS_PER_EVENT: Final = 1 / 6

LIMITS: Final[dict[str, tuple[int, int]]] = {
    "events": (1_000, 1_000_000_000),
    "seed": (0, 2**63 - 1),
    "days": (7, 3_650),
    "departments": (1, len(DEPARTMENTS)),
    "shelves": (1, 50),
    "brands": (1, 1_000),
}
EVENTS_PER_USER_LIMITS: Final = (10, 1_000)
MOST_ITEM_MONTHS: Final = 10_000_000
"""Items times months: what is sold when, at which price for whom, is held in memory."""
EARLIEST, LATEST = "1900-01-01", "9900-01-01"
"""Between which a shop may start: all of its times have a year of four digits."""
SHARES: Final = ("new_users", "new_items", "missing", "browsing", "searches", "ratings")
STRENGTHS: Final = {"price_effect": (0.0, 5.0), "taste": (0.0, 3.0), "loyalty": (0.01, 0.99)}
STRONGEST_LIFT: Final = 3.0


class SimulationConfig(Config):
    """A simulated shop; the same values are the same shop, to the last event.

    Raises
    ------
    ConfigError
        When a value is outside its limits, or there are too many or too few users or items for
        the rest; it names the value and the remedy.

    Examples
    --------
    >>> shop = SimulationConfig(events=1_000_000)
    >>> shop.n_users, shop.n_items, shop.n_blocks
    (25000, 4000, 25)
    """

    events: int = Field(100_000, description="exactly so many are written")
    seed: int = Field(42, description="seed of every draw")
    start: str = Field("2024-01-01", description="the shop's first moment, ISO 8601")
    days: int = Field(365, description="how long the shop is watched")
    users: int | None = Field(None, description="default: one for every 40 events")
    items: int | None = Field(None, description="default: 4 √events, two a category at least")
    departments: int = Field(12, description="the first level of the categories")
    shelves: int = Field(5, description="categories in each department")
    brands: int = Field(20, description="brands; each may be in every category")
    lifts: dict[str, float] = Field(
        default={"age": 1.0, "gender": 0.3, "income": 0.0, "region": 0.0},
        description="standard deviation of an axis' log lifts by category; 0 = uninformative",
    )
    price_effect: float = Field(
        1.0, description="how strongly income decides the level of price; 0 = not at all"
    )
    taste: float = Field(0.7, description="standard deviation of a user's own log tastes")
    loyalty: float = Field(0.3, description="mean chance of asking for the favourite brand")
    new_users: float = Field(0.3, description="share of users who join later than the first day")
    new_items: float = Field(0.15, description="share of items launched later than at the start")
    missing: float = Field(0.1, description="share of unknown ages, genders and incomes")
    browsing: float = Field(0.3, description="share of events that are views and nothing more")
    searches: float = Field(0.15, description="share of considered items that were searched for")
    ratings: float = Field(0.06, description="share of purchases that are rated")

    @model_validator(mode="after")
    def _is_possible(self) -> "SimulationConfig":
        shares = dict.fromkeys(SHARES, (0.0, 0.9))
        for name, (low, high) in {**LIMITS, **shares, **STRENGTHS}.items():
            _inside(name, getattr(self, name), low, high)
        if not parse_time(EARLIEST) <= self.start_time <= parse_time(LATEST):
            raise ConfigError(
                f"start = {self.start} is not within {EARLIEST} to {LATEST}; choose one that is"
            )
        self._check_axes()
        self._check_sizes()
        return self

    def _check_axes(self) -> None:
        for axis, strength in self.lifts.items():
            if axis not in AXES:
                raise ConfigError(f"lifts has {axis!r}, which is no axis; known are {_axes()}")
            _inside(f"lifts of {axis}", strength, 0.0, STRONGEST_LIFT)

    def _check_sizes(self) -> None:
        fewest, most = EVENTS_PER_USER_LIMITS
        low, high = max(1, -(-self.events // most)), self.events // fewest
        if not low <= self.n_users <= high:
            raise ConfigError(
                f"users = {self.n_users}: {self.events} events need {low} to {high} users, so that "
                f"one has {fewest} to {most} on average; change users or events"
            )
        room = MOST_ITEM_MONTHS // self.n_months
        if not self.n_categories <= self.n_items <= room:
            raise ConfigError(
                f"items = {self.n_items}: {self.departments} departments of {self.shelves} shelves "
                f"and {self.days} days need {self.n_categories} to {room} items; change items, "
                "shelves or days"
            )

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return self.events // EVENTS_PER_USER if self.users is None else self.users

    @property
    def n_items(self) -> int:
        """How many items there are."""
        default = max(4 * math.isqrt(self.events), 2 * self.n_categories)
        return default if self.items is None else self.items

    @property
    def n_categories(self) -> int:
        """How many categories there are: shelves of all departments."""
        return self.departments * self.shelves

    @property
    def n_months(self) -> int:
        """How many months begin within the period."""
        return -(-self.days // DAYS_PER_MONTH)

    @property
    def n_blocks(self) -> int:
        """How many blocks of users there are."""
        return -(-self.n_users // BLOCK)

    @property
    def start_time(self) -> int:
        """The shop's first moment, microseconds."""
        return parse_time(self.start, what="start")

    @property
    def end_time(self) -> int:
        """The moment after the last day, microseconds; no event reaches it."""
        return self.start_time + self.days * MICROSECONDS_PER_DAY

    def block_users(self, block: int) -> range:
        """Return the numbers of the users of a block."""
        return range(block * BLOCK, min((block + 1) * BLOCK, self.n_users))

    def block_quota(self, block: int) -> int:
        """Return how many events a block writes; the blocks' sum is exactly `events`."""
        users = self.block_users(block)
        return self.events * users.stop // self.n_users - self.events * users.start // self.n_users


def _inside(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} = {value} is not within {low} to {high}; choose one that is")


def _axes() -> str:
    return ", ".join(AXES)
