"""Keeping the best of each row, against sorting everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.models.related.rows import Rows, best, blocks, rows_from, rows_of, stacked


def entries(seed, n_rows=6, n_columns=9):
    rng = np.random.default_rng(seed)
    row, column = np.nonzero(rng.random((n_rows, n_columns)) < 0.6)
    # Few distinct scores: ties everywhere.
    return row, column, rng.integers(3, size=len(row)).astype(np.float64)


@given(st.integers(0, 500), st.integers(1, 12))
def test_rows_are_what_sorting_each_row_gives(seed, most):
    row, column, score = entries(seed)
    kept = rows_of(row, column, score * 10, score, n_rows=6, most=most)
    for r in range(6):
        mine = sorted((-s, c) for q, c, s in zip(row, column, score, strict=True) if q == r)[:most]
        columns, values = kept.of(r)
        assert columns.tolist() == [c for _, c in mine]
        assert values.tolist() == [-10 * s for s, _ in mine]


@given(st.integers(0, 200))
def test_the_order_of_a_rows_entries_plays_no_part(seed):
    row, column, score = entries(seed)
    order = np.lexsort((np.random.default_rng(seed).random(len(row)), row))
    one = rows_of(row, column, score, score, n_rows=6, most=3)
    other = rows_of(row, column[order], score[order], score[order], n_rows=6, most=3)
    np.testing.assert_array_equal(one.columns, other.columns)


def test_gathering_rows_is_reading_them_one_by_one():
    rows = rows_of(*entries(3), entries(3)[2], n_rows=6, most=4)
    wanted = np.asarray([4, 0, 4])
    place, columns, values = rows.gathered(wanted)
    for at, row in enumerate(wanted):
        np.testing.assert_array_equal(columns[place == at], rows.of(row)[0])
        np.testing.assert_array_equal(values[place == at], rows.of(row)[1])


def test_stacked_rows_keep_their_entries_and_their_arrays():
    upper = rows_of(*entries(1), entries(1)[2], n_rows=6, most=4)
    lower = rows_of(*entries(2), entries(2)[2], n_rows=6, most=4)
    both = rows_from(stacked([upper, lower]).arrays("some"), "some")
    assert len(both) == 12
    np.testing.assert_array_equal(both.of(2)[0], upper.of(2)[0])
    np.testing.assert_array_equal(both.of(8)[0], lower.of(2)[0])


def test_no_entries_are_empty_rows():
    nothing = np.empty(0, dtype=np.int64)
    rows = rows_of(nothing, nothing, nothing, nothing.astype(float), n_rows=3, most=2)
    assert isinstance(rows, Rows)
    assert [len(rows.of(row)[0]) for row in range(3)] == [0, 0, 0]
    assert len(rows.gathered(nothing)[0]) == 0


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 40))
def test_blocks_cover_every_row_once(work, most):
    parts = list(blocks(np.asarray(work, dtype=np.int64), most))
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(len(work)))
    largest = max(work, default=0)
    assert all(sum(work[part]) < most + largest or sum(work[part]) == 0 for part in parts)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [(None, [1, 2, 3]), ([True, False, True, True], [2, 3]), ([False] * 4, [])],
)
def test_best_filters_first_and_orders_equal_scores_by_item(allowed, expected):
    items, scores = np.asarray([2, 3, 1]), np.asarray([1.0, 1.0, 5.0])
    flags = None if allowed is None else np.asarray(allowed)
    assert items[best(items, scores, k=3, allowed=flags)].tolist() == expected
