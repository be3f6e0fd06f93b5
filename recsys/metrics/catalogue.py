"""What all lists together do to the catalogue: how much of it is shown, and how evenly.

The measures take `exposure`, how often each item is listed. It is as large as the catalogue,
whatever the number of users.
"""

import math

import numpy as np

from recsys.metrics.hits import check_positive, check_range
from recsys.types import Floats, Indices


def coverage(recommended_item_indices: Indices, *, k: int, n_items: int) -> float:
    """Share of the catalogue that is in somebody's first `k` ranks, in [0, 1].

    ``coverage = |∪_u L_u| / n_items`` with ``L_u`` the first `k` items of user ``u``'s list.

    Parameters
    ----------
    recommended_item_indices
        Item indices, shape ``(n_users, depth)``, best first; -1 is no item.
    k
        Length of the list, at least 1.
    n_items
        Size of the catalogue that could have been recommended, at least 1.

    Raises
    ------
    ValueError
        `k` or `n_items` is below 1, or an index is out of range.

    References
    ----------
    Ge, Delgado-Battenfeld & Jannach, "Beyond Accuracy: Evaluating Recommender Systems by
    Coverage and Serendipity", RecSys 2010, there called catalog coverage.

    Examples
    --------
    >>> coverage(np.array([[0, 1, 2], [1, -1, -1]]), k=2, n_items=4)
    0.5
    """
    check_positive("k", k)
    check_positive("n_items", n_items)
    top = recommended_item_indices[:, :k]
    check_range("recommended_item_indices", top, lowest=-1, size=n_items)
    covered = np.zeros(n_items, dtype=np.bool_)
    covered[top[top >= 0]] = True
    return int(covered.sum()) / n_items


def item_exposure(lists: Indices, *, k: int, n_items: int) -> Indices:
    """Count in how many users' first `k` ranks each item is, shape ``(n_items,)``.

    Parameters
    ----------
    lists
        Item indices, shape ``(n_users, depth)``, best first; -1 is no item.
    k
        Length of the list, at least 1.
    n_items
        Size of the catalogue.

    Raises
    ------
    ValueError
        `k` or `n_items` is below 1, or an index is out of range.

    Examples
    --------
    >>> item_exposure(np.array([[0, 1, 2], [1, -1, -1]]), k=2, n_items=4).tolist()
    [1, 2, 0, 0]
    """
    check_positive("k", k)
    check_positive("n_items", n_items)
    top = lists[:, :k]
    check_range("lists", top, lowest=-1, size=n_items)
    return np.bincount(top[top >= 0], minlength=n_items)


def gini(exposure: Floats | Indices) -> float:
    """How unevenly exposure falls on the items: 0 all the same, towards 1 all on one item.

    ``gini = Σ_j (2j - n - 1) · x_(j) / (n · Σ x)`` with ``x_(1) ≤ … ≤ x_(n)`` the exposures of all
    ``n`` items of the catalogue. Items never listed belong to it: over listed items alone the
    figures of two recommenders cannot be compared.

    Parameters
    ----------
    exposure
        How often each item is listed, zeros included, shape ``(n_items,)``; a fraction where lists
        count by degrees.

    Returns
    -------
    float
        In ``[0, 1 - 1 / n]``; nan if nothing is listed.

    References
    ----------
    Fleder & Hosanagar, "Blockbuster Culture's Next Rise or Fall", Management Science 55(5), 2009.

    Examples
    --------
    >>> gini(np.array([1, 1, 2, 0]))
    0.375
    """
    n, total = len(exposure), float(exposure.sum())
    if not total:
        return math.nan
    places = 2 * np.arange(1, n + 1) - n - 1
    # Equal fractions may sum to a rounding error below 0.
    return max(0.0, float((places * np.sort(exposure)).sum() / (n * total)))


def entropy(exposure: Indices) -> float:
    """Shannon entropy of the exposure in nats: 0 all on one item, ``ln n_items`` all the same.

    ``entropy = -Σ_i s_i · ln s_i`` with ``s_i`` the share of item ``i`` of all listed places.

    Parameters
    ----------
    exposure
        How often each item is listed, shape ``(n_items,)``.

    Returns
    -------
    float
        At least 0; nan if nothing is listed.

    References
    ----------
    Shannon, "A Mathematical Theory of Communication", Bell System Technical Journal 27, 1948.

    Examples
    --------
    >>> round(entropy(np.array([1, 1, 0])), 6)
    0.693147
    """
    total = int(exposure.sum())
    if not total:
        return math.nan
    shares = exposure[exposure > 0] / total
    return float((shares * -np.log(shares)).sum())


def effective_catalogue(exposure: Indices) -> float:
    """How many equally listed items would have the same entropy, from 1 to ``n_items``.

    ``effective_catalogue = exp(entropy)``.

    Parameters
    ----------
    exposure
        How often each item is listed, shape ``(n_items,)``.

    Returns
    -------
    float
        A number of items; nan if nothing is listed.

    References
    ----------
    Jost, "Entropy and Diversity", Oikos 113(2), 2006: the effective number of types.

    Examples
    --------
    >>> round(effective_catalogue(np.array([3, 3, 0])), 9)
    2.0
    """
    return math.exp(entropy(exposure))


def popularity_lift(exposure: Indices, item_users: Indices) -> float:
    """How much more popular the listed items are than those that users choose themselves.

    ``popularity_lift = [Σ_i x_i · p_i / Σ_i x_i] / [Σ_i p_i² / Σ_i p_i]`` with ``x_i`` the
    exposure and ``p_i`` the popularity of item ``i``. Above 1 the lists amplify popularity.

    Parameters
    ----------
    exposure
        How often each item is listed, shape ``(n_items,)``.
    item_users
        Distinct training users of each item, shape ``(n_items,)``.

    Returns
    -------
    float
        At least 0; nan if nothing is listed or no item has a user.

    References
    ----------
    After Abdollahpouri, Mansoury, Burke & Mobasher, "The Unfairness of Popularity Bias in
    Recommendation", RMSE workshop at RecSys 2019, who compare within groups of users.

    Examples
    --------
    >>> popularity_lift(np.array([1, 1]), np.array([3, 1]))
    0.8
    """
    listed, chosen = int(exposure.sum()), int(item_users.sum())
    if not listed or not chosen:
        return math.nan
    popularity = item_users.astype(np.float64)
    chosen_mean = (popularity**2).sum() / chosen
    return float((exposure * popularity).sum() / listed / chosen_mean)


def inter_user_diversity(exposure: Indices, *, k: int, n_lists: int) -> float:
    """How different the lists of two users are on average: 0 all the same, 1 nothing in common.

    ``inter_user_diversity = 1 - Σ_i x_i · (x_i - 1) / (k · m · (m - 1))``, which is exactly the
    mean over the pairs of ``m`` users of ``1 - |L_u ∩ L_v| / k``: an item that is in ``x`` lists
    is shared by ``x · (x - 1) / 2`` pairs, so no pair is visited.

    Parameters
    ----------
    exposure
        In how many lists each item is, shape ``(n_items,)``.
    k
        Length of the lists; a short one has less in common with the others.
    n_lists
        Number of users with a list.

    Returns
    -------
    float
        In [0, 1]; nan for fewer than two lists.

    References
    ----------
    Zhou et al., "Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems", PNAS
    107(10), 2010, there called personalization.

    Examples
    --------
    >>> inter_user_diversity(np.array([2, 1, 1, 0]), k=2, n_lists=2)
    0.5
    """
    check_positive("k", k)
    if n_lists < 2:
        return math.nan
    counts = exposure.astype(np.float64)
    return float(1 - (counts * (counts - 1)).sum() / (k * n_lists * (n_lists - 1)))
