"""The tables of the state.

The columns of ``events`` are the event's own fields; a change to them, or to any table here, needs
another `SCHEMA_VERSION`.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Double, MetaData, Table, Text

from recsys.events.schema import EVENT, EVENT_COLUMNS, EVENT_FIELDS, EVENT_ID, TIME, USER_ID

SCHEMA_VERSION: Final = "1"

SCHEMA_KEY: Final = "schema_version"
NEWEST_KEY: Final = "newest_time"

REQUIRED: Final = (USER_ID, EVENT, EVENT_ID)
"""The columns of an event that are never null."""

KINDS: Final = dict(zip(EVENT_COLUMNS, (field.kind for field in EVENT_FIELDS), strict=True))
"""Column of an event -> ``id``, ``text``, ``number``, ``money`` or ``time``."""

# SQLite compares texts by code point; "C" makes PostgreSQL do the same, so both sort alike.
_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
_TYPES: Final[dict[str, Any]] = {
    "id": _TEXT,
    "text": _TEXT,
    "number": Double(),
    "money": BigInteger(),
    "time": BigInteger(),
}

metadata: Final = MetaData()


def _event_column(name: str) -> Column[Any]:
    return Column(
        name,
        _TYPES[KINDS[name]],
        primary_key=name in (USER_ID, EVENT_ID),
        nullable=name not in REQUIRED,
    )


meta: Final = Table(
    "meta",
    metadata,
    Column("key", _TEXT, primary_key=True),
    Column("value", _TEXT, nullable=False),
)
users: Final = Table(
    "users",
    metadata,
    Column(USER_ID, _TEXT, primary_key=True),
    Column("attributes", _TEXT, nullable=False),
    sqlite_with_rowid=False,
)
# Without rowid the rows lie in the order of the primary key: a user's history is one stretch.
events: Final = Table(
    "events",
    metadata,
    *(_event_column(name) for name in EVENT_COLUMNS),
    sqlite_with_rowid=False,
)

TABLES: Final = (meta, users, events)
"""In the order of creation: ``meta`` first, so that a half-made state is known as ours."""

PERSONAL: Final = tuple(table for table in TABLES if USER_ID in table.c)
"""Every table that says something about a person."""

BY_TIME: Final = (
    events.c[USER_ID],
    events.c[TIME].asc().nulls_last(),
    events.c[EVENT_ID],
)
"""The order of histories."""
