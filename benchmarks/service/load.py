"""Storefronts on bare sockets: what asks must cost little beside what answers."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import numpy as np


class Reply(NamedTuple):
    """One answer: its status, its body, and how long it took (seconds)."""

    status: int
    body: bytes
    seconds: float


class Line:
    """One connection that is kept.

    Parameters
    ----------
    reader, writer
        Of the connection.
    key
        The API key.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str):
        self._reader, self.writer = reader, writer
        self._headers = f"Host: shop\r\nX-API-Key: {key}\r\n"

    async def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Ask for something, and wait for the whole answer."""
        said = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        start = time.perf_counter()
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{self._headers}{said}\r\n".encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        place = head.lower().find(b"content-length:")
        length = int(head[place + 15 : head.find(b"\r\n", place)])
        answer = await self._reader.readexactly(length)
        return Reply(int(head[9:12]), answer, time.perf_counter() - start)


@asynccontextmanager
async def connected(port: int, key: str) -> Any:
    """Connect to the service on loopback."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Line(reader, writer, key)
    finally:
        writer.close()


async def read(
    port: int, key: str, paths: Sequence[str], *, until: float, seed: int, pause: float = 0.0
) -> list[Reply]:
    """Ask for paths drawn at random, one after the other, until a moment of `perf_counter`."""
    draw, found = random.Random(seed), []
    async with connected(port, key) as line:
        while time.perf_counter() < until:
            found.append(await line.ask("GET", draw.choice(paths)))
            await asyncio.sleep(pause)
    return found


async def pull(
    port: int, key: str, paths: Sequence[str], *, connections: int, seconds: float
) -> list[Reply]:
    """Ask over several connections at once, each as fast as it is answered."""
    until = time.perf_counter() + seconds
    parts = (read(port, key, paths, until=until, seed=n) for n in range(connections))
    return [reply for part in await asyncio.gather(*parts) for reply in part]


async def send(port: int, key: str, bodies: Iterator[bytes], *, until: float) -> list[Reply]:
    """Send events, body after body, until a moment of `perf_counter`."""
    found = []
    async with connected(port, key) as line:
        while time.perf_counter() < until:
            found.append(await line.ask("POST", "/v1/events", next(bodies)))
    return found


def batches(event: Callable[[], dict[str, Any]], size: int) -> Iterator[bytes]:
    """Spell batches of events, one after the other."""
    while True:
        yield json.dumps({"events": [event() for _ in range(size)]}).encode()


def figures(replies: Sequence[Reply], seconds: float) -> dict[str, float]:
    """Sum up answers: how many a second, and how long they took (milliseconds).

    Raises
    ------
    RuntimeError
        When one was an error.
    """
    for reply in replies:
        if reply.status >= 300:
            raise RuntimeError(f"{reply.status}: {reply.body[:500]!r}")
    took = np.array([reply.seconds for reply in replies]) * 1e3
    at = {"p50": 50, "p99": 99}
    named = {name: round(float(np.percentile(took, q)), 2) for name, q in at.items()}
    return {"per second": round(len(replies) / seconds, 1), **named}
