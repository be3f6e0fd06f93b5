"""The moments of answers: when they are given, and when customers are described as of."""

import time
from typing import Final

from service.served import Served

STEP: Final = 3_600_000_000
"""Microseconds: the moment that customers are described as of moves on by whole hours, so that
one event does not make everybody be described again."""


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
        """Return the moment that customers are described as of; see `moment_of`."""
        return moment_of(served, self._latest(served, newest))

    def _latest(self, served: Served, newest: int | None) -> int | None:
        if self._clock == "now" and served.ranker.model.timed:
            return time.time_ns() // 1000
        return newest


def moment_of(served: Served, latest: int | None) -> int:
    """Return the moment customers are described as of.

    It is that of training while nothing newer has happened; from then on it moves by whole hours,
    always to the end of the one in which something happened.

    Parameters
    ----------
    served
        The model.
    latest
        The newest event's time, or the clock's; microseconds.
    """
    start = served.published.as_of
    if latest is None or latest < start:
        return start
    return start + -(-(latest + 1 - start) // STEP) * STEP
