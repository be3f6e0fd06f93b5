"""Histories of other users, of nobody, and of items that are no longer there."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.events.schema import MICROSECONDS_PER_DAY as DAY
from recsys.interactions import Histories, build_histories, came_back, targets_of
from recsys.vocabulary import Vocabulary

ITEMS = Vocabulary(["x", "y", "z"])
COLUMNS = ["user_id", "item_id", "worth", "visits", "decayed_0", "decayed_1", "last", "first"]


def tabled(pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """A pair table with other numbers in every cell; an odd row bought nothing."""
    rows = [
        (*pair, n - 2.0, n % 2, n / 2, n / 4, *([n * DAY, DAY] if n % 2 else [None, None]))
        for n, pair in enumerate(pairs)
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype({"user_id": object, "item_id": object, "last": "Int64", "first": "Int64"})


def same(one: Histories, other: Histories) -> bool:
    names = ["indptr", "items", "worth", "visits", "decayed_visits", "since_last", "since_first"]
    return one.users.ids.tolist() == other.users.ids.tolist() and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in names
    )


some_pairs = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), unique=True, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(some_pairs, st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_aligned_is_as_built_for_those_users(
    pairs: list[tuple[str, str]], first: set[str], then: set[str]
) -> None:
    table = tabled(pairs)
    built = build_histories(table, Vocabulary(first), ITEMS, as_of=30 * DAY)
    kept = table[table["user_id"].isin(first)]
    expected = build_histories(kept, Vocabulary(then), ITEMS, as_of=30 * DAY)
    assert same(built.aligned(Vocabulary(then)), expected)


@settings(max_examples=40, deadline=None)
@given(some_pairs, st.randoms(use_true_random=False))
def test_the_order_of_the_table_does_not_matter(pairs: list[tuple[str, str]], random: Any) -> None:
    table = tabled(pairs)
    order = random.sample(range(len(table)), len(table))
    users = Vocabulary("abcd")
    one, other = (build_histories(t, users, ITEMS, as_of=DAY) for t in (table, table.iloc[order]))
    assert same(one, other)
    assert one.indptr[0] == 0
    assert np.all(np.diff(one.indptr) >= 0)
    assert one.indptr[-1] == len(one.items) == sum(item in ITEMS for _, item in pairs)
    assert np.all(np.diff(one.user_index * len(ITEMS) + one.items) > 0)


def test_days_since_are_counted_from_the_moment() -> None:
    histories = build_histories(
        tabled([("a", "x"), ("a", "y"), ("a", "z"), ("b", "x")]),
        Vocabulary("ab"),
        ITEMS,
        as_of=5 * DAY + DAY // 2,
    )
    assert histories.since_last.tolist()[1::2] == [4.5, 2.5]
    assert histories.since_first.tolist()[1::2] == [4.5, 4.5]
    assert np.isnan(histories.since_last[[0, 2]]).all()
    assert histories.decayed_visits.tolist() == [[0, 0], [0.5, 0.25], [1, 0.5], [1.5, 0.75]]
    assert [histories.rows(user) for user in (0, 1)] == [slice(0, 3), slice(3, 4)]


def test_what_is_worth_nothing_is_not_stored_in_the_matrix() -> None:
    pairs = [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x")]
    histories = build_histories(tabled(pairs), Vocabulary("abc"), ITEMS, as_of=DAY)
    matrix = histories.user_items()
    assert matrix.toarray().tolist() == [[-2, -1, 0], [1, 0, 0], [0, 0, 0]]
    assert matrix.nnz == 3
    matrix.data[:] = 7
    assert histories.worth.tolist() == [-2, -1, 0, 1]


def test_nobody_has_an_empty_history() -> None:
    nobody = build_histories(tabled([]), Vocabulary([]), ITEMS, as_of=DAY)
    assert nobody.user_items().shape == (0, 3)
    one = nobody.aligned(Vocabulary(["a"]))
    assert (one.indptr.tolist(), one.decayed_visits.shape) == ([0, 0], (0, 2))
    assert one.aligned(Vocabulary([])).indptr.tolist() == [0]
    assert came_back(one, targets_of(tabled([])[["user_id", "item_id"]], ITEMS)).tolist() == []


@pytest.mark.parametrize("n_columns", [0, 1, 12])
def test_decayed_columns_stand_in_the_order_of_their_half_lives(n_columns: int) -> None:
    table = tabled([("a", "x")]).drop(columns=["decayed_0", "decayed_1"])
    for number in reversed(range(n_columns)):
        table[f"decayed_{number}"] = float(number)
    histories = build_histories(table, Vocabulary("a"), ITEMS, as_of=DAY)
    assert histories.decayed_visits.tolist() == [list(range(n_columns))]
