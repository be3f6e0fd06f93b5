"""The study of event weights: on shops whose answer is known, and on the file it is made for."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys.random import generator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("quality/event_weights")


def made_up(*, telling: bool) -> pd.DataFrame:
    """Two halves of 40 items, a half to each user's taste, 20 items of each of 120 users.

    Telling: she views what she does not like as often as what she likes, and buys only what she
    likes. Otherwise all is to her taste, and what of it she buys is chance.
    """
    draw = generator(0, "made up", str(telling))
    rows = []
    for user in range(120):
        items = draw.permutation(40 if telling else 20)[: 20 if telling else 14]
        liked = items // 20 == user % 2 if telling else np.ones(len(items), dtype=bool)
        items = items if telling else items + 20 * (user % 2)
        bought = liked & (draw.random(len(items)) < (0.9 if telling else 0.5))
        for kind, those in (("view", items), ("cart", items[bought]), ("purchase", items[bought])):
            rows += [(user, item, 1, kind) for item in those]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "quantity", "event"])


@pytest.fixture
def bought_anew(
    study: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Callable[[pd.DataFrame], dict[str, Any]]:
    """Answer one question by one ranker."""

    def answer(rows: pd.DataFrame) -> dict[str, Any]:
        question = study.Question(study.KINDS, study.BOUGHT, study.KNOWN)
        monkeypatch.setattr(study, "RANKERS", {"neighbours": study.neighbours})
        monkeypatch.setattr(study, "TASKS", ((question,),))
        (found,) = study.run(study.shop_of(rows), 2)
        return dict(found)

    return answer


def test_weights_are_learnt_where_kinds_of_events_tell_tastes(
    bought_anew: Callable[[pd.DataFrame], dict[str, Any]],
) -> None:
    found = bought_anew(made_up(telling=True))
    for view, cart, purchase in found["weights chosen"]["learnt"]:
        assert max(cart, purchase) >= 3 * view
    _, low, _ = found["differences"]["learnt - equal, scaled"]["ndcg@10"]["difference"]
    assert low > 0.02


def test_nothing_is_gained_where_kinds_of_events_tell_nothing(
    bought_anew: Callable[[pd.DataFrame], dict[str, Any]],
) -> None:
    found = bought_anew(made_up(telling=False))
    mean, _, high = found["differences"]["learnt - equal, scaled"]["ndcg@10"]["difference"]
    assert mean < 0.02
    assert high < 0.04


def test_what_is_hidden_is_in_no_history_and_the_order_of_rows_says_nothing(
    study: ModuleType,
) -> None:
    rows = made_up(telling=True)
    shuffled = rows.sample(frac=1, random_state=1)
    for hides in (study.KINDS, study.TAKEN, study.BOUGHT):
        shops = [study.shop_of(of) for of in (rows, shuffled)]
        both = [study.split(shop, hides, 3) for shop in shops]
        for one, other in zip(*both, strict=True):
            for kind in study.KINDS:
                assert not one.known[kind].multiply(one.hidden[kind]).nnz
                assert (one.known[kind] != other.known[kind]).nnz == 0
                assert (one.hidden[kind] != other.hidden[kind]).nnz == 0
                assert (one.hidden[kind].nnz > 0) == (kind in hides)
        choosing, judging = both[0]
        for kind in study.KINDS:
            left = choosing.known[kind] + choosing.hidden[kind]
            assert (left != judging.known[kind]).nnz == 0


def test_interactions_are_those_of_the_library(study: ModuleType) -> None:
    shop = study.shop_of(made_up(telling=True))
    _, judging = study.split(shop, study.KINDS, 0)
    stays, _ = study.divide(shop.events, study.KINDS, 0)
    weights = (0.5, 3.0, 7.0)
    named = dict(zip(study.KINDS, weights, strict=True))
    expected = study.interactions(shop, shop.events[stays], named)
    assert abs(judging.worth(weights) - expected).max() < 1e-6


def test_neighbours_are_a_walk_of_three_steps(study: ModuleType) -> None:
    draw = generator(0, "walk")
    dense = draw.integers(0, 4, size=(6, 5)) * (draw.random((6, 5)) < 0.6)
    weights = np.log1p(dense.astype(float))
    walked = np.zeros_like(weights)
    for u, i in np.ndindex(6, 5):
        for j, v in np.ndindex(5, 6):
            if weights[u, j] and weights[v, i]:
                step = weights[v, j] / weights[:, j].sum()
                walked[u, i] += weights[u, j] * step * weights[v, i] / weights[v].sum()
    found = study.neighbours(study.sparse.csr_matrix(dense, dtype=float), np.arange(6), 0)
    assert np.allclose(found, walked / walked.max(), atol=2 * study.TIE)


def test_lists_hold_the_best_that_is_allowed(study: ModuleType) -> None:
    draw = generator(0, "lists")
    scores = draw.integers(0, 9, size=(5, 30)).astype(float)
    left_out = study.sparse.csr_matrix(draw.random((5, 30)) < [[0], [0.2], [0.5], [0.9], [1]])
    lists = study.best(scores, left_out)
    for row, values, banned in zip(lists, scores, left_out.toarray(), strict=True):
        allowed = np.flatnonzero(~banned)
        kept = row[row >= 0]
        assert len(set(kept)) == len(kept) == min(len(allowed), study.K)
        assert set(kept) <= set(allowed)
        assert values[kept].tolist() == sorted(values[allowed], reverse=True)[: study.K]


def test_the_file_has_no_order_in_time(study: ModuleType) -> None:
    if "RECSYS_DATA" not in os.environ:
        pytest.skip("RECSYS_DATA names no folder of data sets; see data/README.md")
    path = Path(os.environ["RECSYS_DATA"]) / study.FILE
    if not path.exists():
        pytest.skip(f"RECSYS_DATA holds no {study.FILE}; see data/README.md")
    found = study.facts(pd.read_parquet(path))
    assert found["rows"] == 92_487
    assert found["sorted by kind, user and item"]
    assert found["share of purchases in the last 30 % of a user's rows"] > 0.99
