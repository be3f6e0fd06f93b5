"""The experiments that run, by what the state keeps of them."""

import json

import pytest

from recsys.errors import StateError
from recsys.experiments.running import Running, opened, written

from .made import DIGESTS, experiment


def kept(name: str, started: int | None = 5, stopped: int | None = None, **said: object):
    one = written(experiment(name=name, **said), now=1)
    return one._replace(started_at=started, stopped_at=stopped)


def running(*kept_):
    return Running(kept_, DIGESTS, holdout=0.0)


def test_only_those_that_run_play_a_part():
    assert not running(kept("draft", started=None), kept("over", stopped=9))
    found = running(kept("one")).enrol("u", None, {})
    assert found is not None
    assert (found.experiment, found.variants) == ("one", ("old", "new"))


def test_the_one_that_has_run_the_longest_asks_first():
    found = running(kept("a", started=9), kept("b", started=7)).enrol("u", None, {})
    assert found is not None
    assert found.experiment == "b"


def test_who_is_in_none_of_the_first_may_be_in_the_next():
    asks = running(kept("first", audience={"age": ("young",)}), kept("next", started=6))
    assert asks.enrol("u", None, {"age": {"young": 1.0}}).experiment == "first"
    assert asks.enrol("u", None, {}).experiment == "next"


def test_the_ramp_is_that_of_now():
    slow = kept("one", coverage=0.01)
    few, all_ = running(slow), running(slow._replace(coverage=1.0))
    users = [f"u{number}" for number in range(200)]
    assert sum(few.enrol(user, None, {}) is not None for user in users) < 20
    assert all(all_.enrol(user, None, {}) for user in users)


def test_a_recipe_that_has_changed_does_not_go_on():
    found = Running([kept("one")], {**DIGESTS, "new": "another"}, holdout=0.0)
    assert not found
    assert found.troubles == {"one": "the recipe of new is not the one that was written down"}


@pytest.mark.parametrize(
    "change",
    [
        lambda said: {**said, "plan": {**said["plan"], "alpha": 0.1}},
        lambda said: {**said, "plan": {**said["plan"], "of a later release": 1}},
    ],
)
def test_one_that_cannot_be_read_stops_nobody(change):
    one = kept("one")
    changed = one._replace(definition=json.dumps(change(json.loads(one.definition))))
    found = running(changed, kept("two"))
    assert found.enrol("u", None, {}).experiment == "two"
    assert list(found.troubles) == ["one"]


def test_what_was_changed_is_known():
    one = kept("one")
    said = json.loads(one.definition)
    said["plan"]["alpha"] = 0.1
    with pytest.raises(StateError, match="changed after it was written down"):
        opened(one._replace(definition=json.dumps(said)))
