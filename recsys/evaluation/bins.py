"""Activity bins: how much is known of a user before the cut."""

import numpy as np

from recsys.types import Indices

EDGES = (0, 1, 4, 11, 31, 101)
BINS = ("0", "1-3", "4-10", "11-30", "31-100", "101+")
"""Distinct items in the user's history."""


def activity_bin(history_sizes: Indices) -> Indices:
    """Return the bin of each user, an index into `BINS`.

    Examples
    --------
    >>> activity_bin(np.array([0, 3, 4, 500])).tolist()
    [0, 1, 2, 5]
    """
    return np.searchsorted(np.asarray(EDGES), history_sizes, side="right").astype(np.int64) - 1
