"""What every kind of axis is worth on real shops, against permuted memberships.

    RECSYS_DATA=FOLDER python benchmarks/quality/segments.py [SHOP ...]

For each shop (completejourney, tafeng, ml-1m) the axes below are fitted on what was known a window
before the end, and judged on what was bought in that window: nats a purchase over popularity with
Student's t interval, NDCG@10, the highest of 20 permutations, and the verdict of `recsys segment`.
MovieLens 1M has no usable times: a fifth of the items of a fifth of the users is held out instead.
Prints one JSON document.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from recsys.config import parse_config
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.segment import segment
from recsys.pipelines.worth import judge_axes

BEHAVIOUR: dict[str, dict[str, Any]] = {
    "lifecycle": {"kind": "lifecycle"},
    "own pace": {"kind": "lifecycle", "pace": "own"},
    "aipl": {"kind": "aipl"},
    "rfm": {"kind": "rfm"},
    "spending": {"kind": "spending"},
    "calm spending": {"kind": "spending", "window": "60d", "calm": {"every": "month"}},
    "frequency": {"kind": "frequency"},
    "activity": {"kind": "activity"},
    "price": {"kind": "price"},
    "brand": {"kind": "brand"},
    "novelty": {"kind": "novelty"},
    "breadth": {"kind": "breadth"},
    "value": {"kind": "value"},
    "clusters": {"kind": "clusters"},
    "interest": {"kind": "interest"},
}
SHOPS: dict[str, dict[str, Any]] = {
    "completejourney": {
        "data": {
            "where": "quantity > 0 and quantity <= 1000 and amount > 0",
            "columns": {
                "category": ["department", "product_category"],
                "title": "product_type",
                "discount": "retail_disc",
            },
            "own_brands": ["Private"],
        },
        "attributes": ("age", "income", "household_size", "kids_count", "marital_status"),
        "without": (),
        "window": "28d",
    },
    "tafeng": {
        "data": {"columns": {"category": "subclass", "price": ["median_unit_price"]}},
        "attributes": ("age_group", "residence_area"),
        "without": ("brand",),
        "window": "28d",
    },
    "ml-1m": {
        "data": {"columns": {"category": "genres"}},
        "interactions": {"target": ["rating"], "event_weights": {"rating": 1}},
        "attributes": ("gender", "age", "occupation"),
        "without": tuple(BEHAVIOUR),
        "window": "28d",
    },
}


def config_of(name: str, folder: Path) -> Any:
    """Build the config of a shop with every axis that its data allow."""
    shop = SHOPS[name]
    axes = {axis.replace(" ", "_"): keys for axis, keys in BEHAVIOUR.items()
            if axis not in shop["without"]}  # fmt: skip
    axes |= {column: {"kind": "attribute", "column": column} for column in shop["attributes"]}
    if name == "ml-1m":
        axes["breadth"] = {"kind": "breadth"}
        axes["interest"] = {"kind": "interest"}
    files = {part: f"{part}.parquet" for part in ("events", "users", "items")}
    content = {"data": files | shop["data"], "segments": axes}
    content["evaluation"] = {"test_window": shop["window"], "k": [10]}
    if "interactions" in shop:
        content["interactions"] = shop["interactions"]
    return parse_config(content, folder)


def judge(name: str, data: Path) -> dict[str, Any]:
    """Return the value of every axis of a shop."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = data / name if name != "ml-1m" else without_times(data / name, Path(scratch))
        return judge_folder(name, folder)


def judge_folder(name: str, folder: Path) -> dict[str, Any]:
    started = time.perf_counter()
    config = config_of(name, folder)
    shop = open_shop(config)
    found = segment(shop, config, as_of=shop.after_all())
    worth, notes = judge_axes(shop, config, found)
    table = {
        axis: {
            "verdict": one.verdict,
            "coverage": round(one.coverage, 3),
            "nats": [round(value, 5) for value in (one.gain.mean, one.gain.low, one.gain.high)],
            "ndcg_popular": round(one.ndcg_popular, 4),
            "ndcg_gain": [
                round(value, 4)
                for value in (one.ndcg_gain.mean, one.ndcg_gain.low, one.ndcg_gain.high)
            ],
            "placebo_highest": round(one.placebo_highest, 5),
            "kappa": None if one.kappa == float("inf") else round(one.kappa, 1),
        }
        for axis, one in worth.items()
    }
    users = max((one.users for one in worth.values()), default=0)
    seconds = round(time.perf_counter() - started, 1)
    return {"users": users, "seconds": seconds, "axes": table, "notes": notes}


def without_times(folder: Path, scratch: Path) -> Path:
    """Copy a shop without its times: most of MovieLens' are not known."""
    for part in ("users", "items"):
        (scratch / f"{part}.parquet").write_bytes((folder / f"{part}.parquet").read_bytes())
    events = pd.read_parquet(folder / "events.parquet", columns=["user_id", "item_id", "event"])
    events.to_parquet(scratch / "events.parquet")
    return scratch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shops", nargs="*", help=", ".join(SHOPS))
    asked = parser.parse_args()
    folder = os.environ.get("RECSYS_DATA")
    if not folder:
        sys.exit("RECSYS_DATA names no folder; data/README.md says where each data set is from")
    answer = {name: judge(name, Path(folder)) for name in asked.shops or SHOPS}
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
