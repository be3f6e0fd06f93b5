"""BG/NBD against integrals over its definition, a simulation of it and a published example."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats
from scipy.special import betaln, expit, log_expit

from recsys.errors import DataError
from recsys.segments.bgnbd import (
    FEWEST,
    MOST_SHAPE,
    BgNbd,
    expected_purchases,
    fit_bgnbd,
    gradient,
    log_likelihood,
    p_alive,
)
from recsys.types import Floats

CDNOW = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""As published for the authors' sample; their times are in weeks."""
SHOPS = [
    CDNOW,
    BgNbd(r=1.3, alpha=20.0, a=1.0, b=1.0),
    BgNbd(r=2.0, alpha=60.0, a=3.0, b=1.5),
    BgNbd(r=0.6, alpha=5.0, a=0.7, b=9.0),
]
SHAPE = st.floats(0.05, 20)
PARAMS = st.builds(BgNbd, r=SHAPE, alpha=st.floats(0.1, 500), a=SHAPE, b=SHAPE)


def customer(x: int, last: float, age: float) -> tuple[Floats, Floats, Floats]:
    return np.array([float(x)]), np.array([last * age if x else 0.0]), np.array([age])


CUSTOMER = st.builds(customer, st.integers(0, 60), st.floats(0.01, 1), st.floats(1, 1000))


class Shop(NamedTuple):
    """Simulated customers, what they were and what they did later."""

    x: Floats
    t_x: Floats
    age: Floats
    alive: Floats
    later: Floats


def simulate(params: BgNbd, ages: Floats, horizon: float, seed: int) -> Shop:
    """Let customers buy, leave and buy on, purchase by purchase."""
    rng = np.random.default_rng(seed)
    n = len(ages)
    rate, leaves = rng.gamma(params.r, 1 / params.alpha, n), rng.beta(params.a, params.b, n)
    x, t_x, later, time, gone = (np.zeros(n) for _ in range(5))
    alive = np.ones(n)
    going = np.arange(n)
    while len(going):
        time[going] += rng.exponential(1 / rate[going])
        going = going[time[going] <= ages[going] + horizon]
        before = going[time[going] <= ages[going]]
        x[before] += 1
        t_x[before] = time[before]
        later[np.setdiff1d(going, before, assume_unique=True)] += 1
        left = rng.random(len(going)) < leaves[going]
        gone[going[left]] = 1
        alive[np.intersect1d(going[left], before, assume_unique=True)] = 0
        going = going[~left]
    return Shop(x, t_x, ages, alive, later)


@pytest.fixture(scope="module", params=range(len(SHOPS)))
def shop(request: pytest.FixtureRequest) -> tuple[BgNbd, Shop]:
    params = SHOPS[request.param]
    ages = np.random.default_rng(request.param).uniform(20, 120, 40_000)
    return params, simulate(params, ages, 60.0, request.param)


LINE = np.linspace(-200.0, 200.0, 80_001)
"""Where a smooth function dies away on either side, the plain sum over a line is its integral."""


def over_rates(params: BgNbd, f: Callable[[Floats], Floats]) -> float:
    """Mean of a function of ``λ``, over its logarithm."""
    rates = np.exp(np.minimum(LINE, 20.0))
    density = stats.gamma(params.r, scale=1 / params.alpha).pdf(rates) * rates
    return float(np.sum(density * f(rates))) * (LINE[1] - LINE[0])


def over_leaving(a: float, b: float, f: Callable[[Floats], Floats]) -> float:
    """Mean of a function of ``p``, over its log-odds."""
    density = np.exp(a * log_expit(LINE) + b * log_expit(-LINE) - betaln(a, b))
    return float(np.sum(density * f(expit(LINE)))) * (LINE[1] - LINE[0])


# the likelihood


@pytest.mark.parametrize("params", SHOPS)
@pytest.mark.parametrize(
    ("x", "t_x", "age"), [(0, 0.0, 30.0), (1, 1.0, 38.0), (2, 30.43, 38.86), (7, 9.0, 39.0)]
)
def test_the_likelihood_is_the_mean_over_rates_and_chances_of_leaving(
    params: BgNbd, x: int, t_x: float, age: float
) -> None:
    stayed = over_leaving(params.a, params.b, lambda p: (1 - p) ** x)
    stayed *= over_rates(params, lambda rate: rate**x * np.exp(-rate * age))
    left = 0.0
    if x:
        left = over_leaving(params.a, params.b, lambda p: p * (1 - p) ** (x - 1))
        left *= over_rates(params, lambda rate: rate**x * np.exp(-rate * t_x))
    history = np.array([float(x)]), np.array([t_x]), np.array([age])
    found = log_likelihood(params, *history)
    np.testing.assert_allclose(np.exp(found), stayed + left, rtol=1e-8)
    np.testing.assert_allclose(p_alive(params, *history), stayed / (stayed + left), rtol=1e-8)


@given(PARAMS, CUSTOMER)
def test_the_gradient_is_the_slope_of_the_likelihood(
    params: BgNbd, history: tuple[Floats, Floats, Floats]
) -> None:
    (found,) = gradient(params, *history)
    for name, slope in zip(("r", "alpha", "a", "b"), found, strict=True):
        value = getattr(params, name)
        step = 1e-5 * value
        up, down = (
            log_likelihood(params.model_copy(update={name: value + shift}), *history)[0]
            for shift in (step, -step)
        )
        assert slope * value == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=2e-5)


# what is to be expected


def test_the_published_example() -> None:
    # The first customer of the authors' sample: 1.226 purchases in the following 39 weeks.
    found = expected_purchases(CDNOW, np.array([2.0]), np.array([30.43]), np.array([38.86]), 39.0)
    assert found[0] == pytest.approx(1.226, abs=5e-4)


@pytest.mark.parametrize("x", [0, 1, 3, 40, 1000])
@pytest.mark.parametrize("params", [*SHOPS, BgNbd(r=30.0, alpha=9.0, a=45.0, b=20.0)])
def test_purchases_to_come_are_the_mean_over_who_is_still_there(params: BgNbd, x: int) -> None:
    history = customer(x, 1.0, 200.0)
    for horizon in (0.5, 30.0, 2000.0):

        def given_leaving(p: Floats, horizon: float = horizon) -> Floats:
            # The mean of (1 - e^(-λpt)) / p over λ.
            fewer = (params.r + x) * np.log1p(p * horizon / (params.alpha + 200.0))
            return -np.expm1(-fewer) / p

        expected = over_leaving(params.a, params.b + x, given_leaving)
        found = expected_purchases(params, *history, horizon) / p_alive(params, *history)
        assert found[0] == pytest.approx(expected, rel=2e-5)


@given(PARAMS, CUSTOMER, st.floats(0.1, 2000))
def test_what_always_holds_of_the_future(
    params: BgNbd, history: tuple[Floats, Floats, Floats], horizon: float
) -> None:
    x, _, age = history
    (alive,) = p_alive(params, *history)
    (soon,) = expected_purchases(params, *history, horizon)
    (late,) = expected_purchases(params, *history, 2 * horizon)
    assert 0 <= alive <= 1
    assert alive == 1 or x[0] > 0
    # Nobody buys faster on average than one who never leaves.
    most = alive * (params.r + x[0]) / (params.alpha + age[0]) * horizon
    assert 0 <= soon <= most * (1 + 1e-6) + 1e-9
    assert soon <= late * (1 + 1e-6) + 1e-9
    assert late <= 2 * soon * (1 + 1e-6) + 1e-9


@given(st.floats(0.3, 3), st.floats(0.3, 3), CUSTOMER)
def test_where_the_closed_form_divides_by_zero_nothing_happens(
    r: float, b: float, history: tuple[Floats, Floats, Floats]
) -> None:
    beside, at = (BgNbd(r=r, alpha=10, a=a, b=b) for a in (1 - 1e-4, 1.0))
    np.testing.assert_allclose(
        expected_purchases(at, *history, 90.0),
        expected_purchases(beside, *history, 90.0),
        rtol=1e-2,
    )


def test_silence_makes_leaving_likelier_and_more_so_for_frequent_customers() -> None:
    age = np.full(4, 270.0)
    often = p_alive(CDNOW, np.full(4, 9.0), np.array([270.0, 180.0, 90.0, 20.0]), age)
    assert (np.diff(often) < 0).all()
    seldom = p_alive(CDNOW, np.full(4, 1.0), np.array([270.0, 180.0, 90.0, 20.0]), age)
    assert (often[1:] < seldom[1:]).all()


def test_simulated_customers_stay_and_buy_as_often_as_said(shop: tuple[BgNbd, Shop]) -> None:
    params, seen = shop
    history = seen.x, seen.t_x, seen.age
    alive, later = p_alive(params, *history), expected_purchases(params, *history, 60.0)
    recent = seen.t_x > seen.age / 2
    for group in (seen.x == 0, seen.x == 1, seen.x >= 2, (seen.x > 0) & recent, ~recent):
        n = group.sum()
        assert n > 500
        # Five standard errors, and a little where nobody can have left.
        error = np.sqrt(np.sum((alive * (1 - alive))[group])) / n
        assert abs((seen.alive - alive)[group].mean()) <= 5 * error + 1e-12
        error = (seen.later - later)[group].std() / np.sqrt(n)
        assert abs((seen.later - later)[group].mean()) <= 5 * error


# learning


def test_simulated_parameters_are_found_again(shop: tuple[BgNbd, Shop]) -> None:
    params, seen = shop
    history = seen.x[:5000], seen.t_x[:5000], seen.age[:5000]
    found = fit_bgnbd(*history)
    assert log_likelihood(found, *history).sum() >= log_likelihood(params, *history).sum()
    true, learnt = (np.log([each.r, each.alpha, each.a, each.b]) for each in (params, found))
    # The information about the logarithms, by the outer product of the customers' slopes.
    slopes = gradient(params, *history) * np.exp(true)
    distance = (learnt - true) @ (slopes.T @ slopes) @ (learnt - true)
    assert distance < stats.chi2(4).ppf(0.9999)
    at_top = gradient(found, *history).sum(axis=0) * np.exp(learnt)
    assert np.abs(at_top).max() < 1e-3


@pytest.fixture(scope="module")
def few() -> tuple[Floats, Floats, Floats]:
    """Three hundred customers in whole days."""
    ages = np.rint(np.random.default_rng(7).uniform(20, 200, 300))
    seen = simulate(BgNbd(r=0.8, alpha=30.0, a=0.8, b=2.5), ages, 0.0, 7)
    return seen.x, np.where(seen.x > 0, np.maximum(np.rint(seen.t_x), 1), 0), ages


def as_list(params: BgNbd) -> list[float]:
    return list(params.model_dump().values())


def test_another_unit_of_time_changes_only_alpha(few: tuple[Floats, Floats, Floats]) -> None:
    x, t_x, age = few
    days, weeks = fit_bgnbd(x, t_x, age), fit_bgnbd(x, t_x / 7, age / 7)
    again = weeks.model_copy(update={"alpha": 7 * weeks.alpha})
    assert as_list(again) == pytest.approx(as_list(days), rel=1e-4)
    np.testing.assert_allclose(
        p_alive(days, *few), p_alive(again, x, t_x, age), rtol=1e-4, atol=1e-6
    )


def test_the_order_of_customers_does_not_count(few: tuple[Floats, Floats, Floats]) -> None:
    order = np.random.default_rng(0).permutation(len(few[0]))
    assert fit_bgnbd(*few) == fit_bgnbd(*(part[order] for part in few))


def test_a_weight_is_how_often_a_customer_counts(few: tuple[Floats, Floats, Floats]) -> None:
    counts = np.random.default_rng(1).integers(0, 4, len(few[0]))
    repeated = fit_bgnbd(*(np.repeat(part, counts) for part in few))
    assert fit_bgnbd(*few, weights=counts.astype(float)) == repeated
    tripled = fit_bgnbd(*few, weights=np.full(len(few[0]), 3.0))
    assert as_list(tripled) == pytest.approx(as_list(fit_bgnbd(*few)), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 400), st.integers(0, 400)),
        min_size=FEWEST,
        max_size=30,
    )
)
def test_learning_never_breaks_down(rows: list[tuple[int, int, int]]) -> None:
    x, t_x, silence = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    x[0] = 1.0
    t_x[x == 0] = 0.0
    found = fit_bgnbd(x, t_x, t_x + silence)
    assert max(found.r, found.a, found.b) <= MOST_SHAPE
    assert np.isfinite(log_likelihood(found, x, t_x, t_x + silence)).all()
    assert np.isfinite(expected_purchases(found, x, t_x, t_x + silence, 365.0)).all()


@pytest.mark.parametrize("last", [1.0, 90.0])
def test_customers_all_alike_are_learnt_too(last: float) -> None:
    x, t_x, age = np.full(20, 5.0), np.full(20, last), np.full(20, 90.0)
    found = fit_bgnbd(x, t_x, age)
    (alive, *_) = p_alive(found, x, t_x, age)
    # Five purchases up to today, or five on one day long ago: there is no doubt.
    assert alive > 0.99 if last == 90 else alive < 0.01


@pytest.mark.parametrize(
    ("x", "t_x", "age", "said"),
    [
        ([1.0] * 9, [2.0] * 9, [3.0] * 9, "9 customers are too few for BG/NBD; it needs at least"),
        ([], [], [], "0 customers are too few"),
        ([0.0] * 10, [0.0] * 10, [9.0] * 10, "no customer came back .* take a longer history"),
        ([0.0, 1.0], [0.0, 5.0], [9.0, 4.0], r"customer 1 has x = 1.0, t_x = 5.0, T = 4.0; 0 < t_"),
        ([1.0], [0.0], [4.0], "customer 0 has x = 1.0, t_x = 0.0"),
        ([0.0], [1.0], [4.0], "customer 0 has x = 0.0, t_x = 1.0"),
        ([np.nan], [1.0], [4.0], "customer 0 has x = nan"),
        ([0.0], [0.0], [np.inf], "customer 0 .* T = inf"),
        ([-1.0], [0.0], [4.0], "customer 0 has x = -1.0"),
    ],
)
def test_customers_that_teach_nothing_are_refused(
    x: list[float], t_x: list[float], age: list[float], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        fit_bgnbd(np.array(x), np.array(t_x), np.array(age))


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_that_cannot_be_are_refused(
    weight: float, few: tuple[Floats, Floats, Floats]
) -> None:
    weights = np.ones(len(few[0]))
    weights[3] = weight
    with pytest.raises(DataError, match="weights of customers must be finite and at least 0"):
        fit_bgnbd(*few, weights=weights)


def test_customers_without_weight_are_no_customers(few: tuple[Floats, Floats, Floats]) -> None:
    weights = np.zeros(len(few[0]))
    weights[:9] = 1.0
    with pytest.raises(DataError, match="9 customers are too few"):
        fit_bgnbd(*few, weights=weights)


@pytest.mark.parametrize("wrong", [{"r": 0.0}, {"a": -1.0}, {"b": 51.0}, {"c": 1.0}])
def test_parameters_that_cannot_be_meant(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        BgNbd(**{"r": 1.0, "alpha": 1.0, "a": 1.0, "b": 1.0, **wrong})
