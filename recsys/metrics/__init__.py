"""How good ranked lists are, user by user, as pure array functions.

`hit_matrix` turns lists and relevant pairs into `hits` and `n_relevant`; every measure in
`METRICS` turns those into one value for each user, and means come after. The names carry the
definition, because the literature uses one name for several measures (Tamm, Damdinov & Vasilev,
"Quality Metrics in Recommender Systems: Do We Calculate Metrics Consistently?", RecSys 2021);
`other_definitions` holds the ones that we do not judge by.

Relevance is binary. A short list is padded with misses, so a user without a list scores 0 and
is counted. The formulas write ``hit_r`` for 1 if the item at rank ``r`` is relevant, else 0;
``n_rel`` for the number of the user's relevant items; ``k`` for the length of the list.
"""

from recsys.metrics.accuracy import (
    METRICS,
    Metric,
    ap_div_k,
    ap_div_min_k_nrel,
    ap_div_nrel,
    auc,
    f1,
    hit_rate,
    ndcg,
    precision,
    r_precision,
    recall,
    recall_capped,
    reciprocal_rank,
    value_recall,
)
from recsys.metrics.agreement import lists_differ, overlap_at_k, rbo
from recsys.metrics.calibration import Shares, calibration_js, calibration_kl, category_shares
from recsys.metrics.catalogue import (
    coverage,
    effective_catalogue,
    entropy,
    gini,
    inter_user_diversity,
    item_exposure,
    popularity_lift,
)
from recsys.metrics.hits import Hits, ListLength, Pairs, check_lists, hit_matrix, only, pairs_of
from recsys.metrics.lists import (
    average_popularity,
    intra_list_diversity,
    long_tail_share,
    mean_of_items,
    novelty,
    novelty_of_known,
    novelty_unseen_as_one,
    repeat_share,
    self_information,
    serendipity,
    short_head,
)

__all__ = [
    "METRICS",
    "Hits",
    "ListLength",
    "Metric",
    "Pairs",
    "Shares",
    "ap_div_k",
    "ap_div_min_k_nrel",
    "ap_div_nrel",
    "auc",
    "average_popularity",
    "calibration_js",
    "calibration_kl",
    "category_shares",
    "check_lists",
    "coverage",
    "effective_catalogue",
    "entropy",
    "f1",
    "gini",
    "hit_matrix",
    "hit_rate",
    "inter_user_diversity",
    "intra_list_diversity",
    "item_exposure",
    "lists_differ",
    "long_tail_share",
    "mean_of_items",
    "ndcg",
    "novelty",
    "novelty_of_known",
    "novelty_unseen_as_one",
    "only",
    "overlap_at_k",
    "pairs_of",
    "popularity_lift",
    "precision",
    "r_precision",
    "rbo",
    "recall",
    "recall_capped",
    "reciprocal_rank",
    "repeat_share",
    "self_information",
    "serendipity",
    "short_head",
    "value_recall",
]
