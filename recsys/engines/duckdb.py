"""DuckDB: one connection per run, results that do not depend on threads or row order."""

from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa


def connect(*, threads: int | None = None, folder: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a database that reads every time as UTC.

    Parameters
    ----------
    threads
        Worker threads; by default one for each core.
    folder
        Where its tables lie, and what does not fit into memory; by default in memory.
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
    database = ":memory:"
    if folder is not None:
        database = str(folder / "shop.duckdb")
        settings["temp_directory"] = str(folder / "spilled")
    connection = duckdb.connect(database, config=settings)
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


def typed(table: pd.DataFrame) -> pa.Table:
    """Give the columns of a frame types: else each step of a query looks through all objects."""
    return pa.Table.from_pandas(table, preserve_index=False)


def beside(events: nw.LazyFrame[Any], table_beside: pd.DataFrame) -> nw.LazyFrame[Any]:
    """Put a frame of pandas where `events` are, so that the two can be joined."""
    native = events.to_native()
    if isinstance(native, duckdb.DuckDBPyRelation):
        found = typed(table_beside)  # noqa: F841
        # The relation knows its connection and does not tell it: a query on it runs there.
        laid: Any = native.query("events", "FROM found")
        joinable: nw.LazyFrame[Any] = nw.from_native(laid).lazy()
        return joinable
    return nw.from_native(table_beside).lazy()


def held_here(events: nw.LazyFrame[Any], column: str) -> list[str] | None:
    """Return the distinct values of a column of a frame of pandas; None where an engine has it."""
    native = events.to_native()
    if isinstance(native, duckdb.DuckDBPyRelation):
        return None
    return [str(value) for value in native[column].dropna().unique()]
