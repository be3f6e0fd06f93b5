"""The peers against their definitions, worked out by slow loops; no library of theirs is needed."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

QUALITY = Path(__file__).parents[2] / "benchmarks" / "quality"
sys.path.append(str(QUALITY))

from peers import arrays, baskets, items, popularity, questions, ranking, table  # noqa: E402
from peers.registry import MOST, PEERS  # noqa: E402

N_USERS, N_ITEMS = 12, 9


@pytest.fixture
def rows() -> arrays.Rows:
    """Return baskets of users, the last of whom has none."""
    rng = np.random.default_rng(3)
    user = np.sort(rng.integers(0, N_USERS - 1, 60))
    basket = np.zeros(60, dtype=int)
    for one in range(N_USERS - 1):
        mine = user == one
        basket[mine] = np.unique(rng.integers(0, 5, mine.sum()), return_inverse=True)[1]
    item = rng.integers(0, N_ITEMS, 60)
    return arrays.Rows(user, item, N_USERS, N_ITEMS, age=basket * 3.0 + 1, basket=basket)


@pytest.fixture
def train(rows: arrays.Rows) -> arrays.Train:
    groups = sparse.csr_array(np.eye(3)[np.arange(N_USERS) % 3])
    people = arrays.People(rows, groups, np.arange(N_USERS))
    return arrays.Train(people, np.array(["age", "age", "sex"], dtype=object))


def sets(rows: arrays.Rows, user: int) -> list[set[int]]:
    """Return the user's baskets, the newest first."""
    mine = rows.user == user
    n = rows.basket[mine].max() + 1 if mine.any() else 0
    return [set(rows.item[mine & (rows.basket == place)].tolist()) for place in range(n)]


def slow_vector(own: list[set[int]], size: int, within: float, between: float) -> np.ndarray:
    groups = [own[start : start + size] for start in range(0, len(own), size)]
    vector = np.zeros(N_ITEMS)
    for age, group in enumerate(groups):
        for place, basket in enumerate(group):
            for item in basket:
                vector[item] += between**age * within**place / len(group) / len(groups)
    return vector


def test_tifu_knn_is_its_definition(train: arrays.Train) -> None:
    rows = train.people.rows
    scores = baskets.tifu_knn(train, 2, 0.9, 0.6, k=3, alpha=0.7)(train.people)
    vectors = [slow_vector(sets(rows, user), 2, 0.9, 0.6) for user in range(N_USERS)]
    for user in range(N_USERS - 1):
        others = [v for other, v in enumerate(vectors) if other != user]
        others.sort(key=lambda other: float(np.linalg.norm(other - vectors[user])))
        expected = 0.7 * vectors[user] + 0.3 * np.mean(others[:3], axis=0)
        np.testing.assert_allclose(scores[user], expected, atol=1e-12)
    assert not scores[-1].any(), "a user without baskets is left to popularity"


def test_up_cf_is_its_definition(train: arrays.Train) -> None:
    rows = train.people.rows
    scores = baskets.up_cf(train, last=2, locality=5, asymmetry=0.25)(train.people)
    histories = [sets(rows, user) for user in range(N_USERS)]
    bought = [set().union(*own) for own in histories]
    for user in range(N_USERS):
        expected = np.zeros(N_ITEMS)
        for other in range(N_USERS):
            sizes = max(len(bought[user]), 1) ** 0.25 * max(len(bought[other]), 1) ** 0.75
            alike = len(bought[user] & bought[other]) / sizes
            weight = 1.0 if other == user else alike**5
            for basket in histories[other][:2]:
                for item in basket:
                    expected[item] += weight / min(2, len(histories[other]))
        np.testing.assert_allclose(scores[user], expected, atol=1e-12)


@pytest.mark.parametrize("k", [N_ITEMS, 2])
def test_rp3beta_is_its_definition(train: arrays.Train, k: int) -> None:
    pairs = train.people.rows.worth("once").toarray()
    walks = np.zeros((N_ITEMS, N_ITEMS))
    for i in range(N_ITEMS):
        for j in range(N_ITEMS):
            for user in range(N_USERS - 1):
                back = pairs[user, i] / pairs[:, i].sum()
                forth = pairs[user, j] / pairs[user].sum()
                walks[i, j] += (back**0.8) * (forth**0.8) / pairs[:, j].sum() ** 0.4
    np.fill_diagonal(walks, 0.0)
    walks[walks < -np.sort(-walks, axis=1)[:, [k - 1]]] = 0.0
    scores = items.rp3beta(train, alpha=0.8, beta=0.4, k=k, weight="once")(train.people)
    np.testing.assert_allclose(scores, pairs @ walks, atol=1e-12)


def test_item_knn_is_the_cosine(train: arrays.Train) -> None:
    pairs = train.people.rows.worth("log").toarray()
    lengths = np.linalg.norm(pairs, axis=0)
    cosine = pairs.T @ pairs / (np.outer(lengths, lengths) + 2.0)
    np.fill_diagonal(cosine, 0.0)
    scores = items.item_knn(train, k=N_ITEMS, shrink=2.0, weight="log")(train.people)
    np.testing.assert_allclose(scores, pairs @ cosine, atol=1e-12)


def test_ease_solves_its_regression_item_by_item(train: arrays.Train) -> None:
    pairs = train.people.rows.worth("once")
    weights = items.ease_weights(pairs, 3.0)
    dense = pairs.toarray()
    for item in range(N_ITEMS):
        others = np.delete(dense, item, axis=1)
        gram = others.T @ others + 3.0 * np.eye(N_ITEMS - 1)
        expected = np.linalg.solve(gram, others.T @ dense[:, item])
        np.testing.assert_allclose(np.delete(weights[:, item], item), expected, atol=1e-5)
        assert weights[item, item] == 0.0


def test_lifts_are_shrunken_towards_none(train: arrays.Train) -> None:
    counts, share = np.array([[8.0, 2.0], [2.0, 8.0]]), np.array([0.5, 0.5])
    np.testing.assert_allclose(
        popularity.gamma_poisson(counts, share, 5.0), np.log([[1.3, 0.7], [0.7, 1.3]])
    )
    # E = 5 throughout, n − E = ±3, V = 5 (1 − 1/2): κ = 100 / (36 − 10)
    kappa = 100 / 26
    np.testing.assert_allclose(
        popularity.gamma_poisson(counts, share, None)[0, 0], np.log((8 + kappa) / (5 + kappa))
    )
    assert not popularity.gamma_poisson(np.full((2, 2), 5.0), share, None).any()


@pytest.mark.parametrize("crossed", [False, True])
def test_a_user_of_no_group_gets_popularity(train: arrays.Train, crossed: bool) -> None:
    stranger = arrays.People(train.people.rows.of(0, 1), sparse.csr_array((1, 3)), np.array([-1]))
    share = popularity.shares(train.people.rows, "once")
    division = {"axes": ["age", "sex"], "crossed": crossed}
    np.testing.assert_allclose(popularity.segment_popular(train, **division)(stranger)[0], share)
    lifted = popularity.segment_lifts(train, **division, kappa=3.0)(stranger)[0]
    np.testing.assert_allclose(lifted, np.log(share))


def test_own_purchases_decay(train: arrays.Train) -> None:
    rows = train.people.rows
    scores = popularity.own_recency(train, half_life=7)(train.people)
    newest = popularity.own_recency(train, half_life=0)(train.people)
    for user in range(N_USERS):
        for item in range(N_ITEMS):
            ages = [3 * n + 1 for n, basket in enumerate(sets(rows, user)) if item in basket]
            assert scores[user, item] == pytest.approx(sum(0.5 ** (age / 7) for age in ages))
            if ages:
                assert newest[user, item] == pytest.approx(1 / (1 + min(ages)), abs=1e-5)


def test_a_tie_goes_to_the_more_popular_item_and_new_items_go_on() -> None:
    scores = ranking.with_ties(np.array([[0.0, 5.0, 5.0, 0.0], [0.0, 0.0, 0.0, -np.inf]]))
    first = ranking.top(scores, 3)
    assert first.tolist() == [[1, 2, 0], [0, 1, 2]]
    new = ranking.top(ranking.without(scores, np.array([0]), np.array([1])), 3)
    assert new.tolist() == [[2, 0, 3], [0, 1, 2]]
    lists = ranking.go_on(first, new)
    assert lists.tolist() == [[1, 2, 0, -1, -1, 3], [0, 1, 2, -1, -1, -1]]
    found = ranking.frame(lists, pd.Index(["u", "v"]), pd.Index(list("abcd")))
    assert found["item_id"].tolist() == ["b", "c", "a", "d", "a", "b", "c"]
    assert found["rank"].tolist() == [1, 2, 3, 4, 1, 2, 3]


def test_baskets_are_counted_back_from_the_newest() -> None:
    events = pd.DataFrame(
        {
            "user_id": ["a", "a", "a", "b"],
            "item_id": list("xyzx"),
            "timestamp": pd.to_datetime(
                ["2020-01-01 09:00", "2020-01-03 10:00", "2020-01-01 18:00", "2020-01-02 00:00"]
            ),
        }
    )
    assert questions.baskets_ago(events).tolist() == [1, 0, 1, 0]
    by_id = events.assign(basket_id=["1", "2", "3", "1"])
    assert questions.baskets_ago(by_id).tolist() == [2, 0, 1, 0]


def shop(n_days: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user_id": rng.integers(0, 30, 600).astype(str),
            "item_id": rng.integers(0, 20, 600).astype(str),
            "timestamp": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, n_days, 600), unit="D"),
        }
    )


def test_a_window_keeps_its_targets_out_of_what_is_learnt() -> None:
    events = shop()
    end = pd.Timestamp("2020-02-10")
    users = pd.DataFrame({"user_id": sorted(events["user_id"].unique())})
    question = questions.Question(events, users, frozenset(events["item_id"]), {}, end)
    meta = {"test_days": 10, "exclude_train": False, "min_rows": 2}
    for back in (0, 1):
        part = questions.window(question, meta, back, explore=True)
        cut = end - pd.Timedelta(days=10 * (back + 1))
        assert part.as_of == cut
        assert (part.train["timestamp"] < cut).all()
        later = events[(events["timestamp"] >= cut)
                       & (events["timestamp"] < cut + pd.Timedelta(days=10))]  # fmt: skip
        theirs = set(map(tuple, later[["user_id", "item_id"]].to_numpy().tolist()))
        asks = {name: set(map(tuple, ask.targets[["user_id", "item_id"]].to_numpy().tolist()))
                for name, ask in part.asks.items()}  # fmt: skip
        seen = set(map(tuple, part.train[["user_id", "item_id"]].to_numpy().tolist()))
        assert asks["all"] == {pair for pair in theirs if pair[1] in part.catalogue}
        assert asks["explore"] == asks["all"] - seen


def test_folds_are_disjoint_and_wholly_held_out() -> None:
    events = shop().drop(columns="timestamp").drop_duplicates()
    names = sorted(events["user_id"].unique())
    users = pd.DataFrame({"user_id": names, "sex": ["f", None] * (len(names) // 2)})
    question = questions.Question(events, users, frozenset(events["item_id"]), {}, None)
    meta = {"reveal_unit": "items", "reveal": [0, 3], "exclude_train": True}
    one, other = questions.folds(question, meta)
    assert not one & other
    assert one | other <= set(users.loc[users["sex"].notna(), "user_id"])
    part = questions.cold_items(question, meta, one)
    assert not set(part.train["user_id"]) & one
    for n in (0, 3):
        ask = part.asks[str(n)]
        assert (ask.known.groupby("user_id").size() == n).all()
        assert len(ask.known.merge(ask.targets, on=["user_id", "item_id"])) == 0


def test_no_peer_tries_more_than_it_may(train: arrays.Train) -> None:
    for peer in PEERS.values():
        settings = peer.settings(train)
        assert 1 <= len(settings) + len(peer.refined(settings[0])) <= MOST


def test_the_envelope_is_the_best_peer_of_each_column() -> None:
    answer = {"all": {"ndcg@10": 0.2}, "bins": {"0": {"ndcg@10": 0.1}, "1-3": {"ndcg@10": 0.3}}}
    other = {"all": {"ndcg@10": 0.1}, "bins": {"0": {"ndcg@10": 0.2}, "1-3": {"ndcg@10": 0.1}}}
    protocol = {
        "peers": {
            "one": {"metric": "ndcg@10", "scores": {"all": answer}},
            "two": {"metric": "ndcg@10", "scores": {"all": other,
                                                    "explore": {"explore": {"ndcg@10": 0.05}}}},
            "three": {"skipped": "it needs times"},
        }
    }  # fmt: skip
    printed = table.section("shop_temporal", protocol, {"mine": answer}, [])
    assert "| envelope | 0.2000 | 0.2000 | 0.3000 | 0.0500 |" in printed
    assert "| two | 0.1000 | **0.2000** | 0.1000 | **0.0500** |" in printed
    assert "| ours: mine | 0.2000 (1.000) | 0.1000 (0.500) | 0.3000 (1.000) |  |" in printed
    assert "- three: it needs times" in printed


def test_cold_answers_are_columns_by_what_is_revealed() -> None:
    scores = {n: {"all": {"ndcg@10": int(n) / 100}} for n in ("10", "0", "5")}
    assert table.figures(scores, "ndcg@10") == {"n = 0": 0.0, "n = 5": 0.05, "n = 10": 0.1}


def test_there_is_no_ratio_to_nothing() -> None:
    assert table.beside(0.1, 0.2) == "0.1000 (0.500)"
    assert table.beside(0.0, 0.0) == "0.0000"
    assert table.beside(None, 0.2) == ""
