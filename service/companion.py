"""What processes beside those that answer have in common.

`recsys serve` starts them. One ends when its standard input does: with whoever started it, however
that one ended.
"""

import json
import logging.config
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib.resources import files

from threadpoolctl import threadpool_limits

from service.settings import Settings, settings_from_environment

Work = Callable[[Settings, threading.Event], None]


def accompany(work: Work, niceness: int) -> None:
    """Work until the standard input ends.

    Parameters
    ----------
    work
        Is given the settings and what is set when it has to end.
    niceness
        How much others come first.
    """
    logging.config.dictConfig(json.loads((files("service") / "logging.json").read_text("utf-8")))
    os.nice(niceness)
    closing = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal sends these to everybody; the one who started this one says when to end.
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_until_the_end, args=(closing,), daemon=True).start()
    with threadpool_limits(1, "blas"):
        work(settings_from_environment(), closing)


def _until_the_end(closing: threading.Event) -> None:
    sys.stdin.buffer.read()
    closing.set()
