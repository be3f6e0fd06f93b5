"""How popular an item is."""

import numpy as np

from recsys.types import Floats, Indices


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
