"""Several hosts on one state and one store answer as one."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from recsys.config import load_config
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.publish import fill_state
from recsys.state import StateStore

KNOWN, FRESH = "0001", "fresh"
Hosts = tuple[Any, Any]


@pytest.fixture(params=["sqlite", "postgresql"])
def hosts(request: pytest.FixtureRequest, own_shop: Path, serve: Any) -> Iterator[Hosts]:
    """Two services over one state; on PostgreSQL it is filled from the shop's files."""
    if request.param == "postgresql":
        url = request.getfixturevalue("new_database")()
        path = own_shop / "recsys.toml"
        with path.open("a", encoding="utf-8") as config:
            config.write(f"\n[state]\nurl = {json.dumps(url)}\n")
        fill(path, url)
    with ExitStack() as stack:
        first, second = (stack.enter_context(serve(own_shop, open=True)) for _ in range(2))
        yield first, second


def fill(config: Path, url: str) -> None:
    shop, state = open_shop(load_config(config)), StateStore(url)
    state.create()
    fill_state(shop, state, as_of=shop.after_all())
    state.close()
    shop.close()


def listed(host: Any, user_id: str, **params: Any) -> list[str]:
    answer = host.get(f"/v1/recommendations/{user_id}", params=params).json()
    return [item["item_id"] for item in answer["items"]]


def test_what_one_is_told_the_other_knows_with_its_next_answer(hosts: Hosts) -> None:
    first, second = hosts
    assert listed(first, KNOWN) == listed(second, KNOWN)
    bought = listed(second, FRESH, limit=100)[-1]
    event = {"user_id": FRESH, "item_id": bought, "event": "purchase"}
    told = first.request("POST", "/v1/events", json={"events": [event]}).json()
    assert told["accepted"] == 1
    for host in hosts:
        assert listed(host, FRESH, variant="own_purchases")[0] == bought
    first.request("PUT", f"/v1/items/{bought}", json={"available": False})
    assert bought not in listed(second, FRESH, limit=1000)
    second.request("PUT", "/v1/items/new", json={"category": "toys"})
    assert listed(first, FRESH, category="toys") == ["new"]
    second.request("PUT", f"/v1/users/{KNOWN}", json={"consent": "none"})
    assert first.get(f"/v1/recommendations/{KNOWN}").json()["fallback"] == "popular"
    first.request("DELETE", f"/v1/users/{FRESH}")
    assert second.get(f"/v1/users/{FRESH}").json()["known"] is False
    again = second.request("POST", "/v1/events", json={"events": [event]}).json()
    assert [row["code"] for row in again["rejected"]] == ["not_kept"]
