"""Memberships of changed customers, worked out beside the requests, by one of all processes."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final

from recsys.errors import RecsysError
from recsys.state import Profile, StateStore
from service.book import described
from service.served import Served

logger = logging.getLogger("recsys.service")

AT_ONCE: Final = 200
"""Customers of one batch: most of what it costs is the same for one."""
PAUSE_SECONDS: Final = 0.5
LEASE: Final = "profiling"
LEASE_MICROSECONDS: Final = 5_000_000
"""When the process that does it dies, another one takes over after so long."""
DAY: Final = 86_400_000_000
"""Everybody's memberships are worked out anew after a day: some change by waiting."""


class Profiler:
    """Keeps the memberships of a state up to date, by a thread of its own.

    Parameters
    ----------
    state
        Where users are.
    served
        Returns the model that is served.
    moment
        Returns the moment customers are described as of, microseconds.
    """

    def __init__(
        self, state: StateStore, served: Callable[[], Served], moment: Callable[[], int]
    ) -> None:
        self._state, self._served, self._moment = state, served, moment
        self._holder = uuid.uuid4().hex
        self._closing = threading.Event()
        self._done: tuple[str, int] | None = None
        self._cursor: str | None = None
        self._thread = threading.Thread(target=self._work, name="profiling", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the batch at hand, and nothing more."""
        self._closing.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing.wait(PAUSE_SECONDS):
            try:
                while self._is_mine() and self._timed_batch():
                    pass
            except RecsysError as error:
                logger.warning("memberships cannot be worked out: %s", error)
            except Exception:
                logger.exception("memberships cannot be worked out")

    def _is_mine(self) -> bool:
        now = time.time_ns() // 1000
        return self._state.hold(LEASE, self._holder, now=now, until=now + LEASE_MICROSECONDS)

    def _timed_batch(self) -> bool:
        """Work out one batch, and leave the process to its requests for as long; tells the same."""
        start = time.monotonic()
        more = self._batch()
        return more and not self._closing.wait(time.monotonic() - start)

    def _batch(self) -> bool:
        """Work out one batch; tells whether there may be more to do."""
        changed = self._state.profiles.to_do(AT_ONCE)
        if changed:
            self._profile(changed)
            return len(changed) == AT_ONCE
        return self._go_on_round()

    def _profile(self, revisions: Mapping[str, int]) -> None:
        served, moment = self._served(), self._moment()
        customers = described(self._state, list(revisions), served, moment)
        memberships = customers.memberships
        rows = memberships.users.index_of(revisions).tolist()
        profiles = [
            Profile(user_id, revision, memberships.named(row))
            for (user_id, revision), row in zip(revisions.items(), rows, strict=True)
        ]
        self._state.profiles.put(profiles, model_version=served.version, as_of=moment)

    def _go_on_round(self) -> bool:
        """Go on with everybody, where the model or the day has become another one."""
        version, moment = self._served().version, self._moment()
        if self._cursor is None:
            if self._done == (version, moment // DAY):
                return False
            self._done = (version, moment // DAY)
            if self._state.profiles.all_by(version, since=moment - DAY):
                return False
            self._cursor = ""
        some = self._state.profiles.after(self._cursor, AT_ONCE)
        if some:
            self._profile(some)
        self._cursor = max(some, default=None)
        return self._cursor is not None
