"""Experiments as the state keeps them: documents, when they ran, how far a ramp has come."""

from typing import NamedTuple

from sqlalchemy import Connection, select, update

from recsys.errors import ConfigError, NotFoundError
from recsys.state.changes import count_change
from recsys.state.database import Database
from recsys.state.tables import experiments


class KeptExperiment(NamedTuple):
    """What is kept of an experiment.

    Attributes
    ----------
    name
        Its id.
    definition, digest
        What was written down, as JSON, and its SHA-256: neither ever changes.
    coverage
        The share of its users who take part; while it runs it only grows.
    created_at, started_at, stopped_at
        Microseconds; None where that has not happened.
    results
        What it came to, as JSON; None before that.
    """

    name: str
    definition: str
    digest: str
    coverage: float
    created_at: int
    started_at: int | None = None
    stopped_at: int | None = None
    results: str | None = None

    @property
    def status(self) -> str:
        """``draft``, ``running`` or ``stopped``."""
        if self.started_at is None:
            return "draft"
        return "running" if self.stopped_at is None else "stopped"


class Experiments:
    """The experiments of a shop.

    Parameters
    ----------
    database
        Where the state is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, one: KeptExperiment) -> None:
        """Keep an experiment that has not started.

        Raises
        ------
        ConfigError
            When there is one of that name.
        """
        insert = self._database.insert(experiments).on_conflict_do_nothing()
        with self._database.writing() as connection:
            added = connection.execute(insert.returning(experiments.c.name), one._asdict()).first()
            if added is None:
                raise ConfigError(
                    f"there is an experiment {one.name!r} already; what is written down stays, "
                    "name another"
                )

    def of(self, name: str) -> KeptExperiment:
        """Return an experiment.

        Raises
        ------
        NotFoundError
            When there is none of that name.
        """
        with self._database.reading() as connection:
            return _of(connection, name)

    def all(self) -> list[KeptExperiment]:
        """Return every experiment, the oldest first."""
        query = select(experiments).order_by(experiments.c.created_at, experiments.c.name)
        with self._database.reading() as connection:
            return [KeptExperiment(**row._mapping) for row in connection.execute(query)]

    def start(self, name: str, *, now: int) -> KeptExperiment:
        """Let an experiment run from now on.

        Raises
        ------
        NotFoundError
            When there is none of that name.
        ConfigError
            When it was started before.
        """
        with self._database.writing() as connection:
            one = _of(connection, name)
            if one.started_at is not None:
                raise ConfigError(
                    f"the experiment {name!r} is {one.status}; it cannot be started again, "
                    "create another"
                )
            return self._set(connection, one, started_at=now)

    def stop(self, name: str, *, now: int) -> KeptExperiment:
        """End an experiment.

        Raises
        ------
        NotFoundError
            When there is none of that name.
        ConfigError
            When it does not run.
        """
        with self._database.writing() as connection:
            return self._set(connection, _running(connection, name), stopped_at=now)

    def ramp(self, name: str, coverage: float) -> KeptExperiment:
        """Let more of its users take part in a running experiment.

        Raises
        ------
        NotFoundError
            When there is none of that name.
        ConfigError
            When it does not run, or fewer users would take part than do.
        """
        with self._database.writing() as connection:
            one = _running(connection, name)
            if not one.coverage <= coverage <= 1:
                raise ConfigError(
                    f"coverage {coverage:g} is not between {one.coverage:g}, what it is, and 1: "
                    "users who take part are not sent away"
                )
            return self._set(connection, one, coverage=coverage)

    def conclude(self, name: str, results: str) -> None:
        """Keep what an experiment came to, in place of what was kept before."""
        with self._database.writing() as connection:
            self._set(connection, _of(connection, name), results=results)

    def _set(
        self, connection: Connection, one: KeptExperiment, **values: float | str
    ) -> KeptExperiment:
        changed = update(experiments).where(experiments.c.name == one.name).values(**values)
        connection.execute(changed)
        count_change(self._database, connection)
        return KeptExperiment(**{**one._asdict(), **values})


def _of(connection: Connection, name: str) -> KeptExperiment:
    row = connection.execute(select(experiments).where(experiments.c.name == name)).first()
    if row is None:
        raise NotFoundError(f"there is no experiment {name!r}; `recsys experiment list` names them")
    return KeptExperiment(**row._mapping)


def _running(connection: Connection, name: str) -> KeptExperiment:
    one = _of(connection, name)
    if one.status != "running":
        raise ConfigError(f"the experiment {name!r} does not run, it is {one.status}")
    return one
