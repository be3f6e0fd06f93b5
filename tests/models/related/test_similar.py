"""Similar items against a slow loop, and what items nobody knows are shown with."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.models.groups import group_means
from recsys.models.related import RelatedConfig, fit_similar, similar, similar_from, together

N_USERS, N_ITEMS, D = 40, 10, 3
GROUPS = np.arange(N_ITEMS) % 3
CONFIG = RelatedConfig()


def shop(seed):
    """Users who lean to neighbouring items; items 7 and 8 are not supported."""
    rng = np.random.default_rng(seed)
    near = rng.integers(N_ITEMS, size=N_USERS)
    apart = np.abs(near[:, np.newaxis] - np.arange(N_ITEMS))
    pairs = rng.random((N_USERS, N_ITEMS)) < np.exp(-apart / 2)
    supported = ~np.isin(np.arange(N_ITEMS), [7, 8])
    factors = rng.normal(size=(N_ITEMS, D)).astype(np.float32)
    factors[~supported] = 0
    return pairs, factors, supported


def fitted(pairs, factors, supported, config=CONFIG, groups=GROUPS):
    return fit_similar(sparse.csr_matrix(pairs * 2.5), factors, supported, groups, config, seed=0)


def cosine(one, other):
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths else 0.0


def slow_score(mine, theirs, my_factor, their_factor):
    """One pair: users of either as sets, and the two factors."""
    both, expected = len(mine & theirs), len(mine) * len(theirs) / N_USERS
    lift = math.log((both + together.KAPPA) / (expected + together.KAPPA))
    weight = both / (len(mine) + together.DELTA) * max(lift, 0.0)
    alike = max(cosine(my_factor, their_factor), 0.0)
    return weight + similar.FACTORS * alike if weight > 0 else 0.0


def slow_list(mine, my_factor, users, factors, others):
    scores = [(slow_score(mine, users[j], my_factor, factors[j]), j) for j in others]
    return sorted((-score, j) for score, j in scores if score > 0)


@pytest.mark.parametrize("seed", range(4))
def test_similar_items_equal_the_slow_loop(seed):
    pairs, factors, supported = shop(seed)
    users = [set(np.flatnonzero(pairs[:, j])) for j in range(N_ITEMS)]
    fit = fitted(pairs, factors, supported)
    for item in np.flatnonzero(supported):
        others = [j for j in np.flatnonzero(supported) if j != item]
        slow = slow_list(users[item], factors[item], users, factors, others)
        items, scores = fit.similar(int(item), k=N_ITEMS)
        assert items.tolist() == [j for _, j in slow]
        np.testing.assert_allclose(scores, [-s for s, _ in slow], rtol=1e-5)


@pytest.mark.parametrize("item", [7, 8])
def test_an_item_too_few_know_is_shown_with_what_goes_with_its_group(item):
    pairs, factors, supported = shop(1)
    users = [set(np.flatnonzero(pairs[:, j])) for j in range(N_ITEMS)]
    group = np.flatnonzero((GROUPS[item] == GROUPS) & supported)
    mine = set.union(*(users[j] for j in group))
    mean = group_means(factors.astype(np.float64), supported, GROUPS)[GROUPS[item]]
    slow = slow_list(mine, mean, users, factors, np.flatnonzero(supported))
    items, scores = fitted(pairs, factors, supported).similar(item, k=N_ITEMS)
    assert len(items) > 0
    assert items.tolist() == [j for _, j in slow]
    np.testing.assert_allclose(scores, [-s for s, _ in slow], rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300), st.integers(1, 12), st.integers(1, 12))
def test_lists_hold_allowed_supported_other_items(seed, k, per_item):
    pairs, factors, supported = shop(seed)
    allowed = np.random.default_rng(seed).random(N_ITEMS) < 0.6
    fit = fitted(pairs, factors, supported, RelatedConfig(per_item=per_item))
    for item in range(N_ITEMS):
        items, scores = fit.similar(item, k=k, allowed=allowed)
        assert len(items) <= min(k, per_item)
        assert allowed[items].all()
        assert supported[items].all()
        assert item not in items
        assert (np.diff(scores) <= 0).all()


def test_the_order_of_users_changes_no_bit():
    pairs, factors, supported = shop(3)
    order = np.random.default_rng(0).permutation(N_USERS)
    one = fitted(pairs, factors, supported).arrays()
    other = fitted(pairs[order], factors, supported).arrays()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])


def test_a_pair_of_one_user_is_not_the_most_similar():
    # Items 0 and 1 share 20 of their 25 users, item 2 has a single one, of item 0.
    pairs = np.zeros((60, 3), dtype=bool)
    pairs[:25, 0] = pairs[5:30, 1] = pairs[0, 2] = True
    everything = np.ones(3, dtype=bool)
    fit = fitted(pairs, np.zeros((3, D), dtype=np.float32), everything, groups=np.zeros(3, int))
    assert fit.similar(0, k=2)[0].tolist() == [1, 2]


def test_small_blocks_give_the_same_rows(monkeypatch):
    pairs, factors, supported = shop(5)
    whole = fitted(pairs, factors, supported)
    monkeypatch.setattr(similar, "CHUNK", 7)
    monkeypatch.setattr(similar, "BLOCK", 20)
    cut = fitted(pairs, factors, supported)
    for name, values in whole.arrays().items():
        np.testing.assert_array_equal(values, cut.arrays()[name])


def test_nobody_and_one_user_have_nothing_similar():
    _, factors, supported = shop(0)
    for pairs in (np.zeros((0, N_ITEMS)), np.zeros((3, N_ITEMS)), np.ones((1, N_ITEMS))):
        fit = fitted(pairs, factors, supported)
        assert all(len(fit.similar(item, k=5)[0]) == 0 for item in range(N_ITEMS))


def test_what_is_stored_gives_the_same_answers():
    fit = fitted(*shop(2))
    again = similar_from(fit.arrays())
    for item in range(N_ITEMS):
        np.testing.assert_array_equal(fit.similar(item, k=4)[0], again.similar(item, k=4)[0])
