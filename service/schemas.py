"""Queries and bodies; unknown fields are rejected."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from recsys.events.schema import LONGEST_ID

NO_NUL = r"^[^\x00]*$"
"""Arrays of text cannot keep the character NUL."""
Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=NO_NUL)]
Ids = Annotated[list[Id], Field(max_length=1000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]


class Body(BaseModel):
    """The base of every query and body."""

    model_config = ConfigDict(extra="forbid")


class RecommendationQuery(Body):
    """What may follow the ``?`` of a request for a user's list."""

    limit: int = Field(10, ge=1, le=1000, description="length of the list")
    variant: Name | None = Field(None, description="a variant's name")
    category: list[Name] = Field(
        [], max_length=100, description="only items of one of these, or below; repeatable"
    )
    exclude_items: Ids = Field([], description="items that must not appear; repeatable")
    segment: list[Name] = Field(
        [], max_length=100, description="axis:name, what is said of a visitor; repeatable"
    )
    session_id: Id | None = Field(
        None, description="what strangers did in this session counts as the user's"
    )
    explain: bool = Field(False, description="add terms and segments")


class RecommendationRequest(RecommendationQuery):
    """A request for a user's list, in a body."""

    user_id: Id
    exclude_items: list[Id] = Field([], max_length=10_000, description="items not to appear")
    history: Ids = Field([], description="items just seen, besides what is known")
    cart: Ids = Field([], description="items in the cart: the list completes it")
    context: dict[Name, str | int | float | bool | None] = Field(
        {}, max_length=20, description="where the list is shown; kept with the exposure"
    )


class BatchRequest(Body):
    """Several requests; each is judged and answered by itself."""

    requests: list[dict[str, Any]] = Field(min_length=1, max_length=256)


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


class InExperiment(Body):
    """The experiment that a list is part of, and what it gave."""

    id: str
    variant: str


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
    experiment: InExperiment | None = None
    items: list[RankedItem]
    segments: list[SegmentWeight] | None = Field(None, description="with explain")


class BatchResult(Body):
    """The answer to one of several requests."""

    index: int
    status: Literal["ok", "error"]
    answer: Recommendations | None = None
    error: "ErrorDetail | None" = None


class BatchAnswer(Body):
    """The answers, in the order of the requests."""

    results: list[BatchResult]


class EventsRequest(Body):
    """Events; each is judged by itself."""

    events: list[Any] = Field(min_length=1, max_length=500)


class RejectedEvent(Body):
    """An event that was not taken in."""

    index: int
    code: str
    message: str


class EventsAnswer(Body):
    """What became of the events."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]


class UserRequest(Body):
    """What the shop tells of a user; what is not given stays as it is."""

    attributes: dict[Name, str | int | float | bool | None] | None = Field(
        None, max_length=200, description="in place of all that were told before"
    )
    consent: Literal["full", "segment_only", "none"] | None = None


class UserAnswer(Body):
    """What the shop told of a user."""

    user_id: str
    known: bool
    attributes: dict[str, Any]
    consent: Literal["full", "segment_only", "none"]


class ErasedAnswer(Body):
    """The receipt of an erased user."""

    digest: str
    erased_at: str
    rows: dict[str, int]
    note: str


class LinkRequest(Body):
    """Who a user was before she was known: a visitor's id, or a session's."""

    visitor_id: Id | None = None
    session_id: Id | None = None


class LinkAnswer(Body):
    """How many events were put down to the user."""

    moved: int


class UserSegments(Body):
    """The segments of a user."""

    user_id: str
    model_version: str
    segments: list[SegmentWeight]


class Preference(Body):
    """An item, and how many times as likely the segment is to buy it as everybody is."""

    item_id: str
    title: str | None
    lift: float


class SegmentAnswer(Body):
    """A segment: what it is, and what share of customers it had at training."""

    name: str
    definition: str
    share: float
    prefers: list[Preference] | None = Field(None, description="of one axis alone")


class AxisAnswer(Body):
    """An axis, its segments, and what it weighs."""

    axis: str
    title: str | None
    kind: str
    definition_id: str
    shrinkage: float | None = Field(
        description="how much evidence a lift needs to be believed; null: the axis says nothing"
    )
    weights: dict[str, dict[str, float]] = Field(
        description="variant -> items known of a customer -> the weight learnt"
    )
    segments: list[SegmentAnswer]


class AxisList(Body):
    """Every axis of the model."""

    model_version: str
    axes: list[AxisAnswer]


class ItemFields(Body):
    """What the shop tells of an item; null takes back what was told."""

    model_config = ConfigDict(extra="allow")

    title: str | None = Field(None, max_length=1000)
    category: str | None = Field(None, max_length=1000)
    brand: str | None = Field(None, max_length=1000)
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    available: bool | None = None
    margin: float | None = Field(None, allow_inf_nan=False)
    created_at: str | None = Field(None, max_length=100)


class ItemsRequest(Body):
    """Items, each with an ``item_id`` and what is told of it; each is judged by itself."""

    items: list[dict[str, Any]] = Field(min_length=1, max_length=1000)


class ItemsAnswer(Body):
    """What became of the items."""

    accepted: int
    rejected: list[RejectedEvent]


class RelatedQuery(Body):
    """What may follow the ``?`` of a request for items."""

    limit: int = Field(10, ge=1, le=1000, description="length of the list")
    category: list[Name] = Field([], max_length=100, description="only items of one of these")
    exclude_items: Ids = Field([], description="items that must not appear; repeatable")


class TrendingQuery(RelatedQuery):
    """The same for what is trending."""

    segment: Name | None = Field(None, description="axis:name; default everyone")


class RelatedItem(Body):
    """An item, and how closely it goes with what was asked about."""

    item_id: str
    rank: int
    score: float
    support: float | None = None
    confidence: float | None = None
    lift: float | None = None


class RelatedItems(Body):
    """Items for everyone alike."""

    model_version: str
    kind: str
    shortfall: int
    items: list[RelatedItem]


class Model(Body):
    """A published model."""

    version: str
    content_id: str
    as_of: str | None
    created_at: str
    active: bool
    served: bool


class ModelList(Body):
    """The models of the store, the newest last."""

    models: list[Model]
    broken: dict[str, str]


class ExperimentArm(Body):
    """A variant of an experiment, and its share of the users who take part."""

    variant: str
    digest: str
    share: float


class ExperimentAnswer(Body):
    """What was written down, and how far it has come; times are microseconds."""

    name: str
    status: Literal["draft", "running", "stopped"]
    plan: dict[str, Any]
    arms: list[ExperimentArm]
    digest: str
    coverage: float
    created_at: int
    started_at: int | None
    stopped_at: int | None
    trouble: str | None = Field(description="why it does not go on, though it runs")
    results: dict[str, Any] | None = Field(description="what it came to, once that was kept")


class ExperimentList(Body):
    """Every experiment, the oldest first."""

    experiments: list[ExperimentAnswer]


class RampRequest(Body):
    """How many take part from now on."""

    coverage: float = Field(gt=0, le=1, description="the share of its users who take part")


class Health(Body):
    """How the service is."""

    status: Literal["ok", "degraded", "unavailable"]
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
