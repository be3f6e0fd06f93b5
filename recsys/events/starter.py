"""A starter config from the data's own columns: what a name and its values make likely."""

import json
import os
from collections.abc import Container, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import duckdb

from recsys.engines import connect, quote, rows
from recsys.events.guessing import guess_columns, guess_events, has, without_properties
from recsys.events.mapping import Columns, names_of
from recsys.events.readers import open_source
from recsys.events.schema import (
    AMOUNT,
    CATEGORY,
    EVENT,
    EVENT_TYPES,
    ITEM_ID,
    PURCHASE,
    TIMESTAMP,
    USER_ID,
    VALID_FROM,
)

LIKELY_TARGETS = ("cart", "rating", "click", "view")
"""What success may be where nothing is bought, the likeliest first."""
MOST_VALUES = 30
"""A user column with at most so many values is worth an axis."""


class Starter(NamedTuple):
    """A config as text, and what was guessed, in words."""

    text: str
    guesses: list[str]


def starter_config(files: Mapping[str, str], *, folder: Path) -> Starter:
    """Guess a config.

    Parameters
    ----------
    files
        Key of ``[data]`` -> a path or a glob; ``events`` must be there.
    folder
        Where the config will stand: paths are written relative to it.
    """
    connection = connect()
    columns = {name: open_source(connection, path, name).columns for name, path in files.items()}
    if "items" in columns:
        columns["items"] = without_properties(connection, "items", columns["items"])
    mapping = guess_columns(columns)
    kinds = _event_kinds(connection, columns["events"], mapping)
    named = guess_events(kinds)
    guesses = [f"{ours} is their column {theirs!r}" for ours, theirs in mapping.items()]
    guesses += [f"{ours} is their event {theirs!r}" for ours, theirs in named.items()]
    guesses += _missing(columns["events"], mapping)
    lines = ["[data]", *(f"{key} = {_text(_relative(files[key], folder))}" for key in files)]
    lines += _table_lines("data.columns", mapping)
    lines += _table_lines("data.event_names", named)
    lines += _interaction_lines(kinds, named)
    lines += _axis_lines(connection, columns, mapping)
    return Starter("\n".join(lines) + "\n", guesses)


def _missing(columns: Sequence[str], mapping: Columns) -> list[str]:
    return [
        f"no column looks like {word!r}: write it into [data.columns] yourself"
        for word in (USER_ID, ITEM_ID)
        if not has(word, columns, mapping)
    ]


def _event_kinds(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    mapping: Columns,
) -> list[str]:
    column = mapping.get(EVENT, EVENT)
    if not isinstance(column, str) or column not in columns:
        return []
    statement = (
        f"SELECT CAST({quote(column)} AS VARCHAR), count(*) FROM events "
        f"WHERE {quote(column)} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_VALUES}"
    )
    kinds = (str(row[0]).strip() for row in rows(connection, statement))
    return [kind for kind in dict.fromkeys(kinds) if kind]


def _table_lines(name: str, table: Mapping[str, str | list[str]]) -> list[str]:
    if not table:
        return []
    return ["", f"[{name}]", *(f"{ours} = {_value(theirs)}" for ours, theirs in table.items())]


def _interaction_lines(kinds: Sequence[str], named: Mapping[str, str]) -> list[str]:
    """Weigh what the defaults do not, and aim at what the shop has."""
    ours = {theirs.lower(): word for word, theirs in named.items()}
    kinds = [ours.get(kind.lower(), kind) for kind in kinds]
    unknown = [kind for kind in kinds if kind not in EVENT_TYPES]
    aimed = PURCHASE
    if kinds and PURCHASE not in kinds:
        aimed = next((kind for kind in LIKELY_TARGETS if kind in kinds), kinds[0])
    lines = []
    if unknown or aimed != PURCHASE:
        lines += [f"event_weights = {{ {_weights([*unknown, aimed], aimed)} }}"]
    if named or aimed != PURCHASE:
        lines += [f"target = [{_text(aimed)}]"]
    return ["", "[interactions]", *lines] if lines else []


def _weights(kinds: Sequence[str], aimed: str) -> str:
    weights = {"view": 1, "favorite": 2, "cart": 3, "purchase": 5, "return": -5}
    for kind in {*kinds} - set(weights):
        weights[kind] = 5 if kind == aimed else 1
    return ", ".join(f"{_key(name)} = {weight}" for name, weight in sorted(weights.items()))


def _axis_lines(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, Sequence[str]],
    mapping: Columns,
) -> list[str]:
    kinds = []
    if has(TIMESTAMP, columns["events"], mapping):
        kinds += ["lifecycle", "rfm"]
    if has(AMOUNT, columns["events"], mapping):
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
    mapping: Columns,
) -> list[str]:
    keys = (USER_ID, VALID_FROM, *names_of(USER_ID, mapping))
    chosen = []
    for column in columns:
        counted = f"SELECT count(DISTINCT {quote(column)}) FROM users"
        if column not in keys and 1 < rows(connection, counted)[0][0] <= MOST_VALUES:
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
