"""How popular an item is, and how much more so of late."""

from typing import NamedTuple

import numpy as np

from recsys.models.lift import log_lift
from recsys.types import Floats, Indices

TREND_HALF_LIFE = 10.0
"""Days; of `HALF_LIVES`. Twice and four times as long told less on three windows of grocers."""
KAPPA = 5.0
"""Recent days of purchase that an unchanged popularity counts."""


class Recency(NamedTuple):
    """How what is bought changes with time.

    Attributes
    ----------
    half_life
        Of popularity, days, one of `HALF_LIVES`; infinite = no decay.
    trends
        Whether enough is known of earlier changes to look at the last one.
    """

    half_life: float
    trends: bool


def log_popularity(items: Indices, visits: Floats, n_items: int) -> Floats:
    """Return ``log p_i``, ``p_i = (count_i + 1) / Σ_j (count_j + 1)`` over the catalogue.

    Parameters
    ----------
    items
        Item index of each (user, item) pair, shape ``(n_pairs,)``.
    visits
        The pair's purchases, decayed or not, shape ``(n_pairs,)``.
    n_items
        Size of the catalogue.
    """
    counts = np.bincount(items, weights=visits, minlength=n_items) + 1.0
    return np.asarray(np.log(counts) - np.log(counts.sum()))


def log_popularity_of_new(visits: Floats, n_items: int) -> float:
    """Return the same of an item that nobody has bought, beside those of the catalogue."""
    return -float(np.log(visits.sum() + n_items))


def trend(items: Indices, recent: Floats, log_popularity: Floats) -> Floats:
    """Return ``log((n_i + κ) / (E_i + κ))``: how much more an item is bought of late.

    Parameters
    ----------
    items
        Item index of each (user, item) pair, shape ``(n_pairs,)``.
    recent
        The pair's purchases, faded fast; ``n_i`` is their sum, and ``E_i = p_i Σ_j n_j``.
    log_popularity
        ``log p_i``, shape ``(n_items,)``.
    """
    counts = np.bincount(items, weights=recent, minlength=len(log_popularity))
    return log_lift(counts, np.exp(log_popularity) * counts.sum(), KAPPA)
