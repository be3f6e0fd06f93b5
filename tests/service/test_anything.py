"""Whatever is sent, the service answers as its document says, and never with 5xx."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from ..serving import command


def test_anything_is_answered(own_shop: Path, benchmark: Callable[[str], ModuleType]) -> None:
    # A process of its own: modules that are compiled by two threads at once can end CPython 3.11
    # (python/cpython#106905), and schemathesis imports its own when they are asked for.
    with command(own_shop, signal.SIGTERM, "--open") as address:
        found = benchmark("service/fuzzing").fuzz(address, examples=1)
    assert found.problems == {}
    assert {200, 202, 404, 422} <= set(found.statuses)
