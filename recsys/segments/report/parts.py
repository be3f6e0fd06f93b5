"""The parts of the page, and how a record of the document is read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from recsys.drawing.documents import Document
from recsys.drawing.figures import Figure, Panels
from recsys.drawing.heat import Heat
from recsys.drawing.numbers import ABSENT, count, scalar
from recsys.drawing.tables import Group, Table

PANELS = 8
"""Panels in one figure."""
LIMIT = 40
"""Rows in one plot; more cannot be taken in at a glance, and the tables have them all."""
EVERYONE = "all users"


@dataclass(frozen=True)
class Told:
    """A sentence in a list: a sign and its colour, what it is about, and what is the case."""

    mark: str
    kind: str
    name: str
    sentence: str


@dataclass(frozen=True)
class Part:
    """A heading and what stands below it, in this order.

    Attributes
    ----------
    name, title
        Its address in the page, and its heading.
    lead
        Sentences, before anything is shown.
    caveat
        What must be known to read it.
    figures, panels
        Plots.
    told
        A list of sentences.
    heats, folded_heats
        Heat maps, open and closed.
    tables, groups
        Tables, and those that are opened together.
    """

    name: str
    title: str
    lead: Sequence[str] = ()
    caveat: str = ""
    figures: Sequence[Figure] = ()
    panels: Panels | None = None
    told: Sequence[Told] = ()
    heats: Sequence[Heat] = ()
    folded_heats: Sequence[Heat] = ()
    tables: Sequence[Table] = ()
    groups: Sequence[Group] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether the document has nothing for it."""
        return not (
            self.figures
            or self.panels
            or self.told
            or self.heats
            or self.folded_heats
            or self.tables
            or self.groups
            or any(self.lead)
        )


def text(record: Document, key: str) -> str:
    """Return what stands under a key, as text; a dash where nothing does."""
    return scalar(record.get(key, ABSENT))


def day(moment: object) -> str:
    """Return the day of a moment in ISO 8601.

    Examples
    --------
    >>> day("2017-12-01T00:00:00Z")
    '2017-12-01'
    """
    return scalar(moment)[:10]


def of(record: Document) -> str:
    """Return the axis and the segment of a record; all users where it names no axis."""
    axis = record.get("axis") or ""
    if not axis:
        return EVERYONE
    return f"{scalar(axis)}: {text(record, 'segment')}"


def at(values: Sequence[float | None], place: int) -> float | None:
    """Return the number at a place; None where it is missing."""
    return values[place] if place < len(values) else None


def matrix(
    rows: Sequence[Sequence[float | None]], n_rows: int, n_columns: int
) -> list[list[float | None]]:
    """Return a table of numbers in its full size; None where one is missing."""
    found = [*rows[:n_rows], *[[]] * (n_rows - len(rows))]
    return [[at(row, place) for place in range(n_columns)] for row in found]


def more(left_out: int, what: str) -> str:
    """Return how many are not shown; nothing where all are.

    Examples
    --------
    >>> more(3, "axes"), more(0, "axes")
    (' And 3 more axes: the tables have them all.', '')
    """
    return f" And {count(left_out)} more {what}: the tables have them all." if left_out > 0 else ""


def gain(nats: float) -> float:
    """Return a gain of mean log-likelihood as "so much more likely": ``exp(gain) − 1``.

    The mean of a logarithm is the logarithm of a geometric mean, so this is how much the
    (geometric) mean probability of a purchase rises. A gain no shop can have is cut off.
    """
    return math.expm1(min(nats, 50.0))


def span_of_gain(record: Document) -> tuple[float, float] | None:
    """Return the interval of a gain of log-likelihood, as "so much more likely"."""
    if "low" not in record or "high" not in record:
        return None
    return gain(record["low"]), gain(record["high"])
