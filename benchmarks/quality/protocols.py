"""Rank the fixed questions of a folder of protocols, and score the lists with its own scorer.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/protocols.py [NAME ...] [--lists DIR]
        [--settings FILE] [--output FILE]

Settings are a TOML file of `[model]` and `[interactions]` tables, such as `recsys tune` writes;
without it everything is a default. Prints one JSON document: figures overall and by history size,
what was learnt, seconds of every step and peak memory.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys.pipelines.train import Trained, fit

sys.path.insert(0, str(Path(__file__).parent))
from questions import (
    SHOPS,
    VARIANTS,
    Question,
    customers_of,
    lists_of,
    open_question,
    peak_gb,
    protocols_folder,
    score,
    write,
)


def run(
    root: Path,
    name: str,
    variants: Sequence[str] = VARIANTS,
    *,
    settings: Mapping[str, Any] | None = None,
    lists: Path | None = None,
) -> dict[str, Any]:
    """Learn, rank and score one protocol."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        with clock(seconds, "ingest"):
            question = open_question(root, name, Path(scratch), settings)
        trained = train(question, variants, seconds)
        folder = lists or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        scores = score_all(question, trained, variants, folder, seconds)
        if question.amounts == [None]:
            scores = {variant: parts["all"] for variant, parts in scores.items()}
    return {
        "scores": scores,
        "learnt": {variant: learnt_words(found) for variant, found in trained.learnt.items()},
        "seconds": seconds,
        "peak_gb": peak_gb(),
    }


def train(question: Question, variants: Sequence[str], seconds: dict[str, float]) -> Trained:
    """Train on what a question allows, and note the seconds of every step."""

    @contextmanager
    def timed(what: str, total: int | None) -> Iterator[Any]:
        del total
        with clock(seconds, what):
            yield lambda: None

    with clock(seconds, "train, all of it"):
        return fit(
            question.shop,
            question.config,
            as_of=question.as_of,
            variants=question.config.chosen(list(variants)),
            progress=timed,
        )


def score_all(
    question: Question,
    trained: Trained,
    variants: Sequence[str],
    folder: Path,
    seconds: dict[str, float],
) -> dict[str, dict[str, Any]]:
    """Return the scorer's answer by variant and by how much is revealed."""
    scores: dict[str, dict[str, Any]] = {variant: {} for variant in variants}
    for asked, customers in customers_of(question, trained):
        for name in variants:
            variant = question.config.chosen([name])[0]
            with clock(seconds, f"ranking by {name}"):
                lists = lists_of(trained, customers, variant)
            file = folder / f"{question.folder.name}-{name}-{asked}.parquet"
            scores[name][asked] = score(question, lists, asked, file)
    return scores


def learnt_words(found: Any) -> dict[str, Any]:
    """Lay out what was learnt for a variant."""
    return {**found.weights.model_dump(), "ndcg": found.ndcg, "gains": found.gains}


@contextmanager
def clock(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Add the seconds of a block to what it is called."""
    start = time.perf_counter()
    yield
    seconds[what] = round(seconds.get(what, 0.0) + time.perf_counter() - start, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHOPS))
    parser.add_argument("--variant", action="append", default=[])
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--lists", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    root = protocols_folder(parser)
    settings = tomllib.loads(arguments.settings.read_text()) if arguments.settings else {}
    variants = tuple(arguments.variant) or VARIANTS
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "settings": settings,
        "protocols": {
            name: run(root, name, variants, settings=settings, lists=arguments.lists)
            for name in arguments.names
        },
    }
    print(write(result, arguments.output))


if __name__ == "__main__":
    main()
