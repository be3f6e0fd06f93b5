"""Lists and targets in, values per user out: against a slow loop, and laid out from files."""

import dataclasses
import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from recsys import metrics
from recsys.evaluation import BINS, activity_bin, judging
from recsys.evaluation.judging import Background, judge, lay_out, lists_from
from recsys.evaluation.measures import CATALOGUE_MEASURES, MEASURES
from recsys.interactions import Targets
from recsys.vocabulary import Vocabulary

N_USERS, N_ITEMS, DEPTH = 40, 15, 6
KS = (1, 3, 6, 10)
CATEGORY = np.arange(N_ITEMS) % 4 - 1  # a fourth of the items are of unknown category
ITEM_USERS = np.array([9, 7, 7, 5, 4, 4, 3, 2, 2, 1, 1, 1, 1, 0, 0])
N_TRAINING = 10


@dataclasses.dataclass(frozen=True)
class Problem:
    lists: np.ndarray
    targets: Targets
    background: Background
    relevant: list
    known: list
    amounts: list


@pytest.fixture(scope="module")
def problem():
    """Lists of every length from none to full, gaps, unknown targets, known items, money."""
    rng = np.random.default_rng(0)
    lists = np.stack([rng.permutation(N_ITEMS)[:DEPTH] for _ in range(N_USERS)])
    lists[np.arange(DEPTH) >= np.arange(N_USERS)[:, np.newaxis] % (DEPTH + 1)] = -1
    lists[5::7, 1] = -1  # a listed item outside the catalogue
    relevant = [rng.permutation(N_ITEMS)[: int(rng.integers(1, 6))].tolist() for _ in lists]
    for user in range(0, N_USERS, 5):
        relevant[user] += [-1] * (1 + user % 2)
    known = [sorted(rng.permutation(N_ITEMS)[: user % 9].tolist()) for user in range(N_USERS)]
    amounts = [[float(rng.integers(0, 3)) * 50 for _ in items] for items in relevant]
    amounts[3] = [math.nan] * len(amounts[3])
    targets = targets_of(relevant, amounts)
    indptr = np.cumsum([0, *map(len, known)])
    items = np.array([item for row in known for item in row])
    background = Background(N_ITEMS, ITEM_USERS, N_TRAINING, CATEGORY, indptr, items)
    return Problem(lists, targets, background, relevant, known, amounts)


def targets_of(relevant, amounts=None):
    pairs = [(user, item) for user, items in enumerate(relevant) for item in items]
    index, items = np.asarray(pairs).T
    users = Vocabulary([f"u{user:02d}" for user in range(len(relevant))])
    money = None if amounts is None else np.array([value for row in amounts for value in row])
    return Targets(users, index, items, money)


def ranked_values(hits, n_rel, k):
    """Accuracy of one list, rank by rank, as the definitions say."""
    hits = hits[:k]
    found = sum(hits)
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits, 1) if hit)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, n_rel) + 1))
    precisions = sum(sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit)
    return {
        "ndcg": gain / ideal,
        "precision": found / k,
        "recall": found / n_rel,
        "recall_capped": found / min(k, n_rel),
        "mrr": 1 / (hits.index(True) + 1) if found else 0.0,
        "hit": float(found > 0),
        "ap_div_nrel": precisions / n_rel,
        "ap_div_min_k_nrel": precisions / min(k, n_rel),
        "ap_div_k": precisions / k,
        "r_precision": sum(hits[:n_rel]) / n_rel,
        "f1": 2 * found / (k + n_rel),
    }


def parted_values(ranked, relevant, known, k):
    """What is new to the user, and what is not, each by itself."""
    new = [item for item in ranked if item not in known]
    old = [item for item in ranked if item in known]
    values = {}
    for name, listed, wanted in (
        ("explore", new, [item for item in relevant if item not in known]),
        ("repeat", old, [item for item in relevant if item in known]),
    ):
        hits = [item in wanted for item in listed if item >= 0 or name == "explore"]
        hits = [hit and item >= 0 for hit, item in zip(hits, listed, strict=True)]
        scores = ranked_values(hits, len(wanted), k) if wanted else {}
        for measure in ("ndcg", "recall"):
            values[f"{name}_{measure}"] = scores.get(measure, math.nan)
    return values


def mean(values):
    return sum(values) / len(values) if values else math.nan


def standing(item):
    ahead = sum(users > ITEM_USERS[item] for users in ITEM_USERS)
    return (N_ITEMS - ahead) / N_ITEMS if ITEM_USERS[item] else 0


def list_values(ranked, relevant, known, k):
    """What the list is like."""
    listed = [item for item in ranked[:k] if item >= 0]
    groups = [CATEGORY[item] for item in listed if CATEGORY[item] >= 0]
    above = [
        max((N_ITEMS - rank) / N_ITEMS - standing(item), 0)
        for rank, item in enumerate(ranked[:k])
        if item >= 0 and item in relevant
    ]
    return {
        "novelty": mean([math.log2(11 / (ITEM_USERS[item] + 1)) for item in listed]),
        "popularity": mean([int(ITEM_USERS[item]) for item in listed]),
        "long_tail_share": mean([item not in (0, 1, 2) for item in listed]),  # a fifth of 13
        "ild": mean([a != b for a, b in combinations(groups, 2)]),
        "serendipity": sum(above) / k if listed else math.nan,
        "repeat_share": mean([item in known for item in listed]),
    }


def shares(items):
    groups = [CATEGORY[item] for item in items if item >= 0 and CATEGORY[item] >= 0]
    return [groups.count(group) / len(groups) for group in range(3)] if groups else None


def divergence(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


def calibration_values(ranked, known, k):
    p, q = shares(known), shares(ranked[:k])
    if p is None or q is None:
        return {"calibration_kl": math.nan, "calibration_js": math.nan}
    mixed = [0.99 * b + 0.01 * a for a, b in zip(p, q, strict=True)]
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    js = (divergence(p, middle) + divergence(q, middle)) / 2 / math.log(2)
    return {"calibration_kl": divergence(p, mixed), "calibration_js": js}


def money_value(ranked, relevant, amounts, k):
    paid = [0 if math.isnan(value) else value for value in amounts]
    found = [value for item, value in zip(relevant, paid, strict=True) if item in ranked[:k]]
    return sum(found) / sum(paid) if sum(paid) else math.nan


def pairs_in_order(ranked, relevant, k):
    place = {item: rank for rank, item in enumerate(ranked[:k]) if item >= 0}
    outside = relevant.count(-1)
    wanted = {item for item in relevant if item >= 0}
    bad = [place.get(item, k) for item in range(N_ITEMS) if item not in wanted]
    good = [place.get(item, k) for item in wanted] + [k] * outside
    return mean([(a < b) + (a == b) / 2 for a in good for b in bad])


def slow_values(problem, user, k):
    ranked, known = problem.lists[user].tolist(), problem.known[user]
    relevant = problem.relevant[user]
    money = [item if item >= 0 else "outside" for item in relevant]
    return {
        **ranked_values([i >= 0 and i in relevant for i in ranked], len(relevant), k),
        **parted_values(ranked, relevant, known, k),
        **list_values(ranked, relevant, known, k),
        **calibration_values(ranked, known, k),
        "revenue_recall": money_value(ranked, money, problem.amounts[user], k),
        "auc": pairs_in_order(ranked, relevant, k),
    }


@pytest.fixture(scope="module")
def judged(problem):
    return judge(problem.lists, problem.targets, problem.background, ks=KS)


def test_every_measure_is_that_of_the_slow_loop(problem, judged):
    seen = set()
    for user in range(N_USERS):
        row = judged.per_user.iloc[user]
        for k in KS:
            for name, value in slow_values(problem, user, k).items():
                expected = pytest.approx(value, abs=1e-12, nan_ok=True)
                assert row[f"{name}@{k}"] == expected, (user, name, k)
                seen.add(f"{name}@{k}")
    assert seen == set(judged.measures)
    assert {name.partition("@")[0] for name in seen} == set(MEASURES)


@pytest.mark.parametrize("block", [1, 7, N_USERS])
def test_the_block_size_changes_nothing(problem, judged, monkeypatch, block):
    monkeypatch.setattr(judging, "BLOCK", block)
    again = judge(problem.lists, problem.targets, problem.background, ks=KS)
    pd.testing.assert_frame_equal(again.per_user, judged.per_user)


def test_the_order_of_the_targets_changes_nothing(problem, judged):
    order = np.random.default_rng(1).permutation(len(problem.targets.items))
    targets = Targets(
        problem.targets.users,
        problem.targets.user_index[order],
        problem.targets.items[order],
        problem.targets.amounts[order],
    )
    again = judge(problem.lists, targets, problem.background, ks=KS)
    pd.testing.assert_frame_equal(again.per_user, judged.per_user)


def test_counts_stand_beside_the_values(problem, judged):
    per_user = judged.per_user
    assert per_user.index.tolist() == problem.targets.users.ids.tolist()
    assert per_user.index.name == "user_id"
    assert per_user["n_rel"].tolist() == [len(items) for items in problem.relevant]
    assert per_user["history"].tolist() == [len(items) for items in problem.known]
    assert per_user["listed"].tolist() == (problem.lists >= 0).sum(axis=1).tolist()
    assert judged.lists is problem.lists


def test_a_user_without_a_list_scores_0_and_is_counted(judged):
    without = judged.per_user[judged.per_user["listed"] == 0]
    assert len(without) == 6  # the users 0, 7, 14, 21, 28, 35
    accuracy = ("ndcg", "precision", "recall", "mrr", "hit", "ap_div_nrel", "r_precision", "f1")
    for k in KS:
        assert not without[[f"{name}@{k}" for name in accuracy]].to_numpy().any()
        assert (without[f"auc@{k}"] == 0.5).all()
        assert without[[f"novelty@{k}", f"popularity@{k}", f"ild@{k}"]].isna().all(axis=None)
    assert judged.counts()["ndcg@3"] == N_USERS


def test_a_mean_is_over_the_users_that_have_a_value_and_says_how_many(judged):
    for name in judged.measures:
        values = [value for value in judged.per_user[name] if not math.isnan(value)]
        assert judged.counts()[name] == len(values)
        assert judged.means()[name] == pytest.approx(mean(values), nan_ok=True)
    assert [name for name, users in judged.counts().items() if not users] == ["ild@1"]
    assert judged.counts()["repeat_ndcg@3"] < N_USERS


def test_all_lists_together_are_judged_by_the_functions_of_the_catalogue(problem, judged):
    for k in KS:
        exposure = np.zeros(N_ITEMS, dtype=np.int64)
        for row in problem.lists[:, :k].tolist():
            exposure[[item for item in row if item >= 0]] += 1
        n_lists = sum(any(item >= 0 for item in row) for row in problem.lists[:, :k].tolist())
        assert n_lists == N_USERS - 6
        expected = {
            "coverage": (exposure > 0).mean(),
            "gini": metrics.gini(exposure),
            "entropy": metrics.entropy(exposure),
            "effective_catalogue": math.exp(metrics.entropy(exposure)),
            "popularity_lift": metrics.popularity_lift(exposure, ITEM_USERS),
            "inter_user_diversity": metrics.inter_user_diversity(exposure, k=k, n_lists=n_lists),
        }
        assert set(expected) == set(CATALOGUE_MEASURES)
        for name, value in expected.items():
            assert judged.overall[f"{name}@{k}"] == pytest.approx(value), name
            assert judged.means()[f"{name}@{k}"] == judged.overall[f"{name}@{k}"]


def test_deeper_lists_for_exploring_are_what_exploring_is_judged_by(problem, judged):
    rng = np.random.default_rng(2)
    deeper = np.stack([rng.permutation(N_ITEMS) for _ in range(N_USERS)])
    again = judge(problem.lists, problem.targets, problem.background, ks=KS, explore=deeper)
    explored = [name for name in judged.measures if name.startswith("explore_")]
    others = [name for name in judged.measures if name not in explored]
    pd.testing.assert_frame_equal(again.per_user[others], judged.per_user[others])
    for user in range(N_USERS):
        listed = deeper[user].tolist()
        slow = parted_values(listed, problem.relevant[user], problem.known[user], 3)
        for name in ("explore_ndcg", "explore_recall"):
            expected = pytest.approx(slow[name], abs=1e-12, nan_ok=True)
            assert again.per_user[f"{name}@3"].iloc[user] == expected


def test_what_the_shop_does_not_know_is_left_out(problem):
    background = dataclasses.replace(problem.background, category=None)
    judged = judge(problem.lists, targets_of(problem.relevant), background, ks=(3,))
    missing = {"ild", "calibration_kl", "calibration_js", "revenue_recall"}
    assert {name.partition("@")[0] for name in judged.measures} == set(MEASURES) - missing


def test_nobody_to_judge_gives_no_values():
    nobody = Targets(Vocabulary([]), np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    nothing = np.array([], dtype=np.int64)
    background = Background(2, np.array([1, 1]), 2, None, np.array([0]), nothing)
    judged = judge(np.zeros((0, 3), dtype=np.int64), nobody, background, ks=(2,))
    assert judged.per_user.empty
    assert judged.counts()["ndcg@2"] == 0
    assert judged.overall["coverage@2"] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item_users": ITEM_USERS[1:]}, "item_users must be of 15 items, got 14"),
        ({"category": CATEGORY[1:]}, "category must be of 15 items, got 14"),
        ({"known_indptr": np.zeros(3, dtype=np.int64)}, "known_indptr must be of 40 users, got 2"),
        ({"known_items": None}, "known items must be distinct"),
    ],
)
def test_a_background_that_does_not_fit_is_refused(problem, change, message):
    if "known_items" in change:
        change = {"known_items": np.zeros_like(problem.background.known_items)}
    background = dataclasses.replace(problem.background, **change)
    with pytest.raises(ValueError, match=message):
        judge(problem.lists, problem.targets, background, ks=KS)


def test_lists_that_do_not_fit_are_refused(problem):
    lists, targets, background = problem.lists, problem.targets, problem.background
    with pytest.raises(ValueError, match="lists must be of 40 users, got 39"):
        judge(lists[1:], targets, background, ks=KS)
    with pytest.raises(ValueError, match="explore must be of 40 users, got 39"):
        judge(lists, targets, background, ks=KS, explore=lists[1:])
    with pytest.raises(ValueError, match="items of a list must be distinct, got 40 repeated"):
        judge(np.zeros((N_USERS, 2), dtype=np.int64), targets, background, ks=KS)


# Activity bins


@pytest.mark.parametrize("measure", ["ndcg@3", "repeat_ndcg@3", "calibration_kl@6"])
def test_bins_share_out_the_users_by_their_history(judged, measure):
    table = judged.by_bin(measure)
    assert table["users"].sum() == judged.counts()[measure]
    history = judged.per_user["history"]
    for row in table.itertuples():
        inside = judged.per_user.loc[activity_bin(history) == BINS.index(row.bin), measure]
        assert row.mean == pytest.approx(inside.mean())
        assert inside.count() == row.users
        assert row.low <= row.mean <= row.high


def test_a_bin_of_nobody_is_left_out_and_one_user_has_no_interval(problem):
    indptr = np.r_[np.zeros(N_USERS, dtype=np.int64), 5]
    background = dataclasses.replace(
        problem.background, known_indptr=indptr, known_items=np.arange(5)
    )
    judged = judge(problem.lists, problem.targets, background, ks=(3,))
    table = judged.by_bin("ndcg@3").set_index("bin")
    assert table["users"].to_dict() == {"0": N_USERS - 1, "4-10": 1}
    assert table.loc["4-10", ["low", "high"]].isna().all()
    assert judged.by_bin("repeat_recall@3")["bin"].isin(["4-10"]).all()


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


def test_listed_items_outside_the_catalogue_are_counted_in_the_best_k_of_users_with_targets():
    rows = [("a", "?", 1), ("a", "x", 2), ("a", "??", 3), ("nobody", "?", 1), ("b", "?", 1)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])
    assert lay_out(frame, TARGETS, PLACES, 2).outside == 2
    assert lay_out(frame, TARGETS, PLACES, 3).outside == 3


@pytest.mark.parametrize("dtype", [object, "category", "string", "str"])
def test_ids_of_any_text_type_are_found(dtype):
    rows = [("b", "x", 2), ("a", "z", 3), ("b", "y", 1), ("nobody", "x", 1)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])
    frame = frame.astype({"user_id": dtype, "item_id": dtype})
    assert lists_from(frame, TARGETS, PLACES, 2).tolist() == [[2, -1], [1, 0], [-1, -1]]


def test_any_number_can_be_the_rank():
    scores = pd.DataFrame(
        {"user_id": ["a", "b", "a"], "item_id": ["x", "y", "z"], "score": [0.25, 0.5, 0.75]}
    )
    frame = scores.assign(rank=-scores["score"])
    assert lists_from(frame, TARGETS, PLACES, 2).tolist() == [[2, 0], [1, -1], [-1, -1]]


def test_ranks_above_nine_stand_in_the_order_of_numbers():
    items = {f"i{number}": number for number in range(12)}
    frame = pd.DataFrame({"user_id": "a", "item_id": list(items), "rank": np.arange(1, 13)}).sample(
        frac=1.0, random_state=0
    )
    assert lists_from(frame, TARGETS, items, 12)[0].tolist() == list(range(12))
