"""Filling and erasing the state."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pydantic import Field
from sqlalchemy import delete

from recsys.databases import Url
from recsys.state import people
from recsys.state.changes import Pulse, pulse
from recsys.state.database import Database
from recsys.state.events import Outcomes, Taken, take_in
from recsys.state.experiments import Experiments
from recsys.state.exposures import Exposures
from recsys.state.items import Items
from recsys.state.keys import Keys
from recsys.state.leases import hold
from recsys.state.ledger import Ledger
from recsys.state.people import Consent, Receipt
from recsys.state.profiles import Profiles
from recsys.state.reader import HistoryReader
from recsys.state.tables import NEWEST_KEY, PERSONAL, meta, orders
from recsys.types import Config

_ROWS_A_STATEMENT = 20_000


class StateConfig(Config):
    """The ``[state]`` table of the config."""

    url: Url = Field(
        "sqlite:///store/state.db",
        description="an SQLAlchemy URL of SQLite or PostgreSQL, or env:NAME of a variable with it",
    )


class StateStore(HistoryReader):
    """Users and their histories: what `HistoryReader` reads, and the filling of it.

    Its parts `items`, `profiles`, `exposures`, `experiments`, `ledger` and `keys` are of the same
    database.

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
        self.items = Items(self._database)
        self.profiles = Profiles(self._database)
        self.exposures = Exposures(self._database)
        self.keys = Keys(self._database)
        self.experiments = Experiments(self._database)
        self.ledger = Ledger(self._database)

    def create(self) -> None:
        """Make the folder and the tables, and bring older ones on; what is there stays."""
        self._database.create()

    def take_in(self, frame: pd.DataFrame, *, told: bool = False) -> Outcomes:
        """Add events; one whose ``event_id`` the user already has is the same event, and stays.

        Parameters
        ----------
        frame
            ``user_id, event, event_id`` and any of the event's other columns; columns that are
            missing count as null, those that are not an event's are ignored.
        told
            Whether they came over HTTP, so that the shop's sources need not have them.

        Returns
        -------
        ndarray of int8
            What became of each row, see `Taken`.

        Raises
        ------
        DataError
            If a required value is missing, or a column of numbers holds something else.
        """
        with self._database.writing() as connection:
            return take_in(self._database, connection, frame, _ROWS_A_STATEMENT, told=told)

    def add_events(self, frame: pd.DataFrame) -> int:
        """Add events as `take_in` does; returns how many were new."""
        return int((self.take_in(frame) == Taken.NEW).sum())

    def put_users(self, frame: pd.DataFrame) -> None:
        """Set the attributes of users, in place of the ones they had but for what was told of them.

        Parameters
        ----------
        frame
            ``user_id`` and one column for each attribute; null is no attribute. Of several rows
            of a user the last one counts. Dates are kept as ISO 8601 texts.
        """
        with self._database.writing() as connection:
            people.put_attributes(self._database, connection, frame)

    def put_person(
        self,
        user_id: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        consent: Consent | None = None,
    ) -> None:
        """Set what is given of one user; one who was erased is taken back by it."""
        with self._database.writing() as connection:
            people.put_person(self._database, connection, user_id, attributes, consent)

    def link(self, kind: people.Alias, alias: str, user_id: str) -> int:
        """Put what a visitor did, or strangers in a session, down to a user, now and from now on.

        Parameters
        ----------
        kind
            What the alias is of: ``visitor`` or ``session``.
        alias
            The id the visitor or the session had.
        user_id
            Who she turned out to be.

        Returns
        -------
        int
            How many events were moved.
        """
        with self._database.writing() as connection:
            return people.link(self._database, connection, kind, alias, user_id)

    def pulse(self, user_id: str = "") -> Pulse:
        """Tell, in one small query, whether what is remembered still holds, of a user or at all."""
        return pulse(self._database, user_id)

    def hold(self, lease: str, holder: str, *, now: int, until: int) -> bool:
        """Take a lease until a moment, or keep it; False where another holds it."""
        return hold(self._database, lease, holder, now=now, until=until)

    def clear(self) -> None:
        """Take out every user and event, so that the state can be filled anew."""
        with self._database.writing() as connection:
            for table in (*PERSONAL, orders):
                connection.execute(delete(table))
            connection.execute(delete(meta).where(meta.c.key == NEWEST_KEY))

    def erase(self, user_id: str, *, erased_at: int) -> Receipt:
        """Take one user out of every table, for good; a late event does not bring her back.

        On SQLite the bytes are overwritten as well, in the file and in its log.

        Parameters
        ----------
        user_id
            Who; nobody needs to be known by it.
        erased_at
            Microseconds.
        """
        with self._database.writing() as connection:
            receipt = people.erase(self._database, connection, user_id, erased_at=erased_at)
        self._database.settle()
        return receipt

    def exists(self) -> bool:
        """Whether there is a state at all; it is not made by asking."""
        return self._database.exists()

    def upgrade(self) -> None:
        """Raise `StateError` unless there is a state; one of an older version is brought on."""
        self._database.upgrade()

    def ping(self) -> None:
        """Raise `StateError` unless the database can be read and is of this version."""
        self._database.ping()

    def close(self) -> None:
        """Close the connections; a store that is used again opens new ones."""
        self._database.close()
