"""Filling and erasing the state."""

import pandas as pd
from pydantic import Field
from sqlalchemy import BigInteger, Connection, cast, delete, func, select

from recsys.events.schema import TIME, USER_ID
from recsys.state.database import Database
from recsys.state.frames import attribute_rows, event_rows, in_key_order, newest_of, parts
from recsys.state.reader import HistoryReader
from recsys.state.tables import NEWEST_KEY, PERSONAL, events, meta, users
from recsys.types import Config

_ROWS_A_STATEMENT = 20_000


class StateConfig(Config):
    """The ``[state]`` table of the config."""

    url: str = Field(
        "sqlite:///store/state.db", description="an SQLAlchemy URL: a SQLite file, or PostgreSQL"
    )


class StateStore(HistoryReader):
    """Users and their histories: what `HistoryReader` reads, and the filling of it.

    Each method is one transaction, and one store may be shared between threads. Every method
    raises `StateError` if the database cannot be used, and all but `create` if it was never
    created.

    Parameters
    ----------
    url
        A SQLite file or a PostgreSQL database, as an SQLAlchemy URL.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = StateStore(f"sqlite:///{folder}/state.db")
    ...     store.create()
    ...     event = pd.DataFrame({"user_id": ["7"], "event": ["view"], "event_id": ["a"]})
    ...     added = store.add_events(event), store.add_events(event)
    ...     store.close()
    >>> added
    (1, 0)
    """

    def __init__(self, url: str) -> None:
        super().__init__(Database(url))

    def create(self) -> None:
        """Make the folder and the tables; what is there already stays as it is."""
        self._database.create()

    def add_events(self, frame: pd.DataFrame) -> int:
        """Add events; one whose ``event_id`` the user already has is the same event, and stays.

        Parameters
        ----------
        frame
            ``user_id, event, event_id`` and any of the event's other columns; columns that are
            missing count as null, those that are not an event's are ignored.

        Returns
        -------
        int
            How many events were new.

        Raises
        ------
        DataError
            If a required value is missing, or a column of numbers holds something else.
        """
        ordered = in_key_order(frame)
        with self._database.writing() as connection:
            added = sum(
                self._database.add(connection, events, *event_rows(part))
                for part in parts(ordered, _ROWS_A_STATEMENT)
            )
            if added:
                self._note_newest(connection, ordered, added)
        return added

    def put_users(self, frame: pd.DataFrame) -> None:
        """Set the attributes of users, in place of the ones they had.

        Parameters
        ----------
        frame
            ``user_id`` and one column for each attribute; null is no attribute. Of several rows
            of a user the last one counts. Dates are kept as ISO 8601 texts.
        """
        rows = attribute_rows(frame)
        insert = self._database.insert(users)
        new = {"attributes": insert.excluded.attributes}
        with self._database.writing() as connection:
            if rows:
                upsert = insert.on_conflict_do_update(index_elements=[USER_ID], set_=new)
                connection.execute(upsert, rows)

    def clear(self) -> None:
        """Take out every user and event, so that the state can be filled anew."""
        with self._database.writing() as connection:
            for table in PERSONAL:
                connection.execute(delete(table))
            connection.execute(delete(meta).where(meta.c.key == NEWEST_KEY))

    def erase(self, user_id: str) -> dict[str, int]:
        """Take one user out of every table; returns how many rows of each there were.

        On SQLite the bytes are overwritten as well, in the file and in its log.
        """
        with self._database.writing() as connection:
            erased = {
                table.name: connection.execute(
                    delete(table).where(table.c.user_id == user_id)
                ).rowcount
                for table in PERSONAL
            }
            connection.execute(delete(meta).where(meta.c.key == NEWEST_KEY))
            self._set_newest(connection, _newest(connection))
        self._database.settle()
        return erased

    def ping(self) -> None:
        """Raise `StateError` unless the database can be read and is of this version."""
        self._database.ping()

    def close(self) -> None:
        """Close the connections; a store that is used again opens new ones."""
        self._database.close()

    def _note_newest(self, connection: Connection, frame: pd.DataFrame, added: int) -> None:
        # The time of an event that was already there says nothing: then the table is asked.
        all_new = added == len(frame) and TIME in frame
        self._set_newest(connection, newest_of(frame[TIME]) if all_new else _newest(connection))

    def _set_newest(self, connection: Connection, newest: int | None) -> None:
        if newest is None:
            return
        later = self._database.insert(meta).values(key=NEWEST_KEY, value=str(newest))
        connection.execute(
            later.on_conflict_do_update(
                index_elements=["key"],
                set_={"value": later.excluded.value},
                where=cast(meta.c.value, BigInteger) < newest,
            )
        )


def _newest(connection: Connection) -> int | None:
    newest: int | None = connection.scalar(select(func.max(events.c.time)))
    return newest
