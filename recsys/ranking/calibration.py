"""Calibration: a list whose categories have the shares they have in what the user chose before."""

from typing import Final, Literal

import numpy as np
from pydantic import Field, PositiveInt

from recsys.events.schema import CATEGORY
from recsys.ranking.diversity import Strength, penalty_weight
from recsys.types import Config, Floats, Indices

ALPHA: Final = 0.01
"""How much of the mix is blended into the list's, which keeps the divergence finite."""


class CalibrationConfig(Config):
    """Steck's calibrated list."""

    kind: Literal["calibration"]
    strength: Strength = Field(0.2, description="0: by score alone; towards 1: by the mix")
    column: str = Field(CATEGORY, description="the items' column whose shares are kept")
    level: PositiveInt | None = Field(1, description="how many steps of its hierarchy count")


def category_mix(weights: Floats, codes: Indices, n_categories: int) -> Floats:
    """Share of each category in weighted items, shape ``(n_categories,)``.

    Parameters
    ----------
    weights
        What each item is worth, shape ``(n,)``; what is not positive counts not at all.
    codes
        The items' categories, shape ``(n,)``; -1 is unknown and counts not at all.

    Returns
    -------
    Floats
        Sums to 1; all 0 where nothing counts.

    Examples
    --------
    >>> category_mix(np.array([3.0, 1.0, 5.0, -2.0]), np.array([0, 1, -1, 0]), 2).tolist()
    [0.75, 0.25]
    """
    counts = (codes >= 0) & (weights > 0)
    sums = np.bincount(codes[counts], weights[counts], minlength=n_categories)
    total = sums.sum()
    return np.asarray(sums / total if total > 0 else sums)


def expected_mix(log_weights: Floats, codes: Indices, n_categories: int) -> Floats:
    """Share of each category in what people like her buy, for a user without a history.

    ``Σ_{i of c} e^{w_i} / Σ_i e^{w_i}``, with ``w_i = log p_i + the lifts of her segments``.

    Parameters
    ----------
    log_weights
        ``w``, nats, shape ``(n_items,)``; -inf leaves an item out.
    codes
        Category of each item, shape ``(n_items,)``; -1 is unknown and counts not at all.
    """
    top = log_weights.max(initial=-np.inf)
    weights = np.exp(log_weights - (top if np.isfinite(top) else 0.0))
    return category_mix(weights, codes, n_categories)


class Calibration:
    """Greedy calibration: ``(1−s)·z_i − s·KL(p ‖ q̃)`` with item ``i`` added to the list.

    ``KL(p ‖ q̃) = Σ_c p_c ln(p_c / q̃_c)``, ``q̃ = (1−α)·q + α·p``, ``p`` the user's mix, ``q`` the
    shares in the list (0 while it has no known category), ``α`` = `ALPHA`; ``z`` is the score on
    the scale of `penalty_weight`. Every known category of the list counts the same.

    Parameters
    ----------
    strength
        ``s``, in [0, 1).
    codes
        Category of each item, shape ``(n_items,)``; -1 is unknown: it changes no share.
    mix
        ``p``, shape ``(n_categories,)``; all 0 where nothing is known, and the score decides.

    References
    ----------
    Steck, "Calibrated Recommendations", RecSys 2018; his λ is ``s``.
    """

    def __init__(self, strength: float, codes: Indices, mix: Floats) -> None:
        self._strength = strength
        self._codes = codes
        self._mix = mix
        self._counts = np.zeros(len(mix))
        self._weight: float | None = None
        self._scores = np.empty(0)
        self._of_candidates = np.empty(0, dtype=np.int64)

    def meet(self, items: Indices, scores: Floats) -> None:
        """Take in more candidates; the first ones set the scale."""
        if self._weight is None:
            self._weight = penalty_weight(self._strength, scores)
        self._scores = np.append(self._scores, scores)
        self._of_candidates = np.append(self._of_candidates, self._codes[items])

    def take(self, item: int) -> None:
        """Note that an item is listed."""
        if self._codes[item] >= 0:
            self._counts[self._codes[item]] += 1

    def utilities(self) -> Floats:
        """Return what each candidate is worth at the next place, nats."""
        divergence = np.append(self._with_one_more(), self._divergence(self._counts))
        # Code -1 is the last one: the list as it is.
        return np.asarray(self._scores - (self._weight or 0.0) * divergence[self._of_candidates])

    def _with_one_more(self) -> Floats:
        """Return the divergence after one more of each category, shape ``(n_categories,)``."""
        n = self._counts.sum() + 1
        before = self._parts(self._counts / n)
        after = self._parts((self._counts + 1) / n)
        return np.asarray(before.sum() - before + after)

    def _divergence(self, counts: Floats) -> float:
        return float(self._parts(counts / max(counts.sum(), 1.0)).sum())

    def _parts(self, q: Floats) -> Floats:
        """Return each category's part of the divergence; one that the mix lacks has none."""
        p = self._mix
        mixed = (1 - ALPHA) * q + ALPHA * p
        ratio = np.divide(p, mixed, out=np.ones_like(p), where=p > 0)
        return np.asarray(p * np.log(ratio))
