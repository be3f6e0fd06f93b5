"""What each signal earns in `segment_aware`, and whether segments ever make it worse.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/ablation.py [NAME ...] [--every-axis]
        [--pair] [--lists DIR] [--output FILE]

One training for each protocol. `segment_aware`, `no_segments`, and `segment_aware` without each of
its signals in turn and without the segments in the centre of its fold-in, all with weights of their
own. An axis that earned no weight is not left out by itself: without it the same axes come in, in
the same order, with the same weights. `--every-axis` takes all kinds of axes that the data allow,
`--pair` leaves the two variants alone that segments are judged by.
Prints one JSON document: NDCG@10, what each signal earns (the full variant less the one without
it, the scorer's interval), and `segment_aware` less `no_segments` in each activity bin with
Student's t interval and the rule of never worse.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.evaluation.bins import BINS, activity_bin
from recsys.ranking.recipe import BUILT_IN
from recsys.statistics import PairedT, paired_t

sys.path.insert(0, str(Path(__file__).parent))
from protocols import learnt_words, score_all, train
from questions import (
    SHOPS,
    Question,
    compare,
    open_question,
    peak_gb,
    protocols_folder,
    run_scorer,
    write,
)

FULL, PLAIN = "segment_aware", "no_segments"
METRIC = "ndcg@10"
FEWEST = 300
"""A smaller bin is shown, and is too few to read."""
LEAST, LOWEST = -0.005, -0.02
"""Never worse: the relative difference, or the lower end of an interval that holds 0."""
TIMED: dict[str, dict[str, Any]] = {
    kind: {"kind": kind}
    for kind in (
        "lifecycle", "aipl", "rfm", "spending", "frequency", "activity", "price", "novelty",
        "breadth", "value", "interest", "clusters",
    )
}  # fmt: skip
TIMED["pace"] = {"kind": "lifecycle", "pace": "own"}
TIMED["calm"] = {"kind": "spending", "window": "60d", "calm": {"every": "month"}}
TIMED["days"] = {
    "kind": "rules",
    "segments": [
        {"name": "weekend", "when": {"feature": "weekend_share", "at_least": 0.5}},
        {"name": "week", "when": {"feature": "weekend_share", "at_most": 0.2}},
    ],
}
SIZES = {
    "sizes": {"kind": "clusters", "features": ["items"]},
    "depth": {
        "kind": "rules",
        "segments": [
            {"name": "many", "when": {"feature": "items", "at_least": 30}},
            {"name": "few", "when": {"feature": "items", "at_most": 10}},
        ],
    },
}
EVERY_AXIS: dict[str, dict[str, Any]] = {
    "completejourney_temporal": {
        **TIMED,
        "brand": {"kind": "brand"},
        "both": {"kind": "combine", "axes": ["age", "income"]},
    },
    "completejourney_cold": {
        **TIMED,
        "brand": {"kind": "brand"},
        "both": {"kind": "combine", "axes": ["age", "income"]},
    },
    "tafeng_temporal": {
        **TIMED,
        "both": {"kind": "combine", "axes": ["age_group", "residence_area"]},
    },
    "ml-1m_cold": {**SIZES, "both": {"kind": "combine", "axes": ["age", "gender"]}},
    "gowalla": SIZES,
}
"""Axes beside those of `questions`, so that every kind the data allow is there."""


def without() -> dict[str, dict[str, Any]]:
    """Return `segment_aware` without each of its signals, as tables of the config."""
    signals = BUILT_IN[FULL].signals
    tables: dict[str, dict[str, Any]] = {
        f"without_{signal}": {
            "like": FULL,
            "centre": "segments",
            "signals": [other for other in signals if other != signal],
        }
        for signal in signals
    }
    return {**tables, "without_centre": {"like": FULL, "centre": "mean"}}


def run(
    root: Path,
    name: str,
    *,
    axes: Mapping[str, Any] | None = None,
    less: Mapping[str, Any] | None = None,
    lists: Path | None = None,
) -> dict[str, Any]:
    """Learn, rank and compare on one protocol.

    Parameters
    ----------
    root, name
        The folder of protocols, and which one.
    axes
        Further axes, as tables of the config.
    less
        Further variants, as tables of the config; default `without`.
    lists
        A folder that keeps the lists.
    """
    tables = without() if less is None else less
    variants = (FULL, PLAIN, *tables)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = lists or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        content = {"variants": tables, "segments": axes or {}}
        question = open_question(root, name, Path(scratch), content)
        trained = train(question, variants, seconds)
        scores = score_all(question, trained, variants, folder, seconds)
        return {
            "ndcg": {one: ndcg_of(parts) for one, parts in scores.items()},
            "earned": {one: earned(question, folder, one) for one in variants[1:]},
            "never_worse": never_worse(question, folder),
            "learnt": {one: learnt_words(found) for one, found in trained.learnt.items()},
            "seconds": seconds,
            "peak_gb": peak_gb(),
        }


def ndcg_of(parts: Mapping[str, Any]) -> dict[str, float]:
    """Return the scorer's NDCG@10 by how much is revealed."""
    return {asked: score["all"][METRIC] for asked, score in parts.items()}


def earned(question: Question, folder: Path, less: str) -> dict[str, Any]:
    """Return the full variant less another, by how much is revealed, with the scorer's interval."""
    return {
        asked: compare(
            question, file_of(question, folder, less, asked),
            file_of(question, folder, FULL, asked), asked,
        )
        for asked in amounts(question)
    }  # fmt: skip


def never_worse(question: Question, folder: Path) -> list[dict[str, Any]]:
    """Hold `segment_aware` against `no_segments` overall and in every activity bin."""
    rows = []
    for asked in amounts(question):
        plain, full = (
            values_of(question, file_of(question, folder, variant, asked), asked)
            for variant in (PLAIN, FULL)
        )
        full = full.reindex(plain.index)
        bins = bins_of(question, plain.index, asked)
        for place, of in [("all", np.ones(len(bins), dtype=bool))] + [
            (BINS[number], bins == number) for number in np.unique(bins)
        ]:
            found = paired_t(plain.to_numpy()[of], full.to_numpy()[of])
            rows.append({"asked": asked, "bin": place, "users": int(of.sum()), **told(found)})
    return rows


def told(found: PairedT) -> dict[str, Any]:
    """Lay out a comparison, with the rule in words."""
    difference = found.difference
    return {
        PLAIN: round(found.one, 5),
        FULL: round(found.other, 5),
        "difference": [
            round(value, 5) for value in (difference.mean, difference.low, difference.high)
        ],
        "relative": round(relative_of(found)[0], 4),
        "rule": rule(found),
    }


def relative_of(found: PairedT) -> tuple[float, float, float]:
    """Return the difference and its interval as shares of the plain variant's mean."""
    unit = found.one if found.one > 0 else 1.0
    difference = found.difference
    return difference.mean / unit, difference.low / unit, difference.high / unit


def rule(found: PairedT) -> str:
    """Say whether segments are never worse here.

    The relative difference is at least −0.5 %, or its interval holds 0 and begins at −2 % or more.
    """
    if found.difference.n < FEWEST:
        return "too few users to read"
    mean, low, high = relative_of(found)
    if mean >= LEAST:
        return "holds"
    return "holds by its interval" if LOWEST <= low <= 0 <= high else "does not hold"


def values_of(question: Question, file: Path, asked: str) -> "pd.Series[float]":
    """Return each user's NDCG@10 by the folder's own scorer."""
    per_user = file.with_suffix(".users.parquet")
    run_scorer(question, file, asked, "--per-user", str(per_user))
    values: pd.Series[float] = pd.read_parquet(per_user).set_index("user_id")[METRIC].sort_index()
    return values


def bins_of(question: Question, users: "pd.Index[str]", asked: str) -> Any:
    """Return the activity bin of each user by what is revealed."""
    file = "train" if asked == "all" else f"reveal_{asked}"
    known = pd.read_parquet(question.folder / f"{file}.parquet", columns=["user_id", "item_id"])
    sizes = known.drop_duplicates().astype(str).groupby("user_id").size()
    return activity_bin(sizes.reindex(users, fill_value=0).to_numpy())


def amounts(question: Question) -> list[str]:
    """Return how much is revealed, as lists' files are named."""
    return ["all" if amount is None else str(amount) for amount in question.amounts]


def file_of(question: Question, folder: Path, variant: str, asked: str) -> Path:
    """Return where `protocols.score_all` has written the lists of a variant."""
    return folder / f"{question.folder.name}-{variant}-{asked}.parquet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHOPS))
    parser.add_argument("--every-axis", action="store_true")
    parser.add_argument("--pair", action="store_true")
    parser.add_argument("--lists", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    root, result = protocols_folder(parser), {}
    for name in arguments.names:
        axes = EVERY_AXIS[name] if arguments.every_axis else {}
        less = {} if arguments.pair else None
        result[name] = run(root, name, axes=axes, less=less, lists=arguments.lists)
        text = write(result, arguments.output)
    print(text)


if __name__ == "__main__":
    main()
