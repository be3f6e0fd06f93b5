"""Which rows are events: every other row is kept with a named reason, and stops no good one.

The rules exist once, for files, frames and requests: whatever brings events hands over a relation
of raw columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from recsys.engines import literal, quote
from recsys.errors import ConfigError
from recsys.events import mapping
from recsys.events.schema import (
    EVENT,
    EVENT_COLUMNS,
    EVENT_FIELDS,
    EVENT_ID,
    EVENT_TYPES,
    ITEM_ID,
    LONGEST_ID,
    QUANTITY,
    SEARCH,
    TIME,
    TIMESTAMP,
    USER_ID,
)
from recsys.events.times import FIRST, LAST

READ = {
    "id": mapping.identifier,
    "text": mapping.text,
    "number": mapping.number,
    "money": mapping.money,
}
NUMBERS = ("number", "money")
MEASURED = ("time", *NUMBERS)
SQL_TYPES = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "number": "DOUBLE",
    "money": "BIGINT",
    "time": "BIGINT",
}

EVENT_TABLE = ", ".join(
    f"{name} {SQL_TYPES[field.kind]}"
    for name, field in zip(EVENT_COLUMNS, EVENT_FIELDS, strict=True)
)
"""The columns of the table of events, with their types."""

EventNames = Mapping[str, str | list[str]]
"""Our event -> what files call it, one word or several."""


class Rule(NamedTuple):
    """A reason to reject a row.

    Attributes
    ----------
    reason
        The stable name, in reports and in the file of rejected rows.
    condition
        SQL over the raw columns (``raw_<name>``) and the read ones.
    remedy
        What to do about it, for people.
    """

    reason: str
    condition: str
    remedy: str


class Intake(NamedTuple):
    """What a shop's config says about reading its events.

    Attributes
    ----------
    columns
        Our word -> their column.
    default_event
        The event of rows whose file has no event column.
    known_events
        The event types that are accepted.
    end
        Microseconds; rows at or after it are rejected. None: no bound.
    time_format
        strptime format of times that are not ISO 8601.
    where
        SQL over the file's own columns; rows left out are counted, not rejected. In text files
        the columns of numbers and money are numbers to it, every other one is text.
    event_names
        Our event -> what the files call it, one word or several; case and blanks around it play no
        part.
    """

    columns: mapping.Columns
    default_event: str
    known_events: frozenset[str] = frozenset(EVENT_TYPES)
    end: int | None = None
    time_format: str | None = None
    where: str | None = None
    event_names: EventNames = {}


_OTHERS = tuple(name for name in EVENT_COLUMNS if name != EVENT_ID)
_FIELDS = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in _OTHERS)


def validate(connection: duckdb.DuckDBPyConnection, source: str, intake: Intake) -> bool:
    """Split the view `source` into the tables ``events`` and ``rejected_events``.

    Parameters
    ----------
    connection
        Where the view `source` is.
    source
        A view of the file's own columns.
    intake
        The column mapping, the accepted event types, bounds.

    Returns
    -------
    bool
        True where the file has times.

    Raises
    ------
    DataError
        When a required column is missing.
    ConfigError
        When the ``where`` condition cannot be applied.
    """
    relation = connection.table(source)
    columns = mapping.source_columns(relation.columns, relation.types)
    mapping.require(USER_ID, intake.columns, columns, file="events")
    mapping.require(ITEM_ID, intake.columns, columns, file="events")
    timed = mapping.find(TIMESTAMP, intake.columns, columns) is not None
    named = mapping.find(EVENT_ID, intake.columns, columns) is not None
    kept = _where(connection, source, columns, intake)
    _judge(connection, judged_query(source, columns, intake, kept), relation.columns)
    if named:
        _reject_copies(connection)
    _keep_good(connection)
    _keep_rejected(connection, relation.columns)
    connection.execute("DROP TABLE judged_events")
    return timed


def rules(intake: Intake, *, timed: bool) -> tuple[Rule, ...]:
    """Return every reason to reject an event, most basic first; a row gets the first that holds."""
    events = ", ".join(literal(name) for name in sorted(intake.known_events))
    return (
        Rule("missing_user_id", f"{USER_ID} IS NULL", "give every row a user_id"),
        Rule(
            "missing_item_id",
            f"{ITEM_ID} IS NULL AND {EVENT} IS DISTINCT FROM '{SEARCH}'",
            "give every row but a search an item_id",
        ),
        Rule(
            "id_too_long",
            f"length({USER_ID}) > {LONGEST_ID} OR length({ITEM_ID}) > {LONGEST_ID}",
            f"use ids of at most {LONGEST_ID} characters",
        ),
        Rule(
            "nul_in_id",
            f"contains({USER_ID}, chr(0)) OR contains({ITEM_ID}, chr(0))",
            "leave the character NUL out of ids: arrays of text cannot keep it",
        ),
        Rule("missing_event", f"{EVENT} IS NULL", "name the event of every row"),
        Rule(
            "unknown_event",
            f"{EVENT} NOT IN ({events})",
            "use a known event, say in [data.event_names] which one it is, or give it a weight in "
            "[interactions] event_weights",
        ),
        *(time_rules(intake.end) if timed else ()),
        *_number_rules(),
    )


def time_rules(end: int | None) -> Iterable[Rule]:
    """Return the reasons for which something has not happened at a time before `end`."""
    yield Rule("missing_time", f"raw_{TIMESTAMP} IS NULL", "give every row a time, or no row")
    yield Rule(
        "unparsable_time",
        f"{TIME} IS NULL",
        "write ISO 8601 (2017-12-01T08:30:00Z) or set [data] time_format",
    )
    yield Rule(
        "time_out_of_range",
        f"{TIME} NOT BETWEEN {FIRST} AND {LAST - 1}",
        "correct the year: it is none from 1 to 9998",
    )
    if end is not None:
        yield Rule("time_at_or_after_end", f"{TIME} >= {end}", "correct the time, or [data] end")


def _number_rules() -> Iterable[Rule]:
    for field in EVENT_FIELDS:
        if field.kind in NUMBERS:
            yield Rule(
                f"unparsable_{field.name}",
                f"{field.name} IS NULL AND raw_{field.name} IS NOT NULL",
                f"write {field.name} as a plain number with a decimal point",
            )
    yield Rule("negative_quantity", f"{QUANTITY} < 0", "write a return as an event of that name")
    yield Rule("negative_discount", "discount < 0", "write discounts as positive amounts")
    yield Rule(
        "sentiment_out_of_range", "sentiment NOT BETWEEN -1 AND 1", "scale sentiment to -1…1"
    )


DUPLICATE = Rule(
    "duplicate_event_id",
    "copy > 1",
    "the same event_id is the same event: one row of it was kept",
)


def _where(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    columns: Mapping[str, mapping.Column],
    intake: Intake,
) -> str:
    """Make the ``where`` condition a function of the file's own columns, and return its call."""
    if not intake.where:
        return ""
    names = ", ".join(column.name for column in columns.values())
    fields = [
        mapping.find(f.name, intake.columns, columns) for f in EVENT_FIELDS if f.kind in NUMBERS
    ]
    values = [
        mapping.number(column) if column in fields and column.type == mapping.TEXT else column.name
        for column in columns.values()
    ]
    call = f"WHERE kept_by_where({', '.join(values)})"
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP MACRO kept_by_where({names}) AS ({intake.where}\n)"
        )
        connection.execute(f"SELECT count(*) FROM {quote(source)} {call}")
    except duckdb.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"[data] where = {intake.where!r} cannot be applied: {reason}; the file has "
            f"{', '.join(columns)}; compare a number that a file holds as text like "
            "TRY_CAST(shop AS DOUBLE) > 7"
        ) from error
    return call


def _read(source: str, columns: Mapping[str, mapping.Column], intake: Intake, kept: str) -> str:
    """Return SQL for every row of a source as we read it."""
    found = {field: mapping.find(field.name, intake.columns, columns) for field in EVENT_FIELDS}
    inner = []
    for field, column in found.items():
        if column is not None and field.kind in MEASURED:
            found[field], selected = mapping.inner(column, field.name)
            inner.append(selected)
    outer = [f"{column.name} AS {quote('source_' + name)}" for name, column in columns.items()]
    for field, column in found.items():
        outer += _read_field(field.name, field.kind, column, intake)
    rows = f"SELECT {', '.join(['*', *inner])} FROM {quote(source)} {kept}"
    return f"SELECT {', '.join(outer)} FROM ({rows})"


def _read_field(
    name: str, kind: str, column: mapping.Column | None, intake: Intake
) -> Iterable[str]:
    if kind == "time":
        value = mapping.time(column, intake.time_format) if column else "CAST(NULL AS BIGINT)"
        yield f"{value} AS {TIME}"
    elif name == EVENT and column:
        yield f"{our_event(mapping.text(column), intake.event_names)} AS {name}"
    elif column is None:
        default = literal(intake.default_event) if name == EVENT else "NULL"
        yield f"CAST({default} AS {SQL_TYPES[kind]}) AS {name}"
    else:
        yield f"{READ[kind](column)} AS {name}"
    if kind in MEASURED:
        yield f"{mapping.raw(column) if column else 'NULL'} AS raw_{name}"


def our_event(text: str, names: EventNames) -> str:
    """Return SQL for our name of the event that the SQL `text` names; one of ours stays."""
    cases = " ".join(
        f"WHEN lower({literal(theirs)}) THEN {literal(ours)}"
        for ours, theirs in names_of_events(names)
    )
    return f"CASE lower({text}) {cases} ELSE {text} END" if cases else text


def names_of_events(names: EventNames) -> Iterable[tuple[str, str]]:
    """Return pairs of our event and what files call it, without surrounding blanks."""
    for ours, words in names.items():
        for theirs in [words] if isinstance(words, str) else words:
            yield ours, theirs.strip(mapping.BLANKS)


def judged_query(
    source: str, columns: Mapping[str, mapping.Column], intake: Intake, kept: str = ""
) -> str:
    """Return SQL for every row of a source as we read it, with the reason to reject it.

    Parameters
    ----------
    source
        A view of the file's own columns.
    columns
        Those columns; they come along as ``source_<name>``.
    intake
        The column mapping, the accepted event types, bounds.
    kept
        SQL that leaves rows out.

    Returns
    -------
    str
        Selects the columns of an event, ``digest`` of all but its id, ``reason`` or null.
    """
    timed = mapping.find(TIMESTAMP, intake.columns, columns) is not None
    reasons = rules(intake, timed=timed)
    cases = " ".join(f"WHEN {rule.condition} THEN '{rule.reason}'" for rule in reasons)
    return (
        f"SELECT *, CASE {cases} END AS reason, "
        f"md5(concat_ws(chr(31), {_FIELDS})) AS digest "
        f"FROM ({_read(source, columns, intake, kept)})"
    )


def _judge(connection: duckdb.DuckDBPyConnection, query: str, columns: Sequence[str]) -> None:
    originals = [quote("source_" + name) for name in columns]
    # Of a good row what was read is enough: its own columns would be half of the table.
    carried = ", ".join(
        f"CASE WHEN reason IS NOT NULL OR {EVENT_ID} IS NOT NULL THEN {name} END AS {name}"
        for name in originals
    )
    # A table, so that a raw value is read once, not once for each of the two results.
    connection.execute(
        f"CREATE OR REPLACE TABLE judged_events AS SELECT {', '.join(EVENT_COLUMNS)}, digest, "
        f"reason, {carried} FROM ({query})"
    )


def _reject_copies(connection: duckdb.DuckDBPyConnection) -> None:
    # Of the good rows that share an event_id the same one is kept, whatever order they came in.
    number = f"row_number() OVER (PARTITION BY {EVENT_ID} ORDER BY {', '.join(_OTHERS)}) AS copy"
    shared = f"SELECT rowid AS place, {number} FROM judged_events WHERE {_repeated(EVENT_ID)}"
    copies = f"SELECT place FROM ({shared}) WHERE {DUPLICATE.condition}"
    connection.execute(
        f"UPDATE judged_events SET reason = '{DUPLICATE.reason}' WHERE rowid IN ({copies})"
    )


def _repeated(column: str) -> str:
    """Return the condition that a good row is not the only one with a value of `column`.

    Few rows are: a count over short hashes finds them, and what has to sort looks at them alone.
    """
    good = f"reason IS NULL AND {column} IS NOT NULL"
    hashes = f"SELECT hash({column}) FROM judged_events WHERE {good} GROUP BY 1 HAVING count(*) > 1"
    return f"{good} AND hash({column}) IN ({hashes})"


def _keep_good(connection: duckdb.DuckDBPyConnection) -> None:
    # An event without an id is named by its fields and its ordinal among equal rows.
    kept = ", ".join(_OTHERS)
    equal = f"row_number() OVER (PARTITION BY digest, {EVENT_ID} IS NULL)"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE ordinals AS SELECT rowid AS place, "
        f"{equal} AS ordinal FROM judged_events WHERE {_repeated('digest')}"
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE events AS SELECT {kept}, "
        f"coalesce({EVENT_ID}, md5(digest || ':' || coalesce(ordinal, 1))) AS {EVENT_ID} "
        "FROM judged_events LEFT JOIN ordinals ON judged_events.rowid = place "
        "WHERE reason IS NULL"
    )
    connection.execute("DROP TABLE ordinals")


def _keep_rejected(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> None:
    originals = ", ".join(f"{quote('source_' + name)} AS {quote(name)}" for name in columns)
    connection.execute(
        f"CREATE OR REPLACE TABLE rejected_events AS SELECT reason, {originals} "
        "FROM judged_events WHERE reason IS NOT NULL"
    )


def remedies(intake: Intake) -> dict[str, str]:
    """Return what to do about each reason."""
    return {rule.reason: rule.remedy for rule in (*rules(intake, timed=True), DUPLICATE)}
