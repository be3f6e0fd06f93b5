"""The application: assembly only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from recsys import __version__
from service.dependencies import Shopfront
from service.errors import REQUEST_ID, add_error_handlers, new_request_id
from service.routes import health, recommendations
from service.schemas import ErrorBody
from service.settings import Settings, settings_from_environment


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    settings
        By default from the environment; see `service.settings`.
    """
    chosen = settings or settings_from_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.shopfront = Shopfront(chosen)
        yield
        app.state.shopfront.close()

    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody} for status in (404, 422, 503)
    }
    app = FastAPI(
        title="recsys",
        version=__version__,
        description="Recommendations in which customer segments are first-class.",
        lifespan=lifespan,
        responses=errors,
    )
    app.middleware("http")(_name_request)
    add_error_handlers(app)
    app.include_router(recommendations.router)
    app.include_router(health.router)
    return app


async def _name_request(request: Request, call_next: RequestResponseEndpoint) -> Response:
    request.state.request_id = new_request_id()
    response = await call_next(request)
    response.headers[REQUEST_ID] = request.state.request_id
    return response
