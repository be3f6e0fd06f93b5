"""What is learnt: ALS factors, fold-in, priors, habit and popularity, as plain arrays.

`recsys.models.als` and `recsys.models.fit` are for training and are not imported from here: a
process that only serves never loads `implicit`.
"""

from recsys.models.config import ModelConfig
from recsys.models.fold_in import CENTRES, Centre, FoldIn, confidence
from recsys.models.habit import Habit
from recsys.models.model import ALS, HABIT, NEIGHBOURS, POPULARITY, PRIOR, Model, model_from
from recsys.models.neighbours import Neighbours
from recsys.models.sparse import Sparse

__all__ = [
    "ALS",
    "CENTRES",
    "HABIT",
    "NEIGHBOURS",
    "POPULARITY",
    "PRIOR",
    "Centre",
    "FoldIn",
    "Habit",
    "Model",
    "ModelConfig",
    "Neighbours",
    "Sparse",
    "confidence",
    "model_from",
]
