"""``python -m service.taker``: a process that takes events in for those that answer.

What reads rows and writes them would stop every answer of its process for milliseconds; and of
several workers each would wait for the others' transactions.
"""

import asyncio
import json
import logging
import threading
from contextlib import suppress
from typing import Any, Final

from recsys.config import load_config
from recsys.errors import ConfigError
from recsys.state import StateStore
from service.companion import accompany
from service.intake import Door, Intake
from service.passing import ERRORS, LONGEST_LINE, spelled
from service.settings import INTAKE_VARIABLE, Settings

logger = logging.getLogger("recsys.service")

NICENESS: Final = 10
"""Lists come first; events come before memberships."""


def take(settings: Settings, closing: threading.Event) -> None:
    """Take events in until told to close.

    Raises
    ------
    ConfigError, StateError
        When there is nothing to begin with.
    """
    if settings.intake is None:
        raise ConfigError(f"{INTAKE_VARIABLE} does not say at which socket to listen")
    config = load_config(settings.config_path)
    state = StateStore(config.state.url)
    intake = Intake(state, config.interactions.known_events)
    asyncio.run(_listen(settings.intake, intake, closing))
    state.close()


async def _listen(address: str, intake: Intake, closing: threading.Event) -> None:
    lines = Lines(intake)
    server = await asyncio.start_unix_server(lines.answer, address, limit=LONGEST_LINE)
    await asyncio.to_thread(closing.wait)
    server.close()
    await asyncio.to_thread(intake.close)
    await lines.finish()


class Lines:
    """The connections of those that hand events on.

    Parameters
    ----------
    intake
        What takes them in.
    """

    def __init__(self, intake: Door) -> None:
        self._intake = intake
        self._at_work: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each line of a connection, in whatever order, until it ends."""
        with suppress(OSError):
            async for line in reader:
                task = asyncio.create_task(self._settle(writer, *json.loads(line)))
                self._at_work.add(task)
                task.add_done_callback(self._at_work.discard)
        # The end of what comes in does not end a connection by itself.
        writer.close()

    async def finish(self) -> None:
        """Tell what became of everything that has come."""
        await asyncio.gather(*self._at_work)

    async def _settle(
        self, writer: asyncio.StreamWriter, number: int, now: int, rows: list[Any]
    ) -> None:
        receipt, error = None, None
        try:
            receipt = await self._intake.take_in(rows, now=now)
        except Exception as trouble:
            error = (type(trouble).__name__, str(trouble))
            if error[0] not in ERRORS:
                logger.exception("events could not be taken in")
        # Whoever asked may have left.
        if writer.is_closing():
            return
        with suppress(OSError):
            writer.write(spelled([number, receipt, error]))
            await writer.drain()


if __name__ == "__main__":
    accompany(take, NICENESS)
