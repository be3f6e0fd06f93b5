"""Catalogue, list, calibration and agreement measures: published values and slow loops."""

import json
from collections import Counter
from itertools import combinations
from math import e, exp, log, log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import jensenshannon

from recsys import metrics

VECTORS = json.loads((Path(__file__).parent / "measures.json").read_text(encoding="utf-8"))
BEYOND = VECTORS["beyond"]
BASE = VECTORS["base_users"]
K, N_ITEMS = VECTORS["k"], VECTORS["n_items"]
LISTS = np.array([VECTORS["users"][user]["recs"] for user in BASE])
ITEM_USERS = np.bincount(np.concatenate(BEYOND["train"]), minlength=N_ITEMS)
N_USERS = len(BEYOND["train"])
CATEGORY = np.array(["abc".index(name) for name in BEYOND["categories"]])


def padded(lists):
    depth = max(map(len, lists), default=0)
    return np.array([row + [-1] * (depth - len(row)) for row in lists], dtype=np.int64).reshape(
        len(lists), depth
    )


def equal(found, expected):
    np.testing.assert_allclose(found, np.array(expected, dtype=float), rtol=0, atol=1e-9)


# Published values


def overall():
    exposure = metrics.item_exposure(LISTS, k=K, n_items=N_ITEMS)
    return {
        "coverage": metrics.coverage(LISTS, k=K, n_items=N_ITEMS),
        "gini": metrics.gini(exposure),
        "entropy": metrics.entropy(exposure),
        "effective_catalogue": metrics.effective_catalogue(exposure),
        "popularity_lift": metrics.popularity_lift(exposure, ITEM_USERS),
        "inter_user_diversity": metrics.inter_user_diversity(exposure, k=K, n_lists=len(LISTS)),
    }


def per_user():
    relevant = [VECTORS["users"][user]["relevant"] for user in BASE]
    rows = np.repeat(np.arange(len(BASE)), list(map(len, relevant)))
    hits, _ = metrics.hit_matrix(LISTS, rows, np.concatenate(relevant), n_items=N_ITEMS)
    head = np.isin(np.arange(N_ITEMS), BEYOND["head"])
    return {
        "novelty": metrics.novelty(LISTS, ITEM_USERS, N_USERS, k=K),
        "novelty_unseen_as_one": metrics.novelty_unseen_as_one(LISTS, ITEM_USERS, N_USERS, k=K),
        "novelty_of_known": metrics.novelty_of_known(LISTS, ITEM_USERS, N_USERS, k=K),
        "average_popularity": metrics.average_popularity(LISTS, ITEM_USERS, k=K),
        "intra_list_diversity": metrics.intra_list_diversity(LISTS, CATEGORY, k=K),
        "long_tail_share": metrics.long_tail_share(LISTS, head, k=K),
        "serendipity": metrics.serendipity(LISTS, hits, ITEM_USERS, k=K, n_items=N_ITEMS),
    }


@pytest.mark.parametrize("name", BEYOND["overall"])
def test_all_lists_together_are_as_published(name):
    equal(overall()[name], BEYOND["overall"][name])


@pytest.mark.parametrize("name", BEYOND["per_user"])
def test_every_list_is_as_published(name):
    equal(per_user()[name], [BEYOND["per_user"][name][user] for user in BASE])


def test_exposure_and_what_is_made_of_it_are_as_published():
    exposure = metrics.item_exposure(LISTS, k=K, n_items=N_ITEMS)
    assert exposure.tolist() == BEYOND["exposure"]
    equal(metrics.gini(exposure[exposure > 0]), BEYOND["gini_of_listed_items"])
    equal(metrics.entropy(exposure) * log2(e), BEYOND["entropy_bits"])
    assert (exposure > 0).sum() == BEYOND["libraries"]["irspack"]["listed_items"]


def test_self_information_is_as_published():
    equal(metrics.self_information(ITEM_USERS, N_USERS), BEYOND["self_information"])


def shares(*lists, category=CATEGORY, n_categories=3):
    rows = np.repeat(np.arange(len(lists)), list(map(len, lists)))
    items = np.array([item for row in lists for item in row], dtype=np.int64)
    return metrics.category_shares(
        rows, items, category, n_users=len(lists), n_categories=n_categories
    )


def test_calibration_is_as_published():
    case = BEYOND["calibration"]
    history, listed = shares(case["history"]), shares(case["list"])
    equal(metrics.calibration_kl(history, listed), [case["kl_steck_alpha_0_01"]])
    equal(metrics.calibration_js(history, listed), [case["jensen_shannon_bits"]])


def test_rank_biased_overlap_is_as_published():
    one, other = (LISTS[[BASE.index(user)]] for user in BEYOND["rbo"]["lists"])
    equal(metrics.rbo(one, other, k=K), [BEYOND["rbo"]["value"]])


# Slow loops over random lists

items = st.integers(0, 7)
some_lists = st.lists(st.lists(items, unique=True, max_size=6), min_size=1, max_size=5)
users_of_items = st.lists(st.integers(0, 4), min_size=8, max_size=8)
categories = st.lists(st.integers(-1, 2), min_size=8, max_size=8)
lengths = st.sampled_from([(1,), (2, 5), (9, 3)])


def mean(values):
    return sum(values) / len(values) if values else np.nan


def by_loop(lists, ks, measure):
    return [[measure(row[:k], k) for row in lists] for k in ks]


@settings(max_examples=40)
@given(some_lists, users_of_items, lengths)
def test_popularity_and_novelty_equal_a_loop(lists, users, ks):
    matrix, counts = padded(lists), np.array(users)
    equal(
        metrics.average_popularity(matrix, counts, k=ks),
        by_loop(lists, ks, lambda row, _: mean([users[i] for i in row])),
    )
    equal(
        metrics.novelty(matrix, counts, 4, k=ks),
        by_loop(lists, ks, lambda row, _: mean([log2(5 / (users[i] + 1)) for i in row])),
    )
    equal(
        metrics.novelty_unseen_as_one(matrix, counts, 4, k=ks),
        by_loop(lists, ks, lambda row, _: mean([log2(4 / max(users[i], 1)) for i in row])),
    )
    equal(
        metrics.novelty_of_known(matrix, counts, 4, k=ks),
        by_loop(lists, ks, lambda row, _: mean([log2(4 / users[i]) for i in row if users[i]])),
    )


@settings(max_examples=40)
@given(some_lists, categories, lengths)
def test_variety_equals_a_loop_over_pairs(lists, category, ks):
    def variety(row, _):
        known = [category[i] for i in row if category[i] >= 0]
        return mean([a != b for a, b in combinations(known, 2)])

    found = metrics.intra_list_diversity(padded(lists), np.array(category), k=ks)
    equal(found, by_loop(lists, ks, variety))


@settings(max_examples=40)
@given(some_lists, users_of_items, st.sets(items), lengths)
def test_serendipity_tail_and_repeats_equal_a_loop(lists, users, marked, ks):
    def standing(item):
        return (8 - sum(n > users[item] for n in users)) / 8 if users[item] else 0

    def surprise(row, k):
        if not row:
            return np.nan
        above = [max((8 - r) / 8 - standing(i), 0) for r, i in enumerate(row) if i in marked]
        return sum(above) / k

    matrix, flags = padded(lists), np.isin(np.arange(8), sorted(marked))
    hits = flags[matrix] & (matrix >= 0)
    equal(
        metrics.serendipity(matrix, hits, np.array(users), k=ks, n_items=8),
        by_loop(lists, ks, surprise),
    )
    share = by_loop(lists, ks, lambda row, _: mean([i in marked for i in row]))
    equal(metrics.repeat_share(matrix, hits, k=ks), share)
    equal(1 - metrics.long_tail_share(matrix, flags, k=ks), share)


@settings(max_examples=40)
@given(some_lists, lengths)
def test_sharing_between_users_equals_a_loop_over_pairs(lists, ks):
    lists = [row for row in lists if row]
    for k in ks:
        exposure = metrics.item_exposure(padded(lists), k=k, n_items=8)
        pairs = combinations([set(row[:k]) for row in lists], 2)
        expected = mean([1 - len(a & b) / k for a, b in pairs])
        equal(metrics.inter_user_diversity(exposure, k=k, n_lists=len(lists)), expected)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=9).filter(any))
def test_evenness_equals_its_other_formulas(counts):
    exposure = np.array(counts)
    gaps = sum(abs(a - b) for a in counts for b in counts)
    equal(metrics.gini(exposure), gaps / (2 * len(counts) * sum(counts)))
    places = [item for item, count in enumerate(counts) for _ in range(count)]
    bits = -sum(n / len(places) * log(n / len(places)) for n in Counter(places).values())
    equal(metrics.entropy(exposure), bits)
    equal(metrics.effective_catalogue(exposure), exp(bits))
    assert 1 - 1e-12 <= metrics.effective_catalogue(exposure) <= len(counts) + 1e-9


@settings(max_examples=60)
@given(st.lists(st.floats(0, 5, width=16), min_size=1, max_size=9).filter(any))
def test_evenness_of_lists_that_count_by_degrees(weights):
    gaps = sum(abs(a - b) for a in weights for b in weights)
    found = metrics.gini(np.array(weights))
    equal(found, gaps / (2 * len(weights) * sum(weights)))
    assert 0 <= found <= 1 - 1 / len(weights) + 1e-12
    assert found == pytest.approx(metrics.gini(0.3 * np.array(weights)), abs=1e-12)


@settings(max_examples=40)
@given(some_lists, some_lists, lengths)
def test_agreement_of_two_lists_equals_a_loop(one, other, ks):
    size = min(len(one), len(other))
    one, other = one[:size], other[:size]
    left, right = padded(one), padded(other)
    together = list(zip(one, other, strict=True))
    overlap = [[len({*a[:k]} & {*b[:k]}) / k for a, b in together] for k in ks]
    equal(metrics.overlap_at_k(left, right, k=ks), overlap)
    biased = [
        [sum(0.1 * 0.9 ** (t - 1) * len({*a[:t]} & {*b[:t]}) / t for t in range(1, k + 1))
         for a, b in together]
        for k in ks
    ]  # fmt: skip
    equal(metrics.rbo(left, right, k=ks), biased)
    for k in ks:
        differ = [a[:k] != b[:k] for a, b in together]
        assert metrics.lists_differ(left, right, k=k).tolist() == differ


distributions = st.lists(
    st.lists(st.integers(0, 4), min_size=4, max_size=4).filter(any), min_size=1, max_size=4
)


@settings(max_examples=40)
@given(distributions, distributions)
def test_divergences_equal_a_loop_and_scipy(history, listed):
    size = min(len(history), len(listed))
    p = np.array([np.array(row) / sum(row) for row in history[:size]])
    q = np.array([np.array(row) / sum(row) for row in listed[:size]])
    mixed = 0.99 * q + 0.01 * p
    loop = [
        sum(a * log(a / b) for a, b in zip(*rows, strict=True) if a)
        for rows in zip(p, mixed, strict=True)
    ]
    sparse_p, sparse_q = sparse.csr_matrix(p), sparse.csr_matrix(q)
    equal(metrics.calibration_kl(sparse_p, sparse_q), loop)
    distances = np.nan_to_num([jensenshannon(*rows, base=2) for rows in zip(p, q, strict=True)])
    found = metrics.calibration_js(sparse_p, sparse_q)
    np.testing.assert_allclose(found, distances**2, rtol=0, atol=1e-9)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()


# Edges


def test_a_list_without_items_has_no_value():
    nothing, counts = np.full((1, 3), -1), np.array([2, 1])
    per_list = [
        metrics.novelty(nothing, counts, 3, k=(1, 3)),
        metrics.average_popularity(nothing, counts, k=(1, 3)),
        metrics.long_tail_share(nothing, np.array([True, False]), k=(1, 3)),
        metrics.repeat_share(nothing, np.zeros((1, 3), dtype=bool), k=(1, 3)),
        metrics.intra_list_diversity(nothing, np.array([0, 1]), k=(1, 3)),
        metrics.serendipity(nothing, nothing >= 0, counts, k=(1, 3), n_items=2),
    ]
    for values in per_list:
        assert values.shape == (2, 1)
        assert np.isnan(values).all()


def test_nothing_listed_has_no_evenness():
    nothing = np.zeros(4, dtype=np.int64)
    for value in (
        metrics.gini(nothing),
        metrics.entropy(nothing),
        metrics.effective_catalogue(nothing),
        metrics.popularity_lift(nothing, np.ones(4)),
        metrics.popularity_lift(np.ones(4), nothing),
        metrics.inter_user_diversity(nothing, k=2, n_lists=1),
    ):
        assert np.isnan(value)


def test_the_short_head_is_the_most_popular_of_the_items_with_users():
    users = np.array([5, 0, 9, 5, 1, 0, 0, 1, 1, 1])  # 7 with users: a share of 0.2 is 2 of them
    assert np.flatnonzero(metrics.short_head(users)).tolist() == [0, 2]
    assert not metrics.short_head(np.zeros(3, dtype=np.int64)).any()


def test_an_unknown_category_is_in_no_share_and_in_no_pair():
    category = np.array([0, -1, 1, -1])
    assert shares([0, 1, 2], [1, 3], category=category).toarray().tolist() == [
        [0.5, 0.5, 0.0],
        [0.0, 0.0, 0.0],
    ]
    values = metrics.intra_list_diversity(np.array([[0, 1, 2], [0, 1, 3]]), category, k=3)
    assert values[0] == 1.0
    assert np.isnan(values[1])


def test_without_a_known_category_on_either_side_there_is_no_calibration():
    category = np.array([0, -1])
    history, listed = shares([0], [1], category=category), shares([1], [0], category=category)
    assert np.isnan(metrics.calibration_kl(history, listed)).all()
    assert np.isnan(metrics.calibration_js(history, listed)).all()


def test_coverage_looks_at_the_first_k_ranks_and_skips_padding():
    lists = np.array([[3, 0, 1], [3, -1, -1], [-1, -1, -1]])
    assert metrics.coverage(lists, k=1, n_items=8) == 1 / 8
    assert metrics.coverage(lists, k=2, n_items=8) == 2 / 8
    assert metrics.coverage(lists, k=9, n_items=8) == 3 / 8
    assert metrics.coverage(lists[2:], k=9, n_items=8) == 0.0


@pytest.mark.parametrize("measure", [metrics.coverage, metrics.item_exposure])
@pytest.mark.parametrize(
    ("k", "n_items", "message"),
    [
        (0, 8, "k must be at least 1, got 0"),
        (2, 0, "n_items must be at least 1, got 0"),
        (2, 3, "must be from -1 to 2, got 3"),
    ],
)
def test_what_cannot_be_counted_is_refused(measure, k, n_items, message):
    with pytest.raises(ValueError, match=message):
        measure(np.array([[3, 0]]), k=k, n_items=n_items)
