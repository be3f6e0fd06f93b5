"""Taking events in: once each, for whom they belong to, and for nobody who does not want it."""

import hashlib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import BigInteger, Connection, Row, Select, cast, func, select

from recsys.events.schema import AMOUNT, EVENT, EVENT_ID, QUANTITY, TIME, USER_ID
from recsys.state.database import Database
from recsys.state.frames import (
    event_rows,
    in_key_order,
    newest_of,
    objects,
    parts,
    require_keys,
)
from recsys.state.tables import (
    NEWEST_KEY,
    SALT_KEY,
    events,
    links,
    meta,
    orders,
    tombstones,
    users,
)
from recsys.types import Flags

SESSION_ID: Final = "session_id"
VISITOR, SESSION = "visitor", "session"
"""Kinds of alias that a user can have been."""
NO_CONSENT: Final = "none"
IDS_A_QUERY: Final = 500


class Taken(IntEnum):
    """What became of an event."""

    NEW = 0
    DUPLICATE = 1
    REFUSED = 2


Outcomes = npt.NDArray[np.int8]
"""A `Taken` for each row."""


def take_in(
    database: Database,
    connection: Connection,
    frame: pd.DataFrame,
    rows_a_statement: int,
    *,
    told: bool,
) -> Outcomes:
    """Put events into the state; returns what became of each row of `frame`.

    An event of a visitor who is known by now is put down to her user. Of somebody who was erased
    nothing is taken in, and of somebody without consent nothing but what she ordered.
    """
    rows = require_keys(frame).reset_index(drop=True)
    ordered = in_key_order(linked(connection, rows))
    refused = _refused(database, connection, ordered)
    outcomes = np.full(len(ordered), Taken.REFUSED, dtype=np.int8)
    wanted = ordered[~refused]
    fresh = [
        _insert(database, connection, part, told=told) for part in parts(wanted, rows_a_statement)
    ]
    is_new = np.concatenate([np.zeros(0, dtype=bool), *fresh])
    outcomes[~refused] = np.where(is_new, Taken.NEW, Taken.DUPLICATE)
    _touch(database, connection, wanted[USER_ID][is_new])
    if is_new.any() and TIME in wanted:
        note_newest(database, connection, newest_of(wanted[TIME][is_new]))
    in_order = np.empty_like(outcomes)
    in_order[ordered.index] = outcomes
    return in_order


def _insert(database: Database, connection: Connection, part: pd.DataFrame, *, told: bool) -> Flags:
    """Insert rows that are not there yet; returns which of them were not."""
    names, rows = event_rows(part)
    insert = database.insert(events).on_conflict_do_nothing()
    statement = insert.returning(events.c[USER_ID], events.c[EVENT_ID])
    whole = [dict(zip(names, row, strict=True), told=told) for row in rows]
    found = connection.execute(statement, whole)
    new = {tuple(row) for row in found}
    pairs = zip(part[USER_ID].tolist(), part[EVENT_ID].tolist(), strict=True)
    # Of two rows with one id the first is the event, whichever of them the database took.
    return np.fromiter((_taken_once(new, pair) for pair in pairs), dtype=bool, count=len(part))


def _taken_once(new: set[tuple[Any, ...]], pair: tuple[Any, ...]) -> bool:
    is_new = pair in new
    new.discard(pair)
    return is_new


def linked(connection: Connection, frame: pd.DataFrame) -> pd.DataFrame:
    """Put the events of visitors who are known by now down to their users."""
    if connection.execute(select(links.c.alias).limit(1)).first() is None:
        return frame
    of_visitor = aliases(connection, VISITOR, frame[USER_ID])
    owner = frame[USER_ID].map(of_visitor)
    if SESSION_ID in frame:
        strangers = ~frame[USER_ID].isin(registered(connection, frame[USER_ID]))
        of_session = frame[SESSION_ID].map(aliases(connection, SESSION, frame[SESSION_ID]))
        owner = owner.where(owner.notna(), of_session.where(strangers))
    return frame.assign(**{USER_ID: owner.where(owner.notna(), frame[USER_ID])})


def aliases(connection: Connection, kind: str, found: Iterable[Any]) -> dict[str, str]:
    """Return the users that visitors or sessions turned out to be, where they did."""
    query = select(links.c.alias, links.c[USER_ID]).where(links.c.kind == kind)
    asked = ids_of(found)
    return {
        row.alias: row.user_id
        for some in in_parts(asked)
        for row in connection.execute(query.where(links.c.alias.in_(some)))
    }


def registered(connection: Connection, user_ids: Iterable[Any]) -> set[str]:
    """Return those users whom the shop has named."""
    query = select(users.c[USER_ID]).where(users.c.registered)
    return {row.user_id for row in of_users(connection, query, user_ids)}


def of_users(
    connection: Connection, query: Select[Any], user_ids: Iterable[Any]
) -> Iterable[Row[Any]]:
    """Read rows of some users from the table ``users``."""
    for some in in_parts(ids_of(user_ids)):
        yield from connection.execute(query.where(users.c[USER_ID].in_(some)))


def _refused(database: Database, connection: Connection, frame: pd.DataFrame) -> Flags:
    """Tell which rows are of erased users or of users without consent; note what they ordered."""
    salt = salt_of(connection)
    erased = erased_among(connection, salt, frame[USER_ID])
    declined = select(users.c[USER_ID]).where(users.c.consent == NO_CONSENT)
    silent = {row.user_id for row in of_users(connection, declined, frame[USER_ID])}
    _note_orders(database, connection, salt, frame[frame[USER_ID].isin(silent)])
    return np.asarray(frame[USER_ID].isin(erased | silent).to_numpy(dtype=bool))


def erased_among(connection: Connection, salt: str, user_ids: Iterable[Any]) -> set[str]:
    """Return those users who were erased."""
    if connection.execute(select(tombstones.c.digest).limit(1)).first() is None:
        return set()
    digests = {digest_of(salt, user_id): user_id for user_id in ids_of(user_ids)}
    query = select(tombstones.c.digest)
    return {
        digests[row.digest]
        for some in in_parts(list(digests))
        for row in connection.execute(query.where(tombstones.c.digest.in_(some)))
    }


def _note_orders(
    database: Database, connection: Connection, salt: str, frame: pd.DataFrame
) -> None:
    """Keep when something was ordered and for how much, under a digest that names nobody."""
    if frame.empty:
        return
    names = (EVENT, TIME, QUANTITY, AMOUNT)
    kept = {name: objects(frame[name]) for name in names if name in frame}
    kept["digest"] = [
        digest_of(salt, user_id, event_id)
        for user_id, event_id in zip(frame[USER_ID], frame[EVENT_ID], strict=True)
    ]
    rows = [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True)]
    connection.execute(database.insert(orders).on_conflict_do_nothing(), rows)


def _touch(database: Database, connection: Connection, user_ids: Iterable[Any]) -> None:
    """Count a change of each user; one who was not known becomes known."""
    rows = [{USER_ID: user_id, "attributes": "{}", "revision": 1} for user_id in ids_of(user_ids)]
    if rows:
        insert = database.insert(users)
        more = {"revision": users.c.revision + 1}
        connection.execute(insert.on_conflict_do_update(index_elements=[USER_ID], set_=more), rows)


def touch(database: Database, connection: Connection, user_id: str) -> None:
    """Count a change of one user."""
    _touch(database, connection, [user_id])


def note_newest(database: Database, connection: Connection, newest: int | None) -> None:
    """Remember the newest time of all events, unless a newer one is known."""
    if newest is None:
        return
    later = database.insert(meta).values(key=NEWEST_KEY, value=str(newest))
    connection.execute(
        later.on_conflict_do_update(
            index_elements=["key"],
            set_={"value": later.excluded.value},
            where=cast(meta.c.value, BigInteger) < newest,
        )
    )


def newest_in(connection: Connection) -> int | None:
    """Ask the events themselves for their newest time."""
    newest: int | None = connection.scalar(select(func.max(events.c.time)))
    return newest


def salt_of(connection: Connection) -> str:
    """Return what digests of this state are made with."""
    return str(connection.scalar(select(meta.c.value).where(meta.c.key == SALT_KEY)))


def digest_of(salt: str, *words: str) -> str:
    """Return a digest that tells nobody the words, SHA-256 with their lengths in front."""
    digest = hashlib.sha256(salt.encode())
    for word in words:
        text = word.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()


def ids_of(values: Iterable[Any]) -> list[str]:
    """Return the distinct ids among some values, sorted."""
    return sorted({str(value) for value in values if not pd.isna(value)})


def in_parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """Cut ids into what one query can ask for."""
    for start in range(0, len(ids), IDS_A_QUERY):
        yield ids[start : start + IDS_A_QUERY]
