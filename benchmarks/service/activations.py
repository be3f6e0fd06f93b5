"""Whether answers are whole and of one model while models are activated under load.

    python benchmarks/service/activations.py [--activations 50] [--clients 6]

Three models of the sample shop, learnt as of three moments and so with other factors, weights and
cut points, are served by a process of `recsys serve`. What every customer gets by each of them is
worked out first, by `recsys recommend`. Then clients ask for lists without a pause while one model
after the other is activated, by the service itself and, every third time, by another process.
Prints one JSON document: answers, how many failed, how many are not the list of the model they
name, their seconds, and the seconds until the model that was activated was served.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from recsys.bundle import BundleStore
from recsys.config import load_config
from recsys.events.times import format_time
from service.moments import Moments
from service.served import Models

sys.path.insert(0, str(Path(__file__).parent))
from serving import Server, client_of, recsys, scratch_shop, spread, state_of, write

MOMENTS = ("2024-05-15", "2024-06-01", "2024-06-15")
K = 10
VARIANTS = ("segment_aware", "popular_by_segment")
"""The second knows of a customer nothing but her segments, of every axis."""
PAUSE = 2.0
"""Seconds between activations, beyond what it takes for one to be served."""

Ranked = tuple[tuple[str, float], ...]
Lists = Mapping[tuple[str, str], Ranked]
"""User and variant -> items with scores."""


class Checked:
    """Answers, and what is wrong with them."""

    def __init__(self, expected: Mapping[str, Lists]) -> None:
        self._expected = expected
        self.lists = sorted(next(iter(expected.values())))
        self.by_version: Counter[str] = Counter()
        self.failed: list[str] = []
        self.mixed: list[str] = []
        self.seconds: list[float] = []

    def note(self, whose: tuple[str, str], response: httpx.Response) -> None:
        """Hold an answer against the list of the model that it names."""
        if response.status_code != 200:
            self.failed.append(response.text)
            return
        answer = response.json()
        version = answer["model_version"]
        self.by_version[version] += 1
        self.seconds.append(response.elapsed.total_seconds())
        items = tuple((item["item_id"], item["score"]) for item in answer["items"])
        if items != self._expected[version][whose] or not adds_up(answer):
            self.mixed.append(f"{version} {whose}")


def adds_up(answer: Mapping[str, Any]) -> bool:
    return all(sum(item["terms"].values()) == item["score"] for item in answer["items"])


def activate_under_load(*, activations: int, n_clients: int) -> dict[str, Any]:
    """Serve a shop, and activate its models in turn."""
    with scratch_shop("sqlite") as (config, _):
        versions = [train_as_of(config, moment) for moment in MOMENTS]
        expected = {version: lists_of(config, version) for version in versions}
        checked = Checked(expected)
        with Server(config) as server:
            wait_until_described(config, versions[-1])
            delays = asyncio.run(run(server, config, checked, versions, activations, n_clients))
    return {
        "models": len(versions),
        "lists_of_each": len(expected[versions[0]]),
        "lists_that_differ": n_different(list(expected.values())),
        "activations": len(delays),
        "answers": sum(checked.by_version.values()),
        "failed": len(checked.failed),
        "mixed": len(checked.mixed),
        "seconds_of_an_answer": spread(checked.seconds),
        "seconds_until_served": spread(delays),
    }


def n_different(lists: Sequence[Lists]) -> int:
    """Count the lists that are others by every model."""
    return sum(len({one[whose] for one in lists}) == len(lists) for whose in lists[0])


def train_as_of(config: Path, moment: str) -> str:
    """Train a model; the state keeps every event that was there."""
    trained = json.loads(recsys("train", "-c", config, "--as-of", moment, "--format", "json"))
    version: str = trained["version"]
    return version


def lists_of(config: Path, version: str) -> Lists:
    """Work out everybody's lists by a model, as the command line does."""
    recsys("models", "activate", version, "-c", config)
    as_of = format_time(described_as_of(config))
    words = ("--all", "-k", str(K), "--as-of", as_of, "--format", "json")
    found: dict[tuple[str, str], Ranked] = {}
    for variant in VARIANTS:
        printed = recsys("recommend", "-c", config, "--variant", variant, *words)
        for row in json.loads(printed)["recommendations"]:
            whose = (row["user_id"], variant)
            found[whose] = (*found.get(whose, ()), (row["item_id"], row["score"]))
    return found


def described_as_of(config: Path) -> int:
    """Return the moment that the service describes customers as of, by the active model."""
    with state_of(config) as state:
        served = Models(load_config(config), state).served
        return Moments("data").described_at(served, state.newest_time())


def wait_until_described(config: Path, version: str) -> None:
    """Wait until everybody's memberships are of now, not of the moment of a training."""
    now = described_as_of(config)
    with state_of(config) as state:
        while not state.profiles.all_by(version, since=now):
            time.sleep(0.1)


async def run(
    server: Server,
    config: Path,
    checked: Checked,
    versions: Sequence[str],
    activations: int,
    n_clients: int,
) -> list[float]:
    """Activate models while clients ask; returns the seconds until each was served."""
    over = asyncio.Event()
    async with client_of(server) as client:
        asking = [
            asyncio.create_task(ask_on(client, checked, over, seed)) for seed in range(n_clients)
        ]
        delays = []
        for number in range(activations):
            version = versions[number % len(versions)]
            delays.append(await activated(client, config, version, outside=number % 3 == 2))
            print(number + 1, len(checked.failed), len(checked.mixed), file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE)
        over.set()
        await asyncio.gather(*asking)
    return delays


async def ask_on(
    client: httpx.AsyncClient, checked: Checked, over: asyncio.Event, seed: int
) -> None:
    random = np.random.default_rng(seed)
    while not over.is_set():
        user_id, variant = whose = checked.lists[random.integers(len(checked.lists))]
        params = {"limit": K, "explain": True, "variant": variant}
        checked.note(whose, await client.get(f"/v1/recommendations/{user_id}", params=params))


async def activated(
    client: httpx.AsyncClient, config: Path, version: str, *, outside: bool
) -> float:
    """Activate a model, and wait until it is served; returns the seconds that took."""
    start = time.monotonic()
    if outside:
        await asyncio.to_thread(BundleStore(load_config(config).store.path).activate, version)
    else:
        (await client.post(f"/v1/models/{version}:activate")).raise_for_status()
    while (await client.get("/v1/health/ready")).json()["model_version"] != version:
        await asyncio.sleep(0.01)
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--activations", type=int, default=50)
    parser.add_argument("--clients", type=int, default=6)
    asked = parser.parse_args()
    write(activate_under_load(activations=asked.activations, n_clients=asked.clients))


if __name__ == "__main__":
    main()
