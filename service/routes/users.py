"""``/v1/users``: what the shop tells of users, and how they leave."""

import time

from fastapi import APIRouter

from recsys.errors import ConfigError
from recsys.events.times import format_time
from service.dependencies import ADMIN, READ_PERSON, WRITE, Front, PathId
from service.schemas import (
    ErasedAnswer,
    LinkAnswer,
    LinkRequest,
    SegmentWeight,
    UserAnswer,
    UserRequest,
    UserSegments,
)

router = APIRouter(prefix="/v1/users", tags=["users"])

AGGREGATES = (
    "what items are like was learnt from many users at once; it is free of this one after the next "
    "training"
)


# Before the plain ones: an id may hold a slash, and the rest of the path too.
@router.get("/{user_id:path}/segments", dependencies=[READ_PERSON])
def segments(front: Front, user_id: PathId) -> UserSegments:
    """Tell which segments a user is in."""
    pulse = front.state.pulse(user_id)
    served = front.models.up_to(pulse.changes)
    known, _ = front.known(user_id, served, pulse)
    return UserSegments(
        user_id=user_id,
        model_version=served.version,
        segments=[
            SegmentWeight(axis=axis, name=name, weight=weight)
            for axis, weights in sorted(known.segments.items())
            for name, weight in sorted(weights.items())
        ],
    )


@router.post("/{user_id:path}:link", dependencies=[WRITE])
def link(front: Front, user_id: PathId, body: LinkRequest) -> LinkAnswer:
    """Put down to a user what she did before she was known."""
    if (body.visitor_id is None) == (body.session_id is None):
        raise ConfigError("a link names either visitor_id or session_id")
    if body.visitor_id is not None:
        return LinkAnswer(moved=front.state.link("visitor", body.visitor_id, user_id))
    return LinkAnswer(moved=front.state.link("session", str(body.session_id), user_id))


@router.put("/{user_id:path}", dependencies=[WRITE])
def put(front: Front, user_id: PathId, body: UserRequest) -> UserAnswer:
    """Tell of a user: her attributes, and what she agreed to."""
    front.state.put_person(user_id, attributes=body.attributes, consent=body.consent)
    return _told(front, user_id)


@router.get("/{user_id:path}", dependencies=[READ_PERSON])
def get(front: Front, user_id: PathId) -> UserAnswer:
    """Return what was told of a user; of one who is not known, that nothing was."""
    return _told(front, user_id)


@router.delete("/{user_id:path}", dependencies=[ADMIN])
def erase(front: Front, user_id: PathId) -> ErasedAnswer:
    """Erase a user everywhere, for good."""
    front.book.forget(user_id)
    receipt = front.state.erase(user_id, erased_at=time.time_ns() // 1000)
    front.book.forget(user_id)
    return ErasedAnswer(
        digest=receipt.digest,
        erased_at=format_time(receipt.erased_at),
        rows=receipt.rows,
        note=AGGREGATES,
    )


def _told(front: Front, user_id: str) -> UserAnswer:
    person = front.state.person(user_id)
    if person is None:
        return UserAnswer(user_id=user_id, known=False, attributes={}, consent="full")
    return UserAnswer(
        user_id=user_id, known=True, attributes=person.attributes, consent=person.consent
    )
