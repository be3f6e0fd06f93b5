"""A user's vector against the normal equations written out, and the prior it is pulled to."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.models import CENTRES, FoldIn, confidence
from recsys.models.fold_in import (
    COVARIANCE_RIDGE,
    SEGMENT_RIDGE,
    Factorisation,
    fit_fold_in,
)

AXES = [slice(0, 2), slice(2, 5)]
D, N_ITEMS = 3, 12


def random_fold_in(seed):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(N_ITEMS, D)).astype(np.float32)
    supported = rng.random(N_ITEMS) < 0.8
    learnt = factors[supported].astype(np.float64)
    roots = rng.normal(size=(2, D, D))
    return FoldIn(
        factors,
        supported,
        learnt.T @ learnt,
        np.cov(factors.T),
        rng.normal(size=D),
        rng.normal(size=(5, D)),
        np.asarray([0.25, 0.75, 0.5, 0.3, 0.2]),
        roots @ roots.transpose(0, 2, 1) + np.eye(D),
    )


def dense_oracle(fold_in, items, weight, centre, around, strength):
    """Every item one by one, also those of no history: Σ_i c_i y yᵀ + P and Σ_i c_i p_i y + P m."""
    prior = strength * fold_in.precisions[list(CENTRES).index(around)]
    left, right = prior.copy(), prior @ centre
    given_weight = dict(zip(items.tolist(), weight.tolist(), strict=True))
    for item in np.flatnonzero(fold_in.supported).tolist():
        factor = fold_in.item_factors[item].astype(np.float64)
        signed = given_weight.get(item, 0.0)
        left += (abs(signed) if signed else 1.0) * np.outer(factor, factor)
        right += (signed if signed > 0 else 0.0) * factor
    return np.linalg.inv(left) @ right


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 50),
    st.lists(st.integers(0, N_ITEMS - 1), unique=True),
    st.sampled_from(CENTRES),
    st.floats(0.05, 20),
)
def test_a_vector_solves_the_dense_normal_equations(seed, items, around, strength):
    fold_in = random_fold_in(seed)
    rng = np.random.default_rng(seed)
    history = np.sort(np.asarray(items, dtype=np.int64))
    weight = confidence(rng.normal(scale=4.0, size=len(items)), 10.0)
    centre = rng.normal(size=D)
    vector = fold_in.user_vector(history, weight, centre, around, strength)
    expected = dense_oracle(fold_in, history, weight, centre, around, strength)
    np.testing.assert_allclose(vector, expected, rtol=1e-8, atol=1e-10)


def test_confidence_is_one_plus_alpha_log_and_keeps_the_sign():
    values = confidence(np.array([math.e - 1, 0.0, 1 - math.e]), 10.0)
    np.testing.assert_allclose(values, [11.0, 0.0, -11.0])


def test_an_empty_history_gives_the_shrunk_centre():
    fold_in = random_fold_in(1)
    prior = 2.0 * fold_in.precisions[0]
    none = np.empty(0, dtype=np.int64)
    vector = fold_in.user_vector(none, np.empty(0), fold_in.mean, "segments", 2.0)
    expected = np.linalg.inv(fold_in.gram + prior) @ prior @ fold_in.mean
    np.testing.assert_allclose(vector, expected, rtol=1e-10)


def test_a_strong_prior_leaves_the_centre_and_a_weak_one_leaves_the_data():
    fold_in = random_fold_in(2)
    item = np.flatnonzero(fold_in.supported)[:1]
    loved = np.array([1e6])
    strong = fold_in.user_vector(item, loved, fold_in.mean, "mean", 1e12)
    weak = fold_in.user_vector(item, loved, fold_in.mean, "mean", 1e-9)
    np.testing.assert_allclose(strong, fold_in.mean, rtol=1e-4)
    assert weak @ fold_in.item_factors[item[0]] == pytest.approx(1.0, abs=1e-3)


def test_items_without_support_are_not_used():
    fold_in = random_fold_in(3)
    history = np.arange(N_ITEMS)
    weight = np.full(N_ITEMS, 11.0)
    known = fold_in.supported
    everything = fold_in.user_vector(history, weight, fold_in.mean, "mean", 1.0)
    supported = fold_in.user_vector(history[known], weight[known], fold_in.mean, "mean", 1.0)
    np.testing.assert_array_equal(everything, supported)


# The centre


def test_the_mean_centre_is_the_mean_user():
    fold_in = random_fold_in(4)
    membership = np.asarray([1.0, 0.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(fold_in.centre(membership, AXES, "mean"), fold_in.mean)


def test_an_unknown_axis_adds_nothing_to_the_centre():
    fold_in = random_fold_in(5)
    np.testing.assert_array_equal(fold_in.centre(np.zeros(5), AXES, "segments"), fold_in.mean)
    first = np.asarray([1.0, 0.0, 0.0, 0.0, 0.0])
    moved = fold_in.centre(first, AXES, "segments") - fold_in.mean
    np.testing.assert_allclose(moved, [0.75, -0.75] @ fold_in.effects[:2])


def test_half_known_moves_half_as_far():
    fold_in = random_fold_in(6)
    whole = np.asarray([0.0, 0.0, 0.0, 1.0, 0.0])
    moved = fold_in.centre(whole, AXES, "segments") - fold_in.mean
    half = fold_in.centre(whole / 2, AXES, "segments") - fold_in.mean
    np.testing.assert_allclose(half, moved / 2)


def test_who_is_as_everyone_is_stays_at_the_mean_user():
    fold_in = random_fold_in(7)
    np.testing.assert_allclose(fold_in.centre(fold_in.shares, AXES, "segments"), fold_in.mean)


# The fit


def planted(n_users=400, seed=0):
    """Two segments a unit apart on the first axis; the second axis says nothing of most users."""
    rng = np.random.default_rng(seed)
    membership = np.zeros((n_users, 5))
    side = rng.random(n_users) < 0.3
    membership[np.arange(n_users), side.astype(int)] = 1.0
    some = rng.random(n_users) < 0.2
    membership[some, 2 + rng.integers(3, size=some.sum())] = 1.0
    vectors = rng.normal(scale=0.1, size=(n_users, D)) + np.outer(side, [1.0, 0.0, 0.0]) + 2.0
    items = rng.normal(size=(N_ITEMS, D)).astype(np.float32)
    learnt = Factorisation(vectors.astype(np.float32), items)
    return learnt, sparse.csr_matrix(membership)


def fitted(learnt, membership, supported=None):
    supported = np.ones(N_ITEMS, dtype=bool) if supported is None else supported
    return fit_fold_in(learnt, supported, membership, AXES)


def test_the_intercept_is_the_mean_user():
    learnt, membership = planted()
    fold_in = fitted(learnt, membership)
    np.testing.assert_allclose(fold_in.mean, learnt.user_factors.mean(axis=0), rtol=1e-6)


def test_a_planted_segment_moves_its_users_to_their_mean():
    learnt, membership = planted()
    fold_in = fitted(learnt, membership)
    inside = np.asarray([0.0, 1.0, 0.0, 0.0, 0.0])
    outside = np.asarray([1.0, 0.0, 0.0, 0.0, 0.0])
    apart = fold_in.centre(inside, AXES, "segments") - fold_in.centre(outside, AXES, "segments")
    np.testing.assert_allclose(apart, [1.0, 0.0, 0.0], atol=0.15)


def test_shares_are_those_of_the_known_mass():
    learnt, membership = planted()
    counts = membership.toarray().sum(axis=0)
    expected = [*(counts[:2] / counts[:2].sum()), *(counts[2:] / counts[2:].sum())]
    np.testing.assert_allclose(fitted(learnt, membership).shares, expected)


def test_effects_are_the_ridge_regression_on_centred_memberships():
    learnt, membership = planted()
    fold_in = fitted(learnt, membership)
    dense = membership.toarray()
    for axis in AXES:
        dense[:, axis] -= np.outer(dense[:, axis].sum(axis=1), fold_in.shares[axis])
    residuals = learnt.user_factors - fold_in.mean
    # A ridge is least squares with one more row for each coefficient.
    inputs = np.vstack([dense, math.sqrt(SEGMENT_RIDGE) * np.eye(5)])
    outputs = np.vstack([residuals, np.zeros((5, D))])
    expected = np.linalg.lstsq(inputs, outputs, rcond=None)[0]
    np.testing.assert_allclose(fold_in.effects, expected, atol=1e-6)


def test_precisions_invert_the_covariance_around_each_centre():
    learnt, membership = planted()
    fold_in = fitted(learnt, membership)
    for precision, centre in zip(fold_in.precisions, CENTRES, strict=True):
        rows = zip(learnt.user_factors, membership.toarray(), strict=True)
        residuals = [vector - fold_in.centre(row, AXES, centre) for vector, row in rows]
        covariance = np.cov(np.asarray(residuals).T)
        covariance += np.eye(D) * (COVARIANCE_RIDGE * np.trace(covariance) / D)
        np.testing.assert_allclose(precision @ covariance, np.eye(D), atol=1e-4)


def test_gram_and_spread_are_over_supported_items_only():
    learnt, membership = planted()
    supported = np.arange(N_ITEMS) % 2 == 0
    fold_in = fitted(learnt, membership, supported)
    kept = learnt.item_factors[::2].astype(np.float64)
    np.testing.assert_allclose(fold_in.gram, kept.T @ kept)
    np.testing.assert_allclose(fold_in.spread, np.cov(kept.T))


def test_users_without_factors_say_nothing():
    learnt, membership = planted(n_users=50)
    without = learnt.user_factors.copy()
    without[::2] = 0.0
    some = fitted(Factorisation(without, learnt.item_factors), membership)
    others = fitted(Factorisation(without[1::2], learnt.item_factors), membership[1::2])
    for name in ("mean", "effects", "shares", "precisions"):
        np.testing.assert_array_equal(getattr(some, name), getattr(others, name))


def test_scale_is_the_spread_of_the_scores():
    learnt, membership = planted()
    fold_in = fitted(learnt, membership)
    vector = np.asarray([0.5, -1.0, 2.0])
    scores = learnt.item_factors.astype(np.float64) @ vector
    assert fold_in.scale(vector) == pytest.approx(scores.std(ddof=1))
    assert fold_in.scale(np.zeros(D)) > 0


@pytest.mark.parametrize("n_users", [0, 1, 2])
@pytest.mark.parametrize("supported", [True, False])
def test_hardly_anyone_to_learn_from_still_gives_finite_vectors(n_users, supported):
    learnt = Factorisation(
        np.ones((n_users, D), dtype=np.float32), np.ones((N_ITEMS, D), dtype=np.float32)
    )
    flags = np.full(N_ITEMS, supported)
    fold_in = fitted(learnt, sparse.csr_matrix((n_users, 5)), flags)
    for centre in CENTRES:
        middle = fold_in.centre(np.zeros(5), AXES, centre)
        vector = fold_in.user_vector(np.array([0]), np.array([11.0]), middle, centre, 1.0)
        assert np.isfinite(vector).all()
        assert np.isfinite(vector / fold_in.scale(vector)).all()
