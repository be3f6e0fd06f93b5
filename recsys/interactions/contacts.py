"""Contacts: what a user did with an item besides buying it, as columns of the pair table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import EVENT, MICROSECONDS_PER_DAY, TIME
from recsys.interactions.weights import CONTACT_HALF_LIVES, FIXED_POINT, faded, fixed
from recsys.types import Floats, Indices

RATING = "rating"
"""The event, and the column with the number of stars."""
RATED = "rated"
CONTACT = "contact_"
LAST_CONTACT = "last_contact_"
FADED_CONTACT = "faded_contact_"


@dataclass(frozen=True)
class Contacts:
    """What users did with the items of their pairs, besides buying them.

    Attributes
    ----------
    kinds
        Event types, none of them a success.
    decayed
        ``Σ over days with such an event 2^(−age / half_life)`` for each of `CONTACT_HALF_LIVES`
        (without times: such events, and nothing fades), shape ``(n_pairs, n_kinds, 3)``.
    since_last
        Days from the last such event; NaN where there is none, shape ``(n_pairs, n_kinds)``.
    rating
        The mean rating given; NaN where there is none, shape ``(n_pairs,)``.
    """

    kinds: tuple[str, ...]
    decayed: Floats
    since_last: Floats
    rating: Floats

    def days(self, kind: str) -> Floats:
        """Days with such an event (without times: such events), shape ``(n_pairs,)``."""
        if kind not in self.kinds:
            return np.zeros(len(self.rating))
        return np.asarray(self.decayed[:, self.kinds.index(kind), -1])

    def take(self, pairs: Indices | slice) -> "Contacts":
        """Return some pairs."""
        parts = (self.decayed[pairs], self.since_last[pairs], self.rating[pairs])
        return Contacts(self.kinds, *parts)


def contact_columns(kinds: Sequence[str]) -> list[nw.Expr]:
    """Say of each event which kind of contact it is, when, and how it was rated."""
    columns = []
    for number, kind in enumerate(kinds):
        is_one = nw.col(EVENT) == kind
        columns.append(is_one.cast(nw.Int64).alias(f"{CONTACT}{number}"))
        columns.append(nw.when(is_one).then(nw.col(TIME)).alias(f"{LAST_CONTACT}{number}"))
    if RATING in kinds:
        rated = (nw.col(EVENT) == RATING) & ~nw.col(RATING).is_null()
        stars = nw.when(rated).then(nw.col(RATING).cast(nw.Float64)).otherwise(0.0)
        columns += [rated.cast(nw.Int64).alias(RATED), fixed(stars).alias(RATING)]
    return columns


def daily_contacts(kinds: Sequence[str], *, timed: bool) -> list[nw.Expr]:
    """Aggregate a day's contacts: two views of an item on a day are one."""
    names = _numbered(CONTACT, len(kinds))
    columns = [nw.col(name).max() if timed else nw.col(name).sum() for name in names]
    last = [nw.col(name).max() for name in _numbered(LAST_CONTACT, len(kinds))]
    return [*columns, *last, *[nw.col(name).sum() for name in _ratings(kinds)]]


def faded_contacts(kinds: Sequence[str], *, as_of: int, timed: bool) -> dict[str, nw.Expr]:
    """Return a day's contacts as they have faded by `as_of`, in fixed point, by column name."""
    return {
        f"{FADED_CONTACT}{number}_{place}": faded(
            f"{CONTACT}{number}", f"{LAST_CONTACT}{number}", half_life, as_of=as_of, timed=timed
        )
        for number in range(len(kinds))
        for place, half_life in enumerate(CONTACT_HALF_LIVES)
    }


def summed_contacts(kinds: Sequence[str]) -> list[nw.Expr]:
    """Aggregate the days of a pair, but for what fades."""
    last = [nw.col(name).max() for name in _numbered(LAST_CONTACT, len(kinds))]
    return [*last, *[nw.col(name).sum() for name in _ratings(kinds)]]


def contacts_of(rows: pd.DataFrame, kinds: Sequence[str], *, as_of: int) -> Contacts | None:
    """Read the contacts of a pair table; None where it has no kinds of contact.

    Parameters
    ----------
    rows
        Some of its rows, in any order.
    kinds
        Those it was made with.
    as_of
        Microseconds; the moment the table was made for.
    """
    if not kinds:
        return None
    n_pairs, n_kinds, n_lives = len(rows), len(kinds), len(CONTACT_HALF_LIVES)
    names = [f"{FADED_CONTACT}{k}_{life}" for k in range(n_kinds) for life in range(n_lives)]
    faded = np.ascontiguousarray(rows[names].to_numpy(dtype=np.float64))
    decayed = faded.reshape(n_pairs, n_kinds, n_lives)
    since = [days_since(rows[name], as_of) for name in _numbered(LAST_CONTACT, n_kinds)]
    return Contacts(tuple(kinds), decayed, np.column_stack(since), _mean_rating(rows, kinds))


def floats(column: "pd.Series[Any]") -> Floats:
    """Return a column as float64, missing values as NaN."""
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def days_since(times: "pd.Series[Any]", as_of: int) -> Floats:
    """Return the days from each time to `as_of`, NaN where there is none."""
    # Exact integer microseconds first: a float64 difference would lose none below 2^53, but an
    # object column of missing values would not subtract at all.
    return (as_of - floats(times)) / MICROSECONDS_PER_DAY


def _mean_rating(rows: pd.DataFrame, kinds: Sequence[str]) -> Floats:
    if RATING not in kinds:
        return np.full(len(rows), np.nan)
    rated = floats(rows[RATED])
    mean = floats(rows[RATING]) / FIXED_POINT / np.maximum(rated, 1.0)
    return np.where(rated > 0, mean, np.nan)


def _ratings(kinds: Sequence[str]) -> list[str]:
    return [RATED, RATING] if RATING in kinds else []


def _numbered(name: str, n: int) -> list[str]:
    return [f"{name}{number}" for number in range(n)]
