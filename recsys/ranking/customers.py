"""Users as ranking sees them: history, memberships and activity, folded in from their events."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.engines import connect, frame, typed
from recsys.events.schema import TIME
from recsys.interactions import (
    HALF_LIVES,
    Catalogue,
    Histories,
    InteractionsConfig,
    build_histories,
    pair_table,
)
from recsys.interactions.own import OwnEvents, own_history
from recsys.models import Model
from recsys.segments import (
    Axis,
    Memberships,
    Reference,
    assign_axes,
    from_names,
    gather_facts,
    needs_of,
)
from recsys.types import Indices
from recsys.vocabulary import Vocabulary


@dataclass(frozen=True)
class Customers:
    """Some users as of a moment.

    Attributes
    ----------
    histories
        With one column of decayed visits for each of `HALF_LIVES`.
    memberships
        Of the same users, on the model's axes.
    owned
        Items that somebody bought who lets nothing else be made of her history; of one user alone.
    """

    histories: Histories
    memberships: Memberships
    owned: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def alone(self, user_index: int) -> "Customers":
        """Return one of the users."""
        user = Vocabulary(self.users.ids[user_index : user_index + 1])
        (user_id,) = user.ids.tolist()
        named, axes = self.memberships.named(user_index), self.memberships.axes
        return Customers(self.histories.aligned(user), from_names(user_id, axes, named))

    def by_segments_alone(self) -> "Customers":
        """Return one user without her history, but for what she need not be shown again."""
        nobody = Vocabulary([])
        owned = self.histories.items[self.histories.visits > 0]
        unknown = self.histories.aligned(nobody).aligned(self.users)
        return Customers(unknown, self.memberships, owned)

    @property
    def users(self) -> Vocabulary:
        """The users, in row order."""
        return self.histories.users

    def activity(self, user_index: int, largest_weight: float) -> float:
        """``n``: the decayed number of distinct items in the user's history."""
        worth = np.abs(self.histories.worth[self.histories.rows(user_index)])
        return float(np.minimum(worth / largest_weight, 1.0).sum())


class Yardstick(Protocol):
    """What describing users needs to know: a model is one, and so are axes without a model."""

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        ...

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Cut points of every axis, in column order."""
        ...

    @property
    def reference(self) -> Reference:
        """What profiles are measured against."""
        ...

    @property
    def interactions(self) -> InteractionsConfig:
        """What events are worth."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """Contacts besides purchases that histories tell apart."""
        ...

    @property
    def timed(self) -> bool:
        """Whether events have times."""
        ...


def on_engine(events: pd.DataFrame) -> nw.LazyFrame[Any]:
    """Hand events over as a lazy frame: a few stay in pandas, many go to the engine."""
    if len(events) <= 5000:
        return nw.from_native(events).lazy()
    connection = connect()
    connection.register("events", typed(events))
    return frame(connection, "events")


def history_of(user_id: str, events: OwnEvents, model: Model, *, as_of: int) -> Histories:
    """Return one user's history by her events, as fast as a request needs it.

    Parameters
    ----------
    user_id, events
        Whose, and hers; those at or after `as_of` are not used.
    model
        What it is described for.
    as_of
        Microseconds.
    """
    return own_history(
        user_id,
        events,
        len(model.items),
        model.interactions,
        as_of=as_of,
        timed=model.timed,
        kinds=model.kinds,
    )


def describe(
    events: nw.LazyFrame[Any],
    users: Vocabulary,
    attributes: pd.DataFrame,
    model: Yardstick,
    *,
    as_of: int,
) -> Customers:
    """Work out what a model needs to know of `users`, by the code that training uses.

    Parameters
    ----------
    events
        Events of these users (others are left out); those at or after `as_of` are not used.
    users
        Whom to describe; one without an event has an empty history.
    attributes
        Indexed by ``user_id``.
    model
        Its cut points, vocabulary and half-lives.
    as_of
        Microseconds.
    """
    before = events.filter(nw.col(TIME) < as_of) if model.timed else events
    table = pair_table(
        before,
        model.interactions,
        as_of=as_of,
        timed=model.timed,
        half_lives=HALF_LIVES,
        kinds=model.kinds,
    )
    histories = build_histories(table, users, model.catalogue.items, as_of=as_of, kinds=model.kinds)
    facts = gather_facts(
        before,
        users,
        attributes,
        model.catalogue,
        model.reference,
        needs_of((axis.config for axis in model.axes), as_of=as_of),
        interactions=model.interactions,
        as_of=as_of,
        timed=model.timed,
    )
    return Customers(histories, assign_axes(model.axes, facts))
