"""Reading the state."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, Select, bindparam, func, select

from recsys.events.schema import USER_ID
from recsys.interactions.own import NEVER, OwnEvents
from recsys.state.database import Database
from recsys.state.events import erased_among, linked, salt_of
from recsys.state.frames import attribute_frame, event_frame, event_table
from recsys.state.people import Consent, Person, consent_of
from recsys.state.profiles import Weights
from recsys.state.tables import (
    BY_TIME,
    NEWEST_KEY,
    OF_EVENT,
    TOLD,
    events,
    links,
    memberships,
    meta,
    users,
)
from recsys.vocabulary import Vocabulary

_IDS_A_QUERY = 500
_MANY_USERS = 2_000
_ROWS_A_PART = 50_000


_COLUMNS = (
    events.c.item_id,
    events.c.event,
    events.c.time,
    events.c.quantity,
    events.c.rating,
)
_OWN: Final = select(*_COLUMNS).where(events.c.user_id == bindparam("user_id"))
_OF_SESSION: Final = (
    select(*_COLUMNS)
    .join(users, users.c.user_id == events.c.user_id)
    .where(events.c.session_id == bindparam("session_id"), users.c.registered.is_(False))
    .where(events.c.user_id != bindparam("user_id"))
)
_WEIGHTS: Final = select(memberships.c.weights).where(
    memberships.c.user_id == bindparam("user_id"),
    memberships.c.model_version == bindparam("model_version"),
)


_ATTRIBUTES: Final = (
    select(users.c.user_id, users.c.attributes)
    .where(users.c.attributes != "{}")
    .order_by(users.c.user_id)
)


class HistoryReader:
    """What is known of users: the reading half of the state.

    Every method raises `StateError` if the database cannot be read or was never created.

    Parameters
    ----------
    database
        Where the state is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def events_of(self, user_ids: Sequence[str]) -> pd.DataFrame:
        """Read the events of some users; a user without any has no row.

        Returns
        -------
        pandas.DataFrame
            The columns of an event, sorted by ``user_id, time, event_id`` with times that are
            missing last. Texts are objects or None, numbers float64 or NaN, ``time`` (microseconds
            since the epoch, UTC) and money (minor units) ``Int64`` or ``<NA>``.
        """
        wanted = sorted({str(user_id) for user_id in user_ids})
        if len(wanted) > _MANY_USERS:
            everything = self.all_events()
            return everything[everything[USER_ID].isin(wanted)].reset_index(drop=True)
        history = select(*OF_EVENT).order_by(*BY_TIME)
        return self._events([history.where(events.c.user_id.in_(ids)) for ids in _parts(wanted)])

    def own_events(self, user_id: str, items: Vocabulary) -> OwnEvents:
        """Read what a history is made of, of one user: as fast as a request needs it.

        Parameters
        ----------
        user_id
            Whose.
        items
            What item indices refer to.
        """
        return _own(self._database.glance(_OWN, user_id=user_id), items)

    @staticmethod
    def nothing() -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the events and the attributes of nobody, as `events_of` and `attributes_of` do."""
        return event_frame([]), attribute_frame([])

    def session_events(self, user_id: str, session_id: str, items: Vocabulary) -> OwnEvents:
        """Read what strangers did in a session that turns out to be a user's."""
        rows = self._database.glance(_OF_SESSION, user_id=user_id, session_id=session_id)
        return _own(rows, items)

    def weights_of(self, user_id: str, model_version: str) -> Weights | None:
        """Read the memberships of one user by a model; None where they are not worked out yet."""
        rows = self._database.glance(_WEIGHTS, user_id=user_id, model_version=model_version)
        return json.loads(rows[0][0]) if rows else None

    def all_events(self) -> pd.DataFrame:
        """Read the events of all users, as `events_of` gives them."""
        return self._events([select(*OF_EVENT).order_by(*BY_TIME)])

    def event_tables(self, *, told: bool = False) -> Iterator[pa.Table]:
        """Read the events of all users a part at a time, in no order; as `events_of` gives them.

        Parameters
        ----------
        told
            Only what came over HTTP.
        """
        query = select(*OF_EVENT).where(TOLD) if told else select(*OF_EVENT)
        with self._database.reading() as connection:
            found = connection.execution_options(stream_results=True).execute(query)
            yield from map(event_table, found.partitions(_ROWS_A_PART))

    def attributes_of(self, user_ids: Sequence[str]) -> pd.DataFrame:
        """Read the attributes of some users.

        Returns
        -------
        pandas.DataFrame
            The index is the ``user_id``, sorted, of the users that have attributes; one column of
            objects for each attribute any of them has, None where a user has not.
        """
        with self._database.reading() as connection:
            return attribute_frame(
                row
                for ids in _parts(sorted({str(user_id) for user_id in user_ids}))
                for row in connection.execute(_ATTRIBUTES.where(users.c.user_id.in_(ids)))
            )

    def all_attributes(self, *, told: bool = False) -> pd.DataFrame:
        """Read the attributes of all users as `attributes_of` does, or those told over HTTP."""
        query = _ATTRIBUTES.where(users.c.told) if told else _ATTRIBUTES
        with self._database.reading() as connection:
            return attribute_frame(connection.execute(query))

    def aliases(self) -> pd.DataFrame:
        """Return ``kind, alias`` of every visitor and session that turned out to be a user."""
        with self._database.reading() as connection:
            found = connection.execute(select(links.c.kind, links.c.alias)).all()
        return pd.DataFrame(found, columns=["kind", "alias"], dtype=object)

    def linked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows of ``user_id, session_id`` with the users that visitors turned out to be."""
        with self._database.reading() as connection:
            return linked(connection, frame)

    def erased_among(self, user_ids: Sequence[str]) -> set[str]:
        """Return those of some users who were erased."""
        with self._database.reading() as connection:
            return erased_among(connection, salt_of(connection), user_ids)

    def person(self, user_id: str) -> Person | None:
        """Return what the shop told of a user; None where she is not known."""
        query = select(users.c.attributes, users.c.consent).where(users.c.user_id == user_id)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return row and Person(json.loads(row.attributes), consent_of(row.consent))

    def consents(self) -> dict[str, Consent]:
        """Return the users who agreed to less than everything."""
        query = select(users.c.user_id, users.c.consent).where(users.c.consent != "full")
        with self._database.reading() as connection:
            return {row.user_id: consent_of(row.consent) for row in connection.execute(query)}

    def active_since(self, time: int, user_ids: Sequence[str]) -> set[str]:
        """Return those of some users who did something at a time (microseconds) or later."""
        query = select(events.c.user_id).where(events.c.time >= time).distinct()
        with self._database.reading() as connection:
            return {
                user_id
                for ids in _parts(user_ids)
                for user_id in connection.scalars(query.where(events.c.user_id.in_(ids)))
            }

    def user_ids(self) -> list[str]:
        """List every user known from an event or from attributes, sorted."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(users.c.user_id).order_by(users.c.user_id)))

    def newest_time(self) -> int | None:
        """Tell the newest event's time in microseconds since the epoch; None without times."""
        with self._database.reading() as connection:
            value = connection.scalar(select(meta.c.value).where(meta.c.key == NEWEST_KEY))
        return None if value is None else int(value)

    def counts(self) -> dict[str, int]:
        """Count the users and their events."""
        with self._database.reading() as connection:
            return {
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (users, events)
            }

    def _events(self, queries: Sequence[Select[*tuple[object, ...]]]) -> pd.DataFrame:
        with self._database.reading() as connection:
            frames = [frame for query in queries for frame in _frames(connection, query)]
        return pd.concat(frames, ignore_index=True) if frames else event_frame([])


def _frames(connection: Connection, query: Select[*tuple[object, ...]]) -> Iterator[pd.DataFrame]:
    yield from map(event_frame, connection.execute(query).partitions(_ROWS_A_PART))


def _own(rows: Sequence[Sequence[Any]], items: Vocabulary) -> OwnEvents:
    columns = zip(*rows, strict=True) if rows else ((),) * len(_COLUMNS)
    item_ids, kinds, times, quantities, ratings = columns
    return OwnEvents(
        items.index_of(item_ids),
        np.array(kinds, dtype=object),
        np.array([NEVER if time is None else time for time in times], dtype=np.int64),
        np.array(quantities, dtype=np.float64),
        np.array(ratings, dtype=np.float64),
    )


def _parts(user_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(user_ids), _IDS_A_QUERY):
        yield user_ids[start : start + _IDS_A_QUERY]
