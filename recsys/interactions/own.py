"""One user's history from her events alone, as arrays: what a request has time for.

`pair_table` says the same of millions of rows on an engine, where one user would take it forty
milliseconds; to the last bit the two agree.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.interactions.contacts import RATING, Contacts
from recsys.interactions.histories import Histories
from recsys.interactions.weights import (
    CONTACT_HALF_LIVES,
    FIXED_POINT,
    HALF_LIVES,
    InteractionsConfig,
)
from recsys.types import Flags, Floats, Indices
from recsys.vocabulary import Vocabulary

NEVER = np.iinfo(np.int64).min
"""The time of what did not happen, where the latest counts."""
NOT_YET = np.iinfo(np.int64).max


class OwnEvents(NamedTuple):
    """The events of one user, shape ``(n_events,)`` each, in any order.

    Attributes
    ----------
    items
        Item index; -1 where the item is not known.
    kinds
        Event types.
    times
        Microseconds; `NEVER` where none was told.
    quantities, ratings
        NaN where none was told.
    """

    items: Indices
    kinds: npt.NDArray[np.object_]
    times: Indices
    quantities: Floats
    ratings: Floats

    def and_also(self, others: "OwnEvents") -> "OwnEvents":
        """Return these events and others."""
        return OwnEvents(
            np.concatenate([self.items, others.items]),
            np.concatenate([self.kinds, others.kinds]),
            np.concatenate([self.times, others.times]),
            np.concatenate([self.quantities, others.quantities]),
            np.concatenate([self.ratings, others.ratings]),
        )

    def kept(self, which: Flags | Indices) -> "OwnEvents":
        """Return some of the events."""
        return OwnEvents(
            self.items[which],
            self.kinds[which],
            self.times[which],
            self.quantities[which],
            self.ratings[which],
        )


class _Runs(NamedTuple):
    """Rows in order, cut where a group begins."""

    starts: Indices

    def sums(self, values: Indices) -> Indices:
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def latest(self, values: Indices) -> Indices:
        return np.asarray(np.maximum.reduceat(values, self.starts, axis=0))

    def earliest(self, values: Indices) -> Indices:
        return np.asarray(np.minimum.reduceat(values, self.starts, axis=0))


def own_history(
    user_id: str,
    events: OwnEvents,
    n_items: int,
    config: InteractionsConfig,
    *,
    as_of: int,
    timed: bool,
    kinds: Sequence[str] = (),
) -> Histories:
    """Return the history of one user.

    Parameters
    ----------
    user_id
        Whose it is.
    events
        Hers; those at or after `as_of` are not used.
    n_items
        Size of the item vocabulary.
    config
        Event weights, half-life, and the events that count as a purchase.
    as_of
        Microseconds.
    timed
        Without times every purchase row is a visit of its own and nothing decays.
    kinds
        Kinds of contact besides purchases.
    """
    before = (events.times < as_of) & (events.times != NEVER) if timed else True
    rows = events.kept((events.items >= 0) & before)
    days = rows.times // MICROSECONDS_PER_DAY if timed else np.zeros_like(rows.times)
    order: Indices = np.lexsort((days, rows.items)).astype(np.int64)
    rows, days = rows.kept(order), days[order]
    new_item = _steps(rows.items)
    daily = _Runs(np.flatnonzero(new_item | _steps(days)))
    items = rows.items[np.flatnonzero(new_item)]
    users = Vocabulary([user_id])
    if not len(items):
        return _empty(users, n_items, kinds)
    pairs = _Runs(np.flatnonzero(new_item[daily.starts]))
    clock = _Clock(as_of, timed)
    bought = np.isin(rows.kinds, config.target) & (np.nan_to_num(rows.quantities, nan=1.0) > 0)
    visits, faded = _visits(bought, rows.times, daily, pairs, HALF_LIVES, clock)
    return Histories(
        users,
        n_items,
        np.array([0, len(items)]),
        items,
        _real(pairs.sums(daily.sums(_fixed(_worth(rows, config, clock))))),
        visits.astype(np.float64),
        _real(faded),
        clock.since(_latest(bought, rows.times, daily, pairs)),
        clock.since(_earliest(bought, rows.times, daily, pairs)),
        _contacts(rows, kinds, daily, pairs, clock) if kinds else None,
    )


class _Clock(NamedTuple):
    """The moment, and whether there are times at all."""

    as_of: int
    timed: bool

    def left(self, times: Indices, half_life: float) -> Floats:
        """``2^(−age / half_life)``."""
        if not (self.timed and math.isfinite(half_life)):
            return np.ones(len(times))
        age = (self.as_of - times).astype(np.float64) / MICROSECONDS_PER_DAY
        return np.asarray(np.exp(age * (-math.log(2) / half_life)))

    def since(self, times: Indices) -> Floats:
        """Days from each time to the moment; NaN where there is none."""
        happened = (times != NEVER) & (times != NOT_YET)
        days = (self.as_of - times.astype(np.float64)) / MICROSECONDS_PER_DAY
        return np.where(happened, days, np.nan)


def _worth(rows: OwnEvents, config: InteractionsConfig, clock: _Clock) -> Floats:
    """``weight × 2^(−age/half_life) × log2(1 + quantity)`` of each event."""
    weights = np.array([config.event_weights.get(kind, 0.0) for kind in rows.kinds.tolist()])
    quantity = np.nan_to_num(rows.quantities, nan=1.0)
    value = weights * (np.log(quantity + 1.0) / np.log(2.0))
    if clock.timed and math.isfinite(config.half_life_days):
        value = value * clock.left(rows.times, config.half_life_days)
    return np.asarray(value)


def _visits(
    is_one: Flags,
    times: Indices,
    daily: _Runs,
    pairs: _Runs,
    half_lives: Sequence[float],
    clock: _Clock,
) -> tuple[Indices, Indices]:
    """Count the days with such an event (without times: such events), plain and faded."""
    ones = is_one.astype(np.int64)
    count = daily.latest(ones) if clock.timed else daily.sums(ones)
    last = np.where(count > 0, daily.latest(np.where(is_one, times, NEVER)), clock.as_of)
    faded = np.column_stack(
        [
            _fixed(np.where(count > 0, clock.left(last, half_life), 0.0))
            if clock.timed and math.isfinite(half_life)
            else _fixed(count.astype(np.float64))
            for half_life in half_lives
        ]
    )
    return pairs.sums(count), pairs.sums(faded)


def _latest(is_one: Flags, times: Indices, daily: _Runs, pairs: _Runs) -> Indices:
    return pairs.latest(daily.latest(np.where(is_one, times, NEVER)))


def _earliest(is_one: Flags, times: Indices, daily: _Runs, pairs: _Runs) -> Indices:
    told = is_one & (times != NEVER)
    return pairs.earliest(daily.earliest(np.where(told, times, NOT_YET)))


def _contacts(
    rows: OwnEvents, kinds: Sequence[str], daily: _Runs, pairs: _Runs, clock: _Clock
) -> Contacts:
    decayed, since = [], []
    for kind in kinds:
        is_one = np.asarray(rows.kinds == kind, dtype=bool)
        faded = _visits(is_one, rows.times, daily, pairs, CONTACT_HALF_LIVES, clock)[1]
        decayed.append(_real(faded))
        since.append(clock.since(_latest(is_one, rows.times, daily, pairs)))
    rating = (
        _mean_rating(rows, daily, pairs) if RATING in kinds else np.full(len(pairs.starts), np.nan)
    )
    return Contacts(tuple(kinds), np.stack(decayed, axis=1), np.column_stack(since), rating)


def _mean_rating(rows: OwnEvents, daily: _Runs, pairs: _Runs) -> Floats:
    rated = (rows.kinds == RATING) & ~np.isnan(rows.ratings)
    count = pairs.sums(daily.sums(rated.astype(np.int64)))
    stars = pairs.sums(daily.sums(_fixed(np.where(rated, np.nan_to_num(rows.ratings), 0.0))))
    mean = _real(stars) / np.maximum(count, 1.0)
    return np.where(count > 0, mean, np.nan)


def _steps(values: Indices) -> Flags:
    """Tell where a value differs from the one before; the first does."""
    return np.concatenate([np.ones(min(len(values), 1), dtype=bool), values[1:] != values[:-1]])


def _fixed(values: Floats) -> Indices:
    return np.asarray(np.round(values * FIXED_POINT).astype(np.int64))


def _real(values: Indices) -> Floats:
    return np.asarray(values.astype(np.float64) / FIXED_POINT)


def _empty(users: Vocabulary, n_items: int, kinds: Sequence[str]) -> Histories:
    nothing = np.zeros(0)
    contacts = Contacts(
        tuple(kinds),
        np.zeros((0, len(kinds), len(CONTACT_HALF_LIVES))),
        np.zeros((0, len(kinds))),
        nothing,
    )
    return Histories(
        users,
        n_items,
        np.zeros(2, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        *(nothing, nothing, np.zeros((0, len(HALF_LIVES))), nothing, nothing),
        contacts if kinds else None,
    )
