"""What one event is worth: event weight × time decay × log2(1 + quantity)."""

import math
from collections.abc import Iterable

import narwhals as nw
from pydantic import Field, field_validator

from recsys.events.schema import EVENT, EVENT_TYPES, MICROSECONDS_PER_DAY, QUANTITY, TIME
from recsys.events.times import parse_days
from recsys.types import Config

HALF_LIVES = (10.0, 20.0, 40.0, 80.0, 160.0, math.inf)
"""Days: how visits fade in a history, one column each; popularity and habit read them."""
CONTACT_HALF_LIVES = (3.0, 20.0, math.inf)
"""Days: how contacts with an item that are no purchase fade; most looks are soon forgotten."""
FIXED_POINT = float(2**32)
"""Sums are taken over integers in this unit: the same whatever the order of the rows."""


class InteractionsConfig(Config):
    """The ``[interactions]`` table of the config."""

    event_weights: dict[str, float] = Field(
        default={"view": 1, "favorite": 2, "cart": 3, "purchase": 5, "return": -5},
        description="what one event of each kind is worth; a kind without a weight is worth 0",
    )
    target: list[str] = Field(
        default=["purchase"],
        min_length=1,
        description="the events that count as success: habit, learning and evaluation",
    )
    half_life: str = Field(
        "90d", description='an event is worth half as much after this time; "none" = no decay'
    )
    min_item_users: int = Field(
        3, ge=1, description="an item with fewer users learns no factor, lift or neighbours"
    )

    @field_validator("half_life")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        if value != "none":
            parse_days(value, what="half_life")
        return value

    @property
    def known_events(self) -> frozenset[str]:
        """The event types that rows may have: the usual ones, and those that have a weight."""
        return frozenset(EVENT_TYPES) | frozenset(self.event_weights)

    def contact_kinds(self, found: Iterable[str]) -> tuple[str, ...]:
        """Return those of the event types `found` that are no success, in alphabetical order."""
        return tuple(sorted(set(found) - set(self.target)))

    @property
    def largest_weight(self) -> float:
        """The largest event weight, whatever its sign."""
        return max((abs(weight) for weight in self.event_weights.values()), default=1.0) or 1.0

    @property
    def half_life_days(self) -> float:
        """The half-life in days; infinite for ``none``."""
        return math.inf if self.half_life == "none" else parse_days(self.half_life)


def age_in_days(as_of: int, *, of: str = TIME) -> nw.Expr:
    """Days between the time in column `of` and `as_of` (microseconds)."""
    return (as_of - nw.col(of)).cast(nw.Float64) / MICROSECONDS_PER_DAY


def decay(age: nw.Expr, half_life: float) -> nw.Expr:
    """``2^(−age / half_life)``, both in days."""
    return (age * (-math.log(2) / half_life)).exp()


def event_weight(weights: dict[str, float]) -> nw.Expr:
    """Return the weight of the row's event type; 0 for one without."""
    value: nw.Expr = nw.lit(0.0)
    for name, weight in sorted(weights.items()):
        value = nw.when(nw.col(EVENT) == name).then(nw.lit(float(weight))).otherwise(value)
    return value


def worth(config: InteractionsConfig, *, as_of: int, timed: bool) -> nw.Expr:
    """Return what a row is worth: ``weight × 2^(−age/half_life) × log2(1 + quantity)``.

    Parameters
    ----------
    config
        Event weights and the half-life.
    as_of
        Microseconds; ages are counted back from it.
    timed
        Without times nothing decays.
    """
    quantity = nw.col(QUANTITY).cast(nw.Float64).fill_null(1.0)
    value = event_weight(config.event_weights) * (quantity + 1.0).log(2)
    if timed and math.isfinite(config.half_life_days):
        value = value * decay(age_in_days(as_of), config.half_life_days)
    return value


def faded(count: str, last: str, half_life: float, *, as_of: int, timed: bool) -> nw.Expr:
    """Return what a day's events are still worth at `as_of`, in fixed point.

    Parameters
    ----------
    count
        Column with the number of events on the day.
    last
        Column with the time of the last of them.
    half_life
        Days; infinite = nothing fades.
    as_of
        Microseconds.
    timed
        Without times nothing fades.
    """
    value = nw.col(count).cast(nw.Float64)
    if timed and math.isfinite(half_life):
        left = decay(age_in_days(as_of, of=last), half_life)
        value = nw.when(nw.col(count) > 0).then(left).otherwise(0.0)
    return fixed(value)


def fixed(value: nw.Expr) -> nw.Expr:
    """Round to the fixed-point unit, so that a sum does not depend on the order of its terms."""
    return (value * FIXED_POINT).round().cast(nw.Int64)


def from_fixed(name: str) -> nw.Expr:
    """Read a sum in the fixed-point unit back as float64."""
    return nw.col(name).cast(nw.Float64) / FIXED_POINT
