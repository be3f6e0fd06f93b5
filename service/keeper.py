"""``python -m service.keeper``: a process that works memberships out beside those that answer.

`recsys serve` starts one. It ends when its standard input does: with whoever started it, however
that one ended.
"""

import json
import logging.config
import os
import signal
import sys
import threading
from importlib.resources import files
from typing import Final

from threadpoolctl import threadpool_limits

from recsys.config import load_config
from recsys.errors import RecsysError
from recsys.state import StateStore
from service.moments import Moments
from service.profiling import Profiler
from service.served import BEAT_SECONDS, Models
from service.settings import Settings, settings_from_environment

logger = logging.getLogger("recsys.service")

NICENESS: Final = 10
"""Requests come first."""


def main() -> None:
    """Keep memberships up to date until the standard input ends."""
    logging.config.dictConfig(json.loads((files("service") / "logging.json").read_text("utf-8")))
    os.nice(NICENESS)
    closing = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal sends these to everybody; the one who started this one says when to end.
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_until_the_end, args=(closing,), daemon=True).start()
    with threadpool_limits(1, "blas"):
        keep(settings_from_environment(), closing)


def keep(settings: Settings, closing: threading.Event) -> None:
    """Keep memberships up to date until told to close, by the model that is active.

    Raises
    ------
    ConfigError, StoreError, StateError
        When there is nothing to begin with.
    """
    config = load_config(settings.config_path)
    state = StateStore(config.state.url)
    models = Models(config, state)
    profiler = Profiler(state, models, Moments(settings.clock))
    looking = threading.Thread(target=_look, args=(models, state, closing), daemon=True)
    looking.start()
    profiler.work(closing)
    looking.join()
    state.close()


def _look(models: Models, state: StateStore, closing: threading.Event) -> None:
    """Follow the active model, and what is told of items."""
    while not closing.wait(BEAT_SECONDS):
        models.look()
        try:
            models.up_to(state.pulse().changes)
        except RecsysError as error:
            logger.warning("the state cannot be asked: %s", error)


def _until_the_end(closing: threading.Event) -> None:
    sys.stdin.buffer.read()
    closing.set()


if __name__ == "__main__":
    main()
