"""How fast lists are judged, next to ranx, from the same data frames; conversion included.

    python benchmarks/speed/metrics.py [--users 1000000] [--repeats 3] [--peer-repeats 1]

Both get one frame of `user_id, item_id, score`, best first, and one of `user_id, item_id`, and
give precision, recall, NDCG, MRR, hit rate and average precision at 5, 10 and 20. Each side runs in
a process of its own, after a small call that loads and compiles what it needs; the means must be
equal. Prints one JSON document.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

KS, DEPTH, N_ITEMS, N_TARGETS = (5, 10, 20), 20, 10_000, 5
NAMES = {
    "precision": "precision",
    "recall": "recall",
    "ndcg": "ndcg",
    "reciprocal_rank": "mrr",
    "hit_rate": "hit_rate",
    "ap_div_nrel": "map",
}
"""Our measure -> what ranx calls the same number."""
WARM_UP = 100


def frames(n_users: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the lists and the targets; a fifth of the listed items are among few popular ones."""
    rng = np.random.default_rng(seed)
    # Steps that share no factor with the number of items give distinct items for each user.
    steps = rng.choice(np.arange(1, N_ITEMS, 2), n_users)
    steps = np.where(steps % 5 == 0, 1, steps)[:, np.newaxis]
    starts = rng.integers(N_ITEMS, size=(n_users, 1))
    listed = (starts + steps * np.arange(DEPTH)) % N_ITEMS
    wanted = (starts + steps * (rng.integers(8, size=(n_users, 1)) + 7 * np.arange(N_TARGETS))) % (
        N_ITEMS
    )
    users = np.array([f"user{number:07d}" for number in range(n_users)], dtype=object)
    items = np.array([f"item{number:05d}" for number in range(N_ITEMS)], dtype=object)
    scores = np.tile(np.linspace(1, 0.05, DEPTH), n_users)
    lists = {"user_id": np.repeat(users, DEPTH), "item_id": items[listed.ravel()], "score": scores}
    targets = {"user_id": np.repeat(users, N_TARGETS), "item_id": items[wanted.ravel()]}
    # ranx takes ids of dtype object only.
    as_text = {"user_id": object, "item_id": object}
    return pd.DataFrame(lists).astype(as_text), pd.DataFrame(targets).astype(as_text)


def ours(lists: pd.DataFrame, targets: pd.DataFrame) -> tuple[dict[str, float], dict[str, float]]:
    from recsys import metrics
    from recsys.evaluation.judging import lists_from
    from recsys.interactions import targets_of
    from recsys.vocabulary import Vocabulary

    start = time.perf_counter()
    items = Vocabulary(lists["item_id"])
    answers = targets_of(targets, items)
    places = {item: index for index, item in enumerate(items.ids.tolist())}
    laid_out = lists_from(lists.assign(rank=-lists["score"]), answers, places, max(KS))
    converted = time.perf_counter()
    hits, n_relevant = metrics.hit_matrix(
        laid_out, answers.user_index, answers.items, n_items=len(items)
    )
    means = {}
    for name in NAMES:
        for k, values in zip(KS, metrics.METRICS[name](hits, n_relevant, k=KS), strict=True):
            means[f"{name}@{k}"] = float(values.mean())
    return means, seconds(start, converted, time.perf_counter())


def peer(lists: pd.DataFrame, targets: pd.DataFrame) -> tuple[dict[str, float], dict[str, float]]:
    import ranx

    start = time.perf_counter()
    columns = {"q_id_col": "user_id", "doc_id_col": "item_id", "score_col": "score"}
    qrels = ranx.Qrels.from_df(targets.assign(score=1), **columns)
    run = ranx.Run.from_df(lists, **columns)
    converted = time.perf_counter()
    names = [f"{theirs}@{k}" for theirs in NAMES.values() for k in KS]
    found = ranx.evaluate(qrels, run, names)
    means = {
        f"{name}@{k}": float(found[f"{theirs}@{k}"]) for name, theirs in NAMES.items() for k in KS
    }
    return means, seconds(start, converted, time.perf_counter())


def seconds(start: float, converted: float, end: float) -> dict[str, float]:
    return {"conversion": converted - start, "measures": end - converted, "all": end - start}


SIDES: dict[str, Callable[..., tuple[dict[str, float], dict[str, float]]]] = {
    "ours": ours,
    "ranx": peer,
}


def run_side(side: str, n_users: int, repeats: int) -> dict[str, Any]:
    """Run one side in this process: median seconds, peak memory, means."""
    SIDES[side](*frames(WARM_UP))
    data = frames(n_users)
    before = peak_mb()
    runs = [SIDES[side](*data) for _ in range(repeats)]
    times = [taken for _, taken in runs]
    return {
        "means": runs[0][0],
        "median_seconds": {
            name: round(statistics.median(taken[name] for taken in times), 3) for name in times[0]
        },
        "repeats": repeats,
        "peak_mb_with_the_frames_alone": before,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def in_a_process(side: str, n_users: int, repeats: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", side]
    command += ["--users", str(n_users), "--repeats", str(repeats)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def compare(n_users: int, repeats: int, peer_repeats: int) -> dict[str, Any]:
    mine, theirs = (
        in_a_process(side, n_users, count)
        for side, count in (("ours", repeats), ("ranx", peer_repeats))
    )
    difference = max(abs(mine["means"][name] - theirs["means"][name]) for name in mine["means"])
    if difference > 1e-9:
        raise SystemExit(f"the two sides differ by {difference}")
    quarter = in_a_process("ours", n_users // 4, 1)
    small, large = (
        side["peak_mb"] - side["peak_mb_with_the_frames_alone"] for side in (quarter, mine)
    )
    both = {
        name: round(theirs["median_seconds"][name] / mine["median_seconds"][name], 1)
        for name in ("conversion", "measures", "all")
    }
    return {
        "machine": {
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            "processor": platform.machine(),
        },
        "versions": {name: version(name) for name in ("numpy", "pandas", "ranx", "numba")},
        "users": n_users,
        "depth": DEPTH,
        "k": KS,
        "measures": list(NAMES),
        "greatest_difference_of_means": difference,
        "times_faster_than_ranx": both,
        "memory_mb_beyond_the_frames": {n_users // 4: small, n_users: large},
        "ours": mine,
        "ranx": theirs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--side", choices=SIDES, help="one side alone, for the other process")
    arguments = parser.parse_args()
    if arguments.side:
        result = run_side(arguments.side, arguments.users, arguments.repeats)
        print(json.dumps(result))
    else:
        result = compare(arguments.users, arguments.repeats, arguments.peer_repeats)
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
