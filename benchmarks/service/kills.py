"""Whether the service keeps what it acknowledged when it is killed while events come in.

    python benchmarks/service/kills.py [DATABASE ...] [--rounds 200] [--writers 6]

For SQLite and for PostgreSQL: the sample shop is served by a process of `recsys serve`. Storefronts
send events, up to twenty a request, and at a random moment the process is killed (SIGKILL). It is
started again, and they first send again, under the same ids, what had not been acknowledged. Prints
one JSON document: how many events were acknowledged, and how many of those were lost or are there
twice; `torn` are requests of which only a part was taken in; `unheard` are events that were durable
though the process died before it could say so.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from serving import Server, Writer, client_of, scratch_shop, state_of, stored, write

DATABASES = ("sqlite", "postgresql")
LONGEST = 1.0
"""Seconds of load before a process is killed, at most."""


def kill_rounds(database: str, *, rounds: int, n_writers: int, seed: int = 0) -> dict[str, Any]:
    """Serve a shop, and kill the process again and again."""
    writers = [Writer(f"w{number}", seed + number) for number in range(n_writers)]
    random = np.random.default_rng(seed)
    start = time.monotonic()
    with (
        scratch_shop(database) as (config, _),
        state_of(config) as state,
        Server(config) as server,
    ):
        before = state.counts()["events"]
        for number in range(rounds):
            seconds = float(random.uniform(0.0, LONGEST))
            asyncio.run(load_until_killed(server, writers, seconds))
            server.start()
            print(database, number + 1, totals(writers), file=sys.stderr, flush=True)
        asyncio.run(finish(server, writers))
        figures = totals(writers)
        lost, twice = stored(state, writers)
        surplus = state.counts()["events"] - before - figures["acknowledged"]
    return {
        "database": database,
        "rounds": rounds,
        **figures,
        "lost": lost,
        "duplicated": twice + surplus,
        "seconds": round(time.monotonic() - start),
    }


async def load_until_killed(server: Server, writers: Sequence[Writer], seconds: float) -> None:
    async with client_of(server) as client:
        tasks = [asyncio.create_task(write_on(one, client)) for one in writers]
        await asyncio.sleep(seconds)
        server.kill()
        await asyncio.gather(*tasks)


async def write_on(writer: Writer, client: httpx.AsyncClient) -> None:
    """Send until nobody answers."""
    while True:
        try:
            response = await writer.send(client)
        except httpx.TransportError:
            return
        if response.status_code != 202:
            raise RuntimeError(response.text)


async def finish(server: Server, writers: Sequence[Writer]) -> None:
    """Send what still waits."""
    async with client_of(server) as client:
        for one in writers:
            if one.waiting:
                await one.send(client)


def totals(writers: Sequence[Writer]) -> dict[str, int]:
    return {
        "acknowledged": sum(len(one.acknowledged) for one in writers),
        "unheard": sum(one.duplicates for one in writers),
        "torn": sum(one.torn for one in writers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", nargs="*", default=DATABASES)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--writers", type=int, default=6)
    asked = parser.parse_args()
    write(
        [kill_rounds(one, rounds=asked.rounds, n_writers=asked.writers) for one in asked.database]
    )


if __name__ == "__main__":
    main()
