"""How fast a shop is simulated, and in how much memory.

    python benchmarks/speed/simulation.py [EVENTS ...] [--folder DIR]

Simulates a shop of each size into a scratch folder (in DIR, which needs about 15 bytes an event),
each in a process of its own, and prints one JSON document: events per second of wall clock and of
processor time, peak memory, and bytes an event on disk.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recsys.simulation import SimulationConfig, simulate

SIZES = (1_000_000, 10_000_000, 100_000_000)


def measure(events: int, folder: Path) -> dict[str, float]:
    """Simulate one shop in this process."""
    processor, started = time.process_time(), time.perf_counter()
    simulate(SimulationConfig(events=events), folder)
    seconds, used = time.perf_counter() - started, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    written = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    return {
        "events": events,
        "seconds": round(seconds, 2),
        "events_per_second": round(events / seconds),
        "events_per_processor_second": round(events / used),
        "peak_mb": round(peak * (1 if sys.platform == "darwin" else 1024) / 2**20),
        "bytes_per_event": round(written / events, 1),
    }


def measure_apart(events: int, folder: Path | None) -> dict[str, float]:
    """Simulate one shop in a new process, whose peak memory is its own."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        words = [sys.executable, __file__, str(events), "--here", scratch]
        answer = subprocess.run(words, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(answer.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=int, nargs="*", default=SIZES)
    parser.add_argument("--folder", type=Path, help="where the scratch folders go")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(measure(asked.events[0], asked.here)))
        return
    figures = [measure_apart(events, asked.folder) for events in asked.events]
    machine = {"machine": platform.machine(), "cpus": os.cpu_count()}
    print(json.dumps({**machine, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
