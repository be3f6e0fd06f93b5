"""What can be measured of ranked lists: the registry from a name to its values.

Adding a measure is one function and one line of `MEASURES` (a value for each user) or
`CATALOGUE_MEASURES` (one number for all lists together), and its words in `definitions`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from recsys import metrics
from recsys.types import Flags, Floats, Indices


@dataclass(frozen=True)
class Background:
    """What was known before the cut, for the measures beyond accuracy.

    Attributes
    ----------
    n_items
        Size of the catalogue.
    item_users
        Distinct training users of each item, shape ``(n_items,)``.
    n_users
        Number of training users.
    category
        Category of each item, shape ``(n_items,)``, -1 unknown; None where the shop has none.
    known_indptr, known_items
        The items that each target user had dealt with before the cut: those of row ``u`` of the
        targets' users are ``known_items[known_indptr[u]:known_indptr[u + 1]]``, ascending.
    offered
        Whether an item could be recommended, shape ``(n_items,)``: coverage and Gini are over
        those. None = every item.
    """

    n_items: int
    item_users: Indices
    n_users: int
    category: Indices | None
    known_indptr: Indices
    known_items: Indices
    offered: Flags | None = None


@dataclass(frozen=True)
class Case:
    """What the measures of some users are made of; every array has one row for each of them.

    Attributes
    ----------
    background
        What was known before the cut.
    lists
        Item indices, shape ``(n_users, depth)``, best first, -1 where there is no item.
    hits, known
        Whether the rank holds a target; whether the user had dealt with the item before.
    n_relevant, n_outside
        Number of targets; of them, outside the catalogue.
    explore_hits, n_explore
        Hits of the list without known items, and the number of targets that were unknown.
    repeat_hits, n_repeat
        Hits of the list of known items alone, and the number of targets that were known.
    found, paid
        Money paid for the hit at each rank, and for all targets; None where no money is known.
    history
        Category shares of the known items; None where the shop has no categories.
    """

    background: Background
    lists: Indices
    hits: Flags
    known: Flags
    n_relevant: Indices
    n_outside: Indices
    explore_hits: Flags
    n_explore: Indices
    repeat_hits: Flags
    n_repeat: Indices
    found: Floats | None
    paid: Floats | None
    history: metrics.Shares | None


@dataclass(frozen=True)
class Shown:
    """What the measures of all lists together are made of.

    Attributes
    ----------
    background
        What was known before the cut.
    k
        Length of the lists.
    exposure
        In how many lists each item is, shape ``(n_items,)``.
    n_lists
        Number of users whose list holds an item.
    """

    background: Background
    k: int
    exposure: Indices
    n_lists: int

    @property
    def offered(self) -> Indices:
        """The exposure of the items that could be recommended."""
        offered = self.background.offered
        return self.exposure if offered is None else self.exposure[offered]


Measure: TypeAlias = Callable[[Case, Sequence[int]], Floats | None]
"""Values of the users of a case, one row for each ``k``, shape ``(len(ks), n_users)``, nan where a
user has none; None where the shop lacks the data."""


def of_hits(metric: metrics.Metric) -> Measure:
    """Measure the list against all targets."""
    return lambda case, ks: metric(case.hits, case.n_relevant, k=ks)


def of_explore(metric: metrics.Metric) -> Measure:
    """Measure the list without known items against the targets the user did not know."""
    return lambda case, ks: _of_those_with(metric, case.explore_hits, case.n_explore, ks)


def of_repeat(metric: metrics.Metric) -> Measure:
    """Measure the list of known items alone against the targets the user knew."""
    return lambda case, ks: _of_those_with(metric, case.repeat_hits, case.n_repeat, ks)


def auc(case: Case, ks: Sequence[int]) -> Floats:
    """`metrics.auc` over the catalogue and the targets outside it."""
    n_candidates = case.background.n_items + case.n_outside
    return metrics.auc(case.hits, case.n_relevant, case.lists >= 0, k=ks, n_candidates=n_candidates)


def revenue_recall(case: Case, ks: Sequence[int]) -> Floats | None:
    """`metrics.value_recall` of what was paid for the targets."""
    if case.found is None or case.paid is None:
        return None
    return metrics.value_recall(case.found, case.paid, k=ks)


def novelty(case: Case, ks: Sequence[int]) -> Floats:
    """`metrics.novelty` by the training users."""
    background = case.background
    return metrics.novelty(case.lists, background.item_users, background.n_users, k=ks)


def popularity(case: Case, ks: Sequence[int]) -> Floats:
    """`metrics.average_popularity` by the training users."""
    return metrics.average_popularity(case.lists, case.background.item_users, k=ks)


def long_tail_share(case: Case, ks: Sequence[int]) -> Floats:
    """`metrics.long_tail_share` outside the most popular fifth."""
    head = metrics.short_head(case.background.item_users)
    return metrics.long_tail_share(case.lists, head, k=ks)


def ild(case: Case, ks: Sequence[int]) -> Floats | None:
    """`metrics.intra_list_diversity` of the categories."""
    category = case.background.category
    return None if category is None else metrics.intra_list_diversity(case.lists, category, k=ks)


def serendipity(case: Case, ks: Sequence[int]) -> Floats:
    """`metrics.serendipity` against the popular list of the training users."""
    users, n_items = case.background.item_users, case.background.n_items
    return metrics.serendipity(case.lists, case.hits, users, k=ks, n_items=n_items)


def repeat_share(case: Case, ks: Sequence[int]) -> Floats:
    """`metrics.repeat_share` of the items known before the cut."""
    return metrics.repeat_share(case.lists, case.known, k=ks)


def calibration(divergence: Callable[[metrics.Shares, metrics.Shares], Floats]) -> Measure:
    """Compare the categories of the known items with those of the list."""

    def measure(case: Case, ks: Sequence[int]) -> Floats | None:
        category = case.background.category
        if case.history is None or category is None:
            return None
        listed = [_listed_shares(case, category, k) for k in ks]
        return np.stack([divergence(case.history, shares) for shares in listed])

    return measure


MEASURES: dict[str, Measure] = {
    "ndcg": of_hits(metrics.ndcg),
    "precision": of_hits(metrics.precision),
    "recall": of_hits(metrics.recall),
    "recall_capped": of_hits(metrics.recall_capped),
    "mrr": of_hits(metrics.reciprocal_rank),
    "hit": of_hits(metrics.hit_rate),
    "ap_div_nrel": of_hits(metrics.ap_div_nrel),
    "ap_div_min_k_nrel": of_hits(metrics.ap_div_min_k_nrel),
    "ap_div_k": of_hits(metrics.ap_div_k),
    "r_precision": of_hits(metrics.r_precision),
    "f1": of_hits(metrics.f1),
    "auc": auc,
    "revenue_recall": revenue_recall,
    "explore_ndcg": of_explore(metrics.ndcg),
    "explore_recall": of_explore(metrics.recall),
    "repeat_ndcg": of_repeat(metrics.ndcg),
    "repeat_recall": of_repeat(metrics.recall),
    "novelty": novelty,
    "popularity": popularity,
    "long_tail_share": long_tail_share,
    "ild": ild,
    "serendipity": serendipity,
    "calibration_kl": calibration(metrics.calibration_kl),
    "calibration_js": calibration(metrics.calibration_js),
    "repeat_share": repeat_share,
}
"""Name in reports -> the values of each user; `definitions` says what each means."""

CATALOGUE_MEASURES: dict[str, Callable[[Shown], float]] = {
    "coverage": lambda shown: np.count_nonzero(shown.offered) / max(len(shown.offered), 1),
    "gini": lambda shown: metrics.gini(shown.offered),
    "entropy": lambda shown: metrics.entropy(shown.exposure),
    "effective_catalogue": lambda shown: metrics.effective_catalogue(shown.exposure),
    "popularity_lift": lambda shown: metrics.popularity_lift(
        shown.exposure, shown.background.item_users
    ),
    "inter_user_diversity": lambda shown: metrics.inter_user_diversity(
        shown.exposure, k=shown.k, n_lists=shown.n_lists
    ),
}
"""Name in reports -> one number for all lists together."""


def _of_those_with(
    metric: metrics.Metric, hits: Flags, n_relevant: Indices, ks: Sequence[int]
) -> Floats:
    """Measure the users with something to find; the others have no value."""
    values = metric(hits, np.maximum(n_relevant, 1), k=ks)
    return np.where(n_relevant > 0, values, np.nan)


def _listed_shares(case: Case, category: Indices, k: int) -> metrics.Shares:
    top = case.lists[:, :k]
    rows = np.repeat(np.arange(len(top)), top.shape[1])
    return shares_of(rows, top.ravel(), category, len(top))


def shares_of(users: Indices, items: Indices, category: Indices, n_users: int) -> metrics.Shares:
    """Category shares of each user's items, shape ``(n_users, n_categories)``."""
    n_categories = int(category.max(initial=0)) + 1
    return metrics.category_shares(
        users, items, category, n_users=n_users, n_categories=n_categories
    )
