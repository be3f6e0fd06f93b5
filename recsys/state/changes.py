"""What tells a serving process, at every request, whether what it remembers still holds."""

from typing import Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    ScalarSelect,
    bindparam,
    cast,
    literal,
    select,
)

from recsys.events.schema import USER_ID
from recsys.state.database import Database
from recsys.state.people import Consent, consent_of
from recsys.state.tables import CHANGES_KEY, NEWEST_KEY, meta, users


class Pulse(NamedTuple):
    """The state as one user's request finds it.

    Attributes
    ----------
    changes
        How often something changed that is not about one user: items, keys.
    newest_time
        Of all events, microseconds; None without times.
    revision
        How often something changed about the user; 0: she is not known.
    consent
        What she agreed to.
    """

    changes: int
    newest_time: int | None
    revision: int
    consent: Consent


def _of_meta(key: str) -> ScalarSelect[str]:
    return select(meta.c.value).where(meta.c.key == key).scalar_subquery()


_ONE = select(literal(1).label("one")).subquery()
_PULSE: Final = select(
    _of_meta(CHANGES_KEY), _of_meta(NEWEST_KEY), users.c.revision, users.c.consent
).select_from(_ONE.outerjoin(users, users.c[USER_ID] == bindparam(USER_ID)))


def pulse(database: Database, user_id: str) -> Pulse:
    """Feel the pulse of the state for one user: one small query."""
    ((changes, newest, revision, consent),) = database.glance(_PULSE, user_id=user_id)
    return Pulse(
        int(changes or 0),
        None if newest is None else int(newest),
        int(revision or 0),
        "full" if consent is None else consent_of(str(consent)),
    )


def count_change(database: Database, connection: Connection) -> int:
    """Count a change of what is not about one user; returns the count."""
    insert = database.insert(meta).values(key=CHANGES_KEY, value="1")
    more = cast(cast(meta.c.value, BigInteger) + 1, meta.c.value.type)
    upsert = insert.on_conflict_do_update(index_elements=["key"], set_={"value": more})
    return int(connection.execute(upsert.returning(meta.c.value)).scalar_one())
