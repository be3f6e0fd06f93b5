"""Accuracy of any recommender's lists: item indices and targets in, values per user out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys import metrics
from recsys.evaluation.bins import BINS, activity_bin
from recsys.interactions import Targets
from recsys.statistics import mean_interval
from recsys.types import Floats, Indices

ACCURACY = {
    "ndcg": metrics.ndcg,
    "precision": metrics.precision,
    "recall": metrics.recall,
    "mrr": metrics.reciprocal_rank,
    "hit": metrics.hit_rate,
    "ap_div_nrel": metrics.ap_div_nrel,
    "ap_div_min_k_nrel": metrics.ap_div_min_k_nrel,
    "ap_div_k": metrics.ap_div_k,
}
"""Name in reports -> per-user measure; the definition is the function's."""


@dataclass(frozen=True)
class Judged:
    """Per-user values of one recommender on one protocol.

    Attributes
    ----------
    per_user
        Indexed by ``user_id``: ``n_rel``, ``history``, ``listed`` and ``<measure>@<k>``.
    coverage
        ``k`` -> share of the catalogue that is in some list.
    """

    per_user: pd.DataFrame
    coverage: dict[int, float]

    @property
    def measures(self) -> list[str]:
        """The names of the measures' columns."""
        return [str(name) for name in self.per_user if "@" in str(name)]

    def means(self) -> dict[str, float]:
        """Mean over all users with targets."""
        means = {name: float(self.per_user[name].mean()) for name in self.measures}
        return means | {f"coverage@{k}": value for k, value in self.coverage.items()}

    def by_bin(self, measure: str) -> pd.DataFrame:
        """Mean and 95 % interval by activity bin: ``bin, users, mean, low, high``."""
        bins = activity_bin(self.per_user["history"].to_numpy())
        rows = []
        for number, name in enumerate(BINS):
            values = self.per_user[measure].to_numpy()[bins == number]
            if len(values):
                interval = mean_interval(values)
                rows.append((name, len(values), interval.mean, interval.low, interval.high))
        return pd.DataFrame(rows, columns=["bin", "users", "mean", "low", "high"])


def judge(
    lists: Indices, targets: Targets, history: Indices, *, ks: Sequence[int], n_items: int
) -> Judged:
    """Compare lists with what users went on to do.

    Parameters
    ----------
    lists
        Item indices best first, one row for each of `targets.users`, shape ``(n_users, depth)``;
        -1 where a list is short. A user without a list scores 0 and is counted.
    targets
        Distinct pairs; an item outside the catalogue (-1) counts as one that cannot be found.
    history
        Distinct items known of each user before the cut, shape ``(n_users,)``.
    ks
        List lengths.
    n_items
        Size of the catalogue.
    """
    hits, n_relevant = metrics.hit_matrix(lists, targets.user_index, targets.items, n_items=n_items)
    columns: dict[str, Floats | Indices] = {
        "n_rel": n_relevant,
        "history": history,
        "listed": (lists >= 0).sum(axis=1),
    }
    for k in ks:
        for name, measure in ACCURACY.items():
            columns[f"{name}@{k}"] = measure(hits, n_relevant, k=k)
    coverage = {k: metrics.coverage(lists, k=k, n_items=n_items) for k in ks}
    index = pd.Index(targets.users.ids, name="user_id")
    return Judged(pd.DataFrame(columns, index=index), coverage)


def lists_from(frame: pd.DataFrame, targets: Targets, items: Mapping[str, int], k: int) -> Indices:
    """Lay ``user_id, item_id, rank`` rows out as lists for `targets.users`, best `k`.

    Items outside the catalogue keep their place in the list: they are misses, not gaps.
    """
    users = targets.users.index_of(frame["user_id"])
    known = frame[users >= 0].assign(row=users[users >= 0])
    known = known.sort_values(["row", "rank"], kind="stable")
    place = known.groupby("row").cumcount().to_numpy()
    lists = np.full((len(targets.users), k), -1, dtype=np.int64)
    kept = place < k
    index = known["item_id"].map(items).fillna(-1).astype(np.int64).to_numpy()
    lists[known["row"].to_numpy()[kept], place[kept]] = index[kept]
    return lists
