"""The example config, trained and served as the compose file does it, over PostgreSQL."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import make_url

from ..sample import copy_first

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "service" / "deploy"
RECSYS = Path(sys.executable).with_name("recsys")
SMALL = "\n[model]\nfactors = 8\niterations = 4\n"
PATIENCE = 180.0
DATABASE = "deployed"
N_USERS = 40
USER = "0019"


class Deployed(NamedTuple):
    environment: dict[str, str]
    address: str
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, new_database: Any) -> dict[str, str]:
    """What the compose file says of the database, and a config with this machine's folders."""
    folder = tmp_path_factory.mktemp("deployed")
    text = (DEPLOY / "recsys.toml").read_text(encoding="utf-8")
    copy_first(N_USERS, folder)
    text = text.replace("/srv/shop", str(folder))
    config = folder / "recsys.toml"
    config.write_text(text.replace("/var/lib/recsys", str(folder)) + SMALL, encoding="utf-8")
    url = make_url(new_database())
    place = {"PGHOST": str(url.query["host"]), "PGUSER": str(url.username)}
    # One of its own, for it is shut for a while.
    with server(place) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    return {**os.environ, **place, "PGDATABASE": DATABASE, "RECSYS_CONFIG": str(config)}


def server(place: Mapping[str, str]) -> psycopg.Connection:
    where = f"host={place['PGHOST']} user={place['PGUSER']} dbname=postgres"
    return psycopg.connect(where, autocommit=True)


@pytest.fixture(scope="module")
def deployed(environment: dict[str, str], compose: Any) -> Iterator[Deployed]:
    train, serve = (compose["services"][name]["command"] for name in ("train", "serve"))
    subprocess.run([RECSYS, *train], env=environment, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])
    log = Path(environment["RECSYS_CONFIG"]).with_name("log")
    command = [RECSYS, *serve, "--host", "127.0.0.1", "--port", port]
    with log.open("wb") as stderr, subprocess.Popen(command, env=environment, stderr=stderr) as one:
        started = Deployed(environment, f"127.0.0.1:{port}", one, log)
        try:
            wait_for(started)
            yield started
        finally:
            one.terminate()
            # What a signal asks for is a good end.
            assert one.wait(PATIENCE) == 0


def wait_for(started: Deployed) -> None:
    until = time.monotonic() + PATIENCE
    while started.process.poll() is None and time.monotonic() < until:
        try:
            fetch(started, "/v1/health/ready")
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    pytest.fail(started.log.read_text(encoding="utf-8"))


def fetch(started: Deployed, path: str) -> str:
    with urllib.request.urlopen(f"http://{started.address}{path}", timeout=PATIENCE) as response:
        return str(response.read().decode())


def a_list(started: Deployed) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fetch(started, f"/v1/recommendations/{USER}"))
    return found


def is_healthy(dockerfile: Any, address: str) -> bool:
    """Run the health check of the image, on this machine's address."""
    (rest,) = (one.rest for one in dockerfile if one.word == "HEALTHCHECK")
    command = json.loads(rest[rest.index("CMD") + len("CMD") :])
    assert command[:2] == ["python", "-c"]
    assert "127.0.0.1:8000" in command[2]
    code = command[2].replace("127.0.0.1:8000", address)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return run.returncode == 0


def test_the_health_check_of_the_image(deployed: Deployed, dockerfile: Any) -> None:
    assert is_healthy(dockerfile, deployed.address)
    with socket.create_server(("127.0.0.1", 0)) as door:
        nobody = f"127.0.0.1:{door.getsockname()[1]}"
    assert not is_healthy(dockerfile, nobody)


def test_a_list_is_served_from_the_shop_that_is_mounted(deployed: Deployed) -> None:
    answer = a_list(deployed)
    assert (len(answer["items"]), answer["fallback"], answer["degraded"]) == (10, None, [])


def test_every_metric_that_is_served_is_on_the_page(deployed: Deployed) -> None:
    a_list(deployed)
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    served = set(re.findall(r"^# TYPE (\w+)", fetch(deployed, "/metrics"), re.MULTILINE))
    assert {"recsys_requests_total", "recsys_request_seconds"} <= served
    assert [name for name in served if f"`{name}`" not in page] == []


def test_the_fields_of_the_log_are_those_of_the_page(deployed: Deployed) -> None:
    a_list(deployed)
    lines = deployed.log.read_text(encoding="utf-8").splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]
    fields = {tuple(line) for line in said if line["logger"] == "recsys.access"}
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    section = page[page.index("## Logs") : page.index("## Health")]
    (documented,) = re.findall(r"^\{.*\}$", section, re.MULTILINE)
    assert fields == {tuple(json.loads(documented))}
    assert not any(one in line for line in lines for one in (f"/{USER}", f'"{USER}"'))


@contextmanager
def away(environment: dict[str, str]) -> Iterator[None]:
    """Let nobody into the database for a while."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with server(environment) as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
        try:
            connection.execute(others, [DATABASE])
            yield
        finally:
            connection.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")


def send_event(started: Deployed, key: str) -> int:
    """Send the same event, whoever answers; returns the status."""
    event = {"user_id": "0191", "item_id": "00133", "event": "view", "event_id": "once"}
    request = urllib.request.Request(
        f"http://{started.address}/v1/events",
        json.dumps({"events": [event]}).encode(),
        {"X-API-Key": key, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; whoever is refused asks again."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(urllib.error.HTTPError):
            if holds():
                return True
        time.sleep(0.1)
    return False


def test_lists_are_served_while_the_database_is_away(deployed: Deployed) -> None:
    words = ["keys", "create", "storefront", "--scope", "write"]
    made = subprocess.run(
        [RECSYS, *words], env=deployed.environment, check=True, capture_output=True, text=True
    )
    key = made.stdout.strip()
    assert eventually(lambda: send_event(deployed, key) == 202)
    with away(deployed.environment):
        answer = a_list(deployed)
        assert (len(answer["items"]), answer["degraded"]) == (10, ["state"])
        assert send_event(deployed, key) == 503
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(deployed, "/v1/health/ready")
        with caught.value as refused:
            assert json.load(refused)["status"] == "unavailable"
    assert eventually(lambda: send_event(deployed, key) == 202)
    assert eventually(lambda: a_list(deployed)["degraded"] == [])
