"""How long it takes until what customers did shows in their memberships.

    python benchmarks/service/memberships.py --config recsys.toml [--rounds 50] [--customers 1 100]

`recsys serve` serves the active bundle of a shop and its state: use a copy of the state, events are
added to it. In each round some customers buy something; from the acknowledgement on their
memberships are waited for. Prints one JSON document; times are seconds.
"""

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from recsys.client import Client
from recsys.state import StateStore

sys.path.insert(0, str(Path(__file__).parent))
from serving import PATIENCE, Server, key_for, state_of, write

LOOK = 0.02
"""Seconds between two looks."""


def measure(config: Path, *, rounds: int, sizes: list[int]) -> dict[str, Any]:
    """Serve, and measure how long memberships take after so many customers changed at once."""
    found: dict[str, Any] = {}
    with state_of(config) as state, key_for(config, "write") as key, Server(config) as server:
        users = state.user_ids()
        with Client(server.address, api_key=key) as shop:
            item = shop.recommend(users[0], limit=1)["items"][0]["item_id"]
            wait(state)
            for size in sizes:
                draw = random.Random(size)
                took = [one(state, shop, draw.sample(users, size), item) for _ in range(rounds)]
                found[f"{size} customers"] = {
                    "median": round(float(np.median(took)), 2),
                    "longest": round(max(took), 2),
                }
    return {"users": len(users), "rounds": rounds, **found}


def one(state: StateStore, shop: Client, users: list[str], item: str) -> float:
    """Let some customers buy an item; returns the seconds until they are described anew."""
    shop.send_events([{"user_id": user, "item_id": item, "event": "purchase"} for user in users])
    start = time.perf_counter()
    wait(state)
    return time.perf_counter() - start


def wait(state: StateStore) -> None:
    """Wait until nobody's memberships are older than what she did."""
    until = time.monotonic() + PATIENCE
    while state.profiles.to_do(1):
        if time.monotonic() > until:
            raise SystemExit("memberships were not worked out in time")
        time.sleep(LOOK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--customers", type=int, nargs="+", default=[1, 100])
    given = parser.parse_args()
    write(measure(given.config, rounds=given.rounds, sizes=given.customers))


if __name__ == "__main__":
    main()
