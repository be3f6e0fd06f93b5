"""Exposures: the record of every list that was served."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, select

from recsys.events.schema import TIME, USER_ID
from recsys.state.database import Database
from recsys.state.tables import exposures

_JSON = ("segments", "items", "propensities", "context", "sides")
_ROWS_AT_ONCE = 50_000


class Exposure(NamedTuple):
    """One served list.

    Attributes
    ----------
    recommendation_id
        What answers carry and events echo.
    user_id
        Whom it was shown to.
    time
        When, microseconds.
    variant, digest
        The recipe's name and identity.
    model_version
        What it was ranked by.
    fallback
        What stood in for a history; None: nothing had to.
    experiment
        The experiment it is part of.
    segments
        Her segments as they were used: axis -> segment -> weight.
    items
        The items, in order.
    propensities
        The chance of each at its place.
    context
        What the storefront said of the place and the moment, as it was sent.
    session_id
        The visit; None where none was named.
    differs
        Whether another variant of the experiment would have listed something else; None where
        nobody looked.
    sides
        Of a list of two variants, whose pick each item is; None for other lists.
    milliseconds
        How long the list took to make; None where that was not measured.
    """

    recommendation_id: str
    user_id: str
    time: int
    variant: str
    digest: str
    model_version: str
    fallback: str | None
    experiment: str | None
    segments: Mapping[str, Mapping[str, float]]
    items: Sequence[str]
    propensities: Sequence[float]
    context: Mapping[str, Any]
    session_id: str | None = None
    differs: bool | None = None
    sides: Sequence[str] | None = None
    milliseconds: float | None = None


class Exposures:
    """Served lists in a database.

    Parameters
    ----------
    database
        Where the state is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, served: Sequence[Exposure]) -> None:
        """Keep some served lists; one that is kept already stays as it is."""
        rows = [_row(one) for one in served]
        if rows:
            insert = self._database.insert(exposures).on_conflict_do_nothing()
            with self._database.writing() as connection:
                connection.execute(insert, rows)

    def of(self, user_id: str) -> list[Exposure]:
        """Return the lists a user was served, the oldest first."""
        query = select(exposures).where(exposures.c[USER_ID] == user_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(exposures.c[TIME])).mappings().all()
        return [Exposure(**{**row, **_read(row)}) for row in rows]

    def of_experiment(self, name: str) -> Iterator[list[Exposure]]:
        """Read the lists that were part of an experiment, a part at a time, in no order."""
        query = select(exposures).where(exposures.c.experiment == name)
        with self._database.reading() as connection:
            found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
            for part in found.mappings().partitions():
                yield [Exposure(**{**row, **_read(row)}) for row in part]

    def of_variant(
        self, digest: str, *, since: int = 0, until: int | None = None
    ) -> Iterator[list[Exposure]]:
        """Read the lists of one recipe, whatever it was called, a part at a time, in no order.

        Parameters
        ----------
        digest
            Of the recipe.
        since, until
            Microseconds; the end does not belong to it.
        """
        query = select(exposures).where(exposures.c.digest == digest, exposures.c[TIME] >= since)
        if until is not None:
            query = query.where(exposures.c[TIME] < until)
        yield from self._parts(query)

    def _parts(self, query: Select[Any]) -> Iterator[list[Exposure]]:
        with self._database.reading() as connection:
            found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
            for part in found.mappings().partitions():
                yield [Exposure(**{**row, **_read(row)}) for row in part]


def _row(one: Exposure) -> dict[str, Any]:
    row = one._asdict()
    said = {name: row[name] for name in _JSON if row[name] is not None}
    return row | {name: json.dumps(value, ensure_ascii=False) for name, value in said.items()}


def _read(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: None if row[name] is None else json.loads(row[name]) for name in _JSON}
