"""How alike two axes are: the definition, slow loops, chance, and cases by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.errors import DataError
from recsys.segments.axis import one_hot
from recsys.segments.insight import (
    associate,
    best_matching,
    conflicts,
    cramers_v,
    cross_table,
)


def codes(seed, n_users, n_segments, *, unknown=0.0):
    rng = np.random.default_rng(seed)
    lot = rng.integers(n_segments, size=n_users)
    return np.where(rng.random(n_users) < unknown, -1, lot)


def soft(seed, n_users=60, n_segments=3, *, partial=False):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(n_segments, 0.5), n_users)
    if partial:
        weights *= rng.choice([0.0, 0.5, 1.0], size=(n_users, 1))
    return sparse.csr_matrix(weights)


def bergsma(table):
    """The corrected V as the paper has it, of a table of whole counts without empty margins."""
    r, c = table.shape
    n = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = ((table - expected) ** 2 / expected).sum() / n
    corrected = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    rows, columns = (size - (size - 1) ** 2 / (n - 1) for size in (r, c))
    return math.sqrt(corrected / min(rows - 1, columns - 1))


# The table


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_the_table_is_that_of_a_loop(seed):
    one, other = soft(seed, partial=True), soft(seed + 1, n_segments=4)
    expected = np.zeros((3, 4))
    for mine, theirs in zip(one.toarray(), other.toarray(), strict=True):
        expected += np.outer(mine, theirs)
    np.testing.assert_allclose(cross_table(one, other), expected)


def test_unknown_users_are_left_out_and_counted():
    one, other = one_hot(np.array([0, 0, 1, -1, 1]), 2), one_hot(np.array([1, 0, -1, -1, 1]), 2)
    found = associate(one, other)
    assert (found.users, found.left_out) == (3, 2)
    assert found.table.tolist() == [[1, 1], [0, 1]]
    np.testing.assert_allclose(found.expected, [[2 / 3, 4 / 3], [1 / 3, 2 / 3]])
    np.testing.assert_allclose(found.residuals, [[1.5, 0.75], [0, 1.5]])


def test_other_users_are_refused():
    with pytest.raises(DataError, match="2 users on one axis and 3 on the other"):
        associate(one_hot(np.zeros(2, dtype=int), 1), one_hot(np.zeros(3, dtype=int), 1))


# V


@pytest.mark.parametrize("seed", range(6))
def test_v_of_whole_members_is_as_published(seed):
    one = codes(seed, 80, 3, unknown=0.1)
    other = np.where(np.random.default_rng(seed).random(80) < 0.4, one, codes(seed + 50, 80, 4))
    matrices = one_hot(one, 3), one_hot(other, 4)
    table = cross_table(*matrices)
    assert (table.sum(axis=0) > 0).all()
    assert cramers_v(*matrices) == pytest.approx(bergsma(table))


def mean_phi_squared(one, other):
    """The mean of φ² over all ways to pair the users, one by one."""
    found = []
    for order in itertools.permutations(range(one.shape[0])):
        table = cross_table(one, sparse.csr_matrix(other[list(order)]))
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        found.append(((table - expected) ** 2 / expected).sum() / table.sum())
    return np.mean(found)


def spread(weights):
    squares = ((weights - weights.mean(axis=0)) ** 2).sum(axis=0)
    return (squares / weights.sum(axis=0)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_taken_off_is_what_chance_makes_exactly(seed):
    one, other = soft(seed, 6, 2), soft(seed + 10, 6, 3)
    n, spreads = 6, [spread(one.toarray()), spread(other.toarray())]
    chance = spreads[0] * spreads[1] / (n - 1)
    assert mean_phi_squared(one, other) == pytest.approx(chance)
    # And so the corrected V² is φ² less that mean, over the room there is.
    table = cross_table(one, other)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = ((table - expected) ** 2 / expected).sum() / n
    room = min(spread - spread**2 / (n - 1) for spread in spreads)
    squared = min(max(phi2 - chance, 0) / room, 1)
    assert cramers_v(one, other) ** 2 == pytest.approx(squared)


def test_v_of_independent_axes_is_next_to_0():
    # Uncorrected it would be about √((r − 1)(c − 1) / n / min(r − 1, c − 1)) = 0.22.
    found = [
        cramers_v(one_hot(codes(seed, 100, 6), 6), one_hot(codes(seed + 999, 100, 6), 6))
        for seed in range(200)
    ]
    assert np.mean(found) < 0.06
    assert np.median(found) < 0.05


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(0, 1000), st.booleans())
def test_v_is_a_share_and_symmetric_and_blind_to_order(seed, other_seed, partial):
    one, other = soft(seed, partial=partial), soft(other_seed, n_segments=4, partial=partial)
    found = cramers_v(one, other)
    assert 0 <= found <= 1
    assert cramers_v(other, one) == pytest.approx(found, abs=1e-6)
    users = np.random.default_rng(seed).permutation(60)
    assert cramers_v(one[users], other[users][:, [2, 0, 3, 1]]) == pytest.approx(found, abs=1e-6)


def test_v_of_the_same_division_is_1_and_of_a_finer_one_nearly_so():
    fine = codes(1, 300, 6)
    assert cramers_v(one_hot(fine, 6), one_hot((fine + 1) % 6, 6)) == pytest.approx(1)
    # φ² is 2, chance makes 5 · 2 / 299 of it, and there is room for 2 − 2² / 299.
    expected = math.sqrt((2 - 10 / 299) / (2 - 4 / 299))
    assert cramers_v(one_hot(fine, 6), one_hot(fine // 2, 3)) == pytest.approx(expected)


def test_partial_weights_of_everyone_change_nothing():
    one, other = one_hot(codes(2, 100, 3), 3), one_hot(codes(3, 100, 3) // 2, 2)
    mixed = one_hot(np.where(codes(4, 100, 2) > 0, codes(2, 100, 3), codes(3, 100, 3)), 3)
    assert cramers_v(mixed, other) > 0
    assert cramers_v(0.5 * mixed, other) == pytest.approx(cramers_v(mixed, other))
    assert cramers_v(0.5 * one, one) == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(9, dtype=int), np.arange(9) % 2),
        (np.arange(9) % 2, np.full(9, -1)),
        (np.where(np.arange(9) < 5, 0, -1), np.where(np.arange(9) < 5, -1, 0)),
        (np.arange(9), np.arange(9)),
        (np.array([0]), np.array([0])),
        (np.array([], dtype=int), np.array([], dtype=int)),
    ],
    ids=["one segment", "nobody known", "nobody on both", "one each", "one user", "no user"],
)
def test_v_is_not_known(one, other):
    assert math.isnan(cramers_v(one_hot(one, 9), one_hot(other, 9)))
    assert math.isnan(associate(one_hot(one, 9), one_hot(other, 9)).association)


def test_an_axis_without_segments():
    found = associate(sparse.csr_matrix((3, 0)), one_hot(np.zeros(3, dtype=int), 1))
    assert (found.users, found.left_out, found.matching.pairs) == (0, 3, ())
    assert math.isnan(found.matching.share)
    assert math.isnan(found.by_chance)
    assert conflicts(found, [], ["a"]).empty


# Counterparts and conflicts


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_no_other_matching_holds_more_users(rows, columns, data):
    counts = st.lists(st.integers(0, 9), min_size=columns, max_size=columns)
    table = np.array(data.draw(st.lists(counts, min_size=rows, max_size=rows)), dtype=float)
    found = best_matching(table)
    wide = table if rows <= columns else table.T
    most = max(
        sum(wide[row, column] for row, column in enumerate(chosen))
        for chosen in itertools.permutations(range(wide.shape[1]), len(wide))
    )
    assert sum(table[pair] for pair in found.pairs) == most
    assert math.isnan(found.share) if not table.any() else found.share == most / table.sum()


def test_the_same_axis_agrees_wholly():
    one = one_hot(codes(5, 200, 3, unknown=0.2), 3)
    found = associate(one, one)
    assert found.matching.share == 1
    assert found.matching.pairs == ((0, 0), (1, 1), (2, 2))
    assert conflicts(found, "abc", "abc").empty


def test_agreement_by_chance_is_that_of_independent_axes():
    one, other = codes(6, 4000, 2), codes(7, 4000, 2)
    found = associate(one_hot(one, 2), one_hot(other, 2))
    assert found.by_chance == pytest.approx(0.5, abs=0.01)
    assert found.matching.share == pytest.approx(found.by_chance, abs=0.03)


def test_conflicts_by_hand():
    # Low goes with cheap and high with dear; mid, judged by three, has no counterpart.
    one = np.repeat([0, 0, 1, 1, 2, 2], [6, 2, 1, 5, 1, 2])
    other = np.repeat([0, 1, 0, 1, 0, 1], [6, 2, 1, 5, 1, 2])
    found = associate(one_hot(one, 3), one_hot(other, 2))
    assert found.matching.share == pytest.approx(11 / 17)
    rows = conflicts(found, ["low", "high", "mid"], ["cheap", "dear"])
    expected = pd.DataFrame(
        [
            ("low", "dear", "cheap", 2.0, 2 / 17, 2 / (8 * 9 / 17)),
            ("mid", "dear", None, 2.0, 2 / 17, 2 / (3 * 9 / 17)),
            ("high", "cheap", "dear", 1.0, 1 / 17, 1 / (6 * 8 / 17)),
            ("mid", "cheap", None, 1.0, 1 / 17, 1 / (3 * 8 / 17)),
        ],
        columns=["one", "other", "counterpart", "users", "share", "residual"],
    )
    pd.testing.assert_frame_equal(rows, expected)
    pd.testing.assert_frame_equal(
        conflicts(found, ["low", "high", "mid"], ["cheap", "dear"], most=2), expected[:2]
    )


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_conflicts_are_everybody_outside_the_matching(seed, other_seed):
    found = associate(soft(seed, partial=True), soft(other_seed, n_segments=4))
    rows = conflicts(found, "abc", "wxyz", most=99)
    assert rows["share"].sum() == pytest.approx(1 - found.matching.share)
    assert rows["users"].is_monotonic_decreasing
