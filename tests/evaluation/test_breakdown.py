"""Groups and means by segment against slow words and cases one can do by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.evaluation.bins import BINS
from recsys.evaluation.breakdown import breakdown, groups_of
from recsys.statistics import mean_interval, weighted_mean_interval

COLUMNS = ["user_id", "axis", "segment", "weight"]
USERS = pd.DataFrame({"history": [0, 2, 5, 200]}, index=pd.Index(list("abcd"), name="user_id"))
ROWS = [
    ("a", "age", "old", 1.0),
    ("b", "age", "old", 1.0),
    ("c", "age", "young", 1.0),
    ("a", "interest", "food", 0.75),
    ("a", "interest", "toys", 0.25),
    ("c", "interest", "food", 0.5),
    ("z", "age", "old", 1.0),
]
MEMBERSHIPS = pd.DataFrame(ROWS, columns=COLUMNS)
VALUES = np.array([0.5, 0.25, 1.0, 0.0])


def row_of(found, axis, segment):
    return found[(found["axis"] == axis) & (found["segment"] == segment)].iloc[0]


def test_groups_hold_the_judged_users_on_every_axis():
    groups = groups_of(MEMBERSHIPS, USERS)
    assert groups.users.tolist() == list("abcd")
    assert groups.axes == ("age", "interest", "items known")
    found = {
        (axis, segment): dict(zip(groups.users[rows].tolist(), weights.tolist(), strict=True))
        for axis, segment, rows, weights in groups.members()
    }
    assert found == {
        ("age", "old"): {"a": 1.0, "b": 1.0},
        ("age", "young"): {"c": 1.0},
        ("interest", "food"): {"a": 0.75, "c": 0.5},
        ("interest", "toys"): {"a": 0.25},
        ("items known", "0"): {"a": 1.0},
        ("items known", "1-3"): {"b": 1.0},
        ("items known", "4-10"): {"c": 1.0},
        ("items known", "101+"): {"d": 1.0},
    }
    assert groups.overlapping == {"interest"}


def test_activity_bins_stand_in_their_own_order():
    history = pd.DataFrame({"history": [500, 50, 20, 5, 1, 0]}, index=list("abcdef"))
    groups = groups_of(MEMBERSHIPS[:0], history)
    assert groups.names == tuple(("items known", name) for name in BINS)


def test_without_history_there_is_no_activity():
    assert groups_of(MEMBERSHIPS, USERS[[]]).axes == ("age", "interest")


def test_the_order_of_rows_and_users_changes_nothing():
    straight = breakdown(VALUES, groups_of(MEMBERSHIPS, USERS))
    turned = breakdown(VALUES[::-1], groups_of(MEMBERSHIPS[::-1], USERS[::-1]))
    pd.testing.assert_frame_equal(straight, turned)


def test_means_by_segment_by_hand():
    found = breakdown(VALUES, groups_of(MEMBERSHIPS, USERS), min_users=2)
    old = row_of(found, "age", "old")
    expected = mean_interval(np.array([0.5, 0.25]))
    assert (old["users"], old["weight"], old["mean"]) == (2, 2.0, 0.375)
    assert [old["low"], old["high"]] == pytest.approx([expected.low, expected.high])
    food = row_of(found, "interest", "food")
    expected = weighted_mean_interval(np.array([0.5, 1.0]), np.array([0.75, 0.5]))
    assert food["mean"] == pytest.approx((0.75 * 0.5 + 0.5) / 1.25)
    assert [food["low"], food["high"]] == pytest.approx([expected.low, expected.high])
    assert food["weight"] == 1.25
    assert found["overlapping"].tolist() == [False] * 2 + [True] * 2 + [False] * 4


def test_users_without_a_value_are_left_out_and_counted():
    values = np.array([0.5, np.nan, np.nan, 0.0])
    found = breakdown(values, groups_of(MEMBERSHIPS, USERS))
    old, young = row_of(found, "age", "old"), row_of(found, "age", "young")
    assert (old["users"], old["missing"], old["mean"]) == (1, 1, 0.5)
    assert math.isnan(old["low"])
    assert (young["users"], young["missing"], young["weight"]) == (0, 1, 0.0)
    assert math.isnan(young["mean"])
    assert not found["readable"].any()


@pytest.mark.parametrize(("weights", "readable"), [([0.1] * 30, True), ([0.1] * 29, False)])
def test_too_few_users_are_not_readable(weights, readable):
    users = pd.DataFrame(index=[f"u{n}" for n in range(len(weights))])
    rows = [(user, "age", "old", weight) for user, weight in zip(users.index, weights, strict=True)]
    found = breakdown(np.ones(len(rows)), groups_of(pd.DataFrame(rows, columns=COLUMNS), users))
    assert found["readable"].tolist() == [readable]


def test_many_users_of_hardly_any_weight_are_not_readable():
    weights = [1.0, 1.0] + [0.001] * 1000
    users = pd.DataFrame(index=[f"u{n}" for n in range(len(weights))])
    rows = [(user, "age", "old", weight) for user, weight in zip(users.index, weights, strict=True)]
    found = breakdown(np.ones(len(rows)), groups_of(pd.DataFrame(rows, columns=COLUMNS), users))
    assert found[["users", "readable"]].to_numpy().tolist() == [[1002, False]]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["x", "y", None]), min_size=4, max_size=4), st.data())
def test_on_an_axis_that_holds_everybody_the_means_add_up(segments, data):
    values = np.array(data.draw(st.lists(st.floats(0, 1), min_size=4, max_size=4)))
    rows = [(u, "axis", s or "rest", 1.0) for u, s in zip("abcd", segments, strict=True)]
    found = breakdown(values, groups_of(pd.DataFrame(rows, columns=COLUMNS), USERS))
    for axis in ("axis", "items known"):
        part = found[found["axis"] == axis]
        assert (part["mean"] * part["weight"]).sum() == pytest.approx(values.sum())
        assert part["users"].sum() == 4


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "age", "old", 0.0)], "weight must be above 0 and at most 1"),
        ([("a", "age", "old", 1.5)], "weight must be above 0 and at most 1"),
        ([("a", "age", "old", 0.5), ("a", "age", "old", 0.5)], "in the same segment twice"),
        ([("a", "items known", "0", 1.0)], "an axis cannot be named 'items known'"),
    ],
)
def test_memberships_that_cannot_be_meant_are_refused(rows, said):
    with pytest.raises(DataError, match=said):
        groups_of(pd.DataFrame(rows, columns=COLUMNS), USERS)


def test_values_of_other_users_are_refused():
    with pytest.raises(DataError, match="3 values for 4 users"):
        breakdown(VALUES[:3], groups_of(MEMBERSHIPS, USERS))
