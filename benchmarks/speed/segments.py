"""How fast profiles and every kind of axis are worked out, and in how much memory.

    python benchmarks/speed/segments.py [EVENTS ...] [--folder DIR] [--pandas EVENTS]

Simulates a shop of each size (one user for every 100 events) into a scratch folder in DIR, and in a
process of its own reads it, works out all profiles that the axes of segments.toml ask for, fits
those axes and assigns everyone. Prints one JSON document: seconds of wall clock and of processor
time for reading and for segmenting, and peak memory. With --pandas the features of the family
`shopping` are also computed by themselves, by the project and in plain pandas, on a shop of that
size in the same run, for the ratio.
"""

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from recsys.config import load_config
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.segment import segment
from recsys.segments.profiles import Span, derive_profiles, measure_profiles, shopping
from recsys.simulation import SimulationConfig, simulate

SIZES = (1_000_000, 10_000_000, 100_000_000)
EVENTS_PER_USER = 100
AXES = Path(__file__).with_name("segments.toml")
FILES = '[data]\nevents = "events/*.parquet"\nusers = "users.parquet"\nitems = "items.parquet"\n\n'


class Clock:
    """Seconds of each step, wall clock and processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    @contextmanager
    def __call__(self, step: str, _total: int | None = None) -> Iterator[object]:
        processor, started = time.process_time(), time.perf_counter()
        yield lambda: None
        used = time.process_time() - processor
        self.seconds[step] = (round(time.perf_counter() - started, 1), round(used, 1))
        print(step, self.seconds[step], file=sys.stderr, flush=True)


def measure(folder: Path) -> dict[str, object]:
    """Segment the shop of a folder in this process."""
    config = load_config(folder / "benchmark.toml")
    clock = Clock()
    with clock("reading"):
        shop = open_shop(config)
    found = segment(shop, config, as_of=shop.after_all(), progress=clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "events": shop.reports["events"].accepted,
        "users": len(found.memberships.users),
        "segments": sum(len(axis.segments) for axis in found.memberships.axes),
        "seconds": {step: both[0] for step, both in clock.seconds.items()},
        "processor_seconds": {step: both[1] for step, both in clock.seconds.items()},
        "peak_mb": round(peak * (1 if sys.platform == "darwin" else 1024) / 2**20),
    }


def one_family(folder: Path) -> dict[str, object]:
    """Compute the family `shopping` alone, from a shop that is read already."""
    shop = open_shop(load_config(folder / "benchmark.toml"))
    moment = Span(shop.after_all(), math.inf)
    wanted = {moment: [feature.name for feature in shopping.FEATURES]}
    processor, started = time.process_time(), time.perf_counter()
    events = shop.events()
    sums = measure_profiles(events, events, wanted, target=("purchase",), timed=True)
    profile = derive_profiles(sums, {})[moment]
    return {
        "users": len(profile),
        "features": profile.shape[1],
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
    }


def plain_pandas(folder: Path) -> dict[str, object]:
    """Compute what the family `shopping` has, as one would by hand."""
    started, processor = time.perf_counter(), time.process_time()
    events = pd.concat(pd.read_parquet(path) for path in sorted(folder.glob("events/*.parquet")))
    read = time.perf_counter() - started
    as_of = events["timestamp"].max() + pd.Timedelta(microseconds=1)
    sold = events[events["event"] == "purchase"].copy()
    sold["day"] = sold["timestamp"].dt.floor("D")
    orders = sold.groupby(["user_id", "day"]).agg(
        paid=("amount", "sum"), pieces=("quantity", "sum")
    )
    by_user = orders.groupby("user_id").agg(
        orders=("paid", "size"), spend=("paid", "sum"), pieces=("pieces", "sum")
    )
    times = sold.groupby("user_id")["timestamp"].agg(["min", "max"])
    seen = events.groupby("user_id").agg(events=("item_id", "size"), seen=("timestamp", "max"))
    days = events.assign(day=events["timestamp"].dt.floor("D"))
    active = days.groupby("user_id")["day"].nunique()
    profile = seen.join(by_user).join(times).join(active.rename("active_days"))
    profile["recency"] = (as_of - profile["max"]).dt.total_seconds() / 86_400
    profile["tenure"] = (as_of - profile["min"]).dt.total_seconds() / 86_400
    profile["order_value"] = profile["spend"] / profile["orders"]
    profile["order_items"] = profile["pieces"] / profile["orders"]
    profile["last_seen"] = (as_of - profile.pop("seen")).dt.total_seconds() / 86_400
    profile["frequency"] = profile["orders"] * 30 / profile["tenure"].clip(lower=30)
    for name, column in (("order_trend", "paid"), ("spend_trend", "paid")):
        late = orders.reset_index()
        age = (as_of - late["day"]).dt.days
        how = "size" if name == "order_trend" else "sum"
        new = late[age < 90].groupby("user_id")[column].agg(how)
        old = late[(age >= 90) & (age < 180)].groupby("user_id")[column].agg(how)
        both = pd.concat([new, old], axis=1, keys=["new", "old"]).fillna(0)
        profile[name] = (both["new"] - both["old"]) / (both["new"] + both["old"])
    profile = profile.drop(columns=["pieces", "min", "max"])
    return {
        "users": len(profile),
        "features": profile.shape[1],
        "seconds": {"reading": round(read, 1), "all": round(time.perf_counter() - started, 1)},
        "processor_seconds": round(time.process_time() - processor, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def apart(folder: Path, how: str) -> dict[str, object]:
    """Measure in a new process, whose peak memory is its own."""
    words = [sys.executable, __file__, how, str(folder)]
    answer = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, object] = json.loads(answer.stdout)
    return measured


def simulated(events: int, folder: Path) -> Path:
    """Simulate a shop, with a config that has every kind of axis."""
    simulate(SimulationConfig(events=events, users=events // EVENTS_PER_USER), folder)
    (folder / "benchmark.toml").write_text(FILES + AXES.read_text(encoding="utf-8"), "utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=int, nargs="*", default=SIZES)
    parser.add_argument("--folder", type=Path, help="where the scratch folders go")
    parser.add_argument("--pandas", type=int, help="compare with plain pandas at this size")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--family-here", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pandas-here", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    here = {measure: asked.here, one_family: asked.family_here, plain_pandas: asked.pandas_here}
    for measured, folder in here.items():
        if folder:
            print(json.dumps(measured(folder)))
            return
    figures = []
    for events in asked.events:
        with tempfile.TemporaryDirectory(dir=asked.folder) as scratch:
            folder = simulated(events, Path(scratch))
            figures.append(apart(folder, "--here"))
            if events == asked.pandas:
                figures[-1]["shopping_alone"] = apart(folder, "--family-here")
                figures[-1]["plain_pandas"] = apart(folder, "--pandas-here")
    machine = {"machine": platform.machine(), "cpus": os.cpu_count()}
    print(json.dumps({**machine, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
