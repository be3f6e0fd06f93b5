"""Rows of a database as a source: what a query gives, read like a file of text."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any, Final

import duckdb
import pyarrow as pa
from pydantic import Field
from sqlalchemy import URL, Connection, CursorResult, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from recsys.databases import BACKENDS, Url, from_environment, name_of, with_driver
from recsys.engines import quote
from recsys.errors import ConfigError, DataError
from recsys.types import Config

ROWS_A_BATCH: Final = 50_000
REMEDY: Final = "correct the query or the URL; the database has to be there and may be read"


class Query(Config):
    """Rows of a SQLite or PostgreSQL database."""

    url: Url = Field(
        description="an SQLAlchemy URL of SQLite or PostgreSQL, or env:NAME of a variable with it"
    )
    query: str = Field(description="an SQL query of the rows; their columns are read as a file's")


def lay_out(connection: duckdb.DuckDBPyConnection, query: Query, name: str, *, place: str) -> None:
    """Read the rows of a query into a table, every value as its text.

    A guessed type would depend on which rows came first, and SQLite's columns have none.

    Parameters
    ----------
    connection
        Where the table is made.
    query
        What is read, in one read-only transaction, a batch at a time.
    name
        The table's.
    place
        Where the config names the query, for messages.

    Raises
    ------
    ConfigError
        When the URL is none, or its driver is not installed.
    DataError
        When the database or the query does not work, or two columns have one name.
    """
    with rows_of(query, place=place) as result:
        columns = _columns(list(result.keys()), place)
        listed = ", ".join(f"{quote(column)} VARCHAR" for column in columns)
        connection.execute(f"CREATE OR REPLACE TABLE {quote(name)} ({listed})")
        for rows in result.partitions(ROWS_A_BATCH):
            _append(connection, name, columns, rows)


@contextmanager
def rows_of(query: Query, *, place: str) -> Iterator[CursorResult[Any]]:
    """Run a query where nothing can be written; raises as `lay_out` does."""
    url = _checked(query.url, place)
    engine = _engine(url, place)
    try:
        with engine.connect() as connection, closing(_run(connection, query.query)) as result:
            yield result
    except SQLAlchemyError as error:
        # The error's own text would show the statement, so only the driver's words are taken.
        cause = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        raise DataError(
            f"{place}: {name_of(url)} does not give the rows: {cause}; {REMEDY}"
        ) from error
    finally:
        engine.dispose()


def _run(connection: Connection, query: str) -> CursorResult[Any]:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    # Without parameters % and : are the query's own signs.
    options = {"stream_results": True, "no_parameters": True, "postgresql_readonly": True}
    return connection.execution_options(**options).exec_driver_sql(query)


def _checked(text: str, place: str) -> URL:
    try:
        url = with_driver(make_url(from_environment(text, place=f"{place} url")))
    except (ArgumentError, ValueError) as error:
        # What cannot be parsed may hold a password anywhere, so the text is not repeated.
        raise ConfigError(
            f"{place} url is not a database URL; an example is sqlite:///shop.db"
        ) from error
    backend = url.get_backend_name()
    if backend not in BACKENDS:
        raise ConfigError(f"{place} url is of {backend!r}; rows come from {' or '.join(BACKENDS)}")
    # Connecting would make an empty file.
    if backend == "sqlite" and not Path(str(url.database)).is_file():
        raise DataError(
            f"{place}: there is no file {url.database!r}; "
            "a path after sqlite:/// is relative to the config file"
        )
    return url


def _engine(url: URL, place: str) -> Engine:
    try:
        return create_engine(url, hide_parameters=True)
    except (ImportError, ArgumentError) as error:
        raise ConfigError(
            f"{place} url names {url.drivername}, whose driver is not installed or does not take "
            'such a URL; pip install "recsys[postgres]" brings psycopg'
        ) from error


def _columns(names: Sequence[str], place: str) -> Sequence[str]:
    # As in SQL, case does not tell names apart.
    known = [name.lower() for name in names]
    twice = sorted({name for name in names if known.count(name.lower()) > 1})
    if twice:
        raise DataError(
            f"{place}: the query gives several columns {', '.join(twice)}; name each one by AS"
        )
    return names


def _append(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    texts = [_texts(values) for values in zip(*rows, strict=True)]
    connection.register("batch", pa.table(texts, names=list(columns)))
    connection.execute(f"INSERT INTO {quote(name)} SELECT * FROM batch")
    connection.unregister("batch")


def _texts(values: Sequence[Any]) -> pa.Array:
    kinds = set(map(type, values))
    if not kinds <= {str, NoneType}:
        values = [spelled(value) for value in values]
    return pa.array(values, pa.string())


def spelled(value: Any) -> str | None:
    """Return a value of a database as a file would have it; null and NaN are missing.

    Examples
    --------
    >>> spelled(12.0), spelled(12.5), spelled(True), spelled(date(2017, 12, 1)), spelled({"a": 1})
    ('12', '12.5', 'true', '2017-12-01', '{"a": 1}')
    """
    return _SPELLINGS.get(type(value), str)(value)


def _number(value: float | Decimal) -> str | None:
    if math.isnan(value):
        return None
    # A whole number reads the same as 2 and as 2.0: the id of a row may have been either.
    return str(int(value)) if math.isfinite(value) and value % 1 == 0 else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_SPELLINGS: Final[Mapping[type, Callable[[Any], str | None]]] = {
    NoneType: lambda _: None,
    bool: lambda value: str(value).lower(),
    float: _number,
    Decimal: _number,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    bytes: lambda value: value.decode("utf-8", "backslashreplace"),
    dict: _json,
    list: _json,
}
"""Type of a value -> how it is written; every other one is by `str`."""
