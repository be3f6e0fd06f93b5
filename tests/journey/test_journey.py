"""The road a new user takes: from three files to a list on a socket."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.cli import run

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
INSTALLED = Path(sys.executable).with_name("recsys")
PATIENCE = 60.0


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


@contextmanager
def serving() -> Iterator[str]:
    """Run the installed command on a free port, and stop it as Ctrl-C does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([INSTALLED, "serve", "--port", str(port)], stderr=subprocess.PIPE)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/v1/health/ready", server)
        yield address
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 0
    finally:
        server.kill()
        _, said = server.communicate()
    assert b"Traceback" not in said


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < until:
        try:
            assert fetch(url)["status"] == "ok"
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the service did not start")


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

    with serving() as address:
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
