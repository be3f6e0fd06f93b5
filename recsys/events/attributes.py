"""Users and items: one row each, with whatever attributes the shop has."""

from collections.abc import Iterable

import duckdb
import pandas as pd

from recsys.engines import literal, quote
from recsys.events import mapping
from recsys.events.schema import (
    AVAILABLE,
    CATEGORY,
    ITEM_FIELDS,
    ITEM_ID,
    LONGEST_ID,
    PRICE,
    USER_ID,
    VALID_FROM,
)
from recsys.events.validation import Rule

FALSE = ("false", "f", "no", "n", "0", "0.0")


def _key_rules(key: str) -> tuple[Rule, ...]:
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


USER_RULES = (
    *_key_rules(USER_ID),
    Rule(
        "unparsable_time",
        f"raw_since IS NOT NULL AND {VALID_FROM} IS NULL",
        "write ISO 8601 (2017-12-01T08:30:00Z) or set [data] time_format",
    ),
)
ITEM_RULES = (
    *_key_rules(ITEM_ID),
    Rule(
        "unparsable_price",
        f"raw_price IS NOT NULL AND {PRICE} IS NULL",
        "write price as a plain number with a decimal point",
    ),
    Rule("negative_price", f"{PRICE} < 0", "write prices as positive amounts"),
)


def remedies() -> dict[str, str]:
    """Return what to do about each reason to reject a user or an item."""
    return {
        **{rule.reason: rule.remedy for rule in (*USER_RULES, *ITEM_RULES)},
        f"duplicate_{USER_ID}": f"give every user one row, or one for each {VALID_FROM}",
        f"duplicate_{ITEM_ID}": "give every item one row",
    }


def validate_users(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    columns: mapping.Columns,
    time_format: str | None = None,
) -> None:
    """Split the view `source` into the tables ``users`` and ``rejected_users``.

    ``users`` has ``user_id``, ``valid_from`` (microseconds, null = always) and every other column.
    """
    theirs = _columns(connection, source)
    key = mapping.require(USER_ID, columns, theirs, file="users")
    since = mapping.find(VALID_FROM, columns, theirs)
    read = {
        USER_ID: mapping.identifier(key),
        VALID_FROM: mapping.time(since, time_format) if since else "CAST(NULL AS BIGINT)",
    }
    extra = f"{mapping.raw(since) if since else 'NULL'} AS raw_since"
    rest = [name for name, column in theirs.items() if column not in (key, since)]
    _split(connection, source, "users", read, USER_RULES, extra, rest, key=(USER_ID, VALID_FROM))


def validate_items(
    connection: duckdb.DuckDBPyConnection, source: str, columns: mapping.Columns
) -> None:
    """Split the view `source` into the tables ``items`` and ``rejected_items``.

    ``items`` has ``item_id``, ``category``, ``available``, ``price`` (minor units) and the rest.
    """
    theirs = _columns(connection, source)
    key = mapping.require(ITEM_ID, columns, theirs, file="items")
    price = mapping.find(PRICE, columns, theirs)
    category = mapping.find(CATEGORY, columns, theirs)
    read = {
        ITEM_ID: mapping.identifier(key),
        AVAILABLE: _available(columns, theirs),
        CATEGORY: mapping.text(category) if category else "CAST(NULL AS VARCHAR)",
        PRICE: mapping.money(price) if price else "CAST(NULL AS BIGINT)",
    }
    extra = f"{mapping.raw(price) if price else 'NULL'} AS raw_price"
    named = {name: mapping.find(name, columns, theirs) for name in ITEM_FIELDS}
    for name, column in named.items():
        if column and name not in read:
            read[name] = mapping.text(column)
    rest = [name for name, column in theirs.items() if column not in named.values()]
    _split(connection, source, "items", read, ITEM_RULES, extra, rest, key=(ITEM_ID,))


def _available(columns: mapping.Columns, theirs: dict[str, mapping.Column]) -> str:
    column = mapping.find(AVAILABLE, columns, theirs)
    no = ", ".join(literal(word) for word in FALSE)
    return f"coalesce(lower({mapping.text(column)}) NOT IN ({no}), true)" if column else "true"


def _split(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: str,
    read: dict[str, str],
    rules: Iterable[Rule],
    extra: str,
    rest: Iterable[str],
    *,
    key: tuple[str, ...],
) -> None:
    theirs = connection.table(source).columns
    # Under a prefix no column of the file can be taken for one of ours.
    originals = {name: quote("source_" + name) for name in theirs}
    named = ", ".join(f"{value} AS {name}" for name, value in read.items())
    carried = ", ".join(f"{quote(name)} AS {prefixed}" for name, prefixed in originals.items())
    cases = " ".join(f"WHEN {rule.condition} THEN '{rule.reason}'" for rule in rules)
    # Of several good rows for one key the last in the order of all columns stays: not the file's.
    values = [*read, *(originals[name] for name in rest)]
    order = ", ".join(f"{name} DESC NULLS LAST" for name in values)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE judged AS SELECT *, CASE WHEN first_reason IS NULL AND "
        f"copy > 1 THEN 'duplicate_{key[0]}' ELSE first_reason END AS reason FROM (SELECT *, "
        f"row_number() OVER (PARTITION BY {', '.join(key)}, first_reason IS NULL ORDER BY {order}) "
        f"AS copy FROM (SELECT *, CASE {cases} END AS first_reason FROM "
        f"(SELECT {named}, {extra}, {carried} FROM {quote(source)})))"
    )
    kept = ", ".join([*read, *(f"{originals[name]} AS {quote(name)}" for name in rest)])
    connection.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT {kept} FROM judged WHERE reason IS NULL"
    )
    restored = ", ".join(f"{prefixed} AS {quote(name)}" for name, prefixed in originals.items())
    connection.execute(
        f"CREATE OR REPLACE TABLE rejected_{table} AS SELECT reason, {restored} FROM judged "
        "WHERE reason IS NOT NULL"
    )
    connection.execute("DROP TABLE judged")


def _columns(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, mapping.Column]:
    relation = connection.table(source)
    return mapping.source_columns(relation.columns, relation.types)


def attributes_as_of(users: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Return each user's attributes as they were: the newest row valid before `as_of`.

    Parameters
    ----------
    users
        Columns ``user_id``, ``valid_from`` (microseconds or null) and attributes.
    as_of
        Microseconds; rows valid from then on are not known yet.

    Returns
    -------
    DataFrame
        One row a user, indexed by ``user_id``, the attributes as columns.
    """
    known = users[users[VALID_FROM].isna() | (users[VALID_FROM] < as_of)]
    ordered = known.sort_values([USER_ID, VALID_FROM], na_position="first", kind="stable")
    newest = ordered.drop_duplicates(USER_ID, keep="last")
    return newest.set_index(USER_ID).drop(columns=VALID_FROM).sort_index()
