"""Tables: records as text ready to be shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from recsys.drawing.documents import Document
from recsys.drawing.numbers import ABSENT, scalar

Cell: TypeAlias = Callable[[Document], str]
"""What stands in a column, of one record."""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    caption
        What it holds.
    header
        One name for each column.
    rows
        Cells; a line break stands for itself.
    words
        How many columns from the left are text; the others are figures.
    shown
        Whether it is open from the start.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    shown: bool = False


def table(
    caption: str,
    records: Iterable[Document],
    columns: Mapping[str, Cell],
    *,
    words: int = 1,
    shown: bool = False,
) -> list[Table]:
    """Return a table of records as a list of one; none where there is no record."""
    rows = tuple(tuple(cell(record) for cell in columns.values()) for record in records)
    return [Table(caption, tuple(columns), rows, words, shown)] if rows else []


def pairs(caption: str, values: Mapping[str, Any], *, shown: bool = False) -> list[Table]:
    """Return a table of names and values; what is nested becomes "outer · inner"."""
    columns: dict[str, Cell] = {"": lambda row: row["name"], "value": lambda row: row["value"]}
    rows = [{"name": name, "value": scalar(value)} for name, value in _flat(values)]
    return table(caption, rows, columns, words=2, shown=shown)


def _flat(values: Mapping[str, Any], outer: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{outer}{key}".replace("_", " ") if not outer else f"{outer}{key}"
        nested = isinstance(value, Mapping)
        flat += _flat(value, f"{name} · ") if nested else [(name, value)]
    return flat


def text_of(key: str) -> Cell:
    """Return the cell that shows a key as it is."""
    return lambda row: scalar(row.get(key, ABSENT))


def number_of(form: Callable[[float | None], str], key: str) -> Cell:
    """Return the cell that writes the number under a key."""
    return lambda row: form(row.get(key))


@dataclass(frozen=True)
class Group:
    """Tables that are opened together."""

    title: str
    tables: list[Table]
