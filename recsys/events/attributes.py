"""Users and items: one row each, with whatever attributes the shop has."""

import duckdb
import pandas as pd

from recsys.engines import literal
from recsys.events import mapping
from recsys.events.schema import (
    AVAILABLE,
    CATEGORY,
    ITEM_FIELDS,
    ITEM_ID,
    PRICE,
    USER_ID,
    VALID_FROM,
)
from recsys.events.splitting import Reading, columns_of, key_rules, split
from recsys.events.validation import Rule

FALSE = ("false", "f", "no", "n", "0", "0.0")


USER_RULES = (
    *key_rules(USER_ID),
    Rule(
        "unparsable_time",
        f"raw_since IS NOT NULL AND {VALID_FROM} IS NULL",
        "write ISO 8601 (2017-12-01T08:30:00Z) or set [data] time_format",
    ),
)
ITEM_RULES = (
    *key_rules(ITEM_ID),
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
    theirs = columns_of(connection, source)
    key = mapping.require(USER_ID, columns, theirs, file="users")
    since = mapping.find(VALID_FROM, columns, theirs)
    read = {
        USER_ID: mapping.identifier(key),
        VALID_FROM: mapping.time(since, time_format) if since else "CAST(NULL AS BIGINT)",
    }
    raw = {"raw_since": mapping.raw(since) if since else "NULL"}
    rest = [name for name, column in theirs.items() if column not in (key, since)]
    copies = (USER_ID, VALID_FROM), f"duplicate_{USER_ID}"
    split(connection, source, "users", Reading(read, USER_RULES, raw, rest, *copies))


def validate_items(
    connection: duckdb.DuckDBPyConnection, source: str, columns: mapping.Columns
) -> None:
    """Split the view `source` into the tables ``items`` and ``rejected_items``.

    ``items`` has ``item_id``, ``category``, ``available``, ``price`` (minor units) and the rest.
    """
    theirs = columns_of(connection, source)
    key = mapping.require(ITEM_ID, columns, theirs, file="items")
    price = mapping.find(PRICE, columns, theirs)
    category = mapping.find(CATEGORY, columns, theirs)
    read = {
        ITEM_ID: mapping.identifier(key),
        AVAILABLE: _available(columns, theirs),
        CATEGORY: mapping.identifier(category) if category else "CAST(NULL AS VARCHAR)",
        PRICE: mapping.money(price) if price else "CAST(NULL AS BIGINT)",
    }
    raw = {"raw_price": mapping.raw(price) if price else "NULL"}
    named = {name: mapping.find(name, columns, theirs) for name in ITEM_FIELDS}
    for name, column in named.items():
        if column and name not in read:
            read[name] = mapping.text(column)
    rest = [name for name, column in theirs.items() if column not in named.values()]
    copies = (ITEM_ID,), f"duplicate_{ITEM_ID}"
    split(connection, source, "items", Reading(read, ITEM_RULES, raw, rest, *copies))


def _available(columns: mapping.Columns, theirs: dict[str, mapping.Column]) -> str:
    column = mapping.find(AVAILABLE, columns, theirs)
    no = ", ".join(literal(word) for word in FALSE)
    return f"coalesce(lower({mapping.text(column)}) NOT IN ({no}), true)" if column else "true"


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
