"""Exposures, written after their answers: no storefront waits for the record of its list."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from recsys.errors import RecsysError
from recsys.state import Exposure, StateStore

logger = logging.getLogger("recsys.service")

MOST_AT_ONCE: Final = 1_000
MOST_WAITING: Final = 50_000
"""While the state cannot be written exposures wait, but not without end."""
Shadow = Callable[[], bool]
SHADOW_SECONDS: Final = 0.2
"""Between two looks at what another variant would have listed: they take as long as an answer does,
and answers come first. Which list is looked at hangs on its id alone."""
PAUSE_SECONDS: Final = 0.1
"""Between two writes: many exposures by one transaction."""


class ExposureWriter:
    """Keeps served lists, by a thread of its own.

    Parameters
    ----------
    state
        Where they go.
    """

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._queue: queue.Queue[tuple[Exposure, Shadow | None]] = queue.Queue(MOST_WAITING)
        self._closing = threading.Event()
        self.lost = 0
        self._next_look = 0.0
        self._thread = threading.Thread(target=self._work, name="exposures", daemon=True)
        self._thread.start()

    def add(self, exposure: Exposure, shadow: Shadow | None = None) -> None:
        """Ask for a served list to be kept; returns at once.

        Parameters
        ----------
        exposure
            What was served.
        shadow
            Tells whether another variant would have listed something else; asked by the thread
            that writes, when the list has long been sent.
        """
        try:
            self._queue.put_nowait((exposure, shadow))
        except queue.Full:
            self.lost += 1

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._queue.qsize()

    def close(self) -> None:
        """Write what waits, and nothing more."""
        self._closing.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing.wait(PAUSE_SECONDS):
            self._write(keep=True)
        while self.waiting:
            self._write(keep=False)

    def _write(self, *, keep: bool) -> None:
        """Write what waits; what comes meanwhile waits for the next time, or it would never end."""
        for _ in range(-(-self.waiting // MOST_AT_ONCE)):
            some = self._some()
            try:
                self._state.exposures.add(some)
            except RecsysError as error:
                logger.warning("exposures cannot be written: %s", error)
                self._back(some if keep else [], lost=0 if keep else len(some))
                return

    def _some(self) -> list[Exposure]:
        found: list[tuple[Exposure, Shadow | None]] = []
        while len(found) < MOST_AT_ONCE:
            try:
                found.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return self._looked_at(found)

    def _looked_at(self, waiting: list[tuple[Exposure, Shadow | None]]) -> list[Exposure]:
        """Look at one of those that are to be looked at, if it is time again."""
        asked = {one.recommendation_id: shadow for one, shadow in waiting if shadow is not None}
        exposures = [one for one, _ in waiting]
        if not asked or time.monotonic() < self._next_look:
            return exposures
        self._next_look = time.monotonic() + SHADOW_SECONDS
        chosen = min(asked)
        return [
            _with_look(one, asked[chosen]) if one.recommendation_id == chosen else one
            for one in exposures
        ]

    def _back(self, some: list[Exposure], *, lost: int) -> None:
        self.lost += lost
        for exposure in some:
            self.add(exposure)


def _with_look(exposure: Exposure, shadow: Shadow) -> Exposure:
    try:
        return exposure._replace(differs=shadow())
    except Exception:
        # The list has been served all the same.
        logger.exception("the other variants of an experiment could not be asked")
        return exposure
