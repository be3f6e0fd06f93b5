"""The service over the sample shop, trained once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from recsys.cli import run
from service.app import create_app
from service.settings import Settings

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
SMALL = "\n[model]\nfactors = 8\niterations = 4\n"
NEWCOMER = "9001"
"""In the users file, and in no event."""
STRANGE = "a/b ü#?%"
"""A user whose id needs care in a URL."""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample shop, trained; read only."""
    folder = tmp_path_factory.mktemp("shop")
    for file in SAMPLE.glob("*.csv"):
        shutil.copy(file, folder)
    with (folder / "users.csv").open("a", encoding="utf-8") as users:
        users.write(f"{NEWCOMER},60+,north\n")
    with (folder / "events.csv").open("a", encoding="utf-8") as events:
        events.write(f"{STRANGE},00100,purchase,2024-06-20 10:00:00,1,2.5,x\n")
    files = {name: str(folder / f"{name}.csv") for name in ("events", "users", "items")}
    config = str(folder / "recsys.toml")
    words = [files["events"], "--users", files["users"], "--items", files["items"]]
    assert run(["init", *words, "-o", config]) == 0
    with Path(config).open("a", encoding="utf-8") as text:
        text.write(SMALL)
    assert run(["train", "-c", config]) == 0
    return folder


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy of the shop, to break."""
    return Path(shutil.copytree(shop, tmp_path / "shop"))


class Client:
    """Asks an application of this process; may be shared between threads."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._app, self._portal = app, portal

    def get(self, url: str, params: dict[str, Any] | None = None) -> httpx.Response:
        return self.request("GET", url, params)

    def request(
        self, method: str, url: str, params: dict[str, Any] | None = None, **more: Any
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                return await client.request(method, url, params=params, **more)

        return self._portal.call(ask)


@contextmanager
def served(shop: Path, **settings: Any) -> Iterator[Client]:
    app = create_app(Settings(config_path=str(shop / "recsys.toml"), **settings))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        yield Client(app, portal)


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[Client]]:
    """Starts the service over a shop's folder, and stops it."""
    return served


@pytest.fixture(scope="session")
def client(shop: Path) -> Iterator[Client]:
    with served(shop) as opened:
        yield opened


@pytest.fixture
def newcomer() -> str:
    return NEWCOMER


@pytest.fixture
def strange() -> str:
    return STRANGE
