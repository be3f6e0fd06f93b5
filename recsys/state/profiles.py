"""Memberships as they are served: worked out beside the requests, and kept until they change."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, bindparam, or_, select, update

from recsys.events.schema import USER_ID
from recsys.state.database import Database
from recsys.state.events import in_parts
from recsys.state.tables import memberships, users

Weights: TypeAlias = Mapping[str, Mapping[str, float]]
"""Axis -> segment -> weight."""


class Profile(NamedTuple):
    """The memberships of a user as they were worked out.

    Attributes
    ----------
    user_id
        Whose.
    revision
        Of the user, when her events were read.
    weights
        Axis -> segment -> weight.
    """

    user_id: str
    revision: int
    weights: Weights


class Profiles:
    """The memberships of users in a database.

    Parameters
    ----------
    database
        Where the state is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, profiles: Sequence[Profile], *, model_version: str, as_of: int) -> None:
        """Keep memberships; whoever changed meanwhile is still to be done.

        Parameters
        ----------
        profiles
            Of some users.
        model_version
            Whose cut points they were worked out by.
        as_of
            Microseconds.
        """
        if not profiles:
            return
        rows = [
            {
                USER_ID: one.user_id,
                "weights": json.dumps(one.weights, ensure_ascii=False),
                "model_version": model_version,
                "as_of": as_of,
            }
            for one in profiles
        ]
        # The new memberships are a change too, which every process is to notice, but none that
        # calls for working them out again.
        noticed = (
            update(users)
            .where(users.c[USER_ID] == bindparam("whose"))
            .values(revision=users.c.revision + 1, profiled=bindparam("seen") + 1)
        )
        marks = [{"whose": one.user_id, "seen": one.revision} for one in profiles]
        with self._database.writing() as connection:
            connection.execute(self._database.put(memberships), rows)
            connection.execute(noticed, marks)

    def to_do(self, n: int) -> dict[str, int]:
        """Return up to `n` users who changed since they were profiled, with their revisions."""
        query = (
            select(users.c[USER_ID], users.c.revision)
            .where(users.c.profiled != users.c.revision)
            .order_by(users.c[USER_ID])
            .limit(n)
        )
        with self._database.reading() as connection:
            return {row.user_id: row.revision for row in connection.execute(query)}

    def after(self, user_id: str, n: int) -> dict[str, int]:
        """Return the next `n` users after one, with revisions, to go through all of them."""
        query = select(users.c[USER_ID], users.c.revision).where(users.c[USER_ID] > user_id)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(users.c[USER_ID]).limit(n))
            return {row.user_id: row.revision for row in found}

    def all_by(self, model_version: str, *, since: int) -> bool:
        """Whether every membership is of a model version, and worked out at a moment or later."""
        other = or_(memberships.c.model_version != model_version, memberships.c.as_of < since)
        query = select(memberships.c[USER_ID]).where(other).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is None

    def of(self, user_ids: Iterable[str]) -> dict[str, Weights]:
        """Return the memberships of those users that have any."""
        with self._database.reading() as connection:
            return dict(_weights(connection, sorted(set(user_ids))))


def _weights(connection: Connection, user_ids: Sequence[str]) -> Iterable[tuple[str, Weights]]:
    query = select(memberships.c[USER_ID], memberships.c.weights)
    for some in in_parts(user_ids):
        for row in connection.execute(query.where(memberships.c[USER_ID].in_(some))):
            yield row.user_id, json.loads(row.weights)
