"""Gamma–gamma against integrals over its definition, and what it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from recsys.errors import DataError
from recsys.segments.gamma_gamma import (
    FEWEST,
    GammaGamma,
    expected_value,
    fit_gamma_gamma,
    gradient,
    log_likelihood,
)
from recsys.types import Floats

CDNOW = GammaGamma(p=6.25, q=3.74, gamma=15.44)
"""As published for the authors' sample, in dollars."""
SHOPS = [
    CDNOW,
    GammaGamma(p=0.8, q=1.4, gamma=900.0),
    GammaGamma(p=30.0, q=12.0, gamma=2.0),
]
PARAMS = st.builds(
    GammaGamma, p=st.floats(0.05, 40), q=st.floats(1.01, 40), gamma=st.floats(0.1, 1e4)
)
PURCHASES = st.integers(1, 200).map(float)
VALUE = st.floats(0.01, 1e5)
LINE = np.linspace(-60.0, 60.0, 60_001)


def simulate(params: GammaGamma, n: int, seed: int) -> tuple[Floats, Floats]:
    """Draw customers with 1 to 9 purchases, value by value."""
    rng = np.random.default_rng(seed)
    scale = 1 / rng.gamma(params.q, 1 / params.gamma, n)
    x = rng.integers(1, 10, n)
    values = rng.gamma(params.p, scale[:, np.newaxis], (n, 9))
    bought = np.arange(9) < x[:, np.newaxis]
    return x.astype(float), np.where(bought, values, 0.0).sum(axis=1) / x


def as_list(params: GammaGamma) -> list[float]:
    return list(params.model_dump().values())


@pytest.mark.parametrize("params", SHOPS)
@pytest.mark.parametrize("x", [1.0, 2.0, 25.0])
def test_density_and_expectation_are_means_over_the_scales(params: GammaGamma, x: float) -> None:
    rates = np.exp(LINE)
    prior = stats.gamma(params.q, scale=1 / params.gamma).pdf(rates) * rates
    for mean_value in (0.1, 1.0, 3.0) * np.array(params.mean):
        # The mean of x values of shape p and rate ν has shape px and rate νx.
        given_rate = stats.gamma(params.p * x, scale=1 / (rates * x)).pdf(mean_value)
        density = np.sum(prior * given_rate)
        expected = np.sum(prior * given_rate * params.p / rates) / density
        one = np.array([x]), np.array([mean_value])
        found = np.exp(log_likelihood(params, *one))
        np.testing.assert_allclose(found, density * (LINE[1] - LINE[0]), rtol=1e-8)
        np.testing.assert_allclose(expected_value(params, *one), expected, rtol=1e-8)


@given(PARAMS, PURCHASES, VALUE)
def test_the_gradient_is_the_slope_of_the_likelihood(
    params: GammaGamma, x: float, value: float
) -> None:
    one = np.array([x]), np.array([value])
    (found,) = gradient(params, *one)
    for name, slope in zip(("p", "q", "gamma"), found, strict=True):
        at = getattr(params, name)
        up, down = (
            log_likelihood(params.model_copy(update={name: at * times}), *one)[0]
            for times in (1 + 1e-5, 1 - 1e-5)
        )
        assert slope * at == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-4)


# what is to be expected


@given(PARAMS, PURCHASES, VALUE)
def test_expectations_lie_between_the_own_mean_and_that_of_all(
    params: GammaGamma, x: float, value: float
) -> None:
    (few, many) = expected_value(params, np.array([x, 2 * x]), np.array([value, value]))
    low, high = sorted((value, params.mean))
    assert low * (1 - 1e-9) <= few <= high * (1 + 1e-9)
    # The more she bought, the more her own mean counts.
    assert abs(many - value) <= abs(few - value) * (1 + 1e-9) + 1e-9 * high


@pytest.mark.parametrize(
    ("x", "value"), [(0.0, 0.0), (0.0, np.nan), (3.0, np.nan), (3.0, -5.0), (3.0, 0.0), (np.nan, 9)]
)
def test_of_whom_nothing_is_known_the_mean_of_all_is_expected(x: float, value: float) -> None:
    found = expected_value(CDNOW, np.array([x, 2.0]), np.array([value, 100.0]))
    assert found[0] == CDNOW.mean == pytest.approx(6.25 * 15.44 / 2.74)
    assert CDNOW.mean < found[1] < 100.0


def test_expectations_of_nobody() -> None:
    assert expected_value(CDNOW, np.array([]), np.array([])).shape == (0,)


def test_simulated_customers_go_on_to_spend_what_was_expected() -> None:
    rng = np.random.default_rng(3)
    scale = 1 / rng.gamma(CDNOW.q, 1 / CDNOW.gamma, 100_000)
    first = rng.gamma(CDNOW.p, scale[:, np.newaxis], (100_000, 2)).mean(axis=1)
    following = rng.gamma(CDNOW.p, scale)
    off = following - expected_value(CDNOW, np.full(100_000, 2.0), first)
    for group in (first < 20, (first >= 20) & (first < 50), first >= 50):
        error = off[group].std() / np.sqrt(group.sum())
        assert abs(off[group].mean()) < 5 * error


# learning


@pytest.mark.parametrize("number", range(len(SHOPS)))
def test_simulated_parameters_are_found_again(number: int) -> None:
    params = SHOPS[number]
    seen = simulate(params, 4000, number)
    found = fit_gamma_gamma(*seen)
    assert log_likelihood(found, *seen).sum() >= log_likelihood(params, *seen).sum()
    true, learnt = (np.log([each.p, each.q - 1, each.gamma]) for each in (params, found))
    # The information about the logarithms, by the outer product of the customers' slopes.
    slopes = gradient(params, *seen) * np.exp(true)
    distance = (learnt - true) @ (slopes.T @ slopes) @ (learnt - true)
    assert distance < stats.chi2(3).ppf(0.9999)
    at_top = gradient(found, *seen).sum(axis=0) * np.exp(learnt)
    assert np.abs(at_top).max() < 1e-3


@pytest.fixture(scope="module")
def few() -> tuple[Floats, Floats]:
    return simulate(CDNOW, 300, 9)


def test_another_unit_of_money_changes_only_gamma(few: tuple[Floats, Floats]) -> None:
    x, value = few
    dollars, cents = fit_gamma_gamma(x, value), fit_gamma_gamma(x, 100 * value)
    again = cents.model_copy(update={"gamma": cents.gamma / 100})
    assert as_list(again) == pytest.approx(as_list(dollars), rel=1e-4)
    assert cents.mean == pytest.approx(100 * dollars.mean, rel=1e-5)


def test_the_order_of_customers_does_not_count(few: tuple[Floats, Floats]) -> None:
    order = np.random.default_rng(0).permutation(len(few[0]))
    assert fit_gamma_gamma(*few) == fit_gamma_gamma(*(part[order] for part in few))


def test_a_weight_is_how_often_a_customer_counts(few: tuple[Floats, Floats]) -> None:
    counts = np.random.default_rng(1).integers(0, 4, len(few[0]))
    repeated = fit_gamma_gamma(*(np.repeat(part, counts) for part in few))
    assert fit_gamma_gamma(*few, weights=counts.astype(float)) == repeated


def test_who_never_bought_is_left_out(few: tuple[Floats, Floats]) -> None:
    x, value = few
    more = np.append(x, [0.0, 2.0, 2.0, 2.0]), np.append(value, [9.0, 0.0, np.nan, -3.0])
    assert fit_gamma_gamma(*more) == fit_gamma_gamma(x, value)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(PURCHASES, VALUE), min_size=FEWEST, max_size=30))
def test_learning_never_breaks_down(rows: list[tuple[float, float]]) -> None:
    x, value = (np.array(part) for part in zip(*rows, strict=True))
    found = fit_gamma_gamma(x, value)
    assert np.isfinite(log_likelihood(found, x, value)).all()
    expected = expected_value(found, x, value)
    assert (np.minimum(value, found.mean) * (1 - 1e-9) <= expected).all()
    assert (expected <= np.maximum(value, found.mean) * (1 + 1e-9)).all()


def test_customers_all_alike_are_expected_to_stay_so() -> None:
    x, value = np.full(20, 3.0), np.full(20, 40.0)
    found = fit_gamma_gamma(x, value)
    np.testing.assert_allclose(expected_value(found, x, value), 40.0, rtol=1e-3)


@pytest.mark.parametrize(
    ("x", "value", "said"),
    [
        ([], [], "0 customers with a purchase of a value above 0 are too few"),
        ([1.0] * 9, [5.0] * 9, "9 customers .* it needs at least 10"),
        ([1.0] * 20, [0.0] * 20, "0 customers"),
        ([0.0] * 20, [5.0] * 20, "0 customers"),
        ([2.0] * 20, [np.nan] * 20, "0 customers"),
    ],
)
def test_customers_that_teach_nothing_are_refused(
    x: list[float], value: list[float], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        fit_gamma_gamma(np.array(x), np.array(value))


@pytest.mark.parametrize("weight", [-1.0, np.nan])
def test_weights_that_cannot_be_are_refused(weight: float) -> None:
    with pytest.raises(DataError, match="weights of customers must be finite and at least 0"):
        fit_gamma_gamma(np.ones(20), np.ones(20), weights=np.full(20, weight))


@pytest.mark.parametrize("wrong", [{"p": 0.0}, {"q": 1.0}, {"gamma": -1.0}, {"v": 1.0}])
def test_parameters_that_cannot_be_meant(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        GammaGamma(**{"p": 1.0, "q": 2.0, "gamma": 1.0, **wrong})
