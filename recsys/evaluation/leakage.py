"""Does anything that is learnt depend on what may not be known: replace it by noise, and compare.

The noise stands where the real rows stood: in tables of the same names, in a schema that comes
before the shop's own. Whatever looks past the conditions of its part of the shop finds it there.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import duckdb

from recsys.engines import literal, quote, rows
from recsys.errors import CheckError
from recsys.evaluation.protocols import Question
from recsys.events.schema import AMOUNT, EVENT, ITEM_ID, QUANTITY, TIME, USER_ID, VALID_FROM
from recsys.events.shop import Shop

Connection: TypeAlias = duckdb.DuckDBPyConnection
SPREAD = 30 * 86_400_000_000
"""Microseconds after the moment over which late noise lies."""


@dataclass(frozen=True)
class Audit:
    """What a leakage audit found.

    Attributes
    ----------
    artefacts
        The names of what was compared.
    leaks
        Those of them that changed with the noise.
    """

    artefacts: tuple[str, ...]
    leaks: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether nothing depends on what may not be known."""
        return not self.leaks


def audit(real: Mapping[str, str], noised: Mapping[str, str]) -> Audit:
    """Compare the content ids of what was made from the real rows and from the noised ones."""
    names = tuple(sorted(set(real) | set(noised)))
    return Audit(names, tuple(name for name in names if real.get(name) != noised.get(name)))


def check(found: Audit, question: Question) -> None:
    """Refuse an evaluation that leaks.

    Raises
    ------
    CheckError
        Names the artefacts that know what they may not.
    """
    if not found.held:
        raise CheckError(
            f"leakage at {question.name}: {', '.join(found.leaks)} changed when everything that "
            "may not be known was replaced by noise; no number of this evaluation can be trusted. "
            "Make them from what is known before the cut and from revealed events alone"
        )


@contextmanager
def with_noise(question: Question, *, seed: int) -> Iterator[Question]:
    """Hand over the same question about a shop whose forbidden rows are noise.

    Forbidden are the events at or after `as_of`, and those of held-out users that are not revealed;
    of attributes, whatever is valid only from `as_of` on. Every user gets a late row of somebody
    else's attributes, so that ignoring ``valid_from`` shows even where nobody's really changed.

    Parameters
    ----------
    question
        Training and asked parts are conditions over the tables of one connection.
    seed
        Of the noise.
    """
    connection = question.training.connection
    number = rows(connection, "SELECT count(*) FROM duckdb_schemas()")[0][0]
    schema = f"noised_{number}"
    cursor = connection.cursor()
    try:
        cursor.execute(f"CREATE SCHEMA {schema}")
        _noise_events(cursor, schema, question, seed)
        _noise_users(cursor, schema, question)
        cursor.execute(f"SET search_path = '{schema},main'")
        yield _over(question, cursor)
    finally:
        cursor.execute("SET search_path = 'main'")
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        cursor.close()


def _over(question: Question, cursor: Connection) -> Question:
    def moved(shop: Shop) -> Shop:
        return replace(shop, connection=cursor)

    asked = tuple(replace(one, known=moved(one.known)) for one in question.asked)
    return replace(question, training=moved(question.training), asked=asked)


def _allowed(question: Question) -> str:
    """Return the condition on the events that may be looked at."""
    parts = [question.training, *(asked.known for asked in question.asked)]
    seen = " OR ".join(dict.fromkeys(f"({part.events_where})" for part in parts))
    early = f" AND {TIME} < {question.as_of}" if question.training.timed else ""
    return f"({seen}){early}"


def _noise_events(cursor: Connection, schema: str, question: Question, seed: int) -> None:
    """Write the view ``events``: what is allowed as it is, everything else drawn anew.

    A row keeps its id, by which protocols tell what is hidden. A late one gets another user and
    another late time; one that is hidden though it is early keeps both.
    """
    allowed = _allowed(question)
    late = f"{TIME} >= {question.as_of}" if question.training.timed else "false"
    others = {name: _others(cursor, schema, name) for name in (USER_ID, ITEM_ID, EVENT)}
    # Places are worked out before the joins, so that these are plain equalities.
    places = ", ".join(
        f"{_draw(seed, name, size)} AS other_{name}" for name, size in others.items()
    )
    joins = " ".join(
        f"JOIN {schema}.other_{name} AS {name}_of ON {name}_of.place = f.other_{name}"
        for name in others
    )
    cursor.execute(
        f"CREATE TABLE {schema}.noise AS SELECT f.* EXCLUDE "
        f"({', '.join(f'other_{name}' for name in others)}) REPLACE ("
        f"CASE WHEN {late} THEN {USER_ID}_of.id ELSE f.{USER_ID} END AS {USER_ID}, "
        f"{ITEM_ID}_of.id AS {ITEM_ID}, {EVENT}_of.id AS {EVENT}, "
        f"CASE WHEN {late} THEN {question.as_of} + {_draw(seed, TIME, SPREAD)} "
        f"ELSE f.{TIME} END AS {TIME}, "
        f"CAST(1 + {_draw(seed, QUANTITY, 9)} AS DOUBLE) AS {QUANTITY}, "
        f"1 + {_draw(seed, AMOUNT, 100_000)} AS {AMOUNT}) "
        f"FROM (SELECT *, {places} FROM main.events WHERE NOT ({allowed})) f {joins}"
    )
    cursor.execute(
        f"CREATE VIEW {schema}.events AS SELECT * FROM main.events WHERE {allowed} "
        f"UNION ALL SELECT * FROM {schema}.noise"
    )


def _others(cursor: Connection, schema: str, name: str) -> int:
    """Give the values of a column places from 0, and return how many there are."""
    values = f"SELECT DISTINCT {name} AS id FROM main.events WHERE {name} IS NOT NULL"
    table = f"{schema}.other_{name}"
    cursor.execute(
        f"CREATE TABLE {table} AS "
        f"SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM ({values})"
    )
    return int(rows(cursor, f"SELECT count(*) FROM {table}")[0][0])


def _draw(seed: int, purpose: str, size: int) -> str:
    """Return a number from 0 to ``size - 1`` for each event, SQL: a digest of (seed, event)."""
    return f"CAST(hash({literal(f'{seed}/{purpose}/')} || event_id) % {size} AS BIGINT)"


def _noise_users(cursor: Connection, schema: str, question: Question) -> None:
    """Write the view ``users``: late rows are somebody else's attributes."""
    if not question.training.timed:
        return
    columns = cursor.table("main.users").columns
    others = ", ".join(
        f"lead({quote(name)}, 1, {quote(name)}) OVER (ORDER BY {USER_ID}) AS {quote(name)}"
        for name in columns
        if name not in (USER_ID, VALID_FROM)
    )
    late = f"{USER_ID}, CAST({question.as_of} AS BIGINT) AS {VALID_FROM}"
    cursor.execute(
        f"CREATE VIEW {schema}.users AS SELECT * FROM main.users WHERE {VALID_FROM} IS NULL OR "
        f"{VALID_FROM} < {question.as_of} UNION ALL BY NAME SELECT {late}"
        f"{', ' + others if others else ''} FROM main.users"
    )
