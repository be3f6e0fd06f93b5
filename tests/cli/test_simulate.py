"""``recsys simulate``: a shop one can train on at once, or one line that says why not."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

WORDS = ("--events", 3_000, "--days", 120)


def test_a_shop_is_written_and_said(ask: Any, tmp_path: Path) -> None:
    answer = ask("simulate", "-o", tmp_path / "shop", *WORDS, "--users", 90, "--items", 130)
    assert answer.code == 0
    assert answer.out == ""
    assert "wrote 3,000 events of 90 users with 130 items" in answer.err
    assert f"recsys train -c {tmp_path / 'shop' / 'recsys.toml'}" in answer.err
    assert len(pd.read_parquet(tmp_path / "shop" / "events")) == 3_000
    assert (tmp_path / "shop" / "truth" / "rankings.parquet").exists()


def test_programs_get_one_document(ask: Any, tmp_path: Path) -> None:
    answer = ask("simulate", "-o", tmp_path / "shop", *WORDS, "--format", "json")
    assert answer.code == 0
    assert answer.err == ""
    assert answer.json == {
        "folder": str(tmp_path / "shop"),
        "seed": 42,
        "events": 3_000,
        "users": 75,
        "items": 216,
    }


def test_the_seed_decides(ask: Any, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        assert ask("simulate", "-o", tmp_path / name, *WORDS, "--seed", seed).code == 0
    one, again, other = (
        pd.read_parquet(tmp_path / name / "events") for name in ("one", "again", "other")
    )
    pd.testing.assert_frame_equal(one, again, check_exact=True)
    assert not one.equals(other)


def test_the_shop_is_accepted_and_every_axis_is_found(ask: Any, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    assert ask("simulate", "-o", shop, *WORDS).code == 0
    report = ask("validate", "--format", "json", shop=shop).json
    for name, size in (("events", 3_000), ("users", 75), ("items", 216)):
        assert report["files"][name]["accepted"] == size
        assert report["files"][name]["rejected"] == {}
    sizes = pd.DataFrame(ask("segment", "--format", "json", shop=shop).json["segments"])
    assert set(sizes["axis"]) == {
        *("lifecycle", "rfm", "spending", "interest"),
        *("age", "gender", "income", "region"),
    }
    assert ask("train", shop=shop).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--events", -3], "events = -3 is not within 1000 to 1000000000"),
        (["--events", 1_000, "--users", 500], "users = 500: 1000 events need 1 to 100 users"),
        (["--seed", -1], "seed = -1"),
        (["--days", 1], "days = 1 is not within 7 to 3650"),
        (["--items", 3], "items = 3: 12 departments of 5 shelves and 365 days need 60"),
        (["--events", "many"], "'--events'"),
    ],
)
def test_nonsense_is_a_usage_error_and_writes_nothing(
    ask: Any, tmp_path: Path, words: list[object], said: str
) -> None:
    answer = ask("simulate", "-o", tmp_path / "shop", *words)
    assert answer.code == 2
    assert said in answer.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_it_is_a_usage_error(ask: Any) -> None:
    assert ask("simulate", "--events", 3_000).code == 2


def test_a_folder_in_use_is_left_alone(ask: Any, tmp_path: Path) -> None:
    assert ask("simulate", "-o", tmp_path / "shop", *WORDS).code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shop").rglob("*")}
    answer = ask("simulate", "-o", tmp_path / "shop", *WORDS)
    assert answer.code == 2
    assert "is not empty; name a new folder, or empty this one" in answer.err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "shop").rglob("*")} == before


def test_a_folder_that_cannot_be_written_is_a_data_error(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    answer = ask("simulate", "-o", tmp_path / "file" / "shop", *WORDS)
    assert answer.code == 3
    assert "cannot be written" in answer.err
    assert "Traceback" not in answer.err


def test_a_bar_is_drawn_on_a_terminal(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    answer = ask("simulate", "-o", tmp_path / "shop", *WORDS)
    assert "simulating users" in answer.err
    assert "1/1" in answer.err
