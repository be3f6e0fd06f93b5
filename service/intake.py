"""Events on their way into the state: what several requests bring goes in by one transaction."""

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, Protocol

from recsys.errors import RecsysError, StateError
from recsys.events.requests import Judge, Refused
from recsys.state import StateStore, Taken

MOST_AT_ONCE: Final = 2_000
"""Events of one transaction."""
MOST_WAITING: Final = 20_000
"""Events that may wait; a request that brings more is asked to come again."""
GATHER_SECONDS: Final = 0.02
"""How long the first of some requests waits for others: judging fifty costs what one does."""
CLOCK_SKEW: Final = 5 * 60 * 1_000_000
"""How far a sender's clock may be ahead, microseconds."""


class Refusal(NamedTuple):
    """A row that was not taken in: where it stands, why, and what to do about it."""

    place: int
    code: str
    message: str


class Receipt(NamedTuple):
    """What became of the events of a request.

    Attributes
    ----------
    accepted
        New ones, durable now.
    duplicates
        Those that were known.
    rejected
        Every other row.
    """

    accepted: int
    duplicates: int
    rejected: list[Refusal]


class BusyError(RecsysError):
    """More events wait than the state can take in at once."""


class Door(Protocol):
    """Where the events of requests are handed in."""

    async def open(self) -> None:
        """Wait until events can be handed in.

        Raises
        ------
        StateError
            When that takes too long.
        """

    async def take_in(self, rows: Sequence[Any], *, now: int) -> Receipt:
        """Take events in; they are durable once this returns.

        Parameters
        ----------
        rows
            As parsed from JSON.
        now
            Microseconds, by the clock on the wall: what is later has not happened.

        Raises
        ------
        BusyError
            When too many wait already.
        StateError
            When they could not be taken in, or nobody knows whether they were.
        """

    @property
    def waiting(self) -> int:
        """How many events wait."""

    def close(self) -> None:
        """Take in what waits, and nothing more."""


class _Waiting(NamedTuple):
    rows: Sequence[Any]
    end: int
    done: "Future[Receipt]"


def require_room(n_waiting: int, n_rows: int) -> None:
    """Refuse events where too many wait; a request's own are never too many by themselves.

    Raises
    ------
    BusyError
        When the sender has to come again.
    """
    if n_waiting and n_waiting + n_rows > MOST_WAITING:
        raise BusyError(f"{n_waiting:,} events wait to be stored; send these again later")


NOT_KEPT: Final = "not_kept"
NOT_KEPT_MESSAGE: Final = "the user was erased or has not consented; nothing of it was kept"


class Intake:
    """Takes events into the state, one transaction after the other, by a thread of its own.

    Parameters
    ----------
    state
        Where they go.
    known_events
        The event types that are accepted.
    """

    def __init__(self, state: StateStore, known_events: frozenset[str]) -> None:
        self._state = state
        self._judge = Judge(known_events)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._open = True
        self._thread = threading.Thread(target=self._work, name="intake", daemon=True)
        self._thread.start()

    async def open(self) -> None:
        """Do nothing: the thread runs."""

    async def take_in(self, rows: Sequence[Any], *, now: int) -> Receipt:
        """Take events in; see `Door`."""
        return await asyncio.wrap_future(self._submit(rows, now))

    def _submit(self, rows: Sequence[Any], now: int) -> "Future[Receipt]":
        done: Future[Receipt] = Future()
        # Whoever asked may leave, but not take it back: it will be settled with those beside it.
        done.set_running_or_notify_cancel()
        with self._lock:
            if not self._open:
                raise StateError("the service is shutting down; send the events again")
            require_room(self._waiting, len(rows))
            self._waiting += len(rows)
            self._queue.put(_Waiting(rows, now + CLOCK_SKEW, done))
        return done

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return self._waiting

    def close(self) -> None:
        """Take in what waits, and nothing more."""
        with self._lock:
            self._open = False
            self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            some, is_last = self._gathered(first)
            self._settle(some)
            if is_last:
                break

    def _gathered(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """Wait a moment for other requests; tells too whether the end has come."""
        some, n_rows = [first], len(first.rows)
        deadline = time.monotonic() + GATHER_SECONDS
        while n_rows < MOST_AT_ONCE:
            try:
                more = self._queue.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if more is None:
                return some, True
            some.append(more)
            n_rows += len(more.rows)
        return some, False

    def _settle(self, some: Sequence[_Waiting]) -> None:
        try:
            receipts = self._taken_in(some)
        except Exception as error:
            for one in some:
                one.done.set_exception(error)
        else:
            for one, receipt in zip(some, receipts, strict=True):
                one.done.set_result(receipt)
        finally:
            with self._lock:
                self._waiting -= sum(len(one.rows) for one in some)

    def _taken_in(self, some: Sequence[_Waiting]) -> list[Receipt]:
        judged = self._judge.judge([one.rows for one in some], end=max(one.end for one in some))
        outcomes = self._state.take_in(judged.events, told=True).tolist()
        counts: Counter[tuple[int, int]] = Counter()
        refusals: list[list[Refusal]] = [[] for _ in some]
        for (number, place), outcome in zip(judged.events.index, outcomes, strict=True):
            counts[number, outcome] += 1
            if outcome == Taken.REFUSED:
                refusals[number].append(Refusal(place, NOT_KEPT, NOT_KEPT_MESSAGE))
        for one in judged.refused:
            refusals[one.request].append(self._refusal(one))
        return [
            Receipt(counts[number, Taken.NEW], counts[number, Taken.DUPLICATE], sorted(mine))
            for number, mine in enumerate(refusals)
        ]

    def _refusal(self, one: Refused) -> Refusal:
        return Refusal(one.place, one.reason, self._judge.remedy(one.reason))
