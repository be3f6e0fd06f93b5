"""Whether the service goes on while its PostgreSQL is away, and comes back by itself.

    python benchmarks/service/outages.py [--outages 10] [--clients 8]

The sample shop is served by a process of `recsys serve` over PostgreSQL; half of the clients send
events, half ask for lists, of customers and of strangers. The database is stopped as a crash would
stop it, stays away for some seconds, and is started again. Prints one JSON document: answers by
what was asked, when, and what came; events that were acknowledged and are lost; exposures that are
lost; seconds from the database's start until all was well. The database is `there`, `going`,
`away`, `coming` until a list is whole and events are taken in again, or `between` two of these.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from postgres import Postgres
from serving import Server, Writer, client_of, scratch_shop, spread, state_of, stored, write

N_USERS = 400
"""The last hundred of them are strangers."""
AWAY, BETWEEN = 3.0, 3.0
"""Seconds without the database, and with it."""
THERE = "there"


@dataclass
class Outages:
    """What is known of the database, and what clients heard of the service."""

    writers: list[Writer]
    when: str = THERE
    over: bool = False
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)
    whole: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    slowest: float = 0.0

    async def hear(self, what: str, asking: Awaitable[httpx.Response]) -> dict[str, Any]:
        """Count an answer, by when it was asked for and what it is; returns what it says."""
        before, start = self.when, time.monotonic()
        try:
            response = await asking
            label, said = labelled(response), response.json()
        except httpx.TransportError as error:
            label, said = "none", {"error": repr(error)}
        seconds, when = time.monotonic() - start, self.when if self.when == before else "between"
        self.answers[what, when, label] += 1
        self.slowest = max(self.slowest, seconds if when == "away" else 0.0)
        if label == "whole":
            self.whole[what].set()
        if label in ("other", "none"):
            self.strange.append(f"{what}, {before}, {seconds:.2f} s: {said}")
        return said


def labelled(response: httpx.Response) -> str:
    """Return what an answer is: whole, degraded, refused as it should be, or something else."""
    said = response.json()
    if response.status_code == 202 or (response.status_code == 200 and not said["degraded"]):
        return "whole"
    if response.status_code == 200 and said["degraded"] == ["state"]:
        return "degraded"
    is_away = response.status_code == 503 and said["error"]["code"] == "state_unavailable"
    return "refused" if is_away else "other"


def outages_under_load(*, outages: int, n_clients: int) -> dict[str, Any]:
    """Serve a shop, and take its database away again and again."""
    found = Outages([Writer(f"w{number}", number) for number in range(n_clients // 2)])
    with scratch_shop("postgresql") as (config, database), Server(config) as server:
        if database is None:
            raise RuntimeError("this needs PostgreSQL")
        back = asyncio.run(run(server, database, found, outages))
        code, _ = server.stop()
        with state_of(config) as state:
            lost, twice = stored(state, found.writers)
            users = sorted(set(found.lists.values()))
            kept = {one.recommendation_id for user in users for one in state.exposures.of(user)}
        version = database.version()
    return {
        "postgresql": version,
        "outages": outages,
        "answers": told(found.answers),
        "strange": found.strange[:3],
        "acknowledged": sum(len(one.acknowledged) for one in found.writers),
        "lost": lost,
        "duplicated": twice,
        "exposures": len(found.lists),
        "exposures_lost": len(found.lists.keys() - kept),
        "slowest_while_away": round(found.slowest, 2),
        "seconds_until_back": spread(back),
        "exit_code": code,
    }


def told(answers: Counter[tuple[str, str, str]]) -> dict[str, dict[str, dict[str, int]]]:
    nested: dict[str, dict[str, dict[str, int]]] = {}
    for (what, when, label), number in sorted(answers.items()):
        nested.setdefault(what, {}).setdefault(when, {})[label] = number
    return nested


async def run(server: Server, database: Postgres, found: Outages, outages: int) -> list[float]:
    """Take the database away while clients go on; returns seconds until all was well again."""
    async with client_of(server) as client:
        tasks = [asyncio.create_task(write_on(found, one, client)) for one in found.writers]
        seeds = range(len(found.writers))
        tasks += [asyncio.create_task(read_on(found, client, seed)) for seed in seeds]
        back = []
        for number in range(outages):
            await asyncio.sleep(BETWEEN)
            back.append(await one_outage(database, found))
            print(number + 1, back[-1], told(found.answers), file=sys.stderr, flush=True)
        await asyncio.sleep(BETWEEN)
        found.over = True
        await asyncio.gather(*tasks)
    return back


async def one_outage(database: Postgres, found: Outages) -> float:
    found.when = "going"
    await asyncio.to_thread(database.crash)
    found.when = "away"
    await asyncio.sleep(AWAY)
    found.when = "coming"
    await asyncio.to_thread(database.start)
    start = time.monotonic()
    found.whole.clear()
    await asyncio.gather(*(found.whole[what].wait() for what in ("lists", "events")))
    found.when = THERE
    return time.monotonic() - start


async def write_on(found: Outages, writer: Writer, client: httpx.AsyncClient) -> None:
    """Send events, again those that were refused."""
    while not found.over or writer.waiting:
        await found.hear("events", writer.send(client))
        await asyncio.sleep(0.02)


async def read_on(found: Outages, client: httpx.AsyncClient, seed: int) -> None:
    """Ask for lists."""
    random = np.random.default_rng(seed)
    while not found.over:
        user_id = f"{random.integers(N_USERS):04d}"
        said = await found.hear("lists", client.get(f"/v1/recommendations/{user_id}"))
        if "items" in said and said["fallback"] is None:
            found.lists[said["recommendation_id"]] = user_id
        await asyncio.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outages", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    asked = parser.parse_args()
    write(outages_under_load(outages=asked.outages, n_clients=asked.clients))


if __name__ == "__main__":
    main()
