"""What an evaluation found: every run of it, and each recommender pooled over the runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

import numpy as np
import pandas as pd

from recsys.evaluation.comparison import Result
from recsys.evaluation.judging import Judged
from recsys.evaluation.leakage import Audit
from recsys.evaluation.measures import Background
from recsys.types import Flags, Ids, Indices


@dataclass(frozen=True)
class Run:
    """One training, and one part of what was asked of it.

    Attributes
    ----------
    origin
        The cut or the split.
    seed
        Of the training; None where nothing was trained.
    reveal
        How much of each user was revealed; None where no counted part.
    judged
        Recommender -> its values, over the same users.
    memberships
        ``user_id, axis, segment, weight`` of those users, as they were known.
    items
        The catalogue that could be recommended, sorted.
    counts
        What a reader should know was counted in or left out.
    listed_outside
        Recommender -> listed items outside the catalogue; of lists that came in a file.
    background
        What was known of those items and users; without it, nothing is told of exposure.
    flags
        Name -> items whose share of the exposure is told, shape ``(n_items,)`` each.
    """

    origin: str
    seed: int | None
    reveal: int | None
    judged: Mapping[str, Judged]
    memberships: pd.DataFrame
    items: Ids
    counts: Mapping[str, int] = field(default_factory=dict)
    listed_outside: Mapping[str, int] = field(default_factory=dict)
    background: Background | None = None
    flags: Mapping[str, Flags] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Everything an evaluation found.

    Attributes
    ----------
    protocol
        In words, of the first origin.
    runs
        At least one; the newest origin and the first seed come first.
    digests
        Recommender -> the digest of its recipe; None for lists that came in a file.
    ks
        List lengths.
    reveal_unit
        Of a warm-up curve; None for other protocols.
    data
        Row counts and the window of the shop.
    audits
        The leakage audit of each origin; empty where nothing was trained.
    notes
        What the data switched off, and other things to say.
    """

    protocol: Mapping[str, object]
    runs: Sequence[Run]
    digests: Mapping[str, str | None]
    ks: tuple[int, ...]
    reveal_unit: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    audits: Sequence[Audit] = ()
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The recommenders, in the order they were judged."""
        return list(self.runs[0].judged)

    @property
    def main(self) -> Run:
        """The run that a reader has in mind: the newest cut, and the most that is revealed."""
        return self._by_knowledge()[0]

    @property
    def memberships(self) -> pd.DataFrame:
        """Of every asked user, as known in the first run that asks about her."""
        return _first_of_each(
            [run.memberships for run in self._by_knowledge()],
            [run.judged[self.names[0]].per_user.index for run in self._by_knowledge()],
        )

    @cached_property
    def items(self) -> Ids:
        """Every item of some run's catalogue, sorted: what the pooled lists refer to."""
        return np.unique(np.concatenate([run.items for run in self.runs]))

    @cached_property
    def results(self) -> dict[str, Result]:
        """Each recommender pooled over the runs: a user's value is her mean over them."""
        return {name: self._pooled(name) for name in self.names}

    @cached_property
    def question(self) -> dict[str, str]:
        """Digests of what two results must share to be compared; seeds ask nothing new."""
        asked = {(run.origin, run.reveal): run for run in self.runs}
        targets = [run.judged[self.names[0]].per_user["n_rel"] for run in asked.values()]
        words = [str(sorted(self.protocol.items())), str(self.ks), *map(str, asked)]
        users = [part for of in targets for part in (*of.index, *of.to_numpy().astype(str))]
        return {
            "protocol": _digest(words),
            "users": _digest(users),
            "catalogue": _digest([name for run in asked.values() for name in run.items.tolist()]),
        }

    def _by_knowledge(self) -> list[Run]:
        """Return the runs, those that reveal most first: what is said of a user rests on that."""
        return sorted(self.runs, key=lambda run: -(run.reveal or 0))

    def _pooled(self, name: str) -> Result:
        judged = [run.judged[name] for run in self._by_knowledge()]
        per_user = pool([one.per_user for one in judged])
        return Result(
            name=name,
            digest=self.digests.get(name),
            question=self.question,
            per_user=per_user,
            lists=self._lists(name, per_user.index),
            overall=_mean_of(judged),
            runs=self._means(name),
        )

    def _lists(self, name: str, users: "pd.Index[str]") -> Indices:
        """Return each user's list of the first run that asks about her."""
        lists = np.full((len(users), max(self.ks)), -1, dtype=np.int64)
        for run in reversed(self._by_knowledge()):
            judged = run.judged[name]
            places = np.append(np.searchsorted(self.items, run.items), -1)
            depth = min(judged.lists.shape[1], lists.shape[1])
            rows = users.get_indexer(judged.per_user.index)
            lists[rows, :depth] = places[judged.lists[:, :depth]]
        return lists

    def _means(self, name: str) -> pd.DataFrame:
        """Return the mean of every measure by origin and seed."""
        rows = [
            {"origin": run.origin, "seed": run.seed, **run.judged[name].means()}
            for run in self.runs
        ]
        return (
            pd.DataFrame(rows)
            .groupby(["origin", "seed"], sort=False, dropna=False)
            .mean()
            .reset_index()
        )


FACTS = ("n_rel", "history", "listed")
"""Columns of a user that are no measure: they are those of the first run that asks about her."""


def pool(per_user: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Average each user's values over the runs that ask about her.

    Parameters
    ----------
    per_user
        One frame a run, indexed by ``user_id``, the same columns; users may differ.

    Returns
    -------
    DataFrame
        Indexed by ``user_id``; a NaN of one run is left out of the user's mean.
    """
    if len(per_user) == 1:
        return per_user[0]
    together = pd.concat(per_user)
    means = together.groupby(level=0, sort=False).mean()
    facts = together[~together.index.duplicated()][list(FACTS)]
    means[list(FACTS)] = facts.reindex(means.index)
    return means


def _first_of_each(frames: Sequence[pd.DataFrame], users: Sequence[pd.Index]) -> pd.DataFrame:
    seen = pd.Index([])
    kept = []
    for frame, asked in zip(frames, users, strict=True):
        kept.append(frame[~frame["user_id"].isin(seen)])
        seen = seen.union(asked)
    return pd.concat(kept, ignore_index=True)


def _mean_of(judged: Sequence[Judged]) -> dict[str, float]:
    names = judged[0].overall
    return {name: float(np.mean([one.overall[name] for one in judged])) for name in names}


def _digest(texts: Iterable[str]) -> str:
    return sha256("\x1f".join(texts).encode()).hexdigest()
