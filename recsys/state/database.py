"""Connections: opening, transactions, the schema's version, and errors with a remedy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, inspect, select
from sqlalchemy import make_url as parse_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from recsys.errors import StateError
from recsys.state.tables import SCHEMA_KEY, SCHEMA_VERSION, TABLES, meta

Insert = sqlite.Insert | postgresql.Insert

_INSERTS: Final[dict[str, Callable[[Table], Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

# secure_delete: what is erased is overwritten with zeros instead of lying in free pages.
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON")

_BUSY_SECONDS: Final = "30"
"""How long a writer waits for another one; ``?timeout=`` in the URL overrides it."""

_REMEDIES: Final = (
    ("locked", "another process is writing to it: try again when that has finished"),
    ("not a database", "move that file away and run `recsys train`"),
    ("malformed", "restore a copy, or move that file away and run `recsys train`"),
)
_REMEDY: Final = "check `url` under [state], and that its place exists and may be written"


class Database:
    """One database of users and histories; may be shared between threads.

    Parameters
    ----------
    url
        An SQLAlchemy URL of a SQLite file or a PostgreSQL database.

    Raises
    ------
    StateError
        If the URL is of another kind, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked_url(url)
        # Options of a URL can hold secrets too, so messages never show them.
        self._name = self._url.set(query={}).render_as_string(hide_password=True)
        self._engine = _engine(self._url)
        self._verified = False

    def insert(self, table: Table) -> Insert:
        """Begin an ``INSERT`` into `table` that can say what happens on a conflict."""
        return _INSERTS[self._engine.dialect.name](table)

    def add(
        self, connection: Connection, table: Table, names: list[str], rows: list[tuple[Any, ...]]
    ) -> int:
        """Insert the rows whose key is not there yet, in the columns `names`; return how many.

        The driver's own ``executemany`` takes half the time of SQLAlchemy's dictionaries.
        """
        dialect = self._engine.dialect
        statement = self.insert(table).on_conflict_do_nothing()
        return connection.exec_driver_sql(
            str(statement.compile(dialect=dialect, column_keys=names)),
            rows if dialect.positional else [dict(zip(names, row, strict=True)) for row in rows],
            execution_options={"preserve_rowcount": True},
        ).rowcount

    def create(self) -> None:
        """Make the folder and the tables, where they are missing."""
        with self._explained():
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._engine.begin() as connection:
                if _version(connection) is None:
                    self._build(connection)
                self._verify(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Connect to a state that exists and is of this version."""
        with self._explained(), self._existing().connect() as connection:
            self._verify_once(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Do the same in one transaction: everything or nothing."""
        with self._explained(), self._existing().begin() as connection:
            self._verify_once(connection)
            yield connection

    def ping(self) -> None:
        """Look at the database itself again, whatever was found before."""
        self._verified = False
        with self.reading():
            pass

    def settle(self) -> None:
        """Empty SQLite's write-ahead log, in which replaced and erased pages live on."""
        if self._file is not None:
            with self.reading() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()

    @property
    def _file(self) -> Path | None:
        is_file = self._url.get_backend_name() == "sqlite"
        return Path(str(self._url.database)) if is_file else None

    def _existing(self) -> Engine:
        # Connecting would make an empty SQLite file, which would look like a state.
        if self._file is not None and not self._file.exists():
            raise self._not_created()
        return self._engine

    def _not_created(self) -> StateError:
        return StateError(f"the state {self._name} has not been created; run `recsys train`")

    def _build(self, connection: Connection) -> None:
        ours = {table.name for table in TABLES}
        taken = sorted(ours.intersection(inspect(connection).get_table_names()))
        if taken and meta.name not in taken:
            raise StateError(
                f"the database {self._name} already holds {', '.join(taken)} of another program; "
                "give the state a database of its own by `url` under [state]"
            )
        for table in TABLES:
            connection.execute(CreateTable(table, if_not_exists=True))
        version = {"key": SCHEMA_KEY, "value": SCHEMA_VERSION}
        connection.execute(self.insert(meta).values(version).on_conflict_do_nothing())

    def _verify_once(self, connection: Connection) -> None:
        if not self._verified:
            self._verify(connection)

    def _verify(self, connection: Connection) -> None:
        version = _version(connection)
        if version is None:
            raise self._not_created()
        if version != SCHEMA_VERSION:
            raise StateError(
                f"the state {self._name} has schema version {version} and this release works with "
                f"{SCHEMA_VERSION}; give another `url` under [state] and run `recsys train`"
            )
        self._verified = True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, UnicodeError) as error:
            # The error's own text would show the statement, so only the driver's words are taken.
            cause = str(error.orig if isinstance(error, DBAPIError) else error)
            remedy = next((words for sign, words in _REMEDIES if sign in cause), _REMEDY)
            raise StateError(
                f"the state {self._name} cannot be read or written: {cause}; {remedy}"
            ) from error


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(meta.name):
        return None
    return connection.scalar(select(meta.c.value).where(meta.c.key == SCHEMA_KEY))


def _checked_url(url: str) -> URL:
    try:
        parsed = parse_url(url)
    except (ArgumentError, ValueError) as error:
        # What cannot be parsed may hold a password anywhere, so the text is not repeated.
        raise StateError(
            "`url` under [state] is not a database URL; an example is sqlite:///store/state.db"
        ) from error
    backend = parsed.get_backend_name()
    if backend not in _INSERTS:
        raise StateError(f"the state can be kept in sqlite or postgresql, not in {backend!r}")
    if backend == "sqlite" and (parsed.database or ":memory:").startswith((":memory:", "file:")):
        raise StateError(
            "`url` under [state] names no plain file; in memory a state is lost with its "
            "connection. An example is sqlite:///store/state.db"
        )
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite" and "timeout" not in url.query:
        url = url.update_query_dict({"timeout": _BUSY_SECONDS})
    try:
        engine = create_engine(url, hide_parameters=True)
    except (ImportError, ArgumentError) as error:
        raise StateError(
            f"`url` under [state] names {url.drivername}, whose driver is not installed or does "
            "not take such a URL"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except Exception:
        # The pool forgets a connection whose listener failed without closing it.
        connection.close()
        raise
