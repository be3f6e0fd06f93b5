"""What came of an experiment: one row for each user, from lists that were served and events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pandas as pd
import pyarrow as pa

from recsys.engines import connect, literal, quote, rows
from recsys.events.schema import (
    AMOUNT,
    BASKET_ID,
    EVENT,
    EVENT_ID,
    ITEM_ID,
    MARGIN,
    MICROSECONDS_PER_DAY,
    MINOR_UNITS,
    QUANTITY,
    TIME,
)
from recsys.experiments.definition import Experiment
from recsys.experiments.metrics import ANY_EVENT, LIST, USER, MetricConfig

UNIT_ID: Final = "unit_id"
LISTED: Final = (UNIT_ID, "recommendation_id", TIME, "variant", "digest")
"""What a served list has to tell; ``differs`` and ``milliseconds`` may stand beside."""
PER, BEFORE = ":per", ":before"
"""What the columns of a metric end with: what it is divided by, and the same before the start."""
_IDENTITY: Final = "arms USING (variant, digest)"
_VALUES: Final[Mapping[str, str]] = {
    "events": "count(*)",
    "any": "max(1)",
    "days": f"count(DISTINCT {TIME} // {MICROSECONDS_PER_DAY})",
    "orders": f"count(DISTINCT coalesce({BASKET_ID}, {EVENT_ID}))",
    "amount": f"sum({AMOUNT})",
    "quantity": f"sum(coalesce({QUANTITY}, 1))",
    "margin": f"sum(coalesce({QUANTITY}, 1) * {MARGIN})",
}


@dataclass(frozen=True)
class Outcomes:
    """The users of an experiment.

    Attributes
    ----------
    units
        A row for each user or session in one arm alone, by her id: ``arm`` (its number), ``first``
        (the time of her first list), ``last``, ``lists``, ``differing`` (lists at which the arms
        would have differed; null where nobody looked), and for every metric its value,
        ``METRIC:per`` and ``METRIC:before``; a value is null where its window is not over.
    contaminated
        How many were in two arms, and are left out.
    foreign
        Lists of recipes that are not those of the experiment, and are left out.
    """

    units: pd.DataFrame
    contaminated: int
    foreign: int


def measure_outcomes(
    lists: pa.Table,
    events: pa.Table,
    experiment: Experiment,
    metrics: Mapping[str, MetricConfig],
    *,
    until: int,
    margins: Mapping[str, float] | None = None,
) -> Outcomes:
    """Join what was served with what was done.

    Parameters
    ----------
    lists
        Served lists of the experiment, with the columns `LISTED`, ``differs`` where the other arm
        was asked as well, and ``milliseconds`` where that is known.
    events
        Of these users, with ``unit_id`` and the columns of an event; others are left out.
    experiment
        As it was defined.
    metrics
        What to measure.
    until
        Microseconds; nothing at or after it counts.
    margins
        What is earned with a piece of an item, by its id; with others nothing is.

    Raises
    ------
    ValueError
        When a column is missing.
    """
    missing = sorted(set(LISTED) - set(lists.column_names))
    if missing:
        raise ValueError(f"served lists lack {', '.join(missing)}")
    connection = connect()
    try:
        connection.register("lists", lists)
        connection.register("events", events)
        _find_units(connection, experiment, until, lists.column_names)
        _measure(connection, metrics, until, margins or {})
        ((contaminated,),) = rows(connection, "SELECT count(*) FROM units WHERE arms > 1")
        foreign_lists = f"SELECT count(*) FROM lists ANTI JOIN {_IDENTITY}"
        ((foreign,),) = rows(connection, foreign_lists)
        found = connection.execute(_table(metrics, until)).df().set_index(UNIT_ID)
    finally:
        connection.close()
    return Outcomes(found, int(contaminated), int(foreign))


def _find_units(
    connection: duckdb.DuckDBPyConnection,
    experiment: Experiment,
    until: int,
    known: Sequence[str],
) -> None:
    arms = ", ".join(
        f"({literal(arm.variant)}, {literal(arm.digest)}, {number})"
        for number, arm in enumerate(experiment.arms)
    )
    connection.execute(
        f"CREATE TABLE arms AS SELECT * FROM (VALUES {arms}) AS t(variant, digest, arm)"
    )
    differing = "sum(differs::INT)" if "differs" in known else "NULL::BIGINT"
    took = "milliseconds" if "milliseconds" in known else "NULL::DOUBLE"
    connection.execute(
        f"CREATE TABLE units AS SELECT {UNIT_ID}, min(arm) AS arm, min({TIME}) AS first, "
        f"max({TIME}) AS last, count(*) AS lists, {differing} AS differing, "
        f"sum({took}) AS took, count({took}) AS timed, "
        f"count(DISTINCT arm) AS arms FROM lists JOIN {_IDENTITY} "
        f"WHERE {TIME} < {until} GROUP BY {UNIT_ID}"
    )


def _measure(
    connection: duckdb.DuckDBPyConnection,
    metrics: Mapping[str, MetricConfig],
    until: int,
    margins: Mapping[str, float],
) -> None:
    """Sum up each user's events, all metrics in one pass."""
    of_events = {name: metric for name, metric in metrics.items() if not metric.is_of_lists}
    sums = [part for name, metric in of_events.items() for part in _sums(name, metric, until)] or [
        "count(*) AS n"
    ]
    earned, of_items = f"0.0 AS {MARGIN}", ""
    if margins and any(metric.value == "margin" for metric in metrics.values()):
        told = {ITEM_ID: list(margins), MARGIN: list(margins.values())}
        connection.register("margins", pa.table(told))
        earned, of_items = (
            f"coalesce({MARGIN}, 0) AS {MARGIN}",
            f"LEFT JOIN margins USING ({ITEM_ID})",
        )
    named = "EXISTS (SELECT 1 FROM lists AS l WHERE l.recommendation_id = e.recommendation_id)"
    attributed = named if any(metric.attributed for metric in metrics.values()) else "false"
    connection.execute(
        f"CREATE TABLE sums AS SELECT {UNIT_ID}, {', '.join(sums)} FROM ("
        f"SELECT e.*, u.first, {attributed} AS attributed, {earned} FROM events AS e "
        f"JOIN units AS u USING ({UNIT_ID}) {of_items} WHERE e.{TIME} < {until} AND u.arms = 1"
        f") GROUP BY {UNIT_ID}"
    )


def _sums(name: str, metric: MetricConfig, until: int) -> list[str]:
    end = f"least(first + {metric.ends}, {until})" if metric.ends else str(until)
    within = f"{TIME} >= first + {metric.starts} AND {TIME} < {end}"
    earlier = f"{TIME} >= first - {metric.looks_back} AND {TIME} < first"
    now = f"{within} AND attributed" if metric.attributed else within
    value, kind = _VALUES[metric.value], _of_kind(metric.event)
    found = [
        f"{value} FILTER ({kind} AND {now}) AS {quote(name)}",
        f"{value} FILTER ({kind} AND {earlier}) AS {quote(name + BEFORE)}",
    ]
    if metric.per not in (USER, LIST):
        per = f"count(*) FILTER ({_of_kind(metric.per)} AND {within})"
        found.append(f"{per} AS {quote(name + PER)}")
    return found


def _of_lists(name: str) -> list[str]:
    """Return how long a user's lists took, over those of which it is known."""
    return [
        f"CASE WHEN u.timed > 0 THEN u.took END AS {quote(name)}",
        f"0.0 AS {quote(name + BEFORE)}",
        f"u.timed::DOUBLE AS {quote(name + PER)}",
    ]


def _of_kind(event: str) -> str:
    return "true" if event == ANY_EVENT else f"{EVENT} = {literal(event)}"


def _table(metrics: Mapping[str, MetricConfig], until: int) -> str:
    columns = [f"u.{name}" for name in (UNIT_ID, "arm", "first", "last", "lists", "differing")]
    for name, metric in metrics.items():
        if metric.is_of_lists:
            columns += _of_lists(name)
            continue
        # Sums of money are exact, and told in the shop's money.
        unit = MINOR_UNITS if metric.value == "amount" else 1
        value, before = (
            f"coalesce(s.{quote(column)}, 0)::DOUBLE / {unit}" for column in (name, name + BEFORE)
        )
        over = f"u.first + {metric.ends} <= {until}" if metric.ends else "true"
        columns.append(f"CASE WHEN {over} THEN {value} END AS {quote(name)}")
        columns.append(f"{before} AS {quote(name + BEFORE)}")
        if metric.is_ratio:
            per = "u.lists" if metric.per == LIST else f"coalesce(s.{quote(name + PER)}, 0)"
            columns.append(f"{per}::DOUBLE AS {quote(name + PER)}")
    return (
        f"SELECT {', '.join(columns)} FROM units AS u LEFT JOIN sums AS s USING ({UNIT_ID}) "
        f"WHERE u.arms = 1 ORDER BY {UNIT_ID}"
    )
