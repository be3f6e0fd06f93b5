"""One source, two tables: the rows that can be used, and the others with their reasons."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from recsys.engines import quote
from recsys.events import mapping
from recsys.events.schema import LONGEST_ID
from recsys.events.validation import Rule


class Reading(NamedTuple):
    """How a table is read from a source, one row each.

    Attributes
    ----------
    columns
        Column of the table -> SQL over the source's columns.
    rules
        Reasons to reject a row, most basic first.
    raw
        What the rules look at beside them: name -> SQL.
    rest
        The source's columns that are kept as they are.
    key, duplicate
        The columns by which good rows are copies of each other, and the reason all but one are
        rejected for; without a key there are no copies.
    """

    columns: Mapping[str, str]
    rules: Sequence[Rule]
    raw: Mapping[str, str] = {}
    rest: Sequence[str] = ()
    key: Sequence[str] = ()
    duplicate: str = ""


def key_rules(key: str) -> tuple[Rule, ...]:
    """Return the reasons for which a value is no id."""
    return (
        Rule(f"missing_{key}", f"{key} IS NULL", f"give every row a {key}"),
        Rule(
            "id_too_long",
            f"length({key}) > {LONGEST_ID}",
            f"use ids of at most {LONGEST_ID} characters",
        ),
        Rule(
            "nul_in_id",
            f"contains({key}, chr(0))",
            "leave the character NUL out of ids: arrays of text cannot keep it",
        ),
    )


def columns_of(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, mapping.Column]:
    """Return the columns of a view or table by their own names."""
    relation = connection.table(source)
    return mapping.source_columns(relation.columns, relation.types)


def split(connection: duckdb.DuckDBPyConnection, source: str, table: str, reading: Reading) -> None:
    """Split the view `source` into `table` and ``rejected_<table>``, whose rows have reasons.

    Of several good rows of one key the last in the order of all columns stays, not the file's last.
    """
    # Under a prefix no column of the file can be taken for one of ours.
    own = {name: quote("source_" + name) for name in connection.table(source).columns}
    values = [*reading.columns, *(own[name] for name in reading.rest)]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE judged AS "
        f"{_marked(_read(source, reading, own), reading, values)}"
    )
    kept = ", ".join([*reading.columns, *(f"{own[n]} AS {quote(n)}" for n in reading.rest)])
    connection.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT {kept} FROM judged WHERE reason IS NULL"
    )
    restored = ", ".join(f"{prefixed} AS {quote(name)}" for name, prefixed in own.items())
    connection.execute(
        f"CREATE OR REPLACE TABLE rejected_{table} AS SELECT reason, {restored} FROM judged "
        "WHERE reason IS NOT NULL"
    )
    connection.execute("DROP TABLE judged")


def _read(source: str, reading: Reading, own: Mapping[str, str]) -> str:
    read = [f"{value} AS {name}" for name, value in {**reading.columns, **reading.raw}.items()]
    carried = [f"{quote(name)} AS {prefixed}" for name, prefixed in own.items()]
    return f"SELECT {', '.join([*read, *carried])} FROM {quote(source)}"


def _marked(read: str, reading: Reading, values: Iterable[str]) -> str:
    cases = " ".join(f"WHEN {rule.condition} THEN '{rule.reason}'" for rule in reading.rules)
    judged = f"SELECT *, CASE {cases} END AS reason FROM ({read})"
    if not reading.key:
        return judged
    order = ", ".join(f"{name} DESC NULLS LAST" for name in values)
    copy = f"row_number() OVER (PARTITION BY {', '.join(reading.key)}, reason IS NULL "
    return (
        f"SELECT * REPLACE (CASE WHEN reason IS NULL AND copy > 1 THEN '{reading.duplicate}' "
        f"ELSE reason END AS reason) FROM (SELECT *, {copy}ORDER BY {order}) AS copy "
        f"FROM ({judged}))"
    )
