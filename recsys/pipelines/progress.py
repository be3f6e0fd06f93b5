"""How a pipeline says how far it is; the command line draws it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[], None]
Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""``with progress("ALS sweeps", 15) as advance:``; None: how many steps is not known."""


@contextmanager
def silent(what: str, total: int | None) -> Iterator[Advance]:
    """Show nothing."""
    del what, total
    yield lambda: None
