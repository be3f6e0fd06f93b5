"""How often users buy in each category."""

import math

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from recsys.engines import beside, connect, frame
from recsys.segments.cadence import learn_paces, paces

from .conftest import AS_OF, DAY, event_frame
from .profiled import ITEMS, TARGET, bought, crowd, is_bought, on_shelf, untimed

GOODS = ITEMS[["category"]].astype(object).where(ITEMS[["category"]].notna(), None).reset_index()


def of(events, what=paces, **options):
    if isinstance(events, list):
        events = event_frame(events)
    events = nw.from_native(events).lazy()
    given = {"target": TARGET, "as_of": AS_OF, **options}
    return what(events, beside(events, GOODS), **given)


def rows_of(table):
    return [tuple(row) for row in table.itertuples(index=False)]


def on(user, item, *days):
    return [bought(user, item, day) for day in days]


def test_gaps_are_drawn_to_the_category_and_that_to_the_shop():
    rows = [*on("a", "rye", 30, 10), *on("a", "oat", 4), *on("b", "whole", 9, 8, 7)]
    # Bread: gaps of 20 and 6 days; milk: two of one day.
    shop = (20 + 6 + 1 + 1) / 4
    bread, milk = (26 + 3 * shop) / (2 + 3), (2 + 3 * shop) / (2 + 3)
    pooled = of(rows, learn_paces)
    assert pooled.shop == shop
    assert pooled.categories == pytest.approx({"bread": bread, "milk": milk})
    a, b = (26 + 3 * bread) / (2 + 3), (2 + 3 * milk) / (2 + 3)
    found = of(rows)
    assert rows_of(found[["user_id", "category", "purchases"]]) == [
        ("a", "bread", 3),
        ("b", "milk", 3),
    ]
    np.testing.assert_allclose(found["gap"], [a, b])
    np.testing.assert_allclose(found["next_in"], [a - 4, b - 7])
    np.testing.assert_allclose(found["overdue"], [4 / a, 7 / b])


def test_one_purchase_is_due_when_the_category_is():
    rows = [*on("a", "rye", 20, 10), *on("b", "rye", 3), *on("b", "whole", 3)]
    found = of(rows)
    assert found["gap"].tolist() == [10, 10, 10]
    assert found["next_in"].tolist() == [0, 7, 7]


def test_a_user_alone_is_measured_against_everybody():
    rows = [*on("a", "rye", 30, 10), *on("b", "rye", 9, 8, 7), *on("b", "whole", 5)]
    pooled = of(rows, learn_paces)
    hers = of([row for row in rows if row["user_id"] == "b"], pooled=pooled)
    together = of(rows)
    expected = together[together["user_id"] == "b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(hers, expected, check_exact=True)


def test_a_category_that_nobody_bought_in_has_the_pace_of_the_shop():
    pooled = of(on("a", "rye", 20, 10), learn_paces)
    found = of(on("b", "whole", 4), pooled=pooled)
    assert found["gap"].tolist() == [pooled.shop] == [10]


def test_where_nobody_came_back_no_pace_is_known():
    found = of(on("a", "rye", 20))
    assert found["purchases"].tolist() == [1]
    assert found[["gap", "next_in", "overdue"]].isna().all(axis=None)


def test_what_is_no_purchase_or_of_no_category_is_left_out():
    rows = [
        bought("a", "odd", 3),
        bought("a", "never seen", 3),
        bought("a", "rye", 3, event="view"),
        bought("a", "rye", 3, quantity=0.0),
        {"user_id": "a", "event": "search", "query": "milk", "days": 3},
    ]
    assert of(rows).empty
    assert math.isnan(of(rows, learn_paces).shop)


def test_without_times_there_is_no_pace():
    events = untimed(event_frame(on("a", "rye", 1, 2)))
    assert of(events).empty
    assert list(of(events).columns) == [
        "user_id",
        "category",
        "purchases",
        "gap",
        "next_in",
        "overdue",
    ]


def slow(rows, as_of_days=0):
    """Days before the moment on which each user bought in each category, from the oldest on."""
    found = {}
    for row in rows:
        if is_bought(row) and row["days"] > as_of_days:
            category = on_shelf(row["item_id"], "category")
            if category is not None:
                days = found.setdefault((row["user_id"], category), set())
                days.add(math.ceil(row["days"]))
    return {key: sorted(days, reverse=True) for key, days in sorted(found.items())}


def test_paces_equal_a_slow_loop():
    days = slow(crowd())
    gaps = {key: -np.diff(hers) for key, hers in days.items()}
    shop = np.concatenate(list(gaps.values())).mean()
    pooled = {}
    for category in ("bread", "milk"):
        in_it = np.concatenate([hers for key, hers in gaps.items() if key[1] == category])
        pooled[category] = (in_it.sum() + 3 * shop) / (len(in_it) + 3)
    found = of(crowd())
    assert rows_of(found[["user_id", "category"]]) == list(days)
    for row, (key, hers) in zip(found.itertuples(), days.items(), strict=True):
        gap = (gaps[key].sum() + 3 * pooled[key[1]]) / (len(gaps[key]) + 3)
        expected = (len(hers), gap, gap - hers[-1], hers[-1] / gap)
        assert (row.purchases, row.gap, row.next_in, row.overdue) == pytest.approx(expected)


def test_what_comes_later_changes_nothing():
    as_of = AS_OF - 50 * DAY
    earlier = [row for row in crowd() if row["days"] > 50]
    found = of(crowd(), as_of=as_of)
    assert list(zip(found["user_id"], found["category"], strict=True)) == list(slow(crowd(), 50))
    pd.testing.assert_frame_equal(found, of(earlier, as_of=as_of), check_exact=True)


@pytest.mark.parametrize("seed", [1, 2])
def test_neither_the_engine_nor_the_order_of_rows_counts(seed):
    connection = connect(threads=2)
    shuffled = event_frame(crowd()).sample(frac=1, random_state=seed)
    connection.register("events", shuffled)
    events = frame(connection, "events")
    found = paces(events, beside(events, GOODS), target=TARGET, as_of=AS_OF)
    connection.close()
    pd.testing.assert_frame_equal(
        found, of(crowd()), check_exact=True, check_dtype=False, check_column_type=False
    )
