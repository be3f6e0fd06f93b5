"""A service that fails as it is told: one step for each request, and then it answers."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Event as Flag
from threading import Thread
from typing import Any, NamedTuple

Body = dict[str, Any]
Step = Callable[["Handler"], None]


class Asked(NamedTuple):
    """A request as it arrived, and when (monotonic seconds)."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Body
    at: float


class Fake(ThreadingHTTPServer):
    """The service.

    Parameters
    ----------
    steps
        What it does with the first requests.
    answer
        From a request to the JSON of its answer.
    port
        0: one that is free.
    """

    daemon_threads = True

    def __init__(self, steps: Sequence[Step], answer: Callable[[Asked], Body], port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.steps, self.answer = list(steps), answer
        self.asked: list[Asked] = []
        self.connections = 0
        self.over = Flag()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        times = [one.at for one in self.asked]
        return [after - before for before, after in pairwise(times)]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Fake
    asked: Asked

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def handle_one(self) -> None:
        arrived = time.monotonic()
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw) if raw else {}
        self.asked = Asked(self.command, self.path, dict(self.headers), body, arrived)
        self.server.asked.append(self.asked)
        step = self.server.steps.pop(0) if self.server.steps else answers
        step(self)

    do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815

    def send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def answers(handler: Handler) -> None:
    """Do what was asked."""
    handler.send(200, json.dumps(handler.server.answer(handler.asked)).encode(), {})


def answers_and_leaves(handler: Handler) -> None:
    """Do what was asked, and close the connection afterwards without saying so."""
    answers(handler)
    handler.close_connection = True


def refuses(status: int, code: str = "some_code", **headers: str) -> Step:
    """Answer with an error of the service's form; an underscore of a header is a hyphen."""
    error = {"code": code, "message": f"no: {code}", "request_id": "r1"}
    content = json.dumps({"error": error}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(status, content, named)


def babbles(status: int) -> Step:
    """Answer as a proxy would that found nobody behind it."""
    return lambda handler: handler.send(status, b"<html>Bad Gateway</html>", {})


def hangs_up(handler: Handler) -> None:
    """Close the connection without a word, after the request was read."""
    handler.close_connection = True


def is_silent(handler: Handler) -> None:
    """Say nothing until the test is over."""
    handler.server.over.wait(30)
    handler.close_connection = True


def trickles(handler: Handler) -> None:
    """Send a byte now and then, each in time, and never come to an end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.over.wait(0.02):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return


def nothing(asked: Asked) -> Body:
    return {}


@contextmanager
def fake(*steps: Step, answer: Callable[[Asked], Body] = nothing, port: int = 0) -> Iterator[Fake]:
    """Run a fake service, and stop it whatever happens."""
    with Fake(steps, answer, port) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
