"""Where the seconds of an evaluation go: learning, describing, ranking, measuring, auditing.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/speed/evaluation.py [NAME] [--variant V ...]

Evaluates a fixed split (`train.parquet`, `targets.parquet`, `catalogue.parquet`) by the protocol
`given`, all of its users, and prints one JSON document: the share of each step, and the means.
CPU seconds of all threads, so that a busy machine changes little.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys.config import RecsysConfig, parse_config
from recsys.pipelines import evaluate as pipeline
from recsys.pipelines.ingest import open_evaluated
from recsys.pipelines.report import report_on

STEPS = {
    "learn": "learning",
    "describe_asked": "describing users",
    "_lists": "ranking",
    "judge": "measuring",
    "audit_question": "leakage audit",
}
K = (10, 20)


def config_of(folder: Path) -> RecsysConfig:
    files = {name: str(folder / f"{name}.parquet") for name in ("train", "targets", "catalogue")}
    content: dict[str, Any] = {
        "data": {"events": files["train"]},
        "interactions": {"event_weights": {"checkin": 1}, "target": ["checkin"]},
        "evaluation": {"protocol": "given", "k": list(K), **files},
    }
    return parse_config(content, folder)


@contextmanager
def clock(seconds: dict[str, float], what: str) -> Iterator[None]:
    start = time.process_time()
    yield
    seconds[what] = seconds.get(what, 0.0) + time.process_time() - start


def clocked(function: Callable[..., Any], what: str, seconds: dict[str, float]) -> Any:
    def timed(*arguments: Any, **options: Any) -> Any:
        with clock(seconds, what):
            return function(*arguments, **options)

    return timed


def run(folder: Path, names: list[str]) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    config = config_of(folder)
    for function, what in STEPS.items():
        setattr(pipeline, function, clocked(getattr(pipeline, function), what, seconds))
    with clock(seconds, "ingest"):
        shop = open_evaluated(config)
    outcome = pipeline.evaluate(shop, config, config.chosen(names))
    with clock(seconds, "comparison and document"):
        found = report_on(outcome, config, baseline=names[0]).document
    return {
        "cpu_seconds": {what: round(value, 1) for what, value in seconds.items()},
        "ranking_over_measuring": round(seconds["ranking"] / seconds["measuring"], 1),
        "users": found["counts"]["users"],
        "items": found["counts"]["catalogue"],
        "means": {
            name: {
                measure: round(judged["mean"][measure], 5) for measure in ("ndcg@20", "recall@20")
            }
            for name, judged in found["variants"].items()
        },
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="gowalla")
    parser.add_argument("--variant", action="append", default=[])
    arguments = parser.parse_args()
    if "RECSYS_PROTOCOLS" not in os.environ:
        parser.error("set RECSYS_PROTOCOLS to the folder of protocols")
    folder = Path(os.environ["RECSYS_PROTOCOLS"]) / arguments.name
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        arguments.name: run(folder, arguments.variant or ["popular", "als"]),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
