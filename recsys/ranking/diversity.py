"""Diversity: an item like what already stands above it has to be better than that to follow."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsys.types import Config, Factors, Floats, Indices

Strength = Annotated[float, Field(ge=0, lt=1)]
"""``s``: what the second aim weighs against ``1 − s`` of the score."""

Rows: TypeAlias = npt.NDArray[Any]


class MmrConfig(Config):
    """Maximal marginal relevance."""

    kind: Literal["mmr"]
    strength: Strength = Field(0.2, description="0: by score alone; towards 1: by unlikeness")


class Similarity(NamedTuple):
    """How alike items are.

    Attributes
    ----------
    rows
        What is compared of some items: one row, or one code, for each.
    to
        The similarity of each row to one row, at most 1.
    """

    rows: Callable[[Indices], Rows]
    to: Callable[[Rows, Rows], Floats]


def by_factors(factors_of: Callable[[Indices], Factors]) -> Similarity:
    """Cosine of the item factors, in [−1, 1]; 0 with an item whose factors are all 0.

    Parameters
    ----------
    factors_of
        Returns those of some items, shape ``(n, d)``.
    """

    def rows(items: Indices) -> Floats:
        listed = factors_of(items).astype(np.float64)
        length = np.sqrt((listed * listed).sum(axis=1, keepdims=True))
        return np.asarray(np.divide(listed, length, out=np.zeros_like(listed), where=length > 0))

    # Each row is summed by itself: the same for one item as among a thousand, unlike in BLAS.
    return Similarity(rows, lambda listed, row: np.einsum("ij,j->i", listed, row[0]))


def by_category(codes: Indices) -> Similarity:
    """1 for items of the same category, else 0; an item of none (code -1) is like no other.

    Parameters
    ----------
    codes
        Category of each item, shape ``(n_items,)``.
    """
    return Similarity(
        lambda items: codes[items],
        lambda listed, row: ((listed == row) & (listed >= 0)).astype(np.float64),
    )


def penalty_weight(strength: float, scores: Floats) -> float:
    """Return what a penalty of 1 takes from a score, nats: ``s/(1−s) · (max − min of the pool)``.

    To choose by ``score − weight·penalty`` is to choose by ``(1−s)·z − s·penalty`` with
    ``z = (score − min)/(max − min)``: the best of the pool has 1 and the last 0, and the utility
    is still in the score's own unit, which is the unit of an exploration's temperature too.
    """
    return strength / (1 - strength) * float(np.ptp(scores)) if len(scores) else 0.0


NO_ITEMS: Final[Indices] = np.empty(0, dtype=np.int64)


class Mmr:
    """Maximal marginal relevance: ``(1−s)·z_i − s·max_{j listed} sim(i, j)``.

    ``z`` is the score on the scale of `penalty_weight`; with nothing listed the penalty is 0.

    Parameters
    ----------
    strength
        ``s``, in [0, 1).
    similarity
        ``sim``.

    References
    ----------
    Carbonell & Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and
    Producing Summaries", SIGIR 1998; their λ is ``1 − s``.
    """

    def __init__(self, strength: float, similarity: Similarity) -> None:
        self._strength = strength
        self._similarity = similarity
        self._weight: float | None = None
        self._scores = np.empty(0)
        self._rows: Rows = similarity.rows(NO_ITEMS)
        self._closest = np.empty(0)
        self._listed: list[Rows] = []

    def meet(self, items: Indices, scores: Floats) -> None:
        """Take in more candidates; the first ones set the scale."""
        if self._weight is None:
            self._weight = penalty_weight(self._strength, scores)
        rows = self._similarity.rows(items)
        closest = np.full(len(items), -np.inf)
        for row in self._listed:
            closest = np.maximum(closest, self._similarity.to(rows, row))
        self._scores = np.append(self._scores, scores)
        self._rows = np.concatenate([self._rows, rows])
        self._closest = np.append(self._closest, closest)

    def take(self, item: int) -> None:
        """Note that an item is listed."""
        row = self._similarity.rows(np.asarray([item]))
        self._listed.append(row)
        self._closest = np.maximum(self._closest, self._similarity.to(self._rows, row))

    def utilities(self) -> Floats:
        """Return what each candidate is worth at the next place, nats."""
        if not self._listed:
            return self._scores
        return np.asarray(self._scores - (self._weight or 0.0) * self._closest)
