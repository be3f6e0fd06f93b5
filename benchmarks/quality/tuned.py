"""What `recsys tune` adds to default settings, on fixed questions whose answers it never sees.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/tuned.py [NAME ...] [--trials 30]
        [--minutes M] [--output FILE]

Each protocol is searched on its training side, as `recsys tune` does; then it is ranked with
default settings and with those that were found, and both are scored by its own scorer. Prints one
JSON document: what was advised, how much better the search believed it to be, and the scores.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recsys.pipelines.tune import Sitting, snippet, tune

sys.path.insert(0, str(Path(__file__).parent))
from protocols import run
from questions import SHOPS, open_question, protocols_folder, write

VARIANT = "segment_aware"


def search(root: Path, name: str, trials: int, minutes: float) -> dict[str, Any]:
    """Search the training side of a protocol."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        question = open_question(root, name, Path(scratch), {"store": {"path": f"{scratch}/store"}})
        [variant] = question.config.chosen([VARIANT])
        sitting = Sitting(
            trials,
            restart=False,
            enough=lambda: time.monotonic() - began > 60 * minutes,
            on_trial=lambda one: print(name, one, file=sys.stderr, flush=True),
        )
        found = tune(question.shop, question.config, variant, sitting, as_of=question.as_of)
    return {
        "trials": found.trials,
        "seconds": round(time.monotonic() - began),
        "advised": tomllib.loads(snippet(found.advised)) if found.better else {},
        "is better": found.better,
        "believed gain": found.gain and asdict(found.gain),
        "own": found.own.score,
        "best": found.best._asdict(),
        "importance": dict(found.importances),
    }


def compare(root: Path, name: str, trials: int, minutes: float) -> dict[str, Any]:
    """Search, and score what was found beside the defaults."""
    found = search(root, name, trials, minutes)
    settings = {"defaults": {}, "tuned": found["advised"]}
    scores = {
        what: run(root, name, (VARIANT,), settings=said)["scores"][VARIANT]
        for what, said in settings.items()
        if what == "defaults" or said
    }
    return {**found, "scores": scores}


def main() -> None:
    parser = argparse.ArgumentParser(description="what a search of settings adds")
    parser.add_argument("names", nargs="*", default=list(SHOPS))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    root = protocols_folder(parser)
    result: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "protocols": {},
    }
    for name in given.names:
        result["protocols"][name] = compare(root, name, given.trials, given.minutes)
        print(json.dumps(result["protocols"][name]), file=sys.stderr, flush=True)
    print(write(result, given.output))


if __name__ == "__main__":
    main()
