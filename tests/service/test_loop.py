"""The closed loop: what a shop tells over HTTP is learnt from, and served, without an export."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.cli import run

NEW = "brand-new"
SECONDS = 30.0


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def train(shop: Path) -> None:
    assert run(["train", "-c", str(shop / "recsys.toml")]) == 0


@pytest.mark.usefixtures("quick_learning")
@pytest.mark.parametrize("source", ["the files", "the state"])
def test_shop_events_train_activate_shop(source: str, own_shop: Path, serve: Any) -> None:
    if source == "the state":
        config = own_shop / "recsys.toml"
        text = config.read_text(encoding="utf-8").replace('"events.csv"', '"state"')
        config.write_text(text, encoding="utf-8")
        (own_shop / "events.csv").unlink()
    with serve(own_shop, open=True) as client:
        first = client.get("/v1/health/ready").json()["model_version"]
        item = {"category": "toys", "title": "Top", "price": 4.5}
        assert client.request("PUT", f"/v1/items/{NEW}", json=item).status_code == 200
        bought = [
            {
                "user_id": f"fan-{n}",
                "item_id": NEW,
                "event": "purchase",
                "timestamp": f"2024-06-29T22:00:{n:02}Z",
            }
            for n in range(40)
        ]
        answer = client.request("POST", "/v1/events", json={"events": bought})
        assert answer.json()["accepted"] == len(bought)
        train(own_shop)
        wait_for(lambda: client.get("/v1/health/ready").json()["model_version"] != first)
        toys = {"category": "toys", "variant": "popular"}
        found = client.get("/v1/recommendations/somebody", toys).json()
        assert [row["item_id"] for row in found["items"]] == [NEW]
        models = client.get("/v1/models").json()["models"]
        assert models[-1]["as_of"] == "2024-06-29T22:00:39.000001Z"
        # Nothing has happened since: the same is learnt again, and the same version stays.
        train(own_shop)
        assert len(client.get("/v1/models").json()["models"]) == len(models)
