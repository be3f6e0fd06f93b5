"""Customers who answer lists: by the formula, from the truth, and the same for a seed."""

from collections import Counter

import numpy as np
import pytest

from recsys.errors import NotFoundError
from recsys.simulation import Customers, Habits, SimulationConfig, Truth, Visit

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth(SimulationConfig(events=4_000, seed=3))


def customers(truth: Truth, **said) -> Customers:
    return Customers(truth, truth.user_ids, **{"seed": 5, **said})


def visits_of(truth: Truth, user: int, n: int) -> list[Visit]:
    user_id = truth.user_ids[user]
    return [Visit(user, user_id, f"v{number}", 10 * DAY) for number in range(n)]


def best_of(truth: Truth, user: int, n: int) -> list[str]:
    chances = truth.preferences([truth.user_ids[user]], truth.config.end_time)[0]
    return [str(item) for item in truth.items[np.argsort(-chances)[:n]]]


def test_clicks_are_as_often_as_the_formula_says(truth: Truth) -> None:
    some = customers(truth)
    shown = best_of(truth, 7, 5)
    places = Counter(
        shown.index(deed.item_id)
        for visit in visits_of(truth, 7, 4000)
        for deed in some.answer(visit, shown)
        if deed.event == "click"
    )
    chances = truth.preferences([truth.user_ids[7]], truth.config.end_time)[0]
    chance_of = dict(zip(truth.items.tolist(), chances, strict=True))
    for place, item in enumerate(shown):
        expected = 0.5 * chance_of[item] / chances.max() / (place + 1)
        assert places[place] / 4000 == pytest.approx(expected, abs=0.025)
    assert places.total() / 4000 == pytest.approx(some.expected_clicks(7, shown), abs=0.03)


def test_a_click_may_become_a_purchase(truth: Truth) -> None:
    some, shown = customers(truth), best_of(truth, 2, 3)
    deeds = [deed for visit in visits_of(truth, 2, 3000) for deed in some.answer(visit, shown)]
    listed = Counter(deed.event for deed in deeds if deed.listed)
    assert listed["cart"] / listed["click"] == pytest.approx(0.5, abs=0.05)
    assert listed["purchase"] / listed["cart"] == pytest.approx(0.6, abs=0.06)
    prices = dict(zip(truth.items.tolist(), truth.prices.tolist(), strict=True))
    assert all(d.amount == prices[d.item_id] for d in deeds if d.event == "purchase")
    own = [deed for deed in deeds if not deed.listed]
    assert {deed.event for deed in own} == {"purchase"}
    assert len(own) / 3000 == pytest.approx(0.3, abs=0.03)


def test_what_she_came_for_is_bought_whatever_is_listed(truth: Truth) -> None:
    some = customers(truth)
    for visit in visits_of(truth, 4, 50):
        lists = best_of(truth, 4, 3), best_of(truth, 4, 3)[::-1], ["no such item"] * 3
        own = [[deed for deed in some.answer(visit, one) if not deed.listed] for one in lists]
        assert own[0] == own[1] == own[2]


def test_what_the_shop_does_not_have_is_not_clicked(truth: Truth) -> None:
    some = customers(truth, habits=Habits(own=0.0))
    assert [some.answer(visit, ["none"]) for visit in visits_of(truth, 1, 50)] == [[]] * 50
    assert some.expected_clicks(1, ["none"]) == 0


def test_days_follow_the_shops_end(truth: Truth) -> None:
    some = customers(truth, visits=0.5)
    first, third = some.visits_on(0), some.visits_on(2)
    start = truth.config.end_time
    assert [visit.time for visit in first] == sorted(visit.time for visit in first)
    assert all(start <= visit.time < start + DAY for visit in first)
    assert all(start + 2 * DAY <= visit.time < start + 3 * DAY for visit in third)
    assert len({visit.session_id for visit in (*first, *third)}) == len(first) + len(third)
    assert len(first) == pytest.approx(0.5 * len(truth.user_ids), rel=0.4)
    assert customers(truth, visits=0.5).visits_on(0) == first
    assert customers(truth, visits=0.5, seed=6).visits_on(0) != first


def test_who_came_often_comes_often(truth: Truth) -> None:
    some = customers(truth, visits=1.0)
    counts = Counter(visit.user for day in range(60) for visit in some.visits_on(day))
    often = truth.activity(truth.user_ids)
    came = [counts[user] for user in range(len(often))]
    assert np.corrcoef(often, came)[0, 1] > 0.9


def test_nobody_of_the_shop(truth: Truth) -> None:
    with pytest.raises(NotFoundError):
        Customers(truth, ["99999"], seed=1)
