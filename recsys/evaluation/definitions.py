"""What every reported measure means, for reports; and what other libraries call it."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Better: TypeAlias = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Definition:
    """One measure in words that a report prints and a program reads.

    Attributes
    ----------
    name
        As in the reports, without ``@k``.
    formula
        With ``hit_r``: 1 if rank ``r`` holds a target; ``n_rel``: number of targets; ``L``: the
        first ``k`` items; ``users(i)``: training users of item ``i``; ``n``: all of them.
    low, high
        The least and the greatest possible value; infinite where there is none.
    better
        Which direction is good by itself; "neither" for what only describes.
    unit
        What 1 is one of.
    source
        Where the definition is from.
    """

    name: str
    formula: str
    low: float
    high: float
    better: Better
    unit: str
    source: str

    def document(self) -> dict[str, object]:
        """Return the definition as JSON; an endless bound is None."""
        bounds = {"low": self.low, "high": self.high}
        return asdict(self) | {
            name: bound if math.isfinite(bound) else None for name, bound in bounds.items()
        }


_MANNING = "Manning, Raghavan & Schütze 2008, chapter 8"
_UNKNOWN = "the list without known items, against the targets the user had not dealt with"
_KNOWN = "the known items of the list, against the targets the user had dealt with"

_DEFINITIONS = (
    Definition(
        "ndcg",
        "Σ_{r≤k} hit_r/log2(r+1) / Σ_{r≤min(k,n_rel)} 1/log2(r+1)",
        0,
        1,
        "higher",
        "share of a perfect list's discounted gain",
        "Järvelin & Kekäläinen 2002, discount of Burges et al. 2005; trec_eval ndcg_cut",
    ),
    Definition(
        "precision",
        "Σ_{r≤k} hit_r / k",
        0,
        1,
        "higher",
        "share of the ranks",
        f"{_MANNING}; trec_eval P",
    ),
    Definition(
        "recall",
        "Σ_{r≤k} hit_r / n_rel",
        0,
        1,
        "higher",
        "share of the targets",
        f"{_MANNING}; trec_eval recall",
    ),
    Definition(
        "recall_capped",
        "Σ_{r≤k} hit_r / min(k,n_rel)",
        0,
        1,
        "higher",
        "share of a perfect list's hits",
        "Liang et al. 2018, section 4.2",
    ),
    Definition(
        "mrr",
        "max_{r≤k} hit_r / r",
        0,
        1,
        "higher",
        "one over the rank of the first hit",
        "Voorhees 1999",
    ),
    Definition(
        "hit",
        "max_{r≤k} hit_r",
        0,
        1,
        "higher",
        "share of the users",
        "Deshpande & Karypis 2004",
    ),
    Definition(
        "ap_div_nrel",
        "Σ_{r≤k} hit_r·P_r / n_rel, P_r = Σ_{j≤r} hit_j / r",
        0,
        1,
        "higher",
        "average precision",
        "Buckley & Voorhees 2000; trec_eval map_cut",
    ),
    Definition(
        "ap_div_min_k_nrel",
        "Σ_{r≤k} hit_r·P_r / min(k,n_rel), P_r = Σ_{j≤r} hit_j / r",
        0,
        1,
        "higher",
        "average precision",
        "McFee et al. 2012",
    ),
    Definition(
        "ap_div_k",
        "Σ_{r≤k} hit_r·P_r / k, P_r = Σ_{j≤r} hit_j / r",
        0,
        1,
        "higher",
        "average precision",
        "a variant listed by Tamm, Damdinov & Vasilev 2021",
    ),
    Definition(
        "r_precision",
        "Σ_{r≤min(k,n_rel)} hit_r / n_rel",
        0,
        1,
        "higher",
        "share of the targets",
        f"{_MANNING}; trec_eval Rprec",
    ),
    Definition(
        "f1",
        "2·Σ_{r≤k} hit_r / (k+n_rel)",
        0,
        1,
        "higher",
        "harmonic mean of precision and recall",
        "van Rijsbergen 1979, chapter 7",
    ),
    Definition(
        "auc",
        "share of the (target, other item) pairs in the right order; what is not among the first "
        "k is tied below them, and a tie is half right",
        0,
        1,
        "higher",
        "share of the pairs; 0.5 is chance",
        "Hanley & McNeil 1982; implicit ranking_metrics_at_k",
    ),
    Definition(
        "revenue_recall",
        "Σ_{r≤k} hit_r·paid_r / money paid for all targets",
        0,
        1,
        "higher",
        "share of the money",
        "recall with each target weighed by its amount",
    ),
    Definition(
        "explore_ndcg",
        f"ndcg of {_UNKNOWN}",
        0,
        1,
        "higher",
        "share of a perfect list's discounted gain",
        "Li et al. 2023, A Next Basket Recommendation Reality Check, TOIS 41(4)",
    ),
    Definition(
        "explore_recall",
        f"recall of {_UNKNOWN}",
        0,
        1,
        "higher",
        "share of the targets",
        "Li et al. 2023, A Next Basket Recommendation Reality Check, TOIS 41(4)",
    ),
    Definition(
        "repeat_ndcg",
        f"ndcg of {_KNOWN}",
        0,
        1,
        "higher",
        "share of a perfect list's discounted gain",
        "Li et al. 2023, A Next Basket Recommendation Reality Check, TOIS 41(4)",
    ),
    Definition(
        "repeat_recall",
        f"recall of {_KNOWN}",
        0,
        1,
        "higher",
        "share of the targets",
        "Li et al. 2023, A Next Basket Recommendation Reality Check, TOIS 41(4)",
    ),
    Definition(
        "novelty",
        "Σ_{i∈L} -log2((users(i)+1)/(n+1)) / |L|",
        0,
        math.inf,
        "neither",
        "bits",
        "Zhou et al. 2010, with one user added to each item",
    ),
    Definition(
        "popularity",
        "Σ_{i∈L} users(i) / |L|",
        0,
        math.inf,
        "neither",
        "training users",
        "Yin et al. 2012; RecTools AvgRecPopularity",
    ),
    Definition(
        "long_tail_share",
        "share of L outside the fifth of the items with the most training users",
        0,
        1,
        "neither",
        "share of the list",
        "Abdollahpouri, Burke & Mobasher 2019",
    ),
    Definition(
        "ild",
        "Σ_{i<j} [category_i ≠ category_j] / (m·(m-1)/2), over the m items of known category",
        0,
        1,
        "higher",
        "share of the pairs of a list",
        "Ziegler et al. 2005, distance 0 or 1",
    ),
    Definition(
        "serendipity",
        "Σ_{r≤k} hit_r·max(p(r)-p(popular rank of the item), 0) / k, p(r) = (n_items+1-r)/n_items",
        0,
        1,
        "higher",
        "share of the catalogue a hit is moved up by, per rank",
        "RecTools Serendipity",
    ),
    Definition(
        "calibration_kl",
        "Σ_c p_c·ln(p_c / (0.99·q_c + 0.01·p_c)), p, q: category shares of history and list",
        0,
        -math.log(0.01),
        "lower",
        "nats",
        "Steck 2018",
    ),
    Definition(
        "calibration_js",
        "[KL(p‖m) + KL(q‖m)] / 2, m = (p+q)/2, p, q: category shares of history and list",
        0,
        1,
        "lower",
        "bits",
        "Lin 1991",
    ),
    Definition(
        "repeat_share",
        "share of L that the user had dealt with before",
        0,
        1,
        "neither",
        "share of the list",
        "Li et al. 2023, A Next Basket Recommendation Reality Check, TOIS 41(4)",
    ),
    Definition(
        "coverage",
        "|∪_u L_u| / n_items",
        0,
        1,
        "higher",
        "share of the catalogue",
        "Ge, Delgado-Battenfeld & Jannach 2010",
    ),
    Definition(
        "gini",
        "Σ_j (2j-n_items-1)·x_(j) / (n_items·Σx), x: how often each item is listed, ascending",
        0,
        1,
        "lower",
        "0 even, 1 all on one item",
        "Fleder & Hosanagar 2009",
    ),
    Definition(
        "entropy",
        "-Σ_i s_i·ln s_i, s: share of each item of all listed places",
        0,
        math.inf,
        "higher",
        "nats",
        "Shannon 1948",
    ),
    Definition(
        "effective_catalogue",
        "exp(entropy)",
        1,
        math.inf,
        "higher",
        "items",
        "Jost 2006",
    ),
    Definition(
        "popularity_lift",
        "[Σ_i x_i·users(i) / Σ_i x_i] / [Σ_i users(i)² / Σ_i users(i)], x: how often listed",
        0,
        math.inf,
        "neither",
        "times what users choose themselves",
        "after Abdollahpouri et al. 2019",
    ),
    Definition(
        "inter_user_diversity",
        "mean over pairs of users of 1 - |L_u ∩ L_v| / k",
        0,
        1,
        "higher",
        "share of a list",
        "Zhou et al. 2010",
    ),
)
DEFINITIONS: dict[str, Definition] = {each.name: each for each in _DEFINITIONS}
"""Name in reports -> what it means; one for every measure of `recsys.evaluation.measures`."""


@dataclass(frozen=True)
class Elsewhere:
    """What another library calls a number that we can compute.

    Attributes
    ----------
    library
        Its name.
    name
        What it calls the measure, with the options that matter.
    ours
        The function of `recsys.metrics` that returns the same number.
    note
        What else differs.
    """

    library: str
    name: str
    ours: str
    note: str = ""


def _rows(library: str, rows: Iterable[tuple[str, ...]]) -> tuple[Elsewhere, ...]:
    return tuple(Elsewhere(library, *row) for row in rows)


_OTHER = "other_definitions."
LIBRARIES: tuple[Elsewhere, ...] = (
    *_rows(
        "ranx",
        (
            ("precision@k", "precision", "a user without a list counts as 0"),
            ("recall@k", "recall"),
            ("map@k", "ap_div_nrel"),
            ("ndcg@k", "ndcg"),
            ("mrr@k", "reciprocal_rank"),
            ("hit_rate@k", "hit_rate"),
            ("r-precision", "r_precision", "over the whole list; ours looks at k ranks at most"),
            ("f1@k", "f1"),
            ("ndcg@k with grades", _OTHER + "ndcg_linear"),
            ("ndcg_burges@k with grades", _OTHER + "ndcg_exponential"),
        ),
    ),
    *_rows(
        "trec_eval",
        (
            ("P_k", "precision", "a user without a list is left out, unless -c is given"),
            ("recall_k", "recall"),
            ("map_cut_k", "ap_div_nrel"),
            ("ndcg_cut_k", "ndcg"),
            ("recip_rank", "reciprocal_rank", "over the whole list"),
            ("success_k", "hit_rate"),
            ("Rprec", "r_precision", "over the whole list"),
            ("ndcg_cut_k with grades", _OTHER + "ndcg_linear"),
        ),
    ),
    *_rows(
        "RecTools",
        (
            ("Precision(k)", "precision", "a user without a list counts as 0"),
            ("Precision(k, r_precision=True)", "recall_capped"),
            ("Recall(k)", "recall"),
            ("MAP(k)", "ap_div_nrel"),
            ("MAP(k, divide_by_k=True)", "ap_div_k"),
            ("NDCG(k)", _OTHER + "ndcg_ideal_k", "the default"),
            ("NDCG(k, divide_by_achievable=True)", "ndcg"),
            ("MRR(k)", "reciprocal_rank"),
            ("HitRate(k)", "hit_rate"),
            ("F1Beta(k)", "f1"),
            ("MeanInvUserFreq(k)", "novelty_unseen_as_one"),
            ("AvgRecPopularity(k)", "average_popularity"),
            ("CatalogCoverage(k)", "coverage"),
            ("Serendipity(k)", "serendipity"),
            ("IntraListDiversity(k), Hamming distance", "intra_list_diversity"),
        ),
    ),
    *_rows(
        "implicit",
        (
            ("precision", _OTHER + "pooled_recall_capped", "pooled over users"),
            ("map", "ap_div_min_k_nrel"),
            ("ndcg", "ndcg"),
            ("auc", _OTHER + "auc_of_padded", "padding counts as misses"),
        ),
    ),
    *_rows(
        "irspack",
        (
            ("precision", "precision", "from 0.5 on over what could be recommended"),
            ("recall", "recall"),
            ("recall, recall_with_cutoff=True", "recall_capped"),
            ("map", "ap_div_nrel"),
            ("ndcg", "ndcg", "from 0.5 on other_definitions.ndcg_ideal_min_listed_nrel"),
            ("hit", "hit_rate"),
            ("gini_index", "gini"),
            ("entropy", "entropy"),
        ),
    ),
    *_rows(
        "recometrics",
        (
            ("P@K", "precision", "nan where it cannot be computed"),
            ("TP@K", "recall_capped"),
            ("R@K", "recall"),
            ("AP@K", "ap_div_nrel"),
            ("TAP@K", "ap_div_min_k_nrel"),
            ("NDCG@K", "ndcg"),
            ("Hit@K", "hit_rate"),
            ("RR@K", "reciprocal_rank"),
            ("ROC_AUC", "auc", "of a ranking of the whole catalogue"),
        ),
    ),
    *_rows(
        "recommenders",
        (
            ("precision_at_k", "precision", "over the users with a list"),
            ("recall_at_k", "recall", "over the users with a list"),
            ("ndcg_at_k", "ndcg", "over all users with targets"),
            ("map_at_k", "ap_div_min_k_nrel", "over the users with a list"),
            ("map", "ap_div_nrel", "over the users with a list"),
            ("r_precision_at_k", _OTHER + "r_precision_of_hit_users"),
        ),
    ),
    *_rows(
        "RecBole",
        (
            ("precision", "precision"),
            ("recall", "recall"),
            ("map", "ap_div_min_k_nrel"),
            ("ndcg", "ndcg"),
            ("mrr", "reciprocal_rank"),
            ("hit", "hit_rate"),
        ),
    ),
    *_rows(
        "lenskit",
        (
            ("Precision(k)", _OTHER + "precision_div_listed", "nan for an empty list"),
            ("Recall(k)", "recall_capped", "over n_rel where no k is given"),
            ("NDCG(k)", _OTHER + "ndcg_clipped_discount", "the default"),
            ("NDCG(k), LogRankWeight(offset=1)", "ndcg"),
            ("RecipRank(k)", "reciprocal_rank"),
            ("Hit(k)", "hit_rate"),
            ("MAP(k)", _OTHER + "ap_div_min_listed_nrel", "nan for an empty list"),
            ("RBP(k), patience 0.85", _OTHER + "rbp"),
        ),
    ),
    *_rows(
        "scikit-learn",
        (
            ("ndcg_score", _OTHER + "ndcg_linear"),
            ("roc_auc_score", "auc", "of a ranking of the whole catalogue"),
        ),
    ),
    *_rows("scipy", (("jensenshannon(base=2) squared", "calibration_js"),)),
)
"""Who computes what under which name, at the versions `recsys.metrics.other_definitions` names."""
