"""``GET /v1/recommendations/{user_id}``: always a list, with its reasons."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from recsys.bundle import BundleStore
from recsys.cli import run

HOURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NEW_EACH_TIME = ("recommendation_id", "generated_at")


def asked(client: Any, user_id: str, **query: Any) -> dict[str, Any]:
    response = client.get(f"/v1/recommendations/{quote(user_id, safe='')}", params=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_a_known_user(client: Any, shop: Path) -> None:
    answer = asked(client, "0001")
    assert answer["user_id"] == "0001"
    assert answer["model_version"] == BundleStore(shop / "store").active_version()
    assert answer["variant"]["name"] == "segment_aware"
    assert re.fullmatch("[0-9a-f]{64}", answer["variant"]["digest"])
    assert HOURS.fullmatch(answer["generated_at"])
    assert (answer["fallback"], answer["shortfall"], answer["degraded"]) == (None, 0, [])
    assert answer["experiment"] is None
    assert [item["rank"] for item in answer["items"]] == list(range(1, 11))
    assert len(set(ids(answer))) == 10
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in answer["items"]:
        assert item["terms"] is None
        assert all(set(reason) == {"signal", "text", "value"} for reason in item["reasons"])
    assert answer["segments"] is None


def test_every_answer_has_an_id_of_its_own(client: Any) -> None:
    answers = [asked(client, "0001") for _ in range(3)]
    assert len({answer["recommendation_id"] for answer in answers}) == 3
    assert len({tuple(ids(answer)) for answer in answers}) == 1


@pytest.mark.parametrize("variant", ["segment_aware", "own_purchases"])
def test_the_list_is_the_one_of_the_command_line(
    client: Any, shop: Path, newcomer: str, capsys: pytest.CaptureFixture[str], variant: str
) -> None:
    for user_id in ("0001", "0123", newcomer, "nobody"):
        words = ["--user", user_id, "--variant", variant, "--explain", "--format", "json"]
        capsys.readouterr()
        assert run(["recommend", *words, "-k", "20", "-c", str(shop / "recsys.toml")]) == 0
        rows = json.loads(capsys.readouterr().out)["recommendations"]
        answer = asked(client, user_id, limit=20, variant=variant, explain=True)
        assert [(row["item_id"], row["score"]) for row in rows] == [
            (item["item_id"], item["score"]) for item in answer["items"]
        ]
        for row, item in zip(rows, answer["items"], strict=True):
            terms = {f"term_{name.replace(':', '_')}": v for name, v in item["terms"].items()}
            assert terms == {key: v for key, v in row.items() if key.startswith("term_")}


@pytest.mark.parametrize("consent", ["segment_only", "none"])
def test_so_it_is_whatever_she_agreed_to(
    own_shop: Path, serve: Any, capsys: pytest.CaptureFixture[str], consent: str
) -> None:
    words = ["--user", "0001", "--format", "json", "-k", "20", "-c", str(own_shop / "recsys.toml")]
    with serve(own_shop, open=True) as client:
        before = ids(asked(client, "0001", limit=20))
        client.request("PUT", "/v1/users/0001", json={"consent": consent})
        capsys.readouterr()
        assert run(["recommend", *words]) == 0
        document = json.loads(capsys.readouterr().out)
        answer = asked(client, "0001", limit=20)
    rows = [(row["item_id"], row["score"]) for row in document["recommendations"]]
    assert rows == [(item["item_id"], item["score"]) for item in answer["items"]]
    assert ids(answer) != before
    assert document["fallbacks"] == {answer["fallback"]: 1}


def test_an_unknown_user_gets_the_popular_list_and_is_told(client: Any) -> None:
    answer = asked(client, "nobody", variant="popular")
    assert answer["fallback"] == "popular"
    assert ids(answer) == ids(asked(client, "somebody else", variant="popular"))
    assert asked(client, "nobody")["fallback"] == "popular"


def test_one_known_from_the_users_file_only(client: Any, newcomer: str) -> None:
    answer = asked(client, newcomer, explain=True)
    assert answer["fallback"] == "segment"
    assert answer["segments"] == [
        {"axis": "age", "name": "60+", "weight": 1.0},
        {"axis": "region", "name": "north", "weight": 1.0},
    ]
    assert asked(client, newcomer, variant="popular_by_segment")["fallback"] == "segment"
    assert ids(asked(client, newcomer, variant="popular_by_segment", limit=100)) != ids(
        asked(client, "nobody", variant="popular_by_segment", limit=100)
    )
    for variant in ("popular", "no_segments", "als"):
        assert asked(client, newcomer, variant=variant)["fallback"] == "popular"


def test_terms_add_up_to_the_score(client: Any) -> None:
    answer = asked(client, "0001", limit=100, explain=True)
    assert {segment["axis"] for segment in answer["segments"]} >= {"age", "lifecycle", "rfm"}
    for item in answer["items"]:
        assert list(item["terms"])[:2] == ["als", "popularity"]
        assert sum(item["terms"].values()) == item["score"]
        for reason in item["reasons"]:
            assert item["terms"][reason["signal"]] == reason["value"]


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_the_limit(client: Any, limit: int) -> None:
    answer = asked(client, "0001", limit=limit, variant="own_purchases")
    assert len(answer["items"]) + answer["shortfall"] == limit
    assert (answer["shortfall"] > 0) == (limit == 1000)


def test_only_what_is_available_is_listed(client: Any, shop: Path) -> None:
    lines = (shop / "items.csv").read_text(encoding="utf-8").splitlines()
    available = {line.split(",")[0] for line in lines[1:] if line.endswith("True")}
    everything = asked(client, "nobody", limit=1000, variant="popular")
    assert set(ids(everything)) == available
    assert everything["shortfall"] == 1000 - len(available)


def test_categories_are_or_and_reach_below(client: Any, shop: Path) -> None:
    lines = (shop / "items.csv").read_text(encoding="utf-8").splitlines()[1:]
    category = {line.split(",")[0]: line.split(",")[2] for line in lines}
    broad = asked(client, "0001", category=["bakery", "dairy > dairy 2"], limit=20)
    found = {category[item] for item in ids(broad)}
    assert {name.split(" > ")[0] for name in found} == {"bakery", "dairy"}
    assert {name for name in found if name.startswith("dairy")} == {"dairy > dairy 2"}
    nothing = asked(client, "0001", category="baker", limit=5)
    assert (nothing["items"], nothing["shortfall"]) == ([], 5)


def test_excluded_items_leave_their_place_to_the_next(client: Any) -> None:
    whole = ids(asked(client, "0001", limit=13))
    without = asked(client, "0001", limit=10, exclude_items=[*whole[:3], "unknown"])
    assert ids(without) == whole[3:]
    assert without["shortfall"] == 0


@pytest.mark.parametrize("user_id", ["a/b", "/", "../..", "客户🛒", "x" * 256, " ", "%", "0001/"])
def test_any_id_is_somebody(client: Any, user_id: str) -> None:
    answer = asked(client, user_id, limit=2)
    assert answer["user_id"] == user_id
    assert answer["fallback"] == "popular"


@pytest.mark.parametrize("path", ["users/0001%0A", "recommendations/0001%0A", "users/0%0A1"])
def test_a_path_with_a_line_break_is_about_nobody(client: Any, path: str) -> None:
    response = client.get(f"/v1/{path}")
    assert response.status_code in (404, 422)
    assert response.json()["error"]["code"] in ("invalid_request", "not_found")


def test_a_known_id_that_needs_care_in_a_url(client: Any, strange: str) -> None:
    answer = asked(client, strange, variant="own_purchases")
    assert answer["fallback"] is None
    assert ids(answer)[0] == "00100"


def test_personal_answers_are_private(client: Any) -> None:
    for user_id in ("0001", "nobody"):
        headers = client.get(f"/v1/recommendations/{user_id}").headers
        assert headers["Cache-Control"] == "private, no-cache"
        assert re.fullmatch("[0-9a-f]{32}", headers["X-Request-Id"])


def test_threads_get_the_same_answers(client: Any) -> None:
    users = [f"{n:04d}" for n in range(0, 300, 60)] * 4
    alone = {user: asked(client, user, explain=True) for user in set(users)}

    def again(user: str) -> tuple[str, dict[str, Any]]:
        return user, asked(client, user, explain=True)

    with ThreadPoolExecutor(8) as pool:
        for user, answer in pool.map(again, users):
            for name in NEW_EACH_TIME:
                answer[name] = alone[user][name]
            assert answer == alone[user]
