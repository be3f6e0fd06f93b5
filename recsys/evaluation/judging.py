"""Judge any recommender's lists: item indices and targets in, values per user out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys import metrics
from recsys.evaluation.bins import BINS, activity_bin
from recsys.evaluation.measures import (
    CATALOGUE_MEASURES,
    MEASURES,
    Background,
    Case,
    Shown,
    shares_of,
)
from recsys.interactions import Targets
from recsys.statistics import mean_interval
from recsys.types import Flags, Floats, Ids, Indices

__all__ = ["BLOCK", "Background", "Judged", "LaidOut", "judge", "lay_out", "lists_from"]

BLOCK = 1 << 12
"""Users judged at a time: their ranks fit into a processor's cache; changes no result."""


@dataclass(frozen=True)
class Judged:
    """What one recommender reached on one protocol.

    Attributes
    ----------
    per_user
        Indexed by ``user_id``: ``n_rel`` targets, ``history`` distinct items known, ``listed``
        items in the list, and ``<measure>@<k>``, nan where the measure has no value for the user.
        A measure for which the shop has no data (categories, amounts) is left out.
    overall
        ``<measure>@<k>`` -> the value of all lists together; nan where there is none.
    lists
        What was judged, shape ``(n_users, depth)``, to hold against other recommenders' lists.
    """

    per_user: pd.DataFrame
    overall: dict[str, float]
    lists: Indices

    @property
    def measures(self) -> list[str]:
        """The names of the measures' columns."""
        return [str(name) for name in self.per_user if "@" in str(name)]

    def means(self) -> dict[str, float]:
        """Mean of each measure over the users that have a value, and the values `overall`."""
        return {name: float(self.per_user[name].mean()) for name in self.measures} | self.overall

    def counts(self) -> dict[str, int]:
        """How many users each mean is over."""
        return {name: int(self.per_user[name].count()) for name in self.measures}

    def by_bin(self, measure: str) -> pd.DataFrame:
        """Mean and 95 % interval by activity bin: ``bin, users, mean, low, high``.

        Users without a value are left out. One user has no interval: its bounds are nan.
        """
        values = self.per_user[measure].to_numpy()
        bins = activity_bin(self.per_user["history"].to_numpy())
        rows = []
        for number, name in enumerate(BINS):
            inside = values[(bins == number) & ~np.isnan(values)]
            if len(inside):
                interval = mean_interval(inside)
                rows.append((name, len(inside), interval.mean, interval.low, interval.high))
        return pd.DataFrame(rows, columns=["bin", "users", "mean", "low", "high"])


def judge(
    lists: Indices,
    targets: Targets,
    background: Background,
    *,
    ks: Sequence[int],
    explore: Indices | None = None,
) -> Judged:
    """Compare lists with what users went on to do.

    Parameters
    ----------
    lists
        Item indices best first, one row for each of `targets.users`, shape ``(n_users, depth)``;
        -1 where there is no item, and for an item outside the catalogue, which is a miss. A user
        without a list is counted: accuracy is 0 (but AUC 0.5, which is chance), and what describes
        a list, such as novelty, is nan.
    targets
        Distinct pairs; an item outside the catalogue (-1) counts as one that cannot be found.
    background
        What was known before the cut.
    ks
        List lengths.
    explore
        Deeper lists for the ``explore_`` measures, shape ``(n_users, any depth)``; by default
        `lists`. Items that the user knew are taken out of either.

    Raises
    ------
    ValueError
        An index is out of range, an item stands twice in a list, or the shapes do not fit.
    """
    _check_shapes(lists, targets, background, explore)
    parts = [
        {name: measure(case, ks) for name, measure in MEASURES.items()}
        for case in _cases(lists, targets, background, explore)
    ]
    columns: dict[str, Floats | Indices] = {
        "n_rel": np.bincount(targets.user_index, minlength=len(targets.users)),
        "history": np.diff(background.known_indptr),
        "listed": (lists >= 0).sum(axis=1),
    }
    for name in MEASURES:
        rows = [part[name] for part in parts]
        known = [row for row in rows if row is not None]
        if known:
            columns |= zip((f"{name}@{k}" for k in ks), np.concatenate(known, axis=1), strict=True)
    index = pd.Index(targets.users.ids, name="user_id")
    return Judged(pd.DataFrame(columns, index=index), _overall(lists, background, ks), lists)


def lists_from(frame: pd.DataFrame, targets: Targets, items: Mapping[str, int], k: int) -> Indices:
    """Lay ``user_id, item_id, rank`` rows out as lists for `targets.users`, best `k`.

    Items outside the catalogue keep their place in the list: they are misses, not gaps.
    """
    return lay_out(frame, targets, items, k).lists


@dataclass(frozen=True)
class LaidOut:
    """Lists made of rows.

    Attributes
    ----------
    lists
        Item indices, shape ``(n_users, k)``, best first, -1 where there is no item.
    outside
        How many listed items are outside the catalogue: they are -1, and misses.
    """

    lists: Indices
    outside: int


def lay_out(frame: pd.DataFrame, targets: Targets, items: Mapping[str, int], k: int) -> LaidOut:
    """Lay rows out as `lists_from` does, and count the listed items outside the catalogue.

    Parameters
    ----------
    frame
        ``user_id, item_id, rank`` in any order; a lower rank is better, and any number will do.
    targets
        For whose users lists are wanted; other rows are left out.
    items
        Item id -> index.
    k
        Length of the lists.
    """
    user_index = _looked_up(frame["user_id"], targets.users.index_of)
    item_index = _looked_up(
        frame["item_id"], lambda ids: np.asarray([items.get(item, -1) for item in ids])
    )
    order = _by_user_and_rank(user_index, frame["rank"].to_numpy())
    rows, indices = user_index[order], item_index[order]
    counts = np.bincount(rows, minlength=len(targets.users))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = place < k
    lists = np.full((len(targets.users), k), -1, dtype=np.int64)
    lists[rows[kept], place[kept]] = indices[kept]
    return LaidOut(lists, int((indices[kept] < 0).sum()))


def _looked_up(ids: "pd.Series[str]", index_of: Callable[[Ids], Indices]) -> Indices:
    """Look each distinct id up once, shape ``(n_rows,)``."""
    codes, distinct = pd.factorize(ids)
    found = np.asarray(index_of(np.asarray(distinct, dtype=object)), dtype=np.int64)
    return np.append(found, -1)[codes]  # a missing id has the code -1


def _by_user_and_rank(user_index: Indices, rank: "np.ndarray[Any, Any]") -> Indices:
    """Order the rows of known users by user, then by rank; rows mostly stand so already."""
    order = np.argsort(user_index, kind="stable")
    order = order[np.searchsorted(user_index[order], 0) :]
    user_index, rank = user_index[order], rank[order]
    if ((np.diff(user_index) > 0) | (rank[1:] >= rank[:-1])).all():
        return order
    return np.asarray(order[np.lexsort((rank, user_index))])


def _cases(
    lists: Indices, targets: Targets, background: Background, explore: Indices | None
) -> Iterator[Case]:
    """Yield the users block by block; one empty block where there is nobody."""
    answers = _answers(targets, background)
    for first in range(0, max(len(lists), 1), BLOCK):
        users = slice(first, min(first + BLOCK, len(lists)))
        deeper = None if explore is None else explore[users]
        yield _case(lists[users], deeper, answers, background, users)


@dataclass(frozen=True)
class _Answers:
    """The targets of all users, and what is asked of them: numbers have shape ``(n_users,)``."""

    relevant: metrics.Pairs
    known: metrics.Pairs
    n_relevant: Indices
    n_outside: Indices
    n_repeat: Indices
    amounts: Floats | None
    paid: Floats | None


def _answers(targets: Targets, background: Background) -> _Answers:
    n_users, n_items = len(targets.users), background.n_items
    rows = np.repeat(np.arange(n_users), np.diff(background.known_indptr))
    known = metrics.pairs_of(rows, background.known_items, n_items=n_items, name="known items")
    of, items = targets.user_index, targets.items
    repeats = known.find(of, items) >= 0
    # An amount that is missing is worth nothing; what was paid back cannot be found either.
    amounts = None if targets.amounts is None else np.fmax(np.nan_to_num(targets.amounts), 0)
    return _Answers(
        relevant=metrics.pairs_of(of, items, n_items=n_items, name="target pairs"),
        known=known,
        n_relevant=np.bincount(of, minlength=n_users),
        n_outside=np.bincount(of[items < 0], minlength=n_users),
        n_repeat=np.bincount(of[repeats], minlength=n_users),
        amounts=amounts,
        paid=None if amounts is None else _totals(amounts, of, n_users),
    )


def _totals(amounts: Floats, user_index: Indices, n_users: int) -> Floats:
    return np.asarray(np.bincount(user_index, amounts, minlength=n_users), dtype=np.float64)


def _case(
    lists: Indices,
    explore: Indices | None,
    answers: _Answers,
    background: Background,
    users: slice,
) -> Case:
    found, known = _matched(lists, answers, users, background.n_items)
    explored = (found, known)
    if explore is not None:
        explored = _matched(explore, answers, users, background.n_items)
    n_relevant, n_repeat = answers.n_relevant[users], answers.n_repeat[users]
    return Case(
        background=background,
        lists=lists,
        hits=found >= 0,
        known=known,
        n_relevant=n_relevant,
        n_outside=answers.n_outside[users],
        explore_hits=metrics.only(explored[0] >= 0, ~explored[1], fill=False),
        n_explore=n_relevant - n_repeat,
        repeat_hits=metrics.only(found >= 0, known, fill=False),
        n_repeat=n_repeat,
        found=None if answers.amounts is None else _worth(answers.amounts, found),
        paid=None if answers.paid is None else answers.paid[users],
        history=_history_shares(background, users),
    )


def _matched(
    lists: Indices, answers: _Answers, users: slice, n_items: int
) -> tuple[Indices, Flags]:
    """Return which target stands at each rank, -1 for none, and whether the item was known."""
    metrics.check_lists(lists, n_items)
    numbers = np.arange(users.start, users.stop)[:, np.newaxis]
    found = answers.relevant.of(users.start, users.stop).find(numbers, lists)
    return found, answers.known.of(users.start, users.stop).find(numbers, lists) >= 0


def _worth(amounts: Floats, found: Indices) -> Floats:
    return np.where(found >= 0, amounts[found], 0)


def _history_shares(background: Background, users: slice) -> metrics.Shares | None:
    category = background.category
    if category is None:
        return None
    indptr = background.known_indptr[users.start : users.stop + 1]
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return shares_of(
        rows, background.known_items[indptr[0] : indptr[-1]], category, len(indptr) - 1
    )


def _overall(lists: Indices, background: Background, ks: Sequence[int]) -> dict[str, float]:
    overall = {}
    for k in ks:
        exposure = metrics.item_exposure(lists, k=k, n_items=background.n_items)
        n_lists = int((lists[:, :k] >= 0).any(axis=1).sum())
        shown = Shown(background, k, exposure, n_lists)
        for name, measure in CATALOGUE_MEASURES.items():
            overall[f"{name}@{k}"] = float(measure(shown))
    return overall


def _check_shapes(
    lists: Indices, targets: Targets, background: Background, explore: Indices | None
) -> None:
    n_users, n_items = len(targets.users), background.n_items
    rows = {"lists": len(lists), "known_indptr": len(background.known_indptr) - 1}
    rows |= {} if explore is None else {"explore": len(explore)}
    items = {"item_users": len(background.item_users)}
    items |= {} if background.category is None else {"category": len(background.category)}
    for wanted, found, what in ((n_users, rows, "users"), (n_items, items, "items")):
        for name, size in found.items():
            if size != wanted:
                raise ValueError(f"{name} must be of {wanted} {what}, got {size}")
