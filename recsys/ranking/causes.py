"""What in a history speaks for an item: the parts that terms of a score are the sum of."""

from typing import Final, NamedTuple

import numpy as np

from recsys.models import ALS, Centre, Model, Neighbours
from recsys.models.fold_in import Origin
from recsys.ranking.blend import folded_in, user_origin
from recsys.ranking.customers import Customers
from recsys.types import Factors, Floats, Indices

FOREMOST: Final = 16
WIDER: Final = 4
"""What goes with an item is looked for among so many items that she deals with most, and where none
of those does among so many times more, and so on: they tell a shopper more than what she bought
once, and rows of neighbours are long."""
DIGITS: Final = 4
"""Shares are float32, and rounded: what is named must not hang on how a processor adds up."""


class AlsParts(NamedTuple):
    """What adds up to ``x_u · y_i``, for some items ``i``.

    Attributes
    ----------
    items
        Those items of the history that have a part, ascending, shape ``(n,)``.
    own
        ``c_uj y_jᵀ A⁻¹ y_i``, shape ``(n_shown, n)``; 0 where `j` is not preferred.
    segments
        What the user's segments move her centre by, ``(P (m_u − m))ᵀ A⁻¹ y_i``, shape
        ``(n_shown,)``.
    mean
        The mean user's part, ``(P m)ᵀ A⁻¹ y_i``, shape ``(n_shown,)``.
    """

    items: Indices
    own: Factors
    segments: Factors
    mean: Factors

    def shares(self) -> "AlsParts":
        """Return the parts as shares of what speaks for each item, rounded."""
        speaking = np.maximum(self.own, 0.0).sum(axis=1)
        speaking += np.maximum(self.segments + self.mean, 0.0)
        whole = np.maximum(speaking, np.finfo(np.float32).tiny)
        own = np.round(self.own / whole[:, np.newaxis], DIGITS)
        segments, mean = (np.round(part / whole, DIGITS) for part in (self.segments, self.mean))
        return self._replace(own=own, segments=segments, mean=mean)


def als_parts(
    model: Model,
    customers: Customers,
    user_index: int,
    centre: Centre,
    shown: Indices,
    origin: Origin | None = None,
) -> AlsParts:
    """Take the dot product of a user and some items apart.

    With ``A = YᵀY + Σ (|c| − 1) y yᵀ + P`` the user's vector is ``A⁻¹ (Σ_{p=1} c y + P m_u)``, so
    that ``x_u · y_i`` is a sum over the items of her history and her centre (Hu, Koren, Volinsky
    2008, §5); its term in the score is that sum times her weight of ``als``, divided by ``s_u``.

    Parameters
    ----------
    model
        What was learnt.
    customers, user_index
        The user.
    centre
        Where her fold-in starts from.
    shown
        Item indices, shape ``(n_shown,)``.
    origin
        What her vector comes from, where that is known.
    """
    known = origin or user_origin(model, customers, user_index, centre)
    items, signed = folded_in(model, customers, user_index)
    factors = model.rows(shown)[:, model.blocks[ALS]]
    preferred = np.maximum(signed, 0.0).astype(np.float32)
    own = (known.influence(factors) @ model.fold_in.item_factors[items].T) * preferred
    return AlsParts(items, own, factors @ known.moved, factors @ known.mean)


def near_causes(
    neighbours: Neighbours, history: Indices, weights: Floats, shown: Indices
) -> Indices:
    """Return the item of a history that speaks most for each of some items.

    It is the `j` with the largest ``w_uj S_ji``, looked for among the `FOREMOST` that count most;
    where none of those has `i` as a neighbour among the next, `WIDER` each time.

    Parameters
    ----------
    neighbours
        ``S``.
    history, weights
        Item indices, ascending, and ``w_uj`` of each.
    shown
        Item indices, shape ``(n_shown,)``.

    Returns
    -------
    ndarray
        Item indices, shape ``(n_shown,)``; −1 where nothing speaks.
    """
    causes = np.full(len(shown), -1, dtype=np.int64)
    order = np.argsort(-weights, kind="stable")
    start, stop = 0, FOREMOST
    while start < len(order) and len(open_ := np.flatnonzero(causes < 0)):
        some = np.sort(order[start:stop])
        strengths = near_strengths(neighbours, history[some], shown[open_])
        parts = weights[some, np.newaxis] * strengths
        speaking = parts.any(axis=0)
        causes[open_[speaking]] = history[some[parts.argmax(axis=0)[speaking]]]
        start, stop = stop, WIDER * stop
    return causes


def near_strengths(neighbours: Neighbours, items: Indices, shown: Indices) -> Floats:
    """Return ``S_ji`` of each item `j` of `items` and each `i` of `shown`.

    Returns
    -------
    ndarray
        Shape ``(n_items, n_shown)``; 0 where `i` is not among the kept neighbours of `j`.
    """
    strengths = np.zeros((len(items), len(shown)))
    if not len(items):
        return strengths
    starts, stops = neighbours.indptr[items], neighbours.indptr[items + 1]
    # Rows are long and lie in one piece each: copying them is cheaper than picking their entries.
    pieces = zip(starts.tolist(), stops.tolist(), strict=True)
    near = np.concatenate([neighbours.indices[start:stop] for start, stop in pieces])
    among = np.zeros(len(neighbours.indptr) - 1, dtype=np.bool_)
    among[shown] = True
    hits = np.flatnonzero(among.take(near))
    ends = np.cumsum(stops - starts)
    rows = np.searchsorted(ends, hits, side="right")
    order = np.argsort(shown)
    columns = order[np.searchsorted(shown, near[hits], sorter=order)]
    strengths[rows, columns] = neighbours.data[stops[rows] - (ends[rows] - hits)]
    return strengths
