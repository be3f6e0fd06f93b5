"""The service as it is, and beside it a route that does nothing, behind the same middleware."""

from fastapi import APIRouter, FastAPI

from service.app import create_app as create_service
from service.dependencies import READ

router = APIRouter(prefix="/v1", dependencies=[READ])


@router.get("/nothing/{user_id:path}")
async def nothing(user_id: str) -> dict[str, str]:
    return {"user_id": user_id}


def create_app() -> FastAPI:
    app = create_service()
    app.include_router(router)
    return app
