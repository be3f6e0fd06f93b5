"""What was ever found of one variant against another, however it was measured."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from sqlalchemy import Connection, delete, select

from recsys.state.database import Database
from recsys.state.tables import ledger

Kind: TypeAlias = Literal["offline", "interleaving", "off_policy", "online"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Entry(NamedTuple):
    """A difference between two variants, with its interval.

    Attributes
    ----------
    kind
        How it was measured: ``offline`` on history, ``interleaving`` and ``online`` on customers,
        ``off_policy`` on lists that others were shown.
    source
        What measured it: an experiment by name, an evaluation by its cut.
    control, control_digest, variant, variant_digest
        Both identities.
    metric
        What was measured.
    mean, low, high
        The variant against the control, above 0 where it is better: relative, but of
        ``interleaving`` the mean preference, from −1 to 1.
    n
        Users or lists it rests on.
    measured_at
        Microseconds, by the data.
    """

    kind: Kind
    source: str
    control: str
    variant: str
    metric: str
    control_digest: str
    variant_digest: str
    mean: float
    low: float
    high: float
    n: int
    measured_at: int


class Ledger:
    """Measured differences in a database.

    Parameters
    ----------
    database
        Where the state is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, *entries: Entry) -> None:
        """Keep differences; what the same source measured of the same before is replaced."""
        if entries:
            with self._database.writing() as connection:
                self._put(connection, entries)

    def replace(self, source: str, kinds: Sequence[Kind], entries: Sequence[Entry]) -> None:
        """Keep differences in place of all of some kinds that a source measured before."""
        old = delete(ledger).where(ledger.c.source == source, ledger.c.kind.in_(kinds))
        with self._database.writing() as connection:
            connection.execute(old)
            if entries:
                self._put(connection, entries)

    def _put(self, connection: Connection, entries: Sequence[Entry]) -> None:
        connection.execute(self._database.put(ledger), [entry._asdict() for entry in entries])

    def all(self) -> list[Entry]:
        """Return every difference, the oldest first."""
        order = (ledger.c.measured_at, *ledger.primary_key.columns)
        with self._database.reading() as connection:
            found = connection.execute(select(ledger).order_by(*order))
            return [Entry(**row._mapping) for row in found]
