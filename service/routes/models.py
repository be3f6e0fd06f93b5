"""``/v1/models``: what was published, and what is served."""

from fastapi import APIRouter

from recsys.bundle import Manifest
from service.dependencies import ADMIN, READ, Front, Shopfront
from service.schemas import Model, ModelList

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", dependencies=[READ])
def models(front: Front) -> ModelList:
    """List the models of the store."""
    store = front.models.store
    return ModelList(
        models=[_model(front, manifest) for manifest in store.versions()], broken=store.broken()
    )


@router.post("/{version}:activate", dependencies=[ADMIN])
def activate(front: Front, version: str) -> Model:
    """Serve a version from now on; activating an older one rolls back."""
    return _model(front, front.models.activate(version).published.manifest)


def _model(front: Shopfront, manifest: Manifest) -> Model:
    return Model(
        version=manifest.version,
        content_id=manifest.content_id,
        as_of=manifest.as_of,
        created_at=manifest.created_at,
        active=manifest.version == front.models.store.active_version(),
        served=manifest.version == front.models.served.version,
    )
