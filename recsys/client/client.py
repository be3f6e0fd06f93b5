"""A method for each route of the service."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from recsys.client.call import Call
from recsys.client.connection import Connection, Patience
from recsys.client.errors import ServiceError
from recsys.client.messages import (
    AxisAnswer,
    AxisList,
    BatchAnswer,
    BatchResult,
    Consent,
    ErasedAnswer,
    Event,
    EventsAnswer,
    ExperimentAnswer,
    ExperimentList,
    Health,
    ItemsAnswer,
    LinkAnswer,
    Model,
    ModelList,
    Plain,
    RecommendationOptions,
    RecommendationRequest,
    Recommendations,
    RejectedEvent,
    RelatedItems,
    RelatedQuery,
    TrendingQuery,
    UserAnswer,
    UserSegments,
)

Row = TypeVar("Row")
Told = TypeVar("Told", RejectedEvent, BatchResult)

MOST_EVENTS: Final = 500
MOST_ITEMS: Final = 1000
MOST_REQUESTS: Final = 256
"""Of one request to the service; more go in several."""
IN_A_QUERY: Final = frozenset(("limit", "variant", "category", "segment", "session_id", "explain"))
"""What is short enough to follow a ``?``."""
UNAVAILABLE: Final = 503


class Client:
    """Asks one service, by connections it keeps open; threads may share it, forks may not.

    A failure is a `ServiceError`, and never an empty list. What only reads or may be done twice is
    tried again while there is time; of anything else, only what the service surely has not begun.

    Parameters
    ----------
    address
        Of the service, such as ``http://127.0.0.1:8000``.
    api_key
        As ``recsys keys create`` prints it.
    patience
        How long to wait.
    seed
        Of the waits between tries; only tests need one.

    Raises
    ------
    ConfigError
        For an address or a key that cannot be one.
    """

    def __init__(
        self,
        address: str,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        seed: int | None = None,
    ) -> None:
        self._connection = Connection(address, api_key, patience or Patience(), seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._connection.close()

    def recommend(self, user_id: str, **options: Unpack[RecommendationOptions]) -> Recommendations:
        """Return a user's list; a user nobody knows has one too, and it says so.

        Parameters
        ----------
        user_id
            Whom it is for.
        options
            As in the HTTP interface: ``limit``, ``variant``, ``category``, ``exclude_items``,
            ``segment``, ``session_id``, ``explain``, ``history``, ``cart``, ``context``.

        Raises
        ------
        ServiceError
            As every other method.
        """
        ids = {"user_id": user_id}
        if options.keys() <= IN_A_QUERY:
            call = Call[Recommendations]("GET", "/v1/recommendations/{user_id}", ids, options)
        else:
            body = {**ids, **options}
            call = Call("POST", "/v1/recommendations", body=body, repeatable=True)
        return self._connection.json(call)

    def recommend_batch(self, requests: Sequence[RecommendationRequest]) -> BatchAnswer:
        """Return the lists of several requests; each is answered or refused by itself."""
        batch = BatchAnswer(results=[])
        for start, some in _parts(requests, MOST_REQUESTS):
            body = {"requests": some}
            call = Call[BatchAnswer](
                "POST", "/v1/recommendations:batch", body=body, repeatable=True
            )
            batch["results"] += _moved(self._connection.json(call)["results"], start)
        return batch

    def similar(self, item_id: str, **query: Unpack[RelatedQuery]) -> RelatedItems:
        """Return the items most like one."""
        return self._items("/v1/items/{item_id}/similar", {"item_id": item_id}, query)

    def bought_together(self, item_id: str, **query: Unpack[RelatedQuery]) -> RelatedItems:
        """Return what is bought together with an item."""
        return self._items("/v1/items/{item_id}/bought-together", {"item_id": item_id}, query)

    def trending(self, **query: Unpack[TrendingQuery]) -> RelatedItems:
        """Return what rises, for everybody or for a segment."""
        return self._items("/v1/trending", {}, query)

    def send_events(self, events: Iterable[Event]) -> EventsAnswer:
        """Send events, as many as there are; what is acknowledged is durable.

        An event without an ``event_id`` is given one before the first try, so that a try more
        counts nothing twice: what an earlier try brought is among the duplicates.

        Parameters
        ----------
        events
            Each is judged by itself; ``index`` of a rejected one is its place among these.

        Raises
        ------
        ServiceError
            With a `receipt` of what was sent before, and all that is `unsent`.
        """
        named = [_named(event) for event in events]
        receipt = EventsAnswer(accepted=0, duplicates=0, rejected=[])
        for start, some in _parts(named, MOST_EVENTS):
            body = {"events": some}
            call = Call[EventsAnswer]("POST", "/v1/events", body=body, repeatable=True)
            try:
                answer = self._connection.json(call)
            except ServiceError as error:
                error.receipt, error.unsent = receipt, named[start:]
                raise
            receipt["accepted"] += answer["accepted"]
            receipt["duplicates"] += answer["duplicates"]
            receipt["rejected"] += _moved(answer["rejected"], start)
        return receipt

    def put_item(self, item_id: str, fields: Mapping[str, Any]) -> ItemsAnswer:
        """Tell of an item; a field None takes back what was told."""
        call = Call[ItemsAnswer]("PUT", "/v1/items/{item_id}", {"item_id": item_id}, body=fields)
        return self._connection.json(call)

    def put_items(self, items: Sequence[Mapping[str, Any]]) -> ItemsAnswer:
        """Tell of items, as many as there are, each with an ``item_id``."""
        receipt = ItemsAnswer(accepted=0, rejected=[])
        for start, some in _parts(items, MOST_ITEMS):
            body = {"items": some}
            call = Call[ItemsAnswer]("POST", "/v1/items:batch", body=body, repeatable=True)
            answer = self._connection.json(call)
            receipt["accepted"] += answer["accepted"]
            receipt["rejected"] += _moved(answer["rejected"], start)
        return receipt

    def user(self, user_id: str) -> UserAnswer:
        """Return what was told of a user."""
        return self._connection.json(Call("GET", "/v1/users/{user_id}", {"user_id": user_id}))

    def put_user(
        self,
        user_id: str,
        *,
        attributes: Mapping[str, Plain] | None = None,
        consent: Consent | None = None,
    ) -> UserAnswer:
        """Tell of a user; attributes stand in place of all told before, None changes nothing."""
        body = {"attributes": attributes, "consent": consent}
        call = Call[UserAnswer]("PUT", "/v1/users/{user_id}", {"user_id": user_id}, body=body)
        return self._connection.json(call)

    def erase_user(self, user_id: str) -> ErasedAnswer:
        """Erase a user everywhere, for good; a receipt after a second try counts what was left."""
        return self._connection.json(Call("DELETE", "/v1/users/{user_id}", {"user_id": user_id}))

    def user_segments(self, user_id: str) -> UserSegments:
        """Return the segments a user is in."""
        call = Call[UserSegments]("GET", "/v1/users/{user_id}/segments", {"user_id": user_id})
        return self._connection.json(call)

    def link(
        self, user_id: str, *, visitor_id: str | None = None, session_id: str | None = None
    ) -> LinkAnswer:
        """Put down to a user what she did before she was known: as a visitor, or in a session."""
        body = {"visitor_id": visitor_id, "session_id": session_id}
        call = Call[LinkAnswer]("POST", "/v1/users/{user_id}:link", {"user_id": user_id}, body=body)
        return self._connection.json(call)

    def segments(self) -> AxisList:
        """Return every axis, with its segments and what it weighs in each variant."""
        return self._connection.json(Call("GET", "/v1/segments"))

    def axis(self, name: str) -> AxisAnswer:
        """Return one axis, with what each of its segments prefers."""
        call = Call[AxisAnswer]("GET", "/v1/segments/{name}", {"name": name})
        return self._connection.json(call)

    def models(self) -> ModelList:
        """Return the models of the store."""
        return self._connection.json(Call("GET", "/v1/models"))

    def activate(self, version: str) -> Model:
        """Serve a version from now on; activating an older one rolls back."""
        call = Call[Model]("POST", "/v1/models/{version}:activate", {"version": version})
        return self._connection.json(call)

    def experiments(self) -> ExperimentList:
        """Return every experiment, the oldest first."""
        return self._connection.json(Call("GET", "/v1/experiments"))

    def experiment(self, name: str) -> ExperimentAnswer:
        """Return one experiment."""
        call = Call[ExperimentAnswer]("GET", "/v1/experiments/{name}", {"name": name})
        return self._connection.json(call)

    def create_experiment(self, plan: Mapping[str, Any]) -> ExperimentAnswer:
        """Write an experiment down; it does not run yet, and what it says does not change."""
        return self._connection.json(Call("POST", "/v1/experiments", body=plan))

    def start_experiment(self, name: str) -> ExperimentAnswer:
        """Let an experiment run from the next answer on."""
        call = Call[ExperimentAnswer]("POST", "/v1/experiments/{name}:start", {"name": name})
        return self._connection.json(call)

    def ramp_experiment(self, name: str, coverage: float) -> ExperimentAnswer:
        """Let more of its users take part; nobody is moved or sent away."""
        body, route = {"coverage": coverage}, "/v1/experiments/{name}:ramp"
        call = Call[ExperimentAnswer]("POST", route, {"name": name}, body=body)
        return self._connection.json(call)

    def stop_experiment(self, name: str) -> ExperimentAnswer:
        """End an experiment: everybody has the default variant again."""
        call = Call[ExperimentAnswer]("POST", "/v1/experiments/{name}:stop", {"name": name})
        return self._connection.json(call)

    def experiment_analysis(self, name: str) -> dict[str, Any]:
        """Return what an experiment shows now, and its verdict."""
        call = Call[dict[str, Any]]("GET", "/v1/experiments/{name}/analysis", {"name": name})
        return self._connection.json(call)

    def live(self) -> Health:
        """Return that the process runs."""
        return self._connection.json(Call("GET", "/v1/health/live"))

    def ready(self) -> Health:
        """Return whether the service can answer; that it cannot is an answer, not an error."""
        call = Call[Health]("GET", "/v1/health/ready", statuses=(UNAVAILABLE,))
        return self._connection.json(call)

    def metrics(self) -> str:
        """Return what was counted, as text for Prometheus."""
        return self._connection.text(Call("GET", "/metrics"))

    def _items(
        self, route: str, ids: Mapping[str, str], query: TrendingQuery | RelatedQuery
    ) -> RelatedItems:
        return self._connection.json(Call("GET", route, ids, query))


def _parts(rows: Sequence[Row], most: int) -> Iterator[tuple[int, Sequence[Row]]]:
    """Cut rows into parts of at most so many, each with the place of its first."""
    for start in range(0, len(rows), most):
        yield start, rows[start : start + most]


def _moved(told: Iterable[Told], start: int) -> list[Told]:
    """Return what is told of rows of a part, by their places among all."""
    return [{**one, "index": start + one["index"]} for one in told]


def _named(event: Event) -> Event:
    """Give an event an id where it has none."""
    if event.get("event_id") is not None:
        return event
    return {**event, "event_id": uuid.uuid4().hex}
