"""A shop without times trains and recommends, and is told what is off."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

NOTE = "no timestamps: time decay, purchase cadence, lifecycle, recency and temporal protocols"


@pytest.fixture
def untimed(new_shop: Path) -> Path:
    events = pd.read_csv(new_shop / "events.csv", dtype=str).drop(columns="timestamp")
    events.to_csv(new_shop / "events.csv", index=False)
    return new_shop


def test_what_is_off_is_said(ask: Any, untimed: Path) -> None:
    [note] = ask("validate", "--format", "json", shop=untimed).json["off"]
    assert note.startswith(NOTE)
    report = ask("segment", "--format", "json", shop=untimed).json
    assert "no timestamps: the axis 'lifecycle' (lifecycle) is off" in report["notes"]
    axes = {row["axis"] for row in report["segments"]}
    assert {"age", "region", "interest", "spending"} <= axes
    assert "lifecycle" not in axes


def test_it_trains_and_recommends(ask: Any, untimed: Path, tmp_path: Path) -> None:
    trained = ask("train", "--format", "json", shop=untimed)
    assert trained.code == 0
    assert f"note: {NOTE}" in trained.err
    document = trained.json
    assert document["as_of"] is None
    assert document["version"].startswith("untimed-")
    assert any(note.startswith(NOTE) for note in document["notes"])
    assert document["state"] == {"users": 61, "events": 2941}
    assert ask("train", "--format", "json", shop=untimed).json["version"] == document["version"]

    answer = ask("recommend", "--all", "-k", 5, "--explain", "--format", "json", shop=untimed)
    lists = pd.DataFrame(answer.json["recommendations"])
    assert (lists.groupby("user_id").size() == 5).all()
    assert "term_prior_lifecycle" not in lists
    history = tmp_path / "h.csv"
    history.write_text("user_id,item_id\nnobody,00100\nnobody,00100\n", encoding="utf-8")
    words = ("recommend", "--user", "nobody", "--history", history, "--format", "json")
    folded = ask(*words, shop=untimed).json
    assert folded["fallbacks"] == {}
    assert "no times" in ask("models", "list", shop=untimed).out


def test_the_temporal_protocol_says_why_it_cannot_be(ask: Any, untimed: Path) -> None:
    answer = ask("evaluate", shop=untimed)
    assert answer.code == 2
    assert f"[evaluation] protocol = 'temporal' needs times; {NOTE}" in answer.err
    assert "use protocol = 'holdout_users' or 'given'" in answer.err


def test_users_can_be_held_out_without_times(ask: Any, untimed: Path) -> None:
    with (untimed / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write('[evaluation]\nprotocol = "holdout_users"\nusers = 20\n')
    answer = ask("evaluate", "--variant", "popular", "--format", "json", shop=untimed)
    assert answer.code == 0
    assert answer.json["counts"]["held_out_users"] == 20
    assert any(NOTE in note for note in answer.json["notes"])
