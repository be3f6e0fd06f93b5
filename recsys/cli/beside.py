"""A process beside the one that answers."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PAUSE_SECONDS: Final = 1.0
"""Before a process that ended too early is started again."""
PATIENCE_SECONDS: Final = 3.0
"""How long one may take to finish what it has begun; what it leaves undone is done again later."""


@contextmanager
def beside(module: str) -> Iterator[None]:
    """Run ``python -m module``, again and again where it ends, as long as the block lasts.

    The end of its standard input tells the process to end: so it does not outlive this one,
    whatever becomes of it.
    """
    closing = threading.Event()
    thread = threading.Thread(target=_run, args=(module, closing), daemon=True)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()


def _run(module: str, closing: threading.Event) -> None:
    while not closing.is_set():
        with subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE) as process:
            while process.poll() is None and not closing.wait(PAUSE_SECONDS):
                pass
            _end(process)
        closing.wait(PAUSE_SECONDS)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
