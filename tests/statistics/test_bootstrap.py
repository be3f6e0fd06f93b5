"""The bootstrap against its recipe, against brute force, and what it promises."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from recsys.statistics import bootstrap, bootstrap_pair, mean_interval, paired_bootstrap

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))["paired"]
ONE, OTHER = np.array(VECTORS["one"]), np.array(VECTORS["other"])


def bounds(interval):
    return [interval.low, interval.high]


def test_bootstrap_is_as_published():
    recipe = VECTORS["bootstrap"]
    interval = paired_bootstrap(ONE, OTHER, draws=recipe["draws"], seed=recipe["seed"])
    assert interval.mean == pytest.approx(VECTORS["mean"], rel=0, abs=1e-9)
    assert bounds(interval) == pytest.approx(recipe["interval"], rel=0, abs=1e-9)
    assert interval.n == 10


def test_the_relative_difference_is_of_the_same_draws():
    draws = np.random.default_rng(7).integers(10, size=(500, 10))
    expected = OTHER[draws].sum(axis=1) / ONE[draws].sum(axis=1) - 1
    found = bootstrap_pair(ONE, OTHER, draws=500, seed=7).relative
    assert found.mean == pytest.approx(OTHER.sum() / ONE.sum() - 1, rel=1e-12)
    assert bounds(found) == pytest.approx(np.quantile(expected, [0.025, 0.975]), rel=1e-12)


def test_the_seed_alone_decides():
    first = paired_bootstrap(ONE, OTHER, seed=7)
    assert paired_bootstrap(ONE, OTHER, seed=7) == first
    assert bounds(paired_bootstrap(ONE, OTHER, seed=8)) != bounds(first)


@pytest.mark.parametrize("block", [1, 33, 9_990])
def test_the_block_size_changes_nothing(monkeypatch, block):
    expected = paired_bootstrap(ONE, OTHER, seed=7)
    monkeypatch.setattr(bootstrap, "_BLOCK", block)
    assert paired_bootstrap(ONE, OTHER, seed=7) == expected


# Many users: cells


def mixed(n, seed=0):
    """Half the users 0 on both sides, a quarter of a few values, a quarter all different."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(4, size=n)
    one = np.where(kind < 2, 0.0, np.where(kind == 2, rng.integers(4, size=n) / 4, rng.random(n)))
    other = np.where(kind < 2, 0.0, np.where(kind == 2, rng.integers(4, size=n) / 4, one + 0.01))
    return one, other


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(threads):
    one, other = mixed(5000)
    expected = bootstrap_pair(one, other, draws=2500, seed=3)
    assert bootstrap_pair(one, other, draws=2500, seed=3, threads=threads) == expected


def test_the_seed_decides_for_many_users_too():
    one, other = mixed(5000)
    first = bootstrap_pair(one, other, draws=200, seed=3)
    assert bounds(bootstrap_pair(one, other, draws=200, seed=4).difference) != bounds(
        first.difference
    )


@pytest.mark.parametrize("n", [4097, 4352, 5000])
def test_every_user_is_laid_out_once(n):
    one, other = mixed(n)
    pairs = one + 1j * other
    cells = bootstrap._Cells.of(pairs)
    counts = cells.users[: len(cells.frequent)]
    back = np.concatenate([np.repeat(cells.frequent, counts), *cells.rare])
    np.testing.assert_array_equal(np.sort(back), np.sort(pairs))
    assert cells.users.sum() == n


def test_cells_draw_as_plain_indices_do():
    # The same distribution of means: a few hundred users, so that brute force is cheap.
    rng = np.random.default_rng(5)
    pairs = np.repeat(rng.random(20), 15) + 1j * rng.exponential(size=300)
    pairs[:100] = 0.25 + 0.5j
    by_cells = bootstrap._Cells.of(pairs).means(20_000, np.random.SeedSequence(1))
    by_index = pairs[rng.integers(300, size=(20_000, 300))].mean(axis=1)
    for part in (np.real, np.imag):
        assert stats.ks_2samp(part(by_cells), part(by_index)).pvalue > 0.001
    assert np.cov(by_cells.real, by_cells.imag) == pytest.approx(
        np.cov(by_index.real, by_index.imag), rel=0.1, abs=1e-6
    )


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256])
def test_a_cell_gives_as_many_users_as_it_is_asked_for(size):
    rng = np.random.default_rng(size)
    sizes = rng.integers(0, 6, size=400)
    drawn = bootstrap._cell_sums(np.full(size, 1 + 2j), sizes, rng)
    np.testing.assert_array_equal(drawn, sizes * (1 + 2j))


def test_users_of_a_cell_are_drawn_evenly_and_apart():
    # One draw of three: each of the 27 outcomes as often as the others.
    rng = np.random.default_rng(0)
    cell = np.array([1, 10, 100], dtype=np.complex128)
    drawn = bootstrap._cell_sums(cell, np.full(27_000, 3), rng).real.astype(int)
    sums, counts = np.unique(drawn, return_counts=True)
    outcomes = np.add.outer(np.add.outer(cell.real, cell.real), cell.real).ravel()
    known, ways = np.unique(outcomes.astype(int), return_counts=True)
    np.testing.assert_array_equal(sums, known)
    assert stats.chisquare(counts, 1000 * ways).pvalue > 0.001


def test_many_users_are_close_to_student():
    one, other = mixed(20_000)
    by_t = mean_interval(other - one)
    drawn = bootstrap_pair(one, other, draws=4000, seed=2).difference
    assert bounds(drawn) == pytest.approx(bounds(by_t), abs=0.05 * (by_t.high - by_t.low))


# Promises


def test_bootstrap_is_close_to_t_for_a_few_thousand_users():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 2000))
    by_t = mean_interval(other - one)
    width = by_t.high - by_t.low
    drawn = paired_bootstrap(one, other, draws=4000, seed=2)
    assert bounds(drawn) == pytest.approx(bounds(by_t), abs=0.05 * width)


def test_the_promised_share_of_bootstrap_intervals_holds_the_truth():
    rng = np.random.default_rng(3)
    inside = 0
    for seed in range(300):
        one = rng.normal(size=60)
        other = one + rng.normal(0.5, size=60)
        interval = paired_bootstrap(one, other, draws=300, seed=seed)
        inside += interval.low <= 0.5 <= interval.high
    assert 0.90 <= inside / 300 <= 0.985


def test_pairing_removes_what_the_users_share():
    one = np.random.default_rng(4).normal(scale=1000, size=50)
    interval = paired_bootstrap(one, one + 0.5, seed=0)
    assert bounds(interval) == pytest.approx([0.5, 0.5], abs=1e-9)


def test_a_wider_confidence_is_a_wider_interval():
    narrow = paired_bootstrap(ONE, OTHER, seed=0, confidence=0.5)
    wide = paired_bootstrap(ONE, OTHER, seed=0, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


# Edges


def test_one_user_has_differences_and_no_bounds():
    found = bootstrap_pair(np.array([0.5]), np.array([0.75]), seed=0)
    assert (found.difference.mean, found.relative.mean) == (0.25, 0.5)
    assert all(map(math.isnan, bounds(found.difference) + bounds(found.relative)))


def test_a_baseline_of_nothing_has_no_relative_difference():
    found = bootstrap_pair(np.zeros(5), np.ones(5), seed=0)
    assert math.isnan(found.relative.mean)
    assert math.isnan(found.relative.low)
    assert bounds(found.difference) == [1.0, 1.0]


def test_a_draw_without_a_baseline_leaves_no_relative_bounds():
    found = bootstrap_pair(np.array([1.0, 0, 0, 0]), np.ones(4), draws=100, seed=0)
    assert found.relative.mean == 3.0
    assert math.isnan(found.relative.high)


def test_other_users_no_draws_and_values_without_a_mean_are_refused():
    with pytest.raises(ValueError, match="users must be the same"):
        paired_bootstrap(ONE, OTHER[:9], seed=0)
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        paired_bootstrap(ONE, OTHER, draws=0, seed=0)
    with pytest.raises(ValueError, match="values must be finite, got nan"):
        paired_bootstrap(ONE, np.full(10, np.nan), seed=0)
    with pytest.raises(ValueError, match="1 or more users"):
        paired_bootstrap(np.zeros(0), np.zeros(0), seed=0)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        paired_bootstrap(ONE, OTHER, seed=0, confidence=1.0)
