"""Taste: how much more a user buys of a category than others do.

``taste(u, i) = log((S_ug + κ) / (E_ug + κ))``, ``g`` the category of item ``i``: ``S_ug`` her days
of purchase in it, ``E_ug = q_g Σ_g' S_ug'`` what she would have by the shop's shares ``q_g``. It is
the Gamma–Poisson lift of the priors, with a user in the place of a segment. Without categories, and
for somebody of whom nothing is known, it is 0.

With κ of 0.3, 1 and 3 the NDCG@10 on windows before the cut differs by less than its noise, on a
grocer, a supermarket and films.
"""

import numpy as np

from recsys.models.lift import log_lift
from recsys.types import Floats, Indices

KAPPA = 1.0
"""Days of purchase that an average taste counts."""


def taste(groups: Indices, visits: Floats, shares: Floats) -> Floats:
    """Return the taste for each category, shape ``(n_groups,)``.

    Parameters
    ----------
    groups
        Category of each item of a user's history, shape ``(n,)``.
    visits
        Her days of purchase of each, shape ``(n,)``.
    shares
        ``q_g``, shape ``(n_groups,)``.
    """
    mine = np.bincount(groups, weights=visits, minlength=len(shares))
    return log_lift(mine, mine.sum() * shares, KAPPA)


def category_shares(groups: Indices, log_popularity: Floats) -> Floats:
    """Return ``q_g``: the share of each category in the shop's purchases, shape ``(n_groups,)``."""
    sold = np.bincount(groups, weights=np.exp(log_popularity))
    return np.asarray(sold / sold.sum())
