"""Segments that another system has worked out: who is in which, how much, and since when."""

from collections.abc import Mapping
from typing import Final

import duckdb
import pandas as pd

from recsys.engines import literal, quote
from recsys.events import mapping
from recsys.events.schema import USER_ID, VALID_FROM
from recsys.events.splitting import Reading, columns_of, key_rules, split
from recsys.events.times import LAST
from recsys.events.validation import Intake, Rule

SEGMENT: Final = "segment"
WEIGHT: Final = "weight"
TOTAL: Final = "total"
ROUNDING: Final = 1e-9
"""Three thirds in decimals may be a little more than 1."""
RULES: Final = (
    *key_rules(USER_ID),
    Rule("missing_segment", f"{SEGMENT} IS NULL", "name the segment of every row"),
    Rule(
        "weight_out_of_range",
        f"{WEIGHT} IS NULL OR NOT {WEIGHT} > 0 OR {WEIGHT} > 1",
        "give weights above 0 and up to 1",
    ),
    Rule(
        "weights_above_one",
        f"{TOTAL} > {1 + ROUNDING}",
        "let a user's weights at one time sum to at most 1",
    ),
    Rule(
        "unparsable_time",
        f"{VALID_FROM} IS NULL AND raw_{VALID_FROM} IS NOT NULL",
        "write ISO 8601 (2017-12-01T08:30:00Z) or set [data] time_format",
    ),
)
COPIES: Final = {"duplicate_segment": "name a user's segment once for each time"}


def remedies() -> dict[str, str]:
    """Return what to do about each reason that only these files have."""
    return {**{rule.reason: rule.remedy for rule in RULES}, **COPIES}


def validate_imported(
    connection: duckdb.DuckDBPyConnection, source: str, table: str, intake: Intake
) -> None:
    """Split the view `source` into `table`, ``user_id, segment, weight, valid_from``, and the rest.

    A row without a weight is of a whole member; without ``valid_from`` she always was one.

    Raises
    ------
    DataError
        When ``user_id`` or ``segment`` is missing.
    """
    theirs = columns_of(connection, source)
    user = mapping.identifier(mapping.require(USER_ID, intake.columns, theirs, file=table))
    segment = mapping.text(mapping.require(SEGMENT, intake.columns, theirs, file=table))
    weight, since = (mapping.find(name, intake.columns, theirs) for name in (WEIGHT, VALID_FROM))
    number = _weight(weight) if weight else "1.0"
    moment = mapping.time(since, intake.time_format) if since else "CAST(NULL AS BIGINT)"
    read = {USER_ID: user, SEGMENT: segment, WEIGHT: number, VALID_FROM: moment}
    raw = {
        TOTAL: f"sum({number}) OVER (PARTITION BY {user}, {moment})",
        f"raw_{VALID_FROM}": mapping.raw(since) if since else "NULL",
    }
    key = (USER_ID, SEGMENT, VALID_FROM)
    split(
        connection,
        source,
        table,
        Reading(read, RULES, raw, key=key, duplicate="duplicate_segment"),
    )


def _weight(column: mapping.Column) -> str:
    return f"CASE WHEN {mapping.raw(column)} IS NULL THEN 1.0 ELSE {mapping.number(column)} END"


def imported_as_of(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str], users: str, as_of: int | None
) -> pd.DataFrame:
    """Return each user's imported segments as JSON such as ``{"gold": 0.7}``.

    Parameters
    ----------
    connection
        Where the tables are.
    tables
        Attribute -> table.
    users
        SQL condition on ``user_id``.
    as_of
        Microseconds; what is valid from then on is not known yet. None: all of it is.

    Returns
    -------
    DataFrame
        Indexed by ``user_id``, one column for each attribute; the newest valid rows of a user.
    """
    found = [_as_json(connection, *one, users, as_of) for one in tables.items()]
    return pd.concat(found, axis="columns") if found else pd.DataFrame()


def _as_json(
    connection: duckdb.DuckDBPyConnection,
    attribute: str,
    table: str,
    users: str,
    as_of: int | None,
) -> pd.DataFrame:
    moment = LAST if as_of is None else as_of
    newest = f"rank() OVER (PARTITION BY {USER_ID} ORDER BY {VALID_FROM} DESC NULLS LAST)"
    known = (
        f"SELECT *, {newest} AS place FROM {table} WHERE ({users}) "
        f"AND ({VALID_FROM} IS NULL OR {VALID_FROM} < {moment})"
    )
    plain = f"regexp_replace({SEGMENT}, '[\\x00-\\x1f]', ' ', 'g')"
    escaped = f"replace(replace({plain}, '\\', '\\\\'), '\"', '\\\"')"
    pair = f"'\"' || {escaped} || '\": ' || {WEIGHT}"
    statement = (
        f"SELECT {USER_ID}, '{{' || string_agg({pair}, {literal(', ')} ORDER BY {SEGMENT}) || '}}' "
        f"AS {quote(attribute)} FROM ({known}) WHERE place = 1 GROUP BY {USER_ID}"
    )
    table_of: pd.DataFrame = connection.sql(statement).df()
    return table_of.set_index(USER_ID).sort_index()
