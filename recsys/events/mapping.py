"""From a file's own columns to ours: which column is meant, and how its raw value is read."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from recsys.engines import literal, quote
from recsys.errors import DataError
from recsys.events.schema import CATEGORY, CATEGORY_SEPARATOR, MINOR_UNITS

Columns = Mapping[str, str | list[str]]
"""Our word -> their column; of several the first that a file has counts.

Those of the category stand from broad to narrow, and make one path.
"""

TEXT = "VARCHAR"
FRACTIONAL = ("FLOAT", "DOUBLE", "DECIMAL")
SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
NUMERIC = (*FRACTIONAL, *SIGNED, *(f"U{name}" for name in SIGNED))
BLANKS = " \t\r\n\u00a0"


class Column(NamedTuple):
    """A column of a source.

    Attributes
    ----------
    name
        As an SQL identifier.
    type
        Its SQL type.
    raw, double
        What an inner query has read already: the names of its text and of its number.
    """

    name: str
    type: str
    raw: str | None = None
    double: str | None = None


def source_columns(names: Iterable[str], types: Iterable[object]) -> dict[str, Column]:
    """Return the columns of a source by their own names."""
    return {name: Column(quote(name), str(kind)) for name, kind in zip(names, types, strict=True)}


def find(ours: str, columns: Columns, source: Mapping[str, Column]) -> Column | None:
    """Return the source's column for one of our words; None where the file does not have it."""
    theirs = names_of(ours, columns)
    if ours == CATEGORY and len(theirs) > 1:
        return _joined(theirs, source) or _named(ours, source)
    # A file that already uses our word needs no mapping, even where the shop's main files do.
    found = (column for name in (*theirs, ours) if (column := _named(name, source)))
    return next(found, None)


def names_of(ours: str, columns: Columns) -> list[str]:
    """Return what one of our words is called by the files; by default as we call it."""
    theirs = columns.get(ours, ours)
    return theirs if isinstance(theirs, list) else [theirs]


def fitting(columns: Columns, names: Iterable[str]) -> Columns:
    """Return the part of a mapping that a source with columns of those names can use."""
    known = {name.lower() for name in names}
    present = {
        ours: [name for name in names_of(ours, columns) if name.lower() in known]
        for ours in columns
    }
    return {ours: theirs for ours, theirs in present.items() if theirs}


def _named(name: str, source: Mapping[str, Column]) -> Column | None:
    # As in SQL, case does not tell names apart: no source has two that differ by nothing else.
    same = (column for known, column in source.items() if known.lower() == name.lower())
    return next(same, None)


def _joined(names: Iterable[str], source: Mapping[str, Column]) -> Column | None:
    present = [text(column) for name in names if (column := _named(name, source))]
    if not present:
        return None
    return Column(f"concat_ws({literal(CATEGORY_SEPARATOR)}, {', '.join(present)})", TEXT)


def require(ours: str, columns: Columns, source: Mapping[str, Column], *, file: str) -> Column:
    """Return the source's column for a word that must be there."""
    column = find(ours, columns, source)
    if column is None:
        have = ", ".join(source)
        raise DataError(
            f"the {file} source has no column for {ours!r}; it has {have}; "
            f'name it in the config: [data.columns] {ours} = "their column"'
        )
    return column


def text(column: Column) -> str:
    """Text without surrounding blanks; an empty one is missing."""
    return f"nullif(trim(CAST({column.name} AS VARCHAR), {literal(BLANKS)}), '')"


def identifier(column: Column) -> str:
    """Text, where a whole number that a file holds as a fraction (12.0) is written without it."""
    if column.type.startswith(FRACTIONAL):
        whole = f"CAST(TRY_CAST({column.name} AS HUGEINT) AS VARCHAR)"
        return (
            f"coalesce(CASE WHEN {column.name} = floor({column.name}) THEN {whole} END, "
            f"{raw(column)})"
        )
    return text(column)


def raw(column: Column) -> str:
    """Value as text, to tell a missing one from one that cannot be read; NaN is missing."""
    return column.raw or f"nullif(nullif({text(column)}, 'nan'), 'NaN')"


def inner(column: Column, ours: str) -> tuple[Column, str]:
    """Return a column whose text and number an inner query reads, and what that query selects.

    Every further use is then a name: an expression that is written out ten times takes
    milliseconds to plan.
    """
    raw_name, double_name = (quote(f"{ours} as {kind}") for kind in ("text", "number"))
    text_of, number_of = raw(column), _double(column)
    selected = f"{text_of} AS {raw_name}, {number_of} AS {double_name}"
    return column._replace(raw=raw_name, double=double_name), selected


def number(column: Column) -> str:
    """Finite float64, else missing."""
    return f"CASE WHEN isfinite({_double(column)}) THEN {_double(column)} END"


def _double(column: Column) -> str:
    return column.double or f"TRY_CAST({raw(column)} AS DOUBLE)"


def money(column: Column) -> str:
    """Integer minor units."""
    return f"TRY_CAST(round({number(column)} * {MINOR_UNITS}) AS BIGINT)"


def time(column: Column, time_format: str | None = None) -> str:
    """Microseconds since the epoch, UTC.

    Numbers are seconds, milliseconds or microseconds by their size, or a date such as 20171201.
    """
    if column.type.startswith(("TIMESTAMP", "DATE")):
        return _epoch(f"CAST({column.name} AS TIMESTAMPTZ)")
    if column.type.startswith(NUMERIC):
        return _numeric_time(_double(column))
    readings = [_epoch(f"TRY_CAST({raw(column)} AS TIMESTAMPTZ)"), _numeric_time(_double(column))]
    if time_format:
        readings.insert(0, f"epoch_us(try_strptime({raw(column)}, {literal(time_format)}))")
    return f"coalesce({', '.join(readings)})"


def _epoch(value: str) -> str:
    return f"CASE WHEN isfinite({value}) THEN epoch_us({value}) END"


def _numeric_time(value: str) -> str:
    date = f"try_strptime(CAST(CAST({value} AS BIGINT) AS VARCHAR), '%Y%m%d')"
    return (
        f"CASE WHEN {value} BETWEEN 19000101 AND 21001231 THEN epoch_us({date}) "
        f"WHEN abs({value}) < 1e11 THEN CAST(round({value} * 1e6) AS BIGINT) "
        f"WHEN abs({value}) < 1e14 THEN CAST(round({value} * 1e3) AS BIGINT) "
        f"WHEN abs({value}) < 1e17 THEN CAST(round({value}) AS BIGINT) END"
    )
