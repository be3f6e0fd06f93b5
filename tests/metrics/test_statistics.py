"""Intervals against scipy, published values and what they promise."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

import recsys.statistics
from recsys.statistics import Interval, mean_interval, paired_bootstrap

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))[
    "significance"
]
ONE, OTHER = np.array(VECTORS["one"]), np.array(VECTORS["other"])


def bounds(interval):
    return [interval.low, interval.high]


def test_an_interval_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        mean_interval(ONE).mean = 0.0


# Student's t


def test_t_interval_is_as_published():
    interval = mean_interval(OTHER - ONE)
    assert interval.mean == pytest.approx(VECTORS["mean"], rel=0, abs=1e-9)
    assert bounds(interval) == pytest.approx(VECTORS["t_interval"], rel=0, abs=1e-9)
    assert interval.n == 10


@given(
    arrays(np.float64, st.integers(2, 30), elements=st.floats(-100, 100, width=16), unique=True),
    st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_t_interval_equals_scipy(values, confidence):
    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    interval = mean_interval(values, confidence=confidence)
    assert bounds(interval) == pytest.approx([expected.low, expected.high], rel=1e-9, abs=1e-9)


def test_equal_values_leave_no_doubt():
    assert mean_interval(np.full(4, 0.25)) == Interval(0.25, 0.25, 0.25, 4)


def test_the_promised_share_of_t_intervals_holds_the_truth():
    samples = np.random.default_rng(0).normal(3.0, size=(1000, 5))
    intervals = [mean_interval(sample, confidence=0.9) for sample in samples]
    share = np.mean([interval.low <= 3.0 <= interval.high for interval in intervals])
    assert share == pytest.approx(0.9, abs=0.03)  # three standard errors


# Bootstrap


def test_bootstrap_is_as_published():
    recipe = VECTORS["bootstrap"]
    interval = paired_bootstrap(ONE, OTHER, draws=recipe["draws"], seed=recipe["seed"])
    assert interval.mean == pytest.approx(VECTORS["mean"], rel=0, abs=1e-9)
    assert bounds(interval) == pytest.approx(recipe["interval"], rel=0, abs=1e-9)
    assert interval.n == 10


def test_the_seed_alone_decides():
    first = paired_bootstrap(ONE, OTHER, seed=7)
    assert paired_bootstrap(ONE, OTHER, seed=7) == first
    assert bounds(paired_bootstrap(ONE, OTHER, seed=8)) != bounds(first)


@pytest.mark.parametrize("block", [1, 33, 9_990])
def test_the_block_size_changes_nothing(monkeypatch, block):
    expected = paired_bootstrap(ONE, OTHER, seed=7)
    monkeypatch.setattr(recsys.statistics, "_BLOCK", block)
    assert paired_bootstrap(ONE, OTHER, seed=7) == expected


def test_bootstrap_is_close_to_t_for_many_users():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 2000))
    by_t = mean_interval(other - one)
    width = by_t.high - by_t.low
    drawn = paired_bootstrap(one, other, draws=4000, seed=2)
    assert bounds(drawn) == pytest.approx(bounds(by_t), abs=0.05 * width)


def test_the_promised_share_of_bootstrap_intervals_holds_the_truth():
    rng = np.random.default_rng(3)
    inside = 0
    for seed in range(300):
        one = rng.normal(size=60)
        other = one + rng.normal(0.5, size=60)
        interval = paired_bootstrap(one, other, draws=300, seed=seed)
        inside += interval.low <= 0.5 <= interval.high
    assert 0.90 <= inside / 300 <= 0.985


def test_pairing_removes_what_the_users_share():
    one = np.random.default_rng(4).normal(scale=1000, size=50)
    interval = paired_bootstrap(one, one + 0.5, seed=0)
    assert bounds(interval) == pytest.approx([0.5, 0.5], abs=1e-9)


def test_a_wider_confidence_is_a_wider_interval():
    narrow = paired_bootstrap(ONE, OTHER, seed=0, confidence=0.5)
    wide = paired_bootstrap(ONE, OTHER, seed=0, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


# Edges of both


def both(values, **options):
    zeros = np.zeros_like(values)
    return [
        lambda: mean_interval(values, **options),
        lambda: paired_bootstrap(zeros, values, seed=0, **options),
    ]


def test_one_user_has_a_mean_and_no_bounds():
    for call in both(np.array([0.25])):
        interval = call()
        assert (interval.mean, interval.n) == (0.25, 1)
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "a mean needs one value for each of 1 or more users"),
        ([[0.1], [0.2]], "a mean needs one value for each of 1 or more users"),
        ([0.1, math.nan], "values must be finite, got nan"),
        ([0.1, -math.inf], "values must be finite, got -inf"),
    ],
)
def test_values_without_a_mean_are_refused(values, message):
    for call in both(np.array(values)):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    for call in both(ONE, confidence=confidence):
        with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
            call()


def test_bootstrap_refuses_other_users_and_no_draws():
    with pytest.raises(ValueError, match="users must be the same"):
        paired_bootstrap(ONE, OTHER[:9], seed=0)
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        paired_bootstrap(ONE, OTHER, draws=0, seed=0)
