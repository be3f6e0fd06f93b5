"""Lists and targets in, values per user out: against a slow loop, and laid out from files."""

import math

import numpy as np
import pandas as pd
import pytest

from recsys.evaluation import BINS, activity_bin, judge, lists_from
from recsys.interactions import Targets
from recsys.vocabulary import Vocabulary

N_USERS, N_ITEMS, DEPTH = 40, 15, 6
KS = (1, 3, 6, 10)


@pytest.fixture(scope="module")
def problem():
    """Lists of every length from none to full, and targets of which some are unknown."""
    rng = np.random.default_rng(0)
    lists = np.stack([rng.permutation(N_ITEMS)[:DEPTH] for _ in range(N_USERS)])
    lists[np.arange(DEPTH) >= np.arange(N_USERS)[:, np.newaxis] % (DEPTH + 1)] = -1
    relevant = [rng.permutation(N_ITEMS)[: int(rng.integers(1, 6))].tolist() for _ in lists]
    for user in range(0, N_USERS, 5):
        relevant[user] += [-1] * (1 + user % 2)
    pairs = [(user, item) for user, items in enumerate(relevant) for item in items]
    index, items = np.asarray(pairs).T
    users = Vocabulary([f"u{user:02d}" for user in range(N_USERS)])
    return lists, Targets(users, index, items), relevant


def slow_values(ranked, relevant, k):
    """Every measure of one user, rank by rank, as its definition says."""
    n_rel = len(relevant)
    hits = [item in relevant for item in ranked[:k] if item >= 0]
    found = sum(hits)
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits, 1) if hit)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, n_rel) + 1))
    precisions = sum(sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit)
    return {
        "ndcg": gain / ideal,
        "precision": found / k,
        "recall": found / n_rel,
        "mrr": 1 / (hits.index(True) + 1) if found else 0.0,
        "hit": float(found > 0),
        "ap_div_nrel": precisions / n_rel,
        "ap_div_min_k_nrel": precisions / min(k, n_rel),
        "ap_div_k": precisions / k,
    }


@pytest.fixture(scope="module")
def judged(problem):
    lists, targets, _ = problem
    history = np.arange(N_USERS) * 3
    return judge(lists, targets, history, ks=KS, n_items=N_ITEMS)


def test_every_measure_is_that_of_the_slow_loop(problem, judged):
    lists, _, relevant = problem
    for user in range(N_USERS):
        row = judged.per_user.iloc[user]
        for k in KS:
            for name, value in slow_values(lists[user].tolist(), relevant[user], k).items():
                assert row[f"{name}@{k}"] == pytest.approx(value), (user, name, k)


def test_counts_stand_beside_the_values(problem, judged):
    lists, targets, relevant = problem
    assert judged.per_user.index.tolist() == targets.users.ids.tolist()
    assert judged.per_user.index.name == "user_id"
    assert judged.per_user["n_rel"].tolist() == [len(items) for items in relevant]
    assert judged.per_user["listed"].tolist() == (lists >= 0).sum(axis=1).tolist()


def test_a_user_without_a_list_scores_0_and_is_counted(judged):
    without = judged.per_user[judged.per_user["listed"] == 0]
    assert len(without) == 6  # the users 0, 7, 14, 21, 28, 35
    assert not without[judged.measures].to_numpy().any()
    for name in judged.measures:
        assert judged.means()[name] == pytest.approx(judged.per_user[name].sum() / N_USERS)


def test_coverage_is_the_share_of_items_in_any_list(problem, judged):
    lists, _, _ = problem
    for k in KS:
        listed = {item for row in lists[:, :k].tolist() for item in row if item >= 0}
        assert judged.coverage[k] == len(listed) / N_ITEMS
        assert judged.means()[f"coverage@{k}"] == judged.coverage[k]


def test_bins_share_out_the_users_by_their_history(judged):
    table = judged.by_bin("ndcg@3")
    assert table["users"].sum() == N_USERS
    history = judged.per_user["history"]
    for row in table.itertuples():
        inside = judged.per_user.loc[activity_bin(history) == BINS.index(row.bin), "ndcg@3"]
        assert row.mean == pytest.approx(inside.mean())
        assert len(inside) == row.users
        if len(inside) > 1:
            assert row.low <= row.mean <= row.high


def test_a_bin_of_nobody_is_left_out(problem):
    lists, targets, _ = problem
    judged = judge(lists, targets, np.full(N_USERS, 5), ks=(3,), n_items=N_ITEMS)
    assert judged.by_bin("ndcg@3")["bin"].tolist() == ["4-10"]


@pytest.mark.parametrize(
    ("size", "name"),
    [
        (0, "0"),
        (1, "1-3"),
        (3, "1-3"),
        (4, "4-10"),
        (10, "4-10"),
        (11, "11-30"),
        (30, "11-30"),
        (31, "31-100"),
        (100, "31-100"),
        (101, "101+"),
        (10**6, "101+"),
    ],
)
def test_a_bin_holds_what_its_name_says(size, name):
    assert BINS[activity_bin(np.asarray([size]))[0]] == name


# Lists from files


TARGETS = Targets(Vocabulary(["a", "b", "c"]), np.array([0, 1, 2]), np.array([0, 1, 2]))
PLACES = {"x": 0, "y": 1, "z": 2}


def laid_out(*rows, k=3):
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])
    return lists_from(frame, TARGETS, PLACES, k).tolist()


def test_rows_in_any_order_stand_by_their_ranks():
    rows = [("b", "x", 2), ("a", "z", 3), ("b", "y", 1), ("a", "x", 1), ("a", "y", 2)]
    assert laid_out(*rows) == [[0, 1, 2], [1, 0, -1], [-1, -1, -1]]


def test_an_item_outside_the_catalogue_keeps_its_place():
    rows = [("a", "unheard of", 1), ("a", "x", 2), ("a", "elsewhere", 3), ("a", "y", 4)]
    assert laid_out(*rows, k=4)[0] == [-1, 0, -1, 1]


def test_only_the_best_k_are_kept():
    rows = [("a", "x", 7), ("a", "y", 5), ("a", "z", 6)]
    assert laid_out(*rows, k=2)[0] == [1, 2]


def test_users_without_targets_are_left_out():
    assert laid_out(("nobody", "x", 1), ("c", "z", 1)) == [[-1] * 3, [-1] * 3, [2, -1, -1]]


def test_no_rows_are_no_lists():
    assert laid_out() == [[-1] * 3] * 3


def test_ranks_above_nine_stand_in_the_order_of_numbers():
    items = {f"i{number}": number for number in range(12)}
    frame = pd.DataFrame({"user_id": "a", "item_id": list(items), "rank": np.arange(1, 13)}).sample(
        frac=1.0, random_state=0
    )
    assert lists_from(frame, TARGETS, items, 12)[0].tolist() == list(range(12))
