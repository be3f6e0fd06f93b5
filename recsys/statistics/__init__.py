"""How sure a number over users is, and a difference. The user is the unit, never the interaction.

Pure functions of arrays: means with intervals, paired comparisons, many comparisons at once, and
many small groups that borrow strength from each other.
"""

from recsys.statistics.bootstrap import PairedBootstrap, bootstrap_pair, paired_bootstrap
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
    "Estimate",
    "Heterogeneity",
    "Interval",
    "PairedBootstrap",
    "PairedT",
    "Shrunken",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "bonferroni",
    "bootstrap_pair",
    "dersimonian_laird",
    "effective_n",
    "estimate",
    "heterogeneity",
    "hochberg",
    "holm",
    "hommel",
    "mean_interval",
    "normal_p",
    "paired_bootstrap",
    "paired_t",
    "paule_mandel",
    "s_values",
    "shrink",
    "shrink_over_grid",
    "sign_flip",
    "sign_test",
    "weighted_mean_interval",
    "wilcoxon",
]
