"""Neighbours: a slow loop, a shop whose answer is known, ties, and what plays no part."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError
from scipy import sparse

from recsys.models import neighbours as module
from recsys.models.neighbours import (
    Neighbours,
    NeighboursConfig,
    fit_neighbours,
    history_weights,
)

EVERY = NeighboursConfig(k=1000)


def shop(seed=0, n_users=40, n_items=25, density=0.25):
    rng = np.random.default_rng(seed)
    present = rng.random((n_users, n_items)) < density
    return sparse.csr_matrix(present * rng.gamma(2.0, 3.0, size=(n_users, n_items)))


def every(user_items):
    return np.ones(user_items.shape[1], dtype=bool)


def dense(neighbours):
    n_items = len(neighbours.indptr) - 1
    rows = (neighbours.data, neighbours.indices, neighbours.indptr)
    return sparse.csr_matrix(rows, shape=(n_items, n_items)).toarray()


def history(user_items, user_index):
    row = user_items[[user_index]]
    return row.indices.astype(np.int64), np.asarray(row.data)


def scaled(rows, n_supported):
    """Divided by the root mean square over all supported pairs."""
    return rows / np.sqrt((rows**2).sum() / n_supported**2)


def by_walking(user_items, alpha, beta):
    """Every walk item -> user -> item, one after the other, by the definition."""
    has = user_items.toarray() > 0
    n_users, n_items = has.shape
    found = np.zeros((n_items, n_items))
    for start in range(n_items):
        for user in range(n_users):
            for end in range(n_items):
                if has[user, start] and has[user, end] and start != end:
                    to_user = (1 / has[:, start].sum()) ** alpha
                    to_item = (1 / has[user].sum()) ** alpha
                    found[start, end] += to_user * to_item / has[:, end].sum() ** beta
    return found


# rows


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (1.0, 0.6), (0.5, 0.5), (0.0, 0.3)])
def test_rows_are_the_walks_of_the_definition(alpha, beta):
    user_items = shop()
    config = NeighboursConfig(k=1000, alpha=alpha, beta=beta)
    learnt = fit_neighbours(user_items, every(user_items), config)
    expected = scaled(by_walking(user_items, alpha, beta), 25)
    np.testing.assert_allclose(dense(learnt), expected, rtol=1e-6)


def test_a_row_is_the_chance_to_arrive_elsewhere_and_not_to_come_back():
    user_items = shop()
    config = NeighboursConfig(k=1000, alpha=1.0, beta=0.0)
    rows = dense(fit_neighbours(user_items, every(user_items), config))
    has = (user_items.toarray() > 0).astype(float)
    per_user = np.maximum(has.sum(axis=1, keepdims=True), 1)
    back = (has / per_user).sum(axis=0) / has.sum(axis=0)
    elsewhere = rows.sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(elsewhere / elsewhere[0], (1 - back) / (1 - back[0]), rtol=1e-6)


def test_three_users_by_hand():
    # Item 0 has users a and b, item 1 user a, item 2 users b and c, item 3 user c.
    user_items = sparse.csr_matrix([[1.0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]])
    learnt = fit_neighbours(user_items, every(user_items), NeighboursConfig(alpha=1, beta=0))
    expected = [[0, 1 / 4, 1 / 4, 0], [1 / 2, 0, 0, 0], [1 / 4, 0, 0, 1 / 4], [0, 0, 1 / 2, 0]]
    np.testing.assert_allclose(dense(learnt), scaled(np.asarray(expected), 4), rtol=1e-6)
    assert (learnt.indptr.dtype, learnt.indices.dtype, learnt.data.dtype) == (
        np.int64,
        np.int32,
        np.float32,
    )


def test_only_the_strongest_are_kept_and_stand_in_item_order():
    user_items = shop(1)
    whole = dense(fit_neighbours(user_items, every(user_items), EVERY))
    learnt = fit_neighbours(user_items, every(user_items), NeighboursConfig(k=5))
    best = np.argsort(-whole, axis=1, kind="stable")[:, :5]
    expected = np.zeros_like(whole)
    np.put_along_axis(expected, best, np.take_along_axis(whole, best, axis=1), axis=1)
    np.testing.assert_allclose(dense(learnt), scaled(expected, 25), rtol=1e-5)
    for start, stop in pairwise(learnt.indptr.tolist()):
        assert np.all(np.diff(learnt.indices[start:stop]) > 0)


def test_of_equals_the_first_items_are_kept():
    user_items = sparse.csr_matrix(np.ones((3, 7)))
    learnt = fit_neighbours(user_items, every(user_items), NeighboursConfig(k=3))
    rows = learnt.indices.reshape(7, 3).tolist()
    assert rows[0] == [1, 2, 3]
    assert rows[2] == [0, 1, 3]
    assert rows[6] == [0, 1, 2]


def test_more_neighbours_than_items_keeps_all_and_never_the_item_itself():
    learnt = dense(fit_neighbours(shop(2), every(shop(2)), EVERY))
    np.testing.assert_array_equal(learnt > 0, by_walking(shop(2), 1, 0) > 0)
    assert not learnt.diagonal().any()


def test_unsupported_items_are_absent_as_if_nobody_had_them():
    user_items = shop(3)
    supported = np.arange(user_items.shape[1]) % 3 > 0
    without = user_items.toarray()
    without[:, ~supported] = 0.0
    learnt = dense(fit_neighbours(user_items, supported, EVERY))
    np.testing.assert_array_equal(
        learnt, dense(fit_neighbours(sparse.csr_matrix(without), supported, EVERY))
    )
    assert not learnt[~supported].any()
    assert not learnt[:, ~supported].any()


def test_a_pair_counts_once_and_only_above_zero():
    user_items = shop(4)
    alike = user_items.copy()
    alike.data = np.where(np.arange(alike.nnz) % 4 > 0, alike.data, -1.0)
    positive = sparse.csr_matrix((alike.toarray() > 0).astype(np.float64))
    learnt = fit_neighbours(alike, every(alike), EVERY)
    np.testing.assert_array_equal(
        dense(learnt), dense(fit_neighbours(positive, every(positive), EVERY))
    )


def test_what_is_handed_in_stays_as_it_was():
    user_items = shop(5)
    before = user_items.toarray()
    fit_neighbours(user_items, np.arange(25) > 3, EVERY)
    np.testing.assert_array_equal(user_items.toarray(), before)


# what plays no part


def assert_equal(one, other):
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(st.integers(0, 2**32 - 1), st.permutations(range(40)), st.sampled_from([0.4, 0.7, 1.0]))
@settings(max_examples=25, deadline=None)
def test_the_order_of_users_plays_no_part(seed, order, alpha):
    user_items = shop(seed)
    config = NeighboursConfig(k=4, alpha=alpha)
    assert_equal(
        fit_neighbours(user_items, every(user_items), config, threads=1),
        fit_neighbours(user_items[order], every(user_items), config, threads=1),
    )


@pytest.mark.parametrize("paths", [1, 60, 10**9])
@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_and_threads_play_no_part(monkeypatch, paths, threads):
    user_items = shop(6)
    whole = fit_neighbours(user_items, every(user_items), EVERY, threads=1)
    monkeypatch.setattr(module, "BLOCK_PATHS", paths)
    assert_equal(whole, fit_neighbours(user_items, every(user_items), EVERY, threads=threads))


def test_every_block_is_reported(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_PATHS", 1)
    told = []
    fit_neighbours(shop(7), every(shop(7)), EVERY, on_block=lambda: told.append(1))
    assert len(told) == 25


# terms


def test_a_term_is_the_mean_of_the_rows_of_her_items():
    user_items = shop(8)
    learnt = fit_neighbours(user_items, every(user_items), NeighboursConfig(k=6))
    items, weights = np.asarray([2, 5, 11]), np.asarray([1.0, 4.0, 0.5])
    touched, values = learnt.terms(items, weights)
    expected = np.average(dense(learnt)[items].astype(np.float64), axis=0, weights=weights)
    np.testing.assert_array_equal(touched, np.flatnonzero(expected))
    np.testing.assert_allclose(values, expected[touched], rtol=1e-6)
    assert (touched.dtype, values.dtype) == (np.int32, np.float32)


def test_what_is_worth_less_than_nothing_counts_nothing():
    weights = history_weights(np.asarray([0.0, -5.0, np.e - 1.0, np.e**2 - 1.0]))
    np.testing.assert_allclose(weights, [0.0, 0.0, 1.0, 2.0])


def test_a_user_without_history_or_weight_touches_nothing():
    user_items = shop(10)
    learnt = fit_neighbours(user_items, every(user_items), EVERY)
    nothing = np.empty(0, dtype=np.int64), np.empty(0)
    for items, weights in (nothing, (np.asarray([3, 4]), np.zeros(2))):
        touched, values = learnt.terms(items, weights)
        assert len(touched) == len(values) == 0


@given(
    hnp.arrays(np.float64, st.integers(1, 25), elements=st.floats(0.001, 1000)),
    st.floats(0.01, 100),
)
@settings(max_examples=50, deadline=None)
def test_terms_are_bounded_by_the_rows_and_do_not_grow_with_the_weights(weights, factor):
    user_items = shop(11)
    learnt = fit_neighbours(user_items, every(user_items), EVERY)
    items = np.arange(len(weights))
    touched, values = learnt.terms(items, weights)
    assert np.all(values > 0)
    assert np.all(values <= dense(learnt)[items].max(axis=0)[touched] * (1 + 1e-9))
    np.testing.assert_allclose(learnt.terms(items, weights * factor)[1], values, rtol=1e-6)


def test_the_missing_field_of_a_checkerboard_is_found():
    n = 20
    parity = np.add.outer(np.arange(n), np.arange(n)) % 2 == 0
    seen = sparse.csr_matrix((parity & ~np.eye(n, dtype=bool)).astype(np.float64))
    learnt = fit_neighbours(seen, every(seen), NeighboursConfig())
    for user_index in range(n):
        items, weights = history(seen, user_index)
        touched, values = learnt.terms(items, weights)
        unseen = ~np.isin(touched, items)
        assert touched[unseen][values[unseen].argmax()] == user_index


def test_arrays_mapped_from_a_file_serve_as_they_are(tmp_path):
    user_items = shop(12)
    learnt = fit_neighbours(user_items, every(user_items), NeighboursConfig(k=4))
    for name in ("indptr", "indices", "data"):
        np.save(tmp_path / f"{name}.npy", getattr(learnt, name))
    mapped = Neighbours(
        *(
            np.load(tmp_path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("indptr", "indices", "data")
        )
    )
    for one, other in zip(
        mapped.terms(*history(user_items, 3)), learnt.terms(*history(user_items, 3)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_the_spread_of_a_row_is_one_on_average(seed, k):
    user_items = shop(seed)
    rows = dense(fit_neighbours(user_items, every(user_items), NeighboursConfig(k=k)))
    np.testing.assert_allclose(np.sqrt((rows.astype(np.float64) ** 2).mean()), 1.0, rtol=1e-6)


# small shops


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (3, 4)])
def test_a_shop_without_pairs_has_no_neighbours(shape):
    empty = sparse.csr_matrix(shape, dtype=np.float64)
    learnt = fit_neighbours(empty, every(empty), EVERY)
    assert learnt.indptr.tolist() == [0] * (shape[1] + 1)
    assert len(learnt.indices) == len(learnt.data) == 0


def test_one_user_makes_all_her_items_neighbours_alike():
    user_items = sparse.csr_matrix([[1.0, 0.0, 9.0, 2.0]])
    learnt = dense(fit_neighbours(user_items, every(user_items), NeighboursConfig(alpha=1, beta=0)))
    mine = np.asarray([1.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(learnt, scaled(np.outer(mine, mine) - np.diag(mine), 4), rtol=1e-6)


def test_nothing_supported_is_no_neighbours():
    assert not len(fit_neighbours(shop(), np.zeros(25, dtype=bool), EVERY).data)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"alpha": -0.1}, {"beta": -1}, {"neighbours": 3}])
def test_a_config_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        NeighboursConfig(**wrong)
