"""Shift, agreement and likeness of segments against definitions, slow loops and a library."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from recsys.errors import DataError
from recsys.segments.axis import one_hot
from recsys.segments.insight import (
    adjusted_rand,
    best_jaccard,
    jaccard,
    largest,
    population,
    psi,
    stability_of,
)

CODES = st.lists(st.integers(-1, 3), min_size=2, max_size=30)


def soft(seed, n_users=40, n_segments=4):
    """Weights of which some users have none, some part, some all in one segment."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(n_segments, 0.3), n_users)
    weights[weights < 0.05] = 0
    weights *= rng.choice([0.0, 0.5, 1.0], size=(n_users, 1)) / np.maximum(
        weights.sum(axis=1, keepdims=True), 1
    )
    return sparse.csr_matrix(weights)


# Sizes


def test_population_counts_the_unknown_last():
    assert population(one_hot(np.array([0, 1, 1, -1]), 3)).tolist() == [1, 2, 0, 1]
    assert population(sparse.csr_matrix((0, 2))).tolist() == [0, 0, 0]


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_population_holds_every_user(seed):
    assert population(soft(seed)).sum() == pytest.approx(40)


def test_psi_by_hand():
    # Shares (2, 8) / 10 before and (6, 4) / 10 after, half a user added to each bin.
    q, p = np.array([2.5, 8.5]) / 11, np.array([6.5, 4.5]) / 11
    expected = sum((p - q) * np.log(p / q))
    assert psi(np.array([2.0, 8.0]), np.array([6.0, 4.0])) == pytest.approx(expected)


def test_psi_of_many_users_is_that_of_the_shares():
    q, p = np.array([0.2, 0.3, 0.5]), np.array([0.25, 0.35, 0.4])
    expected = float(((p - q) * np.log(p / q)).sum())
    assert psi(q * 1e9, p * 1e9) == pytest.approx(expected, rel=1e-6)


def test_psi_is_finite_where_a_segment_comes_into_being():
    assert 0 < psi(np.array([10.0, 0.0]), np.array([5.0, 5.0])) < math.inf


def test_psi_of_nobody_is_not_known():
    assert math.isnan(psi(np.zeros(2), np.array([1.0, 2.0])))


def test_psi_by_chance_alone_is_as_large_as_said():
    rng = np.random.default_rng(0)
    shares, m, n = np.array([0.1, 0.2, 0.3, 0.4]), 800, 1200
    found = [psi(rng.multinomial(m, shares), rng.multinomial(n, shares)) for _ in range(2000)]
    # The mean of 2,000 values that scatter like chi-squared of 3 degrees of freedom.
    expected = 3 * (1 / m + 1 / n)
    assert np.mean(found) == pytest.approx(expected, rel=4 * math.sqrt(2 / 3 / 2000))


SIZES = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=2, max_size=6).filter(
    lambda pairs: all(map(any, zip(*pairs, strict=True)))
)


@given(SIZES)
def test_psi_is_symmetric_and_0_only_for_the_same_sizes(pairs):
    before, after = np.array(pairs).T
    assert psi(before, after) >= 0
    assert psi(before, after) == pytest.approx(psi(after, before), abs=1e-12)
    assert psi(before, before) == 0
    assert psi(np.append(before, 0), np.append(after, 0)) == psi(before, after)


def test_psi_of_other_bins_is_refused():
    with pytest.raises(DataError, match="2 bins before and 3 after"):
        psi(np.ones(2), np.ones(3))


# The largest weight


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_largest_is_that_of_a_loop(seed):
    membership = soft(seed)
    dense = membership.toarray()
    expected = [int(np.argmax(row)) if row.any() else -1 for row in dense]
    assert largest(membership).tolist() == expected


def test_largest_does_not_depend_on_how_the_weights_are_stored():
    backwards = sparse.csr_matrix(([0.5, 0.5], [1, 0], [0, 2]), shape=(1, 2))
    assert largest(backwards).tolist() == [0]


# Agreement


def pairs_of_users(one, other):
    """ARI as Hubert and Arabie count it: pair of users by pair of users."""
    known = [(g, h) for g, h in zip(one, other, strict=True) if g >= 0 and h >= 0]
    pairs = list(itertools.combinations(known, 2))
    if not pairs:
        return math.nan
    left = sum(a[0] == b[0] for a, b in pairs)
    right = sum(a[1] == b[1] for a, b in pairs)
    both = sum(a == b for a, b in pairs)
    chance, most = left * right / len(pairs), (left + right) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


@given(CODES, st.randoms(use_true_random=False))
def test_adjusted_rand_counts_pairs_of_users(one, random):
    other = [random.choice([-1, 0, 1, 2]) if random.random() < 0.4 else code for code in one]
    expected = pairs_of_users(one, other)
    found = adjusted_rand(np.array(one), np.array(other))
    assert found == pytest.approx(expected, nan_ok=True)
    assert adjusted_rand(np.array(other), np.array(one)) == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_adjusted_rand_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    one = rng.integers(6, size=500)
    other = np.where(rng.random(500) < 0.3, rng.integers(4, size=500), one)
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand_score(one, other))


@given(CODES, st.permutations(range(4)))
def test_names_play_no_part(codes, names):
    one = np.array(codes)
    renamed = np.where(one >= 0, np.array(names)[one], -1)
    if (one >= 0).sum() > 1:
        assert adjusted_rand(one, renamed) == pytest.approx(1.0)


def test_adjusted_rand_is_0_on_average_by_chance():
    rng = np.random.default_rng(1)
    found = [adjusted_rand(rng.integers(3, size=60), rng.integers(4, size=60)) for _ in range(500)]
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(500)


@pytest.mark.parametrize("one", [[], [1], [-1, -1, 2]])
def test_adjusted_rand_of_fewer_than_two_users_is_not_known(one):
    assert math.isnan(adjusted_rand(np.array(one, dtype=int), np.array(one, dtype=int)))


def test_one_segment_on_both_sides_and_one_each_agree():
    assert adjusted_rand(np.zeros(4, dtype=int), np.zeros(4, dtype=int)) == 1
    assert adjusted_rand(np.arange(4), np.arange(4)[::-1].copy()) == 1
    assert adjusted_rand(np.zeros(4, dtype=int), np.arange(4)) == 0


# Likeness


def slow_jaccard(one, other, g, h):
    least = sum(min(a, b) for a, b in zip(one[:, g], other[:, h], strict=True))
    most = sum(max(a, b) for a, b in zip(one[:, g], other[:, h], strict=True))
    return least / most if most else math.nan


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_jaccard_is_that_of_a_loop(seed, other_seed):
    one, other = soft(seed), soft(other_seed)
    expected = [slow_jaccard(one.toarray(), other.toarray(), g, g) for g in range(4)]
    np.testing.assert_allclose(jaccard(one, other), expected)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_best_jaccard_is_that_of_a_loop(seed, other_seed):
    one, other = soft(seed), soft(other_seed, n_segments=3)
    likeness = [
        [slow_jaccard(one.toarray(), other.toarray(), g, h) for h in range(3)] for g in range(4)
    ]
    np.testing.assert_allclose(best_jaccard(one, other), np.array(likeness).max(axis=1))


def test_a_segment_that_is_empty_on_both_sides_has_no_likeness():
    one = one_hot(np.array([0, 0]), 2)
    np.testing.assert_array_equal(jaccard(one, one), [1.0, np.nan])
    np.testing.assert_array_equal(best_jaccard(one, one), [1.0, np.nan])
    np.testing.assert_array_equal(best_jaccard(one, sparse.csr_matrix((2, 0))), [0.0, np.nan])


def test_other_users_or_segments_are_refused():
    with pytest.raises(DataError, match="2 segments on one side and 3"):
        jaccard(one_hot(np.array([0]), 2), one_hot(np.array([0]), 3))
    with pytest.raises(DataError, match="1 users on one side and 2"):
        best_jaccard(one_hot(np.array([0]), 2), one_hot(np.array([0, 1]), 2))
    with pytest.raises(DataError, match="1 users on one side and 2"):
        adjusted_rand(np.zeros(1, dtype=int), np.zeros(2, dtype=int))


# Refits


def halves(values):
    """Divide users at the median of the draw."""

    def refit(rows):
        return one_hot((values >= np.median(values[rows])).astype(np.int64), 2)

    return refit


def test_cut_points_in_a_gap_are_perfectly_calm():
    values = np.repeat([0.0, 1.0], 50)

    def refit(rows):
        return one_hot((values >= values[rows].mean()).astype(np.int64), 2)

    found = stability_of(refit(np.arange(100)), refit, seed=0, refits=20)
    assert (found.ari, found.ari_low, found.ari_high) == (1, 1, 1)
    assert found.jaccard.tolist() == found.jaccard_low.tolist() == [1, 1]


def test_segments_by_lot_are_not_calm():
    lot = np.random.default_rng(2)
    found = stability_of(
        one_hot(lot.integers(2, size=1000), 2),
        lambda rows: one_hot(lot.integers(2, size=len(rows)), 2),
        seed=0,
    )
    assert abs(found.ari) < 0.01
    # Of two independent halves, a third of either's members is in both.
    np.testing.assert_allclose(found.jaccard, 1 / 3, atol=0.02)
    assert (found.jaccard_low < found.jaccard).all()
    assert (found.jaccard < found.jaccard_high).all()


def test_a_summary_is_that_of_its_refits():
    values = np.random.default_rng(3).lognormal(size=200)
    refit, draws = halves(values), []

    def watched(rows):
        draws.append(rows)
        return refit(rows)

    whole = refit(np.arange(200))
    found = stability_of(whole, watched, seed=7, refits=30)
    ari = [adjusted_rand(largest(whole), largest(refit(rows))) for rows in draws]
    likeness = np.array([jaccard(whole, refit(rows)) for rows in draws])
    assert found.refits == len(draws) == 30
    assert found.ari == pytest.approx(np.mean(ari))
    assert [found.ari_low, found.ari_high] == pytest.approx(np.quantile(ari, [0.025, 0.975]))
    np.testing.assert_allclose(found.jaccard, likeness.mean(axis=0))
    np.testing.assert_allclose(found.jaccard_high, np.quantile(likeness, 0.975, axis=0))
    assert all(len(rows) == 200 and rows.min() >= 0 and rows.max() < 200 for rows in draws)
    assert len({tuple(rows) for rows in draws}) == 30


def test_the_seed_decides_and_more_refits_leave_the_first():
    refit, draws = halves(np.arange(60.0)), []

    def watched(rows):
        draws.append(rows.tolist())
        return refit(rows)

    for seed, refits in ((1, 5), (1, 8), (2, 5)):
        stability_of(refit(np.arange(60)), watched, seed=seed, refits=refits)
    assert draws[:5] == draws[5:10]
    assert draws[13:] != draws[:5]


def test_clusters_may_change_places():
    values = np.repeat([0.0, 1.0], 50)
    lot = np.random.default_rng(4)

    def refit(rows):
        high = values >= values[rows].mean()
        return one_hot((high != lot.integers(2)).astype(np.int64), 2)

    whole = one_hot((values > 0.5).astype(np.int64), 2)
    assert stability_of(whole, refit, seed=0, named=False).jaccard.tolist() == [1, 1]
    assert (stability_of(whole, refit, seed=0).jaccard < 0.9).all()


def test_nobody_known_is_told_as_such():
    nobody = sparse.csr_matrix((20, 2))
    found = stability_of(nobody, lambda _: nobody, seed=0, refits=3)
    assert math.isnan(found.ari)
    assert np.isnan(found.jaccard).all()


def test_no_refit_is_refused():
    with pytest.raises(DataError, match="refits must be at least 1, got 0"):
        stability_of(
            sparse.csr_matrix((2, 2)), lambda _: sparse.csr_matrix((2, 2)), seed=0, refits=0
        )


def test_a_refit_with_other_segments_is_refused():
    with pytest.raises(DataError, match="2 segments on one side and 1"):
        stability_of(one_hot(np.array([0, 1]), 2), lambda _: one_hot(np.array([0, 0]), 1), seed=0)
