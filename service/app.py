"""The application: assembly only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from recsys import __version__
from service.dependencies import Shopfront
from service.errors import add_error_handlers
from service.metrics import Metrics
from service.routes import (
    events,
    experiments,
    health,
    items,
    models,
    recommendations,
    segments,
    users,
)
from service.schemas import ErrorBody
from service.settings import Settings, settings_from_environment
from service.traffic import Traffic


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    settings
        By default from the environment; see `service.settings`.
    """
    chosen = settings or settings_from_environment()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.shopfront = Shopfront(chosen, metrics)
        await app.state.shopfront.open()
        yield
        app.state.shopfront.close()

    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody} for status in (400, 401, 403, 404, 413, 422, 429, 503)
    }
    app = FastAPI(
        title="recsys",
        version=__version__,
        description="Recommendations in which customer segments are first-class.",
        lifespan=lifespan,
        responses=errors,
    )
    app.add_middleware(Traffic, metrics=metrics)
    add_error_handlers(app)
    for part in (recommendations, events, users, segments, items, models, experiments, health):
        app.include_router(part.router)
    return app
