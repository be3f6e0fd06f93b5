"""Segments that another system has worked out, and how users answered campaigns, as attributes."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect
from recsys.errors import DataError
from recsys.events.shop import read_shop
from recsys.events.sources import Further
from recsys.events.times import LAST, parse_time
from recsys.events.validation import Intake

EVENTS = pd.DataFrame(
    {
        "user_id": ["ann", "bob", "cid"],
        "item_id": ["x", "y", "x"],
        "timestamp": ["2024-01-01", "2024-02-01", "2024-03-01"],
    }
)
USERS = pd.DataFrame({"user_id": ["ann", "bob"], "age": ["old", "young"]})


def shop_of(vip, *, users=USERS, further=None):
    return read_shop(
        connect(),
        EVENTS,
        Intake(columns={}, default_event="purchase"),
        users=users,
        further=further or Further(),
        imported={} if vip is None else {"imported:vip": ("vip", pd.DataFrame(vip))},
    )


def vips(shop, as_of=LAST):
    column = shop.users(as_of=as_of)["imported:vip"].dropna()
    return {user: json.loads(text) for user, text in column.items()}


def test_imported_weights_become_an_attribute_beside_the_users_own():
    shop = shop_of(
        {
            "user_id": ["ann", "ann", "dan"],
            "segment": ["gold", "new", "gold"],
            "weight": [0.7, 0.3, 1.0],
        }
    )
    assert vips(shop) == {"ann": {"gold": 0.7, "new": 0.3}, "dan": {"gold": 1.0}}
    users = shop.users(as_of=LAST)
    assert users.loc["bob", "age"] == "young"
    assert users.index.tolist() == ["ann", "bob", "dan"]


def test_without_a_weight_a_member_is_whole():
    assert vips(shop_of({"user_id": ["ann"], "segment": ["gold"]})) == {"ann": {"gold": 1.0}}
    blank = {"user_id": ["ann", "bob"], "segment": ["gold", "gold"], "weight": ["", "0.5"]}
    assert vips(shop_of(blank)) == {"ann": {"gold": 1.0}, "bob": {"gold": 0.5}}


def test_the_newest_rows_that_are_valid_by_then_count():
    shop = shop_of(
        {
            "user_id": ["ann"] * 3,
            "segment": ["gold", "silver", "lead"],
            "weight": [1.0, 0.5, 0.5],
            "valid_from": ["2024-01-01", "2024-02-01", "2024-02-01"],
        }
    )
    assert "imported:vip" not in shop.users(as_of=parse_time("2024-01-01")).dropna(axis="columns")
    assert vips(shop, parse_time("2024-01-02")) == {"ann": {"gold": 1.0}}
    # At its very time a row is not known yet.
    assert vips(shop, parse_time("2024-02-01")) == {"ann": {"gold": 1.0}}
    assert vips(shop, parse_time("2024-02-02")) == {"ann": {"lead": 0.5, "silver": 0.5}}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"user_id": None}, "missing_user_id"),
        ({"segment": " "}, "missing_segment"),
        ({"weight": "much"}, "weight_out_of_range"),
        ({"weight": "0"}, "weight_out_of_range"),
        ({"weight": "1.2"}, "weight_out_of_range"),
        ({"weight": "-0.1"}, "weight_out_of_range"),
        ({"valid_from": "soon"}, "unparsable_time"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_stops_no_good_one(row, reason):
    good = {"user_id": "bob", "segment": "gold", "weight": "1", "valid_from": "2024-01-01"}
    rows = pd.DataFrame([good, {**good, "user_id": "ann", **row}])
    shop = shop_of(rows)
    report = shop.reports["imported_vip"]
    assert report.rejected == {reason: 1}
    assert reason in shop.remedies
    assert vips(shop) == {"bob": {"gold": 1.0}}


def test_weights_above_one_are_rejected_for_that_user_and_time_alone():
    shop = shop_of(
        {
            "user_id": ["ann", "ann", "bob", "bob", "bob"],
            "segment": ["a", "b", "a", "b", "c"],
            "weight": [0.7, 0.4, 1 / 3, 1 / 3, 1 / 3],
        }
    )
    assert shop.reports["imported_vip"].rejected == {"weights_above_one": 2}
    assert set(vips(shop)) == {"bob"}


def test_a_file_without_segments_is_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"no column for 'segment'.*\[data.columns\] segment"):
        shop_of({"user_id": ["ann"], "group": ["gold"]})


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8))
def test_any_name_of_a_segment_is_read_back(name):
    shop = shop_of({"user_id": ["ann", "bob"], "segment": [name, "plain"]})
    stripped = name.strip(" \t\r\n\xa0")
    readable = "".join(" " if ord(c) < 32 else c for c in stripped)
    assert vips(shop).get("ann", {"": 1.0}) == {readable: 1.0}


CAMPAIGNS = pd.DataFrame(
    {
        "campaign_id": ["c1", "c2"],
        "starts": ["2024-01-10", "2024-02-10"],
        "ends": ["2024-01-20", "2024-02-20"],
    }
)
SENT = pd.DataFrame({"campaign_id": ["c1", "c1", "c2"], "user_id": ["ann", "bob", "ann"]})
TAKEN = pd.DataFrame(
    {
        "campaign_id": ["c1", "c1", "c2"],
        "user_id": ["ann", "ann", "ann"],
        "timestamp": ["2024-01-11", "2024-01-12", "2024-02-15"],
    }
)


def answers(as_of, **parts):
    further = Further(campaigns=CAMPAIGNS, campaign_users=SENT, redemptions=TAKEN)
    users = shop_of(None, further=further, **parts).users(as_of=parse_time(as_of))
    return {
        user: tuple(users.loc[user].get(name) for name in ANSWERS)
        for user in users.index
        if "offers_received" in users and users.loc[user, "offers_received"] >= 0
    }


ANSWERS = ("offers_received", "offers_redeemed", "coupons_redeemed", "offer_response")


def test_answers_to_campaigns_are_as_of_the_moment():
    assert answers("2024-01-10") == {}
    assert answers("2024-01-12") == {"ann": (1, 1, 1, 1.0), "bob": (1, 0, 0, 0.0)}
    assert answers("2024-03-01") == {"ann": (2, 2, 3, 1.0), "bob": (1, 0, 0, 0.0)}


def test_of_users_known_in_part_no_answers_are_told():
    further = Further(campaigns=CAMPAIGNS, campaign_users=SENT, redemptions=TAKEN)
    shop = shop_of(None, further=further).revealing("item_id = 'x'")
    assert list(shop.users(as_of=LAST).columns) == ["age"]


def test_a_users_column_of_that_name_is_the_shops_own():
    users = USERS.assign(offers_received="many")
    further = Further(campaigns=CAMPAIGNS, campaign_users=SENT, redemptions=TAKEN)
    found = shop_of(None, users=users, further=further).users(as_of=LAST)
    assert found["offers_received"].dropna().tolist() == ["many", "many"]
