"""What the state knows beside the shop's sources: what came over HTTP, and what users agreed to.

Sources are read anew by every command, so that a corrected file is all that counts. What was told
over HTTP stands in no file: the state alone holds it, and a shop is both.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import duckdb
import pandas as pd

from recsys.engines import count, literal, quote, rows
from recsys.errors import DataError
from recsys.events import mapping
from recsys.events.campaigns import ANSWERS, CAMPAIGN_USERS, REDEMPTIONS
from recsys.events.queries import spelled
from recsys.events.schema import (
    AVAILABLE,
    EVENT,
    EVENT_COLUMNS,
    EVENT_ID,
    ITEM_ID,
    PRICE,
    TIME,
    USER_ID,
    VALID_FROM,
)
from recsys.events.shop import FileReport, Shop
from recsys.events.validation import EVENT_TABLE, Intake
from recsys.state import StateStore

TOLD: Final = "told"
"""In reports: the events that came over HTTP and stand in no source."""
WITHHELD: Final = "withheld"
"""The table of users who were erased or agreed to nothing, and before a table's name their rows."""
COUNTED: Final = "counted"
"""The table of users who agreed to no more than segments."""
COLUMNS: Final = ", ".join(EVENT_COLUMNS)
UNKNOWN_EVENT: Final = "unknown_event"
PRICE_TOLD: Final = f"told_items.{PRICE}"
COUNTED_NOTE: Final = (
    "agreed to segments alone: what they did counts in popularity and lifts, and in nothing else"
)


def read_events(
    connection: duckdb.DuckDBPyConnection, state: StateStore, intake: Intake
) -> FileReport:
    """Read all events that a state holds into the table ``events``.

    Raises
    ------
    DataError
        When there is none.
    """
    held = _lay_out(connection, state, "events", told=False) if state.exists() else 0
    if not held:
        raise DataError(
            '[data] events = "state": the state holds no event yet; name the files or the query of '
            "the first training there, and the state after it"
        )
    return _judge(connection, "events", held, intake)


def hear(shop: Shop, state: StateStore, intake: Intake, *, events: bool = True) -> Shop:
    """Return a shop with what its state knows beside the sources.

    Events of linked visitors are put down to their users. Who was erased, or agreed to nothing, has
    no part in it; who agreed to segments alone, a small one: see `Shop.counted`.

    Parameters
    ----------
    shop
        As it was read.
    state
        May not have been made yet: then it knows nothing.
    intake
        The event types that are known.
    events
        Whether events that came over HTTP belong to it.
    """
    if not state.exists():
        return shop
    _put_down(shop, state)
    shop = _withhold(shop, state)
    if TOLD not in shop.reports and events:
        shop = _with_events(shop, state, intake)
    _tell_users(shop, state)
    _tell_items(shop, state)
    return _reserve(shop, state)


def _lay_out(
    connection: duckdb.DuckDBPyConnection, state: StateStore, table: str, *, told: bool
) -> int:
    """Read events of the state into a table; returns how many."""
    connection.execute(f"CREATE OR REPLACE TABLE {table} ({EVENT_TABLE})")
    for part in state.event_tables(told=told):
        connection.register("part", part)
        connection.execute(f"INSERT INTO {table} SELECT * FROM part")
        connection.unregister("part")
    return count(connection, table)


def _judge(
    connection: duckdb.DuckDBPyConnection, table: str, read: int, intake: Intake
) -> FileReport:
    """Reject the events of a kind that had a weight once and has none any more."""
    known = ", ".join(map(literal, sorted(intake.known_events)))
    strange = f"{EVENT} NOT IN ({known})"
    connection.execute(
        f"CREATE OR REPLACE TABLE rejected_{table} AS "
        f"SELECT {literal(UNKNOWN_EVENT)} AS reason, * FROM {table} WHERE {strange}"
    )
    connection.execute(f"DELETE FROM {table} WHERE {strange}")
    rejected = count(connection, f"rejected_{table}")
    reasons = {UNKNOWN_EVENT: rejected} if rejected else {}
    return FileReport(read, 0, read - rejected, reasons)


def _put_down(shop: Shop, state: StateStore) -> None:
    """Put the events of visitors and sessions down to the users they turned out to be."""
    aliases = state.aliases()
    if aliases.empty:
        return
    _register(shop, "aliases", aliases)
    of_kind = "SELECT alias FROM aliases WHERE kind ="
    found = shop.connection.sql(
        f"SELECT DISTINCT {USER_ID}, session_id FROM events WHERE "
        f"{USER_ID} IN ({of_kind} 'visitor') OR session_id IN ({of_kind} 'session')"
    ).df()
    owners = found.assign(owner=state.linked(found)[USER_ID])
    _register(shop, "owners", owners)
    shop.connection.execute(
        f"UPDATE events SET {USER_ID} = owner FROM owners o WHERE events.{USER_ID} = o.{USER_ID} "
        "AND events.session_id IS NOT DISTINCT FROM o.session_id"
    )


def _withhold(shop: Shop, state: StateStore) -> Shop:
    """Leave out who was erased and who agreed to nothing; what they ordered a state may keep."""
    tables = ["events", "users", CAMPAIGN_USERS, REDEMPTIONS, *shop.imported.values()]
    everyone = " UNION ".join(f"SELECT {USER_ID} FROM {table}" for table in tables)
    ids = [user_id for (user_id,) in rows(shop.connection, everyone) if user_id is not None]
    declined = (user_id for user_id, level in state.consents().items() if level == "none")
    _register(shop, WITHHELD, _ids({*declined, *state.erased_among(ids)}))
    left_out = {table: _leave_out(shop, table) for table in tables}
    return replace(
        shop,
        reports={
            name: report.without(left_out.get(name, 0)) for name, report in shop.reports.items()
        },
        to_keep=f"{shop.to_keep} UNION ALL SELECT {COLUMNS} FROM {WITHHELD}_events",
    )


def _leave_out(shop: Shop, table: str) -> int:
    hers = f"{USER_ID} IN (SELECT {USER_ID} FROM {WITHHELD})"
    run = shop.connection.execute
    run(f"CREATE OR REPLACE TABLE {WITHHELD}_{table} AS SELECT * FROM {table} WHERE {hers}")
    run(f"DELETE FROM {table} WHERE {hers}")
    return count(shop.connection, f"{WITHHELD}_{table}")


def _with_events(shop: Shop, state: StateStore, intake: Intake) -> Shop:
    """Add what came over HTTP and stands in no source."""
    connection = shop.connection
    report = _judge(connection, TOLD, _lay_out(connection, state, TOLD, told=True), intake)
    if not report.read:
        return shop
    withheld = _leave_out(shop, TOLD)
    same = f"{TOLD}.{USER_ID} = events.{USER_ID} AND {TOLD}.{EVENT_ID} = events.{EVENT_ID}"
    connection.execute(f"DELETE FROM {TOLD} USING events WHERE {same}")
    # Where the sources have no times, none is told from another.
    own = COLUMNS if shop.timed else f"* REPLACE (CAST(NULL AS BIGINT) AS {TIME})"
    connection.execute(f"INSERT INTO events BY NAME SELECT {own} FROM {TOLD}")
    new = count(connection, TOLD)
    read = new + withheld + sum(report.rejected.values())
    return replace(
        shop,
        reports={**shop.reports, TOLD: FileReport(read, 0, new, report.rejected, withheld)},
        to_keep=f"SELECT * FROM ({shop.to_keep}) ANTI JOIN {TOLD} USING ({USER_ID}, {EVENT_ID})",
    )


def _tell_users(shop: Shop, state: StateStore) -> None:
    """Put what was told of users over HTTP in the place of what a source says of them.

    Where no source says anything of users, everything that the state knows of them is there.
    """
    known = state.all_attributes(told="users" in shop.reports)
    answers = ANSWERS if CAMPAIGN_USERS in shop.reports else ()
    told = _told_apart(known.drop(columns=[*shop.imported, *answers], errors="ignore"))
    _register(shop, "told_users", told)
    values = [f"{v} AS {quote(n)}" for n, v in _values(shop, "users", told.columns[1:]).items()]
    heard = f"SELECT {USER_ID} FROM told_users"
    shop.connection.execute(
        f"CREATE OR REPLACE TABLE users AS SELECT * FROM users WHERE {USER_ID} NOT IN ({heard}) "
        f"UNION ALL BY NAME SELECT {', '.join([USER_ID, *values])} FROM told_users "
        f"WHERE {USER_ID} NOT IN (SELECT {USER_ID} FROM {WITHHELD})"
    )


def _tell_items(shop: Shop, state: StateStore) -> None:
    """Lay what was told of items over what the items' source says of them, field by field."""
    fields = state.items.since(0)
    index = pd.Index(list(fields), dtype=object, name=ITEM_ID)
    told = _told_apart(pd.DataFrame(list(fields.values()), index, dtype=object))
    _register(shop, "told_items", told.map(spelled))
    values = _values(shop, "items", told.columns[1:])
    if PRICE in values:
        values[PRICE] = mapping.money(mapping.Column(PRICE_TOLD, mapping.TEXT))
    theirs = [name for name in shop.connection.table("items").columns if name != ITEM_ID]
    laid = [
        f"coalesce({', '.join(_either(name, theirs, values))}) AS {quote(name)}"
        for name in dict.fromkeys([*theirs, *values])
    ]
    shop.connection.execute(
        f"CREATE OR REPLACE TABLE items AS SELECT {', '.join([ITEM_ID, *laid])} "
        f"FROM items FULL JOIN told_items USING ({ITEM_ID})"
    )


def _either(name: str, theirs: Collection[str], values: Mapping[str, str]) -> Iterator[str]:
    """Yield SQL for the values that a column of the items may have, the newest first."""
    if name in values:
        yield values[name]
    if name in theirs:
        yield f"items.{quote(name)}"
    if name == AVAILABLE:
        yield "true"


def _told_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its index as the first column, and no two names alike but for case."""
    reserved = {str(frame.index.name), VALID_FROM}
    kept: dict[str, pd.Series[Any]] = {}
    # Our words are lower case: of names that are alike such a one stands last, and stays.
    for name in sorted(map(str, frame.columns), reverse=True):
        same = kept.get(name.lower())
        kept[name.lower()] = frame[name] if same is None else same.where(same.notna(), frame[name])
    told = {str(column.name): column for low, column in kept.items() if low not in reserved}
    return pd.DataFrame(told, frame.index).reset_index()


def _values(shop: Shop, table: str, told: Iterable[str]) -> dict[str, str]:
    """Return SQL for what was told, by column: of the name and the type that `table` has for it."""
    relation = shop.connection.table(table)
    theirs = {
        name.lower(): (name, str(kind))
        for name, kind in zip(relation.columns, relation.types, strict=True)
    }
    found = {}
    for name in told:
        own, kind = theirs.get(name.lower(), (name, None))
        value = f"told_{table}.{quote(name)}"
        found[own] = value if kind is None else f"TRY_CAST({value} AS {kind})"
    return found


def _reserve(shop: Shop, state: StateStore) -> Shop:
    """Keep the histories of those who agreed to segments alone from being learnt from."""
    some = {user_id for user_id, level in state.consents().items() if level == "segment_only"}
    _register(shop, COUNTED, _ids(some))
    hers = f"{USER_ID} IN (SELECT {USER_ID} FROM {COUNTED})"
    counted = f"SELECT count(DISTINCT {USER_ID}) FROM events WHERE {hers}"
    known = int(rows(shop.connection, counted)[0][0])
    if not known:
        return shop
    note = f"{known:,} customers {COUNTED_NOTE}"
    return replace(shop, histories_where=f"NOT ({hers})", notes=(*shop.notes, note))


def _ids(user_ids: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame({USER_ID: sorted(user_ids)}, dtype=object)


def _register(shop: Shop, name: str, frame: pd.DataFrame) -> None:
    """Write a frame to a table: what is registered alone another cursor does not see."""
    shop.connection.register("laid", frame)
    shop.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM laid")
    shop.connection.unregister("laid")
