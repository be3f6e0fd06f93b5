"""What goes wrong has one form, a code of a closed list and an id to ask about."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest
from httpx import Response
from pydantic import ValidationError

from recsys.errors import ConfigError, RecsysError, StoreError
from recsys.state import Pulse, StateStore
from service.dependencies import Shopfront
from service.errors import ANSWERS, CODES
from service.settings import Settings, settings_from_environment

Serve = Callable[[Path], AbstractContextManager[Any]]
USER = "/v1/recommendations/0001"


def error_of(response: Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["code"] == code
    assert code in CODES
    assert error["request_id"] == response.headers["X-Request-Id"]
    return str(error["message"])


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", "1.5", ""])
def test_a_limit_out_of_bounds(client: Any, limit: str) -> None:
    response = client.get(USER, params={"limit": limit})
    assert "query.limit" in error_of(response, 422, "invalid_request")


@pytest.mark.parametrize("name", ["limits", "k", "Limit", "segment "])
def test_an_unknown_parameter_is_refused_by_name(client: Any, name: str) -> None:
    response = client.get(USER, params={name: "1", "limit": 5})
    assert f"query.{name}" in error_of(response, 422, "invalid_request")


def test_an_unknown_variant(client: Any) -> None:
    response = client.get(USER, params={"variant": "segment_awar"})
    message = error_of(response, 422, "invalid_request")
    assert message == "no variant 'segment_awar'; did you mean 'segment_aware'?"


@pytest.mark.parametrize("user_id", ["x" * 257, "%F0%9F%9B%92" * 257, ""])
def test_what_can_be_no_id(client: Any, user_id: str) -> None:
    response = client.get(f"/v1/recommendations/{user_id}")
    assert "path.user_id" in error_of(response, 422, "invalid_request")


def test_a_path_or_a_method_that_is_not_there(client: Any) -> None:
    assert "/v1/nothing" in error_of(client.get("/v1/nothing"), 404, "not_found")
    response = client.request("DELETE", USER)
    error_of(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind is not ValidationError])
def test_every_error_of_the_library_has_its_answer(
    client: Any, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise kind("the value, the place, the remedy")

    monkeypatch.setattr(Shopfront, "variant", fail)
    status, code = ANSWERS[kind]
    assert error_of(client.get(USER), status, code) == "the value, the place, the remedy"


@pytest.mark.parametrize("kind", [ZeroDivisionError, RecsysError])
def test_what_nobody_expected_tells_nothing_and_is_logged(
    shop: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type[Exception],
) -> None:
    def fail(*_: object) -> None:
        raise kind("a secret")

    monkeypatch.setattr(Shopfront, "variant", fail)
    with serve(shop) as client:
        message = error_of(client.get(USER), 500, "internal_error")
    assert "secret" not in message
    assert "a secret" in caplog.text


def test_without_a_model_nothing_is_served(serve: Serve, own_shop: Path, tmp_path: Path) -> None:
    text = (own_shop / "recsys.toml").read_text(encoding="utf-8")
    (tmp_path / "recsys.toml").write_text(text, encoding="utf-8")
    with (
        pytest.raises(StoreError, match=r"no model has been published in .*`recsys train`"),
        serve(tmp_path),
    ):
        pass
    (own_shop / "store" / "active.json").unlink()
    with pytest.raises(StoreError, match=r"no model version in .* is active"), serve(own_shop):
        pass


def test_a_damaged_model_is_not_served(serve: Serve, own_shop: Path) -> None:
    array = next((own_shop / "store" / "bundles").glob("*/mean_user.npy"))
    array.write_bytes(array.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="is damaged"), serve(own_shop):
        pass


def test_a_config_that_cannot_be_followed_is_not_served(
    serve: Serve, own_shop: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="there is no config file"), serve(tmp_path):
        pass
    with (own_shop / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write('[variants.new]\nsignals = ["als", "habit"]\n')
    with pytest.raises(ConfigError, match="train again"), serve(own_shop):
        pass


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECSYS_CONFIG", "RECSYS_CLOCK"):
        monkeypatch.delenv(name, raising=False)
    assert settings_from_environment() == Settings(config_path="recsys.toml", clock="data")
    monkeypatch.setenv("RECSYS_CONFIG", "shop.toml")
    monkeypatch.setenv("RECSYS_CLOCK", "now")
    assert settings_from_environment() == Settings(config_path="shop.toml", clock="now")
    monkeypatch.setenv("RECSYS_CLOCK", "moon")
    with pytest.raises(ConfigError, match="RECSYS_CLOCK='moon'"):
        settings_from_environment()


class TestHealth:
    def test_live_and_ready(self, client: Any) -> None:
        live = client.get("/v1/health/live")
        assert (live.status_code, live.json()["status"]) == (200, "ok")
        ready = client.get("/v1/health/ready")
        version = client.get(USER).json()["model_version"]
        assert ready.status_code == 200
        assert ready.json() == {"status": "ok", "model_version": version, "reason": None}

    @pytest.mark.parametrize("how", ["gone", "overwritten", "emptied"])
    def test_a_state_that_cannot_be_read(self, serve: Serve, own_shop: Path, how: str) -> None:
        with serve(own_shop) as client:
            assert client.get(USER).status_code == 200
            whole = break_state(own_shop, how)
            ready = client.get("/v1/health/ready")
            assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
            assert "state.db" in ready.json()["reason"]
            # Reading goes on with what is remembered, and says so.
            assert client.get(USER).status_code == 200
            assert client.get("/v1/health/live").status_code == 200
            (own_shop / "store" / "state.db").write_bytes(whole)
            assert client.get("/v1/health/ready").status_code == 200
            assert client.get(USER).status_code == 200


def test_a_state_that_goes_away_between_two_questions(serve: Serve, own_shop: Path) -> None:
    with serve(own_shop) as client:
        rename_events(own_shop, "events", "away")
        answer = client.get(USER)
        assert (answer.status_code, answer.json()["degraded"]) == (200, ["state"])
        rename_events(own_shop, "away", "events")
        until = time.monotonic() + 20
        while client.get(USER).json()["degraded"]:
            assert time.monotonic() < until
            time.sleep(0.05)


def rename_events(shop: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(shop / "store" / "state.db")) as connection:
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")


def break_state(shop: Path, how: str) -> bytes:
    path = shop / "store" / "state.db"
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(b"no database at all " * 500 if how == "overwritten" else b"")
    return whole


def test_the_clock(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(shop / "recsys.toml")
    data = Shopfront(Settings(config_path=path))
    now = Shopfront(Settings(config_path=path, clock="now"))
    assert data.now() == data.models.served.published.as_of
    assert now.now() > data.now()
    later = data.now() + 10
    monkeypatch.setattr(StateStore, "pulse", lambda *_: Pulse(0, later, 0, "full"))
    assert data.now() == later + 1
    for front in (data, now):
        front.close()


def test_the_list_of_codes_is_closed() -> None:
    assert {
        *("invalid_request", "invalid_data", "not_found", "method_not_allowed"),
        *("unauthorized", "forbidden", "too_many_requests", "body_too_large"),
        *("model_unavailable", "state_unavailable", "internal_error"),
    } == CODES
