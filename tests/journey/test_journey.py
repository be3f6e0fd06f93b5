"""The road a new user takes: from three files to a list on a socket."""

import json
import re
import shutil
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.cli import run

from ..serving import PATIENCE, command

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in SAMPLE.glob("*.csv"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECSYS_CONFIG", raising=False)
    return tmp_path


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        return json.load(response)


@pytest.mark.usefixtures("quick_learning")
def test_from_files_to_lists(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "events.csv", "--users", "users.csv", "--items", "items.csv"]) == 0
    told = re.findall(r"recsys [a-z]+ -c \S+", capsys.readouterr().err)
    assert told == ["recsys validate -c recsys.toml"]
    assert run(told[0].split()[1:]) == 0
    assert "14,302" in capsys.readouterr().out

    assert run(["train"]) == 0
    said = capsys.readouterr().err
    [version] = re.findall(r"published and activated (\S+)", said)

    assert run(["recommend", "--user", "0042", "-k", "5", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["model_version"] == version
    assert run(["recommend", "--all", "--output", "lists.parquet"]) == 0
    everyone = pd.read_parquet("lists.parquet")
    assert everyone["user_id"].nunique() == 300
    assert everyone["rank"].between(1, 20).all()

    with command(folder, signal.SIGINT) as address:
        answer = fetch(f"{address}/v1/recommendations/0042?limit=5")
        assert answer["model_version"] == version
        assert [(item["item_id"], item["score"]) for item in answer["items"]] == [
            (row["item_id"], row["score"]) for row in listed["recommendations"]
        ]
        visitor = fetch(f"{address}/v1/recommendations/first%20visit")
        assert (visitor["fallback"], len(visitor["items"])) == ("popular", 10)

    capsys.readouterr()
    words = ["--variant", "popular", "--variant", "segment_aware", "--output", "report"]
    assert run(["evaluate", *words, "--format", "json"]) == 0
    judged = json.loads(capsys.readouterr().out)["variants"]
    assert judged["segment_aware"]["mean"]["ndcg@10"] > 2 * judged["popular"]["mean"]["ndcg@10"]
    assert {path.name for path in (folder / "report").iterdir()} == {
        *("report.json", "report.html", "segments.parquet", "users", "lists")
    }
    assert {path.name for path in folder.iterdir()} == {
        *("events.csv", "users.csv", "items.csv", "recsys.toml", "lists.parquet"),
        *("report", "store"),
    }
