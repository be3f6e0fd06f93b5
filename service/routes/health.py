"""``/v1/health``: is the process alive, and can it answer."""

from fastapi import APIRouter, Response

from recsys.errors import StateError
from service.dependencies import Front
from service.schemas import Health

router = APIRouter(prefix="/v1/health", tags=["health"])


@router.get("/live")
def live() -> Health:
    """Say that the process runs."""
    return Health(status="ok")


@router.get("/ready", responses={503: {"model": Health}})
def ready(front: Front, response: Response) -> Health:
    """Say whether a model is loaded and the state can be read."""
    version = front.published.manifest.version
    try:
        front.state.ping()
    except StateError as error:
        response.status_code = 503
        return Health(status="unavailable", model_version=version, reason=str(error))
    return Health(status="ok", model_version=version)
