"""Whatever is sent, the service answers as its document says, and never with 5xx."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from ..serving import listening


def test_anything_is_answered(own_shop: Path, benchmark: Callable[[str], ModuleType]) -> None:
    with listening(own_shop, open=True) as address:
        found = benchmark("service/fuzzing").fuzz(address, examples=1)
    assert found.problems == {}
    assert {200, 202, 404, 422} <= set(found.statuses)
