"""How many of a user's relevant items a list finds, and how early."""

from typing import Protocol

import numpy as np

from recsys.metrics.hits import (
    Hits,
    ListLength,
    at,
    discounts,
    first_ranks,
    least,
    lengths,
    rank_numbers,
    relevant_ranks,
    running,
    up_to,
)
from recsys.types import Flags, Floats, Indices


class Metric(Protocol):
    """What every measure in `METRICS` looks like."""

    def __call__(self, hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
            Length of the list, at least 1; or several, which cost hardly more than the longest.

        Returns
        -------
        Floats
            One value in [0, 1] for each user, shape ``(n_users,)``; for several lengths one row
            for each, shape ``(len(k), n_users)``.

        Raises
        ------
        ValueError
            `k` or a count in `n_relevant` is below 1, or the two arrays differ in users.
        """
        ...


def precision(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    return up_to(k, relevant_ranks(hits, n_relevant, k)) / lengths(k)


def recall(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    return up_to(k, relevant_ranks(hits, n_relevant, k)) / n_relevant


def recall_capped(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    return up_to(k, relevant_ranks(hits, n_relevant, k)) / least(k, n_relevant)


def ndcg(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    ranks = relevant_ranks(hits, n_relevant, k)
    weights = discounts(len(ranks))
    ideal = np.cumsum(weights).take(least(k, n_relevant) - 1)
    return up_to(k, ranks * weights) / ideal


def reciprocal_rank(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    ranks = relevant_ranks(hits, n_relevant, k)
    return at(k, running(ranks / rank_numbers(len(ranks)), np.maximum))


def hit_rate(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    return np.minimum(up_to(k, relevant_ranks(hits, n_relevant, k)), 1.0)


def ap_div_nrel(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    return precision_at_hits(hits, n_relevant, k) / n_relevant


def ap_div_min_k_nrel(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    return precision_at_hits(hits, n_relevant, k) / least(k, n_relevant)


def ap_div_k(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
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
    return precision_at_hits(hits, n_relevant, k) / lengths(k)


def r_precision(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
    """Share of the first ``n_rel`` ranks that are hits, shape ``(n_users,)``; see `Metric`.

    ``r_precision = Σ_{r≤min(k, n_rel)} hit_r / n_rel``: 1 for a perfect list if ``k ≥ n_rel``.

    References
    ----------
    Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.4;
    ``Rprec`` of trec_eval, on a run cut at rank `k`.

    Examples
    --------
    >>> r_precision(np.array([[True, False, True]]), np.array([2]), k=3).tolist()
    [0.5]
    """
    found = running(relevant_ranks(hits, n_relevant, k))
    last = least(k, n_relevant) - 1
    return np.asarray(found[last, np.arange(len(n_relevant))]) / n_relevant


def f1(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
    """Harmonic mean of precision and recall, shape ``(n_users,)``; see `Metric`.

    ``f1 = 2 · Σ_{r≤k} hit_r / (k + n_rel)``, which is ``2 · P · R / (P + R)`` and 0 without a hit.

    References
    ----------
    van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7.

    Examples
    --------
    >>> f1(np.array([[True, False, True]]), np.array([3]), k=5).tolist()
    [0.5]
    """
    return 2 * up_to(k, relevant_ranks(hits, n_relevant, k)) / (lengths(k) + n_relevant)


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
    "r_precision": r_precision,
    "f1": f1,
}
"""Every measure that needs hits and ``n_rel`` alone, by its name."""


def auc(
    hits: Hits,
    n_relevant: Indices,
    listed: Flags,
    *,
    k: ListLength,
    n_candidates: int | Indices,
) -> Floats:
    """Share of (relevant, irrelevant) pairs that the first `k` ranks put in the right order.

    ``auc = [Σ_{r≤k} hit_r · (n_irr - M_r) + (n_rel - F_k) · (n_irr - M_k) / 2] / (n_rel · n_irr)``
    with ``F_r`` the hits and ``M_r`` the listed misses up to rank ``r``, and ``n_irr = n_candidates
    - n_rel``: what is not listed is tied below the list, and a tie is half right. A list of the
    whole catalogue gives the area under the ROC curve; no list gives 0.5, which is chance.

    Parameters
    ----------
    hits, n_relevant, k
        As in `Metric`.
    listed
        Whether the rank holds a candidate, shape ``(n_users, depth)``; padding does not.
    n_candidates
        How many items are ranked, the relevant ones among them; one number, or one for each user.

    Returns
    -------
    Floats
        Values in [0, 1] in the shape of `Metric`; nan for a user without an irrelevant item.

    References
    ----------
    Hanley & McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic
    (ROC) Curve", Radiology 143, 1982; the pairs beyond `k` as in ``ranking_metrics_at_k`` of
    implicit, which counts padding among the misses.

    Examples
    --------
    >>> hits, listed = np.array([[True, False, False]]), np.array([[True, True, False]])
    >>> auc(hits, np.array([2]), listed, k=3, n_candidates=4).tolist()
    [0.625]
    """
    ranks = relevant_ranks(hits, n_relevant, k)
    missed = running(first_ranks(listed, k) * (1 - ranks))
    irrelevant = np.asarray(n_candidates - n_relevant, dtype=np.float64)
    right = up_to(k, ranks * (irrelevant - missed))
    tied = (n_relevant - up_to(k, ranks)) * (irrelevant - at(k, missed))
    pairs = np.where(irrelevant > 0, n_relevant * irrelevant, np.nan)
    return (right + tied / 2) / pairs


def value_recall(found: Floats, wanted: Floats, *, k: ListLength) -> Floats:
    """Share of the relevant items' worth that the list holds, shape ``(n_users,)``.

    ``value_recall = Σ_{r≤k} v_r / V`` with ``v_r`` the worth of the hit at rank ``r``, 0 for a
    miss, and ``V`` the worth of all relevant items. With amounts paid it is the share of revenue.

    Parameters
    ----------
    found
        Worth of the hit at each rank, at least 0, shape ``(n_users, depth)``.
    wanted
        Worth of all relevant items in the same unit, shape ``(n_users,)``.
    k
        Length of the list, or several.

    Returns
    -------
    Floats
        In the shape of `Metric`; nan for a user whose relevant items are worth nothing.

    Examples
    --------
    >>> value_recall(np.array([[0.0, 300.0]]), np.array([400.0]), k=2).tolist()
    [0.75]
    """
    worth = np.where(wanted > 0, wanted, np.nan)
    return up_to(k, first_ranks(found, k)) / worth


def precision_at_hits(hits: Hits, n_relevant: Indices, k: ListLength) -> Floats:
    """Return ``Σ_{r≤k} hit_r · P_r``, what every average precision divides by something."""
    ranks = relevant_ranks(hits, n_relevant, k)
    return up_to(k, ranks * running(ranks) / rank_numbers(len(ranks)))
