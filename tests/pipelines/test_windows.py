"""The windows before a cut: where they lie, whom they leave out, and what nobody there may know."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engines import rows
from recsys.events.schema import MICROSECONDS_PER_DAY as DAY
from recsys.models.popularity import Recency
from recsys.pipelines.cases import BETWEEN, LEFT_OUT, Seeds
from recsys.pipelines.progress import silent
from recsys.pipelines.train import Fitter
from recsys.pipelines.windows import (
    APART,
    TOO_SHORT,
    WINDOWS,
    prepare,
    window_days,
    window_starts,
)

AGE = {"age": {"kind": "attribute", "column": "age"}}
SPENDING = {"spending": {"kind": "spending"}, **AGE}


# Where they lie


@given(st.integers(1, 1000), st.floats(0.01, 0.9), st.integers(0, 10**15))
def test_windows_lie_before_the_cut_and_after_enough_of_the_past(days, share, first):
    as_of = first + days * DAY
    length = max(int(share / 3 * days * DAY), 1)
    starts = window_starts(first, as_of, length)
    assert 1 <= len(starts) <= WINDOWS
    assert starts[0] == as_of - length
    for newer, older in pairwise(starts):
        assert older < newer
        assert APART <= newer - older <= length or newer - older == length < APART
    half = first + (as_of - first) // 2
    assert all(start >= half for start in starts)


@pytest.mark.parametrize(
    ("days", "length", "expected"),
    [
        (120, 10, [110, 100, 90]),  # a whole window apart: they do not overlap
        (60, 20, [40, 30]),  # ten days of room: two windows, ten days apart
        (100, 30, [70, 60, 50]),  # twenty days of room, shared evenly
        (21, 7, [14]),  # three and a half days of room: too little for a second one
        (6, 2, [4]),
    ],
)
def test_where_windows_lie_by_hand(days, length, expected):
    starts = window_starts(0, days * DAY, length * DAY)
    assert [start / DAY for start in starts] == expected


@pytest.fixture(scope="module", autouse=True)
def quickly() -> None:
    """All windows are asked about here."""


def test_a_window_is_as_long_as_the_test_window_but_at_most_a_third(shop, make_config):
    config = make_config(evaluation={"test_window": "14d"})
    as_of = shop.after_all()
    assert window_days(shop, config, as_of=as_of) == 14.0
    early = shop.span()[0] + 30 * DAY
    assert window_days(shop, config, as_of=early) == pytest.approx(10.0)


# Whom they leave out


@pytest.fixture(scope="module")
def settings(make_config):
    return make_config(
        segments=SPENDING,
        evaluation={"test_window": "14d"},
        model={"factors": 3, "iterations": 2},
    )


@pytest.fixture(scope="module")
def learning(shop, settings):
    return prepare(shop, settings, as_of=shop.after_all())


def left_out(shop, number, seed=42):
    condition = Seeds(seed, number).left_out
    statement = f"SELECT DISTINCT user_id FROM events WHERE {condition}"
    return {user for (user,) in rows(shop.connection, statement)}


def users_of(window):
    """Everybody that anything fitted for a window has heard of."""
    start, past = window.start, window.past
    known = [start.histories, start.facts, past.histories]
    return {user for one in known for user in one.users.ids.tolist()}


def asked_in(window):
    return {case.partition(BETWEEN)[0] for case in window.cases.users.ids.tolist()}


def test_a_window_has_never_heard_of_the_users_it_asks_about(shop, learning):
    assert len(learning.windows) == WINDOWS
    for number, window in enumerate(learning.windows):
        mine = left_out(shop, number)
        assert asked_in(window) <= mine
        assert not users_of(window) & mine
        assert asked_in(window) and len(users_of(window)) > 30


def test_no_user_is_asked_about_in_two_windows(learning):
    asked = [asked_in(window) for window in learning.windows]
    assert sum(map(len, asked)) == len(set.union(*asked))


def test_another_seed_leaves_out_others(shop, settings):
    other = prepare(shop, settings.with_seed(7), as_of=shop.after_all())
    for number, window in enumerate(other.windows):
        assert asked_in(window) <= left_out(shop, number, seed=7)


def with_moments(events):
    """Events, and their times in microseconds."""
    return events, pd.to_datetime(events["timestamp"]).to_numpy("datetime64[us]").astype(np.int64)


def test_windows_hold_what_lies_before_them_and_ask_for_what_lies_in_them(shop, learning, tables):
    as_of, length = shop.after_all(), 14 * DAY
    assert learning.days == 14.0
    starts = window_starts(shop.span()[0], as_of, length)
    bought, moments = with_moments(tables.events[tables.events["event"] == "purchase"])
    items = learning.now.catalogue.items.ids
    for window, start in zip(learning.windows, starts, strict=True):
        assert window.start.as_of == start
        known = window.cases.events.collect("pandas").to_native()
        assert (known["time"] < start).all() and len(known)
        inside = bought[(moments >= start) & (moments < start + length)]
        for case, found in zip(
            window.cases.users.ids.tolist(), window.cases.targets.by_user(), strict=True
        ):
            mine = inside[inside["user_id"] == case.partition(BETWEEN)[0]]
            assert set(items[found]) == set(mine["item_id"])


def test_the_past_of_a_window_is_the_one_before_it(shop, learning, tables):
    """Its histories end a window earlier, and what came back was bought between the two."""
    events, moments = with_moments(tables.events)
    for number, window in enumerate(learning.windows):
        start, before = window.start.as_of, window.start.as_of - 14 * DAY
        mine = ~events["user_id"].isin(left_out(shop, number))
        known = events[mine & (moments < before)]
        between = events[mine & (moments >= before) & (moments < start)]
        pairs, bought = (
            set(zip(one["user_id"], one["item_id"], strict=True))
            for one in (known, between[between["event"] == "purchase"])
        )
        past = window.past
        users, items = past.histories.users.ids, learning.now.catalogue.items.ids
        found = zip(users[past.histories.user_index], items[past.histories.items], strict=True)
        assert dict(zip(found, past.bought_next.tolist(), strict=True)) == {
            pair: pair in bought for pair in pairs
        }


def test_catalogues_are_the_one_of_the_cut(learning):
    for window in learning.windows:
        assert window.start.catalogue.items.ids.tolist() == (
            learning.now.catalogue.items.ids.tolist()
        )


# What nothing that is fitted depends on


def arrays_of(settings, window):
    """Every array of a window's model, and every number beside them."""
    fitter = Fitter(settings, 1, silent)
    memberships = window.start.possible_memberships(settings)
    model = fitter.fit(window.start, memberships, window.past, Recency(math.inf, trends=False))
    return model.arrays(), model.learnt()


def same(one, other):
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    for name, array in one[0].items():
        np.testing.assert_array_equal(array, other[0][name], err_msg=name)


@pytest.fixture(scope="module")
def fitted(settings, learning):
    return arrays_of(settings, learning.windows[0])


def prepared(tables, settings, open_shop_of, **frames):
    shop = open_shop_of(tables._replace(**frames), settings)
    return prepare(shop, settings, as_of=shop.after_all())


def test_the_rows_of_left_out_users_change_nothing_of_a_windows_model(
    shop, tables, settings, open_shop_of, fitted
):
    mine = tables.events["user_id"].isin(left_out(shop, 0))
    kept = np.random.default_rng(1).random(len(tables.events)) < 0.3
    kept[[0, -1]] = True
    kept |= tables.events["timestamp"].isin(
        [tables.events["timestamp"].min(), tables.events["timestamp"].max()]
    )
    events = tables.events[~mine | kept]
    users = tables.users.assign(
        age=tables.users["age"].where(~tables.users["user_id"].isin(left_out(shop, 0)), "never")
    )
    other = prepared(tables, settings, open_shop_of, events=events, users=users)
    same(arrays_of(settings, other.windows[0]), fitted)


def test_a_row_of_somebody_else_does_change_it(shop, tables, settings, open_shop_of, fitted):
    """The check above can fail."""
    mine = left_out(shop, 0)
    (row, *_) = np.flatnonzero(
        ~tables.events["user_id"].isin(mine) & (tables.events["event"] == "purchase")
    )
    events = tables.events.drop(index=tables.events.index[row])
    other = prepared(tables, settings, open_shop_of, events=events)
    with pytest.raises(AssertionError):
        same(arrays_of(settings, other.windows[0]), fitted)


def test_what_comes_in_the_window_changes_nothing_of_its_model(
    tables, settings, open_shop_of, learning, fitted
):
    start = pd.Timestamp(learning.windows[0].start.as_of, unit="us")
    late = pd.to_datetime(tables.events["timestamp"]) >= start
    items = tables.events["item_id"].to_numpy(dtype=object)
    shifted = np.where(late, np.roll(items, 1), items)
    other = prepared(tables, settings, open_shop_of, events=tables.events.assign(item_id=shifted))
    same(arrays_of(settings, other.windows[0]), fitted)
    assert other.windows[0].cases.targets.items.tolist() != (
        learning.windows[0].cases.targets.items.tolist()
    )


# Too little to look at


def test_where_the_past_is_too_short_there_is_no_window(tables, settings, open_shop_of):
    day = tables.events["timestamp"].str[:10].value_counts().index[0]
    one_day = tables.events[tables.events["timestamp"].str.startswith(day)]
    events = one_day.assign(timestamp=day)  # one moment
    found = prepared(tables, settings, open_shop_of, events=events)
    assert found.windows == ()
    assert found.notes == [TOO_SHORT]


def test_a_window_without_anybody_who_buys_is_left_out(tables, settings, open_shop_of, shop):
    mine = tables.events["user_id"].isin(left_out(shop, 1))
    events = tables.events.assign(event=tables.events["event"].where(~mine, "view"))
    found = prepared(tables, settings, open_shop_of, events=events)
    assert len(found.windows) == WINDOWS - 1
    assert found.notes == []


# Without times


@pytest.fixture(scope="module")
def untimed(tables, settings, open_shop_of):
    events = tables.events.drop(columns="timestamp")
    return prepared(tables, settings, open_shop_of, events=events)


def test_without_times_three_folds_of_users_take_the_place_of_windows(shop, untimed):
    assert len(untimed.windows) == WINDOWS < LEFT_OUT
    assert (untimed.days, untimed.rounds) == (None, ())
    for number, window in enumerate(untimed.windows):
        mine = left_out(shop, number)
        assert asked_in(window) <= mine
        assert not users_of(window) & mine
        assert window.past.bought_next is None


def test_without_times_what_is_to_be_found_was_not_bought_in_what_is_known(untimed):
    items = untimed.now.catalogue.items.ids
    for window in untimed.windows:
        known = window.cases.events.collect("pandas").to_native()
        bought = known[known["event"] == "purchase"].groupby("user_id")["item_id"].agg(set)
        for case, found in zip(
            window.cases.users.ids.tolist(), window.cases.targets.by_user(), strict=True
        ):
            assert len(found)
            assert not set(items[found]) & bought.get(case, set())
