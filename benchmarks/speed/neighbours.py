"""Time the neighbours: finding them, and the terms of one user and of many.

    python benchmarks/speed/neighbours.py [--shop short|long] [--threads T] [--repeats R]

Two shops, drawn: `short` has many users of few items (30,000 × 41,000, 27 items each), `long` few
users of many (2,500 × 65,000, 320 items each), where nearly every item is bought with every other.
Prints one JSON document; the peak of memory is over that of the interactions alone.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from recsys.models.neighbours import Neighbours, NeighboursConfig, fit_neighbours
from recsys.types import UserItems

SHOPS = {"short": (30_000, 41_000, 27), "long": (2_500, 65_000, 320)}
"""Users, items, mean items of a user."""
MIN_USERS = 3
BATCH = 256


def user_items(n_users: int, n_items: int, mean_items: int, seed: int = 0) -> UserItems:
    """Return interactions whose users and items both have long tails."""
    rng = np.random.default_rng(seed)
    sizes = np.maximum(1, rng.lognormal(np.log(mean_items) - 0.32, 0.8, n_users)).astype(np.int64)
    items = (n_items * rng.random(sizes.sum()) ** 2.5).astype(np.int64)
    users = np.repeat(np.arange(n_users), sizes)
    matrix = sparse.csr_matrix((np.ones(len(items)), (users, items)), shape=(n_users, n_items))
    matrix.sum_duplicates()
    return matrix


def terms_of(neighbours: Neighbours, matrix: UserItems) -> float:
    """Return milliseconds for each user, one request after the other."""
    some = matrix[:BATCH]
    indptr, items = some.indptr.astype(np.int64), some.indices.astype(np.int64)

    def one_by_one() -> None:
        for start, stop in pairwise(indptr.tolist()):
            neighbours.terms(items[start:stop], some.data[start:stop])

    return 1e3 * seconds(one_by_one) / BATCH


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measure(shop: str, threads: int, repeats: int) -> dict[str, Any]:
    matrix = user_items(*SHOPS[shop])
    supported = np.bincount(matrix.indices, minlength=matrix.shape[1]) >= MIN_USERS
    before = peak_mb()
    walls, processor = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        found = fit_neighbours(matrix, supported, NeighboursConfig(), threads=threads)
        walls.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    beyond = peak_mb() - before
    return {
        "shape": matrix.shape,
        "pairs": matrix.nnz,
        "paths": int((np.diff(matrix.indptr).astype(np.int64) ** 2).sum()),
        "stored": len(found.data),
        "seconds": round(statistics.median(walls), 2),
        "processor_seconds": round(statistics.median(processor), 2),
        "peak_mb_beyond_the_interactions": beyond,
        "milliseconds_a_user": terms_of(found, matrix),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shop", choices=SHOPS, default="short")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    machine = {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "processor": platform.machine(),
    }
    result = {
        "machine": machine,
        "versions": {name: version(name) for name in ("numpy", "scipy")},
        "shop": arguments.shop,
        "threads": arguments.threads,
        **measure(arguments.shop, arguments.threads, arguments.repeats),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
