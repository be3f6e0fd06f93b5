"""``python -m service.keeper``: a process that works memberships out beside those that answer."""

import logging
import threading
from typing import Final

from recsys.config import load_config
from recsys.errors import RecsysError
from recsys.state import StateStore
from service.companion import accompany
from service.moments import Moments
from service.profiling import Profiler
from service.served import BEAT_SECONDS, Models
from service.settings import Settings

logger = logging.getLogger("recsys.service")

NICENESS: Final = 15
"""Lists come first, and events."""


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


if __name__ == "__main__":
    accompany(keep, NICENESS)
