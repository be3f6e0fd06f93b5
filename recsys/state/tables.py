"""The tables of the state.

The columns of ``events`` are the event's own fields; a change to them, or to any table here, needs
another `SCHEMA_VERSION` and a step in `migrations`.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    MetaData,
    Table,
    Text,
    false,
)

from recsys.events.schema import (
    EVENT,
    EVENT_COLUMNS,
    EVENT_FIELDS,
    EVENT_ID,
    ITEM_ID,
    TIME,
    USER_ID,
)

SCHEMA_VERSION: Final = "5"

SCHEMA_KEY: Final = "schema_version"
NEWEST_KEY: Final = "newest_time"
CHANGES_KEY: Final = "changes"
"""Counts every change of what is not about one user: items, keys."""
SALT_KEY: Final = "salt"
"""Of the digests that erased users leave behind."""

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


def _key(name: str) -> Column[Any]:
    return Column(name, _TEXT, primary_key=True)


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, _TEXT, nullable=nullable)


def _whole(name: str, default: int | None = None) -> Column[Any]:
    """Return a column of whole numbers; without a default it may be null."""
    given = None if default is None else str(default)
    return Column(name, BigInteger, nullable=default is None, server_default=given)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=false())


def _partial_index(name: str, column: Column[Any], where: ColumnElement[bool]) -> None:
    """Index the rows that meet a condition: few of many."""
    Index(name, column, sqlite_where=where, postgresql_where=where)


meta: Final = Table("meta", metadata, _key("key"), _text("value"))

# `revision` counts whatever changes about a user; `profiled` is the revision that her memberships
# were worked out at. `registered`: the shop has named her, she is no passing visitor. `told`: her
# attributes came over HTTP, and what the shop's sources say of her is no news.
users: Final = Table(
    "users",
    metadata,
    _key(USER_ID),
    _text("attributes"),
    Column("consent", _TEXT, nullable=False, server_default="full"),
    _flag("registered"),
    _flag("told"),
    _whole("revision", 0),
    _whole("profiled", -1),
    sqlite_with_rowid=False,
)
_partial_index("users_to_profile", users.c[USER_ID], users.c.profiled != users.c.revision)

# Without rowid the rows lie in the order of the primary key: a user's history is one stretch.
# `told`: it came over HTTP, the shop's sources need not have it.
events: Final = Table(
    "events",
    metadata,
    *(_event_column(name) for name in EVENT_COLUMNS),
    _flag("told"),
    sqlite_with_rowid=False,
)
OF_EVENT: Final = tuple(events.c[name] for name in EVENT_COLUMNS)
"""The event's own columns."""
TOLD: Final = events.c.told.is_(True)
"""Which events came over HTTP, as the index has it."""
_partial_index("events_told", events.c[USER_ID], TOLD)
_partial_index("events_of_session", events.c.session_id, events.c.session_id.is_not(None))

memberships: Final = Table(
    "memberships",
    metadata,
    _key(USER_ID),
    _text("weights"),
    _text("model_version"),
    _whole("as_of"),
    sqlite_with_rowid=False,
)

exposures: Final = Table(
    "exposures",
    metadata,
    _key("recommendation_id"),
    _text(USER_ID),
    _whole(TIME, 0),
    _text("variant"),
    _text("digest"),
    _text("model_version"),
    _text("fallback", nullable=True),
    _text("experiment", nullable=True),
    _text("segments"),
    _text("items"),
    _text("propensities"),
    _text("context"),
    _text("session_id", nullable=True),
    Column("differs", Boolean()),
    _text("sides", nullable=True),
    Column("milliseconds", Double()),
)
Index("exposures_of_user", exposures.c[USER_ID])
_partial_index(
    "exposures_of_experiment", exposures.c.experiment, exposures.c.experiment.is_not(None)
)

# `definition` and `results` are documents; what they mean is not the state's business.
experiments: Final = Table(
    "experiments",
    metadata,
    _key("name"),
    _text("definition"),
    _text("digest"),
    Column("coverage", Double(), nullable=False),
    _whole("created_at", 0),
    _whole("started_at"),
    _whole("stopped_at"),
    _text("results", nullable=True),
)

# Differences between two variants, however they were measured; `source` is what measured them.
ledger: Final = Table(
    "ledger",
    metadata,
    *(_key(name) for name in ("kind", "source", "control", "variant", "metric")),
    *(_key(name) for name in ("control_digest", "variant_digest")),
    *(Column(name, Double(), nullable=False) for name in ("mean", "low", "high")),
    _whole("n", 0),
    _whole("measured_at", 0),
)

# A visitor's id or a session's, and the user it turned out to be.
links: Final = Table(
    "links",
    metadata,
    _key("kind"),
    _key("alias"),
    _text(USER_ID),
)
Index("links_to_user", links.c[USER_ID])

items: Final = Table("items", metadata, _key(ITEM_ID), _text("fields"), _whole("revision", 0))
Index("items_by_revision", items.c.revision)

# What is kept of people without consent, and of erased ones: digests, and totals of orders.
tombstones: Final = Table("tombstones", metadata, _key("digest"), _whole("erased_at", 0))
orders: Final = Table(
    "orders",
    metadata,
    _key("digest"),
    _text(EVENT),
    _whole(TIME),
    Column("quantity", Double()),
    _whole("amount"),
)

keys: Final = Table(
    "keys",
    metadata,
    _key("name"),
    Column("digest", _TEXT, nullable=False, unique=True),
    _text("scope"),
    _whole("created_at", 0),
    _whole("expires_at"),
)

leases: Final = Table("leases", metadata, _key("name"), _text("holder"), _whole("until", 0))

TABLES: Final = (
    meta,
    users,
    events,
    memberships,
    exposures,
    links,
    items,
    tombstones,
    orders,
    keys,
    leases,
    experiments,
    ledger,
)
"""In the order of creation: ``meta`` first, so that a half-made state is known as ours."""

PERSONAL: Final = tuple(table for table in TABLES if USER_ID in table.c)
"""Every table that says something about a person."""

BY_TIME: Final = (
    events.c[USER_ID],
    events.c[TIME].asc().nulls_last(),
    events.c[EVENT_ID],
)
"""The order of histories."""
