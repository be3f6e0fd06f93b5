"""A shop's data, read and judged: events, users and items, and what was left out."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd

from recsys.engines import count, frame, literal, quote, rows
from recsys.errors import ConfigError, DataError
from recsys.events import attributes
from recsys.events.attributes import attributes_as_of, validate_items, validate_users
from recsys.events.readers import PREFIX, Source, malformed_lines, open_source
from recsys.events.schema import (
    AVAILABLE,
    CATEGORY,
    EVENT_FIELDS,
    ITEM_FIELDS,
    ITEM_ID,
    PRICE,
    TIME,
    USER_ID,
    VALID_FROM,
)
from recsys.events.times import LAST, format_time
from recsys.events.validation import Intake, remedies, validate

WITHOUT_TIMES = (
    "no timestamps: time decay, purchase cadence, lifecycle, recency and temporal protocols are off"
)
WORDS = tuple(dict.fromkeys((*(field.name for field in EVENT_FIELDS), *ITEM_FIELDS, VALID_FROM)))
"""What ``[data.columns]`` may map."""
EVERYTHING = "true"
TABLES = "SELECT count(*) FROM duckdb_tables()"
MALFORMED_LINE = "malformed_line"
MALFORMED_REMEDY = (
    "give every line as many values as the header, quote one that holds a separator, save as UTF-8"
)


@dataclass(frozen=True)
class FileReport:
    """What happened to the rows of one source.

    Attributes
    ----------
    read, left_out, accepted
        Row counts; `left_out` are those the config's ``where`` excludes.
    rejected
        Reason -> rows.
    """

    read: int
    left_out: int
    accepted: int
    rejected: dict[str, int]


@dataclass(frozen=True)
class Shop:
    """Accepted events, users and items in one connection.

    Attributes
    ----------
    connection
        Holds the tables ``events``, ``users``, ``items`` and ``rejected_<table>``.
    timed
        Whether events have times.
    reports
        Source name -> what happened to its rows.
    remedies
        Reason -> what to do about rows rejected for it.
    events_where, users_where
        SQL conditions on the tables ``events`` and ``users``: which rows are part of this shop.
    items_table
        The table of items.
    """

    connection: duckdb.DuckDBPyConnection
    timed: bool
    reports: dict[str, FileReport] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)
    events_where: str = EVERYTHING
    users_where: str = EVERYTHING
    items_table: str = "items"

    def where(self, *, events: str = EVERYTHING, users: str = EVERYTHING) -> "Shop":
        """Return the part of this shop whose rows meet further conditions; nothing is copied."""
        return replace(
            self,
            events_where=f"({self.events_where}) AND ({events})",
            users_where=f"({self.users_where}) AND ({users})",
        )

    def offering(self, items: Iterable[str]) -> "Shop":
        """Return this shop with exactly `items` to recommend; others stay in histories.

        What the items file says of availability is overruled.
        """
        table = f"offered_{rows(self.connection, TABLES)[0][0]}"
        self.connection.register("offered", pd.DataFrame({ITEM_ID: sorted(set(items))}))
        listed = f"SELECT {ITEM_ID} FROM offered"
        sold = f"SELECT {ITEM_ID} FROM events WHERE {ITEM_ID} IS NOT NULL"
        self.connection.execute(
            f"CREATE TABLE {table} AS SELECT * REPLACE "
            f"({ITEM_ID} IN ({listed}) AS {AVAILABLE}) FROM {self.items_table} "
            f"UNION ALL BY NAME SELECT {ITEM_ID}, {ITEM_ID} IN ({listed}) AS {AVAILABLE} FROM "
            f"({sold} UNION {listed}) WHERE {ITEM_ID} NOT IN "
            f"(SELECT {ITEM_ID} FROM {self.items_table})"
        )
        self.connection.unregister("offered")
        return replace(self, items_table=table)

    def events(self, *, before: int | None = None, since: int | None = None) -> nw.LazyFrame[Any]:
        """Return the accepted events with ``since <= time < before``."""
        events = frame(self.connection, "events", self.events_where)
        if before is not None and self.timed:
            events = events.filter(nw.col(TIME) < before)
        if since is not None:
            events = events.filter(nw.col(TIME) >= since)
        return events

    def users(self, *, as_of: int) -> pd.DataFrame:
        """Return attributes by user as they were at `as_of`; see `attributes_as_of`.

        Where events have no times no moment is told from another: the newest attributes count.
        """
        users = self.connection.table("users").filter(self.users_where).df()
        return attributes_as_of(users, as_of if self.timed else LAST)

    def items(self) -> pd.DataFrame:
        """Return the items file, one row an item, indexed by ``item_id``, sorted."""
        items: pd.DataFrame = self.connection.table(self.items_table).df()
        return items.set_index(ITEM_ID).sort_index()

    def span(self) -> tuple[int, int] | None:
        """Return the oldest and the newest event's time, microseconds; None without times."""
        statement = f"SELECT min({TIME}), max({TIME}) FROM events WHERE {self.events_where}"
        oldest, newest = rows(self.connection, statement)[0]
        return None if oldest is None else (oldest, newest)

    def after_all(self) -> int:
        """Return the moment just after the newest event, microseconds; 0 without times."""
        span = self.span()
        return span[1] + 1 if span else 0

    def window(self) -> dict[str, str]:
        """Return the first and the last event's time, ISO 8601; empty without times."""
        span = self.span()
        return {"first": format_time(span[0]), "last": format_time(span[1])} if span else {}

    def event_counts(self) -> dict[str, int]:
        """Count the accepted events by type, most frequent first."""
        statement = (
            f"SELECT event, count(*) FROM events WHERE {self.events_where} "
            "GROUP BY event ORDER BY 2 DESC, 1"
        )
        return {name: int(number) for name, number in rows(self.connection, statement)}

    def off(self) -> list[str]:
        """Say what this data switches off."""
        return [] if self.timed else [WITHOUT_TIMES]

    def write_rejected(self, folder: Path) -> list[Path]:
        """Write the rejected rows of each source with their reasons; return the files written."""
        written = []
        for name, report in self.reports.items():
            path = folder / f"{name}.rejected.parquet"
            path.unlink(missing_ok=True)
            if report.rejected:
                folder.mkdir(parents=True, exist_ok=True)
                self.connection.table(f"rejected_{name}").write_parquet(str(path))
                written.append(path)
        return written

    def close(self) -> None:
        """Free the tables."""
        self.connection.close()


def read_shop(
    connection: duckdb.DuckDBPyConnection,
    events: Source,
    intake: Intake,
    *,
    users: Source | None = None,
    items: Source | None = None,
) -> Shop:
    """Read and judge a shop's sources.

    Parameters
    ----------
    connection
        An open engine; see `recsys.engines.connect`.
    events, users, items
        Paths, globs or pandas frames.
    intake
        The column mapping and the rules' bounds.

    Raises
    ------
    ConfigError
        When a mapped column, ``time_format`` or the ``where`` condition does not fit the files.
    DataError
        When a source cannot be read or holds no usable event.
    """
    sources = {"events": events, "users": users, "items": items}
    given = {name: source for name, source in sources.items() if source is not None}
    for name, source in given.items():
        open_source(connection, source, PREFIX + name, forgiving=True)
    _check_mapping(connection, given, intake)
    _check_time_format(connection, intake)
    try:
        timed = validate(connection, PREFIX + "events", intake)
        _read_attributes(connection, given, intake)
    except duckdb.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"the data cannot be read: {reason}; correct the file, or write it anew"
        ) from error
    reports = {name: _report(connection, name) for name in given}
    if reports["events"].accepted == 0:
        raise DataError(f"no usable event: {_explain(reports['events'])}")
    return Shop(connection, timed, reports, _remedies(intake))


def _check_mapping(
    connection: duckdb.DuckDBPyConnection, given: dict[str, Source], intake: Intake
) -> None:
    present = {c for name in given for c in connection.table(PREFIX + name).columns}
    folded = {column.lower() for column in present}
    for ours, theirs in intake.columns.items():
        if ours not in WORDS:
            raise ConfigError(
                f"[data.columns] {ours!r} is none of our words; they are {', '.join(WORDS)}"
            )
        for column in theirs if isinstance(theirs, list) else [theirs]:
            if column.lower() not in folded:
                raise ConfigError(
                    f"[data.columns] {ours} = {column!r}: no file has that column; "
                    f"there are {', '.join(sorted(present))}"
                )


def _check_time_format(connection: duckdb.DuckDBPyConnection, intake: Intake) -> None:
    if not intake.time_format:
        return
    try:
        connection.execute(f"SELECT try_strptime('', {literal(intake.time_format)})")
    except duckdb.Error as error:
        raise ConfigError(
            f"[data] time_format = {intake.time_format!r} is no strptime format; "
            "write it like %d.%m.%Y %H:%M"
        ) from error


def _read_attributes(
    connection: duckdb.DuckDBPyConnection, given: dict[str, Source], intake: Intake
) -> None:
    if "users" in given:
        validate_users(connection, PREFIX + "users", intake.columns, intake.time_format)
    else:
        connection.execute(
            f"CREATE OR REPLACE TABLE users ({USER_ID} VARCHAR, {VALID_FROM} BIGINT)"
        )
    if "items" in given:
        validate_items(connection, PREFIX + "items", intake.columns)
    else:
        connection.execute(
            f"CREATE OR REPLACE TABLE items ({ITEM_ID} VARCHAR, {AVAILABLE} BOOLEAN, "
            f"{CATEGORY} VARCHAR, {PRICE} BIGINT)"
        )


def _report(connection: duckdb.DuckDBPyConnection, name: str) -> FileReport:
    read, accepted = count(connection, PREFIX + name), count(connection, name)
    judged = count(connection, f"rejected_{name}")
    malformed = _note_malformed(connection, name)
    _forget(connection, PREFIX + name)
    statement = f"SELECT reason, count(*) FROM {quote('rejected_' + name)} GROUP BY 1 ORDER BY 1"
    rejected = {reason: int(number) for reason, number in rows(connection, statement)}
    return FileReport(read + malformed, read - accepted - judged, accepted, rejected)


def _note_malformed(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Put the lines of text files that are no rows among the rejected ones; return how many."""
    lines = malformed_lines(connection, PREFIX + name)
    found = len(rows(connection, lines)) if lines else 0
    if found:
        table = quote(f"rejected_{name}")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {MALFORMED_LINE} VARCHAR")
        connection.execute(
            f"INSERT INTO {table} BY NAME SELECT {literal(MALFORMED_LINE)} AS reason, "
            f"csv_line AS {MALFORMED_LINE} FROM ({lines})"
        )
    return found


def _forget(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Free what a text file was read into."""
    tables = {row[0] for row in rows(connection, "SELECT table_name FROM duckdb_tables()")}
    if source in tables:
        connection.execute(f"DROP TABLE {quote(source)}")


def _remedies(intake: Intake) -> dict[str, str]:
    return {MALFORMED_LINE: MALFORMED_REMEDY, **attributes.remedies(), **remedies(intake)}


def _explain(report: FileReport) -> str:
    reasons = ", ".join(f"{number} {reason}" for reason, number in report.rejected.items())
    return f"{report.read} rows read, {report.left_out} left out by where, rejected: {reasons or 0}"
