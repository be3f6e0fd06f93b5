"""The measures against published values, a slow oracle and cases one can do by hand."""

import json
from math import log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.metrics import METRICS, auc, hit_matrix, only, value_recall

VECTORS = json.loads((Path(__file__).parent / "measures.json").read_text(encoding="utf-8"))
USERS = list(VECTORS["users"])
N_ITEMS = 12
OUTSIDE = range(-3, 0)  # relevant items that the catalogue does not know


def padded(lists):
    depth = max(map(len, lists), default=0)
    return np.array([row + [-1] * (depth - len(row)) for row in lists], dtype=np.int64).reshape(
        len(lists), depth
    )


def matrix_of(lists, relevant, n_items):
    pairs = [(row, max(item, -1)) for row, items in enumerate(relevant) for item in sorted(items)]
    rows, items = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return hit_matrix(padded(lists), rows, items, n_items=n_items)


def vectors_matrix():
    lists = [VECTORS["users"][user]["recs"] for user in USERS]
    relevant = [VECTORS["users"][user]["relevant"] for user in USERS]
    return matrix_of(lists, relevant, VECTORS["n_items"])


# Published values


@pytest.mark.parametrize("name", METRICS)
def test_every_user_scores_as_published(name):
    values = METRICS[name](*vectors_matrix(), k=VECTORS["k"])
    expected = [VECTORS["per_user"][name][user] for user in USERS]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_the_mean_of_full_lists_is_as_published(name):
    values = METRICS[name](*vectors_matrix(), k=VECTORS["k"])
    base = [USERS.index(user) for user in VECTORS["base_users"]]
    assert values[base].mean() == pytest.approx(VECTORS["mean_of_base"][name], rel=0, abs=1e-9)


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"ap_div_min_k_nrel"}))
def test_short_and_empty_lists_count_in_the_mean(name):
    values = METRICS[name](*vectors_matrix(), k=VECTORS["k"])
    assert len(values) == 6
    # ranx and RecTools count the short list of u5 and the empty one of u7.
    for library in ("ranx", "RecTools"):
        mean = VECTORS["mean_of_six"][library].get(name, values.mean())
        assert values.mean() == pytest.approx(mean, rel=0, abs=1e-9)


# By hand: hits at ranks 2 and 4 of 5, three relevant items, k = 5 or 2

ONE_LIST = np.array([[False, True, False, True, False]])
THREE = np.array([3])


@pytest.mark.parametrize(
    ("name", "at_5", "at_2"),
    [
        ("precision", 2 / 5, 1 / 2),
        ("recall", 2 / 3, 1 / 3),
        ("recall_capped", 2 / 3, 1 / 2),
        (
            "ndcg",
            (1 / log2(3) + 1 / log2(5)) / (1 / log2(2) + 1 / log2(3) + 1 / log2(4)),
            (1 / log2(3)) / (1 / log2(2) + 1 / log2(3)),
        ),
        ("reciprocal_rank", 1 / 2, 1 / 2),
        ("hit_rate", 1.0, 1.0),
        ("ap_div_nrel", (1 / 2 + 2 / 4) / 3, (1 / 2) / 3),
        ("ap_div_min_k_nrel", (1 / 2 + 2 / 4) / 3, (1 / 2) / 2),
        ("ap_div_k", (1 / 2 + 2 / 4) / 5, (1 / 2) / 2),
        ("r_precision", 1 / 3, 1 / 3),
        ("f1", 2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3), 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)),
    ],
)
def test_one_list_by_hand(name, at_5, at_2):
    assert METRICS[name](ONE_LIST, THREE, k=5)[0] == pytest.approx(at_5, rel=1e-14)
    assert METRICS[name](ONE_LIST, THREE, k=2)[0] == pytest.approx(at_2, rel=1e-14)


@pytest.mark.parametrize("name", ["recall_capped", "ndcg", "ap_div_min_k_nrel"])
@pytest.mark.parametrize("n_relevant", [1, 7, 20, 50])
def test_a_perfect_list_scores_exactly_one(name, n_relevant):
    hits = np.arange(20)[np.newaxis, :] < n_relevant
    assert METRICS[name](hits, np.array([n_relevant]), k=20).tolist() == [1.0]


# A slow oracle that knows lists and sets only


def discounted(ranks):
    return sum(1 / log2(rank + 1) for rank in ranks)


def oracle(recommended, relevant, k):
    hit_ranks = [rank for rank, item in enumerate(recommended[:k], 1) if item in relevant]
    found, wanted, best = len(hit_ranks), len(relevant), min(k, len(relevant))
    precisions = sum(nth / rank for nth, rank in enumerate(hit_ranks, 1))
    return {
        "precision": found / k,
        "recall": found / wanted,
        "recall_capped": found / best,
        "ndcg": discounted(hit_ranks) / discounted(range(1, best + 1)),
        "reciprocal_rank": 1 / hit_ranks[0] if hit_ranks else 0.0,
        "hit_rate": float(found > 0),
        "ap_div_nrel": precisions / wanted,
        "ap_div_min_k_nrel": precisions / best,
        "ap_div_k": precisions / k,
        "r_precision": sum(rank <= wanted for rank in hit_ranks) / wanted,
        "f1": 2 * found / (k + wanted),
    }


def cases():
    recommended = st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=N_ITEMS)
    relevant = st.sets(st.integers(OUTSIDE.start, N_ITEMS - 1), min_size=1)
    return st.lists(st.tuples(recommended, relevant), min_size=1, max_size=6)


@given(cases())
def test_all_measures_equal_the_oracle(case):
    lists, relevant = map(list, zip(*case, strict=True))
    hits, n_relevant = matrix_of(lists, relevant, N_ITEMS)
    for k in (1, 2, 5, 10, 20):
        expected = [oracle(*user, k) for user in case]
        for name, metric in METRICS.items():
            np.testing.assert_allclose(
                metric(hits, n_relevant, k=k),
                [values[name] for values in expected],
                rtol=0,
                atol=1e-12,
                err_msg=f"{name}@{k}",
            )


@given(cases(), st.integers(1, 20))
def test_a_batch_equals_its_rows(case, k):
    lists, relevant = map(list, zip(*case, strict=True))
    hits, n_relevant = matrix_of(lists, relevant, N_ITEMS)
    for metric in METRICS.values():
        rows = [
            metric(hits[row : row + 1], n_relevant[row : row + 1], k=k)[0]
            for row in range(len(hits))
        ]
        assert metric(hits, n_relevant, k=k).tolist() == rows


@pytest.mark.parametrize("name", METRICS)
def test_layout_and_type_of_the_hits_do_not_matter(name):
    rng = np.random.default_rng(0)
    hits = rng.random((500, 37)) < 0.3
    n_relevant = hits.sum(axis=1) + 1
    values = METRICS[name](hits, n_relevant, k=30)
    for same in (np.asfortranarray(hits), hits.astype(np.float64)):
        assert METRICS[name](same, n_relevant, k=30).tolist() == values.tolist()
    assert values.shape == (500,)
    assert values.dtype == np.float64
    assert ((values >= 0) & (values <= 1)).all()


# Edges


@pytest.mark.parametrize("name", METRICS)
def test_a_list_of_depth_zero_scores_zero(name):
    nothing = np.zeros((2, 0), dtype=bool)
    assert METRICS[name](nothing, np.array([1, 4]), k=3).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", METRICS)
def test_no_users_give_no_values(name):
    assert METRICS[name](np.zeros((0, 4), dtype=bool), np.array([], dtype=int), k=3).shape == (0,)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("n_relevant", "k", "message"),
    [
        ([2, 0], 5, "n_relevant must be at least 1, got 0"),
        ([2, -7], 5, "got -7"),
        ([2, 1], 0, "k must be at least 1, got 0"),
        ([2], 5, "hits has 2 users and n_relevant 1"),
    ],
)
def test_a_count_that_cannot_be_is_refused(name, n_relevant, k, message):
    with pytest.raises(ValueError, match=message):
        METRICS[name](np.ones((2, 1), dtype=bool), np.array(n_relevant), k=k)


# The hit matrix


def test_padding_is_never_a_hit():
    # The padded rank of row 1 must not be taken for the last item of row 0.
    hits, n_relevant = matrix_of([[0, 1], [1]], [{2}, {2}], n_items=3)
    assert hits.tolist() == [[False, False], [False, False]]
    assert n_relevant.tolist() == [1, 1]


def test_items_outside_the_catalogue_count_and_are_never_hit():
    hits, n_relevant = hit_matrix(
        np.array([[0, -1]]), np.array([0, 0, 0]), np.array([-1, 0, -1]), n_items=1
    )
    assert hits.tolist() == [[True, False]]
    assert n_relevant.tolist() == [3]


def test_users_without_a_relevant_pair_have_a_count_of_zero():
    hits, n_relevant = matrix_of([[0], [1], []], [set(), {1}, set()], n_items=2)
    assert hits.tolist() == [[False], [True], [False]]
    assert n_relevant.tolist() == [0, 1, 0]


def test_narrow_integers_do_not_overflow():
    n_users, n_items = 300, 2**24
    last = np.full(n_users, n_items - 1, dtype=np.int32)
    rows = np.arange(n_users, dtype=np.int32)
    hits, n_relevant = hit_matrix(last[:, np.newaxis], rows, last, n_items=n_items)
    assert hits.all()
    assert (n_relevant == 1).all()


@pytest.mark.parametrize(
    ("lists", "users", "items", "message"),
    [
        ([[0, 3]], [0], [0], "lists must be from -1 to 2, got 3"),
        ([[0, -2]], [0], [0], "lists must be from -1 to 2, got -2"),
        ([[0, 1]], [0], [3], "relevant_items must be from -1 to 2, got 3"),
        ([[0, 1]], [1], [0], "relevant_users must be from 0 to 0, got 1"),
        ([[0, 1]], [-1], [0], "relevant_users must be from 0 to 0, got -1"),
        ([[0, 1]], [0, 0], [2, 2], "relevant pairs must be distinct, got 1 repeated"),
        ([[1, 1]], [0], [0], "items of a list must be distinct, got 1 repeated"),
    ],
)
def test_indices_that_would_miscount_are_refused(lists, users, items, message):
    with pytest.raises(ValueError, match=message):
        hit_matrix(np.array(lists), np.array(users), np.array(items), n_items=3)


def test_kept_ranks_close_up_and_stay_in_order():
    lists = np.array([[4, 2, 7, 1], [5, -1, 3, -1]])
    kept = np.array([[False, True, False, True], [True, True, False, False]])
    assert only(lists, kept).tolist() == [[2, 1, -1, -1], [5, -1, -1, -1]]
    shifted = only(lists > 1, kept, fill=False)
    assert shifted.astype(int).tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]


# Several lengths at once


@given(cases())
def test_several_lengths_are_one_row_for_each(case):
    lists, relevant = map(list, zip(*case, strict=True))
    hits, n_relevant = matrix_of(lists, relevant, N_ITEMS)
    ks = (3, 1, 20)
    for name, metric in METRICS.items():
        together = metric(hits, n_relevant, k=ks)
        alone = [metric(hits, n_relevant, k=k).tolist() for k in ks]
        assert together.tolist() == alone, name


def test_one_of_several_lengths_below_1_is_refused():
    for metric in METRICS.values():
        with pytest.raises(ValueError, match="k must be at least 1, got 0"):
            metric(ONE_LIST, THREE, k=(5, 0))


# AUC


def test_auc_of_a_whole_ranking_is_as_published():
    published = VECTORS["auc"]
    lists = [published["lists"][user] for user in published["lists"]]
    relevant = [VECTORS["users"][user]["relevant"] for user in published["lists"]]
    hits, n_relevant = matrix_of(lists, relevant, VECTORS["n_items"])
    values = auc(hits, n_relevant, np.ones_like(hits), k=10, n_candidates=10)
    for source in ("per_user", "recometrics"):
        np.testing.assert_allclose(values, list(published[source].values()), rtol=0, atol=1e-9)


def pairs_in_order(listed, relevant, candidates):
    """Count pairs one by one: an unlisted item stands below, tied with the others."""
    place = {item: rank for rank, item in enumerate(listed)}
    won = [
        (place.get(good, len(listed)) < place.get(bad, len(listed)))
        + (place.get(good, len(listed)) == place.get(bad, len(listed))) / 2
        for good in relevant
        for bad in candidates - relevant
    ]
    return sum(won) / len(won) if won else np.nan


@given(cases(), st.integers(1, N_ITEMS + 2))
def test_auc_is_the_share_of_pairs_in_order(case, k):
    lists, relevant = map(list, zip(*case, strict=True))
    hits, n_relevant = matrix_of(lists, relevant, N_ITEMS)
    outside = np.array([sum(item < 0 for item in items) for items in relevant])
    values = auc(hits, n_relevant, padded(lists) >= 0, k=k, n_candidates=N_ITEMS + outside)
    everything = set(range(N_ITEMS))
    expected = [pairs_in_order(items[:k], wanted, everything | wanted) for items, wanted in case]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_auc_without_a_list_is_chance_and_of_a_full_catalogue_of_targets_is_nothing():
    nothing, listed = np.zeros((2, 1), dtype=bool), np.array([[False], [True]])
    values = auc(nothing, np.array([1, 2]), listed, k=1, n_candidates=np.array([4, 2]))
    assert values[0] == 0.5
    assert np.isnan(values[1])


# Worth


def test_value_recall_is_the_share_of_the_money():
    found = np.array([[0.0, 250.0, 50.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    values = value_recall(found, np.array([1000.0, 10.0, 0.0]), k=(1, 2, 4))
    np.testing.assert_array_equal(values[:, 0], [0.0, 0.25, 0.3])
    np.testing.assert_array_equal(values[:, 1], [0.0, 0.0, 0.0])
    assert np.isnan(values[:, 2]).all()


@given(cases(), st.integers(1, 20))
def test_with_equal_worth_it_is_recall(case, k):
    lists, relevant = map(list, zip(*case, strict=True))
    hits, n_relevant = matrix_of(lists, relevant, N_ITEMS)
    worth = value_recall(7.0 * hits, 7.0 * n_relevant, k=k)
    np.testing.assert_allclose(worth, METRICS["recall"](hits, n_relevant, k=k), atol=1e-12)
