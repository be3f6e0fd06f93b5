"""How many events a second one worker takes in, durable, and what that does to the lists.

    python benchmarks/service/intake.py --config recsys.toml [--seconds 20] [--rounds 3]

`recsys serve` serves the active bundle of a shop and its state: use a copy of the state, events are
added to it. One connection asks for lists, fifty a second, first alone and then beside sixteen that
send batches of fifty views, as fast as they are acknowledged. Prints one JSON document; times are
milliseconds.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent))
from answers import middle
from load import Reply, batches, figures, read, send
from serving import Server, key_for, state_of, write

PAUSE = 0.02
"""Seconds between an answer and the next question of the one who reads."""
WRITERS, BATCH = 16, 50
PREPARED = 200
"""Bodies for each second."""


def measure(config: Path, *, seconds: float, rounds: int) -> dict[str, Any]:
    """Serve, and measure reads with and without events that come in."""
    with state_of(config) as state:
        users = state.user_ids()
        items = sorted(set(state.events_of(users[:20])["item_id"].dropna()))
    found: dict[str, list[dict[str, float]]] = {"idle": [], "reads": [], "writes": []}
    with key_for(config, "write") as key, Server(config, "--workers", "1") as server:
        events = views(users, items)
        for number in range(rounds):
            idle, _ = asyncio.run(beside(server.port, key, users, None, seconds))
            ready = itertools.chain(prepared(events, seconds), events)
            reads, writes = asyncio.run(beside(server.port, key, users, ready, seconds))
            accepted = sum(json.loads(reply.body)["accepted"] for reply in writes)
            found["idle"].append(figures(idle, seconds))
            found["reads"].append(figures(reads, seconds))
            found["writes"].append(figures(writes, seconds) | {"events": accepted / seconds})
            print(number, {k: v[-1] for k, v in found.items()}, file=sys.stderr, flush=True)
    told = {name: middle(figures) for name, figures in found.items()}
    return {
        "users": len(users),
        **told,
        "events per second": round(told["writes"]["events"]),
        "p99 of reads above idle": round(told["reads"]["p99"] - told["idle"]["p99"], 1),
    }


def prepared(events: Iterator[bytes], seconds: float) -> list[bytes]:
    """Spell bodies beforehand: to do so between two answers would delay who reads them."""
    return list(itertools.islice(events, int(seconds * PREPARED)))


async def beside(
    port: int, key: str, users: Sequence[str], events: Iterator[bytes] | None, seconds: float
) -> tuple[list[Reply], list[Reply]]:
    """Read at a steady pace, beside writers where there are events."""
    until = time.perf_counter() + seconds
    paths = [f"/v1/recommendations/{quote(user)}" for user in users]
    reading = read(port, key, paths, until=until, seed=0, pause=PAUSE)
    n = 0 if events is None else WRITERS
    parts = await asyncio.gather(
        reading, *(send(port, key, events or iter(()), until=until) for _ in range(n))
    )
    return parts[0], [reply for part in parts[1:] for reply in part]


def views(users: Sequence[str], items: Sequence[str]) -> Iterator[bytes]:
    """Spell views of random items by random users, each with an id of its own."""
    draw, run = random.Random(0), time.time_ns()
    numbers = itertools.count()

    def view() -> dict[str, str]:
        return {
            "user_id": draw.choice(users),
            "item_id": draw.choice(items),
            "event": "view",
            "event_id": f"{run}-{next(numbers)}",
        }

    return batches(view, BATCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    write(measure(given.config, seconds=given.seconds, rounds=given.rounds))


if __name__ == "__main__":
    main()
