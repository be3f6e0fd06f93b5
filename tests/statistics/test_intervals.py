"""Means and their intervals against scipy, published values and what they promise."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from recsys.statistics import (
    Interval,
    effective_n,
    estimate,
    mean_interval,
    weighted_mean_interval,
)

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))["paired"]
DIFFERENCES = np.array(VECTORS["other"]) - np.array(VECTORS["one"])
MANY = arrays(np.float64, st.integers(2, 30), elements=st.floats(-100, 100, width=16), unique=True)
CONFIDENCES = st.sampled_from([0.5, 0.9, 0.95, 0.99])


def bounds(interval):
    return [interval.low, interval.high]


def test_an_interval_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        mean_interval(DIFFERENCES).mean = 0.0


# Student's t


def test_t_interval_is_as_published():
    interval = mean_interval(DIFFERENCES)
    assert interval.mean == pytest.approx(VECTORS["mean"], rel=0, abs=1e-9)
    assert bounds(interval) == pytest.approx(VECTORS["t_interval"], rel=0, abs=1e-9)
    assert interval.n == 10


@settings(max_examples=40, deadline=None)
@given(MANY, CONFIDENCES)
def test_t_interval_equals_scipy(values, confidence):
    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    interval = mean_interval(values, confidence=confidence)
    assert bounds(interval) == pytest.approx([expected.low, expected.high], rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(MANY)
def test_p_values_equal_scipy(values):
    found = estimate(values)
    assert found.p() == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-9)
    below = stats.ttest_1samp(values, 0, alternative="less").pvalue
    assert found.p_below() == pytest.approx(below, rel=1e-9)


def test_a_p_far_out_is_not_rounded_to_zero():
    values = np.array([10.0, 10.001, 9.999] * 10)
    assert estimate(values).p() == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-6)
    assert estimate(values).p() > 0


def test_equal_values_leave_no_doubt():
    assert mean_interval(np.full(4, 0.25)) == Interval(0.25, 0.25, 0.25, 4)
    found = estimate(np.full(4, 0.25))
    assert (found.p(), found.p_below()) == (0.0, 1.0)
    nothing = estimate(np.zeros(4))
    assert (nothing.p(), nothing.p_below()) == (1.0, 1.0)
    assert estimate(np.full(4, -0.25)).p_below() == 0.0


def test_the_promised_share_of_t_intervals_holds_the_truth():
    samples = np.random.default_rng(0).normal(3.0, size=(1000, 5))
    intervals = [mean_interval(sample, confidence=0.9) for sample in samples]
    share = np.mean([interval.low <= 3.0 <= interval.high for interval in intervals])
    assert share == pytest.approx(0.9, abs=0.03)  # three standard errors


# Weights


@settings(max_examples=40, deadline=None)
@given(MANY, st.floats(0.01, 1), CONFIDENCES)
def test_equal_weights_are_no_weights(values, weight, confidence):
    plain = mean_interval(values, confidence=confidence)
    weighted = weighted_mean_interval(values, np.full(len(values), weight), confidence=confidence)
    assert weighted.mean == pytest.approx(plain.mean, rel=1e-9, abs=1e-9)
    assert bounds(weighted) == pytest.approx(bounds(plain), rel=1e-7, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(MANY)
def test_a_weight_of_zero_is_not_there(values):
    weights = np.arange(len(values)) % 2.0
    kept = values[weights > 0]
    if len(kept) > 1:
        weighted = weighted_mean_interval(values, weights)
        assert bounds(weighted) == pytest.approx(bounds(mean_interval(kept)), rel=1e-7, abs=1e-7)
        assert weighted.n == len(kept)


def test_effective_n_by_hand():
    assert effective_n(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    assert effective_n(np.zeros(3)) == 0.0


def test_a_weighted_mean_and_its_error_by_hand():
    found = estimate(np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 0.5]))
    mean = (1 + 2 + 3) / 2.5
    squares = (1 - mean) ** 2 + (2 - mean) ** 2 + 0.25 * (6 - mean) ** 2
    effective = 2.5**2 / 2.25
    assert found.mean == pytest.approx(mean)
    assert found.error == pytest.approx(math.sqrt(squares / 2.5**2 * effective / (effective - 1)))


def test_the_promised_share_of_weighted_intervals_holds_the_truth():
    # Heavy members spread more, which an error by one common variance would miss.
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.05, 1, size=200)
    samples = rng.normal(3.0, 4 * weights**2, size=(2000, 200))
    intervals = [weighted_mean_interval(sample, weights) for sample in samples]
    share = np.mean([interval.low <= 3.0 <= interval.high for interval in intervals])
    assert share == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [1.0, math.nan]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be finite, at least 0, and not all 0"):
        estimate(np.ones(2), np.array(weights))


def test_weights_of_other_users_are_refused():
    with pytest.raises(ValueError, match="one weight for each user"):
        estimate(np.ones(2), np.ones(3))


# Edges


def test_one_user_has_a_mean_and_no_bounds():
    for interval in (
        mean_interval(np.array([0.25])),
        weighted_mean_interval(np.array([0.25, 9.0]), np.array([0.5, 0.0])),
    ):
        assert (interval.mean, interval.n) == (0.25, 1)
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
    assert math.isnan(estimate(np.array([0.25])).p())


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
    with pytest.raises(ValueError, match=message):
        mean_interval(np.array(values))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        mean_interval(DIFFERENCES, confidence=confidence)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        weighted_mean_interval(DIFFERENCES, np.ones(10), confidence=confidence)
