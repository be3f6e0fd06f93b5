"""What a storefront sends: events, users, items, models, and who may."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from recsys.state import Exposure, Profile, StateStore
from service.app import create_app
from service.settings import Settings

Serve = Callable[..., AbstractContextManager[Any]]
KNOWN = "0001"


@pytest.fixture
def client(serve: Serve, own_shop: Path) -> Iterator[Any]:
    """A service over a copy of the shop, where anybody may do anything."""
    with serve(own_shop, open=True) as opened:
        yield opened


@pytest.fixture
def state(own_shop: Path) -> Iterator[StateStore]:
    opened = StateStore(f"sqlite:///{own_shop}/store/state.db")
    yield opened
    opened.close()


def listed(client: Any, user_id: str, **params: Any) -> dict[str, Any]:
    response = client.get(f"/v1/recommendations/{user_id}", params=params)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def send(client: Any, *events: Any) -> dict[str, Any]:
    response = client.request("POST", "/v1/events", json={"events": list(events)})
    assert response.status_code == 202, response.text
    receipt: dict[str, Any] = response.json()
    return receipt


def event(user_id: str, item_id: str, **others: Any) -> dict[str, Any]:
    return {"user_id": user_id, "item_id": item_id, "event": "purchase", **others}


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


class TestEvents:
    def test_the_next_answer_knows_of_an_event(self, client: Any) -> None:
        before = listed(client, "newly")
        assert before["fallback"] is not None
        bought = ids(before)[3]
        assert send(client, event("newly", bought)) == {
            "accepted": 1,
            "duplicates": 0,
            "rejected": [],
        }
        after = listed(client, "newly", explain=True, limit=100)
        assert after["fallback"] is None
        assert {item["item_id"]: item for item in after["items"]}[bought]["terms"]["habit"] > 0

    def test_an_event_counts_once(self, client: Any) -> None:
        one = event("u", "00100", event_id="e1", timestamp="2024-06-20T10:00:00Z")
        assert send(client, one)["accepted"] == 1
        again = send(client, one, one)
        assert (again["accepted"], again["duplicates"]) == (0, 2)

    def test_a_bad_event_stops_no_good_one(self, client: Any) -> None:
        receipt = send(client, {"user_id": "u"}, 7, event("u", "00100"))
        assert receipt["accepted"] == 1
        assert [(one["index"], one["code"]) for one in receipt["rejected"]] == [
            (0, "missing_item_id"),
            (1, "invalid_field"),
        ]
        assert all(one["message"] for one in receipt["rejected"])

    def test_an_event_of_tomorrow_has_not_happened(self, client: Any) -> None:
        receipt = send(client, event("u", "00100", timestamp="2999-01-01T00:00:00Z"))
        assert [one["code"] for one in receipt["rejected"]] == ["time_in_the_future"]

    @pytest.mark.parametrize("body", [{}, {"events": []}, {"events": [{}] * 501}, {"event": [1]}])
    def test_what_is_no_list_of_events(self, client: Any, body: dict[str, Any]) -> None:
        response = client.request("POST", "/v1/events", json=body)
        assert response.status_code == 422
        assert response.json()["error"]["code"] == "invalid_request"

    def test_memberships_follow_within_moments(self, client: Any, state: StateStore) -> None:
        send(client, event("late", "00100"))
        eventually(lambda: state.profiles.to_do(1) == {})
        assert state.profiles.of(["late"])["late"]
        segments = client.get("/v1/users/late/segments").json()["segments"]
        assert {one["axis"] for one in segments} == set(state.profiles.of(["late"])["late"])

    def test_memberships_by_another_model_are_not_hers(
        self, client: Any, state: StateStore
    ) -> None:
        before = client.get(f"/v1/users/{KNOWN}/segments").json()
        revision = state.pulse(KNOWN).revision
        state.profiles.put([Profile(KNOWN, revision, {})], model_version="another", as_of=0)
        assert client.get(f"/v1/users/{KNOWN}/segments").json() == before
        assert before["segments"]

    def test_many_requests_at_once(self, client: Any, state: StateStore) -> None:
        found: list[dict[str, Any]] = []

        def work(number: int) -> None:
            for part in range(5):
                rows = [event(f"w{number}", "00100", event_id=f"{part}-{i}") for i in range(20)]
                found.append(send(client, *rows))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(one["accepted"] for one in found) == 400
        assert len(state.events_of([f"w{number}" for number in range(4)])) == 400


class TestAsking:
    def test_a_body_asks_for_the_same(self, client: Any) -> None:
        body = {"user_id": KNOWN, "limit": 7}
        answer = client.request("POST", "/v1/recommendations", json=body).json()
        assert answer["items"] == listed(client, KNOWN, limit=7)["items"]

    def test_items_just_seen_change_the_list(self, client: Any) -> None:
        seen = ids(listed(client, KNOWN))[-2:]
        body = {"user_id": "nobody", "history": seen}
        answer = client.request("POST", "/v1/recommendations", json=body).json()
        assert answer["fallback"] is None
        assert answer["items"] != listed(client, "nobody")["items"]
        assert listed(client, "nobody")["fallback"] is not None

    def test_a_cart_is_completed_and_not_listed(self, client: Any) -> None:
        cart = ids(listed(client, KNOWN))[:2]
        body = {"user_id": KNOWN, "cart": cart}
        answer = client.request("POST", "/v1/recommendations", json=body).json()
        assert not set(cart) & set(ids(answer))

    def test_many_are_answered_each_by_itself(self, client: Any) -> None:
        asked = [{"user_id": KNOWN}, {"user_id": ""}, {"user_id": "x", "variant": "nope"}, 7]
        body = {"requests": asked[:3]}
        results = client.request("POST", "/v1/recommendations:batch", json=body).json()["results"]
        assert [one["status"] for one in results] == ["ok", "error", "error"]
        assert results[0]["answer"]["items"] == listed(client, KNOWN)["items"]
        assert [one["error"]["code"] for one in results[1:]] == ["invalid_request"] * 2

    def test_a_visitor_can_be_said_to_be_somebody(self, client: Any) -> None:
        (segment,) = (one for one in client.get("/v1/users/0001/segments").json()["segments"][:1])
        name = f"{segment['axis']}:{segment['name']}"
        answer = listed(client, "visitor", segment=name, explain=True)
        told = [(one["axis"], one["name"]) for one in answer["segments"]]
        assert (segment["axis"], segment["name"]) in told
        response = client.get("/v1/recommendations/visitor", params={"segment": "axis:none"})
        assert "there is no axis 'axis'" in response.json()["error"]["message"]

    def test_a_session_counts_before_it_is_linked(self, client: Any) -> None:
        send(client, event("stranger", "00100", session_id="s1"))
        answer = listed(client, "visitor", session_id="s1")
        assert answer["fallback"] is None
        assert listed(client, "visitor")["fallback"] is not None

    def test_an_answer_that_has_not_changed_need_not_be_sent(self, client: Any) -> None:
        path = f"/v1/recommendations/{KNOWN}"
        tag = client.get(path).headers["ETag"]
        again = client.request("GET", path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == "private, no-cache"
        send(client, event(KNOWN, ids(listed(client, KNOWN))[-1]))
        assert client.request("GET", path, headers={"If-None-Match": tag}).status_code == 200

    def test_what_was_served_is_kept(self, client: Any, state: StateStore) -> None:
        body = {"user_id": KNOWN, "explain": True, "context": {"page": "start", "place": 2}}
        answer = client.request("POST", "/v1/recommendations", json=body).json()

        def found() -> list[Exposure]:
            name = answer["recommendation_id"]
            return [one for one in state.exposures.of(KNOWN) if one.recommendation_id == name]

        eventually(lambda: bool(found()))
        (kept,) = found()
        assert kept.items == ids(answer)
        assert kept.propensities == [1.0] * 10
        assert kept.context == body["context"]
        assert (kept.digest, kept.model_version) == (
            answer["variant"]["digest"],
            answer["model_version"],
        )
        told = {(one["axis"], one["name"]): one["weight"] for one in answer["segments"]}
        assert told == {
            (axis, name): weight
            for axis, weights in kept.segments.items()
            for name, weight in weights.items()
        }


class TestUsers:
    def test_consent_to_segments_alone(self, client: Any) -> None:
        full = listed(client, KNOWN, explain=True)
        path = f"/v1/users/{KNOWN}"
        told = client.request("PUT", path, json={"consent": "segment_only"}).json()
        assert told["consent"] == "segment_only"
        found = listed(client, KNOWN, explain=True)
        assert found["fallback"] is not None
        own = ("habit", "neighbours", "taste")
        assert all(not item["terms"].get(name) for item in found["items"] for name in own)
        assert found["segments"] == full["segments"]
        client.request("PUT", path, json={"consent": "full"})
        assert listed(client, KNOWN, explain=True)["items"] == full["items"]

    def test_no_consent(self, client: Any, state: StateStore) -> None:
        before = state.exposures.of(KNOWN)
        client.request("PUT", f"/v1/users/{KNOWN}", json={"consent": "none"})
        answer = listed(client, KNOWN, explain=True)
        assert answer["fallback"] == "popular"
        assert answer["segments"] == []
        receipt = send(client, event(KNOWN, "00100"))
        assert [one["code"] for one in receipt["rejected"]] == ["not_kept"]
        time.sleep(0.3)
        assert state.exposures.of(KNOWN) == before

    def test_attributes_are_told_and_shown(self, client: Any) -> None:
        path = "/v1/users/fresh"
        assert client.get(path).json() == {
            "user_id": "fresh",
            "known": False,
            "attributes": {},
            "consent": "full",
        }
        body = {"attributes": {"age": "60+", "city": "Ürik"}}
        assert client.request("PUT", path, json=body).status_code == 200
        assert client.get(path).json()["attributes"] == body["attributes"]

    def test_a_visitor_becomes_a_user(self, client: Any) -> None:
        send(client, event("visitor", "00100"))
        response = client.request("POST", "/v1/users/known:link", json={"visitor_id": "visitor"})
        assert response.json() == {"moved": 1}
        assert listed(client, "known")["fallback"] is None
        assert client.request("POST", "/v1/users/known:link", json={}).status_code == 422

    def test_an_erased_user_is_gone(self, client: Any) -> None:
        name = "somebody-to-forget"
        send(client, event(name, "00100"))
        listed(client, name)
        receipt = client.request("DELETE", f"/v1/users/{name}").json()
        assert receipt["rows"]["events"] == 1
        assert len(receipt["digest"]) == 64
        assert listed(client, name)["fallback"] is not None
        rejected = send(client, event(name, "00100"))["rejected"]
        assert [one["code"] for one in rejected] == ["not_kept"]
        assert client.get(f"/v1/users/{name}").json()["known"] is False


class TestItems:
    def test_what_is_sold_out_is_not_listed(self, client: Any) -> None:
        first = ids(listed(client, KNOWN))[0]
        client.request("PUT", f"/v1/items/{first}", json={"available": False})
        assert first not in ids(listed(client, KNOWN, limit=1000))
        client.request("PUT", f"/v1/items/{first}", json={"available": True})
        assert ids(listed(client, KNOWN))[0] == first

    def test_a_price_does_not_bring_back_what_is_sold_out(self, client: Any) -> None:
        first = ids(listed(client, KNOWN))[0]
        client.request("PUT", f"/v1/items/{first}", json={"available": False})
        client.request("PUT", f"/v1/items/{first}", json={"price": 2.0})
        assert first not in ids(listed(client, KNOWN, limit=1000))

    def test_a_new_item_is_in_force_with_the_next_answer(self, client: Any) -> None:
        category = "household > household 1"
        fields = {"title": "Fresh", "category": category}
        client.request("PUT", "/v1/items/brand-new", json=fields)
        answer = listed(client, KNOWN, category=category, limit=1000)
        assert "brand-new" in ids(answer)
        assert answer["shortfall"] > 0
        # What is done with it counts as with any other.
        send(client, event("0002", "brand-new"))
        assert "brand-new" in ids(listed(client, "0002", variant="own_purchases"))
        for what in ("similar", "bought-together"):
            response = client.get(f"/v1/items/brand-new/{what}")
            assert (response.status_code, "brand-new" in ids(response.json())) == (200, False)
        client.request("PUT", "/v1/items/brand-new", json={"available": False})
        assert "brand-new" not in ids(listed(client, KNOWN, category=category, limit=1000))

    def test_many_items_each_by_itself(self, client: Any) -> None:
        items = [{"item_id": "00100", "price": 2.5}, {"item_id": ""}, {"price": 1}, {"item_id": 7}]
        answer = client.request("POST", "/v1/items:batch", json={"items": items}).json()
        assert answer["accepted"] == 1
        assert [one["index"] for one in answer["rejected"]] == [1, 2, 3]

    @pytest.mark.parametrize("what", ["similar", "bought-together"])
    def test_what_goes_with_an_item(self, client: Any, what: str) -> None:
        item = ids(listed(client, KNOWN))[0]
        response = client.get(f"/v1/items/{item}/{what}", params={"limit": 5})
        answer = response.json()
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert item not in ids(answer)
        assert len(answer["items"]) + answer["shortfall"] == 5
        excluded = ids(answer)[:1]
        fewer = client.get(f"/v1/items/{item}/{what}", params={"exclude_items": excluded}).json()
        assert not set(excluded) & set(ids(fewer))
        assert client.get(f"/v1/items/nothing/{what}").status_code == 404

    def test_what_is_trending(self, client: Any) -> None:
        answer = client.get("/v1/trending", params={"limit": 3}).json()
        assert len(answer["items"]) + answer["shortfall"] == 3
        segment = client.get("/v1/users/0001/segments").json()["segments"][0]
        name = f"{segment['axis']}:{segment['name']}"
        assert client.get("/v1/trending", params={"segment": name}).status_code == 200


class TestSegments:
    def test_every_axis_is_told(self, client: Any) -> None:
        axes = client.get("/v1/segments").json()["axes"]
        assert axes
        for axis in axes:
            assert sum(one["share"] for one in axis["segments"]) <= 1.0 + 1e-9
            assert all(one["definition"] for one in axis["segments"])
            assert set(axis["weights"]) == {"segment_aware"}
            alone = client.get(f"/v1/segments/{axis['axis']}").json()
            for one in alone["segments"]:
                lifts = [item["lift"] for item in one.pop("prefers")]
                assert lifts == sorted(lifts, reverse=True)
                assert all(lift > 1.0 for lift in lifts)
            told = [{**one, "prefers": None} for one in alone["segments"]]
            assert {**alone, "segments": told} == axis

    def test_an_axis_that_is_not_there(self, client: Any) -> None:
        response = client.get("/v1/segments/nothing")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


class TestModels:
    def test_versions_are_listed_and_activated(self, client: Any) -> None:
        (model,) = client.get("/v1/models").json()["models"]
        assert (model["active"], model["served"]) == (True, True)
        path = f"/v1/models/{model['version']}:activate"
        assert client.request("POST", path).json()["served"] is True
        response = client.request("POST", "/v1/models/nothing:activate")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")

    def test_a_broken_model_leaves_the_old_one_serving(self, client: Any, own_shop: Path) -> None:
        version = listed(client, KNOWN)["model_version"]
        broken = own_shop / "store" / "bundles" / "20990101-broken"
        shutil.copytree(own_shop / "store" / "bundles" / version, broken)
        (own_shop / "store" / "active.json").write_text('{"current": "20990101-broken"}')
        ready = lambda: client.get("/v1/health/ready").json()  # noqa: E731
        eventually(lambda: ready()["status"] == "degraded")
        assert "20990101-broken" in ready()["reason"]
        assert listed(client, KNOWN)["model_version"] == version
        (own_shop / "store" / "active.json").write_text(f'{{"current": "{version}"}}')
        eventually(lambda: ready()["status"] == "ok")


class TestKeys:
    def test_scopes(self, serve: Serve, own_shop: Path, state: StateStore) -> None:
        keys = {scope: state.keys.create(scope, scope, now=0) for scope in ("read", "write")}
        with serve(own_shop) as client:

            def status(method: str, path: str, key: str | None, **more: Any) -> int:
                headers = {} if key is None else {"X-API-Key": key}
                answer = client.request(method, path, headers=headers, **more)
                return int(answer.status_code)

            body = {"json": {"events": [event("u", "00100")]}}
            assert status("GET", f"/v1/recommendations/{KNOWN}", None) == 200
            for path in (f"/v1/users/{KNOWN}", f"/v1/users/{KNOWN}/segments"):
                # What is known of a user is no list.
                assert status("GET", path, None) == 401
                assert status("GET", path, keys["read"]) == 200
            assert status("POST", "/v1/events", None, **body) == 401
            assert status("POST", "/v1/events", "rk_wrong", **body) == 401
            assert status("POST", "/v1/events", keys["read"], **body) == 403
            assert status("POST", "/v1/events", keys["write"], **body) == 202
            assert status("DELETE", "/v1/users/u", keys["write"]) == 403
            bearer = {"Authorization": f"Bearer {keys['write']}"}
            assert client.request("POST", "/v1/events", headers=bearer, **body).status_code == 202
            state.keys.revoke("write")
            eventually(lambda: status("POST", "/v1/events", keys["write"], **body) == 401)

    def test_reading_can_be_closed(self, serve: Serve, own_shop: Path) -> None:
        with (own_shop / "recsys.toml").open("a", encoding="utf-8") as config:
            config.write("[service]\nanonymous_reads = false\n")
        with serve(own_shop) as client:
            response = client.get(f"/v1/recommendations/{KNOWN}")
            assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert client.get("/v1/health/live").status_code == 200

    def test_a_holder_may_ask_only_so_often(
        self, serve: Serve, own_shop: Path, state: StateStore
    ) -> None:
        with (own_shop / "recsys.toml").open("a", encoding="utf-8") as config:
            config.write("[service]\nrequests_per_second = 2\n")
        headers = {"X-API-Key": state.keys.create("shop", "read", now=0)}
        with serve(own_shop) as client:
            answers = [
                client.request("GET", f"/v1/recommendations/{KNOWN}", headers=headers)
                for _ in range(12)
            ]
        refused = [one for one in answers if one.status_code == 429]
        assert refused
        assert refused[0].headers["Retry-After"] == "1"


def test_a_body_has_its_limit(client: Any) -> None:
    response = client.request("POST", "/v1/events", content=b"x" * 3_000_000)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


def test_what_is_counted(client: Any) -> None:
    listed(client, KNOWN)
    send(client, event("u", "00100"), {})
    text = client.get("/metrics").text
    assert (
        'recsys_lists_total{degraded="no",fallback="",short="no",variant="segment_aware"} 1.0'
        in text
    )
    assert 'recsys_events_total{outcome="rejected"} 1.0' in text
    assert 'route="/v1/recommendations/{user_id:path}"' in text
    assert f'{KNOWN}"' not in text


def test_every_answer_has_its_headers(client: Any) -> None:
    for path in (f"/v1/recommendations/{KNOWN}", "/v1/nothing", "/v1/health/live"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert len(headers["X-Request-Id"]) == 32
    assert client.get("/v1/segments").headers["Cache-Control"] == "no-store"


def test_events_taken_in_are_there_after_a_stop(serve: Serve, own_shop: Path) -> None:
    with serve(own_shop, open=True) as client:
        send(client, event("stays", "00100"))
        listed(client, "stays")
    state = StateStore(f"sqlite:///{own_shop}/store/state.db")
    assert len(state.events_of(["stays"])) == 1
    assert len(state.exposures.of("stays")) == 1
    state.close()


def test_the_application_is_made_without_a_shop() -> None:
    assert create_app(Settings(config_path="nowhere.toml")).title == "recsys"
