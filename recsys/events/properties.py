"""Long files of items: a row for each property of an item, as it became known."""

from collections.abc import Sequence

import duckdb

from recsys.engines import literal, quote, rows
from recsys.errors import DataError
from recsys.events import mapping
from recsys.events.readers import EVERY_ROW
from recsys.events.schema import ITEM_FIELDS, ITEM_ID, PROPERTY, TIME, TIMESTAMP, VALUE

REJECTED = "rejected_properties"
"""The table of the rows that say nothing about an item, with their reasons."""
OLDEST = -(2**62)
"""Microseconds: the time of what is said without one."""


def is_long(names: Sequence[str], columns: mapping.Columns) -> bool:
    """Say whether columns of these names are an item, a property and its value."""
    known = mapping.source_columns(names, [mapping.TEXT] * len(names))
    return all(mapping.find(word, columns, known) for word in (ITEM_ID, PROPERTY, VALUE))


def needed(names: Sequence[str], columns: mapping.Columns) -> str:
    """Return the SQL condition on the rows that say something we have a word for.

    A file that is not long is needed as a whole.
    """
    if not is_long(names, columns):
        return EVERY_ROW
    words = (word for word in ITEM_FIELDS if word != ITEM_ID)
    called = {name.lower() for word in words for name in (word, *mapping.names_of(word, columns))}
    return f"{_property()} IN ({', '.join(map(literal, sorted(called)))})"


def _property() -> str:
    return f"lower({mapping.text(mapping.Column(PROPERTY, mapping.TEXT))})"


def fold(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: str,
    columns: mapping.Columns,
    time_format: str | None = None,
) -> None:
    """Turn the long `source` into `table`, one row an item, each property's newest value.

    A row without a time counts as older than any with one; of several of one time the greatest
    value counts, so that the order of the rows plays no part. Rows that name no item, or whose time
    cannot be read, go to `REJECTED`.

    Parameters
    ----------
    connection
        Where the view or table `source` is.
    source
        The item's id, ``property``, ``value`` and, where there is one, the time.
    table
        What is made: the item's id, and a column for each property that is one of our words for
        items or that `columns` gives for one.
    columns
        Our word -> their column, or their property.
    time_format
        strptime format of times that are not ISO 8601.

    Raises
    ------
    DataError
        When no row is about a property that is needed.
    """
    judged = _judged(connection, source, columns, time_format)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE judged AS {judged}")
    named = [row[0] for row in rows(connection, "SELECT DISTINCT property FROM judged ORDER BY 1")]
    if not named:
        raise DataError(
            f"no {PROPERTY} of the items file is one of our words; name those that are meant in "
            'the config: [data.columns] category = "their property"'
        )
    values = ", ".join(f"{_newest(name)} AS {quote(name)}" for name in named)
    connection.execute(
        f"CREATE OR REPLACE TABLE {quote(table)} AS SELECT {ITEM_ID}, {values} FROM judged "
        f"WHERE reason IS NULL GROUP BY {ITEM_ID}"
    )
    own = (f"{quote('source_' + n)} AS {quote(n)}" for n in connection.table(source).columns)
    connection.execute(
        f"CREATE OR REPLACE TABLE {REJECTED} AS SELECT reason, {', '.join(own)} FROM judged "
        "WHERE reason IS NOT NULL"
    )
    connection.execute("DROP TABLE judged")


def _judged(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    columns: mapping.Columns,
    time_format: str | None,
) -> str:
    relation = connection.table(source)
    theirs = mapping.source_columns(relation.columns, relation.types)
    item = mapping.require(ITEM_ID, columns, theirs, file="items")
    value = mapping.require(VALUE, columns, theirs, file="items")
    since = mapping.find(TIMESTAMP, columns, theirs)
    time = mapping.time(since, time_format) if since else str(OLDEST)
    said = mapping.raw(since) if since else "NULL"
    reason = (
        f"CASE WHEN {ITEM_ID} IS NULL THEN 'missing_item_id' "
        f"WHEN said IS NOT NULL AND {TIME} IS NULL THEN 'unparsable_time' END"
    )
    own = ", ".join(f"{column.name} AS {quote('source_' + n)}" for n, column in theirs.items())
    return (
        f"SELECT *, {reason} AS reason FROM (SELECT {mapping.identifier(item)} AS {ITEM_ID}, "
        f"{_property()} AS {PROPERTY}, {mapping.text(value)} AS {VALUE}, {time} AS {TIME}, "
        f"{said} AS said, {own} FROM {quote(source)} "
        f"WHERE {needed(relation.columns, columns)})"
    )


def _newest(name: str) -> str:
    latest = f"max({{'time': coalesce({TIME}, {OLDEST}), 'value': {VALUE}}})"
    return f"({latest} FILTER (WHERE {VALUE} IS NOT NULL AND {PROPERTY} = {literal(name)})).value"
