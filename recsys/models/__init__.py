"""What is learnt: ALS factors, fold-in, priors, habit and popularity, as plain arrays.

`recsys.models.als` and `recsys.models.fit` are for training and are not imported from here: a
process that only serves never loads `implicit`.
"""

from recsys.models.config import ModelConfig
from recsys.models.fold_in import CENTRES, Centre, FoldIn, confidence
from recsys.models.habit import Habit
from recsys.models.model import ALS, HABIT, POPULARITY, PRIOR, Model, model_from

__all__ = [
    "ALS",
    "CENTRES",
    "HABIT",
    "POPULARITY",
    "PRIOR",
    "Centre",
    "FoldIn",
    "Habit",
    "Model",
    "ModelConfig",
    "confidence",
    "model_from",
]
