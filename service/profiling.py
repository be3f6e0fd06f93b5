"""Memberships of changed customers, worked out beside the requests, by one of all processes."""

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Final

from recsys.errors import RecsysError
from recsys.state import Profile, StateStore
from service.book import described
from service.moments import Moments
from service.served import Models, Served

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
    """Keeps the memberships of a state up to date.

    Parameters
    ----------
    state
        Where users are.
    models
        The model that is served.
    moments
        Tells the moment customers are described as of.
    """

    def __init__(self, state: StateStore, models: Models, moments: Moments) -> None:
        self._state, self._models, self._moments = state, models, moments
        self._holder = uuid.uuid4().hex
        self._done: tuple[str, int] | None = None
        self._cursor: str | None = None

    def work(self, closing: threading.Event) -> None:
        """Do so until it is told to close: then it finishes the batch at hand, and nothing more."""
        while not closing.wait(PAUSE_SECONDS):
            try:
                while self._is_mine() and self._timed_batch(closing):
                    pass
            except RecsysError as error:
                logger.warning("memberships cannot be worked out: %s", error)
            except Exception:
                logger.exception("memberships cannot be worked out")

    def _is_mine(self) -> bool:
        now = time.time_ns() // 1000
        return self._state.hold(LEASE, self._holder, now=now, until=now + LEASE_MICROSECONDS)

    def _timed_batch(self, closing: threading.Event) -> bool:
        """Work out one batch, and leave the machine to requests for as long; tells the same."""
        start = time.monotonic()
        more = self._batch()
        return more and not closing.wait(time.monotonic() - start)

    def _batch(self) -> bool:
        """Work out one batch; tells whether there may be more to do."""
        changed = self._state.profiles.to_do(AT_ONCE)
        if changed:
            self._profile(changed)
            return len(changed) == AT_ONCE
        return self._go_on_round()

    def _profile(self, revisions: Mapping[str, int]) -> None:
        served, moment = self._now()
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
        served, moment = self._now()
        version = served.version
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

    def _now(self) -> tuple[Served, int]:
        served = self._models.served
        return served, self._moments.described_at(served, self._state.pulse().newest_time)
