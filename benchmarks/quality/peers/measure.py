"""Tune, fit, rank and score one peer on one protocol, inside the peers' environment.

    python -m peers.measure FOLDER PEER RESULT [--explore] [--lists DIR]

`run.py` calls it, once for each peer and protocol, so that peak memory is the peer's own.
"""

import argparse
import importlib.util
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from . import questions, ranking
from .arrays import Indexed, People, index
from .items import InfeasibleError
from .popularity import Scorer
from .questions import Ask
from .registry import ATTRIBUTES, MOST, PEERS, REPEATS, TIMES, Peer, Setting

BLOCK = 256
"""Users that are scored at once."""
EXPLORE = "explore"
Values = dict[str, float]


class Study:
    """One peer on one protocol: what was tried, chosen and reached, and how long it took."""

    def __init__(self, folder: Path, peer: Peer, explore: bool) -> None:
        self.folder, self.peer = folder, peer
        self.meta = questions.read_meta(folder)
        self.explore = explore and self.meta["kind"] == "temporal"
        self.scorer = load_scorer(folder.parent / "score.py")
        self.metric = "ndcg@20" if self.meta["kind"] == "split" else "ndcg@10"
        self.question = questions.read(folder)
        self.seconds: dict[str, float] = {}

    def lacks(self) -> str | None:
        """Return what the peer needs and the protocol does not have, or `None`."""
        has = {
            TIMES: "timestamp" in self.question.train,
            ATTRIBUTES: len(self.question.users.columns) > 1,
            REPEATS: not self.meta["exclude_train"],
        }
        missing = [need for need in self.peer.needs if not has[need]]
        return f"it needs {' and '.join(missing)}" if missing else None

    def asks(self, indexed: Indexed) -> Iterator[tuple[str, Ask, pd.Index, People]]:
        """Yield the asks, without those for new items of a peer that knows only the user's own."""
        for name, ask in indexed.question.asks.items():
            if not (name == EXPLORE and REPEATS in self.peer.needs):
                yield name, ask, *indexed.known(ask)

    def tune(self) -> list[dict[str, Any]]:
        """Return what each setting reached on the slices of train, ask by ask."""
        with self.clock("reading slices"):
            parts = questions.slices(self.folder, self.question, self.explore)
            parts = [index(part) for part in parts]
            held = [(part, list(self.asks(part))) for part in parts]
        with self.clock("tuning"):
            tried = [self.tried(setting, held) for setting in self.peer.settings(parts[0].train)]
            best = max(tried, key=lambda one: sum(one["values"].values()))
            known = [one["setting"] for one in tried]
            more = [one for one in self.peer.refined(best["setting"]) if one not in known]
            tried += [self.tried(setting, held) for setting in more[: MOST - len(tried)]]
        return tried

    def tried(self, setting: Setting, held: list[tuple[Indexed, list[Any]]]) -> dict[str, Any]:
        values: dict[str, list[float]] = {}
        for part, asks in held:
            scorer = self.peer.fit(part.train, **setting)
            for name, ask, users, people in asks:
                lists = ranked(scorer, people, ask, go_on=False)
                reached = self.value(ranking.frame(lists, users, part.items), ask)
                values.setdefault(name, []).append(reached)
        means = {name: round(float(np.mean(reached)), 5) for name, reached in values.items()}
        return {"setting": setting, "values": means, "by_slice": values}

    def value(self, lists: pd.DataFrame, ask: Ask) -> float:
        """Return the mean of the protocol's own scorer on the targets of a slice."""
        scores = self.scorer.per_user(self.scorer.clean(lists), self.scorer.pairs(ask.targets))
        return round(float(scores[self.metric].mean()), 5)

    def answer(self, chosen: dict[str, Setting], lists: Path | None) -> dict[str, Any]:
        """Fit each chosen setting on all of train, rank what it was chosen for, and score."""
        indexed = index(questions.asked(self.folder, self.question, self.explore))
        asks = list(self.asks(indexed))
        scores: dict[str, Any] = {}
        for setting in distinct(chosen.values()):
            with self.clock("fitting"):
                scorer = self.peer.fit(indexed.train, **setting)
            for name, ask, users, people in asks:
                if chosen[name] == setting:
                    with self.clock("ranking"):
                        places = ranked(scorer, people, ask, self.goes_on(ask))
                        table = ranking.frame(places, users, indexed.items)
                    scores[name] = self.judge(table, name)
                    keep(table, lists, name)
        return {name: scores[name] for name in chosen}

    def goes_on(self, ask: Ask) -> bool:
        """Return whether lists go on with new items, which the scorer looks at by themselves."""
        return self.meta["kind"] == "temporal" and not ask.hides_known

    def judge(self, lists: pd.DataFrame, name: str) -> dict[str, Any]:
        """Score lists as the protocol's scorer does from its command line."""
        reveal = int(name) if self.meta["kind"] == "cold" else None
        found: dict[str, Any] = self.scorer.score(lists, *self.scorer.load(self.folder, reveal))[0]
        return {EXPLORE: found[EXPLORE]} if name == EXPLORE else found

    @contextmanager
    def clock(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[what] = round(self.seconds.get(what, 0.0) + time.perf_counter() - start, 1)


def load_scorer(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("score", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ranked(scorer: Scorer, people: People, ask: Ask, go_on: bool) -> np.ndarray:
    """Return lists of columns; where they go on, the best new items follow the best of all."""
    blocks = []
    for start in range(0, people.rows.n_users, BLOCK):
        part = people.of(start, min(start + BLOCK, people.rows.n_users))
        scores = ranking.with_ties(np.asarray(scorer(part), dtype=np.float64))
        if ask.hides_known or go_on:
            new = ranking.top(ranking.without(scores, part.rows.user, part.rows.item), ranking.K)
        lists = new if ask.hides_known else ranking.top(scores, ranking.K)
        blocks.append(ranking.go_on(lists, new) if go_on else lists)
    return np.vstack(blocks)


def distinct(settings: Any) -> list[Setting]:
    found: list[Setting] = []
    for setting in settings:
        if setting not in found:
            found.append(setting)
    return found


def choose(tried: list[dict[str, Any]]) -> dict[str, Setting]:
    """Return for each ask the setting of the highest value; the earlier one of equals."""
    names = tried[0]["values"]
    best = {name: max(tried, key=lambda one: one["values"][name]) for name in names}
    return {name: one["setting"] for name, one in best.items()}


def keep(lists: pd.DataFrame, place: Path | None, name: str) -> None:
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        lists.to_parquet(place.with_name(f"{place.name}_{name}.parquet"), index=False)


def measure(folder: Path, name: str, explore: bool, lists: Path | None) -> dict[str, Any]:
    """Return what one peer reaches, or why it is skipped."""
    study = Study(folder, PEERS[name], explore)
    reason = study.lacks()
    if reason is not None:
        return {"skipped": reason}
    try:
        tried = study.tune()
        chosen = choose(tried)
        scores = study.answer(chosen, lists and lists / folder.name / name)
    except (ImportError, InfeasibleError) as error:
        return {"skipped": str(error)}
    return {
        "metric": study.metric,
        "tried": tried,
        "chosen": chosen,
        "scores": scores,
        "seconds": study.seconds,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("result", type=Path)
    parser.add_argument("--explore", action="store_true")
    parser.add_argument("--lists", type=Path)
    given = parser.parse_args()
    found = measure(given.folder, given.peer, given.explore, given.lists)
    given.result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
