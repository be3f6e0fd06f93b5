"""How what is bought changes: how fast popularity fades, and whether a trend can be read."""

import math
from collections.abc import Sequence

import numpy as np

from recsys import metrics
from recsys.interactions import HALF_LIVES, Histories, Targets
from recsys.models.popularity import Recency, log_popularity
from recsys.types import Floats

K = 10
LEAST_WINDOWS = 3


def recency_of(windows: Sequence[tuple[Histories, Targets]]) -> Recency:
    """Read from windows how what is bought changes.

    Parameters
    ----------
    windows
        For each window what was known at its start and what was bought in it. The windows must
        not overlap: fewer than three say nothing. Then nothing fades, and no trend is read: what
        rises before one window mostly rises before another that overlaps it.
    """
    if len(windows) < LEAST_WINDOWS:
        return Recency(math.inf, trends=False)
    return Recency(_half_life(windows), trends=True)


def _half_life(windows: Sequence[tuple[Histories, Targets]]) -> float:
    """Choose a half-life by the NDCG of the one popular list, by the one-standard-error rule.

    Returns
    -------
    float
        Days; infinite = no decay. The longest one whose mean over windows is within one standard
        error of the best: where windows disagree, more data is the safer choice.
    """
    scores = np.asarray(
        [[_ndcg(*window, column) for column in range(len(HALF_LIVES))] for window in windows]
    )
    best = int(scores.mean(axis=0).argmax())
    for column in reversed(range(len(HALF_LIVES))):
        difference = scores[:, best] - scores[:, column]
        if difference.mean() <= _standard_error(difference):
            return HALF_LIVES[column]
    return HALF_LIVES[best]


def _ndcg(histories: Histories, targets: Targets, column: int) -> float:
    if not len(targets.users):
        return 0.0
    visits = histories.decayed_visits[:, column]
    scores = log_popularity(histories.items, visits, histories.n_items)
    best = np.lexsort((np.arange(len(scores)), -scores))[:K]
    lists = np.tile(best, (len(targets.users), 1))
    users, items = targets.user_index, targets.items
    hits, n_relevant = metrics.hit_matrix(lists, users, items, n_items=histories.n_items)
    return float(metrics.ndcg(hits, n_relevant, k=K).mean())


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))
