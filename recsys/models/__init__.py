"""What is learnt: ALS factors, fold-in, priors, habit and popularity, as plain arrays.

`recsys.models.als` and `recsys.models.fit` are for training and are not imported from here: a
process that only serves never loads `implicit`.
"""

from recsys.models.config import ModelConfig
from recsys.models.fold_in import CENTRES, Centre, FoldIn, confidence
from recsys.models.habit import Habit
from recsys.models.model import (
    ALS,
    HABIT,
    NEIGHBOURS,
    POPULARITY,
    PRIOR,
    TASTE,
    TREND,
    Model,
    model_from,
)
from recsys.models.neighbours import Neighbours
from recsys.models.terms import Grouped, Sparse, Term

__all__ = [
    "ALS",
    "CENTRES",
    "HABIT",
    "NEIGHBOURS",
    "POPULARITY",
    "PRIOR",
    "TASTE",
    "TREND",
    "Centre",
    "FoldIn",
    "Grouped",
    "Habit",
    "Model",
    "ModelConfig",
    "Neighbours",
    "Sparse",
    "Term",
    "confidence",
    "model_from",
]
