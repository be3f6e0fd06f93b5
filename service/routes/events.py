"""``/v1/events``: what users do."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from recsys.errors import StateError
from service.dependencies import WRITE, Front
from service.schemas import EventsAnswer, EventsRequest, RejectedEvent

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[WRITE])


@router.post("/events", status_code=202)
async def take_in(front: Front, body: EventsRequest) -> EventsAnswer:
    """Take events in; they are durable once this answers."""
    if front.state_trouble is not None:
        raise StateError(front.state_trouble)
    happened = await run_in_threadpool(front.event_time)
    rows = [_timed(row, happened) for row in body.events]
    done = front.intake.submit(rows, now=time.time_ns() // 1000)
    receipt = await asyncio.wrap_future(done)
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


def _timed(row: Any, happened: int | None) -> Any:
    """Let an event without a time of its own have happened now, by the service's clock."""
    if happened is None or not isinstance(row, Mapping) or row.get("timestamp") is not None:
        return row
    return {**row, "timestamp": str(happened)}
