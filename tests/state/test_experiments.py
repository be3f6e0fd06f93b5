"""Experiments in a state: written once, started once, ramps that only grow."""

import pytest

from recsys.errors import ConfigError, NotFoundError
from recsys.state import Entry, Exposure, KeptExperiment, StateStore


def kept(name: str = "one", **values: object) -> KeptExperiment:
    said = {"definition": '{"plan": "ü"}', "digest": "d" * 64, "coverage": 0.2, "created_at": 5}
    return KeptExperiment(name, **{**said, **values})  # type: ignore[arg-type]


@pytest.fixture
def running(store: StateStore) -> StateStore:
    store.experiments.create(kept())
    store.experiments.start("one", now=7)
    return store


def test_what_is_written_down_is_read(store: StateStore) -> None:
    store.experiments.create(kept("two", created_at=9))
    store.experiments.create(kept())
    assert store.experiments.of("one") == kept()
    assert [one.name for one in store.experiments.all()] == ["one", "two"]
    assert kept().status == "draft"


def test_a_name_is_given_once(store: StateStore) -> None:
    store.experiments.create(kept())
    with pytest.raises(ConfigError, match="there is an experiment 'one' already"):
        store.experiments.create(kept(definition="{}"))
    assert store.experiments.of("one") == kept()


def test_its_life(running: StateStore) -> None:
    assert running.experiments.of("one").status == "running"
    ended = running.experiments.stop("one", now=9)
    assert (ended.status, ended.started_at, ended.stopped_at) == ("stopped", 7, 9)
    running.experiments.conclude("one", '{"answer": "ship"}')
    assert running.experiments.of("one").results == '{"answer": "ship"}'


def test_it_is_started_and_stopped_once(running: StateStore) -> None:
    with pytest.raises(ConfigError, match="is running; it cannot be started again"):
        running.experiments.start("one", now=8)
    running.experiments.stop("one", now=9)
    for act in (running.experiments.stop, running.experiments.start):
        with pytest.raises(ConfigError, match="stopped"):
            act("one", now=10)


def test_a_ramp_only_grows(running: StateStore) -> None:
    assert running.experiments.ramp("one", 0.5).coverage == 0.5
    for coverage in (0.4, 1.1):
        with pytest.raises(ConfigError, match=r"not between 0\.5"):
            running.experiments.ramp("one", coverage)
    assert running.experiments.of("one").coverage == 0.5


def test_a_draft_has_no_ramp(store: StateStore) -> None:
    store.experiments.create(kept())
    with pytest.raises(ConfigError, match="does not run, it is draft"):
        store.experiments.ramp("one", 0.5)


def test_one_that_is_not_there(store: StateStore) -> None:
    for act in (store.experiments.of, lambda name: store.experiments.stop(name, now=1)):
        with pytest.raises(NotFoundError, match="no experiment 'none'"):
            act("none")


def test_every_process_hears_of_it(store: StateStore) -> None:
    store.experiments.create(kept())
    before = store.pulse().changes
    store.experiments.start("one", now=7)
    assert store.pulse().changes == before + 1


def test_its_lists_are_read_in_parts(store: StateStore) -> None:
    def exposure(number: int, experiment: str | None) -> Exposure:
        return Exposure(
            *(f"r{number}", f"u{number}", 5, "new", "d", "v", None, experiment),
            segments={"age": {"young": 1.0}},
            items=["i"],
            propensities=[1.0],
            context={},
            session_id="s",
            differs=bool(number % 2),
            sides=["control"],
            milliseconds=1.5,
        )

    store.exposures.add([exposure(n, "one" if n < 4 else None) for n in range(6)])
    found = [one for part in store.exposures.of_experiment("one") for one in part]
    assert sorted(found, key=lambda one: one.recommendation_id) == [
        exposure(number, "one") for number in range(4)
    ]
    assert list(store.exposures.of_experiment("two")) == []


def test_the_ledger_keeps_the_last_of_each_source(store: StateStore) -> None:
    def entry(source: str, mean: float, *, at: int) -> Entry:
        who = (source, "old", "new", "ndcg@10", "o" * 64, "n" * 64)
        return Entry("offline", *who, mean, mean - 0.01, mean + 0.01, 300, at)

    assert store.ledger.all() == []
    store.ledger.add()
    store.ledger.add(entry("june", 0.02, at=7), entry("may", 0.01, at=5))
    store.ledger.add(entry("may", 0.03, at=5))
    assert store.ledger.all() == [entry("may", 0.03, at=5), entry("june", 0.02, at=7)]
    other = entry("may", 0.5, at=5)._replace(variant_digest="m" * 64)
    store.ledger.add(other)
    assert len(store.ledger.all()) == 3
    store.ledger.replace("may", ("offline",), [entry("may", 0.04, at=5)])
    store.ledger.replace("june", ("online",), [])
    assert store.ledger.all() == [entry("may", 0.04, at=5), entry("june", 0.02, at=7)]
