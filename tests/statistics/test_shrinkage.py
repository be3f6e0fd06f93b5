"""Shrinkage against published values, quadrature and what it promises."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from recsys import statistics
from recsys.statistics import (
    dersimonian_laird,
    heterogeneity,
    normal_p,
    paule_mandel,
    s_values,
    shrink,
    shrink_over_grid,
)

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))[
    "shrinkage"
]
CASES = [(np.array(case["y"]), np.array(case["se"]), case) for case in VECTORS["cases"]]
PLUG_IN = {"DL": dersimonian_laird, "PM": paule_mandel}
GROUPS = st.lists(
    st.tuples(st.floats(-5, 5, width=16), st.floats(0.0625, 4, width=16)), min_size=1, max_size=8
)


def near(value):
    return pytest.approx(value, rel=0, abs=1e-9)


def as_published(found, published):
    assert found.mean.tolist() == near(published["posterior_mean"])
    assert found.sd.tolist() == near(published["posterior_sd"])
    rates = published.get("local_false_sign_rate", published.get("lfsr"))
    assert found.false_sign_rate.tolist() == near(rates)
    assert s_values(found.false_sign_rate).tolist() == near(published["s_value"])


@pytest.mark.parametrize(("y", "se", "case"), CASES)
def test_heterogeneity_is_as_published(y, se, case):
    found = heterogeneity(y, se)
    assert [found.q, found.p, found.i2, found.mean] == near(
        [case["Q"], case["Q_pvalue"], case["I2"], case["fixed_effect"]]
    )


@pytest.mark.parametrize("name", PLUG_IN)
@pytest.mark.parametrize(("y", "se", "case"), CASES)
def test_plug_in_shrinkage_is_as_published(y, se, case, name):
    published = case[name]
    tau2 = PLUG_IN[name](y, se)
    found = shrink(y, se, tau2)
    assert tau2 == near(published["tau2"])
    assert tau2 == near(case.get(f"statsmodels_tau2_{name.lower()}", published["tau2"]))
    assert [found.common, found.common_error] == near([published["mu"], published["mu_se"]])
    assert found.pull.tolist() == near(published["shrink_weight_to_mean"])
    as_published(found, published)


def test_paule_mandel_meets_its_equation():
    y, se, _ = CASES[1]
    q = heterogeneity(y, np.sqrt(se**2 + paule_mandel(y, se))).q
    assert q == near(VECTORS["pm_check"])
    assert q == near(len(y) - 1)


def test_unshrunken_p_values_are_as_published():
    y, se, case = CASES[0]
    published = case["DL"] if "p_unshrunk" in case["DL"] else case
    assert normal_p(y, se).tolist() == near(published["p_unshrunk"])
    adjusted = statistics.benjamini_hochberg(normal_p(y, se))
    assert (adjusted <= 0.1).tolist() == published["bh_q10_reject"]


def test_the_grid_is_as_published():
    grid = VECTORS["grid"]
    start, stop, points = grid["taus"]
    found = shrink_over_grid(
        np.array(grid["y"]), np.array(grid["se"]), np.linspace(start, stop, points)
    )
    as_published(found, grid)
    assert found.below.tolist() == near(grid["prob_negative"])
    assert found.tau == near(grid["tau_posterior_mean"])


# Against other ways to work it out


@settings(max_examples=25, deadline=None)
@given(GROUPS)
def test_one_known_tau_is_one_normal_system(groups):
    # With tau known the groups and their mean are jointly normal: solve that system outright.
    y, se = np.array(groups).T
    tau2, n = 0.7, len(y)
    precision = np.diag(np.append(1 / se**2 + 1 / tau2, n / tau2))
    precision[:n, n] = precision[n, :n] = -1 / tau2
    covariance = np.linalg.inv(precision)
    mean = covariance @ np.append(y / se**2, 0)
    found = shrink(y, se, tau2)
    np.testing.assert_allclose(found.mean, mean[:n], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found.sd, np.sqrt(np.diag(covariance)[:n]), rtol=1e-6)
    assert found.common == pytest.approx(mean[n], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_bounds_hold_the_promised_posterior(confidence):
    y, se, _ = CASES[1]
    taus = np.linspace(0, 0.2, 21)
    found = shrink_over_grid(y, se, taus, confidence=confidence)
    logs = []
    for tau in taus:
        variances = se**2 + tau**2
        centre = np.average(y, weights=1 / variances)
        logs.append(
            stats.norm.logpdf(y, centre, np.sqrt(variances)).sum()
            - 0.5 * np.log((1 / variances).sum())
        )
    chances = np.exp(logs - np.max(logs)) / np.exp(logs - np.max(logs)).sum()
    parts = [shrink(y, se, tau**2) for tau in taus]
    for bound, share in ((found.low, (1 - confidence) / 2), (found.high, (1 + confidence) / 2)):
        held = sum(
            chance * stats.norm.cdf(bound, part.mean, part.sd)
            for chance, part in zip(chances, parts, strict=True)
        )
        np.testing.assert_allclose(held, share, atol=1e-9)


# What must always hold


@settings(max_examples=40, deadline=None)
@example([(0.0, 0.25), (-3.0, 0.25)])
@given(GROUPS)
def test_a_shrunken_effect_lies_between_its_own_and_the_rest(groups):
    y, se = np.array(groups).T
    found = shrink_over_grid(y, se)
    assert (found.mean >= y.min() - 1e-9).all()
    assert (found.mean <= y.max() + 1e-9).all()
    assert (found.low <= found.mean + 1e-9).all()
    assert (found.mean <= found.high + 1e-9).all()
    assert ((found.false_sign_rate >= 0) & (found.false_sign_rate <= 0.5)).all()
    rates = s_values(found.false_sign_rate)
    assert (rates <= found.false_sign_rate + 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(GROUPS, st.floats(0.125, 8, width=16))
def test_the_unit_changes_nothing(groups, unit):
    y, se = np.array(groups).T
    for variance in PLUG_IN.values():
        assert variance(unit * y, unit * se) == pytest.approx(
            unit**2 * variance(y, se), rel=1e-6, abs=1e-9
        )
    one, other = shrink_over_grid(y, se), shrink_over_grid(unit * y, unit * se)
    np.testing.assert_allclose(other.mean, unit * one.mean, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other.below, one.below, rtol=1e-7, atol=1e-9)


def test_equal_effects_are_pulled_together_wholly():
    found = shrink_over_grid(np.full(4, 0.2), np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(found.mean, 0.2)
    np.testing.assert_allclose(found.pull, 1.0)
    assert found.tau == 0.0


def test_one_group_keeps_its_effect():
    y, se = np.array([0.3]), np.array([0.1])
    found = heterogeneity(y, se)
    assert (found.q, found.p, found.i2) == (0.0, 1.0, 0.0)
    assert dersimonian_laird(y, se) == paule_mandel(y, se) == 0.0
    grid = shrink_over_grid(y, se)
    assert [grid.mean[0], grid.sd[0]] == pytest.approx([0.3, 0.1])


def test_stated_rates_of_wrong_signs_are_right_where_the_priors_are():
    rng = np.random.default_rng(0)
    taus = np.linspace(0, 1, 21)
    stated, wrong = [], []
    for _ in range(1000):
        true = rng.normal(rng.uniform(-2, 2), rng.choice(taus), size=6)
        se = rng.uniform(0.2, 1, size=6)
        found = shrink_over_grid(rng.normal(true, se), se, taus)
        stated += found.false_sign_rate.tolist()
        wrong += ((found.below > 0.5) != (true < 0)).tolist()
    stated, wrong = np.array(stated), np.array(wrong)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.5)):
        inside = (stated >= low) & (stated < high)
        assert wrong[inside].mean() == pytest.approx(stated[inside].mean(), abs=0.03)


@pytest.mark.parametrize(
    ("effects", "errors", "said"),
    [
        ([], [], "1 or more groups"),
        ([0.1], [0.1, 0.2], "one effect and one error"),
        ([0.1], [0.0], "errors finite and above 0"),
        ([np.nan], [0.1], "effects must be finite"),
    ],
)
def test_groups_that_are_none_are_refused(effects, errors, said):
    for call in (heterogeneity, dersimonian_laird, paule_mandel, shrink_over_grid, normal_p):
        with pytest.raises(ValueError, match=said):
            call(np.array(effects), np.array(errors))


def test_a_negative_tau_is_refused():
    with pytest.raises(ValueError, match="tau must be at least 0"):
        shrink_over_grid(np.zeros(2), np.ones(2), np.array([-0.1, 0.1]))
