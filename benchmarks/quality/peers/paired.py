"""Hold lists of ours against those of peers, user by user: NDCG@10 with Student's interval.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/peers/paired.py PROTOCOL OURS PEER ...

The files are what ``protocols.py`` and ``run.py`` write with ``--lists``.
Prints one JSON document.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.statistics import paired_t

K = 10


def of_users(lists: pd.DataFrame, targets: pd.DataFrame) -> pd.Series:
    """NDCG@10 of every user with a target, by user; one without a list scores 0."""
    shown = lists[lists["rank"] <= K].merge(targets.assign(hit=1.0), how="left")
    gains = shown["hit"].fillna(0.0) / np.log2(shown["rank"] + 1)
    ideal = np.cumsum(1 / np.log2(np.arange(2, K + 2)))
    wanted = targets.groupby("user_id").size().clip(upper=K)
    reached = gains.groupby(shown["user_id"]).sum().reindex(wanted.index, fill_value=0.0)
    return reached / ideal[wanted.to_numpy() - 1]


def pairs_in(path: Path) -> pd.DataFrame:
    found = pd.read_parquet(path)
    return found.assign(**{name: found[name].astype(str) for name in ("user_id", "item_id")})


def main() -> None:
    parser = argparse.ArgumentParser(description="ours against peers, user by user")
    parser.add_argument("protocol")
    parser.add_argument("ours", type=Path)
    parser.add_argument("peers", type=Path, nargs="+")
    given = parser.parse_args()
    folder = Path(os.environ["RECSYS_PROTOCOLS"]) / given.protocol
    targets = pairs_in(folder / "targets.parquet")[["user_id", "item_id"]].drop_duplicates()
    ours, found = of_users(pairs_in(given.ours), targets), dict[str, Any]()
    for path in given.peers:
        theirs = of_users(pairs_in(path), targets)
        told = paired_t(theirs.to_numpy(), ours.reindex(theirs.index).to_numpy())
        found[path.stem] = {
            "theirs": told.one,
            "ours": told.other,
            "difference": [told.difference.low, told.difference.mean, told.difference.high],
            "relative": told.relative.mean,
            "p": told.p,
        }
    print(json.dumps({"protocol": given.protocol, "users": len(ours), "peers": found}, indent=1))


if __name__ == "__main__":
    main()
