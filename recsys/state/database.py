"""Connections: opening, transactions, the schema's version, and errors with a remedy."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Select,
    Table,
    create_engine,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy import make_url as parse_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from recsys.databases import from_environment, name_of, with_driver
from recsys.errors import StateError
from recsys.state.migrations import STEPS, upgrade
from recsys.state.tables import SALT_KEY, SCHEMA_KEY, SCHEMA_VERSION, TABLES, meta

Insert = sqlite.Insert | postgresql.Insert

_INSERTS: Final[dict[str, Callable[[Table], Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

# secure_delete: what is erased is overwritten with zeros instead of lying in free pages.
# wal_autocheckpoint: a transaction of some hundred users' events touches more than the usual 1,000
# pages, and would copy all of them into the file by itself.
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=ON",
    "wal_autocheckpoint=8000",
)

_WRITES: Final = "recsys_writes"
"""Execution option of a connection that is about to write."""
_ADVISORY_LOCK: Final = 0x72656373797321
"""Any number that no other program of the database takes."""

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
    ConfigError
        If it is in an environment variable that is not set.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked_url(url)
        self._name = name_of(self._url)
        self._engine = _engine(self._url)
        self._verified = False
        self._compiled: dict[Select[Any], Compiled] = {}
        self._glancing: list[Any] = []
        self._thread = threading.local()

    def insert(self, table: Table) -> Insert:
        """Begin an ``INSERT`` into `table` that can say what happens on a conflict."""
        return _INSERTS[self._engine.dialect.name](table)

    def put(self, table: Table) -> Insert:
        """Begin an ``INSERT`` that replaces a row with the same key by the new one."""
        insert = self.insert(table)
        key = [column.name for column in table.primary_key]
        new = {column.name: insert.excluded[column.name] for column in table.c}
        kept = {name: value for name, value in new.items() if name not in key}
        return insert.on_conflict_do_update(index_elements=key, set_=kept)

    def create(self) -> None:
        """Make the folder and the tables where they are missing, and bring older ones on."""
        with self._explained():
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._transaction() as connection:
                version = _version(connection)
                if version != SCHEMA_VERSION:
                    self._build(connection, version)
                self._verify(connection)

    def exists(self) -> bool:
        """Whether the tables have been made, be it of an older version."""
        if self._file is not None and not self._file.exists():
            return False
        with self._explained(), self._engine.connect() as connection:
            return _version(connection) is not None

    def upgrade(self) -> None:
        """Bring the tables of an older version on; there have to be some."""
        with self._explained(), self._existing().connect() as connection:
            version = _version(connection)
        if version in STEPS:
            self.create()
        self.ping()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Connect to a state that exists and is of this version."""
        with self._explained(), self._existing().connect() as connection:
            self._verify_once(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Do the same in one transaction: everything or nothing. Writers wait for each other."""
        self._existing()
        with self._explained(), self._transaction() as connection:
            self._verify_once(connection)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            writer = connection.execution_options(**{_WRITES: True})
            with writer.begin():
                # In the order of these locks is the order of all changes: a reader that has seen
                # one has seen those before it.
                if self._engine.dialect.name == "postgresql":
                    writer.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
                yield writer

    def ping(self) -> None:
        """Look at the database itself again, whatever was found before."""
        self._verified = False
        with self.reading():
            pass

    def glance(self, query: Select[Any], **parameters: str) -> list[tuple[Any, ...]]:
        """Return the rows of a small query that every request asks.

        The driver alone, on a connection that its thread keeps, takes a fifth of the time.
        """
        compiled = self._compiled.get(query)
        if compiled is None:
            compiled = self._compiled[query] = query.compile(dialect=self._engine.dialect)
        values = compiled.construct_params(parameters) or {}
        names: list[str] | None = getattr(compiled, "positiontup", None)
        driven = values if names is None else [values[name] for name in names]
        with self._explained():
            try:
                return self._asked(compiled.string, driven)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                # The database was started anew since this thread asked it the last time.
                return self._asked(compiled.string, driven)

    def _asked(self, statement: str, parameters: Any) -> list[tuple[Any, ...]]:
        dialect, connection = self._engine.dialect, self._kept()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            cursor.close()
        except dialect.loaded_dbapi.Error as error:
            is_lost = dialect.is_disconnect(error, connection, None)
            self._drop_kept()
            raise DBAPIError.instance(
                statement,
                None,
                error,
                dialect.loaded_dbapi.Error,
                connection_invalidated=is_lost,
            ) from error
        return found

    def _kept(self) -> Any:
        """Return the connection that this thread keeps for glances."""
        if getattr(self._thread, "connection", None) is None:
            with self.reading():
                # It is there, and of this version.
                pass
            kept = self._engine.raw_connection()
            kept.detach()
            connection: Any = kept.dbapi_connection
            if self._engine.dialect.name == "postgresql":
                connection.autocommit = True
            self._thread.connection = connection
            self._glancing.append(connection)
        return self._thread.connection

    def _drop_kept(self) -> None:
        connection, self._thread.connection = self._thread.connection, None
        self._glancing.remove(connection)
        with suppress(Exception):
            connection.close()

    def settle(self) -> None:
        """Empty SQLite's write-ahead log, in which replaced and erased pages live on."""
        if self._file is None:
            return
        with self._explained(), closing(self._existing().raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection that is not in use."""
        for connection in self._glancing:
            with suppress(Exception):
                connection.close()
        self._glancing, self._thread = [], threading.local()
        self._engine.dispose()

    @property
    def _file(self) -> Path | None:
        is_file = self._url.get_backend_name() == "sqlite"
        return Path(str(self._url.database)) if is_file else None

    def _existing(self) -> Engine:
        # Connecting would make an empty SQLite file, which would look like a state; to an empty
        # one it would wait for everybody who has it open.
        if self._file is not None and not (self._file.exists() and self._file.stat().st_size):
            raise self._not_created()
        return self._engine

    def _not_created(self) -> StateError:
        return StateError(f"the state {self._name} has not been created; run `recsys train`")

    def _build(self, connection: Connection, version: str | None) -> None:
        if version is None:
            self._refuse_strangers(connection)
        elif upgrade(connection, version) != SCHEMA_VERSION:
            return
        for table in TABLES:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
        salt = {"key": SALT_KEY, "value": secrets.token_hex(16)}
        connection.execute(self.insert(meta).on_conflict_do_nothing(), salt)
        connection.execute(self.put(meta), {"key": SCHEMA_KEY, "value": SCHEMA_VERSION})

    def _refuse_strangers(self, connection: Connection) -> None:
        ours = {table.name for table in TABLES}
        taken = sorted(ours.intersection(inspect(connection).get_table_names()))
        if taken and meta.name not in taken:
            raise StateError(
                f"the database {self._name} already holds {', '.join(taken)} of another program; "
                "give the state a database of its own by `url` under [state]"
            )

    def _verify_once(self, connection: Connection) -> None:
        if not self._verified:
            self._verify(connection)

    def _verify(self, connection: Connection) -> None:
        version = _version(connection)
        if version is None:
            raise self._not_created()
        if version in STEPS:
            raise StateError(
                f"the state {self._name} has schema version {version}, which is older than "
                f"{SCHEMA_VERSION}; `recsys train` or `recsys serve` brings it up to date"
            )
        if version != SCHEMA_VERSION:
            raise StateError(
                f"the state {self._name} has schema version {version} and this release works with "
                f"{SCHEMA_VERSION}; give another `url` under [state] and run `recsys train`"
            )
        self._verified = True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        # Where a connection is asked for without SQLAlchemy's own, its driver's errors come bare.
        driven = self._engine.dialect.loaded_dbapi.Error
        try:
            yield
        except (SQLAlchemyError, OSError, UnicodeError, driven) as error:
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
        parsed = with_driver(parse_url(from_environment(url, place="[state] url")))
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
        event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later could find its snapshot outdated.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_pragmas(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by itself, and too late.
    connection.isolation_level = None
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except Exception:
        # The pool forgets a connection whose listener failed without closing it.
        connection.close()
        raise
