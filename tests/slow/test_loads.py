"""The service under load: a small form of each run in ``benchmarks/service`` that measures."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

Load = Callable[[str], ModuleType]


def test_lists_beside_a_route_that_does_nothing(benchmark: Load, own_shop: Path) -> None:
    found = benchmark("service/answers").compare(own_shop / "recsys.toml", seconds=2.0, rounds=1)
    assert found["users"] > 300
    # An answer that is an error ends the run.
    assert found["lists"]["per second"] > 0
    assert found["nothing"]["per second"] > found["lists"]["per second"]


def test_lists_beside_events_that_come_in(benchmark: Load, own_shop: Path) -> None:
    found = benchmark("service/intake").measure(own_shop / "recsys.toml", seconds=3.0, rounds=1)
    assert found["events per second"] > 0
    assert found["reads"]["per second"] > 0


def test_memberships_follow_what_customers_do(benchmark: Load, own_shop: Path) -> None:
    run = benchmark("service/memberships")
    found = run.measure(own_shop / "recsys.toml", rounds=3, sizes=[1, 50])
    # Whoever is not described in time ends the run.
    assert all(found[f"{size} customers"]["median"] > 0 for size in (1, 50))


def test_workers_share_a_larger_catalogue_and_are_exact(benchmark: Load) -> None:
    found = benchmark("service/scale").serve_all([5_000], [1, 2], 1.0)["5000"]
    assert found["1 workers"]["exact"] and found["2 workers"]["exact"]
    assert len(found["2 workers"]["megabytes"]["workers"]) == 2
    assert len(found["2 workers"]["megabytes"]["keeper"]) == 1
