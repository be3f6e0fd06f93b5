"""API keys: a database keeps their digests, and nobody but the holder the keys."""

import hashlib
import secrets
from typing import Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import delete, select

from recsys.errors import ConfigError, NotFoundError
from recsys.state.changes import count_change
from recsys.state.database import Database
from recsys.state.tables import keys

Scope: TypeAlias = Literal["read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")
"""Each may do what those before it may."""
PREFIX: Final = "rk_"
"""So that a key is known as one where it should not be: in a log, in a commit."""


class Key(NamedTuple):
    """What is known of a key.

    Attributes
    ----------
    name
        Whose it is.
    digest
        SHA-256 of the key: 256 bits drawn by lot need no slower one.
    scope
        What its holder may do.
    created_at, expires_at
        Microseconds; one without an end does not expire.
    """

    name: str
    digest: str
    scope: Scope
    created_at: int
    expires_at: int | None

    def allows(self, scope: Scope, *, now: int) -> bool:
        """Whether the holder may do what a scope stands for."""
        valid = self.expires_at is None or now < self.expires_at
        return valid and SCOPES.index(scope) <= SCOPES.index(self.scope)


def digest_of_key(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """The keys of a service.

    Parameters
    ----------
    database
        Where the state is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, scope: Scope, *, now: int, expires_at: int | None = None) -> str:
        """Draw a key and return it: it cannot be read again.

        Raises
        ------
        ConfigError
            When there is a key of that name.
        """
        key = PREFIX + secrets.token_urlsafe(32)
        row = Key(name, digest_of_key(key), scope, now, expires_at)._asdict()
        insert = self._database.insert(keys).on_conflict_do_nothing().returning(keys.c.name)
        with self._database.writing() as connection:
            if connection.execute(insert, row).first() is None:
                raise ConfigError(f"there is a key {name!r} already; revoke it, or name another")
            count_change(self._database, connection)
        return key

    def revoke(self, name: str) -> None:
        """Make a key invalid from now on.

        Raises
        ------
        NotFoundError
            When there is none of that name.
        """
        with self._database.writing() as connection:
            if not connection.execute(delete(keys).where(keys.c.name == name)).rowcount:
                raise NotFoundError(f"there is no key {name!r}")
            count_change(self._database, connection)

    def all(self) -> list[Key]:
        """Return what is known of every key, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(keys).order_by(keys.c.name)).all()
        return [Key(**row._mapping) for row in rows]
