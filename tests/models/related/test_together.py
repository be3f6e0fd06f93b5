"""Rules against hand-made baskets and slow loops, and what must hold of any cart."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models.related import RelatedConfig, fit_together, together, together_from

CONFIG = RelatedConfig(per_item=50)
N_ITEMS = 8
BREAD, BUTTER, JAM, BEER, NAILS = range(5)
HAND = [[BREAD, BUTTER], [BREAD, BUTTER], [BREAD, BUTTER, JAM], [BREAD, BEER], [BEER], [NAILS]]
"""Bread in 4 of 6 baskets, butter in 3, beer in 2; bread and butter together in 3."""


def slow_weight(both, given_, other, n):
    lift = math.log((both + together.KAPPA) / (given_ * other / n + together.KAPPA))
    return both / (given_ + together.DELTA) * max(lift, 0.0)


def slow_rule(baskets, given_, k):
    """Count baskets one by one: the weight of a rule; 0 where it is not kept."""
    n_given = sum(given_ <= set(basket) for basket in baskets)
    both = sum(given_ | {k} <= set(basket) for basket in baskets)
    other = sum(k in basket for basket in baskets)
    kept = both >= together.LEAST_TOGETHER
    return slow_weight(both, n_given, other, len(baskets)) if kept else 0.0


def slow_cart(baskets, cart, n_items, least_pair):
    """Every candidate, every item of the cart, every rule that holds it."""
    values = {}
    pairs = [
        set(pair)
        for pair in combinations(sorted(cart), 2)
        if sum(set(pair) <= set(basket) for basket in baskets) >= least_pair
    ]
    for k in set(range(n_items)) - cart:
        votes = [
            max(slow_rule(baskets, rule, k) for rule in [{j}, *(p for p in pairs if j in p)])
            for j in sorted(cart)
        ]
        if any(votes):
            values[k] = sum(votes)
    return values


@pytest.fixture
def hand(make_baskets):
    return fit_together(make_baskets(HAND, 5), CONFIG)


def test_support_confidence_and_lift_of_hand_made_baskets(hand):
    found = hand.bought_together(BREAD, k=10)
    assert found.items.tolist() == [BUTTER]
    assert found.support.tolist() == [3 / 6]
    assert found.confidence.tolist() == [3 / 4]
    assert found.lift.tolist() == [(3 / 6) / ((4 / 6) * (3 / 6))]
    # E = 4 · 3 / 6 = 2, κ = 1, δ = 10.
    assert found.scores[0] == pytest.approx(3 / 14 * math.log(4 / 3))
    back = hand.bought_together(BUTTER, k=10)
    assert back.items.tolist() == [BREAD]
    assert back.confidence.tolist() == [1.0]


def test_single_item_baskets_count_for_support_only(hand, make_baskets):
    # Without the two baskets of one item bread is in every basket: no more with butter than due.
    assert hand.support.tolist() == [4, 3, 1, 2, 1]
    fewer = fit_together(make_baskets(HAND[:4], 5), CONFIG)
    assert fewer.bought_together(BREAD, k=10).items.tolist() == []


def test_what_happened_once_is_no_rule(hand):
    assert hand.bought_together(JAM, k=10).items.tolist() == []
    assert hand.bought_together(NAILS, k=10).items.tolist() == []


@pytest.mark.parametrize("seed", range(3))
def test_rules_equal_the_slow_loop(make_baskets, draw_baskets, seed):
    baskets = draw_baskets(seed, 60, N_ITEMS)
    fitted = fit_together(make_baskets(baskets, N_ITEMS), CONFIG)
    for item in range(N_ITEMS):
        slow = {k: slow_rule(baskets, {item}, k) for k in range(N_ITEMS) if k != item}
        found = fitted.bought_together(item, k=N_ITEMS)
        expected = sorted((-value, k) for k, value in slow.items() if value > 0)
        assert found.items.tolist() == [k for _, k in expected]
        np.testing.assert_allclose(found.scores, [-value for value, _ in expected])


@pytest.mark.parametrize("seed", range(3))
def test_a_cart_equals_the_slow_loop_pairs_and_all(make_baskets, draw_baskets, monkeypatch, seed):
    monkeypatch.setattr(together, "LEAST_PAIR", 5)
    baskets = draw_baskets(seed, 80, N_ITEMS)
    fitted = fit_together(make_baskets(baskets, N_ITEMS), CONFIG)
    assert len(fitted.pairs) > 3
    rng = np.random.default_rng(seed)
    for size in (1, 2, 3, 4):
        cart = set(rng.choice(N_ITEMS, size=size, replace=False).tolist())
        term = fitted.cart_term(np.asarray(sorted(cart)))
        slow = slow_cart(baskets, cart, N_ITEMS, 5)
        assert term.items.tolist() == sorted(slow)
        np.testing.assert_allclose(term.values, [slow[k] for k in sorted(slow)])


def test_a_pair_tells_what_its_items_do_not(make_baskets):
    # Item 2 goes with 0 and 1 together, and with neither alone: 30 baskets are what chance makes.
    baskets = [[0, 1, 2]] * 30 + [[0, 3]] * 30 + [[1, 3]] * 30 + [[0], [1], [2]] * 30
    fitted = fit_together(make_baskets(baskets, 4), CONFIG)
    assert [0, 1] in fitted.pairs.tolist()
    assert 2 not in fitted.cart_term(np.asarray([0])).items
    assert 2 not in fitted.cart_term(np.asarray([1])).items
    term = fitted.cart_term(np.asarray([0, 1]))
    value = float(term.values[term.items == 2][0])
    assert value == pytest.approx(2 * slow_weight(30, 30, 60, len(baskets)))


def test_small_blocks_give_the_same_rules(make_baskets, draw_baskets, monkeypatch):
    monkeypatch.setattr(together, "LEAST_PAIR", 5)
    baskets = make_baskets(draw_baskets(6, 90, N_ITEMS), N_ITEMS)
    whole = fit_together(baskets, CONFIG).arrays()
    monkeypatch.setattr(together, "BLOCK", 30)
    cut = fit_together(baskets, CONFIG).arrays()
    for name, values in whole.items():
        np.testing.assert_array_equal(values, cut[name])


def test_only_so_many_pairs_are_counted_as_time_allows(make_baskets, monkeypatch):
    baskets = [[0, 1]] * 40 + [[2, 3]] * 30 + [[4]] * 70
    monkeypatch.setattr(together, "PAIR_WORK", 40 * 1.5)
    assert fit_together(make_baskets(baskets, 5), CONFIG).pairs.tolist() == [[0, 1]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300))
def test_lift_is_symmetric(make_baskets, draw_baskets, seed):
    fitted = fit_together(make_baskets(draw_baskets(seed, 50, N_ITEMS), N_ITEMS), CONFIG)
    lift = {}
    for item in range(N_ITEMS):
        found = fitted.bought_together(item, k=N_ITEMS)
        lift |= {(item, k): value for k, value in zip(found.items, found.lift, strict=True)}
    assert lift
    for (item, k), value in lift.items():
        assert lift[k, item] == value


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300))
def test_the_order_of_baskets_changes_no_bit(make_baskets, draw_baskets, seed):
    baskets = draw_baskets(seed, 60, N_ITEMS)
    shuffled = [baskets[at] for at in np.random.default_rng(seed).permutation(60)]
    one = fit_together(make_baskets(baskets, N_ITEMS), CONFIG).arrays()
    other = fit_together(make_baskets(shuffled, N_ITEMS), CONFIG).arrays()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
        assert values.dtype == other[name].dtype


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300), st.integers(0, 5), st.integers(1, 6))
def test_a_cart_gets_allowed_items_it_does_not_hold(make_baskets, draw_baskets, seed, size, k):
    rng = np.random.default_rng(seed)
    fitted = fit_together(make_baskets(draw_baskets(seed, 60, N_ITEMS), N_ITEMS), CONFIG)
    cart, allowed = rng.integers(N_ITEMS, size=size), rng.random(N_ITEMS) < 0.6
    term = fitted.cart_term(cart)
    items, values = fitted.complete(cart, k=k, allowed=allowed)
    assert len(items) == min(k, int(allowed[term.items].sum()))
    assert allowed[items].all()
    assert not np.isin(items, cart).any()
    assert (values > 0).all()
    # The order of the cart, doubles and unknown items play no part.
    again = fitted.cart_term(np.concatenate([cart[::-1], cart, [-1]]))
    np.testing.assert_array_equal(term.items, again.items)
    np.testing.assert_array_equal(term.values, again.values)
    found = fitted.bought_together(0, k=k, allowed=allowed)
    assert allowed[found.items].all()
    assert len(found.items) <= k


@given(st.integers(1, 200), st.floats(1.0, 50.0))
def test_a_rule_fades_as_its_evidence_vanishes(both, lift):
    # One shop, seen in fewer and fewer baskets: the same lift and confidence, less and less known.
    # Shares of baskets instead of counts, so that the evidence can vanish altogether.
    seen = np.asarray([[1.0], [2.0], [2.0], [4 / lift]]) * both * 2.0 ** -np.arange(12)
    weight = [together.rule_weight(b, g, o, n) for b, g, o, n in seen.T.tolist()]
    assert (np.diff(weight) <= 1e-12).all()
    assert weight[-1] <= seen[0, -1] ** 2


def test_a_filter_acts_before_the_list_is_cut(make_baskets):
    baskets = [[0, 1]] * 9 + [[0, 2]] * 7 + [[0, 3]] * 5 + [[4]] * 40
    fitted = fit_together(make_baskets(baskets, 5), CONFIG)
    allowed = np.asarray([True, False, True, True, True])
    assert fitted.bought_together(0, k=2).items.tolist() == [1, 2]
    assert fitted.bought_together(0, k=2, allowed=allowed).items.tolist() == [2, 3]


def test_only_the_best_rules_are_kept(make_baskets):
    baskets = [[0, 1]] * 9 + [[0, 2]] * 7 + [[0, 3]] * 5 + [[4]] * 40
    fitted = fit_together(make_baskets(baskets, 5), RelatedConfig(per_item=2))
    assert fitted.bought_together(0, k=5).items.tolist() == [1, 2]


@pytest.mark.parametrize("baskets", [[], [[0]], [[0], [0], [3]]])
def test_shops_without_pairs_have_no_rules(make_baskets, baskets):
    fitted = fit_together(make_baskets(baskets, 4), CONFIG)
    assert len(fitted.bought_together(0, k=3).items) == 0
    assert len(fitted.cart_term(np.asarray([0, 1, 2])).items) == 0
    assert len(fitted.cart_term(np.empty(0, dtype=np.int64)).items) == 0


def test_what_is_stored_gives_the_same_answers(make_baskets, draw_baskets):
    fitted = fit_together(make_baskets(draw_baskets(5, 90, N_ITEMS), N_ITEMS), CONFIG)
    again = together_from(fitted.arrays(), fitted.learnt())
    for one, other in zip(
        fitted.bought_together(3, k=5), again.bought_together(3, k=5), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    cart = np.asarray([1, 2, 5])
    np.testing.assert_array_equal(fitted.cart_term(cart).values, again.cart_term(cart).values)
