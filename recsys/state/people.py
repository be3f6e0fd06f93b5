"""Who users are: attributes, consent, the visitors they were, and how they leave."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import pandas as pd
from sqlalchemy import Connection, and_, delete, or_, select, update

from recsys.events.schema import EVENT_ID, USER_ID
from recsys.state.database import Database
from recsys.state.events import (
    SESSION_ID,
    VISITOR,
    digest_of,
    erased_among,
    newest_in,
    note_newest,
    salt_of,
    touch,
)
from recsys.state.frames import as_json, attribute_rows
from recsys.state.tables import (
    NEWEST_KEY,
    PERSONAL,
    events,
    exposures,
    links,
    memberships,
    meta,
    tombstones,
    users,
)

Consent: TypeAlias = Literal["full", "segment_only", "none"]
Alias: TypeAlias = Literal["visitor", "session"]
CONSENTS: Final[tuple[Consent, ...]] = ("full", "segment_only", "none")


class Person(NamedTuple):
    """What the shop told of a user.

    Attributes
    ----------
    attributes
        Name -> value.
    consent
        What she agreed to.
    """

    attributes: dict[str, Any]
    consent: Consent


class Receipt(NamedTuple):
    """What was erased of a user.

    Attributes
    ----------
    digest
        What is left: it tells a late event of hers from others, and nobody who she was.
    erased_at
        Microseconds.
    rows
        How many rows of each table there were.
    """

    digest: str
    erased_at: int
    rows: dict[str, int]


def put_attributes(database: Database, connection: Connection, frame: pd.DataFrame) -> None:
    """Set the attributes of users, in place of the ones they had; erased users stay erased.

    What was told of a user over HTTP stays.
    """
    told = attribute_rows(frame)
    gone = erased_among(connection, salt_of(connection), [row[USER_ID] for row in told])
    rows = [{**row, "revision": 1, "registered": True} for row in told if row[USER_ID] not in gone]
    if rows:
        insert = database.insert(users)
        new = {
            "attributes": insert.excluded.attributes,
            "registered": True,
            "revision": users.c.revision + 1,
        }
        changed = or_(
            users.c.attributes != insert.excluded.attributes, users.c.registered.is_(False)
        )
        news = and_(changed, users.c.told.is_(False))
        upsert = insert.on_conflict_do_update(index_elements=[USER_ID], set_=new, where=news)
        connection.execute(upsert, rows)


def put_person(
    database: Database,
    connection: Connection,
    user_id: str,
    attributes: Mapping[str, Any] | None,
    consent: Consent | None,
) -> None:
    """Set what is given of one user; a shop that names an erased user takes her back."""
    connection.execute(
        delete(tombstones).where(tombstones.c.digest == digest_of(salt_of(connection), user_id))
    )
    given: dict[str, Any] = {"registered": True}
    if attributes is not None:
        given |= {"attributes": as_json(attributes), "told": True}
    if consent is not None:
        given["consent"] = consent
    new = {"attributes": "{}", "revision": 1} | given
    insert = database.insert(users).values(user_id=user_id, **new)
    more = given | {"revision": users.c.revision + 1}
    connection.execute(insert.on_conflict_do_update(index_elements=[USER_ID], set_=more))


def link(database: Database, connection: Connection, kind: Alias, alias: str, user_id: str) -> int:
    """Put down to a user what a visitor did, or strangers in a session; returns how many events."""
    row = {"kind": kind, "alias": alias, USER_ID: user_id}
    connection.execute(database.put(links), row)
    strangers = [alias] if kind == VISITOR else _strangers_in(connection, alias, user_id)
    moved = sum(_move(database, connection, visitor, user_id) for visitor in strangers)
    touch(database, connection, user_id)
    return moved


def _strangers_in(connection: Connection, session_id: str, user_id: str) -> list[str]:
    query = (
        select(events.c[USER_ID])
        .join(users, users.c[USER_ID] == events.c[USER_ID])
        .where(events.c[SESSION_ID] == session_id, users.c.registered.is_(False))
        .where(events.c[USER_ID] != user_id)
        .distinct()
    )
    return list(connection.scalars(query))


def _move(database: Database, connection: Connection, visitor: str, user_id: str) -> int:
    """Give a visitor's events and exposures to a user, and forget the visitor."""
    if visitor == user_id:
        return 0
    known = select(events.c[EVENT_ID]).where(events.c[USER_ID] == user_id).scalar_subquery()
    theirs = events.c[USER_ID] == visitor
    connection.execute(delete(events).where(and_(theirs, events.c[EVENT_ID].in_(known))))
    moved = connection.execute(update(events).where(theirs).values(user_id=user_id)).rowcount
    connection.execute(
        update(exposures).where(exposures.c[USER_ID] == visitor).values(user_id=user_id)
    )
    connection.execute(update(links).where(links.c[USER_ID] == visitor).values(user_id=user_id))
    for table in (users, memberships):
        connection.execute(delete(table).where(table.c[USER_ID] == visitor))
    row = {"kind": VISITOR, "alias": visitor, USER_ID: user_id}
    connection.execute(database.put(links), row)
    return moved


def erase(database: Database, connection: Connection, user_id: str, *, erased_at: int) -> Receipt:
    """Take a user out of every table, and the visitors she was; leave a tombstone for each."""
    salt = salt_of(connection)
    aliases = select(links.c.kind, links.c.alias).where(links.c[USER_ID] == user_id)
    visitors = [row.alias for row in connection.execute(aliases) if row.kind == VISITOR]
    rows = {
        table.name: connection.execute(delete(table).where(table.c[USER_ID] == user_id)).rowcount
        for table in PERSONAL
    }
    digests = [digest_of(salt, one) for one in (user_id, *visitors)]
    stones = [{"digest": digest, "erased_at": erased_at} for digest in digests]
    connection.execute(database.put(tombstones), stones)
    connection.execute(delete(meta).where(meta.c.key == NEWEST_KEY))
    note_newest(database, connection, newest_in(connection))
    return Receipt(digests[0], erased_at, rows)


def consent_of(value: str) -> Consent:
    """Read a level of consent; what nobody has heard of is none."""
    return next((level for level in CONSENTS if level == value), "none")
