"""The same numbers as ranx and trec_eval on random lists, and whom each of them counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.metrics import METRICS, hit_matrix

pytrec_eval = pytest.importorskip("pytrec_eval")

N_ITEMS, KS = 12, (1, 5, 10)
TREC = {
    "precision": "P",
    "recall": "recall",
    "ndcg": "ndcg_cut",
    "hit_rate": "success",
    "ap_div_nrel": "map_cut",
}
RANX = {
    "precision": "precision",
    "recall": "recall",
    "ndcg": "ndcg",
    "reciprocal_rank": "mrr",
    "hit_rate": "hit_rate",
    "ap_div_nrel": "map",
    "f1": "f1",
}


def cases():
    recommended = st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=N_ITEMS)
    relevant = st.sets(st.integers(0, N_ITEMS - 1), min_size=1)
    return st.lists(st.tuples(recommended, relevant), min_size=1, max_size=5)


def as_dicts(case):
    """Decreasing scores: what a tie means is each library's own affair."""
    run = {
        f"u{user}": {f"i{item}": float(N_ITEMS - rank) for rank, item in enumerate(listed)}
        for user, (listed, _) in enumerate(case)
    }
    wanted = {f"u{user}": {f"i{item}": 1 for item in items} for user, (_, items) in enumerate(case)}
    return run, wanted


def ours(case, name, k):
    rows = [listed + [-1] * (N_ITEMS - len(listed)) for listed, _ in case]
    pairs = [(user, item) for user, (_, items) in enumerate(case) for item in items]
    users, items = np.array(pairs).T
    return METRICS[name](*hit_matrix(np.array(rows), users, items, n_items=N_ITEMS), k=k)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_trec_eval_gives_the_same_and_leaves_out_users_without_a_list(case):
    run, wanted = as_dicts(case)
    cuts = ",".join(map(str, KS))
    evaluator = pytrec_eval.RelevanceEvaluator(wanted, {f"{m}.{cuts}" for m in TREC.values()})
    theirs = evaluator.evaluate({user: items for user, items in run.items() if items})
    for name, measure in TREC.items():
        for k in KS:
            for user, value in enumerate(ours(case, name, k)):
                expected = theirs.get(f"u{user}", {f"{measure}_{k}": 0.0})[f"{measure}_{k}"]
                assert value == pytest.approx(expected, abs=1e-9), (name, k)
    assert len(theirs) == sum(bool(listed) for listed, _ in case)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_trec_eval_gives_the_same_over_whole_lists(case):
    run, wanted = as_dicts(case)
    evaluator = pytrec_eval.RelevanceEvaluator(wanted, {"Rprec", "recip_rank"})
    theirs = evaluator.evaluate({user: items for user, items in run.items() if items})
    for name, measure in (("r_precision", "Rprec"), ("reciprocal_rank", "recip_rank")):
        for user, value in enumerate(ours(case, name, N_ITEMS)):
            expected = theirs.get(f"u{user}", {measure: 0.0})[measure]
            assert value == pytest.approx(expected, abs=1e-9), name


@pytest.fixture(scope="module")
def ranx():
    """As plain Python: compiling would take longer than all other tests of this folder."""
    numba = pytest.importorskip("numba")
    numba.config.DISABLE_JIT = True
    yield pytest.importorskip("ranx")
    numba.config.DISABLE_JIT = False


@settings(max_examples=30, deadline=None)
@given(case=cases().filter(lambda case: any(listed for listed, _ in case)))
def test_ranx_gives_the_same_and_counts_users_without_a_list_as_zero(ranx, case):
    run, wanted = as_dicts(case)
    names = [f"{measure}@{k}" for measure in RANX.values() for k in KS]
    lists = ranx.Run({user: items for user, items in run.items() if items})
    theirs = ranx.evaluate(
        ranx.Qrels(wanted), lists, names, return_mean=False, make_comparable=True
    )
    for name, measure in RANX.items():
        for k in KS:
            expected = theirs[f"{measure}@{k}"]
            assert len(expected) == len(case)
            np.testing.assert_allclose(ours(case, name, k), expected, atol=1e-9, err_msg=name)
