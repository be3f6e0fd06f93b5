"""How many users a plan takes: by the formula, and at a shop's own traffic."""

import math

import numpy as np
import pandas as pd
import pytest

from recsys.errors import DataError
from recsys.experiments.design import LOOKED_BACK, cost_of_looks, design
from recsys.experiments.metrics import METRICS
from recsys.statistics import users_for_means

from .made import events_of, experiment

SEQUENCE = {"kind": "confidence_sequence"}


def plan(**said):
    return experiment(**{"primary": "orders", "effect": 0.1, "segments": ("age",), **said}).plan


def shop(a_day: int = 20, days: int = LOOKED_BACK):
    """Every day some new customers come; each has as many orders as a Poisson draw of 2 says."""
    rng, rows, ages = np.random.default_rng(3), [], {}
    for user in range(a_day * days):
        day, name = user // a_day, f"u{user}"
        ages[name] = "young" if user % 4 == 0 else "old"
        rows.append({"unit": name, "event": "view", "day": day + 0.125})
        rows += [
            {"unit": name, "event": "purchase", "day": day + 0.5} for _ in range(rng.poisson(2))
        ]
    # So that the last day is over.
    rows.append({"unit": "u0", "event": "view", "day": days - 1e-6})
    return events_of(rows), pd.DataFrame({"age": ages})


@pytest.fixture(scope="module")
def traffic():
    return shop()


def test_all_users_by_the_formula(traffic):
    found = design(plan(), traffic[0], METRICS["orders"], traffic[1])
    everybody, *_ = found.needed
    base = everybody.baseline
    assert (everybody.of, base.users, everybody.share) == ("all", 560, 1.0)
    assert base.mean == pytest.approx(2.0, abs=0.2)
    assert base.sd == pytest.approx(math.sqrt(2), abs=0.15)
    each = users_for_means(base.sd * math.sqrt(min(base.noise, 1)), 0.1 * base.mean)
    assert everybody.users == math.ceil(2 * each)


def test_segments_share_the_error_rate(traffic):
    _, *parts = design(plan(), traffic[0], METRICS["orders"], traffic[1]).needed
    assert [(one.of, one.share) for one in parts] == [("age:old", 0.75), ("age:young", 0.25)]
    for one in parts:
        sd = one.baseline.sd * math.sqrt(min(one.baseline.noise, 1))
        each = users_for_means(sd, 0.1 * one.baseline.mean, alpha=0.05 / 2)
        assert one.users == math.ceil(2 * each / one.share)


def test_days_are_those_of_the_traffic(traffic):
    found = design(plan(), traffic[0], METRICS["orders"], traffic[1])
    assert found.users_by_day == tuple(20 * (day + 1) for day in range(LOOKED_BACK))
    everybody = found.needed[0]
    assert everybody.days == math.ceil(everybody.users / 20)
    half = design(plan(coverage=0.5), traffic[0], METRICS["orders"], traffic[1]).needed[0]
    assert half.days == math.ceil(half.users / 10)


def test_more_days_show_less(traffic):
    found = design(plan(), traffic[0], METRICS["orders"], traffic[1])
    assert found.seen[7] > found.seen[14] > found.seen[28] > 0
    assert found.seen[7] / found.seen[28] == pytest.approx(2, rel=0.01)


def test_without_an_effect_it_says_what_can_be_seen(traffic):
    found = design(plan(effect=None), traffic[0], METRICS["orders"], traffic[1])
    assert found.needed[0].users is None
    assert found.seen[14] > 0


def test_what_looks_cost():
    assert cost_of_looks(plan()) == 1
    looks = plan(decision={"kind": "group_sequential"}, planned_users=100)
    assert 1.01 < cost_of_looks(looks) < 1.05
    assert cost_of_looks(plan(decision=SEQUENCE)) == pytest.approx(1.91, abs=0.01)


def test_what_cannot_be_planned_by_is_said(traffic):
    with pytest.raises(DataError, match="which nobody has seen yet"):
        design(plan(primary="ctr"), traffic[0], METRICS["ctr"], traffic[1])
    with pytest.raises(DataError, match="no traffic"):
        design(plan(), events_of([]), METRICS["orders"], traffic[1])
    alone = events_of([{"unit": "u", "event": "purchase", "day": 1}])
    with pytest.raises(DataError, match="too few"):
        design(plan(), alone, METRICS["orders"], traffic[1])
