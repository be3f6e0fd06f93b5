import math

import numpy as np
import pytest

from recsys.segments.profiles.opinion import MEAN_RATING, RETURN_RATE, SENTIMENT

from .profiled import SPANS, bought, crowd, crowd_profiles, known, profile, purchases_of, within

NAMES = (RETURN_RATE, MEAN_RATING, SENTIMENT)


def did(user, event, **more):
    return bought(user, "rye", 3, event=event, **more)


def test_returns_are_counted_in_pieces():
    rows = [bought("a", "rye", 5, quantity=4.0), bought("a", "oat", 5), did("a", "return")]
    rows += [bought("b", "rye", 5, quantity=1.0), did("b", "return", quantity=3.0)]
    rows += [did("c", "return")]
    found = profile(rows, NAMES)[RETURN_RATE]
    assert found["a"] == 1 / 5
    assert found["b"] == 1
    assert math.isnan(found["c"])


def test_a_shop_without_returns_knows_no_rate_of_them():
    assert profile([bought("a", "rye", 1)], NAMES)[RETURN_RATE].isna().all()


def test_opinions_are_drawn_to_those_of_all():
    rows = [did("a", "rating", rating=5.0, sentiment=1.0), did("a", "rating", rating=4.0)]
    rows += [did("b", "rating", rating=1.0, sentiment=-0.5), bought("c", "rye", 1)]
    found = profile(rows, NAMES)
    assert found.loc["a", MEAN_RATING] == pytest.approx((9 + 3 * 10 / 3) / (2 + 3))
    assert found.loc["b", MEAN_RATING] == pytest.approx((1 + 3 * 10 / 3) / (1 + 3))
    assert found.loc["a", SENTIMENT] == pytest.approx((1 + 3 * 0.25) / (1 + 3))
    assert found.loc["b", SENTIMENT] == pytest.approx((-0.5 + 3 * 0.25) / (1 + 3))
    assert found.loc["c", [MEAN_RATING, SENTIMENT]].isna().all()


def test_an_opinion_that_comes_with_a_purchase_counts():
    found = profile([bought("a", "rye", 1, rating=4.0)], NAMES)
    assert found.loc["a", MEAN_RATING] == 4


def told(rows, what):
    return [row[what] for row in rows if row[what] is not None]


def mean(rows, what):
    values, norm = told(rows, what), np.mean(told(crowd(), what))
    return (sum(values) + 3 * norm) / (len(values) + 3) if values else np.nan


def pieces(rows):
    return sum(1.0 if row["quantity"] is None else row["quantity"] for row in rows)


@pytest.mark.parametrize("span", SPANS)
def test_opinion_equals_a_slow_loop(span):
    found = crowd_profiles()[span]
    for user in {row["user_id"] for row in crowd()}:
        rows = within([row for row in crowd() if row["user_id"] == user], span.days)
        taken = pieces(within(purchases_of(crowd(), user), span.days))
        returned = pieces(row for row in rows if row["event"] == "return")
        rate = min(returned / taken, 1) if taken else np.nan
        np.testing.assert_allclose(
            [known(found, user, name) for name in NAMES],
            [rate, mean(rows, "rating"), mean(rows, "sentiment")],
            atol=1e-8,
        )
