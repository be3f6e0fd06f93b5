"""The service among what goes wrong: a small form of each run in ``benchmarks/service``."""

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

Load = Callable[[str], ModuleType]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_is_acknowledged_outlives_a_kill(benchmark: Load, database: str) -> None:
    found = benchmark("service/kills").kill_rounds(database, rounds=5, n_writers=4)
    assert found["acknowledged"] > 0
    assert (found["lost"], found["duplicated"], found["torn"]) == (0, 0, 0)


def test_every_answer_is_of_the_model_it_names(benchmark: Load) -> None:
    found = benchmark("service/activations").activate_under_load(activations=6, n_clients=4)
    assert found["lists_that_differ"] == found["lists_of_each"]
    assert found["answers"] > 0
    assert (found["failed"], found["mixed"]) == (0, 0)


def test_anything_is_answered(benchmark: Load) -> None:
    found = benchmark("service/fuzzing").fuzz_a_shop(examples=30)
    assert found.problems == {}


def test_the_database_may_go_away(benchmark: Load) -> None:
    found = benchmark("service/outages").outages_under_load(outages=2, n_clients=6)
    lists, events = found["answers"]["lists"], found["answers"]["events"]
    assert set(lists["there"]) == set(events["there"]) == {"whole"}
    assert (set(lists["away"]), set(events["away"])) == ({"degraded"}, {"refused"})
    assert not any({"refused", "other"} & answers.keys() for answers in lists.values())
    assert found["strange"] == []
    assert found["acknowledged"] > 0
    assert (found["lost"], found["duplicated"], found["exposures_lost"]) == (0, 0, 0)


def test_it_finishes_what_it_has_begun(benchmark: Load) -> None:
    found = benchmark("service/stops").stop_rounds(rounds=3, n_clients=8)
    assert set(found["answered"]) == {"200", "202"}
    assert (found["unanswered"], found["events_lost"], found["exposures_lost"]) == (0, 0, 0)
    assert found["exit_codes"] == [0]
    assert found["seconds"]["most"] < 10


def test_workers_end_with_the_one_that_started_them(benchmark: Load, own_shop: Path) -> None:
    serving = benchmark("service/serving")
    server = serving.Server(own_shop / "recsys.toml", "--workers", "2")
    server.start()
    others = serving.children_of(server.process.pid)
    server.kill()
    until = time.monotonic() + 30.0
    while any(Path(f"/proc/{pid}").exists() for pid in others):
        assert time.monotonic() < until
        time.sleep(0.1)
