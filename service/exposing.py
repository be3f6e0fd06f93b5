"""Exposures, written after their answers: no storefront waits for the record of its list."""

import logging
import queue
import threading
from typing import Final

from recsys.errors import RecsysError
from recsys.state import Exposure, StateStore

logger = logging.getLogger("recsys.service")

MOST_AT_ONCE: Final = 1_000
MOST_WAITING: Final = 50_000
"""While the state cannot be written exposures wait, but not without end."""
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
        self._queue: queue.Queue[Exposure] = queue.Queue(MOST_WAITING)
        self._closing = threading.Event()
        self.lost = 0
        self._thread = threading.Thread(target=self._work, name="exposures", daemon=True)
        self._thread.start()

    def add(self, exposure: Exposure) -> None:
        """Ask for a served list to be kept; returns at once."""
        try:
            self._queue.put_nowait(exposure)
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
            self._write_all(keep=True)
        self._write_all(keep=False)

    def _write_all(self, *, keep: bool) -> None:
        while some := self._some():
            try:
                self._state.exposures.add(some)
            except RecsysError as error:
                logger.warning("exposures cannot be written: %s", error)
                self._back(some if keep else [], lost=0 if keep else len(some))
                return

    def _some(self) -> list[Exposure]:
        found: list[Exposure] = []
        while len(found) < MOST_AT_ONCE:
            try:
                found.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return found

    def _back(self, some: list[Exposure], *, lost: int) -> None:
        self.lost += lost
        for exposure in some:
            self.add(exposure)
