"""The moments of answers: when they are given, and when customers are described as of."""

import time

from service.served import Served


class Moments:
    """Tells moments by the newest event, or by the clock on the wall; all are microseconds.

    Parameters
    ----------
    clock
        ``data`` or ``now``.
    """

    def __init__(self, clock: str) -> None:
        self._clock = clock

    def answered_at(self, served: Served, newest: int | None) -> int:
        """Return the moment of an answer, by which rules hold: after all that has happened."""
        latest, start = self._latest(served, newest), served.published.as_of
        return start if latest is None else max(start, latest + 1)

    def described_at(self, served: Served, newest: int | None) -> int:
        """Return the moment that customers are described as of; see `Published.described_at`."""
        return served.published.described_at(self._latest(served, newest))

    def _latest(self, served: Served, newest: int | None) -> int | None:
        if self._clock == "now" and served.ranker.model.timed:
            return time.time_ns() // 1000
        return newest
