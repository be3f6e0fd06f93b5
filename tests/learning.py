"""Learning that takes half the time, where how good lists are is not the point."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recsys.pipelines import windows


@contextmanager
def on_one_window() -> Iterator[None]:
    """Learn weights on one window before a cut instead of three."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOWS", 1)
        yield
