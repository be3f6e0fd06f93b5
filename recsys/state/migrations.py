"""From one version of the schema to the next, in place.

A step is frozen once a release has it: it speaks of columns by name, and not of the tables as they
are now.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, inspect, text


def _revisions_and_consent(connection: Connection) -> None:
    """Version 1 had users with attributes, and no more about them."""
    for column in (
        "consent TEXT NOT NULL DEFAULT 'full'",
        "registered BOOLEAN NOT NULL DEFAULT false",
        "revision BIGINT NOT NULL DEFAULT 0",
        "profiled BIGINT NOT NULL DEFAULT -1",
    ):
        connection.execute(text(f"ALTER TABLE users ADD COLUMN {column}"))
    connection.execute(text("UPDATE users SET registered = true"))
    connection.execute(
        text(
            "INSERT INTO users (user_id, attributes) "
            "SELECT DISTINCT user_id, '{}' FROM events "
            "WHERE user_id NOT IN (SELECT user_id FROM users)"
        )
    )


def _told_and_context(connection: Connection) -> None:
    """Version 2 did not know what came over HTTP: all of it counts as the sources'.

    Nor did it keep the context of an answer, at first: some of its databases have that column.
    """
    for table in ("events", "users"):
        connection.execute(
            text(f"ALTER TABLE {table} ADD COLUMN told BOOLEAN NOT NULL DEFAULT false")
        )
    found = inspect(connection)
    if found.has_table("exposures"):
        columns = [column["name"] for column in found.get_columns("exposures")]
        if "context" not in columns:
            statement = "ALTER TABLE exposures ADD COLUMN context TEXT NOT NULL DEFAULT '{}'"
            connection.execute(text(statement))


def _parts_of_experiments(connection: Connection) -> None:
    """Version 3 kept no experiments, and of lists not what these need to know."""
    if inspect(connection).has_table("exposures"):
        for column in ("session_id TEXT", "differs BOOLEAN", "sides TEXT"):
            connection.execute(text(f"ALTER TABLE exposures ADD COLUMN {column}"))


def _how_long_lists_took(connection: Connection) -> None:
    """Version 4 did not say how long a list took; the ledger was not there either."""
    if inspect(connection).has_table("exposures"):
        connection.execute(text("ALTER TABLE exposures ADD COLUMN milliseconds DOUBLE PRECISION"))


STEPS: Final[Mapping[str, tuple[Callable[[Connection], None], str]]] = {
    "1": (_revisions_and_consent, "2"),
    "2": (_told_and_context, "3"),
    "3": (_parts_of_experiments, "4"),
    "4": (_how_long_lists_took, "5"),
}
"""Version -> what brings its tables on, and to which version; new tables are made apart."""


def upgrade(connection: Connection, version: str) -> str:
    """Bring the tables of a version on as far as there are steps; returns the version reached."""
    while version in STEPS:
        step, version = STEPS[version]
        step(connection)
    return version
