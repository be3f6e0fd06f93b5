"""Whether the service finishes what it has begun when it is asked to stop under load.

    python benchmarks/service/stops.py [--rounds 20] [--clients 12]

The sample shop is served by a process of `recsys serve`; half of the clients send events, half ask
for lists, and every second one opens a connection for each request. At a random moment the process
gets SIGTERM. Prints one JSON document: requests that were answered; `unanswered` ones, which the
service has in its log and whose client got no whole answer; events acknowledged that are not in the
state; lists answered whose exposure is not; exit codes; seconds until the process was gone.
`refused` are requests that found the door closed: the service has never seen them.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from serving import Server, Writer, client_of, scratch_shop, spread, state_of, stored, write

N_USERS = 300
"""Of the sample shop."""
SHORTEST, LONGEST = 0.3, 1.5
"""Seconds of load before the process is asked to stop."""
READY = "/v1/health/ready"


@dataclass
class Heard:
    """What clients heard of the service in all rounds."""

    writers: list[Writer]
    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    lists: dict[str, str] = field(default_factory=dict)


def stop_rounds(*, rounds: int, n_clients: int, seed: int = 0) -> dict[str, Any]:
    """Serve a shop, and ask the process to stop again and again."""
    heard = Heard([Writer(f"w{number}", seed + number) for number in range(n_clients // 2)])
    random = np.random.default_rng(seed)
    left = []
    with scratch_shop("sqlite") as (config, _):
        for number in range(rounds):
            with Server(config) as server:
                seconds = float(random.uniform(SHORTEST, LONGEST))
                left.append(asyncio.run(load_until_stopped(server, heard, seconds, number)))
            print(number + 1, left[-1], dict(heard.statuses), file=sys.stderr, flush=True)
        logged = Counter(line["status"] for line in answers_in(server.said()))
        with state_of(config) as state:
            lost, _ = stored(state, heard.writers)
            users = sorted(set(heard.lists.values()))
            kept = {one.recommendation_id for user in users for one in state.exposures.of(user)}
    return {
        "rounds": rounds,
        "answered": {str(status): n for status, n in sorted(heard.statuses.items())},
        "refused": heard.refused,
        "unanswered": (logged - heard.statuses).total(),
        "events_acknowledged": sum(len(one.acknowledged) for one in heard.writers),
        "events_lost": lost,
        "lists": len(heard.lists),
        "exposures_lost": len(heard.lists.keys() - kept),
        "exit_codes": sorted({code for code, _ in left}),
        "seconds": spread([seconds for _, seconds in left]),
    }


def answers_in(said: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of a log that tell of the clients' requests."""
    return [line for line in said if line["message"] == "request" and line["route"] != READY]


async def load_until_stopped(
    server: Server, heard: Heard, seconds: float, seed: int
) -> tuple[int, float]:
    """Load the service, and ask it to stop; returns its exit code and the seconds it took."""
    async with client_of(server) as kept, client_of(server, Connection="close") as once:
        clients = (kept, once)
        tasks = [
            asyncio.create_task(until_refused(heard, clients[number % 2], writer, seed + number))
            for number, writer in enumerate([*heard.writers, *[None] * len(heard.writers)])
        ]
        await asyncio.sleep(seconds)
        left = await asyncio.to_thread(server.stop)
        await asyncio.gather(*tasks)
    return left


async def until_refused(
    heard: Heard, client: httpx.AsyncClient, writer: Writer | None, seed: int
) -> None:
    """Send events, or without a writer ask for lists, until nobody answers any more."""
    random = np.random.default_rng(seed)
    while True:
        user_id = f"{random.integers(N_USERS):04d}"
        try:
            response = await (
                writer.send(client) if writer else client.get(f"/v1/recommendations/{user_id}")
            )
        except httpx.TransportError:
            heard.refused += 1
            return
        heard.statuses[response.status_code] += 1
        if response.status_code == 200:
            heard.lists[response.json()["recommendation_id"]] = user_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=12)
    asked = parser.parse_args()
    write(stop_rounds(rounds=asked.rounds, n_clients=asked.clients))


if __name__ == "__main__":
    main()
