"""Prices, launches and the items laid out beside events."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect, frame
from recsys.events.times import parse_time
from recsys.interactions import build_catalogue
from recsys.segments import learn_reference
from recsys.segments.reference import goods_beside, rank_within

from .conftest import event_frame
from .profiled import ITEMS, bought, untimed

SHELF = pd.DataFrame(
    {
        "category": ["bread"] * 3 + ["milk"],
        "brand": ["ours", None, "best", "ours"],
        "available": True,
    },
    index=pd.Index(["rye", "oat", "bun", "whole"], name="item_id"),
)


def learn(rows, items=SHELF, *, timed=True, engine=False):
    events = event_frame(rows) if timed else untimed(event_frame(rows))
    catalogue = build_catalogue(items, events["item_id"].dropna(), ("category", "brand"))
    connection = connect(threads=2)
    connection.register("events", events)
    there = frame(connection, "events") if engine else nw.from_native(events).lazy()
    found = learn_reference(
        there, items, catalogue, target=("purchase",), timed=timed, own_brands=("ours",)
    )
    goods = goods_beside(there, catalogue, found).collect("pandas").to_native()
    connection.close()
    return found, goods.set_index("item_id").sort_index(), catalogue.items.ids.tolist()


def positions(rows, items=SHELF, **options):
    found, _, ids = learn(rows, items, **options)
    return dict(zip(ids, found.price_position.tolist(), strict=True))


def launches(rows, items=SHELF, **options):
    found, _, ids = learn(rows, items, **options)
    return dict(zip(ids, found.launched.tolist(), strict=True))


def test_prices_of_the_file_are_ranked_within_their_category():
    prices = SHELF.assign(price=[100, 300, 200, 5000])
    assert positions([bought("a", "rye", 1)], prices) == {
        "rye": 1 / 6,
        "oat": 5 / 6,
        "bun": 1 / 2,
        "whole": 1 / 2,
    }


def test_without_a_file_price_an_item_is_worth_what_it_sold_at():
    rows = [
        # Rye at 300 for three pieces and at 200 for one: 125 a piece.
        bought("a", "rye", 1, amount=300, quantity=3.0),
        bought("b", "rye", 2, amount=200),
        bought("a", "oat", 1, amount=124),
        bought("a", "bun", 1, amount=126),
    ]
    found = positions(rows)
    assert [found[item] for item in ("oat", "rye", "bun")] == [1 / 6, 1 / 2, 5 / 6]
    assert np.isnan(found["whole"])


def test_the_file_goes_before_what_it_sold_at():
    prices = SHELF.assign(price=[100, None, None, None])
    rows = [bought("a", "rye", 1, amount=9000), bought("a", "oat", 1, amount=200)]
    found = positions(rows, prices)
    assert (found["rye"], found["oat"]) == (1 / 4, 3 / 4)


@pytest.mark.parametrize(
    "more",
    [
        {"event": "return", "amount": 90},
        {"event": "view", "amount": 90},
        {"amount": -90},
        {"amount": 0},
        {"amount": None},
        {"amount": 90, "quantity": 0.0},
    ],
)
def test_what_is_no_sale_is_no_price(more):
    rows = [bought("a", "rye", 1, amount=100), bought("a", "oat", 1, **more)]
    found = positions(rows)
    assert found["rye"] == 1 / 2
    assert np.isnan(found["oat"])


def test_a_price_of_nothing_is_unknown():
    prices = SHELF.assign(price=[0, 10, 20, None])
    found = positions([bought("a", "rye", 1)], prices)
    assert np.isnan(found["rye"])
    assert (found["oat"], found["bun"]) == (1 / 4, 3 / 4)


def test_without_categories_all_items_are_ranked_together():
    prices = SHELF[["available"]].assign(price=[1, 2, 3, 4])
    found = positions([bought("a", "rye", 1)], prices)
    assert list(found.values()) == [5 / 8, 3 / 8, 1 / 8, 7 / 8]


def mid_rank(values, groups, place):
    mates = [v for v, g in zip(values, groups, strict=True) if g == groups[place] and v > 0]
    below = sum(v < values[place] for v in mates)
    equal = sum(v == values[place] for v in mates)
    return (below + equal / 2) / len(mates) if values[place] > 0 else np.nan


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([np.nan, 0.0, 1.0, 2.0, 2.5]), st.integers(0, 2))))
def test_ranks_equal_a_slow_loop(pairs):
    values, groups = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = rank_within(np.array(values, dtype=np.float64), np.array(groups, dtype=np.int64))
    expected = [mid_rank(values, groups, place) for place in range(len(values))]
    np.testing.assert_allclose(found, expected)


FIRST_DAYS = [bought("a", "rye", 200), bought("a", "rye", 3), bought("a", "whole", 170.5)]


def test_what_was_seen_in_the_first_days_may_always_have_been_there():
    rows = [*FIRST_DAYS, bought("a", "oat", 60, event="view"), bought("b", "oat", 2)]
    found = launches(rows)
    assert found["oat"] == parse_time("2024-05-02")
    assert all(np.isnan(found[item]) for item in ("rye", "whole", "bun"))


@pytest.mark.parametrize("written", [None, "", "in spring", "31.12.2023"])
def test_what_the_file_does_not_tell_is_seen(written):
    items = SHELF.assign(created_at=[None, written, None, "2023-02-01T06:00:00+02:00"])
    found = launches([*FIRST_DAYS, bought("a", "oat", 60)], items)
    assert found["oat"] == parse_time("2024-05-02")
    assert found["whole"] == parse_time("2023-02-01T04:00:00")
    assert np.isnan(found["rye"])


def test_a_file_that_tells_no_launch_at_all_changes_nothing():
    rows = [*FIRST_DAYS, bought("a", "oat", 60)]
    np.testing.assert_equal(launches(rows, SHELF.assign(created_at=None)), launches(rows))


def test_without_times_nothing_is_known_to_be_new():
    items = SHELF.assign(created_at="2024-06-01")
    found = launches([{"user_id": "a", "item_id": "rye"}], items, timed=False)
    assert np.isnan(list(found.values())).all()


def test_searches_are_of_no_item():
    rows = [{"user_id": "a", "event": "search", "query": "milk", "days": 400}, *FIRST_DAYS]
    assert np.isnan(launches([*rows, bought("a", "oat", 180)])["oat"])


ROWS = [*FIRST_DAYS, bought("b", "oat", 60, amount=130), bought("a", "bun", 2, amount=50)]


def test_goods_say_what_is_known_of_an_item_and_null_what_is_not():
    _, goods, _ = learn(ROWS)
    assert goods["own_brand"].to_dict() == {"rye": 1, "oat": 0, "bun": 0, "whole": 1}
    assert goods["brand"].isna().to_dict() == {
        "rye": False,
        "oat": True,
        "bun": False,
        "whole": False,
    }
    assert goods["price_position"].dropna().to_dict() == {"oat": 3 / 4, "bun": 1 / 4}
    assert set(goods["launched"].dropna().index) == {"oat", "bun"}
    assert int(goods["launched"]["oat"]) == parse_time("2024-05-02")


def test_an_item_without_a_category_has_none():
    _, goods, _ = learn([bought("a", "odd", 1)], ITEMS)
    assert goods["category"].isna().to_dict() == {"odd": True}


def test_the_engine_learns_the_same():
    here, beside, _ = learn(ROWS)
    there, on_engine, _ = learn(ROWS, engine=True)
    np.testing.assert_array_equal(there.price_position, here.price_position)
    np.testing.assert_array_equal(there.launched, here.launched)
    # Frames are small and need the items of their events alone; an engine has them all.
    assert set(beside.index) <= set(on_engine.index) == {*SHELF.index}
    pd.testing.assert_frame_equal(
        on_engine.loc[beside.index].astype(object).where(lambda table: table.notna(), None),
        beside.astype(object).where(lambda table: table.notna(), None),
        check_dtype=False,
        check_index_type=False,
        check_column_type=False,
    )
