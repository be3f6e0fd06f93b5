"""Paired tests against published values, scipy and brute force."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from recsys.statistics import paired_t, sign_flip, sign_test, wilcoxon

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))["paired"]
ONE, OTHER = np.array(VECTORS["one"]), np.array(VECTORS["other"])
# In the vectors a difference is a decimal with three places: so ties are ties.
DIFFERENCES = np.round(OTHER - ONE, 3)
FEW = arrays(np.float64, st.integers(1, 9), elements=st.integers(-5, 5).map(float))


def test_student_is_as_published():
    found = paired_t(ONE, OTHER)
    expected = [VECTORS[name] for name in ("mean", "t", "p", "dz")]
    figures = [found.difference.mean, found.t, found.p, found.dz]
    assert figures == pytest.approx(expected, rel=0, abs=1e-9)
    interval = [found.difference.low, found.difference.high]
    assert interval == pytest.approx(VECTORS["t_interval"], rel=0, abs=1e-9)
    assert [found.one, found.other] == pytest.approx([ONE.mean(), OTHER.mean()])


def test_sign_flips_are_as_published():
    assert sign_flip(OTHER - ONE, seed=0) == VECTORS["sign_flip"] == VECTORS["permutation_test"]


def test_wilcoxon_is_as_published():
    assert wilcoxon(DIFFERENCES) == (VECTORS["wilcoxon"]["w"], VECTORS["wilcoxon"]["p"])


def test_the_sign_test_is_as_published():
    published = VECTORS["sign_test"]
    assert ((DIFFERENCES > 0).sum(), len(DIFFERENCES)) == (published["wins"], published["n"])
    assert sign_test(DIFFERENCES) == pytest.approx(published["p"], rel=0, abs=1e-9)


# The relative difference


def test_the_relative_interval_is_the_delta_method_on_the_log_scale():
    found = paired_t(ONE, OTHER).relative
    covariance = np.cov(ONE, OTHER) / 10
    slope = np.array([-1 / ONE.mean(), 1 / OTHER.mean()])
    margin = stats.t.ppf(0.975, 9) * math.sqrt(slope @ covariance @ slope)
    ratio = OTHER.mean() / ONE.mean()
    expected = [ratio * math.exp(sign * margin) - 1 for sign in (-1, 1)]
    assert found.mean == pytest.approx(ratio - 1, rel=1e-12)
    assert [found.low, found.high] == pytest.approx(expected, rel=1e-9)


def test_the_promised_share_of_relative_intervals_holds_the_truth():
    rng = np.random.default_rng(0)
    one = rng.gamma(0.5, size=(1000, 400))
    found = [paired_t(row, 1.1 * rng.permutation(row)).relative for row in one]
    share = np.mean([interval.low <= 0.1 <= interval.high for interval in found])
    # A permutation keeps the mean, so the ratio is known exactly and intervals are generous.
    assert share == 1.0
    apart = [paired_t(row, 1.1 * rng.gamma(0.5, size=400)).relative for row in one]
    share = np.mean([interval.low <= 0.1 <= interval.high for interval in apart])
    assert share == pytest.approx(0.95, abs=0.02)


def test_turning_the_sides_turns_the_ratio():
    found, turned = paired_t(ONE, OTHER).relative, paired_t(OTHER, ONE).relative
    assert 1 + turned.low == pytest.approx(1 / (1 + found.high), rel=1e-12)


@pytest.mark.parametrize(
    ("one", "other", "mean"), [([0.0, 0.0], [1.0, 0.0], math.nan), ([1.0, 0.0], [0.0, 0.0], -1.0)]
)
def test_a_mean_of_nothing_has_no_relative_interval(one, other, mean):
    found = paired_t(np.array(one), np.array(other)).relative
    assert found.mean == mean or (math.isnan(mean) and math.isnan(found.mean))
    assert math.isnan(found.low)


# Against scipy and brute force


@settings(max_examples=40, deadline=None)
@given(FEW)
def test_all_sign_flips_are_gone_through(differences):
    flips = np.array(list(product([1, -1], repeat=len(differences))))
    expected = np.mean(np.abs(flips @ differences) >= abs(differences.sum()))
    assert sign_flip(differences, seed=0) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(FEW)
def test_the_sign_test_equals_scipy(differences):
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(differences) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(FEW)
def test_wilcoxon_goes_through_all_flips_of_the_ranks(differences):
    moved = differences[differences != 0]
    ranks = stats.rankdata(np.abs(moved))
    flips = np.array(list(product([0, 1], repeat=len(moved)))).reshape(2 ** len(moved), -1)
    statistics = np.minimum(flips @ ranks, (1 - flips) @ ranks)
    w = min(ranks[moved > 0].sum(), ranks[moved < 0].sum())
    assert wilcoxon(differences) == (w, pytest.approx(np.mean(statistics <= w), rel=1e-12))


def test_random_flips_come_close_to_all_flips():
    differences = np.random.default_rng(0).normal(0.3, size=17)
    signs = 1 - 2 * (np.arange(2**17)[:, np.newaxis] >> np.arange(17) & 1)
    expected = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9)
    found = sign_flip(differences, draws=20_000, seed=1)
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected / 20_000))
    assert sign_flip(differences, draws=20_000, seed=1) == found


def test_random_flips_of_many_equal_users_are_close_to_student():
    rng = np.random.default_rng(2)
    differences = rng.integers(-2, 3, size=3000) / 4 + np.where(rng.random(3000) < 0.06, 0.25, 0)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip(differences, draws=20_000, seed=0) == pytest.approx(expected, abs=0.01)


def test_a_random_p_is_never_zero():
    assert sign_flip(np.ones(100), draws=99, seed=0) == 0.01


# Edges


def test_nobody_differs():
    found = paired_t(ONE, ONE)
    assert (found.t, found.p, found.dz) == (0.0, 1.0, 0.0)
    assert sign_flip(np.zeros(3), seed=0) == sign_test(np.zeros(3)) == 1.0
    assert wilcoxon(np.zeros(3)) == (0.0, 1.0)


def test_everybody_differs_by_the_same():
    found = paired_t(np.zeros(4), np.full(4, 0.5))
    assert (found.t, found.p, found.dz) == (math.inf, 0.0, math.inf)


def test_one_user_has_no_p():
    found = paired_t(np.array([0.5]), np.array([0.75]))
    assert found.difference.mean == 0.25
    assert math.isnan(found.p)
    assert math.isnan(found.t)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="users must be the same"):
        paired_t(ONE, OTHER[:9])
    with pytest.raises(ValueError, match="values must be finite"):
        paired_t(ONE, np.full(10, np.inf))
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        paired_t(ONE, OTHER, confidence=0.0)
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        sign_flip(ONE, draws=0, seed=0)
    for test in (sign_test, wilcoxon):
        with pytest.raises(ValueError, match="1 or more users"):
            test(np.zeros(0))
