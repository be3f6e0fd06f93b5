"""What other libraries compute: published values, and what makes them differ from ours."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from recsys.metrics import hit_matrix, ndcg, other_definitions, precision

VECTORS = json.loads((Path(__file__).parent / "measures.json").read_text(encoding="utf-8"))
K, N_ITEMS, USERS = VECTORS["k"], VECTORS["n_items"], list(VECTORS["users"])
PREFIX = "other_definitions."
PER_USER = [name.removeprefix(PREFIX) for name in VECTORS["per_user"] if PREFIX in name]
GRADED = VECTORS["graded"]


def arguments():
    lists = [VECTORS["users"][user]["recs"] for user in USERS]
    padded = np.array([row + [-1] * (K - len(row)) for row in lists])
    relevant = [VECTORS["users"][user]["relevant"] for user in USERS]
    rows = np.repeat(np.arange(len(USERS)), list(map(len, relevant)))
    hits, n_relevant = hit_matrix(padded, rows, np.concatenate(relevant), n_items=N_ITEMS)
    return {"hits": hits, "n_relevant": n_relevant, "n_listed": np.array(list(map(len, lists)))}


def call(name, **options):
    function = getattr(other_definitions, name)
    wanted = inspect.signature(function).parameters
    given = {key: value for key, value in arguments().items() if key in wanted}
    return function(**given, **options)


@pytest.mark.parametrize("name", PER_USER)
def test_every_user_scores_as_published(name):
    expected = [VECTORS["per_user"][PREFIX + name][user] for user in USERS]
    found = call(name, k=K)
    np.testing.assert_allclose(found, np.array(expected, dtype=float), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", PER_USER)
def test_the_mean_of_full_lists_is_as_published(name):
    base = [USERS.index(user) for user in VECTORS["base_users"]]
    published = VECTORS["mean_of_base"][PREFIX + name]
    assert call(name, k=K)[base].mean() == pytest.approx(published, rel=0, abs=1e-9)


@pytest.mark.parametrize("name", PER_USER)
def test_several_lengths_are_one_row_for_each(name):
    together = call(name, k=(5, 2))
    np.testing.assert_array_equal(together, [call(name, k=5), call(name, k=2)])


def test_all_six_users_score_as_the_libraries_say():
    six = VECTORS["mean_of_six"]
    close = lambda value: pytest.approx(value, rel=0, abs=1e-9)  # noqa: E731
    pooled, r_precision = "pooled_recall_capped", "r_precision_of_hit_users"
    assert call(pooled, k=K) == close(six["implicit"][PREFIX + pooled])
    assert call(r_precision, k=K) == close(six["recommenders"][PREFIX + r_precision])
    padded = call("auc_of_padded", k=K, n_candidates=N_ITEMS).mean()
    assert padded == close(six["implicit"][PREFIX + "auc_of_padded"])
    assert call("ndcg_ideal_k", k=K).mean() == close(six["RecTools"][PREFIX + "ndcg_ideal_k"])


@pytest.mark.parametrize("name", ["ndcg_linear", "ndcg_exponential"])
def test_graded_relevance_is_as_published(name):
    listed, all_grades = (np.array([GRADED[key]]) for key in ("grades_of_list", "grades"))
    value = getattr(other_definitions, name)(listed, all_grades, k=GRADED["k"])
    assert value.tolist() == pytest.approx([GRADED[name]], rel=0, abs=1e-9)


def test_grades_of_zero_and_one_are_binary_relevance():
    given = arguments()
    hits, n_relevant = given["hits"], given["n_relevant"]
    ideal = np.arange(n_relevant.max()) < n_relevant[:, np.newaxis]
    expected = ndcg(hits, n_relevant, k=(2, K))
    for name in ("ndcg_linear", "ndcg_exponential"):
        found = getattr(other_definitions, name)(hits * 1.0, ideal * 1.0, k=(2, K))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_full_lists_know_no_difference_between_the_two_precisions():
    hits, n_relevant = np.array([[True, False], [False, False]]), np.array([3, 1])
    n_listed = np.array([2, 2])
    found = other_definitions.precision_div_listed(hits, n_relevant, n_listed, k=2)
    assert found.tolist() == precision(hits, n_relevant, k=2).tolist()


def test_users_without_a_hit_leave_no_mean():
    nobody = np.zeros((2, 3), dtype=bool)
    assert np.isnan(other_definitions.r_precision_of_hit_users(nobody, np.array([1, 2]), k=3))
