"""Time the paired bootstrap: every draw takes as many users, with replacement, as there are.

    python benchmarks/speed/bootstrap.py [--users N] [--draws D] [--threads T] [--output FILE]

Two kinds of users: NDCG@10 as it is in a shop (most users 0 on both sides, the others one of the
few values that hits at some ranks can give), and the worst case, where no two users are alike.
Prints one JSON document: seconds, distinct pairs, and the interval beside Student's t.
"""

import argparse
import json
import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from recsys.metrics import ndcg
from recsys.statistics import bootstrap_pair, mean_interval
from recsys.types import Floats

DEPTH = 10


def ndcg_pairs(n_users: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return NDCG@10 of two rankings: chances of a hit that differ by user and fall with rank."""
    taste = rng.beta(0.3, 4.0, size=(n_users, 1))
    ranks = np.arange(1, DEPTH + 1)
    n_relevant = 1 + rng.geometric(0.25, size=n_users)
    shared = rng.random((n_users, DEPTH)) < taste / np.sqrt(ranks)
    redrawn = rng.random((n_users, DEPTH)) < 0.3
    other = np.where(redrawn, rng.random((n_users, DEPTH)) < 1.05 * taste / np.sqrt(ranks), shared)
    found = [np.cumsum(hits, axis=1) <= n_relevant[:, np.newaxis] for hits in (shared, other)]
    one, other = (hits & few for hits, few in zip((shared, other), found, strict=True))
    return ndcg(one, n_relevant, k=DEPTH), ndcg(other, n_relevant, k=DEPTH)


def distinct_pairs(n_users: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return values no two users share."""
    one = rng.random(n_users)
    return one, one + rng.normal(0.001, 0.1, size=n_users)


def timed(one: Floats, other: Floats, draws: int, threads: int | None) -> dict[str, Any]:
    start = time.perf_counter()
    found = bootstrap_pair(one, other, draws=draws, seed=42, threads=threads)
    seconds = time.perf_counter() - start
    student = mean_interval(other - one)
    return {
        "seconds": round(seconds, 1),
        "distinct_pairs": len(np.unique(one + 1j * other)),
        "zero_on_both_sides": float(np.mean((one == 0) & (other == 0))),
        "difference": [found.difference.mean, found.difference.low, found.difference.high],
        "student": [student.mean, student.low, student.high],
        "relative": [found.relative.mean, found.relative.low, found.relative.high],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    cases = {}
    for name, make in {"ndcg@10": ndcg_pairs, "all distinct": distinct_pairs}.items():
        one, other = make(arguments.users, np.random.default_rng(0))
        cases[name] = timed(one, other, arguments.draws, arguments.threads)
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "users": arguments.users,
        "draws": arguments.draws,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "cases": cases,
    }
    text = json.dumps(result, indent=1)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
