"""What a user's list is like, whether or not it hits: new, popular, varied, surprising, known.

Parameters that recur: `lists` are item indices, shape ``(n_users, depth)``, best first, each item
at most once, and -1 where there is no item; `item_users` is the number of distinct training users
of each item, shape ``(n_items,)``; `k` is a list length, or several. A measure returns one float64
for each user, shape ``(n_users,)``, and for several lengths one row for each, shape ``(len(k),
n_users)``. A place without an item is left out, and a list without any item has no value: nan.
"""

import numpy as np
import numpy.typing as npt

from recsys.metrics.hits import (
    Hits,
    ListLength,
    check_positive,
    first_ranks,
    lengths,
    rank_numbers,
    running,
    up_to,
)
from recsys.types import Flags, Floats, Indices


def self_information(item_users: npt.NDArray[np.number], n_users: int) -> Floats:
    """How surprising it is that a user has the item, in bits, shape ``(n_items,)``.

    ``-log2(users(i) / n_users)``; nan for an item that nobody had.

    Examples
    --------
    >>> self_information(np.array([1, 4, 0]), 4).tolist()
    [2.0, 0.0, nan]
    """
    users = np.where(item_users > 0, item_users, np.nan)
    # Not -log2(users / n_users), which is -0.0 for an item everybody had.
    return np.asarray(np.log2(n_users / users))


def novelty(lists: Indices, item_users: Indices, n_users: int, *, k: ListLength) -> Floats:
    """Mean self-information of the listed items in bits, each item given one more user.

    ``novelty = Σ_{i∈L} -log2((users(i) + 1) / (n_users + 1)) / |L|`` with ``L`` the first `k`
    items and `n_users` the number of training users: finite for an item nobody had.

    References
    ----------
    Zhou et al., "Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems", PNAS
    107(10), 2010, there called surprisal; one more user by Laplace's rule.

    Examples
    --------
    >>> novelty(np.array([[0, 1]]), np.array([3, 0]), 3, k=2).tolist()
    [1.0]
    """
    return mean_of_items(lists, self_information(item_users + 1, n_users + 1), k=k)


def novelty_unseen_as_one(
    lists: Indices, item_users: Indices, n_users: int, *, k: ListLength
) -> Floats:
    """Mean self-information in bits, an item nobody had counting as one user's.

    ``Σ_{i∈L} -log2(max(users(i), 1) / n_users) / |L|``.

    References
    ----------
    ``MeanInvUserFreq`` of RecTools; Castells, Vargas & Wang, "Novelty and Diversity Metrics for
    Recommender Systems", DDR workshop at ECIR 2011.

    Examples
    --------
    >>> novelty_unseen_as_one(np.array([[0, 1]]), np.array([4, 0]), 4, k=2).tolist()
    [1.0]
    """
    return mean_of_items(lists, self_information(np.maximum(item_users, 1), n_users), k=k)


def novelty_of_known(lists: Indices, item_users: Indices, n_users: int, *, k: ListLength) -> Floats:
    """Mean self-information in bits of the listed items that somebody had.

    ``Σ_{i∈L, users(i)>0} -log2(users(i) / n_users) / |{i∈L: users(i) > 0}|``; nan without any.

    Examples
    --------
    >>> novelty_of_known(np.array([[0, 1]]), np.array([2, 0]), 4, k=2).tolist()
    [1.0]
    """
    return mean_of_items(lists, self_information(item_users, n_users), k=k)


def average_popularity(lists: Indices, item_users: Indices, *, k: ListLength) -> Floats:
    """Mean number of training users of the listed items.

    ``average_popularity = Σ_{i∈L} users(i) / |L|``.

    References
    ----------
    Yin, Cui, Li, Yao & Chen, "Challenging the Long Tail Recommendation", PVLDB 5(9), 2012;
    ``AvgRecPopularity`` of RecTools.

    Examples
    --------
    >>> average_popularity(np.array([[0, 1, -1]]), np.array([3, 0]), k=3).tolist()
    [1.5]
    """
    return mean_of_items(lists, item_users, k=k)


def short_head(item_users: Indices, *, share: float = 0.2) -> Flags:
    """Mark the most popular items, shape ``(n_items,)``.

    The ``⌈share · n⌉`` items with the most users, ``n`` being the number of items that have any;
    among items of equal popularity the lower index comes first.

    References
    ----------
    Abdollahpouri, Mansoury, Burke & Mobasher, "The Unfairness of Popularity Bias in
    Recommendation", RMSE workshop at RecSys 2019, for the top fifth.

    Examples
    --------
    >>> short_head(np.array([1, 9, 0, 5]), share=0.4).tolist()
    [False, True, False, True]
    """
    size = int(np.ceil(share * (item_users > 0).sum()))
    head = np.zeros(len(item_users), dtype=np.bool_)
    head[np.argsort(-item_users, kind="stable")[:size]] = True
    return head


def long_tail_share(lists: Indices, head: Flags, *, k: ListLength) -> Floats:
    """Share of the list that is not in the short head of the catalogue, in [0, 1].

    Parameters
    ----------
    lists, k
        See the module.
    head
        Whether the item is one of the popular ones, shape ``(n_items,)``; see `short_head`.

    References
    ----------
    Abdollahpouri, Burke & Mobasher, "Managing Popularity Bias in Recommender Systems with
    Personalized Re-ranking", FLAIRS 2019, there called APLT.

    Examples
    --------
    >>> long_tail_share(np.array([[0, 1]]), np.array([True, False]), k=2).tolist()
    [0.5]
    """
    return mean_of_items(lists, ~head, k=k)


def repeat_share(lists: Indices, known: Flags, *, k: ListLength) -> Floats:
    """Share of the list that the user had dealt with before, in [0, 1].

    Parameters
    ----------
    lists, k
        See the module.
    known
        Whether the user had dealt with the item at that rank, shape ``(n_users, depth)``.

    Examples
    --------
    >>> repeat_share(np.array([[4, 2, 7, -1]]), np.array([[True, False, False, False]]), k=1)
    array([1.])
    """
    return _mean(first_ranks(known & (lists >= 0), k), first_ranks(lists >= 0, k), k)


def intra_list_diversity(lists: Indices, category: Indices, *, k: ListLength) -> Floats:
    """Share of the pairs of listed items that are of different categories, in [0, 1].

    ``intra_list_diversity = Σ_{i<j} [c_i ≠ c_j] / (m · (m - 1) / 2)`` over the ``m`` items of the
    list whose category is known. An item of unknown category says nothing about variety: were it
    taken to differ from all others, a catalogue without categories would look the most varied.

    Parameters
    ----------
    lists, k
        See the module.
    category
        Category of each item, shape ``(n_items,)``; -1 is unknown.

    Returns
    -------
    Floats
        nan for a list with fewer than two items of known category.

    References
    ----------
    Ziegler, McNee, Konstan & Lausen, "Improving Recommendation Lists Through Topic
    Diversification", WWW 2005, with the distance 0 or 1; ``IntraListDiversity`` of RecTools with
    the Hamming distance.

    Examples
    --------
    >>> intra_list_diversity(np.array([[0, 1, 2]]), np.array([5, 5, 8]), k=3).round(4).tolist()
    [0.6667]
    """
    check_positive("k", k)
    categories = np.where(lists >= 0, category[lists], -1).T[: int(np.max(k))]
    known = categories >= 0
    alike = np.zeros(categories.shape)
    for rank in range(1, len(categories)):
        same = categories[:rank] == categories[rank]
        alike[rank] = (same & known[rank]).sum(axis=0)
    earlier = np.where(known, running(known.astype(np.float64)) - 1, 0)
    return 1 - _mean(first_ranks(alike.T, k), first_ranks(earlier.T, k), k)


def serendipity(
    lists: Indices, hits: Hits, item_users: Indices, *, k: ListLength, n_items: int
) -> Floats:
    """How far hits stand above the place that popularity alone would have given them.

    ``serendipity = Σ_{r≤k} hit_r · max(p(r) - p̄(i_r), 0) / k`` with ``p(r) = (n_items + 1 - r) /
    n_items`` the standing of rank ``r``, ``p̄(i) = p(1 + number of items with more users)`` that
    of item ``i`` in the popular list, and 0 for an item nobody had. Other tools use the word for
    other formulas.

    Parameters
    ----------
    lists, item_users, k
        See the module.
    hits
        True or 1 where the item is relevant, shape ``(n_users, depth)``.
    n_items
        Size of the catalogue.

    References
    ----------
    ``Serendipity`` of RecTools, after Kotkov, Wang & Veijalainen, "A Survey of Serendipity in
    Recommender Systems", Knowledge-Based Systems 111, 2016.

    Examples
    --------
    >>> serendipity(np.array([[1]]), np.array([[True]]), np.array([9, 2]), k=1, n_items=2).tolist()
    [0.5]
    """
    ranks = first_ranks(hits, k)
    expected = first_ranks(_of_items(lists, _popular_standing(item_users, n_items)), k)
    standing = (n_items + 1 - rank_numbers(len(ranks))) / n_items
    above = np.maximum(standing - expected, 0) * ranks
    listed = up_to(k, first_ranks(lists >= 0, k))
    return np.where(listed > 0, up_to(k, above) / lengths(k), np.nan)


def mean_of_items(lists: Indices, values: npt.NDArray[np.generic], *, k: ListLength) -> Floats:
    """Mean of a value of the listed items; items whose value is nan are left out.

    Parameters
    ----------
    lists, k
        See the module.
    values
        Numbers or flags, shape ``(n_items,)``.

    Examples
    --------
    >>> mean_of_items(np.array([[2, 0, 1]]), np.array([1.0, np.nan, 3.0]), k=(1, 3)).tolist()
    [[3.0], [2.0]]
    """
    placed = _of_items(lists, values.astype(np.float64))
    counted = (lists >= 0) & ~np.isnan(placed)
    return _mean(first_ranks(np.where(counted, placed, 0), k), first_ranks(counted, k), k)


def _of_items(lists: Indices, values: Floats) -> Floats:
    """Look up a value for every place; what stands at padding has no meaning."""
    return values[lists] if len(values) else np.zeros(lists.shape)


def _mean(values: Floats, weights: Floats, k: ListLength) -> Floats:
    """Return a sum over the first `k` ranks over that of the weights; nan where that is 0."""
    total = up_to(k, weights)
    return up_to(k, values) / np.where(total > 0, total, np.nan)


def _popular_standing(item_users: Indices, n_items: int) -> Floats:
    more = len(item_users) - np.searchsorted(np.sort(item_users), item_users, side="right")
    return np.where(item_users > 0, (n_items - more) / n_items, 0)
