import math

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect, frame
from recsys.segments import FEATURES, profiles

from .conftest import AS_OF, event_frame

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
    events = nw.from_native(event_frame(rows)).lazy()
    return profiles(events, ["purchase"], as_of=AS_OF, **{"timed": True, **options})


def test_features_of_a_buyer_are_their_definitions():
    assert of(MIXED).loc["a"].to_dict() == {
        "events": 5,
        "orders": 2,
        "spend": 500 + 250 + 100 - 100,
        "recency": 3,
        "tenure": 10,
    }


def test_who_only_looked_has_no_order_and_no_recency():
    looked = of(MIXED).loc["b"]
    assert (looked["events"], looked["orders"], looked["spend"]) == (1, 0, 0)
    assert math.isnan(looked["recency"]) and math.isnan(looked["tenure"])


def test_a_line_of_quantity_zero_is_no_purchase():
    assert of(MIXED).loc["c", ["orders", "spend"]].tolist() == [0, 0]


def test_without_baskets_an_order_is_a_day():
    rows = [
        {"user_id": "a", "item_id": "x", "days": 2.1},
        {"user_id": "a", "item_id": "y", "days": 2.2},
        {"user_id": "a", "item_id": "y", "days": 4.0},
    ]
    assert of(rows).loc["a", "orders"] == 2


def test_a_return_that_is_negative_already_is_taken_off_once():
    rows = [
        {"user_id": "a", "item_id": "x", "days": 2, "amount": 500},
        {"user_id": "a", "item_id": "x", "days": 1, "amount": -200, "event": "return"},
    ]
    assert of(rows).loc["a", "spend"] == 500 - 200


def test_a_window_leaves_older_events_out():
    assert of(MIXED, window=5.0).loc["a", ["orders", "spend"]].tolist() == [1, 100 - 100]
    assert "c" not in of(MIXED, window=5.0).index


def test_without_times_recency_is_unknown_and_orders_are_rows():
    rows = [{"user_id": "a", "item_id": "x"}, {"user_id": "a", "item_id": "x"}]
    found = of(rows, timed=False).loc["a"]
    assert found["orders"] == 2
    assert math.isnan(found["recency"])


def test_every_feature_is_documented():
    assert list(of(MIXED).columns) == [feature.name for feature in FEATURES]
    assert all(feature.unit and feature.definition for feature in FEATURES)


events_of_some = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from("abc"),
            "item_id": st.sampled_from("xyz"),
            "event": st.sampled_from(["purchase", "view", "return"]),
            "days": st.integers(1, 40),
            "amount": st.integers(0, 10_000),
            "quantity": st.sampled_from([None, 0.0, 1.0, 3.0]),
        }
    ),
    min_size=1,
    max_size=25,
)


def slow_spend_and_orders(rows, user):
    spend, days = 0, set()
    for row in rows:
        if row["user_id"] == user:
            bought = row["event"] == "purchase" and row["quantity"] != 0.0
            spend += row["amount"] if bought else 0
            spend -= row["amount"] if row["event"] == "return" else 0
            days |= {row["days"]} if bought else set()
    return spend, len(days)


@settings(max_examples=30, deadline=None)
@given(events_of_some)
def test_spend_and_orders_equal_a_slow_loop(rows):
    found = of(rows)
    for user in found.index:
        assert tuple(found.loc[user, ["spend", "orders"]]) == slow_spend_and_orders(rows, user)


@settings(max_examples=10, deadline=None)
@given(events_of_some, st.randoms(use_true_random=False))
def test_the_engine_the_order_and_the_company_of_others_change_nothing(rows, random):
    together = of(rows)
    shuffled = random.sample(rows, len(rows))
    connection = connect(threads=2)
    connection.register("events", event_frame(shuffled))
    events = frame(connection, "events")
    on_engine = profiles(events, ["purchase"], as_of=AS_OF, timed=True)
    connection.close()
    pd.testing.assert_frame_equal(on_engine, together, check_index_type=False)
    user = rows[0]["user_id"]
    alone = of([row for row in rows if row["user_id"] == user])
    np.testing.assert_array_equal(alone.loc[user], together.loc[user])


@pytest.mark.parametrize("days", [1, 30])
def test_money_is_exact(days):
    rows = [{"user_id": "a", "item_id": "x", "days": days, "amount": 2**52 + 1}]
    assert of(rows).loc["a", "spend"] == 2**52 + 1
