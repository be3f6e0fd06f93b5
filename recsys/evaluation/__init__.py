"""Is a ranking good, offline: takes lists and ids, never models."""

from recsys.evaluation.accuracy import ACCURACY, Judged, judge, lists_from
from recsys.evaluation.bins import BINS, activity_bin
from recsys.evaluation.config import EvaluationConfig

__all__ = [
    "ACCURACY",
    "BINS",
    "EvaluationConfig",
    "Judged",
    "activity_bin",
    "judge",
    "lists_from",
]
