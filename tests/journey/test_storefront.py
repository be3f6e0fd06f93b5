"""The road of a new shop: from its events to a service that learns, changes models and forgets.

Commands of `recsys` and the client, and nothing else.
"""

import csv
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys.cli import run
from recsys.client import Client, Patience

from ..serving import command

START = datetime(2024, 1, 1)
DAYS = 60
USERS, ITEMS = 60, 24
SMALL = "\n[model]\nfactors = 8\niterations = 3\n"
PATIENT = Patience(deadline=60.0, timeout=30.0)
Recsys = Callable[..., Any]
Row = tuple[str, str, str, str]


def is_odd(name: str) -> bool:
    """Whoever has an odd number deals with nothing but odd items, and so with even ones."""
    return int(name[1:]) % 2 == 1


def rows(day: int, days: int, each: int) -> Iterator[Row]:
    """What everybody does on some days from one on."""
    draw = random.Random(day)
    for number in range(USERS):
        user = f"u{number:02}"
        own = [name for n in range(ITEMS) if is_odd(name := f"i{n:02}") == is_odd(user)]
        for later in draw.sample(range(days), each):
            at = START + timedelta(days=day + later, seconds=draw.randrange(86_400))
            kind = draw.choice(["view", "purchase", "purchase"])
            yield user, draw.choice(own), kind, at.isoformat(sep=" ")


def append(file: Path, events: Iterator[Row]) -> None:
    with file.open("a", newline="", encoding="utf-8") as text:
        csv.writer(text, lineterminator="\n").writerows(events)


@pytest.fixture
def recsys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Recsys:
    """Runs a command in the shop's folder; returns the document it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECSYS_CONFIG", raising=False)

    def ask(*words: str) -> Any:
        capsys.readouterr()
        assert run([*words, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def shop(tmp_path: Path, recsys: Recsys) -> Path:
    """A folder with a file of events and a config."""
    events = tmp_path / "events.csv"
    events.write_text("user_id,item_id,event,timestamp\n", encoding="utf-8")
    append(events, rows(0, DAYS, each=12))
    assert run(["init", "events.csv"]) == 0
    with (tmp_path / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write(SMALL)
    return tmp_path


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def names(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_the_road_of_a_new_shop(shop: Path, recsys: Recsys) -> None:
    first = recsys("train")["version"]
    key = recsys("keys", "create", "storefront", "--scope", "admin")["key"]
    with (
        command(shop, signal.SIGTERM) as address,
        Client(address, api_key=key, patience=PATIENT) as client,
    ):
        assert client.recommend("u01")["model_version"] == first
        she_is_known_by_what_she_does(client, recsys)
        she_is_forgotten(client, recsys, "u01")
        append(shop / "events.csv", rows(DAYS, 5, each=2))
        second = recsys("train")["version"]
        models_change_under_the_service(client, first, second)
        she_is_a_stranger(client, "u01")


def she_is_known_by_what_she_does(client: Client, recsys: Recsys) -> None:
    before = client.recommend("new")
    assert before["fallback"] == "popular"
    liked = [name for name in names(before) if is_odd(name)][:2]
    origin: Any = {"user_id": "new", "recommendation_id": before["recommendation_id"]}
    receipt = client.send_events(
        [
            {**origin, "item_id": liked[0], "event": "click"},
            {**origin, "item_id": liked[0], "event": "purchase", "amount": 12.5},
            {**origin, "item_id": liked[1], "event": "purchase", "quantity": 2},
        ]
    )
    assert receipt == {"accepted": 3, "duplicates": 0, "rejected": []}

    after = client.recommend("new")
    assert after["fallback"] is None
    assert sum(map(is_odd, names(after))) > sum(map(is_odd, names(before)))
    shown = {before["recommendation_id"], after["recommendation_id"]}
    eventually(lambda: exposures(recsys, "new") == shown)
    kept = recsys("user", "show", "new")["events"]
    assert {event["recommendation_id"] for event in kept} == {before["recommendation_id"]}
    assert {event["event"] for event in kept} == {"click", "purchase"}


def exposures(recsys: Recsys, user_id: str) -> set[str]:
    return {one["recommendation_id"] for one in recsys("user", "show", user_id)["exposures"]}


def she_is_forgotten(client: Client, recsys: Recsys, user_id: str) -> None:
    kept = recsys("user", "show", user_id)["events"]
    assert client.recommend(user_id)["fallback"] is None
    receipt = client.erase_user(user_id)
    assert receipt["rows"]["events"] == len(kept) > 0
    she_is_a_stranger(client, user_id)
    late: Any = {"user_id": user_id, "item_id": "i01", "event": "purchase"}
    assert [one["code"] for one in client.send_events([late])["rejected"]] == ["not_kept"]
    she_is_a_stranger(client, user_id)
    assert recsys("user", "show", user_id)["events"] == []


def she_is_a_stranger(client: Client, user_id: str) -> None:
    found, anybody = client.recommend(user_id), client.recommend("anybody")
    assert found["fallback"] == "popular"
    assert names(found) == names(anybody)
    assert client.user(user_id)["known"] is False


def models_change_under_the_service(client: Client, first: str, second: str) -> None:
    assert first != second
    eventually(lambda: client.recommend("u02")["model_version"] == second)
    for version in (first, second):
        assert client.activate(version)["served"]
        assert client.recommend("u02")["model_version"] == version
        assert [one["version"] for one in client.models()["models"] if one["active"]] == [version]
