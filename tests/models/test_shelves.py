"""Shelves: every item stands on one, and none scores more than its shelf is said to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models.shelves import SECTION, SIZE, shelve

SHAPES = st.tuples(st.integers(0, 90), st.integers(0, 6), st.integers(1, 5))


def columns_of(seed, n_items, width, scale):
    rng = np.random.default_rng(seed)
    spread = 10.0 ** rng.uniform(-2, 2, size=(n_items, 1))
    drawn = (rng.normal(size=(n_items, width)) * spread * scale).astype(np.float32)
    # Some alike, some empty: ties of lengths and of values.
    drawn[rng.random(n_items) < 0.1] = 0.0
    return drawn[rng.integers(max(n_items, 1), size=n_items)] if seed % 3 == 0 else drawn


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 10_000),
    SHAPES,
    st.sampled_from([1, 4, 64]),
    st.sampled_from([1e-12, 1e-3, 1.0, 1e12]),
    st.sampled_from([1e-12, 1.0, 1e12]),
)
def test_no_item_scores_more_than_its_shelf_is_said_to(seed, shape, size, scale, loudness):
    n_items, d, others = shape
    columns = columns_of(seed, n_items, d + others, scale)
    shelves = shelve(columns, d, size)
    query = np.random.default_rng(seed + 1).normal(size=d + others) * loudness
    query = query.astype(np.float32)
    exact = columns.astype(np.float64) @ query.astype(np.float64)
    reach = shelves.reach(query)
    error = 2.0**-24 * (len(query) + 4) * reach
    bounds = shelves.bounds(query).astype(np.float64)
    assert (bounds[shelves.shelf_of] + error >= exact).all()
    sizes = np.abs(columns).astype(np.float64) @ np.abs(query).astype(np.float64)
    assert (sizes <= reach * (1 + 1e-6)).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), SHAPES, st.sampled_from([1, 4, 64]))
def test_every_item_stands_on_one_shelf(seed, shape, size):
    n_items, d, others = shape
    shelves = shelve(columns_of(seed, n_items, d + others, 1.0), d, size)
    n_shelves = len(shelves.longest)
    stock = [shelves.on(np.asarray([shelf])).tolist() for shelf in range(n_shelves)]
    everything = [item for items in stock for item in items]
    assert sorted(everything) == list(range(n_items))
    assert all(len(items) == size for items in stock[:-1])
    for shelf, items in enumerate(stock):
        assert (shelves.shelf_of[items] == shelf).all()
    if n_shelves:
        assert shelves.on(np.arange(n_shelves)).tolist() == everything


def test_sections_go_by_length_and_their_shelves_by_the_last_column():
    rng = np.random.default_rng(0)
    n_items = 3 * SECTION * SIZE
    columns = rng.normal(size=(n_items, 5)).astype(np.float32)
    shelves = shelve(columns, 4)
    lengths = np.linalg.norm(columns[:, :4], axis=1)[shelves.items].reshape(3, -1)
    assert (lengths[:-1].min(axis=1) >= lengths[1:].max(axis=1)).all()
    last = columns[shelves.items, -1].reshape(3, -1)
    assert (np.diff(last, axis=1) <= 0).all()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_shelf_of_one_column_is_bounded_by_its_best_item(size):
    columns = np.random.default_rng(1).normal(size=(50, 1)).astype(np.float32)
    shelves = shelve(columns, 0, size)
    for sign in (1.0, -1.0):
        bounds = shelves.bounds(np.asarray([sign], dtype=np.float32))
        best = [(sign * columns[shelves.on(np.asarray([s])), 0]).max() for s in range(len(bounds))]
        assert bounds.tolist() == pytest.approx(best)
