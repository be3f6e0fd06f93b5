"""Events of requests, judged by the rules of files: several requests at once."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa

from recsys.engines import connect, rows
from recsys.events import mapping
from recsys.events.schema import EVENT_COLUMNS, EVENT_FIELDS, EVENT_ID, TIME
from recsys.events.validation import Intake, judged_query, remedies

NUMBER: Final = "number"
DIGEST: Final = "digest"
REASON: Final = "reason"
NAMES: Final = tuple(field.name for field in EVENT_FIELDS)
TIME_AT: Final = 3 + EVENT_COLUMNS.index(TIME)
"""Where the time stands in a judged row."""
UNKNOWN_FIELD: Final = "unknown_field"
INVALID_FIELD: Final = "invalid_field"
TOO_EARLY: Final = "time_in_the_future"
REMEDIES: Final = {
    UNKNOWN_FIELD: f"an event has the fields {', '.join(NAMES)}",
    INVALID_FIELD: "an event is an object, and its fields are texts and numbers",
    TOO_EARLY: "its time is later than the service's clock by more than a clock may be wrong",
}

Event = Mapping[str, Any]
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Refused(NamedTuple):
    """A row that is no event.

    Attributes
    ----------
    request, place
        Whose it is, and where it stands there.
    reason
        The stable name.
    """

    request: int
    place: int
    reason: str


class Judged(NamedTuple):
    """What is an event and what is not.

    Attributes
    ----------
    events
        The columns of an event, and an index of pairs ``(request, place)``.
    refused
        Every other row.
    """

    events: pd.DataFrame
    refused: list[Refused]


class Judge:
    """Tells events from other rows, as a shop's config says; for one thread.

    Parameters
    ----------
    known_events
        The event types that are accepted.
    """

    def __init__(self, known_events: frozenset[str]) -> None:
        self._intake = Intake(columns={}, default_event="", known_events=known_events)
        self._remedies = remedies(self._intake) | REMEDIES
        self._connection = connect(threads=1)
        # Planning the query takes fifty times as long as running it on a hundred rows.
        texts = ", ".join(f"{name} VARCHAR" for name in NAMES)
        self._connection.execute(f"CREATE TABLE requested (number BIGINT, {texts})")
        columns = {name: mapping.Column(name, mapping.TEXT) for name in NAMES}
        columns[NUMBER] = mapping.Column(NUMBER, "BIGINT")
        query = judged_query("requested", columns, self._intake)
        kept = ", ".join((f"source_{NUMBER}", REASON, DIGEST, *EVENT_COLUMNS))
        self._connection.execute(f"PREPARE judged AS SELECT {kept} FROM ({query})")

    def judge(self, requests: Sequence[Sequence[Any]], *, end: int) -> Judged:
        """Judge the rows of some requests.

        Parameters
        ----------
        requests
            Rows as they came, parsed from JSON.
        end
            Microseconds; what happened at or after it has not happened yet.
        """
        places = [(number, at) for number, some in enumerate(requests) for at in range(len(some))]
        flat = [row for some in requests for row in some]
        reasons = [_wrong(row) for row in flat]
        readable = [number for number, reason in enumerate(reasons) if reason is None]
        good = []
        for row in self._read([(number, *_texts(flat[number])) for number in readable]):
            number, reason, time = row[0], row[1], row[TIME_AT]
            reasons[number] = reason or (TOO_EARLY if time is not None and time >= end else None)
            if reasons[number] is None:
                good.append(row)
        refused = [
            Refused(*place, reason) for place, reason in zip(places, reasons, strict=True) if reason
        ]
        return Judged(_framed(good, places), refused)

    def remedy(self, reason: str) -> str:
        """Return what to do about a row that was refused for a reason."""
        return self._remedies[reason]

    def _read(self, texts: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if not texts:
            return []
        types = (pa.int64(), *(pa.string() for _ in NAMES))
        columns = zip(*texts, strict=True)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
        self._connection.register("arrived", pa.table(arrays, names=[NUMBER, *NAMES]))
        self._connection.execute("DELETE FROM requested")
        self._connection.execute("INSERT INTO requested SELECT * FROM arrived")
        return sorted(rows(self._connection, "EXECUTE judged"), key=itemgetter(0))


def _wrong(row: Any) -> str | None:
    """Return what keeps a row from being read at all."""
    if not isinstance(row, Mapping):
        return INVALID_FIELD
    if not row.keys() <= set(NAMES):
        return UNKNOWN_FIELD
    if not all(map(_is_plain, row.values())):
        return INVALID_FIELD
    return None


def _is_plain(value: Any) -> bool:
    """Tell whether a field is a text or a number; half of a surrogate pair is no text."""
    if not isinstance(value, str):
        return value is None or isinstance(value, int | float)
    return value.isascii() or not _LONE_SURROGATE.search(value)


def _texts(row: Event) -> Iterable[str | None]:
    """Return the fields as a file would have them."""
    for name in NAMES:
        value = row.get(name)
        yield value if value is None or isinstance(value, str) else _spelled(value)


def _spelled(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _framed(good: Sequence[tuple[Any, ...]], places: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Make a frame of events; one without an id is named by its fields and its ordinal."""
    seen: Counter[tuple[int, str]] = Counter()
    columns: dict[str, list[Any]] = {name: [] for name in EVENT_COLUMNS}
    at = EVENT_COLUMNS.index(EVENT_ID)
    for number, _, digest, *values in good:
        if values[at] is None:
            equal = (places[number][0], digest)
            seen[equal] += 1
            values[at] = hashlib.md5(
                f"{digest}:{seen[equal]}".encode(), usedforsecurity=False
            ).hexdigest()
        for name, value in zip(EVENT_COLUMNS, values, strict=True):
            columns[name].append(value)
    index = pd.MultiIndex.from_tuples([places[row[0]] for row in good], names=("request", "place"))
    return pd.DataFrame(columns, index=index, dtype=object)
