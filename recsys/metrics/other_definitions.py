"""What other libraries compute under the names of our measures, to the last digit.

Nothing here is used for judging. These functions say why two tools disagree on one list, and let
a figure from elsewhere be reproduced; `recsys.evaluation.definitions.LIBRARIES` says who uses
which. Libraries were run in these versions: ranx 0.3.21, pytrec_eval-terrier 0.5.11, RecTools
0.19.0, implicit 0.7.3, irspack 0.3.1, recometrics 0.1.6, recommenders 1.2.1, RecBole 1.2.1,
lenskit 2025.8.1.

`n_listed` is the number of items in the user's list, shape ``(n_users,)``. The other parameters
and the shape of the result are those of `recsys.metrics.Metric`.
"""

import numpy as np

from recsys.metrics.accuracy import auc, precision_at_hits, r_precision
from recsys.metrics.hits import (
    Hits,
    ListLength,
    check_positive,
    discounts,
    first_ranks,
    least,
    rank_numbers,
    relevant_ranks,
    up_to,
)
from recsys.types import Floats, Indices


def precision_div_listed(
    hits: Hits, n_relevant: Indices, n_listed: Indices, *, k: ListLength
) -> Floats:
    """Precision over the length of the list: nan for an empty one, and short lists look better.

    ``Σ_{r≤k} hit_r / min(k, n_listed)``.

    References
    ----------
    ``Precision`` of lenskit; irspack from 0.5 on.

    Examples
    --------
    >>> precision_div_listed(np.array([[True, False]]), np.array([2]), np.array([2]), k=5).tolist()
    [0.5]
    """
    return up_to(k, relevant_ranks(hits, n_relevant, k)) / _or_nan(least(k, n_listed))


def ap_div_min_listed_nrel(
    hits: Hits, n_relevant: Indices, n_listed: Indices, *, k: ListLength
) -> Floats:
    """Average precision over ``min(k, n_listed, n_rel)``; nan for an empty list.

    ``Σ_{r≤k} hit_r · P_r / min(k, n_listed, n_rel)`` with ``P_r`` the precision at rank ``r``.

    References
    ----------
    ``MAP`` of lenskit.

    Examples
    --------
    >>> hits, n_listed = np.array([[True, False]]), np.array([2])
    >>> ap_div_min_listed_nrel(hits, np.array([4]), n_listed, k=5).tolist()
    [0.5]
    """
    best = _or_nan(least(k, np.minimum(n_listed, n_relevant)))
    return precision_at_hits(hits, n_relevant, k) / best


def ndcg_ideal_k(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
    """NDCG against `k` hits even if there are fewer relevant items: a perfect list can score < 1.

    ``Σ_{r≤k} hit_r · d_r / Σ_{r≤k} d_r`` with ``d_r = 1 / log2(r + 1)``.

    References
    ----------
    ``NDCG`` of RecTools by default.

    Examples
    --------
    >>> ndcg_ideal_k(np.array([[True, False]]), np.array([1]), k=2).round(4).tolist()
    [0.6131]
    """
    ideal = np.cumsum(discounts(int(np.max(k)))).take(np.asarray(k) - 1)
    return dcg(hits, n_relevant, k=k) / ideal[..., np.newaxis]


def ndcg_ideal_min_listed_nrel(
    hits: Hits, n_relevant: Indices, n_listed: Indices, *, k: ListLength
) -> Floats:
    """NDCG whose ideal is as short as the list; nan for an empty list.

    ``Σ_{r≤k} hit_r · d_r / Σ_{r≤min(k, n_listed, n_rel)} d_r`` with ``d_r = 1 / log2(r + 1)``.

    References
    ----------
    irspack, where fewer than `k` items can be recommended.

    Examples
    --------
    >>> hits = np.array([[True]])
    >>> ndcg_ideal_min_listed_nrel(hits, np.array([3]), np.array([1]), k=5).tolist()
    [1.0]
    """
    best = least(k, np.minimum(n_listed, n_relevant))
    ideal = np.concatenate([[np.nan], np.cumsum(discounts(int(np.max(k))))])
    gain = dcg(hits, n_relevant, k=k)
    return gain / np.asarray(ideal[best], dtype=np.float64)


def ndcg_clipped_discount(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
    """NDCG in which ranks 1 and 2 weigh the same.

    ``Σ_{r≤k} hit_r · c_r / Σ_{r≤min(k, n_rel)} c_r`` with ``c_r = 1 / max(1, log2 r)``.

    References
    ----------
    Järvelin & Kekäläinen, "Cumulated Gain-based Evaluation of IR Techniques", TOIS 20(4), 2002,
    with base 2; ``NDCG`` of lenskit by default.

    Examples
    --------
    >>> ndcg_clipped_discount(np.array([[False, True]]), np.array([1]), k=2).tolist()
    [1.0]
    """
    ranks = relevant_ranks(hits, n_relevant, k)
    clipped = 1 / np.maximum(1, np.log2(rank_numbers(len(ranks))))
    ideal = np.cumsum(clipped).take(least(k, n_relevant) - 1)
    return up_to(k, ranks * clipped) / ideal


def dcg(hits: Hits, n_relevant: Indices, *, k: ListLength) -> Floats:
    """Discounted gain without an ideal, at least 0 and not bounded by 1.

    ``Σ_{r≤k} hit_r / log2(r + 1)``.

    References
    ----------
    Jeunen, Potapov & Ustimenko, "On (Normalised) Discounted Cumulative Gain as an Off-Policy
    Evaluation Metric for Top-n Recommendation", KDD 2024, who prefer it to the normalised one.

    Examples
    --------
    >>> dcg(np.array([[True, False, True]]), np.array([2]), k=3).tolist()
    [1.5]
    """
    ranks = relevant_ranks(hits, n_relevant, k)
    return up_to(k, ranks * discounts(len(ranks)))


def rbp(hits: Hits, n_relevant: Indices, *, k: ListLength, patience: float = 0.85) -> Floats:
    """Rank-biased precision: the reader goes on to the next rank with a fixed probability.

    ``(1 - p) · Σ_{r≤k} hit_r · p^(r-1)`` with `patience` ``p`` in (0, 1); a reader of the first
    `k` ranks alone is at most ``1 - p^k`` satisfied.

    References
    ----------
    Moffat & Zobel, "Rank-Biased Precision for Measurement of Retrieval Effectiveness", TOIS
    27(1), 2008; ``RBP`` of lenskit.

    Examples
    --------
    >>> rbp(np.array([[True, True]]), np.array([2]), k=2, patience=0.5).tolist()
    [0.75]
    """
    ranks = relevant_ranks(hits, n_relevant, k)
    stays = patience ** (rank_numbers(len(ranks)) - 1)
    return (1 - patience) * up_to(k, ranks * stays)


def ndcg_linear(grades: Floats, ideal_grades: Floats, *, k: ListLength) -> Floats:
    """NDCG of graded relevance, gain = grade.

    ``Σ_{r≤k} g_r · d_r / Σ_{r≤k} g*_r · d_r`` with ``g_r`` the grade at rank ``r``, ``g*`` all
    grades of the user from the highest down, and ``d_r = 1 / log2(r + 1)``.

    Parameters
    ----------
    grades
        Grade of the item at each rank, 0 for an irrelevant one, shape ``(n_users, depth)``.
    ideal_grades
        All grades of the user, in any order, 0 as padding, shape ``(n_users, n_grades)``; at
        least one is positive.
    k
        Length of the list, or several.

    References
    ----------
    ``ndcg_cut_k`` of trec_eval, ``ndcg`` of ranx, ``ndcg_score`` of scikit-learn.

    Examples
    --------
    >>> ndcg_linear(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]]), k=1).tolist()
    [0.0]
    """
    ideal = -np.sort(-ideal_grades, axis=1)
    weights = discounts(int(np.max(k)))
    gain = up_to(k, first_ranks(grades, k) * weights)
    return gain / up_to(k, first_ranks(ideal, k) * weights)


def ndcg_exponential(grades: Floats, ideal_grades: Floats, *, k: ListLength) -> Floats:
    """NDCG of graded relevance, gain = ``2^grade - 1``; otherwise as `ndcg_linear`.

    References
    ----------
    Burges et al., "Learning to Rank using Gradient Descent", ICML 2005; ``ndcg_burges`` of ranx.

    Examples
    --------
    >>> ndcg_exponential(np.array([[2.0, 0.0]]), np.array([[2.0]]), k=2).tolist()
    [1.0]
    """
    return ndcg_linear(2.0**grades - 1, 2.0**ideal_grades - 1, k=k)


def pooled_recall_capped(hits: Hits, n_relevant: Indices, *, k: int) -> float:
    """Hits of all users over those of perfect lists: one number, heavy users weigh more.

    ``Σ_u Σ_{r≤k} hit_ur / Σ_u min(k, n_rel_u)``.

    References
    ----------
    "Precision" of implicit (``ranking_metrics_at_k``, ``precision_at_k``).

    Examples
    --------
    >>> hits = np.array([[True, True], [False, False]])
    >>> pooled_recall_capped(hits, np.array([2, 1]), k=2)
    0.6666666666666666
    """
    found = up_to(k, relevant_ranks(hits, n_relevant, k))
    return float(found.sum() / least(k, n_relevant).sum())


def r_precision_of_hit_users(hits: Hits, n_relevant: Indices, *, k: int) -> float:
    """Mean R-precision over the users with a hit in the first `k` ranks; nan without any.

    References
    ----------
    ``r_precision_at_k`` of Microsoft's recommenders.

    Examples
    --------
    >>> r_precision_of_hit_users(np.array([[True], [False]]), np.array([2, 1]), k=1)
    0.5
    """
    check_positive("k", k)
    found = hits[:, :k].any(axis=1)
    return float(r_precision(hits, n_relevant, k=k)[found].mean()) if found.any() else float("nan")


def auc_of_padded(
    hits: Hits, n_relevant: Indices, *, k: ListLength, n_candidates: int | Indices
) -> Floats:
    """AUC of a partial ranking in which the padding of a short list counts as misses.

    As `recsys.metrics.auc` if all of the `k` ranks held an item.

    References
    ----------
    ``AUC_at_k`` of implicit.

    Examples
    --------
    >>> auc_of_padded(np.array([[True, False]]), np.array([1]), k=2, n_candidates=3).tolist()
    [1.0]
    """
    every_rank = np.ones((len(hits), int(np.max(k))), dtype=np.bool_)
    return auc(hits, n_relevant, every_rank, k=k, n_candidates=n_candidates)


def _or_nan(counts: Indices) -> Floats:
    """Return counts to divide by: nan, not zero."""
    return np.where(counts > 0, counts, np.nan)
