"""``/v1/experiments``: from the plan to the analysis, and what customers get meanwhile."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys.config import load_config
from recsys.experiments import Enrolment
from recsys.experiments.running import opened
from recsys.pipelines.estimate import estimate
from recsys.state import StateStore

PLAN = {
    "name": "home",
    "hypothesis": "Segments help those who have bought little.",
    "control": "no_segments",
    "treatments": ["popular"],
    "primary": "conversion",
    "guardrails": [{"metric": "revenue", "margin": 0.05}],
    "planned_users": 100,
}
USERS = [f"visitor-{number}" for number in range(60)]


@pytest.fixture
def client(own_shop: Path, serve: Any) -> Iterator[Any]:
    """A service where anybody may do anything."""
    with (own_shop / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write("\n[experiments]\nshadow = 1.0\n")
    with serve(own_shop, open=True) as client:
        yield client


def post(client: Any, path: str, **body: Any) -> dict[str, Any]:
    response = client.request("POST", f"/v1/experiments{path}", json=body or None)
    assert response.status_code < 300, response.text
    answer: dict[str, Any] = response.json()
    return answer


def listed(client: Any, user_id: str, **query: Any) -> dict[str, Any]:
    response = client.get(f"/v1/recommendations/{user_id}", params=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.fixture
def running(client: Any) -> Any:
    post(client, "", **PLAN)
    post(client, "/home:start")
    return client


def exposures_of(folder: Path, n: int) -> list[Any]:
    state = StateStore(load_config(folder / "recsys.toml").state.url)
    until = time.monotonic() + 30
    found: list[Any] = []
    while len(found) < n and time.monotonic() < until:
        found = [one for part in state.exposures.of_experiment("home") for one in part]
        time.sleep(0.05)
    state.close()
    return found


class TestLife:
    def test_a_draft_changes_nothing(self, client: Any) -> None:
        made = post(client, "", **PLAN)
        assert (made["status"], made["started_at"], made["trouble"]) == ("draft", None, None)
        assert [arm["share"] for arm in made["arms"]] == [0.5, 0.5]
        assert listed(client, "visitor-1")["experiment"] is None

    def test_once_started_everybody_has_one_variant_at_once(self, running: Any) -> None:
        answers = {user: listed(running, user) for user in USERS}
        given = Counter(answer["experiment"]["variant"] for answer in answers.values())
        assert set(given) == {"no_segments", "popular"}
        assert min(given.values()) > 12
        for user, answer in answers.items():
            assert answer["experiment"]["id"] == "home"
            assert answer["variant"]["name"] == answer["experiment"]["variant"]
            assert listed(running, user)["experiment"] == answer["experiment"]

    def test_stopped_it_gives_nothing(self, running: Any) -> None:
        ended = post(running, "/home:stop")
        assert ended["status"] == "stopped"
        assert listed(running, "visitor-1")["experiment"] is None
        again = running.request("POST", "/v1/experiments/home:start")
        assert again.status_code == 422
        assert "create another" in again.json()["error"]["message"]

    def test_a_ramp_adds_users_and_moves_none(self, client: Any) -> None:
        post(client, "", **PLAN, coverage=0.3)
        post(client, "/home:start")
        before = {user: listed(client, user)["experiment"] for user in USERS}
        post(client, "/home:ramp", coverage=1.0)
        after = {user: listed(client, user)["experiment"] for user in USERS}
        assert 5 < sum(one is not None for one in before.values()) < 40
        assert all(after.values())
        assert all(after[user] == one for user, one in before.items() if one)

    def test_all_of_them_are_listed(self, running: Any) -> None:
        found = running.get("/v1/experiments").json()["experiments"]
        assert [(one["name"], one["status"]) for one in found] == [("home", "running")]
        one = running.get("/v1/experiments/home").json()
        assert one == found[0]
        assert one["plan"]["hypothesis"] == PLAN["hypothesis"]


class TestWhoTakesPart:
    def test_who_asks_for_a_variant_does_not(self, running: Any) -> None:
        answer = listed(running, "visitor-1", variant="popular")
        assert (answer["experiment"], answer["variant"]["name"]) == (None, "popular")

    def test_who_agreed_to_nothing_does_not(self, running: Any) -> None:
        running.request("PUT", "/v1/users/0001", json={"consent": "none"})
        assert listed(running, "0001")["experiment"] is None

    def test_an_audience(self, client: Any) -> None:
        post(client, "", **PLAN, audience={"age": ["60+"]})
        post(client, "/home:start")
        assert listed(client, "visitor-1")["experiment"] is None
        assert listed(client, "visitor-1", segment="age:60+")["experiment"]["id"] == "home"

    def test_sessions(self, client: Any) -> None:
        post(client, "", **PLAN, unit="session")
        post(client, "/home:start")
        assert listed(client, "visitor-1")["experiment"] is None
        given = [listed(client, user, session_id="s1")["experiment"] for user in USERS[:9]]
        assert given[0] is not None
        assert all(one == given[0] for one in given)

    def test_every_process_says_the_same(self, running: Any, own_shop: Path, serve: Any) -> None:
        with serve(own_shop, open=True) as other:
            for user in USERS[:20]:
                assert listed(other, user)["experiment"] == listed(running, user)["experiment"]
        state = StateStore(load_config(own_shop / "recsys.toml").state.url)
        enrolment = Enrolment(opened(state.experiments.of("home")))
        state.close()
        found = enrolment.of("visitor-3", {})
        assert found is not None
        assert listed(running, "visitor-3")["experiment"]["variant"] == found.arm.variant


class TestRecords:
    def test_lists_are_kept_with_what_the_other_variant_would_have_shown(
        self, running: Any, own_shop: Path
    ) -> None:
        answers = {
            answer["recommendation_id"]: answer
            for user in ("0001", "0002", "0003", "visitor-1")
            for answer in [listed(running, user)]
        }
        assert {answer["experiment"]["id"] for answer in answers.values()} == {"home"}
        found = exposures_of(own_shop, len(answers))
        assert {one.recommendation_id for one in found} == set(answers)
        for one in found:
            answer = answers[one.recommendation_id]
            assert (one.experiment, one.variant) == ("home", answer["variant"]["name"])
            other = {"popular": "no_segments", "no_segments": "popular"}[one.variant]
            shown = [item["item_id"] for item in answer["items"]]
            theirs = [i["item_id"] for i in listed(running, one.user_id, variant=other)["items"]]
            # Of those that are kept together one is looked at.
            assert one.differs in (None, shown != theirs)
        assert any(one.differs is not None for one in found)


class TestInterleaving:
    PLAN = {**PLAN, "kind": "interleaving", "primary": "ctr", "guardrails": []}

    @pytest.fixture
    def interleaving(self, client: Any) -> Any:
        post(client, "", **self.PLAN)
        post(client, "/home:start")
        return client

    def test_a_list_holds_the_best_of_both(self, interleaving: Any, own_shop: Path) -> None:
        answers = {user: listed(interleaving, user, explain=True) for user in ("0001", "0002")}
        found = {one.user_id: one for one in exposures_of(own_shop, len(answers))}
        for user, answer in answers.items():
            assert answer["experiment"] == {"id": "home", "variant": "interleaved"}
            assert answer["variant"]["name"] == "no_segments"
            shown = [item["item_id"] for item in answer["items"]]
            assert len(set(shown)) == len(shown) == 10
            sides = dict(zip(shown, found[user].sides, strict=True))
            for side, variant in (("control", "no_segments"), ("treatment", "popular")):
                theirs = listed(interleaving, user, variant=variant, limit=50)["items"]
                order = [item["item_id"] for item in theirs]
                picks = [order.index(item) for item in shown if sides[item] == side]
                assert len(picks) == 5
                assert picks == sorted(picks)
                scores = {item["item_id"]: item["score"] for item in theirs}
                for item in answer["items"]:
                    if sides[item["item_id"]] == side:
                        assert item["score"] == scores[item["item_id"]]
                        assert sum(item["terms"].values()) == pytest.approx(item["score"])
                        assert item["reasons"]

    def test_it_says_whose_items_customers_turn_to(self, interleaving: Any, own_shop: Path) -> None:
        answers = {user: listed(interleaving, user) for user in USERS[:30]}
        sides = {one.recommendation_id: one.sides for one in exposures_of(own_shop, len(answers))}
        clicks = [
            {
                "user_id": user,
                "event": "click",
                "recommendation_id": answer["recommendation_id"],
                "timestamp": "2024-07-02T10:00:00Z",
                "item_id": answer["items"][sides[answer["recommendation_id"]].index("treatment")][
                    "item_id"
                ],
            }
            for user, answer in answers.items()
        ]
        sent = interleaving.request("POST", "/v1/events", json={"events": clicks}).json()
        assert sent["accepted"] == len(clicks)
        post(interleaving, "/home:stop")
        found = interleaving.get("/v1/experiments/home/analysis").json()
        assert (found["users"], found["lists"]) == (30, 30)
        assert found["preference"]["mean"] == 1.0
        assert found["votes_of_lists"]["win_rate"] == 1.0

    def test_only_what_is_done_with_lists_can_prefer_them(self, client: Any) -> None:
        plan = {**self.PLAN, "primary": "revenue"}
        response = client.request("POST", "/v1/experiments", json=plan)
        assert response.status_code == 422
        assert "does not count what is done with items" in response.json()["error"]["message"]


class TestAnalysis:
    def test_it_follows_what_customers_do(self, running: Any, own_shop: Path) -> None:
        events = []
        for user in USERS:
            answer = listed(running, user)
            events.append(
                {
                    "user_id": user,
                    "item_id": answer["items"][0]["item_id"],
                    "event": "click",
                    "recommendation_id": answer["recommendation_id"],
                    "timestamp": "2024-07-02T10:00:00Z",
                }
            )
        sent = running.request("POST", "/v1/events", json={"events": events[:40]}).json()
        assert sent["accepted"] == 40
        exposures_of(own_shop, len(USERS))
        found = running.get("/v1/experiments/home/analysis").json()
        assert found["users"] == len(USERS)
        assert found["verdict"]["answer"] == "keep running"
        assert found["verdict"]["further_users"] == 40
        assert found["sample_ratios"][0]["users"][0] + found["sample_ratios"][0]["users"][1] == 60
        (ctr,) = [one for one in found["other_metrics"] if one["metric"] == "ctr"]
        (latency,) = [one for one in found["other_metrics"] if one["metric"] == "latency"]
        assert 0 < latency["control"]["mean"] < 10_000
        total = sum(ctr[side]["mean"] * ctr[side]["users"] for side in ("control", "treatment"))
        assert total == pytest.approx(40)

    def test_before_anybody_was_served(self, running: Any) -> None:
        response = running.get("/v1/experiments/home/analysis")
        assert response.status_code == 422
        assert "nobody has been served" in response.json()["error"]["message"]


class TestNeverShown:
    LOTTERY = """
[variants.lottery]
like = "popular"
[variants.lottery.exploration]
kind = "swaps"
chance = 0.5
depth = 4
"""

    def test_lists_drawn_by_lot_tell_of_others(self, own_shop: Path, serve: Any) -> None:
        path = own_shop / "recsys.toml"
        with path.open("a", encoding="utf-8") as config:
            config.write(self.LOTTERY)
        with serve(own_shop, open=True) as client:
            answers = [
                listed(client, user, variant="lottery", limit=3) for user in USERS for _ in range(8)
            ]
            filtered = listed(client, "0001", variant="lottery", exclude_items=["00100"], limit=3)
            first = {answer["items"][0]["item_id"] for answer in answers}
            clicks = [
                {
                    "user_id": answer["user_id"],
                    "event": "click",
                    "item_id": answer["items"][0]["item_id"],
                    "recommendation_id": answer["recommendation_id"],
                    "timestamp": "2024-07-02T10:00:00Z",
                }
                for answer in answers[::2]
            ]
            sent = client.request("POST", "/v1/events", json={"events": clicks}).json()
            assert sent["accepted"] == len(clicks)
        assert len(first) > 2
        found = estimate(load_config(path), "popular", "lottery")
        # What was asked for with a filter cannot have come about as it was logged.
        assert found.left_out <= 1
        assert found.found.lists == len(answers) + 1 - found.left_out
        assert found.found.logged.mean == pytest.approx(0.5, abs=0.01)
        # Every first item is turned to as often: what stands there makes no difference.
        told = found.found.difference
        assert told is not None
        assert told.low < 0 < told.high
        assert found.found.identified.mean_weight == pytest.approx(1, abs=0.1)
        with_state = StateStore(load_config(path).state.url)
        (kept,) = with_state.ledger.all()
        with_state.close()
        assert (kept.kind, kept.control, kept.variant) == ("off_policy", "lottery", "popular")
        assert filtered["items"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ({"control": "nosuch"}, "no variant 'nosuch'"),
            ({"primary": "konversion"}, "no metric 'konversion'; did you mean 'conversion'"),
            ({"audience": {"age": ["17"]}}, "no segment '17'"),
            ({"name": "Home page"}, "pattern"),
            ({"winner": "popular"}, "Extra inputs"),
        ],
    )
    def test_a_plan_that_cannot_be_meant(
        self, client: Any, said: dict[str, Any], message: str
    ) -> None:
        response = client.request("POST", "/v1/experiments", json={**PLAN, **said})
        assert response.status_code == 422
        assert message in response.json()["error"]["message"]

    def test_a_name_twice(self, running: Any) -> None:
        response = running.request("POST", "/v1/experiments", json=PLAN)
        assert response.status_code == 422
        assert "already" in response.json()["error"]["message"]

    def test_one_that_is_not_there(self, client: Any) -> None:
        for method, path in (("GET", ""), ("POST", ":start"), ("GET", "/analysis")):
            response = client.request(method, f"/v1/experiments/none{path}")
            assert response.status_code == 404, path
            assert response.json()["error"]["code"] == "not_found"

    def test_only_an_admin_may(self, own_shop: Path, serve: Any) -> None:
        with serve(own_shop) as closed:
            assert closed.request("POST", "/v1/experiments", json=PLAN).status_code == 401

    @pytest.mark.usefixtures("running")
    def test_a_recipe_that_has_changed(self, own_shop: Path, serve: Any) -> None:
        with (own_shop / "recsys.toml").open("a", encoding="utf-8") as config:
            config.write('\n[variants.popular]\nlike = "own_purchases"\n')
        with serve(own_shop, open=True) as other:
            assert listed(other, "visitor-1")["experiment"] is None
            found = other.get("/v1/experiments/home").json()
            assert found["trouble"] == "the recipe of popular is not the one that was written down"
