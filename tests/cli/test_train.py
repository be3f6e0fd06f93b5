"""``recsys train``: one version for the same content, and a state that holds what was known."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys.config import load_config
from recsys.events.times import parse_time
from recsys.state import StateStore


def state_of(shop: Path) -> StateStore:
    return StateStore(load_config(shop / "recsys.toml").state.url)


def everything(shop: Path) -> tuple[pd.DataFrame, pd.DataFrame, int | None]:
    state = state_of(shop)
    users = state.user_ids()
    found = state.all_events(), state.attributes_of(users), state.newest_time()
    state.close()
    return found


def trained_version(ask: Any, shop: Path, *words: str) -> dict[str, Any]:
    answer = ask("train", *words, "--format", "json", shop=shop)
    assert answer.code == 0, answer.err
    document: dict[str, Any] = answer.json
    return document


def content_of(ask: Any, shop: Path) -> dict[str, bool]:
    """Content id of every version -> whether it is active."""
    models = ask("models", "list", "--format", "json", shop=shop).json["models"]
    return {model["content_id"]: model["active"] for model in models}


def test_training_twice_changes_nothing(ask: Any, shop: Path) -> None:
    before = everything(shop)
    models = ask("models", "list", "--format", "json", shop=shop).json["models"]
    again = trained_version(ask, shop)
    assert again["version"] == models[0]["version"]
    assert again["content_id"] == models[0]["content_id"]
    assert again["state"] == {"users": 61, "events": 2941}
    assert ask("models", "list", "--format", "json", shop=shop).json["models"] == models
    after = everything(shop)
    pd.testing.assert_frame_equal(before[0], after[0])
    pd.testing.assert_frame_equal(before[1], after[1])
    assert before[2] == after[2] == parse_time("2024-06-29T18:20:43Z")


def test_neither_paths_nor_the_order_of_rows_are_content(
    ask: Any, new_shop: Path, trained: Path
) -> None:
    for name in ("events", "users", "items"):
        frame = pd.read_csv(new_shop / f"{name}.csv", dtype=str)
        order = np.random.default_rng(1).permutation(len(frame))
        frame.iloc[order].to_csv(new_shop / f"{name}.csv", index=False)
    answer = ask("train", shop=new_shop)
    assert content_of(ask, new_shop) == content_of(ask, trained)
    assert "Learnt weights" in answer.out
    assert "prior:age" in answer.out
    assert "published and activated 20240629-" in answer.err
    assert "the state holds 61 users and 2,941 events" in answer.err


def test_another_seed_is_another_content(ask: Any, shop: Path) -> None:
    [first] = content_of(ask, shop)
    other = trained_version(ask, shop, "--seed", "7")
    assert other["content_id"] != first
    assert other["config"]["model"]["seed"] == 7
    assert content_of(ask, shop) == {first: False, other["content_id"]: True}


def test_nothing_at_or_after_the_moment_is_used_or_kept(
    ask: Any, new_shop: Path, tmp_path: Path
) -> None:
    moment, given = "2024-04-01 08:00:00", "2024-04-01T10:00:00+02:00"
    cut = Path(shutil.copytree(new_shop, tmp_path / "cut"))
    events = pd.read_csv(cut / "events.csv", dtype=str)
    known = events[events["timestamp"] < moment]
    known.to_csv(cut / "events.csv", index=False)

    document = trained_version(ask, new_shop, "--as-of", given)
    assert document["as_of"] == "2024-04-01T08:00:00Z"
    assert document["version"].startswith("20240401-")
    kept, _, newest = everything(new_shop)
    assert len(kept) == document["state"]["events"] == len(known)
    assert newest == parse_time(known["timestamp"].max())
    assert trained_version(ask, cut, "--as-of", given)["content_id"] == document["content_id"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--seed", "-1"], 2, "--seed -1 is negative"),
        (["--as-of", "soon"], 2, "--as-of 'soon' is not an ISO 8601 time"),
        (["--as-of", "2023-01-01"], 3, "no event before the moment to learn at"),
    ],
)
def test_what_cannot_be_done(
    ask: Any, new_shop: Path, words: list[str], code: int, said: str
) -> None:
    answer = ask("train", *words, shop=new_shop)
    assert answer.code == code
    assert said in answer.err
    assert not (new_shop / "store").exists()


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ('[interactions]\ntarget = ["click"]\n', 3, "no event is a target (click); there are "),
        ("[interactions.event_weights]\nview = 0\n", 3, "no event has a positive weight"),
        ('[state]\nurl = "sqlite:///:memory:"\n', 4, "names no plain file"),
        ('[store]\npath = "events.csv"\n', 4, "cannot be "),
        ('[state]\nurl = "mysql://me:hunter2@shop/db"\n', 4, "not in 'mysql'"),
    ],
)
def test_a_config_that_cannot_be_followed(
    ask: Any, new_shop: Path, more: str, code: int, said: str
) -> None:
    with (new_shop / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write(more)
    answer = ask("train", shop=new_shop)
    assert answer.code == code
    assert said in answer.err
    assert "hunter2" not in answer.err
