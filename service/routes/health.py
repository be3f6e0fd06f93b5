"""``/v1/health`` and ``/metrics``: is the process alive, can it answer, and how it does."""

from fastapi import APIRouter, Response

from recsys.errors import StateError
from service.dependencies import Front
from service.metrics import CONTENT_TYPE
from service.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/v1/health/live")
async def live() -> Health:
    """Say that the process runs."""
    return Health(status="ok")


@router.get("/v1/health/ready", responses={503: {"model": Health}})
def ready(front: Front, response: Response) -> Health:
    """Say whether a model is loaded and the state can be read."""
    version = front.models.served.version
    try:
        front.state.ping()
    except StateError as error:
        response.status_code = 503
        return Health(status="unavailable", model_version=version, reason=str(error))
    if front.models.trouble is not None:
        reason = f"the active model is not served: {front.models.trouble}"
        return Health(status="degraded", model_version=version, reason=reason)
    return Health(status="ok", model_version=version)


@router.get("/metrics", response_class=Response)
def metrics(front: Front) -> Response:
    """Write what was counted, for Prometheus."""
    return Response(front.metrics.exposition(), media_type=CONTENT_TYPE)
