"""Events handed on to the process that takes them in, see `service.taker`.

The two talk over a socket of this machine, a line of JSON for each request and each receipt:
``[number, now, rows]`` and ``[number, receipt, error]``, either of the last two being null.
"""

import asyncio
import itertools
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from recsys.errors import RecsysError, StateError
from service.intake import BusyError, Receipt, Refusal, require_room

LONGEST_LINE: Final = 2**24
"""Bytes; the longest body, every letter of it escaped, is a third of it."""
PATIENCE_SECONDS: Final = 10.0
"""How long a request waits for a process that has just been started, or is started again."""
PAUSE_SECONDS: Final = 0.05
LOST: Final = "what takes events in has stopped, and nobody knows whether these are kept"
AWAY: Final = "what takes events in cannot be reached"
REMEDY: Final = "send them again: an event that is known counts once"

ERRORS: Final[dict[str, type[RecsysError]]] = {
    kind.__name__: kind for kind in (BusyError, StateError)
}
"""Those that are told for what they are; any other is nobody's fault but ours."""


class Passing:
    """The `Door` of a process that has another one take events in.

    Parameters
    ----------
    address
        The path of its socket.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Receipt]] = {}
        self._line: asyncio.StreamWriter | None = None
        self._connecting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._waiting = 0

    async def open(self) -> None:
        """Wait until the process is there; see `Door`."""
        await self._connected()

    async def take_in(self, rows: Sequence[Any], *, now: int) -> Receipt:
        """Take events in; see `Door`."""
        require_room(self._waiting, len(rows))
        self._waiting += len(rows)
        try:
            return await self._asked_for(rows, now)
        finally:
            self._waiting -= len(rows)

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return self._waiting

    def close(self) -> None:
        """Hang up; the requests have been answered."""
        if self._line is not None:
            self._line.close()

    async def _asked_for(self, rows: Sequence[Any], now: int) -> Receipt:
        line = await self._connected()
        number = next(self._numbers)
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._asked[number] = done
        try:
            line.write(_told(number, now, rows))
            return await done
        finally:
            del self._asked[number]

    async def _connected(self) -> asyncio.StreamWriter:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._connecting:
                if self._line is None:
                    reader, self._line = await self._found()
                    self._reading = asyncio.create_task(self._read(reader, self._line))
                return self._line
        except TimeoutError as error:
            raise StateError(f"{AWAY}; {REMEDY}") from error

    async def _found(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            with suppress(OSError):
                return await asyncio.open_unix_connection(self._address, limit=LONGEST_LINE)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, reader: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        """Pass receipts on until the other side is gone; then nobody waits any longer."""
        with suppress(OSError):
            async for told in reader:
                number, receipt, error = json.loads(told)
                done = self._asked.get(number)
                # Whoever asked may have left.
                if done is not None and not done.done():
                    _settle(done, receipt, error)
        self._line = None
        line.close()
        for done in self._asked.values():
            if not done.done():
                done.set_exception(StateError(f"{LOST}; {REMEDY}"))


def spelled(message: Sequence[Any]) -> bytes:
    """Spell a message as one line."""
    return json.dumps(message).encode("ascii") + b"\n"


def _told(number: int, now: int, rows: Sequence[Any]) -> bytes:
    try:
        return spelled([number, now, rows])
    except RecursionError:
        # A field that holds others is no event's; nested deeply it cannot even be spelled.
        return spelled([number, now, [row if _is_flat(row) else None for row in rows]])


def _is_flat(row: Any) -> bool:
    return isinstance(row, dict) and not any(isinstance(v, dict | list) for v in row.values())


def _settle(done: "asyncio.Future[Receipt]", receipt: Any, error: Any) -> None:
    if error is None:
        accepted, duplicates, rejected = receipt
        done.set_result(Receipt(accepted, duplicates, [Refusal(*one) for one in rejected]))
        return
    kind, words = error
    done.set_exception(ERRORS.get(kind, RuntimeError)(words))
