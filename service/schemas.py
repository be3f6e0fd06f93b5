"""Queries and bodies; unknown fields are rejected."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """The base of every query and body."""

    model_config = ConfigDict(extra="forbid")


class RecommendationQuery(Body):
    """What may follow the ``?`` of a request for a user's list."""

    limit: int = Field(10, ge=1, le=1000, description="length of the list")
    variant: str | None = Field(None, description="a variant's name")
    category: list[str] = Field([], description="only items of one of these, or below; repeatable")
    exclude_items: list[str] = Field([], description="items that must not appear; repeatable")
    explain: bool = Field(False, description="add terms and segments")


class VariantIdentity(Body):
    """A variant's name and the digest of its recipe."""

    name: str
    digest: str


class ItemReason(Body):
    """One part of an item's score, in words."""

    signal: str
    text: str
    value: float


class RankedItem(Body):
    """One item of a list."""

    item_id: str
    rank: int
    score: float
    reasons: list[ItemReason]
    terms: dict[str, float] | None = Field(
        None, description="with explain: each signal's term; their sum is the score"
    )


class SegmentWeight(Body):
    """How much a user is in a segment."""

    axis: str
    name: str
    weight: float


class Recommendations(Body):
    """A user's list."""

    recommendation_id: str
    user_id: str
    model_version: str
    variant: VariantIdentity
    generated_at: str
    fallback: Literal["segment", "popular"] | None
    shortfall: int
    degraded: list[str]
    experiment: None = None
    items: list[RankedItem]
    segments: list[SegmentWeight] | None = Field(None, description="with explain")


class Health(Body):
    """How the service is."""

    status: Literal["ok", "unavailable"]
    model_version: str | None = None
    reason: str | None = None


class ErrorDetail(Body):
    """What went wrong."""

    code: str
    message: str
    request_id: str


class ErrorBody(Body):
    """Every error answer."""

    error: ErrorDetail
