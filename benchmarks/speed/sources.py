"""How fast a shop's events are read and judged from each kind of source, and in how much memory.

    python benchmarks/speed/sources.py [EVENTS ...] [--folder DIR]

Simulates a shop of each size into a scratch folder in DIR, lays its events into a SQLite database
and into a state as well, and reads each in a process of its own. Prints one JSON document: seconds
of wall clock and of processor time, and peak memory.
"""

import argparse
import json
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pyarrow.dataset as ds

from recsys.config import load_config
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.publish import fill_state
from recsys.simulation import SimulationConfig, simulate
from recsys.state import StateStore

SIZE = 2_600_000
EVENTS_PER_USER = 100
SOURCES = {
    "parquet": '"events/*.parquet"',
    "query": '{ url = "sqlite:///shop.db", query = "SELECT * FROM events" }',
    "state": '"state"',
}


def measure(config: Path) -> dict[str, object]:
    """Read the shop of a config in this process."""
    started = time.perf_counter()
    shop = open_shop(load_config(config))
    return {
        "events": shop.reports["events"].accepted,
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(time.process_time(), 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def lay_out(folder: Path) -> None:
    """Write the events of a simulated shop into a database and into a state."""
    events = ds.dataset(folder / "events")
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        names = events.schema.names
        database.execute(f"CREATE TABLE events ({', '.join(names)})")
        places = ", ".join("?" * len(names))
        for batch in events.to_batches():
            frame = batch.to_pandas()
            frame["timestamp"] = frame["timestamp"].astype(str)
            rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False)
            database.executemany(f"INSERT INTO events VALUES ({places})", rows)
    state = StateStore(f"sqlite:///{folder}/store/state.db")
    shop = open_shop(load_config(written(folder, "parquet")))
    fill_state(shop, state, as_of=shop.after_all())
    state.close()


def written(folder: Path, source: str) -> Path:
    """Write the config that reads one of the sources."""
    config = folder / f"{source}.toml"
    config.write_text(f"[data]\nevents = {SOURCES[source]}\n", encoding="utf-8")
    return config


def apart(config: Path) -> dict[str, object]:
    """Measure in a new process, whose peak memory is its own."""
    words = [sys.executable, __file__, "--here", str(config)]
    answer = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, object] = json.loads(answer.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=int, nargs="*", default=[SIZE])
    parser.add_argument("--folder", type=Path, help="where the scratch folders go")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(measure(asked.here)))
        return
    figures = []
    for events in asked.events:
        with tempfile.TemporaryDirectory(dir=asked.folder) as scratch:
            folder = Path(scratch)
            simulate(SimulationConfig(events=events, users=events // EVENTS_PER_USER), folder)
            lay_out(folder)
            figures.append({source: apart(written(folder, source)) for source in SOURCES})
    machine = {"machine": platform.machine(), "cpus": os.cpu_count()}
    print(json.dumps({**machine, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
