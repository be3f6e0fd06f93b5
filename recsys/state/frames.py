"""Frames on one side, rows of the database on the other."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys.errors import DataError
from recsys.events.schema import EVENT_COLUMNS, EVENT_ID, USER_ID
from recsys.state.tables import KINDS, REQUIRED

_WHOLE: Final = pd.Int64Dtype()
_ARROW: Final = {"number": pa.float64(), "money": pa.int64(), "time": pa.int64()}
_WRITTEN: Final = {"number": pd.Float64Dtype(), "money": _WHOLE, "time": _WHOLE}


def require_keys(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the events as they are.

    Raises
    ------
    DataError
        If ``user_id``, ``event`` or ``event_id`` is missing, as a column or in a row.
    """
    _require(frame, REQUIRED)
    return frame


def in_key_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by their primary key, the order in which they are quick to store."""
    return frame.sort_values([USER_ID, EVENT_ID], kind="stable")


def parts(frame: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """Cut `frame` into pieces of at most `rows` rows."""
    for start in range(0, len(frame), rows):
        yield frame.iloc[start : start + rows]


def event_rows(frame: pd.DataFrame) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Give the columns of `frame` that hold anything, and its rows with None for null.

    Leaving out what is null anyway halves the time of a fill.
    """
    names = [name for name in EVENT_COLUMNS if name in frame and frame[name].notna().any()]
    columns = [_written(frame[name], KINDS[name]) for name in names]
    return names, list(zip(*columns, strict=True))


def event_frame(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Rows of the table ``events`` as a frame.

    Texts are objects or None, numbers float64 or NaN, money and time ``Int64`` or ``<NA>``.
    """
    columns = zip(*rows, strict=True) if rows else [()] * len(EVENT_COLUMNS)
    named = zip(EVENT_COLUMNS, columns, strict=True)
    index = pd.RangeIndex(len(rows))
    return pd.DataFrame({name: _read(values, KINDS[name], index) for name, values in named}, index)


def event_table(rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of the table ``events`` as Arrow's: of them an engine makes a table of many."""
    columns = zip(*rows, strict=True) if rows else [()] * len(EVENT_COLUMNS)
    typed = {name: _ARROW.get(kind, pa.string()) for name, kind in KINDS.items()}
    named = zip(typed.items(), columns, strict=True)
    return pa.table({name: pa.array(values, kind) for (name, kind), values in named})


def newest_of(times: "pd.Series[Any]") -> int | None:
    """Find the latest of `times` in microseconds; None where there is none."""
    latest = times.astype(_WHOLE).max()
    return None if pd.isna(latest) else int(latest)


def attribute_rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    """One row a user: the id and the attributes that are not null, as JSON.

    Raises
    ------
    DataError
        If ``user_id`` is missing, as a column or in a row.
    """
    _require(frame, (USER_ID,))
    last = frame.drop_duplicates(USER_ID, keep="last")
    names = [name for name in last.columns if name != USER_ID]
    columns = [objects(last[name]) for name in names]
    values = zip(*columns, strict=True) if columns else [()] * len(last)
    return [
        {USER_ID: user_id, "attributes": as_json(dict(zip(map(str, names), row, strict=True)))}
        for user_id, row in zip(last[USER_ID].tolist(), values, strict=True)
    ]


def attribute_frame(rows: Iterable[Sequence[str]]) -> pd.DataFrame:
    """Ids and JSON as a frame: one row a user, one column an attribute, None for null.

    Every column is of objects, so that a value is the same whoever is read along with it: in a
    column of numbers, one missing age would make another user's 35 a 35.0.
    """
    known = {user_id: json.loads(attributes) for user_id, attributes in rows}
    names = sorted({name for attributes in known.values() for name in attributes})
    index = pd.Index(list(known), dtype=object, name=USER_ID)
    columns = {
        name: pd.Series([row.get(name) for row in known.values()], index, dtype=object)
        for name in names
    }
    return pd.DataFrame(columns, index)


def _require(frame: pd.DataFrame, names: Iterable[str]) -> None:
    missing = [name for name in names if name not in frame or frame[name].isna().any()]
    if missing:
        raise DataError(f"every row for the state needs {', '.join(missing)}; some rows have none")


def _written(column: "pd.Series[Any]", kind: str) -> list[Any]:
    try:
        return objects(column.astype(_WRITTEN[kind])) if kind in _WRITTEN else objects(column)
    except (TypeError, ValueError) as error:
        raise DataError(f"the column {column.name} of the events is no {kind}: {error}") from error


def objects(column: "pd.Series[Any]") -> list[Any]:
    """Return the values as plain objects, None for null."""
    objects: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return objects


def _read(values: Sequence[Any], kind: str, index: pd.RangeIndex) -> Any:
    if kind == "number":
        return np.array(values, dtype=np.float64)
    if kind in _WRITTEN:
        return pd.array(values, dtype=_WHOLE)
    # A frame would turn an array of objects into its own texts; a series says that they stay.
    return pd.Series(values, index, dtype=object)


def as_json(values: Mapping[str, Any]) -> str:
    """Spell the values that are not null as JSON, in one order; dates are ISO 8601 texts."""
    known = {name: value for name, value in values.items() if value is not None}
    return json.dumps(known, default=_scalar, ensure_ascii=False, sort_keys=True)


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, date) else str(value)
