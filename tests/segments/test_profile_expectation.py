import math

import numpy as np
import pandas as pd
import pytest

from recsys.random import generator
from recsys.segments.bgnbd import BgNbd, expected_purchases, fit_bgnbd, p_alive
from recsys.segments.gamma_gamma import GammaGamma, expected_value, fit_gamma_gamma
from recsys.segments.profiles import expectation, learn_norms
from recsys.segments.profiles.expectation import EXPECTED_ORDERS, EXPECTED_VALUE, P_ALIVE

from .profiled import EVER, Shop, bought, profile

NAMES = (P_ALIVE, EXPECTED_ORDERS, EXPECTED_VALUE)
BUYING = BgNbd(r=0.8, alpha=20.0, a=0.6, b=2.5)
SPENDING = GammaGamma(p=6.0, q=4.0, gamma=900.0)
NORMS = {"expectation": {**BUYING.model_dump(), **SPENDING.model_dump()}}


@pytest.fixture(scope="module")
def crowd():
    """Forty customers who buy on random days for random sums, one in three of them only once."""
    draw = generator(7, "crowd")
    rows = []
    for number in range(40):
        times = 1 if number % 3 == 0 else int(draw.integers(2, 9))
        rows += [
            bought(f"u{number:02}", "rye", day + 0.5, amount=int(draw.integers(50, 3000)))
            for day in draw.integers(0, 150, times).tolist()
        ]
    return rows


def histories(rows):
    """``x, t_x, T``, the days with money and the money, of each user, by a slow loop."""
    found = {}
    for user in sorted({row["user_id"] for row in rows}):
        lines = [row for row in rows if row["user_id"] == user]
        days = sorted({math.ceil(line["days"]) for line in lines})
        paid = [line for line in lines if (line.get("amount") or 0) > 0]
        paid_days = {math.ceil(line["days"]) for line in paid}
        money = sum(line["amount"] for line in paid)
        found[user] = (len(days) - 1, days[-1] - days[0], days[-1], len(paid_days), money)
    return np.array(list(found.values()), dtype=np.float64).T


def test_the_models_are_asked_about_days_from_the_first_to_the_last_to_now():
    rows = [bought("a", "rye", day, amount=500) for day in (100.2, 60, 60, 10)]
    rows += [bought("b", "rye", 30, amount=-5), bought("b", "oat", 30)]
    found = profile(rows, NAMES, norms=NORMS)
    x, t_x, age = np.array([2.0, 0.0]), np.array([91.0, 0.0]), np.array([101.0, 30.0])
    orders = expected_purchases(BUYING, x, t_x, age, 90.0)
    value = expected_value(SPENDING, np.array([3.0, 0.0]), np.array([2000 / 3, np.nan]))
    np.testing.assert_allclose(found[P_ALIVE], p_alive(BUYING, x, t_x, age))
    np.testing.assert_allclose(found[EXPECTED_ORDERS], orders)
    np.testing.assert_allclose(found[EXPECTED_VALUE], orders * value)
    assert value[1] == SPENDING.mean


def test_norms_are_the_models_of_all_customers(crowd):
    x, t_x, age, paid_days, money = histories(crowd)
    sums = Shop(crowd).measure_here({EVER: NAMES})
    fitted = {
        **fit_bgnbd(x, t_x, age).model_dump(),
        **fit_gamma_gamma(paid_days, money / paid_days).model_dump(),
    }
    assert learn_norms(sums)["expectation"] == pytest.approx(fitted)


def test_a_window_changes_nothing(crowd):
    everything = profile(crowd, NAMES, norms=NORMS)
    pd.testing.assert_frame_equal(profile(crowd, NAMES, norms=NORMS, days=20.0), everything)


def test_too_few_customers_teach_nothing():
    rows = [bought("a", "rye", day, amount=100) for day in (10, 5)]
    assert learn_norms(Shop(rows).measure_here({EVER: NAMES}))["expectation"] == {}
    assert profile(rows, NAMES).isna().all(axis=None)


def test_without_amounts_only_the_value_is_unknown(crowd):
    found = profile([{**row, "amount": None} for row in crowd], NAMES)
    assert found[[P_ALIVE, EXPECTED_ORDERS]].notna().all(axis=None)
    assert found[EXPECTED_VALUE].isna().all()


def test_without_anybody_who_came_back_nothing_is_expected():
    rows = [bought(f"u{number:02}", "rye", number + 1, amount=100) for number in range(20)]
    assert set(learn_norms(Shop(rows).measure_here({EVER: NAMES}))["expectation"]) == {
        "p",
        "q",
        "gamma",
    }
    assert profile(rows, NAMES).isna().all(axis=None)


def test_a_draw_of_many_customers_teaches_what_all_do():
    draw = generator(3, "many")
    n = expectation.CUSTOMERS + 15_000
    days = draw.choice([1, 1, 1, 2, 3, 5], n)
    sums = pd.DataFrame(
        {
            "days": days,
            "first": 0,
            "last": np.where(days > 1, draw.choice([20, 60, 80], n), 0),
            "age": 90,
            "paid": days * draw.choice([300, 500, 900], n),
            "paid_days": days,
        },
        index=[f"u{number:05}" for number in range(n)],
    )
    drawn = expectation.norms(sums)
    assert drawn == expectation.norms(sums)
    last, x = sums["last"].to_numpy(float), days - 1.0
    of_all = fit_bgnbd(x, last, np.full(n, 90.0))
    learnt = BgNbd(**{name: drawn[name] for name in BgNbd.model_fields})
    one = np.array([2.0]), np.array([60.0]), np.array([90.0])
    assert p_alive(learnt, *one) == pytest.approx(p_alive(of_all, *one), rel=0.05)
    assert learnt != of_all
