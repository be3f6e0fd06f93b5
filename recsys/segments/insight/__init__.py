"""What segments are like: how calm, how they move, and how alike two standards are."""

from recsys.segments.insight.association import (
    Association,
    associate,
    best_matching,
    conflicts,
    cramers_v,
    cross_table,
)
from recsys.segments.insight.flows import ABSENT, UNKNOWN, Flows, Moment, flows_between, moves
from recsys.segments.insight.stability import (
    Stability,
    adjusted_rand,
    best_jaccard,
    jaccard,
    largest,
    population,
    psi,
    stability_of,
)

__all__ = [
    "ABSENT",
    "UNKNOWN",
    "Association",
    "Flows",
    "Moment",
    "Stability",
    "adjusted_rand",
    "associate",
    "best_jaccard",
    "best_matching",
    "conflicts",
    "cramers_v",
    "cross_table",
    "flows_between",
    "jaccard",
    "largest",
    "moves",
    "population",
    "psi",
    "stability_of",
]
