"""The service as a whole: its document, what it loads, and a real socket."""

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI

from ..serving import PATIENCE, listening

NEVER_LOADED = (
    *("implicit", "pyspark"),
    *(
        "recsys.models.als",
        "recsys.models.fit",
        "recsys.pipelines",
        "recsys.cli",
        "recsys.engines.spark",
    ),
)
FRESH = """
import asyncio, json, sys
from service.app import create_app
app, loaded = None, sorted(sys.modules)

async def ask(path):
    import httpx
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(
        transport=transport, base_url="http://shop"
    ) as client:
        return (await client.get(path)).json()

app = create_app()
answer = asyncio.run(ask("/v1/recommendations/0001?explain=true"))
print(json.dumps({"imported": loaded, "served": sorted(sys.modules), "answer": answer}))
"""


def document(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, dict | list):
            yield from nodes(part)


def test_the_document_is_openapi_and_its_references_lead_somewhere(client: Any) -> None:
    found = document(client)
    OpenAPI.model_validate(found)
    assert found["openapi"].startswith("3.1")
    references = {node["$ref"] for node in nodes(found) if "$ref" in node}
    assert references
    for reference in references:
        _, *steps = reference.split("/")
        place = found
        for step in steps:
            place = place[step]


def test_the_document_lists_every_route(client: Any) -> None:
    found = {
        (method.upper(), path)
        for path, methods in document(client)["paths"].items()
        for method in methods
    }
    assert found == {
        ("GET", "/v1/recommendations/{user_id}"),
        ("POST", "/v1/recommendations"),
        ("POST", "/v1/recommendations:batch"),
        ("POST", "/v1/events"),
        ("GET", "/v1/users/{user_id}"),
        ("PUT", "/v1/users/{user_id}"),
        ("DELETE", "/v1/users/{user_id}"),
        ("POST", "/v1/users/{user_id}:link"),
        ("GET", "/v1/users/{user_id}/segments"),
        ("GET", "/v1/items/{item_id}/similar"),
        ("GET", "/v1/items/{item_id}/bought-together"),
        ("PUT", "/v1/items/{item_id}"),
        ("POST", "/v1/items:batch"),
        ("GET", "/v1/trending"),
        ("GET", "/v1/segments"),
        ("GET", "/v1/segments/{name}"),
        ("GET", "/v1/experiments"),
        ("POST", "/v1/experiments"),
        ("GET", "/v1/experiments/{name}"),
        ("POST", "/v1/experiments/{name}:start"),
        ("POST", "/v1/experiments/{name}:ramp"),
        ("POST", "/v1/experiments/{name}:stop"),
        ("GET", "/v1/experiments/{name}/analysis"),
        ("GET", "/v1/models"),
        ("POST", "/v1/models/{version}:activate"),
        ("GET", "/metrics"),
        ("GET", "/v1/health/live"),
        ("GET", "/v1/health/ready"),
    }


def test_the_document_says_what_may_be_asked_and_answered(client: Any) -> None:
    operation = document(client)["paths"]["/v1/recommendations/{user_id}"]["get"]
    parameters = {p["name"]: p for p in operation["parameters"]}
    assert set(parameters) == {
        *("user_id", "limit", "variant", "category", "exclude_items", "explain"),
        *("segment", "session_id"),
    }
    limit = parameters["limit"]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 1000, 10)
    assert set(operation["responses"]) == {
        *("200", "400", "401", "403", "404", "413", "422", "429", "503")
    }
    for status in ("401", "404", "422", "503"):
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert schema["$ref"].endswith("/ErrorBody")


def test_serving_loads_nothing_of_training(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_CONFIG", str(shop / "recsys.toml"))
    run = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert len(told["answer"]["items"]) == 10
    for modules in (told["imported"], told["served"]):
        loaded = {
            name for name in modules if f"{name}.".startswith(tuple(f"{n}." for n in NEVER_LOADED))
        }
        assert loaded == set()


def test_a_real_socket(shop: Path, client: Any) -> None:
    with listening(shop) as address:
        path = "/v1/recommendations/a%2Fb%20%C3%BC%23%3F%25?variant=own_purchases&explain=true"
        with urllib.request.urlopen(address + path, timeout=PATIENCE) as response:
            answer = json.load(response)
            assert response.headers["Cache-Control"] == "private, no-cache"
        expected = client.get(path).json()
        assert answer["user_id"] == "a/b ü#?%"
        assert answer["items"] == expected["items"]
        assert answer["items"][0]["item_id"] == "00100"

        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{address}/v1/recommendations/1?limits=3", timeout=PATIENCE)
        with caught.value as refused:
            error = json.load(refused)["error"]
            assert (refused.code, error["code"]) == (422, "invalid_request")
            assert error["request_id"] == refused.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "said",
    [b"GARBAGE\r\n\r\n", b"GET /v1/trending?segment=" + b"x" * 66_000 + b" HTTP/1.1\r\n\r\n"],
)
def test_what_is_no_http_is_refused_as_every_error_is(shop: Path, said: bytes) -> None:
    with listening(shop) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(said)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    error = json.loads(body)["error"]
    assert error["code"] == "invalid_request"
    assert f"X-Request-Id: {error['request_id']}".encode() in head
