"""The lifts of an axis against slow loops, and what must hold of them whatever the data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.models.priors import Support, _lifts, fit_prior

N_USERS, N_ITEMS = 30, 8
GROUPS = np.asarray([0, 0, 0, 1, 1, 1, 2, 2])
EVERY = np.ones(N_ITEMS, dtype=bool)


def random_shop(seed, n_segments=3, *, soft=True):
    """Pairs that lean towards a segment, and memberships of which some are unknown."""
    rng = np.random.default_rng(seed)
    main = rng.integers(n_segments, size=N_USERS)
    leaning = np.where(main[:, np.newaxis] == np.arange(N_ITEMS) % n_segments, 0.7, 0.25)
    pairs = sparse.csr_matrix((rng.random((N_USERS, N_ITEMS)) < leaning) * 3.0)
    hard = np.eye(n_segments)[main]
    membership = 0.6 * hard + 0.3 * rng.dirichlet(np.ones(n_segments), N_USERS) if soft else hard
    unknown = rng.random(N_USERS) < 0.2
    return pairs, membership * ~unknown[:, np.newaxis]


def slow_oracle(pairs, membership):
    """Every (user, item) pair one by one, as the formulas are written."""
    dense = pairs.toarray()
    n_segments = membership.shape[1]
    bought = [(u, i) for u in range(N_USERS) for i in range(N_ITEMS) if dense[u, i] > 0]
    total = len(bought)
    excess, squares = 0.0, 0.0
    n, e = np.zeros((n_segments, N_ITEMS)), np.zeros((n_segments, N_ITEMS))
    for g in range(n_segments):
        mass = sum(membership[u, g] for u, _ in bought)
        squared = sum(membership[u, g] ** 2 for u, _ in bought)
        for i in range(N_ITEMS):
            buyers = [u for u, item in bought if item == i]
            n[g, i] = sum(membership[u, g] for u in buyers)
            e[g, i] = mass * len(buyers) / total
            chance = len(buyers) * (squared / total - (mass / total) ** 2)
            excess += (n[g, i] - e[g, i]) ** 2 - chance
            squares += e[g, i] ** 2
    return n, e, squares / excess if excess > 0 else math.inf


def fitted(pairs, membership, supported=EVERY):
    return fit_prior(pairs, sparse.csr_matrix(membership), Support(supported, GROUPS))


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_lifts_and_kappa_equal_the_slow_loop(seed, soft):
    pairs, membership = random_shop(seed, soft=soft)
    n, e, kappa = slow_oracle(pairs, membership)
    prior = fitted(pairs, membership)
    assert math.isfinite(kappa)
    assert prior.kappa == pytest.approx(kappa)
    np.testing.assert_allclose(prior.lifts, np.log((n + kappa) / (e + kappa)), atol=1e-12)


def test_of_hard_segments_chance_is_the_multinomial_variance():
    # V = E (1 − N_g / N) gives the same κ as n_i (M_g / N − (N_g / N)²).
    pairs, membership = random_shop(5, soft=False)
    n, e, _ = slow_oracle(pairs, membership)
    share = n.sum(axis=1, keepdims=True) / pairs.nnz
    excess = ((n - e) ** 2 - e * (1 - share)).sum()
    assert fitted(pairs, membership).kappa == pytest.approx((e**2).sum() / excess)


def test_only_that_a_pair_is_there_counts():
    pairs, membership = random_shop(6)
    ones = (pairs > 0).astype(np.float64)
    np.testing.assert_array_equal(fitted(pairs, membership).lifts, fitted(ones, membership).lifts)


def test_segments_that_buy_alike_say_nothing():
    # Both segments hold the same baskets: n = E, less spread than chance would make.
    half = np.random.default_rng(0).random((N_USERS // 2, N_ITEMS)) < 0.5
    pairs = sparse.csr_matrix(np.vstack([half, half]).astype(np.float64))
    membership = np.repeat(np.eye(2), N_USERS // 2, axis=0)
    prior = fitted(pairs, membership)
    assert prior.kappa == math.inf
    assert not prior.lifts.any()


def test_random_segments_say_next_to_nothing():
    pairs, _ = random_shop(7)
    rng = np.random.default_rng(8)
    largest = []
    for _ in range(40):
        prior = fitted(pairs, np.eye(2)[rng.integers(2, size=N_USERS)])
        largest.append(np.abs(prior.lifts).max())
    assert np.median(largest) < 0.05


def test_nobody_known_says_nothing():
    pairs, _ = random_shop(9)
    prior = fitted(pairs, np.zeros((N_USERS, 3)))
    assert prior.kappa == math.inf
    assert not prior.lifts.any()


def test_no_pairs_say_nothing():
    prior = fitted(sparse.csr_matrix((N_USERS, N_ITEMS)), random_shop(9)[1])
    assert prior.kappa == math.inf
    assert not prior.lifts.any()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 200), st.booleans(), st.floats(0.01, 1000))
def test_a_buyer_inside_instead_of_outside_never_lowers_the_lift(seed, soft, kappa):
    pairs, membership = random_shop(seed, soft=soft)
    dense = pairs.toarray() > 0
    for item in range(N_ITEMS):
        insiders = np.flatnonzero((membership[:, 0] > 0) & ~dense[:, item])
        outsiders = np.flatnonzero((membership[:, 0] == 0) & dense[:, item])
        if len(insiders) and len(outsiders):
            moved = dense.copy()
            moved[outsiders[0], item], moved[insiders[0], item] = False, True
            before = lifts_at(dense, membership, kappa)[0, item]
            assert lifts_at(moved, membership, kappa)[0, item] >= before - 1e-12


def lifts_at(dense, membership, kappa):
    n = membership.T @ dense
    e = np.outer(n.sum(axis=1), dense.sum(axis=0)) / dense.sum()
    return _lifts(n, e, kappa, Support(EVERY, GROUPS))[0]


# Items without support


def test_an_unsupported_item_takes_the_lift_of_its_group():
    pairs, membership = random_shop(10)
    supported = np.asarray([True, True, False, True, True, True, False, False])
    n, e, kappa = slow_oracle(pairs, membership)
    prior = fitted(pairs, membership, supported)
    assert prior.kappa == pytest.approx(kappa)
    own = np.log((n + kappa) / (e + kappa))
    np.testing.assert_allclose(prior.lifts[:, supported], own[:, supported])
    # Item 2 stands for what is known of its group: the items 0 and 1 together.
    group = np.log((n[:, :2].sum(axis=1) + kappa) / (e[:, :2].sum(axis=1) + kappa))
    np.testing.assert_allclose(prior.lifts[:, 2], group)
    # Nobody in the last group is known: no lift at all.
    assert not prior.lifts[:, 6:].any()
