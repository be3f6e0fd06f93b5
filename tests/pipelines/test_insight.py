"""A closer look at segments: what it says, what it may not know, and that its page can be drawn."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.times import parse_time
from recsys.pipelines.insight import look_closer
from recsys.pipelines.segment import segment
from recsys.pipelines.segment_document import segment_document
from recsys.segments.report import render

from .conftest import Tables

MOMENT = parse_time("2024-06-10")
CUT = "2024-06-10T00:00:00Z"


def document_of(shop, config, as_of=MOMENT):
    found = segment(shop, config, as_of=as_of)
    return segment_document(shop, found, look_closer(shop, config, found), title="a shop")


@pytest.fixture(scope="module")
def document(shop, config):
    return document_of(shop, config)


def by_name(document):
    return {axis["name"]: axis for axis in document["axes"]}


def test_the_document_is_plain_json_and_says_everything(document):
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["users"] == 60
    assert list(by_name(document)) == ["age", "lifecycle", "spending", "taste"]
    for axis in document["axes"]:
        assert axis["worth"]["verdict"]
        assert axis["history"][-1]["as_of"] == CUT
        assert 0 <= axis["stability"]["ari_low"] <= axis["stability"]["ari_high"] <= 1
        assert axis["flows"]["until"] == CUT
    assert len(document["cross"]) == 4 * 3 / 2
    assert document["funnel"]["steps"][-1] == "repeat"
    assert document["trends"] is None or document["trends"]["until"] == CUT


def test_shares_over_time_sum_to_one_with_the_unknown(document):
    for axis in document["axes"]:
        for moment in axis["history"]:
            assert math.fsum(moment["shares"].values()) + moment["unknown"] == pytest.approx(1)
        now = {one["name"]: one["share"] for one in axis["segments"]}
        assert axis["history"][-1]["shares"] == pytest.approx(now)


def test_the_grid_point_before_is_days_ago_and_its_sizes_are_those_of_then(shop, config, document):
    lifecycle = by_name(document)["lifecycle"]
    earlier = parse_time(lifecycle["flows"]["since"])
    assert MOMENT - earlier >= 3 * MICROSECONDS_PER_DAY
    then = segment(shop, config, as_of=earlier).sizes()
    shares = then[then["axis"] == "lifecycle"].set_index("segment")["weight"] / 60
    assert lifecycle["history"][-2]["shares"] == pytest.approx(shares.to_dict(), abs=0.02)


def test_what_learns_nothing_is_perfectly_firm(document):
    axes = by_name(document)
    assert axes["lifecycle"]["stability"]["ari"] == 1
    assert axes["spending"]["stability"]["ari"] < 1


def test_nothing_at_or_after_the_moment_plays_a_part(open_shop_of, tables, config, document, shop):
    events = tables.events.copy()
    late = events["timestamp"] >= CUT[:10]
    assert late.any()
    rng = np.random.default_rng(3)
    for column in ("item_id", "user_id"):
        events.loc[late, column] = rng.permutation(events.loc[late, column])
    altered = open_shop_of(Tables(events, tables.users, tables.items), config)
    found = document_of(altered, config)
    # What the files as a whole cover is said of the shop, not of its segments.
    assert {**found, "window": None} == {**document, "window": None}


def test_the_page_holds_all_of_it(document):
    page = render(document)
    assert "<script" not in page
    for axis in document["axes"]:
        assert axis["definition_id"] in page
        for one in axis["segments"]:
            assert one["name"] in page


def test_without_times_what_needs_them_is_left_out_and_said(open_shop_of, tables, make_config):
    config = make_config()
    untimed = Tables(tables.events.drop(columns="timestamp"), tables.users, tables.items)
    shop = open_shop_of(untimed, config)
    document = document_of(shop, config, as_of=shop.after_all())
    assert list(by_name(document)) == ["age", "spending", "taste"]
    assert document["as_of"] is None
    assert any("no timestamps" in note for note in document["notes"])
    for axis in document["axes"]:
        assert axis["history"] == []
        assert axis["flows"] is None
        assert axis["worth"] is not None
    render(document)


@pytest.fixture(scope="module")
def planted(open_shop_of, make_config):
    """Two ages that buy from different halves of the shop, and a letter that means nothing."""
    rng = np.random.default_rng(11)
    n_users, n_items, per_user = 300, 40, 12
    users = [f"u{number:03d}" for number in range(n_users)]
    old = np.arange(n_users) % 2 == 1
    bought = rng.integers(n_items // 2, size=(n_users, per_user)) + old[:, None] * n_items // 2
    # Every tenth purchase is of anything.
    anything = rng.random((n_users, per_user)) < 0.1
    bought = np.where(anything, rng.integers(n_items, size=bought.shape), bought)
    days = rng.integers(200, size=(n_users, per_user))
    events = pd.DataFrame(
        {
            "user_id": np.repeat(users, per_user),
            "item_id": [f"i{item:02d}" for item in bought.ravel()],
            "timestamp": [str(pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(d)))
                          for d in days.ravel()],
        }
    )  # fmt: skip
    file = pd.DataFrame(
        {
            "user_id": users,
            "age": np.where(old, "old", "young"),
            "letter": rng.choice(["a", "b"], n_users),
        }
    )
    items = pd.DataFrame({"item_id": [f"i{item:02d}" for item in range(n_items)]})
    columns = ("age", "letter")
    config = make_config(
        segments={name: {"kind": "attribute", "column": name, "check": "age"} for name in columns},
    )
    shop = open_shop_of(Tables(events, file, items), config)
    return document_of(shop, config, as_of=shop.after_all())


def test_an_axis_that_predicts_is_told_from_one_that_does_not(planted):
    axes = by_name(planted)
    assert axes["age"]["worth"]["verdict"] == "predicts"
    # With nine tenths from one's own half the next purchase is almost twice as likely.
    assert 0.3 < axes["age"]["worth"]["log_likelihood"]["gain"] < math.log(2)
    assert axes["letter"]["worth"]["verdict"] != "predicts"


def test_an_axis_is_held_against_its_second_source(planted):
    axes = by_name(planted)
    assert axes["age"]["check"]["agreement"] == 1
    assert axes["letter"]["check"]["agreement"] < 0.7
    assert "age" in axes["letter"]["check"]["sentence"]


def test_a_search_of_few_is_counted_and_not_told(open_shop_of, make_config):
    rows = [
        {"user_id": f"u{n}", "item_id": None, "event": "search", "query": "Shoes",
         "timestamp": f"2024-01-01T10:0{n}:00"}
        for n in range(6)
    ] + [
        {"user_id": f"u{n}", "item_id": "red", "event": "purchase", "query": None,
         "timestamp": f"2024-01-01T10:0{n}:30"}
        for n in range(6)
    ]  # fmt: skip
    rows.append({**rows[0], "query": "my own name", "timestamp": "2024-01-01T11:00:00"})
    users = pd.DataFrame({"user_id": [f"u{n}" for n in range(6)], "age": list("aabbab")})
    items = pd.DataFrame({"item_id": ["red"], "category": ["shoes > red"]})
    config = make_config(segments={"age": {"kind": "attribute", "column": "age"}})
    shop = open_shop_of(Tables(pd.DataFrame(rows), users, items), config)
    document = document_of(shop, config, as_of=shop.after_all())
    (told,) = document["searches"]["rows"]
    assert (told["query"], told["searches"], told["nowhere"]) == ("shoes", 6, 0)
    assert told["leads_to"].startswith("shoes > red")
    assert document["searches"]["sentence"].startswith("7 searches for 2 different words")
    assert "my own name" not in json.dumps(document)
    # Two windows of four weeks do not fit into a morning.
    assert document["trends"] is None
