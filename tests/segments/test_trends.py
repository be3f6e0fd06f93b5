from collections import defaultdict

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import sparse
from scipy.special import ndtr

from recsys.engines import connect, frame
from recsys.errors import ConfigError
from recsys.random import generator
from recsys.segments.insight.trends import (
    COLUMNS,
    FALLING,
    RISING,
    UNCLEAR,
    Periods,
    TrendsConfig,
    rate_ratios,
    trends,
)
from recsys.statistics import benjamini_hochberg

from .conftest import AS_OF, event_frame
from .test_funnel import NOBODY, did, lazily, memberships_of

WEEK = TrendsConfig(window="7d", least_users=1)
BEFORE, AFTER = 10.0, 3.0
"""Days before the moment that lie in the older and in the newer week."""
ITEMS = pd.DataFrame({"item_id": ["x", "y", "z"], "category": ["tea", "tea", None]})


def of(rows, memberships=NOBODY, config=WEEK, **options):
    events = lazily(event_frame(rows))
    return trends(events, memberships, **{"as_of": AS_OF, "config": config, **options})


def row_of(found, name, *, segment="", what="item"):
    rows = found[(found["name"] == name) & (found["segment"] == segment) & (found["what"] == what)]
    (row,) = rows.itertuples()
    return row


def matrix(cells):
    return sparse.csr_matrix(np.asarray(cells, dtype=float))


# the ratio and its error


def slow_ratio(weights, active, did):
    """One group, one thing: the formula of `rate_ratios`, user by user."""
    primed = []
    for a, x in zip(active, did, strict=True):
        n = sum(w * present for w, present in zip(weights, a, strict=True))
        average = sum(w * w * present for w, present in zip(weights, a, strict=True)) / n
        c = sum(w * took for w, took in zip(weights, x, strict=True))
        primed.append((c + average / 2, n + average / 2, average))
    (c0, n0, w0), (c1, n1, w1) = primed
    variance = w1**2 / 2 * (1 / c1 - 1 / n1) ** 2 + w0**2 / 2 * (1 / c0 - 1 / n0) ** 2
    for u, w in enumerate(weights):
        after = did[1][u] / c1 - active[1][u] / n1
        before = did[0][u] / c0 - active[0][u] / n0
        variance += w**2 * (after - before) ** 2
    return np.log(c1 / n1) - np.log(c0 / n0), np.sqrt(variance)


USER = st.tuples(
    st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    *[st.booleans()] * 4,
)


@given(st.lists(USER, min_size=2, max_size=12))
def test_the_ratio_and_its_error_are_their_formula(users):
    # The first is active in both windows, so that both shares have users.
    users = [(1.0, True, True, *users[0][3:]), *users]
    weights = [user[0] for user in users]
    active = np.array([user[1:3] for user in users], dtype=float).T
    took_part = active * np.array([user[3:5] for user in users], dtype=float).T
    found = rate_ratios(
        matrix([[w] for w in weights]),
        Periods(matrix(active[[0]].T), matrix(active[[1]].T)),
        Periods(matrix(took_part[[0]].T), matrix(took_part[[1]].T)),
    )
    log_ratio, error = slow_ratio(weights, active.tolist(), took_part.tolist())
    assert found.log_ratio[0, 0] == pytest.approx(log_ratio)
    assert found.error[0, 0] == pytest.approx(error, abs=1e-7)
    assert found.before[0, 0] == pytest.approx(took_part[0] @ weights)


def counts(c0, n0, c1, n1):
    """Different users in the two windows, so many of whom took part."""
    x0 = [[1.0]] * c0 + [[0.0]] * (n0 - c0 + n1)
    x1 = [[0.0]] * n0 + [[1.0]] * c1 + [[0.0]] * (n1 - c1)
    a0, a1 = [[1.0]] * n0 + [[0.0]] * n1, [[0.0]] * n0 + [[1.0]] * n1
    ones = matrix([[1.0]] * (n0 + n1))
    return rate_ratios(ones, Periods(matrix(a0), matrix(a1)), Periods(matrix(x0), matrix(x1)))


@pytest.mark.parametrize("case", [(5, 40, 12, 50), (0, 40, 7, 50), (3, 30, 0, 20), (8, 8, 1, 9)])
def test_different_users_have_walters_variance(case):
    c0, n0, c1, n1 = case
    found = counts(*case)
    expected = 1 / (c1 + 0.5) - 1 / (n1 + 0.5) + 1 / (c0 + 0.5) - 1 / (n0 + 0.5)
    assert found.error[0, 0] ** 2 == pytest.approx(expected)
    ratio = (c1 + 0.5) / (n1 + 0.5) / ((c0 + 0.5) / (n0 + 0.5))
    assert np.exp(found.log_ratio[0, 0]) == pytest.approx(ratio)


def test_equal_weights_of_any_size_say_the_same():
    rng = generator(2, "weights")
    active = matrix(np.ones((50, 1)))
    did = Periods(*(matrix(rng.random((50, 4)) < 0.3) for _ in range(2)))
    whole = rate_ratios(matrix(np.ones((50, 1))), Periods(active, active), did)
    half = rate_ratios(matrix(np.full((50, 1), 0.5)), Periods(active, active), did)
    np.testing.assert_allclose(half.log_ratio, whole.log_ratio)
    np.testing.assert_allclose(half.error, whole.error)
    np.testing.assert_allclose(half.after, whole.after / 2)


def test_users_who_take_part_in_both_windows_make_it_surer():
    active = matrix(np.ones((100, 1)))
    same = matrix([[1.0]] * 30 + [[0.0]] * 70)
    other = matrix([[0.0]] * 30 + [[1.0]] * 30 + [[0.0]] * 40)
    ones, both = matrix(np.ones((100, 1))), Periods(active, active)
    loyal, passing = (rate_ratios(ones, both, Periods(same, after)) for after in (same, other))
    assert loyal.log_ratio[0, 0] == passing.log_ratio[0, 0] == 0
    assert loyal.error[0, 0] < 0.5 * passing.error[0, 0]


def test_nobody_active_is_no_ratio():
    none = matrix([[0.0]] * 3)
    some = matrix([[1.0]] * 3)
    found = rate_ratios(matrix([[1.0]] * 3), Periods(none, some), Periods(none, some))
    assert np.isnan(found.log_ratio[0, 0])


@pytest.mark.parametrize(
    ("weighted", "loyal", "share", "ratio"),
    [
        (False, 0.0, 0.05, 1.0),
        (False, 0.0, 0.03, 2.0),
        (False, 0.8, 0.3, 1.0),
        (True, 0.0, 0.1, 1.5),
        (True, 0.8, 0.2, 1.0),
    ],
)
def test_the_interval_covers(weighted, loyal, share, ratio):
    """Simulated things of one known ratio; users who come back, and heavy members who do more."""
    n_users, n_things = 400, 1500
    rng = generator(7, "coverage", str((weighted, loyal, share, ratio)))
    weights = rng.uniform(0.1, 1, n_users) if weighted else np.ones(n_users)
    own = np.minimum(share * weights * n_users / weights.sum(), 1.0)[:, np.newaxis]
    before = rng.random((n_users, n_things)) < own
    fresh = rng.random((n_users, n_things)) < np.minimum(own * ratio, 1)
    again = (rng.random((n_users, n_things)) < loyal) & (ratio == 1.0)
    after = np.where(again, before, fresh)
    active = matrix(np.ones((n_users, 1)))
    found = rate_ratios(
        matrix(weights[:, np.newaxis]),
        Periods(active, active),
        Periods(matrix(before), matrix(after)),
    )
    covered = np.abs(found.log_ratio - np.log(ratio)) <= 1.959964 * found.error
    # Half a user and the normal approximation err on the safe side, by little.
    assert 0.935 <= covered.mean() <= 0.985


# from events to rows


def test_counts_are_users_once_a_window():
    rows = [
        *[did("a", "view", AFTER), did("a", "cart", AFTER - 1), did("a", "view", BEFORE)],
        *[did("b", "view", AFTER), did("c", "view", BEFORE), did("d", "search", AFTER, None)],
        *[did("b", "return", BEFORE), did("b", "impression", BEFORE)],
    ]
    row = row_of(of(rows), "x")
    assert (row.before, row.after) == (2, 2)
    # Active: a, b and c before (b by what does not count as taking part), a, b and d after.
    log_ratio, error = slow_ratio(
        [1.0] * 4, [[1, 1, 1, 0], [1, 1, 0, 1]], [[1, 0, 1, 0], [1, 1, 0, 0]]
    )
    assert row.ratio == pytest.approx(np.exp(log_ratio))
    assert row.low == pytest.approx(np.exp(log_ratio - 1.959963985 * error))
    assert row.high == pytest.approx(np.exp(log_ratio + 1.959963985 * error))


def test_windows_end_where_they_say():
    days = {"moment": 0, "newest": 1e-6, "edge": 7, "older": 7 + 1e-6, "first": 14, "gone": 14.01}
    rows = [did(f"u{n}", "view", day, item) for n, (item, day) in enumerate(days.items())]
    found = of(rows).set_index("name")[["before", "after"]]
    assert found["after"].to_dict() == {"edge": 1, "newest": 1, "first": 0, "older": 0}
    assert found["before"].to_dict() == {"edge": 0, "newest": 0, "first": 1, "older": 1}


def test_soft_members_count_by_their_weight_and_rare_things_are_left_out():
    members = memberships_of({"taste": {"tea": {"a": 0.5, "b": 0.25}, "milk": {"b": 0.75}}})
    rows = [did(user, "view", days) for user in "abc" for days in (BEFORE, AFTER)]
    rows.append(did("a", "view", AFTER, item="y"))
    config = TrendsConfig(window="7d", least_users=1)
    found = of(rows, members, config)
    assert (row_of(found, "x", segment="tea").before, row_of(found, "x").after) == (0.75, 3)
    assert found[found["name"] == "y"]["segment"].tolist() == [""]


def test_categories_and_queries():
    rows = [
        did("a", "view", AFTER, "x"),
        did("a", "view", AFTER, "y"),
        did("b", "view", BEFORE, "y"),
        did("b", "view", BEFORE, "z"),
        did("a", "search", AFTER, None, query="Green  Tea"),
        did("a", "search", AFTER, None, query="green tea"),
        did("b", "search", AFTER, None, query=" "),
    ]
    found = of(rows, item_category=lazily(ITEMS))
    tea = row_of(found, "tea", what="category")
    assert (tea.before, tea.after) == (1, 1)
    assert found[found["what"] == "query"]["name"].tolist() == ["green tea"]
    assert row_of(found, "green tea", what="query").after == 1
    assert "category" not in set(of(rows)["what"])


def shop(*, seed=5, n=600):
    """The old take to x and leave y, the young do not move; z is for everybody."""
    rng = generator(seed, "shop")
    rows, age = [], {"old": {}, "young": {}}
    chance = {
        "old": {"x": (0.1, 0.4), "y": (0.4, 0.1)},
        "young": {"x": (0.2,) * 2, "y": (0.2,) * 2},
    }
    for number in range(n):
        user, group = f"u{number}", "old" if number % 2 else "young"
        age[group][user] = 1.0
        for period, days in enumerate((BEFORE, AFTER)):
            rows.append(did(user, "search", days, None, query="hello"))
            rows += [
                did(user, "view", days, item)
                for item, likely in (chance[group] | {"z": (0.3, 0.3)}).items()
                if rng.random() < likely[period]
            ]
    return rows, memberships_of({"age": age})


def test_opposite_movements_are_found_in_their_segments():
    found = of(*shop())
    directions = {
        (row.segment, row.name): row.direction for row in found.itertuples() if row.segment
    }
    assert directions[("old", "x")] == RISING
    assert directions[("old", "y")] == FALLING
    assert {directions[("young", item)] for item in "xyz"} == {UNCLEAR}
    old = row_of(found, "x", segment="old")
    assert old.low < 4 < old.high and old.low > 1


def test_a_segment_that_grows_raises_nothing():
    rows = [did(f"u{n}", "view", BEFORE, "x" if n % 4 == 0 else "y") for n in range(200)]
    rows += [did(f"v{n}", "view", AFTER, "x" if n % 4 == 0 else "y") for n in range(800)]
    found = of(rows)
    assert found["ratio"].tolist() == pytest.approx([1, 1], abs=0.01)
    assert set(found["direction"]) == {UNCLEAR}


def test_what_stays_the_same_is_rarely_claimed():
    rng, rows = generator(11, "still"), []
    for number in range(300):
        for days in (BEFORE, AFTER):
            seen = rng.random(60) < 0.1
            rows += [did(f"u{number}", "view", days, f"i{item}") for item in np.flatnonzero(seen)]
    found = of(rows, config=TrendsConfig(window="7d", least_users=20))
    assert len(found) > 50
    # Benjamini-Hochberg at 5 %: any claim at all in 5 % of such shops; this is one, with a seed.
    assert (found["direction"] != UNCLEAR).sum() <= 1


def test_q_values_are_by_axis_and_kind():
    found = of(*shop(n=300), item_category=lazily(ITEMS))
    error = (np.log(found["high"]) - np.log(found["low"])) / (2 * 1.959963985)
    sure = error > 0
    p = np.ones(len(found))
    p[sure] = 2 * ndtr(-np.abs(np.log(found["ratio"][sure])) / error[sure])
    for _, rows in found.assign(p=p).groupby(["axis", "what"]):
        np.testing.assert_allclose(
            rows["q_value"], benjamini_hochberg(rows["p"].to_numpy()), atol=1e-6
        )


def test_without_times_or_events_there_are_no_rows():
    untimed = event_frame([did("a", "view", 1), did("a", "search", 1, None, query="tea")])
    untimed["time"] = pd.array([None, None], dtype="Int64")
    for table in (untimed, untimed.iloc[:0]):
        found = trends(
            lazily(table), shop(n=4)[1], as_of=AS_OF, item_category=lazily(ITEMS), config=WEEK
        )
        assert found.empty and list(found) == list(COLUMNS)


@settings(max_examples=6, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(["view", "purchase", "search", "return"]),
            st.integers(1, 15),
            st.sampled_from("xyz"),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_a_slow_loop_counts_the_same_on_either_engine(drawn):
    rows = [
        did(user, event, days, None if event == "search" else item, query=item)
        for user, event, days, item in drawn
    ]
    members = memberships_of({"taste": {"tea": {"a": 1.0, "b": 0.25, "z": 1.0}}})
    who = defaultdict(lambda: (set(), set()))
    for user, event, days, item in drawn:
        if event != "return" and days <= 14:
            what = "query" if event == "search" else "item"
            who[what, item][days <= 7].add(user)
    found = of(rows, members)
    active = [
        {u for u, _, days, _ in drawn if 7 * (2 - p) - 7 < days <= 7 * (2 - p)} for p in (0, 1)
    ]
    if not all(active):
        assert found[found["segment"] == ""].empty
    for row in found.itertuples():
        weight = {"a": 1.0, "b": 0.25} if row.segment else dict.fromkeys("abcd", 1.0)
        sides = who[row.what, row.name]
        expected = [sum(weight.get(user, 0.0) for user in side) for side in sides]
        assert (row.before, row.after) == (expected[0], expected[1])
    with connect() as connection:
        table = event_frame(rows).sample(frac=1, random_state=len(rows), ignore_index=True)
        connection.register("e", table)
        again = trends(frame(connection, "e"), members, as_of=AS_OF, config=WEEK)
    pd.testing.assert_frame_equal(again, found)


def test_a_window_that_is_no_duration_is_refused():
    with pytest.raises((ConfigError, ValidationError), match="is not a duration"):
        TrendsConfig(window="a month")


def test_the_frame_is_the_same_whatever_the_order_of_rows():
    rows, members = shop(n=80)
    once = of(rows, members)
    again = of(rows[::-1], members)
    pd.testing.assert_frame_equal(once, again)
    assert nw.from_native(once).columns == list(COLUMNS)
