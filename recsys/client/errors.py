"""What a storefront may have to catch.

::

    ServiceError
    ├── RefusedError        the service will not: a key, a value or a path is wrong
    └── UnavailableError    the service cannot now, or is not there; the same may succeed later

Besides the codes of the service there are three of the client's own: ``unreachable`` (nothing was
sent), ``no_answer`` (none in time, or the connection was lost) and ``unknown_answer`` (what
answered is not the service).
"""

from collections.abc import Sequence
from typing import Final

from recsys.client.messages import Event, EventsAnswer
from recsys.errors import RecsysError

UNREACHABLE: Final = "unreachable"
NO_ANSWER: Final = "no_answer"
UNKNOWN_ANSWER: Final = "unknown_answer"


class ServiceError(RecsysError):
    """The service did not do what was asked.

    Attributes
    ----------
    code
        One of the service's closed list, or of the client's own.
    message
        What the service says, and what to do about it.
    status
        Of HTTP; None without an answer.
    request_id
        What the service's log calls the request; None where it did not say.
    retry_after
        Seconds after which the service wants to be asked again; None where it did not say.
    receipt
        When events were sent: what became of those before the failure.
    unsent
        When events were sent: all others, by the ids they were sent with, so that sending them
        again counts none twice.
    """

    receipt: EventsAnswer | None = None
    unsent: Sequence[Event] = ()

    def __init__(
        self,
        place: str,
        code: str,
        message: str,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        said = [str(status)] if status else []
        named = [f"request {request_id}"] if request_id else []
        super().__init__(f"{place}: {message} ({', '.join([*said, code, *named])})")
        self.code, self.message, self.status = code, message, status
        self.request_id, self.retry_after = request_id, retry_after


class RefusedError(ServiceError):
    """The service will not do this, however often it is asked."""


class UnavailableError(ServiceError):
    """The service is not there, or cannot do this now."""
