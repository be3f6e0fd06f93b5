"""Learning in a fraction of its time, where how good lists are is not the point."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recsys.pipelines import windows
from recsys.ranking import learning, smooth


@contextmanager
def learning_quickly() -> Iterator[None]:
    """Learn weights on one window before a cut instead of three, and in few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOWS", 1)
        patch.setattr(learning, "STEP_COSTS", (1e-5,))
        patch.setattr(smooth, "ROUNDS", 1)
        patch.setattr(smooth, "STEPS", 20)
        yield
