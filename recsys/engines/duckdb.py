"""DuckDB: one connection per run, results that do not depend on threads or row order."""

from typing import Any

import duckdb
import narwhals as nw


def connect(*, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database that reads every time as UTC.

    Parameters
    ----------
    threads
        Worker threads; by default one for each core.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "preserve_insertion_order": False,
        # Nothing is fetched from anywhere: what the wheel holds is what there is.
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # A pandas column of objects is looked at whole: one "A7" among numbers is no error.
        "pandas_analyze_sample": 2**40,
    }
    if threads is not None:
        settings["threads"] = threads
    connection = duckdb.connect(config=settings)
    # Where the ICU extension is compiled in, times without an offset follow the machine's zone.
    if "TimeZone" in _settings(connection):
        connection.execute("SET TimeZone = 'UTC'")
    return connection


def _settings(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {row[0] for row in rows(connection, "SELECT name FROM duckdb_settings()")}


def frame(
    connection: duckdb.DuckDBPyConnection, table: str, where: str = "true"
) -> nw.LazyFrame[Any]:
    """Hand the rows of a table over as a lazy frame, so that one expression serves every engine."""
    return nw.from_native(connection.table(table).filter(where)).lazy()


def count(connection: duckdb.DuckDBPyConnection, table: str, where: str = "true") -> int:
    """Count the rows of a table."""
    return int(rows(connection, f"SELECT count(*) FROM {quote(table)} WHERE {where}")[0][0])


def rows(connection: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement and fetch all of its answer, which frees the connection for the next."""
    return connection.execute(statement).fetchall()


def quote(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
