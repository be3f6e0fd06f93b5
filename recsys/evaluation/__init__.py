"""Is a ranking good, and for whom, offline: takes lists, ids and arrays, never models."""

from recsys.evaluation.bins import BINS, activity_bin
from recsys.evaluation.breakdown import Groups, breakdown, groups_of
from recsys.evaluation.comparison import Comparison, ComparisonSettings, Result, compare
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.document import document
from recsys.evaluation.judging import Background, Judged, judge, lay_out, lists_from
from recsys.evaluation.measures import MEASURES
from recsys.evaluation.outcome import Outcome, Run
from recsys.evaluation.stored import is_stored, read_results, write_outcome

__all__ = [
    "BINS",
    "MEASURES",
    "Background",
    "Comparison",
    "ComparisonSettings",
    "EvaluationConfig",
    "Groups",
    "Judged",
    "Outcome",
    "Result",
    "Run",
    "activity_bin",
    "breakdown",
    "compare",
    "document",
    "groups_of",
    "is_stored",
    "judge",
    "lay_out",
    "lists_from",
    "read_results",
    "write_outcome",
]
