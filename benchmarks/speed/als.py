"""Time the factorisation, and beside it that of the library `implicit`, if it is installed.

    python benchmarks/speed/als.py [--events FILE] [--factors D ...] [--threads T] [--output FILE]

FILE is a parquet of events with `user_id` and `item_id`; without it a shop is drawn whose items
follow a power law. Prints one JSON document: seconds for one sweep over both sides (the least of
the rounds, the two taking turns), their ratio, and the peak of memory.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.models import ModelConfig
from recsys.models.als import factorise
from recsys.types import UserItems

CONFIDENCE = 20.0


def drawn_shop(n_users: int, n_items: int, n_pairs: int) -> UserItems:
    rng = np.random.default_rng(0)
    activity = rng.lognormal(0.0, 1.0, size=n_users)
    popularity = 1.0 / np.arange(10, n_items + 10)
    users = rng.choice(n_users, size=n_pairs, p=activity / activity.sum())
    items = rng.choice(n_items, size=n_pairs, p=popularity / popularity.sum())
    return confident(users, items)


def read_shop(path: Path) -> UserItems:
    events = pd.read_parquet(path, columns=["user_id", "item_id"])
    return confident(pd.factorize(events.user_id)[0], pd.factorize(events.item_id)[0])


def confident(users: np.ndarray[Any, Any], items: np.ndarray[Any, Any]) -> UserItems:
    matrix = sparse.csr_matrix((np.ones(len(users), dtype=np.float32), (users, items)))
    matrix.sum_duplicates()
    matrix.data[:] = CONFIDENCE
    return matrix


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peer(matrix: UserItems, config: ModelConfig, threads: int) -> Callable[[], None] | None:
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError:
        return None

    def fit() -> None:
        with threadpool_limits(1, "blas"):
            AlternatingLeastSquares(
                factors=config.factors,
                iterations=config.iterations,
                regularization=10.0,
                alpha=1.0,
                random_state=config.seed,
                num_threads=threads,
            ).fit(matrix, show_progress=False)

    return fit


def timed(matrix: UserItems, config: ModelConfig, threads: int, rounds: int) -> dict[str, Any]:
    supported = np.ones(matrix.shape[1], dtype=bool)
    fits: dict[str, Callable[[], Any]] = {
        "own": lambda: factorise(matrix, supported, config, threads=threads)
    }
    if other := peer(matrix, config, threads):
        fits["implicit"] = other
    rows = [{name: seconds(fit) for name, fit in fits.items()} for _ in range(rounds)]
    best = {name: min(row[name] for row in rows) / config.iterations for name in fits}
    ratio = best["own"] / best["implicit"] if other else None
    return {
        "seconds_a_sweep": {name: round(value, 3) for name, value in best.items()},
        "ratio": ratio and round(ratio, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--users", type=int, default=30_000)
    parser.add_argument("--items", type=int, default=40_000)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--factors", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--sweeps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    if asked.events:
        matrix = read_shop(asked.events)
    else:
        matrix = drawn_shop(asked.users, asked.items, asked.pairs)
    configs = [ModelConfig(factors=d, iterations=asked.sweeps) for d in asked.factors]
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "users": matrix.shape[0],
        "items": matrix.shape[1],
        "pairs": matrix.nnz,
        "threads": asked.threads,
        "factors": {c.factors: timed(matrix, c, asked.threads, asked.rounds) for c in configs},
    }
    text = json.dumps(result, indent=1)
    if asked.output:
        asked.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
