"""Is a ranking good, and for whom, offline: takes lists, ids and arrays, never models.

Any recommender's lists will do:

>>> import numpy as np
>>> from recsys.interactions import Targets
>>> from recsys.vocabulary import Vocabulary
>>> targets = Targets(Vocabulary(["ann", "bob"]), np.array([0, 0, 1]), np.array([2, 4, 1]))
>>> background = Background(
...     n_items=5,
...     item_users=np.array([9, 7, 5, 3, 1]),
...     n_users=10,
...     category=None,
...     known_indptr=np.array([0, 1, 1]),
...     known_items=np.array([0]),
... )
>>> judged = judge(np.array([[2, 0, 1], [0, 1, 2]]), targets, background, ks=(3,))
>>> judged.per_user[["ndcg@3", "recall@3", "repeat_share@3"]].round(3).to_numpy().tolist()
[[0.613, 0.5, 0.333], [0.631, 1.0, 0.0]]
>>> judged.overall["coverage@3"]
0.6

`compare` holds two `Result` s of the same question against each other, paired by user.
"""

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
