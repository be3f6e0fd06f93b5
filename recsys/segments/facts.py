"""What is known of some users when they are put into segments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.interactions import Catalogue, InteractionsConfig
from recsys.segments.profiles import (
    Span,
    Sums,
    derive_profiles,
    learn_norms,
    measure_profiles,
)
from recsys.segments.reference import Reference, goods_beside
from recsys.segments.shares import Column, Shares, measure_shares
from recsys.types import Floats, Ids, Indices, Membership
from recsys.vocabulary import Vocabulary


class Read(NamedTuple):
    """A feature over a window that ends at whatever moment is looked at.

    Attributes
    ----------
    feature
        Its name.
    days
        The window; infinite: everything.
    """

    feature: str
    days: float


class Asks(Protocol):
    """What facts are gathered for: the config of an axis is one."""

    @property
    def reads(self) -> tuple[Read, ...]:
        """The features it goes by."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """The item columns it shares users out over."""
        ...

    def moments(self, as_of: int) -> tuple[int, ...]:
        """When it looks: `as_of`, and the grid points before it that a calm axis replays."""
        ...


@dataclass(frozen=True)
class Needs:
    """What a set of axes has to know.

    Attributes
    ----------
    features
        Span -> names of features.
    columns
        Item columns.
    """

    features: Mapping[Span, frozenset[str]]
    columns: tuple[Column, ...]


def needs_of(asking: Iterable[Asks], *, as_of: int) -> Needs:
    """Gather what axes ask for, each span and column once."""
    asking = tuple(asking)
    features: dict[Span, set[str]] = {}
    for one in asking:
        for moment in one.moments(as_of):
            for feature, days in one.reads:
                features.setdefault(Span(moment, days), set()).add(feature)
    columns = dict.fromkeys(column for one in asking for column in one.columns)
    return Needs({span: frozenset(names) for span, names in features.items()}, tuple(columns))


@dataclass(frozen=True)
class UserFacts:
    """Profiles, shares and attributes of the same users, as of the same moment.

    Attributes
    ----------
    users
        Orders every other part.
    as_of
        Microseconds.
    profiles
        Span -> feature -> value of every user, shape ``(n_users,)``; NaN = unknown.
    shares
        Item column -> what users' dealings are worth by value.
    attributes
        Indexed by ``user_id``; users without attributes are absent.
    catalogue
        The items.
    timed
        Whether events have times.
    reference
        What the profiles were measured against.
    known
        Memberships on axes that others are made of: name -> ``(segments, membership)``.
    rows
        Which users are meant, with repeats, where a resample is looked at; None: all of them.
    """

    users: Vocabulary
    as_of: int
    profiles: Mapping[Span, Mapping[str, Floats]]
    shares: Mapping[Column, Shares]
    attributes: pd.DataFrame
    catalogue: Catalogue
    timed: bool
    reference: Reference
    known: Mapping[str, tuple[tuple[str, ...], Membership]] = field(default_factory=dict)
    rows: Indices | None = None

    def __len__(self) -> int:
        return len(self.users) if self.rows is None else len(self.rows)

    def feature(self, name: str, *, window: float, until: int | None = None) -> Floats:
        """Return a feature over a window that ends at the moment or before; NaN = unknown."""
        span = Span(self.as_of if until is None else until, window)
        return np.asarray(self._meant(self.profiles[span][name]), dtype=np.float64)

    def has_attribute(self, column: str) -> bool:
        """Tell whether the users have that attribute."""
        return column in self.attributes

    def attribute(self, column: str) -> "pd.Series[Any]":
        """Return an attribute of every user, aligned; missing = unknown."""
        return self.attributes[column].reindex(self._meant(self.users.ids))

    def share(self, column: Column, wanted: Ids) -> Membership:
        """Return users' shares of some values of an item column; see `Shares.of`."""
        found = self.shares[column].of(wanted)
        return found if self.rows is None else found[self.rows]

    def on(self, axis: str) -> tuple[tuple[str, ...], Membership]:
        """Return segments and memberships on an axis that was assigned before."""
        segments, matrix = self.known[axis]
        return segments, matrix if self.rows is None else matrix[self.rows]

    def knowing(self, axis: str, segments: tuple[str, ...], matrix: Membership) -> "UserFacts":
        """Return the facts with memberships on one more axis."""
        return replace(self, known={**self.known, axis: (segments, matrix)})

    def resampled(self, rows: Indices) -> "UserFacts":
        """Return the facts of some users, with repeats."""
        return replace(self, rows=rows)

    def _meant(self, values: Any) -> Any:
        return values if self.rows is None else values[self.rows]


def gather_facts(
    events: nw.LazyFrame[Any],
    users: Vocabulary,
    attributes: pd.DataFrame,
    catalogue: Catalogue,
    reference: Reference,
    needs: Needs,
    *,
    interactions: InteractionsConfig,
    as_of: int,
    timed: bool,
    learning: bool = False,
) -> UserFacts:
    """Work out all that axes need to know of users: in training of everybody, later of a few.

    Parameters
    ----------
    events
        Accepted events before `as_of`; those of others than `users` count in norms alone.
    users
        Whom to describe.
    attributes
        Indexed by ``user_id``.
    catalogue, reference
        The items; what profiles are measured against.
    needs
        What to work out.
    interactions
        What events are worth, and which are targets.
    as_of
        Microseconds.
    timed
        Whether events have times.
    learning
        Learn the norms anew from these users, instead of using those of `reference`.
    """
    goods = goods_beside(events, catalogue, reference)
    target = tuple(interactions.target)
    sums = measure_profiles(events, goods, needs.features, target=target, timed=timed)
    if learning:
        reference = replace(reference, norms=learn_norms(sums))
    shares = {
        column: measure_shares(
            events, catalogue, column, users, interactions, as_of=as_of, timed=timed
        )
        for column in needs.columns
        if column.name in catalogue.columns
    }
    profiles = _aligned(sums, reference, needs, users)
    return UserFacts(users, as_of, profiles, shares, attributes, catalogue, timed, reference)


def _aligned(
    sums: Sums, reference: Reference, needs: Needs, users: Vocabulary
) -> dict[Span, dict[str, Floats]]:
    derived = derive_profiles(sums, reference.norms)
    return {
        span: {name: _of_users(derived[span], name, users) for name in sorted(names)}
        for span, names in needs.features.items()
    }


def _of_users(table: pd.DataFrame, name: str, users: Vocabulary) -> Floats:
    found = np.full(len(users), np.nan)
    rows = users.index_of(table.index)
    found[rows[rows >= 0]] = table[name].to_numpy(dtype=np.float64)[rows >= 0]
    return found
