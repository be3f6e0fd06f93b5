"""What large catalogues cost in serving: throughput, times, and the memory of workers.

    python benchmarks/service/scale.py --items 27000 100000 1000000 [--workers 1 4] [--seconds 15]

The sample shop is trained with 128 factors, and its bundle made larger by items with drawn factors,
a popularity with a long tail and 50 neighbours each; two thousand customers deal with fifty items
each, drawn by popularity. Eight connections ask for the top 10 of one of them. What is served is
exact: of a hundred answers each is held against every item's score. Memory is the proportional set
size of the processes that answer: what they share counts once. Prints one JSON document; times are
milliseconds.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from load import figures, pull
from serving import Server, key_for, make_shop, state_of, write

from recsys.bundle import Bundle, BundleStore
from recsys.config import load_config
from recsys.ranking.scorer import Scorer
from service.book import described
from service.served import Models

D, NEAR, CONNECTIONS = 128, 50, 8
CUSTOMERS, ITEMS_EACH = 2_000, 50
MODEL = f"\n[model]\nfactors = {D}\niterations = 4\n"
Arrays = dict[str, np.ndarray]


def serve_all(sizes: list[int], workers: list[int], seconds: float) -> dict[str, Any]:
    """Serve catalogues of several sizes, each by several numbers of workers."""
    found: dict[str, Any] = {}
    for n_items in sizes:
        with tempfile.TemporaryDirectory() as folder:
            config = make_shop(Path(folder), model=MODEL)
            enlarge(config, n_items)
            found[str(n_items)] = {f"{n} workers": serve(config, n, seconds) for n in workers}
            print(n_items, found[str(n_items)], file=sys.stderr, flush=True)
    return found


def enlarge(config: Path, n_items: int) -> None:
    """Publish the active bundle with more items, and let customers deal with them."""
    rng = np.random.default_rng(0)
    store = BundleStore(load_config(config).store.path)
    bundle = store.load()
    arrays = larger(rng, dict(bundle.arrays), n_items)
    manifest = store.publish(arrays, **said_of(bundle))
    store.activate(manifest.version)
    bought = np.exp(arrays["item_columns"][:, -1].astype(np.float64))
    drawn = rng.choice(n_items, size=(CUSTOMERS, ITEMS_EACH), p=bought / bought.sum())
    events = pd.DataFrame(
        {
            "user_id": np.repeat([f"big-{number}" for number in range(CUSTOMERS)], ITEMS_EACH),
            "item_id": arrays["item_ids"][drawn.ravel()],
            "event": "purchase",
            "time": rng.integers(10**6, 10**13, drawn.size) + manifest.learnt["as_of"] - 2 * 10**13,
            "event_id": [f"big-{number}" for number in range(drawn.size)],
        }
    )
    with state_of(config) as state:
        state.take_in(events)


def larger(rng: np.random.Generator, arrays: Arrays, n_items: int) -> Arrays:
    """Return the arrays of a bundle with drawn items behind its own."""
    n_old = len(arrays["item_ids"])
    n = n_items - n_old
    lengths = {"item_available": True, "item_price_position": 0.5, "item_launched": np.nan}
    lengths |= {"item_supported": True, "repeat_rate": 1.0, "repeat_pace": 20.0, "rebought": True}
    told = {name: np.append(arrays[name], np.full(n, fill)) for name, fill in lengths.items()}
    texts = {
        name: np.append(values, rng.choice(values, n))
        for name, values in arrays.items()
        if name.startswith("column_")
    }
    columns = np.vstack([arrays["item_columns"], drawn_columns(rng, arrays, n)])
    supported = columns[told["item_supported"], :D].astype(np.float64)
    near = np.sort(rng.integers(n_items, size=(n, NEAR)), axis=1).astype(np.int32)
    ends = arrays["neighbour_starts"][-1] + NEAR * np.arange(1, n + 1)
    together = arrays["together_indptr"]
    return {
        **arrays,
        **told,
        **texts,
        "item_ids": np.append(arrays["item_ids"], [f"z{number:07d}" for number in range(n)]),
        "item_columns": columns,
        "gram": supported.T @ supported,
        "neighbour_starts": np.append(arrays["neighbour_starts"], ends),
        "neighbour_items": np.append(arrays["neighbour_items"], near.ravel()),
        "neighbour_values": np.append(
            arrays["neighbour_values"], rng.random(near.size, dtype=np.float32)
        ),
        "similar_row": np.append(arrays["similar_row"], rng.integers(n_old, size=n)),
        "together_indptr": np.append(together, np.full(n, together[-1])),
        "together_support": np.append(arrays["together_support"], np.zeros(n, dtype=np.int64)),
    }


def drawn_columns(rng: np.random.Generator, arrays: Arrays, n: int) -> np.ndarray:
    """Draw the item side of the dot product: factors that grow with a long-tailed popularity."""
    old = arrays["item_columns"]
    popularity = rng.permutation(old[:, -1].max() - np.log(np.arange(1, n + 1) / 10 + 1))
    length = np.linalg.norm(old[:, :D], axis=1).mean() / (1 + np.exp(-(popularity + 10)))
    factors = rng.normal(size=(n, D)) / np.sqrt(D) * length[:, np.newaxis]
    others = old[rng.integers(len(old), size=n), D:-1]
    return np.hstack([factors, others, popularity[:, np.newaxis]]).astype(np.float32)


def said_of(bundle: Bundle) -> dict[str, Any]:
    """Return what a bundle's manifest says, to be said of the larger one."""
    names = ("as_of", "config", "learnt", "recipes", "window", "rows", "created_at")
    return {name: getattr(bundle.manifest, name) for name in names}


def serve(config: Path, workers: int, seconds: float) -> dict[str, Any]:
    """Serve by some workers, and measure lists and memory."""
    paths = [f"/v1/recommendations/big-{number}" for number in range(CUSTOMERS)]
    with key_for(config, "read") as key, Server(config, "--workers", str(workers)) as server:
        wait_until_described(config)
        for _ in range(workers):
            # Customers are read at their first request, in each worker.
            asyncio.run(pull(server.port, key, paths, connections=CONNECTIONS, seconds=seconds))
        replies = asyncio.run(
            pull(server.port, key, paths, connections=CONNECTIONS, seconds=seconds)
        )
        return {
            **figures(replies, seconds),
            "exact": exact(config, [json.loads(reply.body) for reply in replies[:100]]),
            "megabytes": server.megabytes(),
        }


def wait_until_described(config: Path) -> None:
    """Wait until everybody's memberships have been worked out."""
    with state_of(config) as state:
        while state.profiles.to_do(1):
            time.sleep(0.5)


def exact(config: Path, answers: list[dict[str, Any]]) -> bool:
    """Tell whether no item that was left out has a higher score than one that was served."""
    loaded = load_config(config)
    variant = loaded.every_variant()[loaded.service.default_variant]
    asked = sorted({answer["user_id"] for answer in answers})
    with state_of(config) as state:
        served = Models(loaded, state).served
        customers = described(state, asked, served, served.published.as_of)
    rows = customers.users.index_of([answer["user_id"] for answer in answers]).tolist()
    scorers = (served.ranker.scorer(customers, row, variant) for row in rows)
    return all(map(is_best, scorers, answers))


def is_best(scorer: Scorer, answer: dict[str, Any]) -> bool:
    """Tell whether an answer holds the best of every item, each scored by itself."""
    model = scorer.model
    items = np.arange(len(model.items))
    scores = np.concatenate(
        [np.sum(list(scorer.terms(some).values()), axis=0) for some in np.array_split(items, 100)]
    )
    scores[~model.catalogue.available] = -np.inf
    scores[scorer.hidden] = -np.inf
    best = np.lexsort((items, -scores))[: len(answer["items"])]
    ids = [item["item_id"] for item in answer["items"]]
    return ids == model.items.ids[best].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    write(serve_all(given.items, given.workers, given.seconds))


if __name__ == "__main__":
    main()
