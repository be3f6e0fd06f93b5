"""What each segment buys more and less of than everybody."""

import math

from recsys.drawing.documents import Document
from recsys.drawing.heat import Heat, diverging, strongest
from recsys.drawing.numbers import count, scalar, times
from recsys.drawing.tables import Group, Table
from recsys.segments.report.parts import Part, matrix, text

COLUMNS, ROWS, MAPS = 12, 25, 8
"""Segments and values of a map, and maps."""


def lifts(document: Document) -> Part:
    """Return a heat map of values by segments for each axis."""
    found = [lift for lift in document.get("lifts", []) if _finite(lift)]
    left_out = len(found) - MAPS
    lead = [
        "×1.3: taken 1.3 times as often as by all users. Blue is more and ochre less; the "
        "stronger the colour, the further from ×1.0."
    ]
    if left_out > 0:
        lead.append(f"And {count(left_out)} more: the tables have them all.")
    return Part(
        "lifts",
        "What each segment prefers",
        lead=lead if found else [],
        heats=[_map(lift) for lift in found[:MAPS]],
        groups=[Group("All of it in figures", [_table(lift) for lift in found])] if found else [],
    )


def _rows(lift: Document) -> list[list[float | None]]:
    # A row for each value and a column for each segment, whatever of them is missing.
    n_rows, n_columns = len(lift.get("values", [])), len(lift.get("segments", []))
    return matrix(lift.get("log_lift", []), n_rows, n_columns)


def _finite(lift: Document) -> bool:
    return any(value is not None for row in _rows(lift) for value in row)


def ratio(log_lift: float | None) -> float | None:
    """Return how many times as often; a lift no shop can have is cut off."""
    return None if log_lift is None else math.exp(min(log_lift, 50.0))


def _map(lift: Document) -> Heat:
    rows = _rows(lift)
    strength = [[abs(value or 0.0) for value in row] for row in rows]
    columns = strongest([max(column) for column in zip(*strength, strict=True)], COLUMNS)
    places = strongest([max(row) for row in strength], ROWS)
    header = [scalar(lift["segments"][column]) for column in columns]
    return Heat(
        _caption(lift, len(rows) - ROWS, len(lift["segments"]) - COLUMNS),
        (text(lift, "column") if "column" in lift else "", *header),
        tuple(
            (
                scalar(lift["values"][row]),
                tuple(diverging(times(ratio(v)), v) for v in (rows[row][c] for c in columns)),
            )
            for row in places
        ),
    )


def _caption(lift: Document, rows: int, columns: int) -> str:
    chosen = f" ({lift['shown']})" if lift.get("shown") else ""
    left_out = [
        f"{count(number)} more {what}"
        for number, what in ((rows, "values"), (columns, "segments"))
        if number > 0
    ]
    rest = f"; and {' and '.join(left_out)} in the table" if left_out else ""
    return f"{text(lift, 'column')} by {text(lift, 'axis')}{chosen}{rest}"


def _table(lift: Document) -> Table:
    header = (text(lift, "column"), *map(scalar, lift["segments"]))
    names = map(scalar, lift["values"])
    rows = tuple(
        (name, *(times(ratio(value)) for value in row))
        for name, row in zip(names, _rows(lift), strict=True)
    )
    return Table(f"{text(lift, 'column')} by {text(lift, 'axis')}", header, rows)
