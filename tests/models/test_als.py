"""The factors: a shop whose answer is known by construction, repeatability, and implicit itself."""

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.models import CENTRES, FoldIn, ModelConfig, confidence
from recsys.models.als import factorise

SMALL = ModelConfig(factors=6, iterations=5, seed=3)


@pytest.fixture(scope="module")
def ratings():
    """Worths of both signs, 60 users and 40 items."""
    rng = np.random.default_rng(0)
    present = rng.random((60, 40)) < 0.2
    worths = np.where(rng.random((60, 40)) < 0.15, -2.0, rng.gamma(2.0, 3.0, size=(60, 40)))
    return sparse.csr_matrix(np.where(present, worths, 0.0))


def confidence_of(ratings, alpha=10.0):
    weights = ratings.copy()
    weights.data = confidence(ratings.data, alpha)
    return weights


def every(matrix):
    return np.ones(matrix.shape[1], dtype=bool)


def checkerboard(n):
    """User u likes the items of her parity, and has them all but item u."""
    parity = np.add.outer(np.arange(n), np.arange(n)) % 2 == 0
    return sparse.csr_matrix((parity & ~np.eye(n, dtype=bool)).astype(np.float64))


def test_the_missing_field_of_a_checkerboard_is_found():
    seen = checkerboard(20)
    config = ModelConfig(factors=4, iterations=30, seed=1)
    learnt = factorise(confidence_of(seen), every(seen), config, threads=1)
    scores = learnt.user_factors @ learnt.item_factors.T
    unseen = np.where(seen.toarray() > 0, -np.inf, scores)
    assert unseen.argmax(axis=1).tolist() == list(range(20))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_second_fit_is_the_first_whatever_the_threads(ratings, threads):
    weights = confidence_of(ratings)
    first = factorise(weights, every(weights), SMALL, threads=1)
    again = factorise(weights, every(weights), SMALL, threads=threads)
    np.testing.assert_array_equal(again.user_factors, first.user_factors)
    np.testing.assert_array_equal(again.item_factors, first.item_factors)


def test_another_seed_gives_other_factors(ratings):
    weights = confidence_of(ratings)
    first = factorise(weights, every(weights), SMALL)
    other = factorise(weights, every(weights), SMALL.model_copy(update={"seed": 4}))
    assert not np.array_equal(first.item_factors, other.item_factors)


def test_every_sweep_is_reported(ratings):
    sweeps = []
    factorise(confidence_of(ratings), every(ratings), SMALL, on_sweep=lambda: sweeps.append(1))
    assert len(sweeps) == SMALL.iterations


# implicit's alpha


def test_alpha_is_in_the_confidence_and_is_not_applied_again(ratings):
    weights = confidence_of(ratings, alpha=10.0)
    ten = factorise(weights, every(weights), SMALL.model_copy(update={"alpha": 10.0}))
    forty = factorise(weights, every(weights), SMALL.model_copy(update={"alpha": 40.0}))
    np.testing.assert_array_equal(ten.item_factors, forty.item_factors)


@pytest.fixture(scope="module")
def peer(ratings):
    """The library `implicit`, fitted on the same confidences."""
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=6, regularization=0.5, iterations=5, alpha=1.0, random_state=3, num_threads=1
        )
        model.fit(sparse.csr_matrix(confidence_of(ratings), dtype=np.float32), show_progress=False)
    return model


def fold_in_of(peer):
    factors = peer.item_factors.astype(np.float64)
    d = factors.shape[1]
    return FoldIn(
        peer.item_factors,
        np.ones(len(factors), dtype=bool),
        factors.T @ factors,
        np.cov(factors.T),
        np.zeros(d),
        np.zeros((0, d)),
        np.zeros(0),
        np.stack([np.eye(d)] * len(CENTRES)),
    )


def folded_in(peer, weights):
    fold_in = fold_in_of(peer)
    zero = np.zeros(peer.factors)
    return np.stack(
        [
            fold_in.user_vector(row.indices, row.data, zero, "mean", peer.regularization)
            for row in weights
        ]
    )


def test_fold_in_towards_zero_equals_that_of_implicit(ratings, peer):
    weights = confidence_of(ratings)
    assert (weights.data < 0).any()
    expected = peer.recalculate_user(np.arange(60), weights)
    np.testing.assert_allclose(folded_in(peer, weights), expected, rtol=1e-3, atol=1e-3)


def test_interactions_times_alpha_would_not_be_the_same_confidence(ratings, peer):
    expected = peer.recalculate_user(np.arange(60), 10.0 * ratings)
    assert np.abs(folded_in(peer, confidence_of(ratings)) - expected).max() > 0.05


# Support


def test_items_without_support_and_users_without_such_items_get_zero(ratings):
    supported = np.arange(40) % 3 != 0
    alone = ratings.tolil()
    alone[7] = 0.0
    alone[7, [0, 3]] = 5.0  # two items without support
    weights = confidence_of(alone.tocsr())
    learnt = factorise(weights, supported, SMALL)
    assert not learnt.item_factors[~supported].any()
    assert learnt.item_factors[supported].any(axis=1).all()
    assert not learnt.user_factors[7].any()


def test_items_without_support_teach_nothing(ratings):
    supported = np.arange(40) % 3 != 0
    kept = sparse.csr_matrix(ratings.multiply(supported))
    kept.eliminate_zeros()
    with_them = factorise(confidence_of(ratings), supported, SMALL)
    without = factorise(confidence_of(kept), supported, SMALL)
    np.testing.assert_array_equal(with_them.user_factors, without.user_factors)
    np.testing.assert_array_equal(with_them.item_factors, without.item_factors)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (4, 3)])
def test_nothing_to_learn_from_is_all_zero(shape):
    empty = sparse.csr_matrix(shape)
    learnt = factorise(empty, every(empty), SMALL)
    assert learnt.user_factors.shape == (shape[0], 6)
    assert learnt.item_factors.shape == (shape[1], 6)
    assert not learnt.user_factors.any()
    assert not learnt.item_factors.any()
