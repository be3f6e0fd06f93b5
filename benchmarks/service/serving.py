"""What the runs share: the sample shop, its service as a process, storefronts, reporting."""

import json
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from recsys.config import load_config
from recsys.state import StateStore

sys.path.insert(0, str(Path(__file__).parent))
from postgres import Postgres

RECSYS = Path(sys.executable).with_name("recsys")
SAMPLE = Path(__file__).parents[2] / "data" / "sample"
SMALL = "\n[model]\nfactors = 8\niterations = 4\n"
PATIENCE = 120.0
"""Seconds for anything that has to come to an end."""
LIBRARIES = ("recsys", "uvicorn", "httptools", "uvloop", "sqlalchemy", "psycopg")


def recsys(*words: str | Path) -> str:
    """Run a command to its end; returns what it printed."""
    done = subprocess.run([RECSYS, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"recsys {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def make_shop(folder: Path, url: str | None = None, model: str = SMALL) -> Path:
    """Train the sample shop in a folder, with its state at `url`; returns its config."""
    for file in SAMPLE.glob("*.csv"):
        shutil.copy(file, folder)
    config = folder / "recsys.toml"
    files = (
        folder / "events.csv",
        "--users",
        folder / "users.csv",
        "--items",
        folder / "items.csv",
    )
    recsys("init", *files, "-o", config)
    with config.open("a", encoding="utf-8") as text:
        text.write(model)
        text.write(f"\n[state]\nurl = {json.dumps(url)}\n" if url else "")
    recsys("train", "-c", config)
    return config


@contextmanager
def state_of(config: Path) -> Iterator[StateStore]:
    """Open the state of a shop, beside its service."""
    state = StateStore(load_config(config).state.url)
    try:
        yield state
    finally:
        state.close()


@contextmanager
def scratch_shop(database: str) -> Iterator[tuple[Path, Postgres | None]]:
    """Train the sample shop over ``sqlite`` or ``postgresql``; gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        if database == "sqlite":
            yield make_shop(Path(folder)), None
            return
        with scratch_postgres() as server:
            yield make_shop(Path(folder), server.new_database()), server


@contextmanager
def scratch_postgres() -> Iterator[Postgres]:
    """Run PostgreSQL in a folder of its own; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()


class Server:
    """``recsys serve``: a process that can be started, stopped, and killed.

    Parameters
    ----------
    config
        Of the shop; what the process says goes into ``serve.log`` beside it.
    options
        More words for the command.
    """

    def __init__(self, config: Path, *options: str) -> None:
        self._config, self._options, self.port = config, options, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = config.with_name("serve.log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that runs."""
        if self._process is None:
            raise RuntimeError("the service does not run")
        return self._process

    def start(self) -> None:
        """Start, and wait until it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._words(), stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the service did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def _words(self) -> list[str]:
        place = ("-c", str(self._config), "--port", str(self.port))
        return [str(RECSYS), "serve", *place, *(self._options or ["--open"])]

    def megabytes(self) -> dict[str, list[float]]:
        """Return the proportional set size of each process: what several share counts once."""
        found: dict[str, list[float]] = {}
        starter = self.process.pid
        for pid in children_of(starter):
            found.setdefault(part_of(pid), []).append(pss_of(pid))
        return {"serve": [pss_of(starter)], **found}

    def kill(self) -> None:
        """Kill it, as ``kill -9`` does."""
        self.process.kill()
        self.process.wait()
        self._process = None

    def stop(self) -> tuple[int, float]:
        """Ask it to stop; returns its exit code, and how many seconds that took."""
        process, start = self.process, time.monotonic()
        process.terminate()
        code = process.wait(PATIENCE)
        self._process = None
        return code, time.monotonic() - start

    def said(self) -> list[dict[str, Any]]:
        """Return the lines of its log."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/v1/health/ready", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False


def children_of(pid: int) -> list[int]:
    """Return the processes that one has started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in threads for child in one.read_text("ascii").split()]


def part_of(pid: int) -> str:
    """Tell what a process that the service has started is for."""
    words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    return next((one for one in ("keeper", "taker") if f"service.{one}" in words), "workers")


def pss_of(pid: int) -> float:
    """Return the proportional set size of a process in megabytes; Linux alone tells it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    (kilobytes,) = (line.split()[1] for line in text.splitlines() if line.startswith("Pss:"))
    return round(int(kilobytes) / 1024, 1)


@contextmanager
def key_for(config: Path, scope: str) -> Iterator[str]:
    """Draw an API key for a run; it is revoked afterwards."""
    name = f"run-{time.time_ns()}"
    key = recsys("keys", "create", name, "--scope", scope, "-c", config).strip()
    try:
        yield key
    finally:
        recsys("keys", "revoke", name, "-c", config)


def client_of(server: Server, **headers: str) -> httpx.AsyncClient:
    """Return a client; it forgets a connection before the service, which closes idle ones, does."""
    limits = httpx.Limits(keepalive_expiry=2.0)
    return httpx.AsyncClient(
        base_url=server.address, timeout=PATIENCE, limits=limits, headers=headers
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


class Writer:
    """A storefront that sends events, and sends again under the same ids what was not acknowledged.

    Parameters
    ----------
    name
        Its users and events are named after it.
    seed
        Of what is sent.

    Attributes
    ----------
    acknowledged
        ``event_id`` -> user, of what the service said is durable.
    accepted, duplicates
        What its receipts sum up to.
    torn
        Requests of which a part had been taken in.
    """

    def __init__(self, name: str, seed: int) -> None:
        self._name, self._random = name, np.random.default_rng(seed)
        self._sent = 0
        self.waiting: list[dict[str, str]] = []
        self.acknowledged: dict[str, str] = {}
        self.accepted = self.duplicates = self.torn = 0

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        """Send some events, those that wait first.

        Raises
        ------
        httpx.TransportError
            When there was no answer; the events wait.
        """
        self.waiting = self.waiting or self._made()
        response = await client.post("/v1/events", json={"events": self.waiting})
        if response.status_code == 202:
            self._note(response.json())
        return response

    def _note(self, receipt: dict[str, Any]) -> None:
        new, known = receipt["accepted"], receipt["duplicates"]
        if new + known != len(self.waiting):
            raise RuntimeError(
                f"{len(self.waiting)} events were sent, and the receipt is {receipt}"
            )
        self.accepted, self.duplicates = self.accepted + new, self.duplicates + known
        self.torn += bool(new and known)
        self.acknowledged.update((one["event_id"], one["user_id"]) for one in self.waiting)
        self.waiting = []

    def _made(self) -> list[dict[str, str]]:
        return [self._event() for _ in range(self._random.integers(1, 21))]

    def _event(self) -> dict[str, str]:
        self._sent += 1
        return {
            "user_id": f"{self._name}-{self._random.integers(20)}",
            "item_id": f"{self._random.integers(240):05d}",
            "event": "purchase",
            "event_id": f"{self._name}-{self._sent}",
        }


def stored(state: StateStore, writers: Sequence[Writer]) -> tuple[int, int]:
    """Tell how many acknowledged events are not in a state, and how many are there twice."""
    events = {name: user for one in writers for name, user in one.acknowledged.items()}
    found = state.events_of(sorted(set(events.values())))["event_id"]
    return len(events.keys() - set(found)), int(found.duplicated().sum())


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return the middle and the end of some times."""
    return {"median": round(float(np.median(seconds)), 2), "most": round(max(seconds), 2)}


def write(figures: Any, **more: str) -> None:
    """Print a document: the machine, what ran, and figures."""
    versions = {name: version(name) for name in LIBRARIES}
    machine = {"machine": platform.machine(), "cpus": os.cpu_count()}
    ran = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **versions,
        **more,
    }
    print(json.dumps({**machine, "versions": ran, "figures": figures}, indent=1))
