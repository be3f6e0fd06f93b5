"""``/v1/recommendations``: lists for users."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json

from recsys.errors import RecsysError, StateError
from recsys.state import Pulse
from service.answers import Answered, Asked, answer
from service.dependencies import READ, Front, PathId, Shopfront
from service.errors import code_of, told
from service.schemas import (
    BatchAnswer,
    BatchRequest,
    RecommendationQuery,
    RecommendationRequest,
    Recommendations,
)

router = APIRouter(prefix="/v1", tags=["recommendations"], dependencies=[READ])

Tag = Annotated[str | None, Header(alias="If-None-Match", include_in_schema=False)]
REPEATABLE = frozenset(("category", "exclude_items", "segment"))


async def query_of(request: Request) -> RecommendationQuery:
    """Read what follows the ``?``: in a third of the time the framework takes for it."""
    given = request.query_params
    read = {name: given.getlist(name) if name in REPEATABLE else given[name] for name in given}
    try:
        return RecommendationQuery.model_validate(read)
    except ValidationError as error:
        problems = [{**one, "loc": ("query", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(problems) from error


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in schema.items() if key != "description"}
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": schema["description"],
        "schema": said,
    }


QUERY_PARAMETERS = [
    _parameter(name, schema)
    for name, schema in RecommendationQuery.model_json_schema()["properties"].items()
]
"""The same as the framework would write down."""
Asking = Annotated[RecommendationQuery, Depends(query_of)]
# A personal answer must not be kept by anything between the shop and its customer.
PRIVATE = {"Cache-Control": "private, no-cache"}


# The rest of the path, because an id may hold a slash.
@router.get(
    "/recommendations/{user_id:path}",
    response_model=Recommendations,
    openapi_extra={"parameters": QUERY_PARAMETERS},
)
async def recommend(front: Front, user_id: PathId, query: Asking, tag: Tag = None) -> Response:
    """Rank for a user; an unknown one gets a labelled list, never a 404."""
    return _sent(front, await _answered(front, Asked(user_id, **dict(query))), tag)


@router.post("/recommendations", response_model=Recommendations)
async def recommend_by_body(front: Front, body: RecommendationRequest, tag: Tag = None) -> Response:
    """Do the same with items just seen, a cart, or long lists of items to leave out."""
    return _sent(front, await _answered(front, Asked(**dict(body))), tag)


@router.post("/recommendations:batch", response_model=BatchAnswer)
async def recommend_to_many(front: Front, request: Request, body: BatchRequest) -> Response:
    """Answer several requests, each by itself."""
    request_id: str = request.state.request_id
    results = [
        {"index": index, **await _one_of_many(front, one, request_id)}
        for index, one in enumerate(body.requests)
    ]
    return Response(to_json({"results": results}), 200, PRIVATE, "application/json")


async def _one_of_many(front: Shopfront, one: dict[str, Any], request_id: str) -> dict[str, Any]:
    try:
        asked = Asked(**dict(RecommendationRequest.model_validate(one)))
        answered = await _answered(front, asked)
    except (RecsysError, ValidationError) as error:
        _, code = code_of(error)
        said = {"code": code, "message": told(error), "request_id": request_id}
        return {"status": "error", "error": said}
    _expose(front, answered)
    return {"status": "ok", "answer": answered.body}


async def _answered(front: Shopfront, asked: Asked) -> Answered:
    try:
        return await _answered_by(front, asked, front.feel(asked.user_id))
    except StateError as error:
        # It went away between two questions of one request.
        front.lose_state(error)
        return await _answered_by(front, asked, None)


async def _answered_by(front: Shopfront, asked: Asked, pulse: Pulse | None) -> Answered:
    if _is_quick(front, asked, pulse):
        return answer(front, asked, pulse)
    # To read and describe a customer takes long enough for others to wait for it.
    return await run_in_threadpool(answer, front, asked, pulse)


def _is_quick(front: Shopfront, asked: Asked, pulse: Pulse | None) -> bool:
    plain = not (asked.history or asked.session_id or asked.segment)
    return plain and front.is_remembered(asked.user_id, front.models.served, pulse)


def _sent(front: Shopfront, answered: Answered, tag: str | None) -> Response:
    known = f'"{_digest(answered.body)}"'
    headers = {**PRIVATE, "ETag": known}
    if tag is not None and known in tag:
        # The list that is shown is the one that was served before, by its own id.
        return Response(status_code=304, headers=headers)
    _expose(front, answered)
    return Response(to_json(answered.body), 200, headers, "application/json")


def _expose(front: Shopfront, answered: Answered) -> None:
    if answered.exposure is not None:
        front.exposures.add(answered.exposure, answered.shadow)


def _digest(body: dict[str, Any]) -> str:
    """Return the identity of what is told, whatever its name and time."""
    passing = ("recommendation_id", "generated_at")
    lasting = {name: value for name, value in body.items() if name not in passing}
    return hashlib.sha256(to_json(lasting)).hexdigest()[:32]
