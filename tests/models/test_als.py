"""The factors: a shop whose answer is known by construction, repeatability, and implicit itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.models import CENTRES, FoldIn, ModelConfig, als, confidence
from recsys.models.als import confidence_slope, factorise

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


# The normal equations


def dense(weights):
    """Confidence, 1 where nothing is known, and preference of every pair."""
    signed = weights.toarray().astype(np.float64)
    return np.where(signed == 0, 1.0, np.abs(signed)), (signed > 0).astype(np.float64)


def solved_side(confidences, preferences, fixed, regularization):
    """Every row's ``(Yᵀ C Y + λ Σ c)⁻¹ Yᵀ C p``, one after the other."""
    rows = []
    for c, p in zip(confidences, preferences, strict=True):
        left = (fixed.T * c) @ fixed + regularization * c.sum() * np.eye(fixed.shape[1])
        rows.append(np.linalg.solve(left, fixed.T @ (c * p)))
    return np.stack(rows)


def loss_of(weights, learnt, regularization):
    c, p = dense(weights)
    users, items = (factors.astype(np.float64) for factors in learnt)
    errors = (c * (p - users @ items.T) ** 2).sum()
    sizes = c.sum(axis=1) @ (users**2).sum(axis=1) + c.sum(axis=0) @ (items**2).sum(axis=1)
    return errors + regularization * sizes


def test_the_last_half_sweep_solves_the_dense_normal_equations(ratings):
    weights = confidence_of(ratings, alpha=0.5)
    assert (weights.data < 0).any()
    # As many steps as factors reach the solution.
    config = ModelConfig(factors=als.STEPS, iterations=3, regularization=0.02, seed=3)
    learnt = factorise(weights, every(weights), config)
    c, p = dense(weights)
    users = learnt.user_factors.astype(np.float64)
    expected = solved_side(c.T, p.T, users, 0.02)
    np.testing.assert_allclose(learnt.item_factors, expected, atol=1e-5)


@pytest.fixture
def all_own(monkeypatch):
    """Without the sweeps of `implicit`, whose λ is another."""
    monkeypatch.setattr(als, "OWN_SWEEPS", 1000)


def test_both_sides_settle_where_the_equations_hold(ratings, all_own):
    weights = confidence_of(ratings, alpha=2.0)
    config = ModelConfig(factors=6, iterations=400, regularization=0.05, seed=3)
    learnt = factorise(weights, every(weights), config)
    c, p = dense(weights)
    users, items = (factors.astype(np.float64) for factors in learnt)
    np.testing.assert_allclose(users, solved_side(c, p, items, 0.05), atol=1e-4)
    np.testing.assert_allclose(items, solved_side(c.T, p.T, users, 0.05), atol=1e-4)


def test_no_sweep_raises_the_loss(ratings, all_own):
    weights = confidence_of(ratings)
    configs = [SMALL.model_copy(update={"iterations": sweeps}) for sweeps in range(1, 13)]
    losses = [
        loss_of(weights, factorise(weights, every(weights), config), SMALL.regularization)
        for config in configs
    ]
    assert (np.diff(losses) <= 1e-5 * losses[0]).all()
    assert losses[-1] < 0.9 * losses[0]


def test_the_last_sweeps_end_about_where_all_would_have(ratings, monkeypatch):
    weights, config = confidence_of(ratings), SMALL.model_copy(update={"iterations": 30})

    def loss(own_sweeps):
        monkeypatch.setattr(als, "OWN_SWEEPS", own_sweeps)
        return loss_of(weights, factorise(weights, every(weights), config), config.regularization)

    assert loss(als.OWN_SWEEPS) < 1.02 * loss(1000)


def test_a_pair_that_is_disliked_scores_lower_than_one_that_is_unknown():
    liked = checkerboard(20) * 10.0
    disliked = liked.tolil()
    disliked[0, 2] = -10.0
    config = ModelConfig(factors=4, iterations=20, seed=1)
    scores = []
    for matrix in (liked.tolil(), disliked):
        matrix[0, 4] = 0.0
        weights = sparse.csr_matrix(matrix)
        learnt = factorise(weights, every(weights), config)
        scores.append(learnt.user_factors[0] @ learnt.item_factors[2])
    assert scores[1] < scores[0] - 0.1


def test_the_order_of_users_plays_no_part(ratings):
    weights = confidence_of(ratings)
    order = np.random.default_rng(5).permutation(60)
    learnt = factorise(weights, every(weights), SMALL)
    moved = factorise(weights[order], every(weights), SMALL)
    np.testing.assert_allclose(moved.item_factors, learnt.item_factors, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(moved.user_factors, learnt.user_factors[order], rtol=1e-3, atol=1e-4)


def test_rows_too_long_to_gather_at_once_are_solved_alike(ratings, monkeypatch):
    weights = confidence_of(ratings)
    learnt = factorise(weights, every(weights), SMALL)
    monkeypatch.setattr(als, "BLOCK_CELLS", 30)
    parted = factorise(weights, every(weights), SMALL)
    np.testing.assert_allclose(parted.item_factors, learnt.item_factors, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(parted.user_factors, learnt.user_factors, rtol=1e-3, atol=1e-4)


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(1, 256))
def test_every_row_with_entries_is_in_one_block_that_fits(lengths, factors):
    lengths = np.asarray(lengths, dtype=np.int64)
    blocks = list(als._blocks(lengths, factors))
    rows = np.sort(np.concatenate([*blocks, np.zeros(0, dtype=np.int64)]))
    np.testing.assert_array_equal(rows, np.flatnonzero(lengths))
    for block in blocks:
        assert len(np.unique(als._padded(lengths[block]))) == 1
        cells = als._padded(lengths[block]).sum() * factors
        assert len(block) == 1 or cells <= als.BLOCK_CELLS


@given(st.integers(1, 10**9))
def test_padding_is_little(length):
    (padded,) = als._padded(np.asarray([length]))
    assert length <= padded <= max(length + 7, 1.125 * length)


# The slope of confidence


def test_a_known_pair_is_worth_alpha_by_the_root_of_the_density_more(ratings):
    slope = confidence_slope(ratings, every(ratings), 1.5)
    excess = np.abs(confidence_of(ratings, slope).data) - 1.0
    density = ratings.nnz / (60 * 40)
    assert excess.mean() == pytest.approx(1.5 / np.sqrt(density))


def test_of_one_worth_its_unit_plays_no_part():
    seen = checkerboard(20)
    slopes = [confidence_slope(unit * seen, every(seen), 1.5) for unit in (1.0, 5.0)]
    one, five = (np.log1p(unit) * slope for unit, slope in zip((1.0, 5.0), slopes, strict=True))
    assert one == pytest.approx(five)


def test_twice_the_users_are_as_dense_and_those_without_items_play_no_part(ratings):
    alone = confidence_slope(ratings, every(ratings), 1.5)
    twice = sparse.vstack([ratings, sparse.csr_matrix((9, 40)), ratings], format="csr")
    assert confidence_slope(twice, every(ratings), 1.5) == pytest.approx(alone)


def test_items_without_support_play_no_part_in_the_slope(ratings):
    supported = np.arange(40) % 3 != 0
    kept = ratings[:, supported]
    expected = confidence_slope(kept, every(kept), 1.5)
    assert confidence_slope(ratings, supported, 1.5) == expected


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (4, 3)])
def test_without_pairs_the_slope_is_alpha(shape):
    empty = sparse.csr_matrix(shape)
    assert confidence_slope(empty, every(empty), 1.5) == 1.5


# implicit


def test_implicit_finds_the_same_scores_where_every_row_has_the_same_evidence():
    rng = np.random.default_rng(8)
    n, per_row = 40, 6
    # Shifts of a shuffled circle: every user has 6 items and every item 6 users.
    shifts = np.add.outer(np.arange(n), rng.choice(n, per_row, replace=False)) % n
    rows = np.repeat(rng.permutation(n), per_row)
    weights = sparse.csr_matrix((np.full(n * per_row, 5.0), (rows, shifts.ravel())), shape=(n, n))
    total = n + per_row * 4.0
    # All n factors: the best scores are then one matrix, whatever the first draw.
    config = ModelConfig(factors=n, iterations=300, regularization=0.05, seed=3)
    learnt = factorise(weights, every(weights), config)
    with threadpool_limits(1, "blas"):
        peer = AlternatingLeastSquares(
            factors=n,
            regularization=0.05 * total,
            iterations=300,
            alpha=1.0,
            random_state=3,
            num_threads=1,
        )
        peer.fit(sparse.csr_matrix(weights, dtype=np.float32), show_progress=False)
    np.testing.assert_allclose(
        learnt.user_factors @ learnt.item_factors.T,
        peer.user_factors @ peer.item_factors.T,
        atol=1e-3,
    )


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
