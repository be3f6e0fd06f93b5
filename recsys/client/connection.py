"""Sends requests: how long one may take, when it is sent again, and what its failure means."""

import json
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Final, NamedTuple

from recsys import __version__
from recsys.client.call import TOO_MANY, Answer, Call
from recsys.client.errors import (
    NO_ANSWER,
    UNKNOWN_ANSWER,
    UNREACHABLE,
    RefusedError,
    ServiceError,
    UnavailableError,
)
from recsys.errors import ConfigError

try:
    import httpx
except ImportError as error:
    raise ImportError('recsys.client needs httpx: pip install "recsys[client]"') from error

KEPT_SECONDS: Final = 4.0
"""Less than the 5 s after which uvicorn closes a connection that nobody uses."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a storefront waits; all in seconds.

    Attributes
    ----------
    deadline
        For a request, with all that is tried again.
    timeout
        For one try of what may be tried again; what may not has until the deadline.
    tries
        At most.
    backoff
        The wait before the second try is drawn from 0 to this, and to twice as much before each
        next one; what the service asks for (``Retry-After``) comes on top.

    Raises
    ------
    ConfigError
        For a value that cannot be meant.
    """

    deadline: float = 3.0
    timeout: float = 1.0
    tries: int = 4
    backoff: float = 0.1

    def __post_init__(self) -> None:
        if min(self.deadline, self.timeout) <= 0 or self.tries < 1 or self.backoff < 0:
            raise ConfigError(f"{self}: times are above 0, and there is one try at least")


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: httpx.Headers
    body: bytes


class Connection:
    """Keeps connections to one service open, and sends requests; threads may share it.

    Parameters
    ----------
    address
        Of the service.
    api_key
        Sent with every request.
    patience
        How long to wait.
    seed
        Of the waits between tries.

    Raises
    ------
    ConfigError
        For an address or a key that cannot be one.
    """

    def __init__(
        self, address: str, api_key: str | None, patience: Patience, seed: int | None
    ) -> None:
        self._address, self._patience = _checked(address), patience
        self._random = random.Random(seed)
        self._http = httpx.Client(
            base_url=address,
            headers={"User-Agent": f"recsys/{__version__}", **_key_header(api_key)},
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEPT_SECONDS),
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def json(self, call: Call[Answer]) -> Answer:
        """Send a request and return the JSON of its answer.

        Raises
        ------
        ServiceError
            When there is none.
        """
        reply = self._sent(call)
        try:
            answer: Answer = json.loads(reply.body)
        except ValueError:
            raise _failure(call, reply) from None
        return answer

    def text(self, call: Call[str]) -> str:
        """Send a request and return its answer as it came."""
        return self._sent(call).body.decode()

    def _sent(self, call: Call[Any]) -> Reply:
        """Send a request until it is answered, must not be sent again, or time is up."""
        until = time.monotonic() + self._patience.deadline
        for wait in self._waits():
            try:
                return self._tried(call, until)
            except UnavailableError as failure:
                pause = wait + (failure.retry_after or 0.0)
                if not call.may_go_again(failure) or time.monotonic() + pause >= until:
                    raise
            time.sleep(pause)
        return self._tried(call, until)

    def _waits(self) -> Iterator[float]:
        """Draw the wait after each try but the last: many clients must not come back at once."""
        for number in range(self._patience.tries - 1):
            yield self._random.uniform(0.0, self._patience.backoff * 2**number)

    def _tried(self, call: Call[Any], until: float) -> Reply:
        try:
            reply = self._answered(call, self._seconds(call, until))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            message = f"no connection to {self._address}: {error}; is the service running there?"
            raise UnavailableError(call.place, UNREACHABLE, message) from error
        except httpx.RequestError as error:
            message = f"no answer from {self._address}: {error}; a Patience may be longer"
            raise UnavailableError(call.place, NO_ANSWER, message) from error
        if httpx.codes.is_success(reply.status) or reply.status in call.statuses:
            return reply
        raise _failure(call, reply)

    def _seconds(self, call: Call[Any], until: float) -> float:
        """Return how long one try may take."""
        left = max(until - time.monotonic(), 0.001)
        return min(left, self._patience.timeout) if call.is_repeatable else left

    def _answered(self, call: Call[Any], seconds: float) -> Reply:
        end = time.monotonic() + seconds
        with self._http.stream(
            call.method, call.path, params=call.parameters, json=call.body, timeout=seconds
        ) as answer:
            body = b"".join(_until(end, answer.iter_bytes()))
            return Reply(answer.status_code, answer.headers, body)


def _until(end: float, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Let the parts of an answer pass: each in time is not enough for all of them."""
    for part in parts:
        if time.monotonic() > end:
            raise httpx.ReadTimeout("it came too slowly")
        yield part


def _failure(call: Call[Any], reply: Reply) -> ServiceError:
    passing = reply.status == TOO_MANY or reply.status >= 500
    kind = UnavailableError if passing else RefusedError
    code, message, request_id = _told(reply)
    retry_after = _seconds_of(reply.headers.get("Retry-After"))
    return kind(call.place, code, message, reply.status, request_id, retry_after)


def _told(reply: Reply) -> tuple[str, str, str | None]:
    """Return the code, the message and the request's id of an answer that is an error."""
    try:
        error = json.loads(reply.body)["error"]
        return error["code"], error["message"], error["request_id"]
    except (ValueError, KeyError, TypeError):
        message = "this is no answer of the service; is the address its own?"
        return UNKNOWN_ANSWER, message, reply.headers.get("X-Request-Id")


def _seconds_of(header: str | None) -> float | None:
    """Return how long a ``Retry-After`` asks to wait, be it seconds or a date."""
    if header is None or header.isdecimal():
        return None if header is None else float(header)
    date = parsedate_tz(header)
    return None if date is None else max(mktime_tz(date) - time.time(), 0.0)


def _checked(address: str) -> str:
    """Return an address as it may be told: without a password."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ConfigError(f"address={address!r}: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"address={address!r} is not like http://127.0.0.1:8000")
    return str(url.copy_with(userinfo=b""))


def _key_header(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not (api_key.isascii() and api_key.isprintable()):
        raise ConfigError("the API key has a character that none has: a line's end, perhaps")
    return {"X-API-Key": api_key}
