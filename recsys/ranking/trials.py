"""Trials: every signal's term on the candidates of many users, so that weights can be tried.

Every signal is worked out once; a trial of weights then costs one weighted sum.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsys.interactions import Targets
from recsys.models import (
    ALS,
    CENTRES,
    HABIT,
    NEIGHBOURS,
    POPULARITY,
    PRIOR,
    TASTE,
    TREND,
    Centre,
    Model,
    Sparse,
)
from recsys.ranking.blend import coordinates, own_terms, shares_of_knots
from recsys.ranking.customers import Customers
from recsys.ranking.recipe import Repeat
from recsys.types import Factors, Flags, Floats, Indices

POOL = 100
"""The best items new to a user, by each way of finding candidates."""
OWN = 200
"""Of a user's own items, those with the strongest habit."""
USERS_AT_ONCE = 128
NUDGE = 0.3
"""Priors alone favour the tail: as a nudge to popularity they find what segments buy."""
AROUND = "als:"
"""The factors' term by the centre of the fold-in: ``als:mean``, ``als:segments``."""

Terms = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trials:
    """The terms of some users on their candidates.

    Attributes
    ----------
    columns
        The columns of `terms`: signals, with the factors' once for each centre of the fold-in.
    terms
        Unweighted, shape ``(n_users, n_candidates, n_columns)``.
    listed
        Whether there is such a candidate; rows are as wide as the longest, shape
        ``(n_users, n_candidates)``.
    hits
        Whether it is a target, shape ``(n_users, n_candidates)``.
    bought, once
        Whether the user bought it before, and whether nobody buys it twice, same shape.
    n_targets, n_new
        Targets of each user, found or not, and those of them she had not bought before,
        shape ``(n_users,)``.
    activity
        ``n``, the decayed number of items known of each user, shape ``(n_users,)``.
    n_items
        Items known of each user, shape ``(n_users,)``.
    window, owner
        The window each was asked in, and whose history it is, by number, shape ``(n_users,)``:
        one user may be asked several times.
    """

    columns: tuple[str, ...]
    terms: Terms
    listed: Flags
    hits: Flags
    bought: Flags
    once: Flags
    n_targets: Indices
    n_new: Indices
    activity: Floats
    n_items: Indices
    window: Indices
    owner: Indices

    @cached_property
    def shares(self) -> Floats:
        """Of each user, on each knot of activity, shape ``(n_users, n_knots)``."""
        return shares_of_knots(self.activity)

    def term(self, column: str) -> Terms:
        """Return one column of `terms`, shape ``(n_users, n_candidates)``."""
        return self.terms[:, :, self.columns.index(column)]

    def possible(self, repeat: Repeat) -> Flags:
        """Tell which candidates a repeat policy allows."""
        if repeat == "always":
            return self.listed
        return self.listed & ~(self.bought if repeat == "never" else self.bought & self.once)

    def n_relevant(self, repeat: Repeat) -> Indices:
        """Count the targets that a repeat policy has to find."""
        return self.n_new if repeat == "never" else self.n_targets


class Trial(NamedTuple):
    """One user's candidates; see `Trials` for what the parts mean."""

    terms: Terms
    hits: Flags
    bought: Flags
    once: Flags
    n_targets: int
    n_new: int
    activity: float
    n_items: int
    window: int
    owner: int


def lay_out(rows: Sequence[Trial], columns: Sequence[str]) -> Trials:
    """Put the trials of many users below each other."""
    width = max((len(row.hits) for row in rows), default=0)
    terms = np.zeros((len(rows), width, len(columns)), dtype=np.float32)
    flags = np.zeros((4, len(rows), width), dtype=bool)
    for number, row in enumerate(rows):
        size = len(row.hits)
        terms[number, :size] = row.terms
        for flag, values in zip(flags, (True, row.hits, row.bought, row.once), strict=True):
            flag[number, :size] = values
    columns_of_rows = {
        name: np.asarray([getattr(row, name) for row in rows])
        for name in ("n_targets", "n_new", "activity", "n_items", "window", "owner")
    }
    return Trials(tuple(columns), terms, *flags, **columns_of_rows)


def columns_of(axes: Iterable[str], centres: Sequence[Centre] = CENTRES) -> tuple[str, ...]:
    """Return the columns of trials of a shop with such axes."""
    around = (AROUND + centre for centre in centres)
    return (*around, POPULARITY, TREND, *(PRIOR + axis for axis in axes), HABIT, NEIGHBOURS, TASTE)


def collect(
    model: Model,
    customers: Customers,
    targets: Targets,
    columns: Sequence[str],
    owners: Indices,
    *,
    window: int = 0,
) -> Iterator[Trial]:
    """Work out every signal on each user's candidates.

    Parameters
    ----------
    model
        Fitted before the window.
    customers
        As of the window's start.
    targets
        What they went on to buy; its users are the customers.
    columns
        See `columns_of`; 0 where this model has no such signal.
    owners
        Whose history each of them is, by number.
    window
        Its number.

    Yields
    ------
    Trial
        For each customer in order.
    """
    wanted = targets.by_user()
    n_users = len(customers.users)
    for start in range(0, n_users, USERS_AT_ONCE):
        users = range(start, min(start + USERS_AT_ONCE, n_users))
        mine = [_Mine(model, customers, user, columns) for user in users]
        pools = [_best(model, mine, pool) for pool in _pools(columns)]
        for row, (user, one) in enumerate(zip(users, mine, strict=True)):
            items = one.candidates([pool[row] for pool in pools])
            yield _trial(one, items, wanted[user])._replace(window=window, owner=int(owners[user]))


def _pools(columns: Sequence[str]) -> list[dict[str, float]]:
    """Return the blends whose best items are candidates: the factors, and what is popular."""
    around = [column for column in columns if column.startswith(AROUND)]
    nudge = {column: NUDGE for column in columns if column.startswith(PRIOR)}
    return [
        *({one: 1.0} for one in around),
        *({one: 1.0, POPULARITY: 0.5} for one in around[:1]),
        {POPULARITY: 1.0, **nudge},
        {POPULARITY: 1.0, TREND: 1.0},
        {POPULARITY: 1.0, TASTE: 1.0},
    ]


class _Mine:
    """One user's side of every signal."""

    def __init__(
        self, model: Model, customers: Customers, user: int, columns: Sequence[str]
    ) -> None:
        self.model, self.columns = model, columns
        self.pairs = customers.histories.rows(user)
        self.history = customers.histories.items[self.pairs]
        self.visits = customers.histories.visits[self.pairs]
        self.activity = customers.activity(user, model.interactions.largest_weight)
        self.dense = _dense(model, customers, user, columns)
        self.own = own_terms(model, customers, user)

    def query(self, pool: Mapping[str, float]) -> Factors:
        """Return the user side of a blend of dense signals, shape ``(columns,)``."""
        query = np.zeros(self.model.columns.shape[1], dtype=np.float32)
        for name, weight in pool.items():
            if name in self.dense:
                query[_block(self.model, name)] = weight * self.dense[name]
        return query

    def candidates(self, pools: Sequence[Indices]) -> Indices:
        """Join the best of each pool, her own items, and those strongest by each of her terms."""
        own = [term for term in self.own.values() if isinstance(term, Sparse)]
        strongest = [_strongest(sparse, OWN) for sparse in own]
        items = np.unique(np.concatenate([*strongest, *pools]))
        return np.asarray(items[self.model.catalogue.available[items]])

    def terms(self, items: Indices) -> Terms:
        """Return each column's term of each item, shape ``(n_items, n_columns)``."""
        values = np.zeros((len(items), len(self.columns)), dtype=np.float32)
        rows = self.model.columns[items].astype(np.float64)
        for number, name in enumerate(self.columns):
            if name in self.dense:
                values[:, number] = rows[:, _block(self.model, name)] @ self.dense[name]
            elif name in self.own:
                values[:, number] = self.own[name].at(items)
        return values


def _dense(
    model: Model, customers: Customers, user: int, columns: Sequence[str]
) -> dict[str, Floats]:
    parts: dict[str, Floats] = {}
    for centre in CENTRES:
        if AROUND + centre in columns:
            parts |= coordinates(model, customers, user, centre)
            parts[AROUND + centre] = parts.pop(ALS)
    return parts


def _block(model: Model, column: str) -> slice:
    return model.blocks[ALS if column.startswith(AROUND) else column]


def _strongest(sparse: Sparse, most: int) -> Indices:
    order = np.argsort(-sparse.values, kind="stable")[:most]
    return sparse.items[order].astype(np.int64)


def _best(model: Model, mine: Sequence[_Mine], pool: Mapping[str, float]) -> Indices:
    """Return the best items of a blend that are new to each user, shape ``(n_users, POOL)``."""
    scores = np.stack([one.query(pool) for one in mine]) @ model.columns.T
    scores[:, ~model.catalogue.available] = -np.inf
    for row, one in zip(scores, mine, strict=True):
        if TASTE in pool:
            one.own[TASTE].add_to(row, pool[TASTE])
        row[one.history] = -np.inf
    most = min(POOL, scores.shape[1])
    return np.asarray(np.argpartition(-scores, most - 1, axis=1)[:, :most])


def _trial(mine: _Mine, items: Indices, targets: Indices) -> Trial:
    owned = mine.history[mine.visits > 0]
    return Trial(
        mine.terms(items),
        np.isin(items, targets),
        np.isin(items, owned),
        ~mine.model.habit.rebought[items],
        len(targets),
        int((~np.isin(targets, owned)).sum()),
        mine.activity,
        len(mine.history),
        window=0,
        owner=0,
    )
