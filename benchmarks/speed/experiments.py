"""What experiments cost: assignments a second, and an analysis of many lists.

    python benchmarks/speed/experiments.py [--lists 10000000] [--users 2000000] [--events 10000000]

Assignments are of a million ids, under a layer and a hold-out as well, and one by one. Lists and
events are drawn: users, times and kinds at random. Prints one JSON document: seconds, peak memory.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from recsys.experiments import Enrolment, Plan, define
from recsys.experiments.analysis import analyse
from recsys.experiments.metrics import METRICS
from recsys.experiments.outcomes import UNIT_ID, measure_outcomes
from recsys.experiments.verdict import decide

DAY, DAYS, IDS = 86_400_000_000, 28, 1_000_000
DIGESTS = {"old": "o" * 64, "new": "n" * 64}
AXES = {"age": ("young", "old")}
KINDS = np.array(["view", "click", "cart", "purchase", "return"])


def enrolment(**said: Any) -> Enrolment:
    told = {"name": "one", "hypothesis": "fast", "control": "old", "treatments": ("new",)}
    holdout = said.pop("holdout", 0.0)
    plan = Plan(**{**told, "primary": "revenue", "segments": ("age",), **said})
    return Enrolment(define(plan, DIGESTS, AXES), holdout=holdout)


def timed(work: Callable[[], Any], n: int = 3) -> tuple[float, Any]:
    """The median of some runs, and the last answer."""
    took, found = [], None
    for _ in range(n):
        start = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - start)
    return float(np.median(took)), found


def assignment() -> dict[str, Any]:
    ids = [f"user-{number}" for number in range(IDS)]
    plain, other = enrolment(), enrolment(name="two", layer="search")
    full = enrolment(part=(0.1, 0.9), holdout=0.05)
    seconds, first = timed(lambda: plain.of_all(ids))
    with_layers, _ = timed(lambda: full.of_all(ids))
    one_by_one, _ = timed(lambda: [plain.of(unit_id, {}) for unit_id in ids[:100_000]], 1)
    second = other.of_all(ids)
    table = np.histogram2d(first, second, bins=2)[0]
    return {
        "a second": round(IDS / seconds),
        "a second, with layer and hold-out": round(IDS / with_layers),
        "a second, one by one": round(100_000 / one_by_one),
        "p of even shares": float(stats.chisquare(np.bincount(first)).pvalue),
        "p of independent layers": float(stats.chi2_contingency(table).pvalue),
    }


def analysis(n_lists: int, n_users: int, n_events: int) -> dict[str, Any]:
    rng, one = np.random.default_rng(0), enrolment()
    names = pa.array([f"user-{number}" for number in range(n_users)])
    arms = one.of_all(names.to_pylist())
    of_list = rng.integers(n_users, size=n_lists)
    variants = pa.DictionaryArray.from_arrays(arms[of_list], list(DIGESTS))
    digests = pa.DictionaryArray.from_arrays(arms[of_list], list(DIGESTS.values()))
    lists = pa.table(
        {
            UNIT_ID: names.take(pa.array(of_list)),
            "recommendation_id": pa.array(np.arange(n_lists)).cast(pa.string()),
            "time": pa.array(rng.integers(30 * DAY, (30 + DAYS) * DAY, n_lists)),
            "variant": variants.cast(pa.string()),
            "digest": digests.cast(pa.string()),
            "differs": pa.array(rng.random(n_lists) < 0.5),
        }
    )
    events = pa.table(
        {
            UNIT_ID: names.take(pa.array(rng.integers(n_users, size=n_events))),
            "event": pa.array(KINDS[rng.integers(len(KINDS), size=n_events)]),
            "time": pa.array(rng.integers(0, (30 + DAYS) * DAY, n_events)),
            "event_id": pa.array(np.arange(n_events)).cast(pa.string()),
            "basket_id": pa.nulls(n_events, pa.string()),
            "amount": pa.array(rng.integers(100, 9999, n_events)),
            "quantity": pa.array(np.ones(n_events)),
            "recommendation_id": pa.array(rng.integers(n_lists, size=n_events)).cast(pa.string()),
        }
    )
    ages = rng.choice(["young", "old"], n_users)
    segments = pd.DataFrame({"age": ages}, index=pd.Index(names.to_pylist(), name=UNIT_ID))
    start = time.perf_counter()
    until = (30 + DAYS) * DAY
    outcomes = measure_outcomes(lists, events, one.experiment, METRICS, until=until)
    measured = time.perf_counter()
    found = analyse(one.experiment, outcomes, METRICS, segments, stopped=True)
    verdict = decide(found, users_per_day=n_users / DAYS)
    end = time.perf_counter()
    return {
        "lists": n_lists,
        "users": n_users,
        "events": n_events,
        "seconds": round(end - start, 1),
        "of these measuring outcomes": round(measured - start, 1),
        "verdict": verdict.answer,
        "peak GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="what experiments cost")
    parser.add_argument("--lists", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=2_000_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    given = parser.parse_args()
    found = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "assignment": assignment(),
        "analysis": analysis(given.lists, given.users, given.events),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
