"""The fixed questions of a folder of protocols, as shops of this project.

Each protocol holds `train.parquet`, `users.parquet`, `catalogue.parquet`, `targets.parquet`,
`meta.json`, mostly `items.parquet`, and for cold ones `reveal_<n>.parquet`. Everything is learnt
from `train.parquet`; `targets.parquet` says only for whom lists are asked, and is read by the
scorer, `score.py` beside them, which imports nothing of this project.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.config import RecsysConfig, parse_config
from recsys.events.shop import Shop
from recsys.events.times import parse_time
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.recommend import read_history
from recsys.pipelines.train import Trained
from recsys.ranking import Customers, Request, Variant, describe
from recsys.vocabulary import Vocabulary

K = 20
BEHAVIOUR = {
    kind: {"kind": kind}
    for kind in ("lifecycle", "rfm", "spending", "price", "breadth", "interest")
}
SHOPS: dict[str, dict[str, Any]] = {
    "completejourney_temporal": {
        "columns": {"category": ["department", "product_category"]},
        "attributes": ("age", "income"),
        "axes": BEHAVIOUR,
    },
    "completejourney_cold": {
        "columns": {"category": ["department", "product_category"]},
        "attributes": ("age", "income", "household_size", "kids_count", "marital_status"),
        "axes": BEHAVIOUR,
    },
    "tafeng_temporal": {
        "columns": {"category": "subclass"},
        "attributes": ("age_group", "residence_area"),
        "axes": BEHAVIOUR,
    },
    "ml-1m_cold": {
        "columns": {"category": "genres"},
        "attributes": ("gender", "age", "occupation"),
        "axes": {kind: {"kind": kind} for kind in ("breadth", "interest")},
        "target": "rating",
    },
    "gowalla": {"columns": {}, "attributes": (), "axes": {}, "target": "checkin"},
}
"""What a shop's owner would write into the config; every other setting is a default."""
VARIANTS = ("popular", "own_purchases", "als", "no_segments", "segment_aware", "explore")
EXPLORE = {"like": "segment_aware", "repeat": "never"}
"""Lists of items that are new to the user."""


@dataclass(frozen=True)
class Question:
    """One protocol.

    Attributes
    ----------
    folder, meta
        Where it is, and what it says of itself.
    config, shop
        Its training side.
    as_of
        Microseconds.
    users
        For whom lists are asked.
    """

    folder: Path
    meta: Mapping[str, Any]
    config: RecsysConfig
    shop: Shop
    as_of: int
    users: Vocabulary

    @property
    def amounts(self) -> list[int | None]:
        """How much is revealed of the users, one list of lists each; None: all that is known."""
        return list(self.meta.get("reveal", [None]))


def open_question(
    root: Path, name: str, scratch: Path, settings: Mapping[str, Any] | None = None
) -> Question:
    """Read the training side of a protocol.

    Parameters
    ----------
    root, name
        The folder of protocols, and which one.
    scratch
        A folder for the files that the config names.
    settings
        Tables of the config beside the defaults, such as ``{"model": {"factors": 128}}``.
    """
    folder = root / name
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    config = config_of(folder, scratch, settings or {})
    shop = open_shop(config)
    cut = meta.get("test_start")
    as_of = parse_time(cut) if cut and shop.timed else shop.after_all()
    targets = pd.read_parquet(folder / "targets.parquet", columns=["user_id"])["user_id"]
    return Question(folder, meta, config, shop, as_of, Vocabulary(targets.astype(str)))


def config_of(folder: Path, scratch: Path, settings: Mapping[str, Any]) -> RecsysConfig:
    """Return the config of a protocol: its train events, its users, its catalogue."""
    name, meta = folder.name, json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    said = SHOPS[name]
    items = scratch / f"{name}_items.parquet"
    catalogue_of(folder).to_parquet(items, index=False)
    data = {
        "events": str(folder / "train.parquet"),
        "items": str(items),
        "columns": said["columns"],
    }
    if said["attributes"]:
        users = scratch / f"{name}_users.parquet"
        told = pd.read_parquet(folder / "users.parquet")
        told.drop(columns="held_out", errors="ignore").to_parquet(users, index=False)
        data["users"] = str(users)
    axes = {column: {"kind": "attribute", "column": column} for column in said["attributes"]}
    content: dict[str, Any] = {
        "data": data,
        "segments": {**said["axes"], **axes},
        "variants": {"explore": EXPLORE},
    }
    if "target" in said:
        event = said["target"]
        content["interactions"] = {"target": [event], "event_weights": {event: 5}}
    if "test_days" in meta:
        content["evaluation"] = {"test_window": f"{meta['test_days']}d"}
    for table, keys in settings.items():
        content[table] = {**content.get(table, {}), **keys}
    return parse_config(content, scratch)


def catalogue_of(folder: Path) -> pd.DataFrame:
    """Return the items file, where only what can be a target is available."""
    allowed = set(pd.read_parquet(folder / "catalogue.parquet")["item_id"])
    seen = pd.read_parquet(folder / "train.parquet", columns=["item_id"])["item_id"]
    known = pd.DataFrame({"item_id": sorted(allowed | set(seen))})
    file = folder / "items.parquet"
    items = (
        pd.read_parquet(file).merge(known, on="item_id", how="right") if file.exists() else known
    )
    return items.assign(available=items["item_id"].isin(allowed))


def customers_of(question: Question, trained: Trained) -> Iterator[tuple[str, Customers]]:
    """Yield how much is revealed, or ``all``, and who the asked users are by that."""
    attributes = question.shop.users(as_of=question.as_of)
    for amount in question.amounts:
        known = _revealed(question, amount)
        customers = describe(known, question.users, attributes, trained.model, as_of=question.as_of)
        yield ("all" if amount is None else str(amount)), customers


def _revealed(question: Question, amount: int | None) -> Any:
    if amount is None:
        return question.shop.events(before=question.as_of)
    file = question.folder / f"reveal_{amount}.parquet"
    if not len(pd.read_parquet(file, columns=["user_id"])):
        return question.shop.where(events="false").events()
    return read_history(str(file), question.config).events()


def lists_of(trained: Trained, customers: Customers, variant: Variant) -> pd.DataFrame:
    """Rank for everybody: ``user_id, item_id, rank``."""
    ranked = trained.ranker().rank_all(
        customers, range(len(customers.users)), variant, Request(k=K)
    )
    lists = [ranking.ids(trained.model.items.ids) for ranking in ranked]
    sizes = [len(items) for items in lists]
    return pd.DataFrame(
        {
            "user_id": np.repeat(customers.users.ids.astype(object), sizes),
            "item_id": [item for items in lists for item in items],
            "rank": [rank for size in sizes for rank in range(1, size + 1)],
        }
    )


def score(question: Question, lists: pd.DataFrame, asked: str, file: Path) -> dict[str, Any]:
    """Write lists to a file and run the folder's own scorer on it."""
    lists.to_parquet(file, index=False)
    found: dict[str, Any] = json.loads(run_scorer(question, file, asked))
    return found


def compare(question: Question, ours: Path, theirs: Path, asked: str) -> dict[str, Any]:
    """Return the paired difference of two files of lists, with its interval."""
    found: dict[str, Any] = json.loads(run_scorer(question, ours, asked, "--compare", str(theirs)))
    return found


def run_scorer(question: Question, file: Path, asked: str, *further: str) -> str:
    """Return what the folder's own scorer prints of a file of lists."""
    scorer = question.folder.parent / "score.py"
    reveal = [] if asked == "all" else ["--reveal", asked]
    command = [sys.executable, str(scorer), str(question.folder), str(file), *reveal, *further]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def protocols_folder(parser: argparse.ArgumentParser) -> Path:
    """Return the folder of protocols that the environment names."""
    if "RECSYS_PROTOCOLS" not in os.environ:
        parser.error("set RECSYS_PROTOCOLS to the folder of protocols")
    return Path(os.environ["RECSYS_PROTOCOLS"])


def write(result: Any, output: Path | None) -> str:
    """Lay a result out as JSON, and write it to a file where one is named."""
    text = json.dumps(result, indent=1)
    if output:
        output.write_text(text + "\n", encoding="utf-8")
    return text


def peak_gb() -> float:
    """Return the peak memory of this process."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
