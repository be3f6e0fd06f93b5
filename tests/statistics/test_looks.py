"""Many looks, sample ratios and sample sizes, against published values and simulation."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from recsys.statistics import (
    ConfidenceSequence,
    Estimate,
    bounds,
    crossing,
    detectable,
    drift_for,
    lists_for_preference,
    sample_ratio,
    sample_ratio_at_any_time,
    users_for_means,
    users_for_shares,
)
from recsys.statistics.group_sequential import spent

VECTORS = json.loads((Path(__file__).parent / "experiments.json").read_text(encoding="utf-8"))
EXACT = {"rel": 0, "abs": 1e-9}
LOOKS = VECTORS["looks"]
OFFERED = [case for case in LOOKS if "two-sided total" not in case["spending"]]


def even(n):
    return [(look + 1) / n for look in range(n)]


class TestSequences:
    @pytest.mark.parametrize("case", VECTORS["rho"])
    def test_the_tuning_is_as_published(self, case):
        found = ConfidenceSequence.tuned(case["tuning_n"], alpha=case["alpha"])
        assert found.rho == pytest.approx(case["rho"], **EXACT)

    @pytest.mark.parametrize("case", VECTORS["sequences"])
    def test_intervals_and_p_are_as_published(self, case):
        sequence = ConfidenceSequence.tuned(case["tuning"], alpha=case["alpha"])
        found = Estimate(case["estimate"], case["se"], case["n"], float(case["n"]))
        interval = sequence.interval(found)
        assert [interval.low, interval.high] == pytest.approx(case["ci"], **EXACT)
        assert sequence.p(found) == pytest.approx(case["p"], **EXACT)

    def test_the_mixture_test_is_the_same(self):
        smallest = 1.0
        for case in VECTORS["mixture"]:
            n, spread = case["n_per_arm"], case["V"]
            rho = math.sqrt(case["tau2"] / spread * n / (2 * n))
            found = Estimate(case["delta"], math.sqrt(spread / n), 2 * n, 2.0 * n)
            smallest = min(smallest, ConfidenceSequence(0.05, rho).p(found))
            assert smallest == pytest.approx(case["p_running_min"], **EXACT)

    @given(st.floats(0.01, 0.2), st.integers(100, 10**6), st.floats(0.1, 5.0))
    def test_p_and_interval_agree(self, alpha, n, z):
        sequence = ConfidenceSequence.tuned(5000, alpha=alpha)
        found = Estimate(z * 0.1, 0.1, n, float(n))
        interval, p = sequence.interval(found), sequence.p(found)
        if abs(p - alpha) > 1e-9:
            assert (interval.low > 0) == (p < alpha)

    def test_an_aa_test_seldom_leaves(self):
        rng = np.random.default_rng(11)
        sequence, users = ConfidenceSequence.tuned(4000), np.arange(200, 4001, 200)
        left = 0
        for _ in range(400):
            sums = rng.normal(size=(2, 4000)).cumsum(axis=1)[:, users // 2 - 1] / (users / 2)
            looks = [
                Estimate(float(mean), 2 / math.sqrt(n), int(n), float(n))
                for n, mean in zip(users, sums[1] - sums[0], strict=True)
            ]
            left += any(sequence.p(look) <= 0.05 for look in looks)
        assert left <= stats.binom.ppf(0.995, 400, 0.05)

    def test_without_spread_there_is_no_doubt(self):
        sequence = ConfidenceSequence.tuned(100)
        assert sequence.p(Estimate(0.0, 0.0, 10, 10.0)) == 1
        assert sequence.p(Estimate(1.0, 0.0, 10, 10.0)) == 0
        assert sequence.p(Estimate(1.0, math.nan, 1, 1.0)) == 1

    def test_it_is_tuned_to_somebody(self):
        with pytest.raises(ValueError, match="at least one user"):
            ConfidenceSequence.tuned(0)


class TestGroupSequential:
    @pytest.mark.parametrize("case", OFFERED, ids=lambda case: case["spending"][:40])
    def test_bounds_are_as_published(self, case):
        words = case["spending"]
        name = "power" if words.startswith("power") else "obrien_fleming"
        name = "pocock" if "Pocock" in words else name
        power = float(words.split("t^")[1].split()[0]) if name == "power" else 1.0
        found = bounds(case["t"], name, alpha=case["alpha"], power=power)
        assert found == pytest.approx(case["z"], abs=2e-4)

    def test_the_looser_convention_is_another(self):
        case = LOOKS[1]
        z = case["z"]
        assert crossing(case["t"], z) == pytest.approx(case["cumulative_alpha"], abs=1e-6)
        assert crossing(LOOKS[0]["t"], LOOKS[0]["z"]) == pytest.approx(
            LOOKS[0]["cumulative_alpha"], abs=1e-6
        )

    @pytest.mark.parametrize("looks", [2, 5])
    @pytest.mark.parametrize(("name", "falling"), [("pocock", 0.0), ("obf", 0.5)])
    def test_classical_constants(self, looks, name, falling):
        def errs(constant):
            t = even(looks)
            return crossing(t, [constant / time**falling for time in t])[-1] - 0.05

        found = optimize.brentq(errs, 1.5, 3.0)
        assert found == pytest.approx(VECTORS["constants"][f"{name}_K{looks}"], abs=1e-6)

    def test_what_peeking_costs(self):
        peeking = VECTORS["peeking"]
        z = stats.norm.ppf(0.975)
        found = [crossing(even(looks), [z] * looks)[-1] for looks in peeking["looks"]]
        assert found == pytest.approx(peeking["errs"], abs=2e-6)

    @pytest.mark.parametrize("spending", ["obrien_fleming", "pocock", "power"])
    def test_the_looks_spend_what_they_may(self, spending):
        t = [0.15, 0.4, 0.8, 1.0]
        total = crossing(t, bounds(t, spending, alpha=0.03))
        assert total == pytest.approx([spent(spending, time, alpha=0.03) for time in t], abs=1e-9)

    def test_power_by_simulation(self):
        t = even(4)
        z = bounds(t, "obrien_fleming")
        drift = drift_for(t, z, 0.8)
        assert crossing(t, z, drift=drift)[-1] == pytest.approx(0.8, abs=1e-9)
        rng = np.random.default_rng(2)
        steps = rng.normal(drift / 4, 0.5, size=(40_000, 4)).cumsum(axis=1)
        crossed = (np.abs(steps) >= np.array(z) * np.sqrt(t)).any(axis=1).mean()
        assert crossed == pytest.approx(0.8, abs=0.01)
        alone = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
        assert 1.0 < (drift / alone) ** 2 < 1.05

    def test_one_look_is_the_plain_test(self):
        assert bounds([1.0], "pocock") == pytest.approx([stats.norm.ppf(0.975)], abs=1e-9)

    @pytest.mark.parametrize("t", [[], [0.5, 0.5], [0.0, 1.0], [0.5, 1.2]])
    def test_times_that_are_none(self, t):
        with pytest.raises(ValueError, match="ascending shares"):
            bounds(t, "pocock")

    def test_a_power_below_the_error_rate_is_refused(self):
        with pytest.raises(ValueError, match="between"):
            drift_for([1.0], [1.96], 0.01)


class TestSampleRatio:
    @pytest.mark.parametrize("case", VECTORS["sample_ratio"])
    def test_one_look_is_as_published(self, case):
        shares = np.array(case["expected_ratio"])
        found = sample_ratio(np.array(case["observed"]), shares / shares.sum())
        assert found == pytest.approx(case["p"], **EXACT)

    @pytest.mark.parametrize("case", VECTORS["sample_ratio_at_any_time"])
    def test_any_time_is_as_published(self, case):
        (prior,) = set(case["alpha0"])
        found = sample_ratio_at_any_time(
            np.array(case["counts"]), np.array(case["theta0"]), prior=prior
        )
        assert found == pytest.approx(case["p_anytime"], **EXACT)

    def test_nobody_is_no_mismatch(self):
        half = np.array([0.5, 0.5])
        assert sample_ratio(np.zeros(2, dtype=int), half) == 1
        assert sample_ratio_at_any_time(np.zeros(2, dtype=int), half) == 1

    @pytest.mark.parametrize(
        ("counts", "shares"),
        [([1], [0.5, 0.5]), ([1, 2], [0.5, 0.6]), ([1, -1], [0.5, 0.5]), ([1, 2], [0.0, 1.0])],
    )
    def test_what_does_not_fit_is_refused(self, counts, shares):
        with pytest.raises(ValueError, match=r"count|shares"):
            sample_ratio(np.array(counts), np.array(shares))


class TestSizes:
    @pytest.mark.parametrize("case", VECTORS["users_for_shares"])
    def test_shares(self, case):
        difference = case["mde"] * (case["p_control"] if case["relative"] else 1)
        found = users_for_shares(
            case["p_control"],
            difference,
            alpha=case["alpha"],
            power=case["power"],
            sides=2 if case["alternative"] == "two" else 1,
        )
        assert found == pytest.approx(case["n_per_arm_unpooled"], rel=1e-9)

    @pytest.mark.parametrize("case", VECTORS["users_for_means"])
    def test_means(self, case):
        given_ = {key: case[key] for key in ("alpha", "power")}
        ratio = case["ratio_n2_over_n1"]
        found = users_for_means(case["sd"], case["mde_abs"], ratio=ratio, **given_)
        assert found == pytest.approx(case["n1_normal"], rel=1e-9)
        assert detectable(found, case["sd"], ratio=ratio, **given_) == pytest.approx(
            case["mde_abs"]
        )

    @pytest.mark.parametrize("case", VECTORS["detectable"])
    def test_what_can_be_seen(self, case):
        found = detectable(case["n_per_arm"], case["sd"], alpha=case["alpha"], power=case["power"])
        assert found == pytest.approx(case["mde"], **EXACT)

    @pytest.mark.parametrize("case", VECTORS["lists_for_preference"])
    def test_interleaving(self, case):
        found = lists_for_preference(case["p_win"], alpha=case["alpha"], power=case["power"])
        assert found == pytest.approx(case["n"], rel=1e-9)

    def test_several_measures_and_a_difference_between_segments(self):
        case = VECTORS["of_several"]
        found = users_for_means(1.0, case["mde"], alpha=case["alpha"] / case["m"])
        assert found == pytest.approx(case["n"], rel=1e-9)
        case = VECTORS["between_segments"]
        main = users_for_means(1.0, 0.1)
        assert main == pytest.approx(case["main_n_total_per_arm"], rel=1e-9)
        # Each segment is half of the users, and the difference of two effects has twice the spread.
        between = 2 * users_for_means(math.sqrt(2), 0.1)
        assert between == pytest.approx(case["interaction_n_total_per_arm"], rel=1e-9)

    def test_power_by_simulation(self):
        n = math.ceil(users_for_means(1.0, 0.2, power=0.9))
        rng = np.random.default_rng(8)
        control, treatment = rng.normal(size=(2, 2000, n))
        p = stats.ttest_ind(control, treatment + 0.2, axis=1).pvalue
        assert (p < 0.05).mean() == pytest.approx(0.9, abs=0.025)

    def test_what_cannot_be_planned_is_refused(self):
        with pytest.raises(ValueError, match="not 0"):
            users_for_means(1.0, 0.0)
        with pytest.raises(ValueError, match="between 0 and 1"):
            users_for_shares(0.9, 0.2)
        with pytest.raises(ValueError, match="one half"):
            lists_for_preference(0.5)
