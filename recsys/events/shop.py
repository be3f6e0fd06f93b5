"""A shop's data, read and judged: events, users and items, and what was left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd

from recsys.engines import count, frame, literal, quote, rows
from recsys.errors import DataError
from recsys.events import attributes, campaigns, categories, properties
from recsys.events import imported as imports
from recsys.events.attributes import attributes_as_of, validate_items, validate_users
from recsys.events.campaigns import (
    CAMPAIGN_USERS,
    CAMPAIGNS,
    REDEMPTIONS,
    campaign_answers,
    validate_campaigns,
)
from recsys.events.categories import TREE, climb, validate_tree
from recsys.events.imported import imported_as_of, validate_imported
from recsys.events.readers import PREFIX, Source, malformed_lines
from recsys.events.schema import (
    AVAILABLE,
    CAMPAIGN_ID,
    CATEGORY,
    COUPON_ID,
    EVENT_COLUMNS,
    ITEM_ID,
    PRICE,
    STARTS,
    TIME,
    USER_ID,
    VALID_FROM,
)
from recsys.events.sources import FOLDED, NOTHING_FURTHER, Further, open_sources
from recsys.events.times import LAST, format_time
from recsys.events.validation import Intake, remedies, validate

WITHOUT_TIMES = (
    "no timestamps: time decay, purchase cadence, lifecycle, recency and temporal protocols are off"
)
WITHHELD = "of customers who were erased, or who agreed to nothing"
EVERYTHING = "true"
NOTHING = f"SELECT {', '.join(EVENT_COLUMNS)} FROM events WHERE false"
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
        Row counts; `left_out` are those the config's ``where`` excludes. Of a long file of items
        what is read and accepted are its items.
    rejected
        Reason -> rows.
    withheld
        Rows of users who were erased, or who agreed to nothing; nothing is wrong with them.
    """

    read: int
    left_out: int
    accepted: int
    rejected: dict[str, int]
    withheld: int = 0

    def without(self, withheld: int) -> "FileReport":
        """Return the report with so many of the accepted rows withheld."""
        return replace(self, accepted=self.accepted - withheld, withheld=withheld)


@dataclass(frozen=True)
class Shop:
    """Accepted events, users, items and campaigns in one connection.

    Attributes
    ----------
    connection
        Holds the tables ``events``, ``users``, ``items``, ``campaigns``, ``campaign_users``,
        ``redemptions`` and ``rejected_<table>``.
    timed
        Whether events have times.
    reports
        Source name -> what happened to its rows.
    remedies
        Reason -> what to do about rows rejected for it.
    events_where, users_where
        SQL conditions on the tables ``events`` and ``users``: which rows are part of this shop.
        `users_where` is about ``user_id`` alone, and holds for campaigns' users too.
    histories_where
        SQL condition on ``user_id``: whose histories may be learnt from. Others count in
        popularity and lifts alone; see `learnable` and `counted`.
    to_keep
        A query of the events that a state has not kept yet, the columns of an event.
    items_table
        The table of items.
    notes
        What was noticed in the files, in words.
    imported
        Users' attribute -> the table of segments that another system has worked out.
    truncated
        Whether only a part is known of what the users did: then nothing that sums up all they did
        is an attribute of theirs.
    scratch
        The folder of a shop too large for memory; removed with it.
    """

    connection: duckdb.DuckDBPyConnection
    timed: bool
    reports: dict[str, FileReport] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)
    events_where: str = EVERYTHING
    users_where: str = EVERYTHING
    histories_where: str = EVERYTHING
    to_keep: str = f"SELECT {', '.join(EVENT_COLUMNS)} FROM events"
    items_table: str = "items"
    notes: tuple[str, ...] = ()
    imported: Mapping[str, str] = field(default_factory=dict)
    truncated: bool = False
    scratch: TemporaryDirectory[str] | None = None

    def where(self, *, events: str = EVERYTHING, users: str = EVERYTHING) -> "Shop":
        """Return the part of this shop whose rows meet further conditions; nothing is copied."""
        return replace(
            self,
            events_where=f"({self.events_where}) AND ({events})",
            users_where=f"({self.users_where}) AND ({users})",
        )

    def learnable(self) -> "Shop":
        """Return the part of users whose histories may be learnt from."""
        return self._of_users(self.histories_where)

    def counted(self) -> "Shop | None":
        """Return the part of users who count in popularity and lifts alone; None: nobody does."""
        if self.histories_where == EVERYTHING:
            return None
        return self._of_users(f"NOT ({self.histories_where})")

    def _of_users(self, condition: str) -> "Shop":
        part = self.where(events=condition, users=condition)
        return replace(part, histories_where=EVERYTHING)

    def revealing(self, events: str) -> "Shop":
        """Return this shop with no more known of its users than the events of a condition."""
        return replace(self.where(events=events), truncated=True)

    def offering(self, items: Iterable[str]) -> "Shop":
        """Return this shop with exactly `items` to recommend; others stay in histories.

        What the items file says of availability is overruled.
        """
        self.connection.register("offered", pd.DataFrame({ITEM_ID: sorted(set(items))}))
        listed = f"SELECT {ITEM_ID} FROM offered"
        sold = f"SELECT {ITEM_ID} FROM events WHERE {ITEM_ID} IS NOT NULL"
        table = self.keep(
            "offered",
            "SELECT * REPLACE "
            f"({ITEM_ID} IN ({listed}) AS {AVAILABLE}) FROM {self.items_table} "
            f"UNION ALL BY NAME SELECT {ITEM_ID}, {ITEM_ID} IN ({listed}) AS {AVAILABLE} FROM "
            f"({sold} UNION {listed}) WHERE {ITEM_ID} NOT IN "
            f"(SELECT {ITEM_ID} FROM {self.items_table})",
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

        Imported segments are among them, and how users answered campaigns: `campaign_answers`.
        Where events have no times no moment is told from another: the newest attributes count.
        """
        moment = as_of if self.timed else LAST
        users = self.connection.table("users").filter(self.users_where).df()
        own = attributes_as_of(users, moment)
        further = [
            imported_as_of(self.connection, self.imported, self.users_where, moment),
            *(() if self.truncated else (self._answers(moment),)),
        ]
        told = [part.drop(columns=part.columns.intersection(own.columns)) for part in further]
        parts = [own, *(part for part in told if len(part.columns))]
        return pd.concat(parts, axis="columns").sort_index() if len(parts) > 1 else own

    def _answers(self, as_of: int) -> pd.DataFrame:
        return campaign_answers(self.connection, self.users_where, as_of)

    def items(self) -> pd.DataFrame:
        """Return the items file, one row an item, indexed by ``item_id``, sorted."""
        items: pd.DataFrame = self.connection.table(self.items_table).df()
        return items.set_index(ITEM_ID).sort_index()

    def keep(self, purpose: str, query: str) -> str:
        """Write the rows of a query to a table beside the shop's own, and return its name."""
        name = f"{purpose}_{rows(self.connection, TABLES)[0][0]}"
        self.connection.execute(f"CREATE TABLE {name} AS {query}")
        return name

    def campaigns(self, *, as_of: int) -> pd.DataFrame:
        """Return the campaigns that start before `as_of`, the first one first.

        Columns ``campaign_id, starts, ends, kind``, times in microseconds. Where events have no
        times no moment is told from another: then all of them.
        """
        moment = as_of if self.timed else LAST
        started = self.connection.table(CAMPAIGNS).filter(f"{STARTS} < {moment}")
        found: pd.DataFrame = started.order(f"{STARTS}, {CAMPAIGN_ID}").df()
        return found

    def campaign_users(self) -> pd.DataFrame:
        """Return ``campaign_id, user_id``, sorted: whom each campaign was sent to.

        No file says when: to look from a moment, take the campaigns of `campaigns` alone.
        """
        sent = self.connection.table(CAMPAIGN_USERS).filter(self.users_where)
        found: pd.DataFrame = sent.order(f"{CAMPAIGN_ID}, {USER_ID}").df()
        return found

    def redemptions(self, *, before: int | None = None) -> pd.DataFrame:
        """Return who redeemed a coupon with ``time < before``, the first one first.

        Columns ``campaign_id, user_id, time, coupon_id``, ``time`` in microseconds.
        """
        moment = before if before is not None and self.timed else LAST
        known = self.connection.table(REDEMPTIONS).filter(self.users_where)
        order = f"{TIME}, {USER_ID}, {CAMPAIGN_ID}, {COUPON_ID}"
        found: pd.DataFrame = known.filter(f"{TIME} < {moment}").order(order).df()
        return found

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
        """Say what this data switches off, and what was noticed in it."""
        withheld = sum(report.withheld for report in self.reports.values())
        left_out = [f"{withheld:,} rows left out: {WITHHELD}"] if withheld else []
        return [*([] if self.timed else [WITHOUT_TIMES]), *left_out, *self.notes]

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
        """Free the tables, and the folder they lie in where memory is too small for them."""
        self.connection.close()
        if self.scratch is not None:
            self.scratch.cleanup()


def read_shop(
    connection: duckdb.DuckDBPyConnection,
    events: Source | None,
    intake: Intake,
    *,
    users: Source | None = None,
    items: Source | None = None,
    further: Further = NOTHING_FURTHER,
    imported: Mapping[str, tuple[str, Source]] = MappingProxyType({}),
) -> Shop:
    """Read and judge a shop's sources.

    Parameters
    ----------
    connection
        An open engine; see `recsys.engines.connect`.
    events, users, items
        Paths, globs, queries or pandas frames. Items may be a long file:
        `recsys.events.properties`. Without `events` the connection's table of that name holds them
        already, judged.
    intake
        The column mapping, the names of events and the rules' bounds.
    further
        What else the shop has.
    imported
        Users' attribute -> the axis and the source of segments that another system worked out.

    Raises
    ------
    ConfigError
        When a mapped column, an event's name, ``time_format`` or the ``where`` condition does not
        fit the files.
    DataError
        When a source cannot be read or holds no usable event.
    """
    tables = {name: f"imported_{axis}" for name, (axis, _) in imported.items()}
    others = {tables[name]: source for name, (_, source) in imported.items()}
    sources = {
        "events": events,
        "users": users,
        "items": items,
        **further._asdict(),
        **others,
    }
    given = {name: source for name, source in sources.items() if source is not None}
    try:
        opened = open_sources(connection, given, intake)
        judged = "events" in opened
        timed = validate(connection, opened["events"], intake) if judged else _timed(connection)
        _read_attributes(connection, opened, intake)
        notes = _read_categories(connection, opened, intake)
        validate_campaigns(connection, opened, intake)
        for table in others:
            validate_imported(connection, opened[table], table, intake)
    except duckdb.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"the data cannot be read: {reason}; correct the file, or write it anew"
        ) from error
    reports = {name: _report(connection, name, source) for name, source in opened.items()}
    if events is not None and reports["events"].accepted == 0:
        raise DataError(f"no usable event: {_explain(reports['events'])}")
    return Shop(connection, timed, reports, _remedies(intake), notes=tuple(notes), imported=tables)


def _timed(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether every event has a time."""
    return count(connection, "events", f"{TIME} IS NULL") == 0


def _read_attributes(
    connection: duckdb.DuckDBPyConnection, opened: Mapping[str, str], intake: Intake
) -> None:
    if "users" in opened:
        validate_users(connection, opened["users"], intake.columns, intake.time_format)
    else:
        connection.execute(
            f"CREATE OR REPLACE TABLE users ({USER_ID} VARCHAR, {VALID_FROM} BIGINT)"
        )
    if "items" in opened:
        validate_items(connection, opened["items"], intake.columns)
    else:
        connection.execute(
            f"CREATE OR REPLACE TABLE items ({ITEM_ID} VARCHAR, {AVAILABLE} BOOLEAN, "
            f"{CATEGORY} VARCHAR, {PRICE} BIGINT)"
        )


def _read_categories(
    connection: duckdb.DuckDBPyConnection, opened: Mapping[str, str], intake: Intake
) -> list[str]:
    if TREE not in opened:
        return []
    validate_tree(connection, opened[TREE], intake.columns)
    return climb(connection)


def _report(connection: duckdb.DuckDBPyConnection, name: str, source: str) -> FileReport:
    accepted, judged = count(connection, name), count(connection, f"rejected_{name}")
    left_out = count(connection, source) - accepted - judged
    _note_malformed(connection, name)
    if source == FOLDED:
        _note_properties(connection, name)
    for read in (source, PREFIX + name):
        _forget(connection, read)
    statement = f"SELECT reason, count(*) FROM {quote('rejected_' + name)} GROUP BY 1 ORDER BY 1"
    rejected = {reason: int(number) for reason, number in rows(connection, statement)}
    read_rows = left_out + accepted + sum(rejected.values())
    return FileReport(read_rows, left_out, accepted, rejected)


def _note_properties(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Put the rows of a long file that say nothing of an item among the rejected ones."""
    connection.execute(
        f"CREATE OR REPLACE TABLE rejected_{name} AS SELECT * FROM rejected_{name} "
        f"UNION ALL BY NAME SELECT * FROM {properties.REJECTED}"
    )
    connection.execute(f"DROP TABLE {properties.REJECTED}")


def _note_malformed(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Put the lines of text files that are no rows among the rejected ones."""
    lines = malformed_lines(connection, PREFIX + name)
    if lines and rows(connection, lines):
        table = quote(f"rejected_{name}")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {MALFORMED_LINE} VARCHAR")
        connection.execute(
            f"INSERT INTO {table} BY NAME SELECT {literal(MALFORMED_LINE)} AS reason, "
            f"csv_line AS {MALFORMED_LINE} FROM ({lines})"
        )


def _forget(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Free what a text file was read into."""
    tables = {row[0] for row in rows(connection, "SELECT table_name FROM duckdb_tables()")}
    if source in tables:
        connection.execute(f"DROP TABLE {quote(source)}")


def _remedies(intake: Intake) -> dict[str, str]:
    return {
        MALFORMED_LINE: MALFORMED_REMEDY,
        **campaigns.remedies(),
        **categories.remedies(),
        **imports.remedies(),
        **attributes.remedies(),
        **remedies(intake),
    }


def _explain(report: FileReport) -> str:
    reasons = ", ".join(f"{number} {reason}" for reason, number in report.rejected.items())
    return f"{report.read} rows read, {report.left_out} left out by where, rejected: {reasons or 0}"
