"""Flows between moments: cases by hand, and sums that must hold whatever the memberships."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.errors import DataError
from recsys.segments.axis import one_hot
from recsys.segments.insight import (
    ABSENT,
    UNKNOWN,
    Flows,
    Moment,
    flows_between,
    moves,
    population,
    psi,
)
from recsys.vocabulary import Vocabulary


def moment(users, segments, weights):
    matrix = np.array(weights, dtype=np.float64).reshape(len(users), len(segments))
    return Moment(Vocabulary(users), tuple(segments), sparse.csr_matrix(matrix))


@st.composite
def moments(draw, names="abcd"):
    """Some of eight users, some of the segments, weights whole, soft, partial or none."""
    users = sorted(draw(st.sets(st.sampled_from("stuvwxyz"), min_size=1)))
    segments = draw(st.permutations(names))[: draw(st.integers(1, len(names)))]
    row = st.lists(st.integers(0, 3), min_size=len(segments), max_size=len(segments))
    counts = np.array(draw(st.lists(row, min_size=len(users), max_size=len(users))), dtype=float)
    full = draw(st.sampled_from([1.0, 0.5]))
    return moment(users, segments, full * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def weights_by_state(one, users, states):
    """Every user's weight on every state, by name."""
    found = {}
    for user in users:
        row = one.users.index_of([user])[0]
        known = one.membership[[row]].toarray()[0] if row >= 0 else []
        named = dict(zip(one.segments, known, strict=row >= 0))
        rest = {UNKNOWN: 1 - sum(known) if row >= 0 else 0.0, ABSENT: float(row < 0)}
        found[user] = [(named | rest).get(state, 0.0) for state in states]
    return found


def slow_flows(before, after, states):
    users = sorted({*before.users.ids.tolist(), *after.users.ids.tolist()})
    one, other = (weights_by_state(m, users, states) for m in (before, after))
    total = np.zeros((len(states), len(states)))
    for user in users:
        stay = np.minimum(one[user], other[user])
        total += np.diag(stay)
        leave, arrive = np.array(one[user]) - stay, np.array(other[user]) - stay
        if leave.sum() > 1e-9:
            total += np.outer(leave, arrive) / leave.sum()
    return total


def test_whole_members_are_counted():
    before = moment("pqrs", ["low", "high"], [[1, 0], [1, 0], [0, 1], [0, 0]])
    after = moment("qrst", ["low", "high"], [[0, 1], [0, 1], [1, 0], [1, 0]])
    found = flows_between(before, after)
    assert found.states == ("low", "high", UNKNOWN, ABSENT)
    assert found.users.tolist() == [[0, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert found.stayed == pytest.approx(1 / 3)


def test_soft_members_move_as_little_as_they_can():
    before = moment("p", ["food", "toys", "books"], [0.5, 0.25, 0.25])
    after = moment("p", ["food", "toys", "books"], [0.25, 0.5, 0.0])
    found = flows_between(before, after)
    # Half of the weight moves: out of food and books; into toys and the unknown, half each.
    expected = np.diag([0.25, 0.25, 0.0, 0.0, 0.0])
    expected[[0, 0, 2, 2], [1, 3, 1, 3]] = 0.125
    np.testing.assert_allclose(found.users, expected)
    assert found.stayed == pytest.approx(0.5)


def test_segments_are_matched_by_name():
    before = moment("pq", ["a", "b"], np.eye(2))
    after = moment("pq", ["c", "b", "a"], [[0, 0, 1], [1, 0, 0]])
    found = flows_between(before, after)
    assert found.states == ("a", "b", "c", UNKNOWN, ABSENT)
    assert found.users[0, 0] == found.users[1, 2] == 1
    assert found.users.sum() == 2


@settings(max_examples=50, deadline=None)
@given(moments(), moments(names="cdef"))
def test_flows_are_those_of_a_loop(before, after):
    found = flows_between(before, after)
    np.testing.assert_allclose(found.users, slow_flows(before, after, found.states), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(moments(), moments())
def test_rows_and_columns_sum_to_who_was_and_is_there(before, after):
    found = flows_between(before, after)
    assert (found.users >= 0).all()
    for one, sums in ((before, found.users.sum(axis=1)), (after, found.users.sum(axis=0))):
        sizes = dict(zip((*one.segments, UNKNOWN), population(one.membership), strict=True))
        expected = [sizes.get(state, 0.0) for state in found.states[:-1]]
        np.testing.assert_allclose(sums[:-1], expected, atol=1e-12)
    # Somebody who is absent at both moments does not exist.
    assert found.users[-1, -1] == 0


@settings(max_examples=25, deadline=None)
@given(moments())
def test_nothing_moves_between_a_moment_and_itself(one):
    found = flows_between(one, one)
    np.testing.assert_allclose(found.users, np.diag(found.users.diagonal()), atol=1e-12)
    assert math.isnan(found.stayed) or found.stayed == pytest.approx(1)
    assert moves(found).empty
    assert found.psi == 0


@settings(max_examples=50, deadline=None)
@given(moments(), moments())
def test_backwards_is_the_transpose(before, after):
    there, back = flows_between(before, after), flows_between(after, before)
    order = [back.states.index(state) for state in there.states]
    np.testing.assert_allclose(there.users, back.users.T[np.ix_(order, order)], atol=1e-12)


def test_psi_is_that_of_the_sizes():
    users = [f"u{number}" for number in range(10)]
    before = Moment(Vocabulary(users), ("a", "b"), one_hot(np.array([0] * 7 + [1] * 2 + [-1]), 2))
    after = Moment(Vocabulary(users[:9]), ("a", "b"), one_hot(np.array([0] * 4 + [1] * 5), 2))
    expected = psi(np.array([7.0, 2, 1]), np.array([4.0, 5, 0]))
    assert flows_between(before, after).psi == pytest.approx(expected)


def test_the_largest_moves_come_first():
    matrix = np.zeros((5, 5))
    matrix[0] = [5, 3, 0, 1, 1]
    matrix[1] = [3, 4, 2, 0, 0]
    matrix[4] = [9, 0, 0, 0, 0]
    found = moves(Flows(("a", "b", "c", UNKNOWN, ABSENT), matrix), most=3)
    assert found.to_dict("list") == {
        "from": ["a", "b", "b"],
        "to": ["b", "a", "c"],
        "users": [3.0, 3.0, 2.0],
        "share_of_from": [0.3, 3 / 9, 2 / 9],
    }


def test_nobody_and_no_segment():
    nobody = Moment(Vocabulary([]), (), sparse.csr_matrix((0, 0)))
    found = flows_between(nobody, nobody)
    assert not found.users.any()
    assert math.isnan(found.stayed)
    assert math.isnan(found.psi)
    assert moves(found).empty


def test_what_does_not_fit_is_refused():
    wide = Moment(Vocabulary("p"), ("a",), sparse.csr_matrix((1, 2)))
    with pytest.raises(DataError, match=r"of shape \(1, 2\), but the names say \(1, 1\)"):
        flows_between(wide, moment("p", "a", [1]))
    with pytest.raises(DataError, match="a segment stands twice in a, a"):
        flows_between(moment("p", "a", [1]), moment("p", "aa", [1, 0]))
