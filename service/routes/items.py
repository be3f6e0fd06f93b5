"""``/v1/items`` and ``/v1/trending``: what is for everyone alike."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter, ValidationError

from recsys.errors import NotFoundError
from recsys.events.schema import ITEM_ID
from recsys.ranking import Request
from recsys.segments import columns_of
from recsys.types import Floats, Indices
from service.answers import named
from service.dependencies import READ, WRITE, Front, PathId, Shopfront
from service.errors import told
from service.schemas import (
    Id,
    ItemFields,
    ItemsAnswer,
    ItemsRequest,
    RejectedEvent,
    RelatedItem,
    RelatedItems,
    RelatedQuery,
    TrendingQuery,
)
from service.served import Served

router = APIRouter(prefix="/v1", tags=["items"])

PUBLIC = "public, max-age=60"
"""What goes with an item changes with the model, not with who asks: a CDN may keep it."""
_ID = TypeAdapter(Id)


@router.get("/items/{item_id:path}/similar", dependencies=[READ])
def similar(
    front: Front, response: Response, item_id: PathId, query: Annotated[RelatedQuery, Query()]
) -> RelatedItems:
    """Return the items most like one."""
    served, item = _found(front, item_id)
    items, scores = served.published.related.similar.similar(
        item, k=query.limit, allowed=_allowed(served, query)
    )
    return _answer(response, served, "similar", query, items, scores)


@router.get("/items/{item_id:path}/bought-together", dependencies=[READ])
def bought_together(
    front: Front, response: Response, item_id: PathId, query: Annotated[RelatedQuery, Query()]
) -> RelatedItems:
    """Return what is bought together with an item."""
    served, item = _found(front, item_id)
    found = served.published.related.together.bought_together(
        item, k=query.limit, allowed=_allowed(served, query)
    )
    answer = _answer(response, served, "bought_together", query, found.items, found.scores)
    for place, one in enumerate(answer.items):
        one.support = float(found.support[place])
        one.confidence = float(found.confidence[place])
        one.lift = float(found.lift[place])
    return answer


@router.get("/trending", dependencies=[READ])
def trending(
    front: Front, response: Response, query: Annotated[TrendingQuery, Query()]
) -> RelatedItems:
    """Return what rises, for everyone or for a segment."""
    served = _served(front)
    trends = served.published.related.trending
    items, scores = trends.top(
        k=query.limit, segment=_segment(served, query.segment), allowed=_allowed(served, query)
    )
    return _answer(response, served, trends.kind, query, items, scores)


@router.post("/items:batch", dependencies=[WRITE])
def put_many(front: Front, body: ItemsRequest) -> ItemsAnswer:
    """Tell of items; in force with the next answer."""
    changes: dict[str, dict[str, Any]] = {}
    rejected = []
    for index, row in enumerate(body.items):
        try:
            item_id = _ID.validate_python(row.get(ITEM_ID), strict=True)
            changes[item_id] = changes.get(item_id, {}) | _fields(row)
        except ValidationError as error:
            rejected.append(RejectedEvent(index=index, code="invalid_item", message=told(error)))
    if changes:
        front.state.items.put(changes)
    return ItemsAnswer(accepted=len(body.items) - len(rejected), rejected=rejected)


@router.put("/items/{item_id:path}", dependencies=[WRITE])
def put(front: Front, item_id: PathId, body: ItemFields) -> ItemsAnswer:
    """Tell of an item; in force with the next answer."""
    front.state.items.put({item_id: body.model_dump(exclude_unset=True)})
    return ItemsAnswer(accepted=1, rejected=[])


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name != ITEM_ID}
    return ItemFields.model_validate(rest).model_dump(exclude_unset=True)


def _served(front: Shopfront) -> Served:
    pulse = front.feel("")
    return front.models.served if pulse is None else front.models.up_to(pulse.changes)


def _found(front: Shopfront, item_id: str) -> tuple[Served, int]:
    served = _served(front)
    (item,) = served.ranker.model.items.index_of([item_id]).tolist()
    if item < 0:
        raise NotFoundError(f"there is no item {item_id!r} in the model {served.version}")
    return served, item


def _allowed(served: Served, query: RelatedQuery) -> Any:
    return served.ranker.allowed(
        Request(query.limit, frozenset(query.category), frozenset(query.exclude_items))
    )


def _segment(served: Served, segment: str | None) -> int | None:
    if segment is None:
        return None
    ((axis, weights),) = named(served, [segment]).items()
    axes = served.ranker.model.axes
    (names,) = (one.segments for one in axes if one.name == axis)
    first: int = columns_of(axes)[axis].start
    return first + names.index(next(iter(weights)))


def _answer(
    response: Response,
    served: Served,
    kind: str,
    query: RelatedQuery,
    items: Indices,
    scores: Floats,
) -> RelatedItems:
    response.headers["Cache-Control"] = PUBLIC
    ids = served.ranker.model.items.ids[items].tolist()
    pairs = enumerate(zip(ids, scores.tolist(), strict=True), 1)
    return RelatedItems(
        model_version=served.version,
        kind=kind,
        shortfall=query.limit - len(ids),
        items=[RelatedItem(item_id=i, rank=rank, score=score) for rank, (i, score) in pairs],
    )
