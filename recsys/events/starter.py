"""A starter config from the data's own columns: what a name and its values make likely."""

import json
import os
from collections.abc import Container, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import duckdb

from recsys.engines import connect, quote, rows
from recsys.events.readers import open_source
from recsys.events.schema import (
    AMOUNT,
    BASKET_ID,
    CATEGORY,
    EVENT,
    EVENT_ID,
    EVENT_TYPES,
    ITEM_ID,
    PRICE,
    PURCHASE,
    QUANTITY,
    TIMESTAMP,
    USER_ID,
)

SYNONYMS: Mapping[str, Sequence[str]] = {
    USER_ID: ("user", "customer_id", "household_id", "household_key", "visitorid", "visitor_id",
              "client_id", "member_id", "customer", "uid", "user_idx"),
    ITEM_ID: ("item", "product_id", "itemid", "sku", "article_id", "stock_code", "stockcode",
              "movie_id", "product", "asin", "item_idx"),
    EVENT: ("event_type", "action", "behavior", "behaviour", "behavior_type"),
    TIMESTAMP: ("transaction_timestamp", "time", "datetime", "date", "event_time", "ts",
                "transaction_dt", "transaction_date", "invoice_date", "invoicedate", "occurred_at"),
    QUANTITY: ("qty", "units", "quantity_sold"),
    AMOUNT: ("sales_value", "line_total", "total", "revenue", "sales_amount", "value"),
    "discount": ("retail_disc", "discount_amount"),
    BASKET_ID: ("order_id", "invoice", "invoice_no", "invoiceno", "transaction_id",
                "transactionid"),
    EVENT_ID: ("uuid",),
    CATEGORY: ("product_category", "subclass", "product_subclass", "categoryid", "category_id",
               "genres", "commodity_desc"),
    "brand": ("brand_name",),
    "title": ("name", "product_name", "product_type", "description"),
    PRICE: ("unit_price", "median_unit_price", "price_usd"),
}  # fmt: skip
"""Our word -> what others call it, lower case; the first that is there is meant."""
SALES = ("transaction", "buy", "order", "sale", "checkout")
"""What others call a purchase."""
BROADER = ("department", "section", "division")
"""Columns that stand above the category in a hierarchy."""
EVENT_WORDS = (
    USER_ID,
    ITEM_ID,
    EVENT,
    TIMESTAMP,
    QUANTITY,
    AMOUNT,
    "discount",
    BASKET_ID,
    EVENT_ID,
)
ITEM_WORDS = (CATEGORY, "brand", "title", PRICE)
MOST_VALUES = 30
"""A user column with at most so many values is worth an axis."""


class Starter(NamedTuple):
    """A config as text, and what was guessed, in words."""

    text: str
    guesses: list[str]


def starter_config(
    events: str, *, users: str | None = None, items: str | None = None, folder: Path
) -> Starter:
    """Guess a config.

    Parameters
    ----------
    events, users, items
        Paths or globs.
    folder
        Where the config will stand: paths are written relative to it.
    """
    connection = connect()
    sources = {"events": events, "users": users, "items": items}
    given = {name: path for name, path in sources.items() if path}
    columns = {name: open_source(connection, path, name).columns for name, path in given.items()}
    mapping = guess_columns(columns)
    guesses = [f"{ours} is their column {theirs!r}" for ours, theirs in mapping.items()]
    guesses += _missing(columns["events"], mapping)
    kinds = _event_kinds(connection, columns["events"], mapping)
    lines = [
        "[data]",
        *(f"{name} = {_text(_relative(path, folder))}" for name, path in given.items()),
    ]
    lines += _mapping_lines(mapping)
    lines += _interaction_lines(kinds)
    lines += _axis_lines(connection, columns, mapping)
    return Starter("\n".join(lines) + "\n", guesses)


def guess_columns(columns: Mapping[str, Sequence[str]]) -> dict[str, str | list[str]]:
    """Return our word -> their column, only where they differ."""
    mapping: dict[str, str | list[str]] = {}
    for word in EVENT_WORDS:
        _guess(word, columns["events"], mapping)
    for word in ITEM_WORDS if "items" in columns else ():
        _guess(word, columns["items"], mapping)
    broader = [name for name in columns.get("items", ()) if name.lower() in BROADER]
    narrow = mapping.get(CATEGORY, CATEGORY if CATEGORY in columns.get("items", ()) else None)
    if broader and isinstance(narrow, str):
        mapping[CATEGORY] = [*broader, narrow]
    return mapping


def _guess(word: str, columns: Sequence[str], mapping: dict[str, str | list[str]]) -> None:
    if word in columns:
        return
    by_name = {name.lower(): name for name in columns}
    for synonym in (word, *SYNONYMS.get(word, ())):
        if synonym in by_name:
            mapping[word] = by_name[synonym]
            return


def _missing(columns: Sequence[str], mapping: Mapping[str, object]) -> list[str]:
    return [
        f"no column looks like {word!r}: write it into [data.columns] yourself"
        for word in (USER_ID, ITEM_ID)
        if word not in columns and word not in mapping
    ]


def _event_kinds(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    mapping: Mapping[str, str | list[str]],
) -> list[str]:
    column = mapping.get(EVENT, EVENT)
    if not isinstance(column, str) or column not in columns:
        return []
    statement = (
        f"SELECT CAST({quote(column)} AS VARCHAR), count(*) FROM events "
        f"WHERE {quote(column)} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_VALUES}"
    )
    return [str(row[0]) for row in rows(connection, statement)]


def _mapping_lines(mapping: Mapping[str, str | list[str]]) -> list[str]:
    if not mapping:
        return []
    return [
        "",
        "[data.columns]",
        *(f"{ours} = {_value(theirs)}" for ours, theirs in mapping.items()),
    ]


def _interaction_lines(kinds: Sequence[str]) -> list[str]:
    """Weigh what the defaults do not, and aim at what the shop has."""
    unknown = [kind for kind in kinds if kind not in EVENT_TYPES]
    no_purchase = bool(kinds) and PURCHASE not in kinds
    if not unknown and not no_purchase:
        return []
    weights = {"view": 1, "favorite": 2, "cart": 3, "purchase": 5, "return": -5}
    likely = (*SALES, "cart", "rating", "click", "view")
    target = next((kind for kind in likely if kind in kinds), kinds[0])
    aimed = target if no_purchase else PURCHASE
    for kind in {*unknown, aimed} - set(weights):
        weights[kind] = 5 if kind == aimed else 1
    table = ", ".join(f"{_key(name)} = {weight}" for name, weight in sorted(weights.items()))
    lines = ["", "[interactions]", f"event_weights = {{ {table} }}"]
    return [*lines, f"target = [{_text(aimed)}]"] if no_purchase else lines


def _axis_lines(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, Sequence[str]],
    mapping: Mapping[str, str | list[str]],
) -> list[str]:
    kinds = []
    if mapping.get(TIMESTAMP, TIMESTAMP) in columns["events"]:
        kinds += ["lifecycle", "rfm"]
    if mapping.get(AMOUNT, AMOUNT) in columns["events"]:
        kinds += ["spending"]
    if CATEGORY in mapping or CATEGORY in columns.get("items", ()):
        kinds += ["interest"]
    axes = {kind: [f"kind = {_text(kind)}"] for kind in kinds}
    for column in _attributes(connection, columns.get("users", ()), mapping):
        name = _axis_name(column, axes)
        axes[name] = ['kind = "attribute"', f"column = {_text(column)}"]
    return [line for name, keys in axes.items() for line in ("", f"[segments.{name}]", *keys)]


def _attributes(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    mapping: Mapping[str, str | list[str]],
) -> list[str]:
    key = mapping.get(USER_ID, USER_ID)
    chosen = []
    for column in columns:
        counted = f"SELECT count(DISTINCT {quote(column)}) FROM users"
        if column not in (key, "valid_from") and 1 < rows(connection, counted)[0][0] <= MOST_VALUES:
            chosen.append(column)
    return chosen


def _axis_name(column: str, taken: Container[str]) -> str:
    """Make a name of a column's, one that no other axis has."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in column.lower()).strip("_")
    name = plain if plain[:1].isalpha() else f"users_{plain}"
    numbered = (f"{name}_{number}" for number in count(2))
    return next(free for free in chain([name], numbered) if free not in taken)


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _value(value: str | list[str]) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_text(part) for part in value) + "]"
    return _text(value)


def _key(name: str) -> str:
    return (
        name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _text(name)
    )


def _text(value: str) -> str:
    # A text of JSON is one of TOML too.
    return json.dumps(value, ensure_ascii=False)
