"""Plans carried out on tables whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from recsys.errors import ConfigError, DataError
from recsys.experiments.metrics import METRICS
from recsys.experiments.rehearsal import Baselines, Effect, _moved, rehearse_tables

from .made import experiment, units


def baselines(users=2000, **said):
    frame, segments = units(3, users, **said)
    names = ["revenue", "conversion"]
    return Baselines(frame, segments, {name: METRICS[name] for name in names})


def rehearsed(effect, *, replications=40, users=2000, **said):
    plan = experiment(primary="revenue", segments=("age",), **said).plan
    return rehearse_tables(plan, baselines(users), effect, replications=replications, seed=1)


def test_without_an_effect_hardly_anything_is_shipped():
    found = rehearsed(Effect(0.0))
    assert found.answers["do not ship"] >= 34
    assert (found.users, found.planned) == (2000, 2000)


def test_an_effect_is_found_and_named():
    # Values are 10 ± 1: one per cent more is over two standard errors of 1,000 users an arm.
    assert rehearsed(Effect(0.02)).answers["ship"] >= 35
    found = rehearsed(Effect(0.03, "age", "young"))
    assert found.answers["ship for these segments only: age:young"] >= 36


def test_a_loss_is_not_shipped():
    assert rehearsed(Effect(-0.02)).answers["do not ship"] >= 38


def test_planned_looks_end_early():
    decision = {"kind": "group_sequential"}
    found = rehearsed(Effect(0.05), decision=decision, planned_users=4000)
    assert found.answers["ship"] >= 36
    assert (found.users, found.planned) == (1000, 4000)


def test_any_looks_end_early():
    decision = {"kind": "confidence_sequence"}
    found = rehearsed(Effect(0.05), decision=decision, replications=5)
    assert found.answers == {"ship": 5}
    assert found.users < 500


def test_the_same_seed_is_the_same_answer():
    first, second = (rehearsed(Effect(0.005), replications=10) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("size", [0.5, -0.3, 0.0])
def test_who_did_it_or_not_changes_sides(size):
    values = (np.random.default_rng(0).random(40_000) < 0.2).astype(float)
    touched = np.arange(40_000) % 2 == 0
    rng = np.random.default_rng(1)
    moved = _moved(values, touched, size, METRICS["conversion"], rng)
    assert set(np.unique(moved)) == {0.0, 1.0}
    assert moved[touched].mean() / values[touched].mean() - 1 == pytest.approx(size, abs=0.05)
    assert (moved[~touched] == values[~touched]).all()


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("agee:young", "no axis 'agee'; did you mean 'age'"),
        ("age:yong", "in the segment 'yong' of 'age'; did you mean 'young'"),
        ("young", "no AXIS:SEGMENT"),
    ],
)
def test_a_segment_that_is_not_there(only, message):
    with pytest.raises(ConfigError, match=message):
        rehearsed(Effect.read(0.1, only))


def test_nobody_to_draw_from():
    nobody = Baselines(pd.DataFrame({"revenue": []}), pd.DataFrame(), {})
    plan = experiment(primary="revenue").plan
    with pytest.raises(DataError, match="0 users did something lately"):
        rehearse_tables(plan, nobody, Effect(0.1), replications=1, seed=1)
