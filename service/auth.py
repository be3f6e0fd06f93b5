"""Who may do what: API keys, and how often."""

import threading
import time
from typing import Final, NamedTuple

from recsys.errors import RecsysError
from recsys.state import SCOPES, Key, Scope, StateStore, digest_of_key

REMEDY: Final = "send an API key as X-API-Key or Authorization: Bearer"


class UnauthorizedError(RecsysError):
    """No valid key where one is needed."""


class ForbiddenError(RecsysError):
    """A valid key that does not allow this."""


class TooManyRequestsError(RecsysError):
    """A holder of a key who asks more often than agreed."""


class Bucket(NamedTuple):
    """What is left of a holder's allowance, and when that was so (monotonic seconds)."""

    tokens: float
    at: float


class Authority:
    """Knows the keys of a state, and lets requests pass.

    Parameters
    ----------
    state
        Where the keys are.
    open_scopes
        What anybody may do without a key.
    requests_per_second
        How many of each key; None: as many as there are.
    """

    def __init__(
        self, state: StateStore, open_scopes: tuple[Scope, ...], requests_per_second: float | None
    ) -> None:
        self._state, self._open, self._rate = state, open_scopes, requests_per_second
        self._keys: dict[str, Key] = {}
        self._changes = -1
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def up_to(self, changes: int) -> None:
        """Read the keys again where the state's changes are more than were read."""
        if changes != self._changes:
            self._keys = {key.digest: key for key in self._state.keys.all()}
            self._changes = changes

    def admit(self, given: str | None, scope: Scope, *, personal: bool = False) -> str:
        """Return the name of a key's holder, empty for anybody; refuse who may not.

        Parameters
        ----------
        given
            A key; None without.
        scope
            What it has to allow.
        personal
            Whether the answer tells of a user: that anybody may ask for lists does not open it.

        Raises
        ------
        UnauthorizedError, ForbiddenError, TooManyRequestsError
            When there is no valid key, it allows less, or too much is asked.
        """
        if given is None:
            if (scope if not personal else SCOPES[-1]) not in self._open:
                raise UnauthorizedError(f"this needs an API key with the scope {scope}; {REMEDY}")
            return ""
        key = self._keys.get(digest_of_key(given))
        now = time.time_ns() // 1000
        if key is None or not key.allows("read", now=now):
            raise UnauthorizedError(f"the API key is not known, or has expired; {REMEDY}")
        if not key.allows(scope, now=now):
            raise ForbiddenError(f"the key {key.name!r} allows {key.scope}, and this needs {scope}")
        self._take(key.name)
        return key.name

    def _take(self, name: str) -> None:
        if self._rate is None:
            return
        now = time.monotonic()
        with self._lock:
            left = self._buckets.get(name, Bucket(self._rate, now))
            tokens = min(self._rate, left.tokens + (now - left.at) * self._rate)
            self._buckets[name] = Bucket(max(tokens - 1.0, 0.0), now)
        if tokens < 1.0:
            raise TooManyRequestsError(
                f"the key {name!r} allows {self._rate:g} requests a second; ask again later"
            )


def without_key(anonymous_reads: bool, everything: bool) -> tuple[Scope, ...]:
    """Return what anybody may do."""
    if everything:
        return SCOPES
    return ("read",) if anonymous_reads else ()
