"""From scores to lists."""

import numpy as np
import pandas as pd

K = 20
TIE = 1e-9
"""How much an item's place by popularity counts beside the largest score."""


def with_ties(scores: np.ndarray) -> np.ndarray:
    """Return scores in which an earlier column, a more popular item, wins what is equal.

    A row without any score is so filled by popularity.
    """
    finite = np.where(np.isfinite(scores), np.abs(scores), 0.0)
    scale = finite.max(axis=1, keepdims=True, initial=0.0)
    places = 1.0 - np.arange(scores.shape[1]) / max(scores.shape[1], 1)
    return scores / np.where(scale > 0, scale, 1.0) + TIE * places


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the `k` highest scores, highest first; −1 where the score is −∞."""
    k = min(k, scores.shape[1])
    found = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1)
    return np.where(np.isneginf(values), -1, np.take_along_axis(found, order, axis=1))


def without(scores: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the scores with some pairs left out."""
    kept = scores.copy()
    kept[users, items] = -np.inf
    return kept


def go_on(first: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the first list and after it what it lacks of the list of new items; −1 is no item."""
    lacking = ~(new[:, :, None] == first[:, None, :]).any(axis=2)
    return np.hstack([first, np.where(lacking, new, -1)])


def frame(lists: np.ndarray, users: pd.Index, items: pd.Index) -> pd.DataFrame:
    """Return `user_id, item_id, rank`, ranks without gaps."""
    user, place = np.nonzero(lists >= 0)
    columns = {"user_id": users.take(user), "item_id": items.take(lists[user, place])}
    table = pd.DataFrame(columns)
    return table.assign(rank=table.groupby("user_id").cumcount() + 1)
