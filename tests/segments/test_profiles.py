"""How much and how often: the shopping features."""

import math

import numpy as np
import pytest

from recsys.segments.profiles.shopping import FEATURES

from .profiled import SPANS, bought, crowd, crowd_profiles, is_bought, profile, within

NAMES = [feature.name for feature in FEATURES]
MIXED = [
    {"user_id": "a", "item_id": "x", "days": 10, "amount": 500, "basket_id": "b1"},
    {"user_id": "a", "item_id": "y", "days": 10, "amount": 250, "basket_id": "b1"},
    {"user_id": "a", "item_id": "x", "days": 3, "amount": 100, "basket_id": "b2"},
    {"user_id": "a", "item_id": "x", "days": 2, "amount": 100, "event": "return"},
    {"user_id": "a", "item_id": "z", "days": 1, "event": "view"},
    {"user_id": "b", "item_id": "x", "days": 5, "event": "view"},
    {"user_id": "c", "item_id": "x", "days": 8, "quantity": 0.0, "amount": 900},
]


def of(rows, **options):
    return profile(rows, NAMES, **options)


def test_features_of_a_buyer_are_their_definitions():
    assert of(MIXED).loc["a"].to_dict() == {
        "events": 5,
        "active_days": 4,
        "orders": 2,
        "spend": 500 + 250 + 100 - 100,
        "recency": 3,
        "last_seen": 1,
        "tenure": 10,
        "frequency": 2,
        "order_value": 750 / 2,
        "order_items": 3 / 2,
        "order_trend": 1,
        "spend_trend": 1,
    }


def test_who_only_looked_has_no_order_and_no_recency():
    looked = of(MIXED).loc["b"]
    assert (looked["events"], looked["orders"], looked["spend"]) == (1, 0, 0)
    assert (looked["active_days"], looked["last_seen"]) == (1, 5)
    unknown = ["recency", "tenure", "order_value", "order_items", "order_trend", "spend_trend"]
    assert looked[unknown].isna().all()


def test_a_line_of_quantity_zero_is_no_purchase():
    assert of(MIXED).loc["c", ["orders", "spend"]].tolist() == [0, 0]


def test_without_baskets_an_order_is_a_day():
    rows = [bought("a", "x", 2.1), bought("a", "y", 2.2), bought("a", "y", 4.0)]
    assert of(rows).loc["a", "orders"] == 2


def test_a_return_that_is_negative_already_is_taken_off_once():
    rows = [
        bought("a", "x", 2, amount=500),
        bought("a", "x", 1, amount=-200, event="return"),
    ]
    assert of(rows).loc["a", "spend"] == 500 - 200


def test_a_window_leaves_older_events_out():
    assert of(MIXED, days=5.0).loc["a", ["orders", "spend"]].tolist() == [1, 100 - 100]
    assert "c" not in of(MIXED, days=5.0).index


def test_without_times_recency_is_unknown_and_orders_are_rows():
    rows = [{"user_id": "a", "item_id": "x"}, {"user_id": "a", "item_id": "x"}]
    found = of(rows, timed=False).loc["a"]
    assert (found["events"], found["orders"]) == (2, 2)
    by_times = ["active_days", "recency", "last_seen", "tenure", "order_trend", "spend_trend"]
    assert found[by_times].isna().all()


def test_frequency_counts_orders_in_thirty_days_of_acquaintance():
    rows = [bought("a", "x", day) for day in (90, 60, 30)] + [bought("b", "x", 1)]
    assert of(rows)["frequency"].tolist() == [1.0, 1.0]


def test_pieces_are_counted_and_a_missing_quantity_is_one():
    rows = [bought("a", "x", 9, quantity=2.5), bought("a", "y", 3)]
    assert of(rows).loc["a", "order_items"] == 3.5 / 2


@pytest.mark.parametrize(
    ("days", "window", "orders", "spend"),
    [
        # 180 days where the window is open: the newer half begins 90 days ago.
        ((89, 91, 100, 181), np.inf, (1 - 2) / 3, (1 - 2) / 3),
        ((1, 2, 3, 16), 30.0, (3 - 1) / 4, (3 - 1) / 4),
        ((200, 300), np.inf, math.nan, math.nan),
    ],
)
def test_a_trend_compares_the_halves_of_the_window(days, window, orders, spend):
    rows = [bought("a", "x", day, amount=100) for day in days]
    found = of(rows, days=window).loc["a", ["order_trend", "spend_trend"]]
    np.testing.assert_array_equal(found, [orders, spend])


def test_a_trend_stays_within_its_bounds_whatever_corrections_do():
    rows = [bought("a", "x", 1, amount=-50), bought("a", "x", 100, amount=60)]
    assert of(rows).loc["a", "spend_trend"] == -1


def slow(rows):
    spend, orders, days = 0, set(), set()
    for row in rows:
        day = math.floor(-row["days"])
        days.add(day)
        amount = row["amount"] or 0
        if is_bought(row):
            spend += amount
            orders.add(row["basket_id"] or day)
        elif row["event"] == "return":
            spend -= abs(amount)
    return [spend, len(orders), len(days)]


@pytest.mark.parametrize("span", SPANS)
def test_spend_orders_and_days_equal_a_slow_loop(span):
    found = crowd_profiles()[span]
    rows = within(crowd(), span.days)
    assert set(found.index) >= {row["user_id"] for row in rows}
    for user in {row["user_id"] for row in rows}:
        expected = slow([row for row in rows if row["user_id"] == user])
        assert found.loc[user, ["spend", "orders", "active_days"]].tolist() == expected


@pytest.mark.parametrize("days", [1, 30])
def test_money_is_exact(days):
    rows = [bought("a", "x", days, amount=2**52 + 1)]
    assert of(rows).loc["a", "spend"] == 2**52 + 1
