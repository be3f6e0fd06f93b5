"""The service over the sample shop, asked without a socket."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings


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
