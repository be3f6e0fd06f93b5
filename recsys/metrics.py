"""How good ranked lists are, user by user, as pure array functions.

`hit_matrix` turns lists and relevant pairs into `hits` and `n_relevant`; every measure in
`METRICS` turns those into one value for each user, and means come after. The names carry the
definition, because the literature uses one name for several measures (Tamm, Damdinov & Vasilev,
"Quality Metrics in Recommender Systems: Do We Calculate Metrics Consistently?", RecSys 2021).

Relevance is binary. A short list is padded with misses, so a user without a list scores 0 and
is counted. The formulas write ``hit_r`` for 1 if the item at rank ``r`` is relevant, else 0;
``n_rel`` for the number of the user's relevant items; ``k`` for the length of the list.
"""

from typing import Protocol, TypeAlias

import numpy as np

from recsys.types import Flags, Floats, Indices

Hits: TypeAlias = Flags | Floats
"""True or 1 where the item at that rank is relevant, shape ``(n_users, depth)``."""


class Metric(Protocol):
    """What every measure in `METRICS` looks like."""

    def __call__(self, hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
        """Score every user's list.

        Parameters
        ----------
        hits
            Booleans, or zeros and ones, shape ``(n_users, depth)``, best rank first. Ranks
            beyond `k` are ignored, ranks missing up to `k` are misses.
        n_relevant
            Integers from 1, shape ``(n_users,)``: how many items are relevant to the user,
            recommended or not.
        k
            Length of the list, at least 1.

        Returns
        -------
        Floats
            One value in [0, 1] for each user, shape ``(n_users,)``.

        Raises
        ------
        ValueError
            `k` or a count in `n_relevant` is below 1, or the two arrays differ in users.
        """
        ...


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
    _check_range("relevant_users", relevant_users, lowest=0, size=n_users)
    rows = np.arange(n_users, dtype=np.int64)[:, np.newaxis]
    listed = _pair_keys("lists", rows, lists, n_items)
    relevant = _pair_keys("relevant_items", relevant_users, relevant_items, n_items)
    keys = _sorted_distinct("relevant pairs", relevant[relevant_items >= 0])
    _sorted_distinct("items of a list", listed[lists >= 0])
    # The key of a padded rank is that of the last item of the row above, so it is masked.
    hits = _is_in(listed, keys) & (lists >= 0)
    return hits, np.bincount(relevant_users, minlength=n_users)


def precision(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Share of the `k` ranks that hold a relevant item, shape ``(n_users,)``; see `Metric`.

    ``precision = Σ_{r≤k} hit_r / k``: always over `k`, also when the list is shorter.

    References
    ----------
    Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.4;
    ``P_k`` of trec_eval.

    Examples
    --------
    >>> precision(np.array([[True, False, True]]), np.array([3]), k=5).tolist()
    [0.4]
    """
    return _total(_top(hits, n_relevant, k)) / k


def recall(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Share of the relevant items that are in the list, shape ``(n_users,)``; see `Metric`.

    ``recall = Σ_{r≤k} hit_r / n_rel``: below 1 for every list if ``n_rel > k``.

    References
    ----------
    Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.3;
    ``recall_k`` of trec_eval.

    Examples
    --------
    >>> recall(np.array([[True, False, True]]), np.array([8]), k=5).tolist()
    [0.25]
    """
    return _total(_top(hits, n_relevant, k)) / n_relevant


def recall_capped(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Share of the hits that a perfect list would have, shape ``(n_users,)``; see `Metric`.

    ``recall_capped = Σ_{r≤k} hit_r / min(k, n_rel)``: 1 for a perfect list, whatever ``n_rel``.

    References
    ----------
    Liang, Krishnan, Hoffman & Jebara, "Variational Autoencoders for Collaborative Filtering",
    WWW 2018, section 4.2, there called Recall@R.

    Examples
    --------
    >>> recall_capped(np.array([[True, False, True]]), np.array([8]), k=5).tolist()
    [0.4]
    """
    return _total(_top(hits, n_relevant, k)) / np.minimum(k, n_relevant)


def ndcg(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Discounted gain over that of a perfect list, shape ``(n_users,)``; see `Metric`.

    ``ndcg = Σ_{r≤k} hit_r · d_r / Σ_{r≤min(k, n_rel)} d_r`` with the discount
    ``d_r = 1 / log2(r + 1)``: 1 exactly when the first ``min(k, n_rel)`` ranks are all hits.

    References
    ----------
    Järvelin & Kekäläinen, "Cumulated Gain-based Evaluation of IR Techniques", TOIS 20(4), 2002,
    with the discount of Burges et al., "Learning to Rank using Gradient Descent", ICML 2005
    (the original weighs ranks 1 and 2 the same); ``ndcg_cut_k`` of trec_eval.

    Examples
    --------
    >>> ndcg(np.array([[True, False, True]]), np.array([3]), k=5).round(4).tolist()
    [0.7039]
    """
    gain = _total(_top(hits, n_relevant, k) * _discounts(k))
    ideal = np.cumsum(_discounts(k)).take(np.minimum(k, n_relevant) - 1)
    return gain / ideal


def reciprocal_rank(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """One over the rank of the first hit, shape ``(n_users,)``; see `Metric`.

    ``reciprocal_rank = max_{r≤k} hit_r / r``: 0 without a hit. Its mean is the MRR.

    References
    ----------
    Voorhees, "The TREC-8 Question Answering Track Report", TREC 1999.

    Examples
    --------
    >>> reciprocal_rank(np.array([[False, True, True]]), np.array([3]), k=5).tolist()
    [0.5]
    """
    return _largest(_top(hits, n_relevant, k) / _ranks(k))


def hit_rate(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Whether there is any hit, 0.0 or 1.0, shape ``(n_users,)``; see `Metric`.

    ``hit_rate = max_{r≤k} hit_r``; the rate is the mean over users.

    References
    ----------
    Deshpande & Karypis, "Item-based Top-N Recommendation Algorithms", TOIS 22(1), 2004.

    Examples
    --------
    >>> hit_rate(np.array([[False, True], [False, False]]), np.array([3, 1]), k=5).tolist()
    [1.0, 0.0]
    """
    return _largest(_top(hits, n_relevant, k))


def ap_div_nrel(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Average precision over all relevant items, shape ``(n_users,)``; see `Metric`.

    ``ap_div_nrel = Σ_{r≤k} hit_r · P_r / n_rel`` with ``P_r = Σ_{j≤r} hit_j / r``, the precision
    at rank ``r``: below 1 for every list if ``n_rel > k``.

    References
    ----------
    Buckley & Voorhees, "Evaluating Evaluation Measure Stability", SIGIR 2000; ``map_cut_k`` of
    trec_eval.

    Examples
    --------
    >>> ap_div_nrel(np.array([[True, False, False, True]]), np.array([6]), k=5).tolist()
    [0.25]
    """
    return _precision_at_hits(_top(hits, n_relevant, k)) / n_relevant


def ap_div_min_k_nrel(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Average precision over the hits of a perfect list, shape ``(n_users,)``; see `Metric`.

    ``ap_div_min_k_nrel = Σ_{r≤k} hit_r · P_r / min(k, n_rel)`` with ``P_r = Σ_{j≤r} hit_j / r``,
    the precision at rank ``r``: 1 for a perfect list, whatever ``n_rel``.

    References
    ----------
    McFee, Bertin-Mahieux, Ellis & Lanckriet, "The Million Song Dataset Challenge", WWW 2012
    Companion.

    Examples
    --------
    >>> ap_div_min_k_nrel(np.array([[True, False, False, True]]), np.array([6]), k=4).tolist()
    [0.375]
    """
    return _precision_at_hits(_top(hits, n_relevant, k)) / np.minimum(k, n_relevant)


def ap_div_k(hits: Hits, n_relevant: Indices, *, k: int) -> Floats:
    """Average precision over the `k` ranks, shape ``(n_users,)``; see `Metric`.

    ``ap_div_k = Σ_{r≤k} hit_r · P_r / k`` with ``P_r = Σ_{j≤r} hit_j / r``, the precision at
    rank ``r``: below 1 for every list if ``n_rel < k``.

    References
    ----------
    One of the variants that Tamm, Damdinov & Vasilev, RecSys 2021, found under the name MAP;
    ``MAP(k, divide_by_k=True)`` of RecTools.

    Examples
    --------
    >>> ap_div_k(np.array([[True, False, False, True]]), np.array([2]), k=4).tolist()
    [0.375]
    """
    return _precision_at_hits(_top(hits, n_relevant, k)) / k


METRICS: dict[str, Metric] = {
    "precision": precision,
    "recall": recall,
    "recall_capped": recall_capped,
    "ndcg": ndcg,
    "reciprocal_rank": reciprocal_rank,
    "hit_rate": hit_rate,
    "ap_div_nrel": ap_div_nrel,
    "ap_div_min_k_nrel": ap_div_min_k_nrel,
    "ap_div_k": ap_div_k,
}
"""Every measure of one user's list, by its name."""


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
    _check_positive("k", k)
    _check_positive("n_items", n_items)
    top = recommended_item_indices[:, :k]
    _check_range("recommended_item_indices", top, lowest=-1, size=n_items)
    covered = np.zeros(n_items, dtype=np.bool_)
    covered[top[top >= 0]] = True
    return int(covered.sum()) / n_items


def _top(hits: Hits, n_relevant: Indices, k: int) -> Floats:
    """Return the first `k` ranks as zeros and ones, shape ``(n_users, k)``."""
    _check_positive("k", k)
    if len(hits) != len(n_relevant):
        raise ValueError(f"hits has {len(hits)} users and n_relevant {len(n_relevant)}")
    if (n_relevant < 1).any():
        raise ValueError(
            f"n_relevant must be at least 1, got {n_relevant.min()}; "
            "leave out users without a relevant item"
        )
    depth = min(k, hits.shape[1])
    top = np.zeros((len(hits), k))
    top[:, :depth] = hits[:, :depth]
    return top


def _ranks(k: int) -> Floats:
    return np.arange(1, k + 1, dtype=np.float64)


def _discounts(k: int) -> Floats:
    return 1 / np.log2(_ranks(k) + 1)


def _precision_at_hits(top: Floats) -> Floats:
    """Return the sum over the hits of the precision at their rank, shape ``(n_users,)``."""
    precision_at_rank = np.cumsum(top, axis=1) / _ranks(top.shape[1])
    return _total(top * precision_at_rank)


def _total(values: Floats) -> Floats:
    """Return the sum over the ranks, shape ``(n_users,)``."""
    # From the first rank on, as the ideal gain is, so that no list scores 1 plus rounding.
    return np.asarray(np.cumsum(values, axis=1)[:, -1])


def _largest(values: Floats) -> Floats:
    return np.asarray(values.max(axis=1))


def _pair_keys(name: str, users: Indices, items: Indices, n_items: int) -> Indices:
    """Encode each pair as one number, distinct for every item from 0."""
    _check_range(name, items, lowest=-1, size=n_items)
    return users.astype(np.int64) * n_items + items


def _sorted_distinct(name: str, keys: Indices) -> Indices:
    ordered = np.sort(keys)
    repeats = int((ordered[1:] == ordered[:-1]).sum())
    if repeats:
        raise ValueError(f"{name} must be distinct, got {repeats} repeated; drop the repeats")
    return ordered


def _is_in(wanted: Indices, ordered: Indices) -> Flags:
    left = np.searchsorted(ordered, wanted, side="left")
    right = np.searchsorted(ordered, wanted, side="right")
    return left < right


def _check_range(name: str, indices: Indices, *, lowest: int, size: int) -> None:
    outside = indices[(indices < lowest) | (indices >= size)]
    if outside.size:
        raise ValueError(f"{name} must be from {lowest} to {size - 1}, got {outside[0]}")


def _check_positive(name: str, number: int) -> None:
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
