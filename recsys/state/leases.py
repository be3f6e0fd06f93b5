"""Leases: of several processes one does what need not be done twice."""

from sqlalchemy import or_

from recsys.state.database import Database
from recsys.state.tables import leases


def hold(database: Database, name: str, holder: str, *, now: int, until: int) -> bool:
    """Take a lease, or keep it; False where another holds it.

    Parameters
    ----------
    name
        What is leased.
    holder
        Who asks.
    now, until
        Microseconds; a lease that has run out is anybody's.
    """
    insert = database.insert(leases).values(name=name, holder=holder, until=until)
    free = or_(leases.c.holder == holder, leases.c.until <= now)
    taken = insert.on_conflict_do_update(
        index_elements=["name"], set_={"holder": holder, "until": until}, where=free
    )
    with database.writing() as connection:
        return connection.execute(taken.returning(leases.c.name)).first() is not None
