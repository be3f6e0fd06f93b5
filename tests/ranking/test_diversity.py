"""Maximal marginal relevance against its definition, worked out item by item."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from recsys.ranking.arrangement import arrange, candidates_of
from recsys.ranking.diversity import Mmr, MmrConfig, by_category, by_factors, penalty_weight

N = 15


def arranged(scores, objective, *, k):
    return arrange(candidates_of(scores, np.ones(len(scores), np.bool_)), k=k, objective=objective)


def slow_mmr(scores, similarity, strength, k):
    """``argmax (1−s)·z_i − s·max_j sim(i, j)``, z from 0 for the worst to 1 for the best."""
    z = (scores - scores.min()) / (scores.max() - scores.min())
    listed, left = [], list(range(len(scores)))
    while len(listed) < k:
        values = [
            (1 - strength) * z[i] - strength * max((similarity[i][j] for j in listed), default=0.0)
            for i in left
        ]
        listed.append(left.pop(int(np.argmax(values))))
    return listed


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.2, 0.5, 0.95]), st.integers(1, N))
def test_a_list_is_that_of_the_definition(seed, strength, k):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=N) * rng.choice([0.01, 1.0, 50.0])
    factors = rng.normal(size=(N, 4)).astype(np.float32)
    wide = factors.astype(np.float64)
    cosines = [
        [wide[i] @ wide[j] / np.linalg.norm(wide[i]) / np.linalg.norm(wide[j]) for j in range(N)]
        for i in range(N)
    ]
    found = arranged(scores, Mmr(strength, by_factors(factors.__getitem__)), k=k)
    assert found.items.tolist() == slow_mmr(scores, cosines, strength, k)
    assert found.scores.tolist() == scores[found.items].tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.6]))
def test_without_factors_items_of_one_category_are_alike(seed, strength):
    rng = np.random.default_rng(seed)
    scores, codes = rng.normal(size=N), rng.integers(-1, 3, size=N)
    alike = [[float(codes[i] == codes[j] >= 0) for j in range(N)] for i in range(N)]
    found = arranged(scores, Mmr(strength, by_category(codes)), k=8)
    assert found.items.tolist() == slow_mmr(scores, alike, strength, 8)


def test_a_copy_of_the_best_gives_way_to_something_else():
    scores = np.asarray([3.0, 2.9, 2.0, 0.0])
    factors = np.asarray([[1, 0], [2, 0], [0, 1], [1, 1]], dtype=np.float32)
    assert arranged(scores, Mmr(0.5, by_factors(factors.__getitem__)), k=2).items.tolist() == [0, 2]
    assert arranged(scores, Mmr(0.1, by_factors(factors.__getitem__)), k=2).items.tolist() == [0, 1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 100), st.floats(-100, 100))
def test_the_unit_and_the_zero_of_the_score_play_no_part(seed, unit, zero):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=N)
    similarity = by_factors(rng.normal(size=(N, 3)).astype(np.float32).__getitem__)
    first = arranged(scores, Mmr(0.4, similarity), k=6)
    second = arranged(scores * unit + zero, Mmr(0.4, similarity), k=6)
    assert first.items.tolist() == second.items.tolist()


def test_an_item_met_late_is_as_far_from_the_list_as_one_met_early():
    rng = np.random.default_rng(3)
    similarity = by_factors(rng.normal(size=(N, 3)).astype(np.float32).__getitem__)
    scores = rng.normal(size=N)
    early, late = Mmr(0.4, similarity), Mmr(0.4, similarity)
    ends = np.asarray([scores.argmin(), scores.argmax()])
    others = np.setdiff1d(np.arange(N), ends)
    early.meet(np.append(ends, others), scores[np.append(ends, others)])
    late.meet(ends, scores[ends])
    for item in (4, 9):
        early.take(item)
        late.take(item)
    late.meet(others, scores[others])
    assert early.utilities().tolist() == late.utilities().tolist()


def test_an_item_without_factors_is_like_no_other():
    rows, to = by_factors(np.asarray([[0, 0], [3, 4]], dtype=np.float32).__getitem__)
    assert rows(np.asarray([0, 1])).tolist() == [[0, 0], [0.6, 0.8]]
    assert to(rows(np.asarray([0, 1])), rows(np.asarray([0]))).tolist() == [0, 0]


def test_equal_scores_and_no_candidates_have_no_scale():
    assert penalty_weight(0.5, np.full(4, 2.0)) == 0.0
    assert penalty_weight(0.5, np.empty(0)) == 0.0
    assert penalty_weight(0.5, np.asarray([1.0, 4.0])) == 3.0


@pytest.mark.parametrize("strength", [-0.1, 1.0, float("nan")])
def test_a_strength_that_leaves_the_score_nothing_is_refused(strength):
    with pytest.raises(ValidationError):
        TypeAdapter(MmrConfig).validate_python({"kind": "mmr", "strength": strength})
