"""Which ranks of a list hold a relevant item, and the sums over ranks that measures share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from recsys.types import Flags, Floats, Indices

Hits: TypeAlias = Flags | Floats
"""True or 1 where the item at that rank is relevant, shape ``(n_users, depth)``."""

Kind = TypeVar("Kind", np.int64, np.bool_)

ListLength: TypeAlias = int | Sequence[int]
"""A list length, or several: then a measure gives one row of values for each."""


@dataclass(frozen=True)
class Pairs:
    """Distinct (user, item) pairs in which a pair is found by binary search.

    Attributes
    ----------
    keys
        One number for each pair, ascending, shape ``(n_pairs,)``.
    positions
        Where each pair stood in the arrays it came from, shape ``(n_pairs,)``.
    n_items
        Size of the catalogue.
    """

    keys: Indices
    positions: Indices
    n_items: int

    def find(self, users: Indices, items: Indices) -> Indices:
        """Return the position of each (user, item) asked for, -1 where there is no such pair.

        Parameters
        ----------
        users, items
            Indices of shapes that broadcast; an item -1 is in no pair.
        """
        wanted = _keys(users, items, self.n_items)
        found = np.full(wanted.shape, -1, dtype=np.int64)
        if len(self.keys):
            places = np.searchsorted(self.keys, wanted)
            places[places == len(self.keys)] = 0
            # The key of item -1 is that of the last item of the row above, so it is masked.
            there = (self.keys[places] == wanted) & (items >= 0)
            found[there] = self.positions[places[there]]
        return found

    def of(self, first: int, last: int) -> "Pairs":
        """Return the pairs of the users from `first` up to, not including, `last`."""
        inside = slice(*np.searchsorted(self.keys, np.array([first, last]) * self.n_items))
        return Pairs(self.keys[inside], self.positions[inside], self.n_items)


def pairs_of(users: Indices, items: Indices, *, n_items: int, name: str = "pairs") -> Pairs:
    """Make (user, item) pairs findable; a pair with item -1 is left out.

    Raises
    ------
    ValueError
        An item is out of range, or a pair occurs twice; the message calls them `name`.
    """
    known = np.flatnonzero(items >= 0)
    keys = _keys(users[known], items[known], n_items)
    order = np.argsort(keys, kind="stable")
    _check_distinct(name, keys[order])
    return Pairs(keys[order], known[order], n_items)


def hit_matrix(
    lists: Indices, relevant_users: Indices, relevant_items: Indices, *, n_items: int
) -> tuple[Flags, Indices]:
    """Mark the relevant items of ranked lists; time and memory grow with the input only.

    Parameters
    ----------
    lists
        Item indices, shape ``(n_users, depth)``, best first; -1 pads a short list. An item
        occurs at most once in a list.
    relevant_users, relevant_items
        The relevant pairs, shape ``(n_pairs,)`` each: a row of `lists` and an item index.
        Pairs are distinct. Index -1 is an item outside the catalogue: it can never be hit and
        still counts, once for each such pair.
    n_items
        Size of the catalogue.

    Returns
    -------
    hits
        Booleans, shape ``(n_users, depth)``.
    n_relevant
        Integers, shape ``(n_users,)``. It is 0 for a user without a relevant pair; the measures
        refuse such users, so leave their rows out.

    Raises
    ------
    ValueError
        An index is out of range, or an item or a pair occurs twice.

    Examples
    --------
    >>> lists = np.array([[2, 0, 1], [1, -1, -1]])
    >>> hits, n_relevant = hit_matrix(lists, np.array([0, 0, 1]), np.array([2, -1, 0]), n_items=3)
    >>> hits.tolist()
    [[True, False, False], [False, False, False]]
    >>> n_relevant.tolist()
    [2, 1]
    """
    n_users = len(lists)
    check_range("relevant_users", relevant_users, lowest=0, size=n_users)
    check_lists(lists, n_items)
    check_range("relevant_items", relevant_items, lowest=-1, size=n_items)
    relevant = pairs_of(relevant_users, relevant_items, n_items=n_items, name="relevant pairs")
    found = relevant.find(np.arange(n_users)[:, np.newaxis], lists)
    return found >= 0, np.bincount(relevant_users, minlength=n_users)


def only(values: npt.NDArray[Kind], kept: Flags, *, fill: int | bool = -1) -> npt.NDArray[Kind]:
    """Keep the marked ranks of each list and close the gaps, shape ``(n_users, depth)``.

    Parameters
    ----------
    values
        What stands at each rank: item indices, or hits; shape ``(n_users, depth)``.
    kept
        Booleans, shape ``(n_users, depth)``.
    fill
        What pads the end.

    Examples
    --------
    >>> only(np.array([[4, 2, 7]]), np.array([[False, True, True]])).tolist()
    [[2, 7, -1]]
    """
    order = np.argsort(~kept, axis=1, kind="stable")
    marked = np.where(kept, values, np.asarray(fill, dtype=values.dtype))
    return np.take_along_axis(marked, order, axis=1)


def check_lists(lists: Indices, n_items: int) -> None:
    """Refuse lists with an index out of range or an item that stands twice in one list."""
    check_range("lists", lists, lowest=-1, size=n_items)
    ordered = np.sort(lists, axis=1)
    repeats = int(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).sum())
    if repeats:
        raise ValueError(
            f"items of a list must be distinct, got {repeats} repeated; drop the repeats"
        )


def check_range(name: str, indices: Indices, *, lowest: int, size: int) -> None:
    """Refuse an index below `lowest` or from `size` on."""
    if indices.size and not lowest <= indices.min() <= indices.max() < size:
        outside = indices[(indices < lowest) | (indices >= size)]
        raise ValueError(f"{name} must be from {lowest} to {size - 1}, got {outside[0]}")


def check_positive(name: str, number: ListLength) -> None:
    """Refuse a number, or a sequence of them, below 1."""
    if np.min(number) < 1:
        raise ValueError(f"{name} must be at least 1, got {np.min(number)}")


def relevant_ranks(hits: Hits, n_relevant: Indices, k: ListLength) -> Floats:
    """Return the first ranks as zeros and ones, shape ``(max(k), n_users)``: ranks come first."""
    if len(hits) != len(n_relevant):
        raise ValueError(f"hits has {len(hits)} users and n_relevant {len(n_relevant)}")
    if (n_relevant < 1).any():
        raise ValueError(
            f"n_relevant must be at least 1, got {n_relevant.min()}; "
            "leave out users without a relevant item"
        )
    return first_ranks(hits, k)


def first_ranks(values: npt.NDArray[Any], k: ListLength) -> Floats:
    """Return the first ranks, shape ``(max(k), n_users)``, with 0 where `values` has none.

    Ranks come first, so that sums over ranks run over whole rows of users.
    """
    check_positive("k", k)
    depth = int(np.max(k))
    kept = min(depth, values.shape[1])
    ranks = np.zeros((depth, len(values)))
    ranks[:kept] = values[:, :kept].T
    return ranks


def up_to(k: ListLength, values: Floats) -> Floats:
    """Sum the first `k` ranks of ``(depth, n_users)``: ``(n_users,)``, or ``(len(k), n_users)``.

    One running sum serves every list length.
    """
    return at(k, running(values))


def running(values: Floats, combine: np.ufunc = np.add) -> Floats:
    """Return the sum (or another `combine`) up to each rank, shape ``(depth, n_users)``.

    It starts at the first rank, as the ideal gain does, so that no list scores 1 plus rounding.
    Whole rows are added: numpy's own running sum goes down the columns, up to 20 times slower.
    """
    total = values.copy()
    for rank in range(1, len(total)):
        combine(total[rank - 1], total[rank], out=total[rank])
    return total


def at(k: ListLength, ranks: Floats) -> Floats:
    """Return the rows of rank `k` of ``(depth, n_users)``."""
    return np.asarray(ranks.take(np.asarray(k) - 1, axis=0))


def least(k: ListLength, n_relevant: Indices) -> Indices:
    """Return ``min(k, n_rel)``: ``(n_users,)``, or ``(len(k), n_users)``."""
    return np.asarray(np.minimum.outer(k, n_relevant), dtype=np.int64)


def lengths(k: ListLength) -> Floats:
    """Return `k` in a shape that divides what `up_to` returns."""
    return np.asarray(k, dtype=np.float64)[..., np.newaxis]


def rank_numbers(depth: int) -> Floats:
    """Return the ranks 1 to `depth`, shape ``(depth, 1)``."""
    return np.arange(1, depth + 1, dtype=np.float64)[:, np.newaxis]


def discounts(depth: int) -> Floats:
    """Return ``1 / log2(r + 1)`` for the ranks 1 to `depth`, shape ``(depth, 1)``."""
    return 1 / np.log2(rank_numbers(depth) + 1)


def _keys(users: Indices, items: Indices, n_items: int) -> Indices:
    """Encode each pair as one number, distinct for every item from 0."""
    return users.astype(np.int64) * n_items + items


def _check_distinct(name: str, ordered: Indices) -> None:
    repeats = int((ordered[1:] == ordered[:-1]).sum())
    if repeats:
        raise ValueError(f"{name} must be distinct, got {repeats} repeated; drop the repeats")
