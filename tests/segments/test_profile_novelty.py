import math

import numpy as np
import pandas as pd
import pytest

from recsys.segments.profiles.novelty import FIRST_TIME_SHARE, NEW_ITEM_SHARE

from .profiled import EVER, ITEMS, LATELY, bought, crowd, known, profile, purchases_of

NAMES = (FIRST_TIME_SHARE, NEW_ITEM_SHARE)


@pytest.mark.parametrize(
    ("window", "share"),
    [
        # In the last 30 days rye and oat, both known before; in the last 60 bun as well.
        (30.0, 0.0),
        (60.0, 1 / 3),
        (np.inf, 1 / 3),
        (100.0, 2 / 3),
    ],
)
def test_first_times_are_those_within_the_window_and_never_before_it(window, share):
    rows = [bought("a", "rye", day) for day in (200, 10, 5)]
    rows += [bought("a", "oat", day) for day in (90, 12)]
    rows += [bought("a", "bun", day) for day in (50, 31)]
    assert profile(rows, NAMES, days=window).loc["a", FIRST_TIME_SHARE] == pytest.approx(share)


def test_the_window_begins_with_its_first_moment():
    rows = [bought("a", "rye", 30), bought("b", "rye", 30.5), bought("b", "rye", 30)]
    assert profile(rows, NAMES, days=30.0)[FIRST_TIME_SHARE].tolist() == [1, 0]


def test_who_bought_nothing_lately_tried_nothing():
    rows = [bought("a", "rye", 100), bought("b", "rye", 1)]
    found = profile(rows, NAMES)[FIRST_TIME_SHARE]
    assert math.isnan(found["a"])
    assert found["b"] == 1


@pytest.mark.parametrize(
    ("days", "new"),
    [
        # Oat was launched 20 days before the moment, bun 40 days before it.
        ({"oat": [1]}, 1),
        ({"bun": [10.5]}, 1),
        ({"bun": [10]}, 0),
        ({"bun": [10, 11], "oat": [2], "rye": [3]}, 2 / 4),
        ({"oat": [25]}, 1),
    ],
)
def test_an_item_is_new_for_less_than_thirty_days(days, new):
    rows = [bought("b", "oat", 1)]
    rows += [bought("a", item, day) for item, when in days.items() for day in when]
    assert profile(rows, NAMES).loc["a", NEW_ITEM_SHARE] == new


def test_a_shop_that_launched_nothing_sells_nothing_new():
    items = ITEMS.drop(columns="created_at")
    assert profile([bought("a", "oat", 1)], NAMES, items=items)[NEW_ITEM_SHARE].isna().all()


def test_an_item_that_is_not_in_the_catalogue_is_neither_new_nor_old():
    rows = [bought("a", "oat", 1), bought("b", "rye", 1)]
    shelf = profile(rows, NAMES).loc["a", NEW_ITEM_SHARE]
    assert shelf == 1


def new(line):
    created = ITEMS["created_at"][line["item_id"]]
    if pd.isna(created):
        return False
    launched = (pd.Timestamp("2024-07-01") - pd.Timestamp(created)).days
    return launched - line["days"] < 30


def slow(lines, window):
    lately = 60 if math.isinf(window) else window
    items = {line["item_id"] for line in lines if line["days"] <= lately}
    before = {line["item_id"] for line in lines if line["days"] > lately}
    within = [line for line in lines if line["days"] <= window]
    return [
        len(items - before) / len(items) if items else np.nan,
        sum(new(line) for line in within) / len(within) if within else np.nan,
    ]


@pytest.mark.parametrize("span", [EVER, LATELY])
def test_novelty_equals_a_slow_loop(span):
    # Somebody deals with every item in the first days, so that none is launched but by the file.
    opening = [bought("opener", item, 150, event="view") for item in ITEMS.index]
    rows = [*opening, *crowd(), bought("last", "oat", 1)]
    found = profile(rows, NAMES, days=span.days)
    for user in {row["user_id"] for row in rows}:
        expected = slow(purchases_of(rows, user), span.days)
        np.testing.assert_allclose([known(found, user, name) for name in NAMES], expected)
