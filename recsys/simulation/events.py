"""Events of simulated users, as plain arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from recsys.events.schema import EVENT_TYPES
from recsys.types import Flags, Indices

CODES: Final = {name: code for code, name in enumerate(EVENT_TYPES)}
"""Event -> its position among all events."""
MICROSECONDS_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class Events:
    """Events of users, shape ``(n,)``.

    Attributes
    ----------
    users
        Index of the user, within a block or in the shop.
    items
        Position in the catalogue; of a search, the item it led to, which the files do not say.
    kinds
        Position in `EVENT_TYPES`.
    times
        Microseconds since the shop's start.
    days
        The day of the visit; of a return or a rating, of the visit in which the item was bought.
    quantity
        0 where the event has none.
    amount, discount
        Minor units; 0 where the event has none.
    stars
        1 to 5; 0 where the event is no rating.
    """

    users: Indices
    items: Indices
    kinds: Indices
    times: Indices
    days: Indices
    quantity: Indices
    amount: Indices
    discount: Indices
    stars: Indices

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: Indices | Flags) -> "Events":
        """Return some rows."""
        return Events(*(getattr(self, field.name)[rows] for field in fields(self)))

    def earliest(self, n: int) -> "Events":
        """Return the first `n` events by time, in the order in which they stand."""
        return self.take(np.sort(np.argsort(self.times, kind="stable")[:n]))

    def become(self, kind: str, times: Indices) -> "Events":
        """Return what happened to the same users and items at other times, without numbers."""
        return new_events(kind, self.users, self.items, times, self.days)

    def after(self, seconds: int, kind: str) -> "Events":
        """Return what happened so many seconds after each event."""
        return self.become(kind, self.times + seconds * MICROSECONDS_PER_SECOND)

    def with_numbers(self, **numbers: Indices) -> "Events":
        """Return the same events with quantity, amount, discount or stars."""
        return replace(self, **numbers)

    def of_shop(self, first: int) -> "Events":
        """Return the events of a block by the users' indices in the shop."""
        return replace(self, users=self.users + first)


def new_events(kind: str, users: Indices, items: Indices, times: Indices, days: Indices) -> Events:
    """Return events of one kind without quantity, money or stars."""
    none = np.zeros(len(users), dtype=np.int64)
    return Events(users, items, np.full(len(users), CODES[kind]), times, days, *[none] * 4)


def join(parts: Iterable[Events]) -> Events:
    """Return the events of all parts, one after the other."""
    columns = zip(*([getattr(part, f.name) for f in fields(part)] for part in parts), strict=True)
    return Events(*(np.concatenate(column) for column in columns))
