"""How sure a number over users is, and a difference. The user is the unit, never the interaction.

Pure functions of arrays: means with intervals, paired comparisons, two groups side by side, one
look or many, many comparisons at once, and many small groups that borrow strength from each other.
"""

from recsys.statistics.adjustment import (
    Stratified,
    cuped,
    post_stratified,
    regression_slope,
    stratified,
)
from recsys.statistics.allocation import sample_ratio, sample_ratio_at_any_time
from recsys.statistics.arms import (
    Shares,
    as_relative,
    compare_shares,
    estimate_from_sums,
    estimate_ratio,
    estimate_share,
    log_ratio,
    relative,
    relative_interval,
    welch,
    wilson,
)
from recsys.statistics.bootstrap import PairedBootstrap, bootstrap_pair, paired_bootstrap
from recsys.statistics.group_sequential import SPENDINGS, Spending, bounds, crossing, drift_for
from recsys.statistics.intervals import (
    Estimate,
    Interval,
    effective_n,
    estimate,
    mean_interval,
    weighted_mean_interval,
)
from recsys.statistics.multiplicity import (
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni,
    hochberg,
    holm,
    hommel,
)
from recsys.statistics.paired import PairedT, paired_t, sign_flip, sign_test, wilcoxon
from recsys.statistics.power import (
    detectable,
    lists_for_preference,
    users_for_means,
    users_for_shares,
)
from recsys.statistics.sequential import ConfidenceSequence
from recsys.statistics.shrinkage import (
    Heterogeneity,
    Shrunken,
    dersimonian_laird,
    heterogeneity,
    normal_p,
    paule_mandel,
    s_values,
    shrink,
    shrink_over_grid,
)

__all__ = [
    "SPENDINGS",
    "ConfidenceSequence",
    "Estimate",
    "Heterogeneity",
    "Interval",
    "PairedBootstrap",
    "PairedT",
    "Shares",
    "Shrunken",
    "Spending",
    "Stratified",
    "as_relative",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "bonferroni",
    "bootstrap_pair",
    "bounds",
    "compare_shares",
    "crossing",
    "cuped",
    "dersimonian_laird",
    "detectable",
    "drift_for",
    "effective_n",
    "estimate",
    "estimate_from_sums",
    "estimate_ratio",
    "estimate_share",
    "heterogeneity",
    "hochberg",
    "holm",
    "hommel",
    "lists_for_preference",
    "log_ratio",
    "mean_interval",
    "normal_p",
    "paired_bootstrap",
    "paired_t",
    "paule_mandel",
    "post_stratified",
    "regression_slope",
    "relative",
    "relative_interval",
    "s_values",
    "sample_ratio",
    "sample_ratio_at_any_time",
    "shrink",
    "shrink_over_grid",
    "sign_flip",
    "sign_test",
    "stratified",
    "users_for_means",
    "users_for_shares",
    "weighted_mean_interval",
    "welch",
    "wilcoxon",
    "wilson",
]
