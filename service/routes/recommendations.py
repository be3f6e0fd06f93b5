"""``/v1/recommendations``: lists for users."""

import secrets
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from recsys.events.schema import LONGEST_ID
from recsys.ranking import Customers, Ranking, Reason, Request, Variant, reasons
from service.dependencies import Front, Shopfront
from service.schemas import (
    ItemReason,
    RankedItem,
    RecommendationQuery,
    Recommendations,
    SegmentWeight,
    VariantIdentity,
)

router = APIRouter(prefix="/v1/recommendations", tags=["recommendations"])

UserId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID)]


# The rest of the path, because an id may hold a slash.
@router.get("/{user_id:path}")
def recommend(
    front: Front,
    response: Response,
    user_id: UserId,
    query: Annotated[RecommendationQuery, Query()],
) -> Recommendations:
    """Rank for a user; an unknown one gets a labelled list, never a 404."""
    chosen = front.variant(query.variant)
    customers = front.customer(user_id)
    asked = Request(
        query.limit,
        frozenset(query.category),
        frozenset(query.exclude_items),
        as_of=front.now(),
        request_id=secrets.token_urlsafe(16),
    )
    ranking = front.published.ranker.rank(customers, 0, chosen, asked)
    # A personal answer must not be kept by anything between the shop and its customer.
    response.headers["Cache-Control"] = "private, no-cache"
    return _answer(front, asked, chosen, customers, ranking, explain=query.explain)


def _answer(
    front: Shopfront,
    asked: Request,
    variant: Variant,
    customers: Customers,
    ranking: Ranking,
    *,
    explain: bool,
) -> Recommendations:
    ranker = front.published.ranker
    ids = ranking.ids(ranker.model.items.ids)
    told = reasons(
        ranker.model,
        customers,
        0,
        ranking,
        centre=ranker.centre(variant),
        wording=front.config.service.reasons,
    )
    return Recommendations(
        recommendation_id=asked.request_id,
        user_id=str(customers.users.ids[0]),
        model_version=front.published.manifest.version,
        variant=VariantIdentity(name=variant.name, digest=variant.digest),
        generated_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        fallback=ranking.fallback,
        shortfall=ranking.shortfall,
        degraded=[],
        items=[
            _item(ranking, n, item_id, told[n], explain=explain) for n, item_id in enumerate(ids)
        ],
        segments=_segments(customers) if explain else None,
    )


def _item(
    ranking: Ranking, position: int, item_id: str, told: list[Reason], *, explain: bool
) -> RankedItem:
    terms = {name: float(values[position]) for name, values in ranking.terms.items()}
    return RankedItem(
        item_id=item_id,
        rank=position + 1,
        score=float(ranking.scores[position]),
        reasons=[ItemReason(**reason._asdict()) for reason in told],
        terms=terms if explain else None,
    )


def _segments(customers: Customers) -> list[SegmentWeight]:
    frame = customers.memberships.frame()
    return [
        SegmentWeight(axis=axis, name=name, weight=weight)
        for axis, name, weight in zip(frame["axis"], frame["segment"], frame["weight"], strict=True)
    ]
