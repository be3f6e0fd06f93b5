"""Two groups side by side against published values, scipy and brute force."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from recsys.statistics import (
    Estimate,
    compare_shares,
    cuped,
    estimate,
    estimate_from_sums,
    estimate_ratio,
    estimate_share,
    log_ratio,
    post_stratified,
    regression_slope,
    relative,
    relative_interval,
    stratified,
    welch,
    wilson,
)

VECTORS = json.loads((Path(__file__).parent / "experiments.json").read_text(encoding="utf-8"))
MEANS, SHARES, RATIO, CUPED = (VECTORS[name] for name in ("welch", "shares", "ratio", "cuped"))
VALUES = arrays(np.float64, st.integers(2, 12), elements=st.integers(-50, 50).map(float))
EXACT = {"rel": 0, "abs": 1e-9}


def of_sums(side):
    return estimate_from_sums(side["n"], side["sum"], side["sum_squares"])


def bounds_of(interval):
    return [interval.low, interval.high]


@pytest.fixture
def means():
    return of_sums(MEANS["control"]), of_sums(MEANS["treatment"])


@pytest.fixture
def ratios():
    sides = (RATIO["control"], RATIO["treatment"])
    return tuple(estimate_ratio(np.array(tops), np.array(bottoms)) for tops, bottoms in sides)


class TestMeans:
    def test_welch_is_as_published(self, means):
        found = welch(*means)
        assert [found.mean, found.error, found.p()] == pytest.approx(
            [MEANS["difference"], MEANS["error"], MEANS["p"]], **EXACT
        )
        assert bounds_of(found.interval()) == pytest.approx(MEANS["interval"], **EXACT)

    def test_the_symmetric_relative_difference_is_as_published(self, means):
        found = relative(*means)
        assert [found.mean, found.error, found.p()] == pytest.approx(
            [MEANS["relative"], MEANS["relative_error"], MEANS["relative_p"]], **EXACT
        )
        assert bounds_of(found.interval()) == pytest.approx(MEANS["relative_interval"], **EXACT)

    @given(VALUES, VALUES)
    def test_welch_is_scipys(self, one, other):
        assume(np.ptp(one) > 0 and np.ptp(other) > 0)
        found = welch(estimate(one), estimate(other))
        theirs = stats.ttest_ind(other, one, equal_var=False)
        assert found.p() == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
        assert found.effective_n - 1 == pytest.approx(theirs.df, rel=1e-6)

    @given(VALUES)
    def test_sums_say_what_values_say(self, values):
        found = estimate_from_sums(len(values), float(values.sum()), float(values @ values))
        known = estimate(values)
        assert found.mean == pytest.approx(known.mean, abs=1e-9)
        scale = float(np.abs(values).max())
        assert found.error == pytest.approx(known.error, rel=1e-6, abs=1e-7 * scale)

    def test_one_user_alone_says_nothing_of_the_spread(self):
        alone = estimate_from_sums(1, 3.0, 9.0)
        found = welch(alone, estimate(np.array([1.0, 2.0])))
        assert (alone.mean, math.isnan(alone.error)) == (3.0, True)
        assert math.isnan(found.error)
        assert math.isnan(found.p())

    def test_without_spread_there_is_no_doubt(self):
        same = estimate(np.array([1.0, 1.0]))
        assert welch(same, same).p() == 1
        assert welch(same, estimate(np.array([2.0, 2.0]))).p() == 0

    @pytest.mark.parametrize(("n", "squares"), [(0, 1.0), (3, 1.0)])
    def test_sums_of_no_values_are_refused(self, n, squares):
        with pytest.raises(ValueError, match=r"user|add up"):
            estimate_from_sums(n, 7.0, squares)


class TestRelative:
    def test_the_interval_is_on_the_log_scale(self, ratios):
        found = relative_interval(*ratios)
        assert bounds_of(found) == pytest.approx(RATIO["log_interval"], **EXACT)
        assert found.mean == pytest.approx(ratios[1].mean / ratios[0].mean - 1)

    def test_it_never_passes_below_minus_one(self):
        small = Estimate(0.01, 0.02, 50, 50.0)
        found = relative_interval(Estimate(1.0, 0.1, 50, 50.0), small)
        assert found.low > -1
        assert relative(Estimate(1.0, 0.1, 50, 50.0), small).interval().low < -1

    def test_where_a_mean_is_not_above_zero_there_is_none(self):
        zero, one = Estimate(0.0, 0.1, 9, 9.0), Estimate(1.0, 0.1, 9, 9.0)
        assert math.isnan(relative_interval(zero, one).mean)
        assert relative_interval(one, zero).mean == -1
        assert math.isnan(relative_interval(one, zero).low)
        with pytest.raises(ValueError, match="above 0"):
            log_ratio(zero, one)
        with pytest.raises(ValueError, match="mean is 0"):
            relative(zero, one)


class TestShares:
    def test_they_are_as_published(self):
        found = compare_shares(tuple(SHARES["control"]), tuple(SHARES["treatment"]))
        assert [found.z, found.p] == pytest.approx(
            [SHARES["z_pooled"], SHARES["p_pooled"]], **EXACT
        )
        assert bounds_of(found.difference) == pytest.approx(SHARES["newcombe"], **EXACT)

    def test_as_means_they_are_as_published(self):
        sides = (estimate_share(*SHARES[name]) for name in ("control", "treatment"))
        found = welch(*sides)
        assert found.mean / found.error == pytest.approx(SHARES["z"], **EXACT)
        assert [found.mean, found.p()] == pytest.approx(
            [SHARES["difference"], SHARES["t_p"]], **EXACT
        )
        assert bounds_of(found.interval()) == pytest.approx(SHARES["t_interval"], **EXACT)

    @given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_wilson_is_scipys(self, side):
        theirs = stats.binomtest(*side).proportion_ci(method="wilson")
        assert wilson(estimate_share(*side)) == pytest.approx([theirs.low, theirs.high], abs=1e-12)

    def test_nobody_and_everybody(self):
        assert compare_shares((0, 10), (0, 20))[1:] == (0.0, 1.0)
        found = compare_shares((0, 10), (10, 10)).difference
        assert -1 <= found.low < found.mean == found.high == 1

    @pytest.mark.parametrize("side", [(1, 0), (-1, 5), (6, 5)])
    def test_what_is_no_share_is_refused(self, side):
        with pytest.raises(ValueError, match="no share"):
            estimate_share(*side)

    def test_a_guardrail_is_as_published(self):
        given_ = VECTORS["non_inferiority"]
        sides = (estimate_share(*given_["input"][name]) for name in ("control", "treatment"))
        found = welch(*sides)
        above = Estimate(found.mean - given_["input"]["margin_abs"], found.error, found.n, math.inf)
        assert above.mean / above.error == pytest.approx(given_["z"], **EXACT)
        assert 1 - above.p_below() == pytest.approx(given_["p_one_sided"], **EXACT)


class TestRatios:
    def test_the_delta_method_is_as_published(self, ratios):
        control, treatment = ratios
        found = welch(control, treatment)
        assert [control.mean, treatment.mean, found.mean, found.error, found.p()] == pytest.approx(
            [RATIO[key] for key in ("control_mean", "treatment_mean", "difference", "error", "p")],
            **EXACT,
        )
        assert bounds_of(found.interval()) == pytest.approx(RATIO["interval"], **EXACT)
        other = relative(control, treatment)
        assert other.p() == pytest.approx(RATIO["relative_p"], **EXACT)
        assert bounds_of(other.interval()) == pytest.approx(RATIO["relative_interval"], **EXACT)

    def test_it_is_the_covariance_formula(self):
        rng = np.random.default_rng(5)
        bottoms = rng.poisson(4, 300) + 1.0
        tops = rng.binomial(bottoms.astype(int), 0.3).astype(float)
        found = estimate_ratio(tops, bottoms)
        ratio, covariance = tops.sum() / bottoms.sum(), np.cov(tops, bottoms)
        slope = np.array([1.0, -ratio]) / bottoms.mean()
        assert found.error == pytest.approx(math.sqrt(slope @ covariance @ slope / 300), rel=1e-9)

    def test_without_bottoms_there_is_none(self):
        with pytest.raises(ValueError, match="do not add up to 0"):
            estimate_ratio(np.ones(2), np.zeros(2))
        with pytest.raises(ValueError, match="the same"):
            estimate_ratio(np.ones(2), np.ones(3))


class TestAdjustment:
    def test_cuped_is_as_published(self):
        before, values = (
            tuple(np.array(side) for side in CUPED[name]) for name in ("before", "values")
        )
        found = welch(*(estimate(side) for side in cuped(before, values)))
        assert [found.mean, found.error, found.p()] == pytest.approx(
            [CUPED["difference"], CUPED["error"], CUPED["p"]], **EXACT
        )
        assert bounds_of(found.interval()) == pytest.approx(CUPED["interval"], **EXACT)
        slope = regression_slope(np.concatenate(before), np.concatenate(values))
        assert slope == pytest.approx(CUPED["theta"], **EXACT)
        plain = welch(*(estimate(side) for side in values))
        assert [plain.mean, plain.error] == pytest.approx(list(CUPED["plain"].values()), **EXACT)

    def test_what_says_nothing_changes_nothing(self):
        same, values = np.ones(4), (np.arange(4.0), np.arange(4.0) + 1)
        assert np.array_equal(cuped((same, same), values), values)

    def test_cuped_wants_the_same_users(self):
        with pytest.raises(ValueError, match="the same"):
            cuped((np.ones(3), np.ones(2)), (np.ones(2), np.ones(2)))

    def test_strata_are_as_published(self):
        given_ = VECTORS["post_stratified"]
        strata = [
            Estimate(effect, error, size, float(size))
            for effect, error, size in zip(
                given_["effects"], given_["se"], given_["segment_sizes"], strict=True
            )
        ]
        found = post_stratified(strata, np.array(given_["segment_sizes"], dtype=float))
        assert [found.mean, found.error] == pytest.approx(
            [given_["ate"], given_["se_ate"]], **EXACT
        )

    def test_what_strata_differ_in_is_no_noise(self):
        rng = np.random.default_rng(3)
        levels = (0.0, 10.0, 50.0)
        control = [level + rng.normal(size=200) for level in levels]
        treatment = [level + 0.5 + rng.normal(size=200) for level in levels]
        sides = stratified(control, treatment)
        found = welch(sides.control, sides.treatment)
        plain = welch(estimate(np.concatenate(control)), estimate(np.concatenate(treatment)))
        assert sides.left_out == 0
        assert found.error < plain.error / 10
        assert abs(found.mean - 0.5) < 4 * found.error

    def test_strata_that_cannot_be_compared_are_counted(self):
        one, alone = np.array([1.0, 2.0]), np.array([3.0])
        found = stratified([one, alone], [one + 1, one])
        assert (found.control.mean, found.treatment.mean, found.left_out) == (1.5, 2.5, 3)
        with pytest.raises(ValueError, match="no stratum"):
            stratified([alone], [one])
        with pytest.raises(ValueError, match="sizes"):
            post_stratified([], np.empty(0))
