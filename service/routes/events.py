"""``/v1/events``: what users do."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from recsys.errors import StateError
from recsys.events.schema import TIMESTAMP
from service.dependencies import WRITE, Front
from service.schemas import EventsAnswer, EventsRequest, RejectedEvent

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[WRITE])


@router.post("/events", status_code=202)
async def take_in(front: Front, body: EventsRequest) -> EventsAnswer:
    """Take events in; they are durable once this answers."""
    if front.state_trouble is not None:
        raise StateError(front.state_trouble)
    rows = body.events
    if front.models.served.ranker.model.timed and any(map(_lacks_time, rows)):
        happened = str(front.now())
        rows = [{**row, TIMESTAMP: happened} if _lacks_time(row) else row for row in rows]
    receipt = await front.intake.take_in(rows, now=time.time_ns() // 1000)
    for outcome, number in (
        ("accepted", receipt.accepted),
        ("duplicate", receipt.duplicates),
        ("rejected", len(receipt.rejected)),
    ):
        front.metrics.events.labels(outcome).inc(number)
    return EventsAnswer(
        accepted=receipt.accepted,
        duplicates=receipt.duplicates,
        rejected=[
            RejectedEvent(index=one.place, code=one.code, message=one.message)
            for one in receipt.rejected
        ],
    )


def _lacks_time(row: Any) -> bool:
    """Tell whether an event has no time of its own: then it happened now, by our clock."""
    return isinstance(row, Mapping) and row.get(TIMESTAMP) is None
