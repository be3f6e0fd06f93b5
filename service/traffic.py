"""What happens to every request, whatever it asks for: a name, limits, headers, counts, a line."""

import json
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import REQUEST_ID
from service.metrics import Metrics

access = logging.getLogger("recsys.access")

MOST_BYTES: Final = 2 * 2**20
"""Of a body: five hundred events and a thousand items fit in."""
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""Of every answer; it is data, and no page of anybody's."""


Header = tuple[bytes, bytes]


class _TooLargeError(HTTPException):
    """A body beyond `MOST_BYTES`; what reads bodies lets this through."""

    def __init__(self) -> None:
        super().__init__(413, f"a body may have {MOST_BYTES:,} bytes; send less at once")


class Traffic:
    """Middleware around the whole application.

    Parameters
    ----------
    app
        What answers.
    metrics
        Where answers are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, and take down what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        start, status = time.perf_counter(), 500

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message["headers"], request_id)
            await send(message)

        try:
            await self._app(scope, _limited(receive), named)
        finally:
            self._note(scope, status, time.perf_counter() - start)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # The path as it is written in the code: the one that was asked for names a person.
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(scope["method"], route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if access.isEnabledFor(logging.INFO):
            said = {
                "request_id": scope["state"]["request_id"],
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "key": scope["state"].get("key", ""),
            }
            access.info("request", extra={"said": said})


REQUEST_ID_BYTES: Final = REQUEST_ID.lower().encode()
CACHE_CONTROL: Final = b"cache-control"
UNKEPT: Final = (CACHE_CONTROL, b"no-store")
"""Of an answer that does not say who may keep it."""


def _completed(headers: Iterable[Header], request_id: str) -> list[Header]:
    own = [header for header in headers if header[0].lower() != REQUEST_ID_BYTES]
    said = any(name.lower() == CACHE_CONTROL for name, _ in own)
    kept = [] if said else [UNKEPT]
    return [*own, *kept, *HEADERS, (REQUEST_ID_BYTES, request_id.encode())]


def _limited(receive: Receive) -> Receive:
    """Count what arrives: a length that is declared need not be true."""
    n_bytes = 0

    async def counted() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > MOST_BYTES:
            raise _TooLargeError
        return message

    return counted


class JsonLines(logging.Formatter):
    """One line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Spell a record."""
        said: Mapping[str, Any] = getattr(record, "said", {})
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **said,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
