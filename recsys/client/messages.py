"""What is sent and what is answered, as the service's OpenAPI document has it: plain JSON, typed.

A test holds every definition against that document. A key that is `NotRequired` may be left out.
"""

from typing import Any, Literal, NotRequired, Required, TypeAlias, TypedDict

Consent: TypeAlias = Literal["full", "segment_only", "none"]
Plain: TypeAlias = str | int | float | bool | None


class Event(TypedDict, total=False):
    """Something a user did; the same fields as in files, times in ISO 8601."""

    user_id: Required[str]
    item_id: str
    event: Required[str]
    timestamp: str
    quantity: float
    amount: float
    discount: float
    currency: str
    rating: float
    sentiment: float
    query: str
    basket_id: str
    session_id: str
    source: str
    event_id: str
    recommendation_id: str


class RelatedQuery(TypedDict, total=False):
    """What may be said of a list for everybody."""

    limit: int
    category: list[str]
    exclude_items: list[str]


class TrendingQuery(RelatedQuery, total=False):
    """The same of what is trending, and ``axis:name``."""

    segment: str | None


class RecommendationOptions(TypedDict, total=False):
    """What may be said of a user's list."""

    limit: int
    variant: str | None
    category: list[str]
    exclude_items: list[str]
    segment: list[str]
    session_id: str | None
    explain: bool
    history: list[str]
    cart: list[str]
    context: dict[str, Plain]


class RecommendationRequest(RecommendationOptions):
    """One of several requests for a list."""

    user_id: str


class VariantIdentity(TypedDict):
    """A variant's name and the digest of its recipe."""

    name: str
    digest: str


class ItemReason(TypedDict):
    """One part of an item's score, in words."""

    signal: str
    text: str
    value: float


class RankedItem(TypedDict):
    """One item of a list; ``terms`` with ``explain``."""

    item_id: str
    rank: int
    score: float
    reasons: list[ItemReason]
    terms: NotRequired[dict[str, float] | None]


class SegmentWeight(TypedDict):
    """How much a user is in a segment."""

    axis: str
    name: str
    weight: float


class InExperiment(TypedDict):
    """The experiment that a list is part of, and what it gave."""

    id: str
    variant: str


class Recommendations(TypedDict):
    """A user's list; ``segments`` with ``explain``."""

    recommendation_id: str
    user_id: str
    model_version: str
    variant: VariantIdentity
    generated_at: str
    fallback: Literal["segment", "popular"] | None
    shortfall: int
    degraded: list[str]
    experiment: NotRequired[InExperiment | None]
    items: list[RankedItem]
    segments: NotRequired[list[SegmentWeight] | None]


class ErrorDetail(TypedDict):
    """What went wrong with one of several requests."""

    code: str
    message: str
    request_id: str


class BatchResult(TypedDict):
    """The answer to one of several requests."""

    index: int
    status: Literal["ok", "error"]
    answer: NotRequired[Recommendations | None]
    error: NotRequired[ErrorDetail | None]


class BatchAnswer(TypedDict):
    """The answers, in the order of the requests."""

    results: list[BatchResult]


class RelatedItem(TypedDict):
    """An item, and how closely it goes with what was asked about."""

    item_id: str
    rank: int
    score: float
    support: NotRequired[float | None]
    confidence: NotRequired[float | None]
    lift: NotRequired[float | None]


class RelatedItems(TypedDict):
    """Items for everybody alike."""

    model_version: str
    kind: str
    shortfall: int
    items: list[RelatedItem]


class RejectedEvent(TypedDict):
    """A row that was not taken in: where it stands, why, and what to do about it."""

    index: int
    code: str
    message: str


class EventsAnswer(TypedDict):
    """What became of events; a duplicate had been taken in before."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]


class ItemsAnswer(TypedDict):
    """What became of items."""

    accepted: int
    rejected: list[RejectedEvent]


class UserAnswer(TypedDict):
    """What the shop told of a user."""

    user_id: str
    known: bool
    attributes: dict[str, Any]
    consent: Consent


class ErasedAnswer(TypedDict):
    """The receipt of an erased user."""

    digest: str
    erased_at: str
    rows: dict[str, int]
    note: str


class LinkAnswer(TypedDict):
    """How many events were put down to the user."""

    moved: int


class UserSegments(TypedDict):
    """The segments of a user."""

    user_id: str
    model_version: str
    segments: list[SegmentWeight]


class Preference(TypedDict):
    """An item, and how many times as likely the segment is to buy it as everybody is."""

    item_id: str
    title: str | None
    lift: float


class SegmentAnswer(TypedDict):
    """A segment: what it is, and what share of customers it had at training."""

    name: str
    definition: str
    share: float
    prefers: NotRequired[list[Preference] | None]


class AxisAnswer(TypedDict):
    """An axis, its segments, and what it weighs in each variant by the number of items known."""

    axis: str
    title: str | None
    kind: str
    definition_id: str
    shrinkage: float | None
    weights: dict[str, dict[str, float]]
    segments: list[SegmentAnswer]


class AxisList(TypedDict):
    """Every axis of the model."""

    model_version: str
    axes: list[AxisAnswer]


class Model(TypedDict):
    """A published model."""

    version: str
    content_id: str
    as_of: str | None
    created_at: str
    active: bool
    served: bool


class ModelList(TypedDict):
    """The models of the store, the newest last."""

    models: list[Model]
    broken: dict[str, str]


class ExperimentArm(TypedDict):
    """A variant of an experiment, and its share of the users who take part."""

    variant: str
    digest: str
    share: float


class ExperimentAnswer(TypedDict):
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
    trouble: str | None
    results: dict[str, Any] | None


class ExperimentList(TypedDict):
    """Every experiment, the oldest first."""

    experiments: list[ExperimentAnswer]


class Health(TypedDict):
    """How the service is."""

    status: Literal["ok", "degraded", "unavailable"]
    model_version: NotRequired[str | None]
    reason: NotRequired[str | None]
