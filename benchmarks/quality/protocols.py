"""Rank the fixed questions of a folder of protocols, and score the lists with the folder's scorer.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/protocols.py [NAME ...] [--output FILE]

Each protocol holds `train.parquet`, `users.parquet`, `items.parquet`, `catalogue.parquet`,
`targets.parquet` and `meta.json`; `score.py` beside them imports nothing of this project.
Everything is learnt from `train.parquet`; `targets.parquet` says only for whom lists are asked, and
is read by the scorer. Prints one JSON document: figures overall and by history size, seconds and
peak memory.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.config import RecsysConfig, parse_config
from recsys.events.times import parse_time
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.train import fit
from recsys.ranking import Request, describe
from recsys.vocabulary import Vocabulary

VARIANTS = ("popular", "own_purchases", "als", "no_segments", "segment_aware")
K = 20
LIFE = {
    "lifecycle": {"kind": "lifecycle"},
    "rfm": {"kind": "rfm"},
    "spending": {"kind": "spending"},
    "interest": {"kind": "interest"},
}
SHOPS: dict[str, dict[str, Any]] = {
    "completejourney_temporal": {
        "columns": {"category": ["department", "product_category"]},
        "attributes": ("age", "income"),
    },
    "tafeng_temporal": {
        "columns": {"category": "subclass"},
        "attributes": ("age_group", "residence_area"),
    },
}
"""What a shop's owner would write into the config; every other setting is a default."""


def config_of(folder: Path, name: str, scratch: Path) -> RecsysConfig:
    """Return the config of a protocol: its train events, its users, its catalogue."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    items = scratch / f"{name}_items.parquet"
    catalogue_of(folder).to_parquet(items, index=False)
    axes = {column: {"kind": "attribute", "column": column} for column in SHOPS[name]["attributes"]}
    content = {
        "data": {
            "events": str(folder / "train.parquet"),
            "users": str(folder / "users.parquet"),
            "items": str(items),
            "columns": SHOPS[name]["columns"],
        },
        "segments": {**LIFE, **axes},
        "evaluation": {"test_window": f"{meta['test_days']}d"},
    }
    return parse_config(content, scratch)


def catalogue_of(folder: Path) -> pd.DataFrame:
    """Return the items file, where only what can be a target is available."""
    allowed = set(pd.read_parquet(folder / "catalogue.parquet")["item_id"])
    seen = pd.read_parquet(folder / "train.parquet", columns=["item_id"])["item_id"]
    known = pd.DataFrame({"item_id": sorted(allowed | set(seen))})
    items = pd.read_parquet(folder / "items.parquet").merge(known, on="item_id", how="right")
    return items.assign(available=items["item_id"].isin(allowed))


def lists_of(
    config: RecsysConfig,
    cut: str,
    users: Sequence[str],
    variants: Sequence[str],
    seconds: dict[str, float],
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each variant's name and its lists; note the seconds of every step in `seconds`."""
    with clock(seconds, "ingest"):
        shop = open_shop(config)
    moment = parse_time(cut)

    @contextmanager
    def timed(what: str, total: int | None) -> Iterator[Any]:
        del total
        with clock(seconds, what):
            yield lambda: None

    with clock(seconds, "train, all of it"):
        trained = fit(shop, config, as_of=moment, progress=timed)
    with clock(seconds, "describing users"):
        attributes = shop.users(as_of=moment)
        events = shop.events(before=moment)
        customers = describe(events, Vocabulary(users), attributes, trained.model, as_of=moment)
    for name in variants:
        variant = config.chosen([name])[0]
        with clock(seconds, f"ranking by {name}"):
            ranked = trained.ranker().rank_all(customers, range(len(users)), variant, Request(k=K))
            lists = [ranking.ids(trained.model.items.ids) for ranking in ranked]
        sizes = [len(items) for items in lists]
        frame = pd.DataFrame(
            {
                "user_id": np.repeat(customers.users.ids.astype(object), sizes),
                "item_id": [item for items in lists for item in items],
                "rank": [rank for size in sizes for rank in range(1, size + 1)],
            }
        )
        yield name, frame


@contextmanager
def clock(seconds: dict[str, float], what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = round(seconds.get(what, 0.0) + time.perf_counter() - start, 1)


def run(root: Path, name: str, variants: Sequence[str] = VARIANTS) -> dict[str, Any]:
    """Learn, rank and score one protocol."""
    folder = root / name
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    targets = pd.read_parquet(folder / "targets.parquet", columns=["user_id"])["user_id"]
    users = sorted(set(targets.astype(str)))
    scores: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        config = config_of(folder, name, Path(place))
        for variant, lists in lists_of(config, meta["test_start"], users, variants, seconds):
            file = Path(place) / f"{variant}.parquet"
            lists.to_parquet(file, index=False)
            scores[variant] = score(root, folder, file)
    return {"scores": scores, "seconds": seconds, "peak_gb": peak_gb()}


def score(root: Path, folder: Path, lists: Path) -> dict[str, Any]:
    """Run the folder's own scorer."""
    command = [sys.executable, str(root / "score.py"), str(folder), str(lists)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def peak_gb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHOPS))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if "RECSYS_PROTOCOLS" not in os.environ:
        parser.error("set RECSYS_PROTOCOLS to the folder of protocols")
    root = Path(os.environ["RECSYS_PROTOCOLS"])
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "protocols": {name: run(root, name) for name in arguments.names},
    }
    text = json.dumps(result, indent=1)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
