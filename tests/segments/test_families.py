"""What holds for every family of features."""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from recsys.segments.profiles import (
    FAMILIES,
    FAMILY_OF,
    FEATURES,
    Span,
    derive_profiles,
    learn_norms,
    measure_profiles,
)

from .conftest import AS_OF, event_frame
from .profiled import EVER, LATELY, ROWS, Shop, bought, crowd, crowd_profiles, crowd_shop

BEFORE = Span(AS_OF - 40 * 86_400_000_000, np.inf)
ALL = tuple(FEATURES)
EVERYTHING = {EVER: ALL, LATELY: ALL}


def in_full(sums, norms):
    """Features of everybody, rows and columns in one order."""
    return {span: table.rename_axis(None) for span, table in derive_profiles(sums, norms).items()}


def assert_same(found, expected):
    for span, table in expected.items():
        pd.testing.assert_frame_equal(found[span], table, check_exact=True, check_index_type=False)


def test_every_feature_is_documented_and_belongs_to_one_family():
    assert sum(len(family.features) for family in FAMILIES) == len(FEATURES)
    assert all(feature.unit and feature.definition for feature in FEATURES.values())
    assert {family.name for family in FAMILY_OF.values()} == {family.name for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_derives_the_features_it_names(family):
    names = [feature.name for feature in family.features]
    sums = Shop([bought("a", "rye", 3)]).measure_here({EVER: names[:1]})
    assert set(sums[EVER]) == {family.name}
    table = derive_profiles(sums, learn_norms(sums))[EVER]
    assert list(table.columns) == names
    assert set(table.dtypes) == {np.dtype("float64")}


@cache
def on_engine():
    """Norms and features of the crowd, from DuckDB and rows in another order."""
    shuffled = crowd_shop().frame.sample(frac=1, random_state=5)
    sums = crowd_shop().measure_on_engine(EVERYTHING, shuffled)
    norms = learn_norms(sums)
    return norms, in_full(sums, norms)


def test_neither_the_engine_nor_the_order_of_rows_counts():
    norms, tables = on_engine()
    here = crowd_shop().measure_here(EVERYTHING)
    assert learn_norms(here) == norms
    assert_same(in_full(here, norms), tables)


def test_a_user_alone_has_the_features_she_has_among_others():
    norms, together = on_engine()
    events = crowd_shop().frame
    for user in ("u00", "u29", "u44"):
        sums = crowd_shop().measure_here(EVERYTHING, events[events["user_id"] == user])
        for span, table in in_full(sums, norms).items():
            assert list(table.index) == [user] * (user in together[span].index)
            np.testing.assert_array_equal(table, together[span].reindex(table.index))


NAMESAKES = {"a": "u07", "b": "u29", "c": "u44"}


@cache
def earlier():
    rows = tuple(row for row in crowd() if row["days"] > 40)
    sums = crowd_shop().measure_here({BEFORE: ALL}, event_frame(list(rows)))
    return rows, in_full(sums, learn_norms(sums))


@settings(max_examples=3, deadline=None)
@given(ROWS)
def test_what_comes_at_the_moment_or_later_changes_nothing(rows):
    before, expected = earlier()
    later = [
        {**row, "user_id": NAMESAKES[row["user_id"]], "days": row["days"] % 40 or 40.0}
        for row in [*rows, {**rows[0], "days": 40.0}]
    ]
    sums = crowd_shop().measure_here({BEFORE: ALL}, event_frame([*later, *before]))
    assert_same(in_full(sums, learn_norms(sums)), expected)


def test_without_times_what_goes_by_them_is_unknown_and_the_rest_is_not():
    shop = Shop(crowd(), timed=False)
    here = shop.measure_here({EVER: ALL})
    table, timed = in_full(here, learn_norms(here))[EVER], crowd_profiles()[EVER]
    by_times = [f.name for family in FAMILIES if family.needs_times for f in family.features]
    assert table[by_times].isna().all(axis=None)
    same = ["events", "spend", "items", "categories", "category_entropy", "price_position"]
    same += ["brand_concentration", "brands", "return_rate", "mean_rating", "search_share"]
    np.testing.assert_array_equal(table[same], timed[same])
    assert table[same].notna().any().all()


ONE_VIEW = [{"user_id": "a", "item_id": "rye", "days": 2, "event": "view"}]
ODD = [
    bought("once", "rye", 2),
    bought("unknown item", "never seen", 2, amount=5),
    bought("a return alone", "rye", 2, amount=70, event="return"),
    bought("a purchase of nothing", "rye", 2, quantity=0.0),
    bought("corrections alone", "rye", 2, amount=-50),
    bought("before 1970", "rye", 30_000.3, amount=5),
    {"user_id": "a search without words", "days": 2, "event": "search"},
]


@pytest.mark.parametrize("rows", [ONE_VIEW, ODD[:1], ODD[1:2], ODD])
def test_users_of_whom_little_is_known_are_no_trouble(rows):
    sums = Shop(rows).measure_here({EVER: ALL})
    norms = learn_norms(sums)
    table = in_full(sums, norms)[EVER]
    assert all(math.isfinite(value) for of in norms.values() for value in of.values())
    assert set(table.index) == {row["user_id"] for row in rows}
    assert not np.isinf(table.to_numpy()).any()


@pytest.mark.parametrize("timed", [True, False])
def test_they_are_no_trouble_on_the_engine_either(timed):
    shop = Shop([*ONE_VIEW, *ODD], timed=timed)
    here, there = shop.measure_here({EVER: ALL}), shop.measure_on_engine({EVER: ALL})
    norms = learn_norms(here)
    assert learn_norms(there) == norms
    assert_same(in_full(there, norms), in_full(here, norms))


def test_where_nothing_happened_there_is_nobody():
    shop = Shop([bought("a", "rye", 3)])
    nothing = shop.measure_here(EVERYTHING, shop.frame.head(0))
    table = derive_profiles(nothing, learn_norms(nothing))[EVER]
    assert len(table) == 0
    assert set(table.columns) == set(FEATURES)


def test_norms_are_of_the_newest_and_longest_span():
    rows = [bought("a", "rye", day) for day in (1, 3, 101, 111)]
    wanted = {BEFORE: ["gap"], LATELY: ["gap"], EVER: ["gap"]}
    assert learn_norms(Shop(rows).measure_here(wanted))["cadence"] == {"gap": 110 / 3}


def test_without_norms_what_is_shrunk_is_unknown():
    sums = Shop([bought("a", "rye", 1), bought("a", "rye", 5)]).measure_here({EVER: ["gap"]})
    assert derive_profiles(sums, {})[EVER][["gap", "next_in"]].isna().all(axis=None)


def test_only_families_that_are_asked_for_are_measured():
    events = Shop([bought("a", "rye", 3)])
    assert set(events.measure_here({EVER: ["gap", "orders"]})[EVER]) == {"shopping", "cadence"}
    assert measure_profiles(None, None, {}, target=("purchase",), timed=True) == {}
