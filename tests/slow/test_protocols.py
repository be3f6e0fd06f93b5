"""Quality floors on real data, and our measures held against a scorer that knows nothing of us."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from recsys.evaluation import Background, judge
from recsys.interactions import targets_of
from recsys.vocabulary import Vocabulary

pytestmark = pytest.mark.slow

BEST_PEER = {"completejourney_temporal": 0.4279, "tafeng_temporal": 0.1227}
"""NDCG@10: TIFU-KNN, and personal frequency, each tuned on a slice of the training side."""
SCORED = ("ndcg@10", "ndcg@20", "recall@10", "recall@20", "precision@10", "hit@10", "mrr@10")


@pytest.fixture(scope="module")
def root() -> Path:
    if "RECSYS_PROTOCOLS" not in os.environ:
        pytest.skip("RECSYS_PROTOCOLS names no folder of protocols; see data/README.md")
    return Path(os.environ["RECSYS_PROTOCOLS"])


@pytest.fixture(scope="module")
def protocols(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("quality/protocols")


@pytest.mark.parametrize("name", BEST_PEER)
def test_segment_aware_passes_the_best_peer(root: Path, protocols: ModuleType, name: str) -> None:
    result = protocols.run(root, name, ("popular", "segment_aware"))
    found = {variant: score["all"]["ndcg@10"] for variant, score in result["scores"].items()}
    assert found["segment_aware"] > BEST_PEER[name], found
    assert result["scores"]["segment_aware"]["users_without_recs"] == 0


@pytest.mark.parametrize("name", BEST_PEER)
def test_measures_equal_the_protocols_scorer(root: Path, tmp_path: Path, name: str) -> None:
    folder = root / name
    lists, index = some_lists(folder)
    frame = pd.DataFrame(
        {
            "user_id": np.repeat(lists.users.ids.astype(object), 20),
            "item_id": index.ids[lists.items.ravel()],
            "rank": np.tile(np.arange(1, 21), len(lists.users)),
        }
    )
    frame.to_parquet(tmp_path / "lists.parquet", index=False)
    command = [sys.executable, root / "score.py", folder, tmp_path / "lists.parquet"]
    answer = subprocess.run(
        [*command, "--per-user", tmp_path / "per_user.parquet"], capture_output=True, check=True
    )
    theirs = pd.read_parquet(tmp_path / "per_user.parquet").set_index("user_id").sort_index()

    pairs = pd.read_parquet(folder / "targets.parquet").astype(str).drop_duplicates()
    targets = targets_of(pairs, index)
    judged = judge(lists.items, targets, background(folder, targets.users, index), ks=(10, 20))
    for measure in SCORED:
        np.testing.assert_allclose(judged.per_user[measure], theirs[measure], atol=1e-12)
    scored = json.loads(answer.stdout)
    means = judged.means()
    for measure in ("ndcg@10", "recall@20"):
        assert means[f"explore_{measure}"] == pytest.approx(scored["explore"][measure], abs=1e-5)
    assert judged.counts()["explore_ndcg@10"] == scored["explore"]["users"]
    bins = scored["bins"]
    for row in judged.by_bin("ndcg@10").itertuples():
        assert bins[row.bin]["users"] == row.users
        assert bins[row.bin]["ndcg@10"] == pytest.approx(row.mean, abs=1e-5)


class SomeLists(NamedTuple):
    users: Vocabulary
    items: np.ndarray


def some_lists(folder: Path) -> tuple[SomeLists, Vocabulary]:
    """Random lists in which popular items come more often, so that some of them hit."""
    train = pd.read_parquet(folder / "train.parquet", columns=["item_id"])["item_id"].astype(str)
    counts = train.value_counts().sort_index()
    index = Vocabulary(counts.index)
    users = Vocabulary(pd.read_parquet(folder / "targets.parquet")["user_id"].astype(str))
    best = np.argsort(-counts.reindex(index.ids).to_numpy(), kind="stable")[:200]
    draw = np.random.default_rng(0)
    return SomeLists(users, np.stack([draw.permutation(best)[:20] for _ in users.ids])), index


def background(folder: Path, users: Vocabulary, index: Vocabulary) -> Background:
    """What was known before the cut, from the training file alone."""
    train = pd.read_parquet(folder / "train.parquet", columns=["user_id", "item_id"]).astype(str)
    pairs = train.drop_duplicates()
    items, rows = index.index_of(pairs["item_id"]), users.index_of(pairs["user_id"])
    order = np.lexsort((items, rows))
    order = order[rows[order] >= 0]
    counts = np.bincount(rows[order], minlength=len(users))
    return Background(
        n_items=len(index),
        item_users=np.bincount(items, minlength=len(index)),
        n_users=pairs["user_id"].nunique(),
        category=None,
        known_indptr=np.concatenate([[0], np.cumsum(counts)]),
        known_items=items[order],
    )
