"""How many lists one worker serves, beside a route that does nothing behind the same middleware.

    python benchmarks/service/answers.py --config recsys.toml [--seconds 15] [--rounds 5]

The active bundle of a shop and its state are served by one process with everything on: keys,
counts, lines of log, exposures. Eight connections ask for the top 10 of users drawn from all of the
state's; no answer is kept anywhere. Before it is measured every user has been asked for once; what
that took is in the output too. Rounds alternate, and the medians over rounds are compared. Prints
one JSON document; times are milliseconds.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from load import connected, figures, pull
from serving import Server, key_for, state_of, write

from recsys.cli.serve import PROTOCOL

LIST, NOTHING = "/v1/recommendations/", "/v1/nothing/"
CONNECTIONS = 8


class Doors(Server):
    """The service with a route that does nothing, as `recsys serve` runs it."""

    def _words(self) -> list[str]:
        os.environ["RECSYS_CONFIG"] = str(self._config.resolve())
        here = Path(__file__).parent
        logging = here.parents[1] / "service" / "logging.json"
        place = ("--app-dir", str(here), "--port", str(self.port))
        told = ("--log-config", str(logging), "--no-access-log", "--http", PROTOCOL)
        return [sys.executable, "-m", "uvicorn", "doors:create_app", "--factory", *place, *told]


def compare(config: Path, *, seconds: float, rounds: int) -> dict[str, Any]:
    """Serve, and measure both routes in turns."""
    with state_of(config) as state:
        users = state.user_ids()
    paths = {route: [f"{route}{quote(user)}" for user in users] for route in (NOTHING, LIST)}
    with key_for(config, "read") as key, Doors(config) as server:
        first = asyncio.run(each_once(server.port, key, paths[LIST]))
        found: dict[str, list[dict[str, float]]] = {route: [] for route in paths}
        for number in range(rounds):
            for route, asked in paths.items():
                replies = asyncio.run(
                    pull(server.port, key, asked, connections=CONNECTIONS, seconds=seconds)
                )
                found[route].append(figures(replies, seconds))
                print(number, route, found[route][-1], file=sys.stderr, flush=True)
        memory = server.megabytes()
    nothing, lists = (middle(found[route]) for route in (NOTHING, LIST))
    return {
        "users": len(users),
        "first answers": first,
        "nothing": nothing,
        "lists": lists,
        "throughput to that of nothing": round(lists["per second"] / nothing["per second"], 3),
        "p99 to that of nothing": round(lists["p99"] / nothing["p99"], 2),
        "megabytes": memory,
    }


async def each_once(port: int, key: str, paths: list[str]) -> dict[str, float]:
    """Ask for everybody once: each is read from the state and described."""
    start = time.perf_counter()
    async with connected(port, key) as line:
        replies = [await line.ask("GET", path) for path in paths]
    return figures(replies, time.perf_counter() - start)


def middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {name: float(np.median([one[name] for one in rounds])) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    write(compare(given.config, seconds=given.seconds, rounds=given.rounds))


if __name__ == "__main__":
    main()
