"""One user's side of the score: the query, what a repeat policy hides, and candidates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models import Sparse
from recsys.ranking import Recipe, Request
from recsys.ranking.finish import Finish
from recsys.ranking.listing import Listing
from recsys.ranking.scorer import Scorer, hidden_items
from recsys.ranking.search import Allowed

DENSE = ("als", "popularity", "priors")
WEIGHTS = {"als": 0.4, "popularity": 0.1, "prior:age": 0.3, "prior:place": 0.2}


def scorer_of(small, user=4, *, weights=WEIGHTS, centre="segments", **fields):
    recipe = Recipe(signals=(*DENSE, "habit", "neighbours"), repeat="always", **fields)
    finish = Finish(recipe, small.model)
    return Scorer(small.model, small.customers, user, finish, weights, centre)


def answer(small, scorer, request, *, allowed=None, cart=None):
    flags = small.model.catalogue.available if allowed is None else allowed
    return Listing(scorer, request, Allowed(flags), cart, most=len(flags)).ranking()


@pytest.mark.parametrize("user", range(5))
def test_the_query_and_the_columns_give_the_dense_part(small, user):
    scorer = scorer_of(small, user)
    items = np.arange(len(small.model.items))
    exact = sum(scorer.terms(items).values())
    np.testing.assert_allclose(scorer.query @ small.model.columns.T, exact, rtol=1e-4, atol=1e-4)


def test_without_factors_no_fold_in_is_asked_for(small):
    scorer = scorer_of(small, weights={"popularity": 1.0}, centre=None)
    assert not scorer.coordinates["als"].any()
    assert list(answer(small, scorer, Request(3)).terms) == ["popularity"]


def test_a_signal_of_weight_0_has_a_term_of_0(small):
    scorer = scorer_of(small, weights={**WEIGHTS, "habit": 0.0, "neighbours": 0.0})
    ranking = answer(small, scorer, Request(60))
    assert not ranking.terms["habit"].any() and not ranking.terms["neighbours"].any()
    assert scorer.own == {}


def test_no_term_is_a_negative_zero(small):
    scorer = scorer_of(small, 0, weights={**WEIGHTS, "prior:age": 0.0})
    for values in answer(small, scorer, Request(60)).terms.values():
        assert not np.signbit(values[values == 0]).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 5, 30]))
def test_huge_parts_that_cancel_out_lose_no_candidate(make_small, seed, k):
    """A cart's term of 10^6 against a boost of as much: float32 sees nothing of the rest."""
    small = make_small(seed, n_items=40)
    n, where = 40, {"items": tuple(small.model.items.ids.tolist())}
    cart = Sparse(np.arange(n), np.full(n, 1e6))
    rule = {"kind": "bury", "where": where, "amount": 3e7}
    found = answer(small, scorer_of(small, rules={"down": rule}), Request(k), cart=cart)
    plain = answer(small, scorer_of(small), Request(n))
    # What is left of a score after 3·10^7 came and went: its last 4 digits may round away.
    exact = dict(zip(plain.items.tolist(), plain.scores.tolist(), strict=True))
    scores = [exact[item] for item in found.items.tolist()]
    best = sorted(exact.values(), reverse=True)[: len(scores)]
    np.testing.assert_allclose(scores, best, atol=1e-7)


@pytest.mark.parametrize("user", range(5))
def test_a_repeat_policy_hides_what_was_bought_and_not_what_was_looked_at(small, user):
    histories, rebought = small.customers.histories, small.model.habit.rebought
    rows = histories.rows(user)
    pairs = list(zip(histories.items[rows].tolist(), histories.visits[rows], strict=True))
    bought = [item for item, visits in pairs if visits > 0]
    owned = histories.items[rows][histories.visits[rows] > 0]
    hidden = {
        repeat: hidden_items(owned, rebought, repeat).tolist()
        for repeat in ("always", "learned", "never")
    }
    assert hidden == {
        "always": [],
        "learned": [item for item in bought if not rebought[item]],
        "never": bought,
    }


def test_the_shortfall_is_what_the_filters_left_too_few_of(small):
    allowed = np.zeros(len(small.model.items), dtype=bool)
    allowed[[4, 9]] = True
    ranking = answer(small, scorer_of(small, 0), Request(5), allowed=allowed)
    assert sorted(ranking.items.tolist()) == [4, 9]
    assert ranking.shortfall == 3
