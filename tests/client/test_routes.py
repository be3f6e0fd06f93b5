"""The client against the service: every route, every field, over a real socket."""

import json
import re
import subprocess
import sys
import threading
import types
from inspect import signature
from typing import (
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.client import Client, RefusedError, messages
from recsys.client.client import MOST_EVENTS, MOST_ITEMS, MOST_REQUESTS
from recsys.events.schema import EVENT_FIELDS, LONGEST_ID
from service.app import create_app
from service.settings import Settings

DOCUMENT: Any = create_app(Settings(config_path="recsys.toml")).openapi()
SCHEMAS: Any = DOCUMENT["components"]["schemas"]
USER, ITEM = "0001", "00100"
EVENT: Any = {"user_id": "u1", "item_id": ITEM, "event": "view"}

SERVED = "the version that is served"


class Route(NamedTuple):
    """A route, the method of the client that asks it, and with what."""

    method: str
    path: str
    name: str
    given: dict[str, Any]


EXPERIMENT = {
    "name": "e1",
    "hypothesis": "none",
    "control": "segment_aware",
    "treatments": ["popular"],
    "primary": "conversion",
    "coverage": 0.5,
}
ROUTES = [
    Route("POST", "/v1/experiments", "create_experiment", {"plan": EXPERIMENT}),
    Route("POST", "/v1/experiments/{name}:start", "start_experiment", {"name": "e1"}),
    Route(
        "POST", "/v1/experiments/{name}:ramp", "ramp_experiment", {"name": "e1", "coverage": 1.0}
    ),
    Route("GET", "/v1/recommendations/{user_id}", "recommend", {"user_id": USER}),
    Route("POST", "/v1/recommendations", "recommend", {"user_id": USER, "cart": [ITEM]}),
    Route(
        "POST",
        "/v1/recommendations:batch",
        "recommend_batch",
        {"requests": [{"user_id": USER}]},
    ),
    Route("GET", "/v1/items/{item_id}/similar", "similar", {"item_id": ITEM}),
    Route("GET", "/v1/items/{item_id}/bought-together", "bought_together", {"item_id": ITEM}),
    Route("GET", "/v1/trending", "trending", {}),
    Route("POST", "/v1/events", "send_events", {"events": [EVENT]}),
    Route("PUT", "/v1/items/{item_id}", "put_item", {"item_id": ITEM, "fields": {"price": 2.5}}),
    Route("POST", "/v1/items:batch", "put_items", {"items": [{"item_id": ITEM}]}),
    Route("GET", "/v1/users/{user_id}", "user", {"user_id": USER}),
    Route("PUT", "/v1/users/{user_id}", "put_user", {"user_id": "u1", "consent": "full"}),
    Route("DELETE", "/v1/users/{user_id}", "erase_user", {"user_id": "u2"}),
    Route("GET", "/v1/users/{user_id}/segments", "user_segments", {"user_id": USER}),
    Route("POST", "/v1/users/{user_id}:link", "link", {"user_id": "u1", "visitor_id": "v1"}),
    Route("GET", "/v1/segments", "segments", {}),
    Route("GET", "/v1/segments/{name}", "axis", {"name": "lifecycle"}),
    Route("GET", "/v1/models", "models", {}),
    Route("POST", "/v1/models/{version}:activate", "activate", {"version": SERVED}),
    Route("GET", "/v1/experiments", "experiments", {}),
    Route("GET", "/v1/experiments/{name}", "experiment", {"name": "e1"}),
    Route("GET", "/v1/experiments/{name}/analysis", "experiment_analysis", {"name": "e1"}),
    Route("POST", "/v1/experiments/{name}:stop", "stop_experiment", {"name": "e1"}),
    Route("GET", "/v1/health/live", "live", {}),
    Route("GET", "/v1/health/ready", "ready", {}),
    Route("GET", "/metrics", "metrics", {}),
]
PLACES = [f"{route.method} {route.path}" for route in ROUTES]


@pytest.fixture(scope="module")
def version(client: Client) -> str:
    (model,) = client.models()["models"]
    return model["version"]


def counted(client: Client) -> dict[tuple[str, str], float]:
    """How often each route was answered well, as the service counts."""
    line = r'recsys_requests_total\{method="(\w+)",route="([^"]+)",status="2\d\d"\} (\S+)'
    found = re.findall(line, client.metrics())
    return {(method, route.replace(":path}", "}")): float(n) for method, route, n in found}


def test_every_route_has_a_method_and_every_method_a_route() -> None:
    known = [f"{m.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for m in methods]
    assert sorted(PLACES) == sorted(known)
    public = {name for name in vars(Client) if not name.startswith("_")}
    assert {route.name for route in ROUTES} == public - {"close"}


@pytest.mark.parametrize("route", ROUTES, ids=PLACES)
def test_every_route_is_asked(client: Client, version: str, route: Route) -> None:
    place = (route.method, route.path)
    before = counted(client).get(place, 0.0)
    given = {name: version if one is SERVED else one for name, one in route.given.items()}
    assert getattr(client, route.name)(**given)
    assert counted(client)[place] > before


PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def schema_of(hint: Any) -> Any:
    """Return what the document should say of a type."""
    kind, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if kind in (Required, NotRequired):
        return schema_of(parts[0])
    if kind is list:
        return {"type": "array", "items": schema_of(parts[0])}
    if kind is dict:
        return {"type": "object", "additionalProperties": schema_of(parts[1]) or True}
    if kind is Literal:
        return {"type": "string", "enum": list(parts)}
    if kind in (Union, types.UnionType):
        return {"anyOf": [schema_of(part) for part in parts]}
    return {"$ref": f"#/components/schemas/{hint.__name__}"}


def bare(schema: Any) -> Any:
    """Leave of a schema what a type says: neither words nor bounds."""
    if isinstance(schema, list):
        return [bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = ("type", "items", "additionalProperties", "enum", "anyOf", "$ref")
    return {name: bare(schema[name]) for name in told if name in schema}


def fields(hint: Any) -> dict[str, Any]:
    return {name: schema_of(of) for name, of in get_type_hints(hint, include_extras=True).items()}


ANSWERS = [
    name
    for name, found in vars(messages).items()
    if isinstance(found, type) and found.__module__ == messages.__name__ and name in SCHEMAS
]


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_answered_is_as_the_document_says(name: str) -> None:
    hint, schema = getattr(messages, name), SCHEMAS[name]
    assert fields(hint) == {key: bare(value) for key, value in schema["properties"].items()}
    assert hint.__required_keys__ == set(schema["required"])


@pytest.mark.parametrize("route", ROUTES, ids=PLACES)
def test_every_method_returns_what_its_route_answers(route: Route) -> None:
    responses = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    (success,) = (code for code in responses if code.startswith("2"))
    returned = get_type_hints(getattr(Client, route.name))["return"]
    content = responses[success].get("content", {})
    told = content["application/json"]["schema"] if content else {"type": "string"}
    assert schema_of(returned) == bare(told)


@pytest.mark.parametrize(("name", "body"), [("put_user", "UserRequest"), ("link", "LinkRequest")])
def test_what_is_told_of_a_user_is_as_the_document_says(name: str, body: str) -> None:
    given = set(signature(getattr(Client, name)).parameters) - {"self", "user_id"}
    assert given == set(SCHEMAS[body]["properties"])


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/items/{item_id}/similar", messages.RelatedQuery),
        ("/v1/items/{item_id}/bought-together", messages.RelatedQuery),
        ("/v1/trending", messages.TrendingQuery),
        ("/v1/recommendations/{user_id}", messages.RecommendationOptions),
    ],
)
def test_what_follows_the_question_mark_is_as_the_document_says(path: str, hint: Any) -> None:
    parameters = DOCUMENT["paths"][path]["get"]["parameters"]
    told = {one["name"]: bare(one["schema"]) for one in parameters if one["in"] == "query"}
    only_in_a_body = {"history", "cart", "context"}
    known = {name: of for name, of in fields(hint).items() if name not in only_in_a_body}
    assert told == known


def test_an_event_has_the_fields_of_a_files() -> None:
    assert list(get_type_hints(messages.Event)) == [field.name for field in EVENT_FIELDS]


def test_as_many_go_at_once_as_the_document_allows() -> None:
    most = {
        ("EventsRequest", "events"): MOST_EVENTS,
        ("ItemsRequest", "items"): MOST_ITEMS,
        ("BatchRequest", "requests"): MOST_REQUESTS,
    }
    for (name, key), number in most.items():
        assert SCHEMAS[name]["properties"][key]["maxItems"] == number


# A path with a line's end leads nowhere: the framework's pattern of a path has none.
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\x00\n")
AWKWARD = st.sampled_from([".", "..", "a/b", "%2F", "a?b#c", "u:link", " ", "+", "a//b/"])
IDS = AWKWARD | st.text(CHARACTERS, min_size=1, max_size=LONGEST_ID)


class TestOverASocket:
    @settings(max_examples=50, deadline=None)
    @given(user_id=IDS)
    def test_any_id_can_be_asked_about(self, client: Client, user_id: str) -> None:
        assert client.user(user_id)["user_id"] == user_id

    def test_a_list_is_the_same_by_both_roads(self, client: Client) -> None:
        plain = client.recommend(USER, limit=7, explain=True, variant=None)
        by_body = client.recommend(USER, limit=7, explain=True, history=[])
        assert plain["items"] == by_body["items"]
        assert len(plain["items"]) == 7

    def test_many_requests_go_in_parts(self, client: Client) -> None:
        asked: list[Any] = [{"user_id": f"u{n}", "limit": 1} for n in range(MOST_REQUESTS + 2)]
        asked[-1]["variant"] = "nope"
        results = client.recommend_batch(asked)["results"]
        assert [one["index"] for one in results] == list(range(len(asked)))
        assert [one["status"] for one in results] == ["ok"] * (len(asked) - 1) + ["error"]

    def test_many_items_go_in_parts(self, client: Client) -> None:
        items: list[Any] = [{"item_id": ITEM, "price": 2.5}] * MOST_ITEMS + [{"price": 1}]
        answer = client.put_items(items)
        assert answer["accepted"] == MOST_ITEMS
        assert [one["index"] for one in answer["rejected"]] == [MOST_ITEMS]

    def test_events_are_taken_in_once(self, client: Client) -> None:
        named = [{**EVENT, "event_id": f"e{n}"} for n in range(700)]
        assert client.send_events(named) == {"accepted": 700, "duplicates": 0, "rejected": []}
        again = client.send_events([*named, {"user_id": "u1"}])
        assert (again["accepted"], again["duplicates"]) == (0, 700)
        assert [one["index"] for one in again["rejected"]] == [700]

    def test_two_alike_are_two(self, client: Client) -> None:
        assert client.send_events([EVENT, EVENT])["accepted"] == 2

    def test_no_events_are_no_request(self, client: Client) -> None:
        before = counted(client)["POST", "/v1/events"]
        assert client.send_events([]) == {"accepted": 0, "duplicates": 0, "rejected": []}
        assert counted(client)["POST", "/v1/events"] == before

    def test_threads_share_a_client(self, client: Client) -> None:
        found: list[tuple[str, str]] = []

        def ask(number: int) -> None:
            name = f"u{number}"
            found.extend((name, client.recommend(name)["user_id"]) for _ in range(5))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 40
        assert all(asked == answered for asked, answered in found)

    def test_what_the_service_refuses_is_told(self, client: Client) -> None:
        with pytest.raises(RefusedError) as caught:
            client.recommend(USER, variant="segment_awar")
        error = caught.value
        assert (error.status, error.code) == (422, "invalid_request")
        assert "did you mean 'segment_aware'?" in error.message
        assert error.request_id


def run(code: str) -> "subprocess.CompletedProcess[str]":
    """In a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_client_loads_nothing_of_the_library() -> None:
    done = run("import json, sys, recsys.client; print(json.dumps(sorted(sys.modules)))")
    loaded = json.loads(done.stdout)
    ours = {name for name in loaded if name.partition(".")[0] in ("recsys", "service")}
    parts = {
        f"recsys.client.{name}" for name in ("call", "client", "connection", "errors", "messages")
    }
    assert ours == {"recsys", "recsys.client", "recsys.errors", *parts}
    heavy = {"numpy", "pandas", "scipy", "implicit", "duckdb", "fastapi", "sqlalchemy", "pydantic"}
    assert not heavy & set(loaded)


def test_without_the_extra_the_remedy_is_named() -> None:
    done = run("import sys; sys.modules['httpx'] = None; import recsys.client")
    assert done.stderr.endswith('recsys.client needs httpx: pip install "recsys[client]"\n')
