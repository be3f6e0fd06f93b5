"""What rises now against its own past, for everyone and in each segment.

Two windows of one length, the newest and the one before. A user counts once for an item in each
window. With ``a_i`` and ``b_i`` users of item ``i`` after and before, ``A = Σ a_i``, ``B = Σ b_i``:

``rise_i = log((a_i + κ) / (E_i + κ))``, ``E_i = b_i A / B``, ``κ = ΣE² / Σ((a − E)² − V)``,
``V_i = (a_i + b_i) A / B``

the Gamma–Poisson form of the priors: ``E`` is what the item's own past leads to expect in a shop
that grew by ``A / B``, ``V`` is what chance does to ``a − E`` where nothing changed (given
``a + b``, a binomial), and κ, in users, is found by moments. A shop in which nothing changed has
κ = ∞ and no trend. In segment ``g``, ``a_gi = Σ_u m_ug`` over the users, the same once more, shrunk
to what rises for everyone:

``rise_gi = rise_i + log((a_gi + κ_axis) / (E_gi + κ_axis))``,
``E_gi = A_g b_gi e^rise_i / Σ_j b_gj e^rise_j``

so that an item the segment does not know rises there as it does everywhere. (Gamma–Poisson: Clayton
& Kaldor, "Empirical Bayes Estimates of Age-standardized Relative Risks", Biometrics 43(3), 1987.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from recsys.events.schema import ITEM_ID, MICROSECONDS_PER_DAY, TIME, USER_ID
from recsys.interactions.targets import is_target
from recsys.models.lift import log_lift
from recsys.models.related.rows import Rows, best, rows_from, rows_of
from recsys.segments import Memberships
from recsys.types import Flags, Floats, Indices, UserItems
from recsys.vocabulary import Vocabulary

Kind = Literal["rising", "popular"]
AFTER: Final = "after"
LEAST_USERS: Final = 5.0
"""Users in the newest window that an item needs before it is called a trend."""
MOST: Final = 1000
"""Items kept for everyone and for each segment."""


class TrendCounts(NamedTuple):
    """Users of each item in two windows, of shape ``(1 + n_segments, n_items)`` each.

    The first row is everyone; then the segments, a user counting by her weight.
    """

    before: Floats
    after: Floats


@dataclass(frozen=True)
class Trending:
    """What to list as trending.

    Attributes
    ----------
    kind
        ``rising``; or ``popular`` where nothing can be said to rise, for want of times or of two
        whole windows: the popular items then, the same for every segment.
    rows
        For everyone and then for each segment: items and their rise in nats, or ``log p``.
    """

    kind: Kind
    rows: Rows

    def top(
        self, *, k: int, segment: int | None = None, allowed: Flags | None = None
    ) -> tuple[Indices, Floats]:
        """Return the items that rise most, and by how much (nats).

        Parameters
        ----------
        k
            Length of the list, at most; only what rises is listed.
        segment
            Column of the memberships; None = everyone.
        allowed
            Items that may be listed, shape ``(n_items,)``; None = all.
        """
        row = 0 if segment is None or self.kind == "popular" else segment + 1
        items, scores = self.rows.of(row)
        kept = best(items, scores, k=k, allowed=allowed)
        return items[kept], scores[kept]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every array by the name it has in a bundle."""
        return self.rows.arrays("trending")

    def learnt(self) -> dict[str, Any]:
        """Return what is no array, as JSON."""
        return {"kind": self.kind}


def trending_from(arrays: Mapping[str, npt.NDArray[Any]], learnt: Mapping[str, Any]) -> Trending:
    """Build it again from what `Trending.arrays` and `Trending.learnt` gave."""
    return Trending(learnt["kind"], rows_from(arrays, "trending"))


def trend_table(
    events: nw.LazyFrame[Any], target: list[str], *, as_of: int, days: float
) -> pd.DataFrame:
    """Return who dealt with what in either window: distinct ``user_id, item_id, after``.

    Parameters
    ----------
    events
        Accepted events with times, all before `as_of`.
    target
        The event types that count.
    as_of
        Microseconds; where the newer window ends.
    days
        Length of either window.
    """
    window = round(days * MICROSECONDS_PER_DAY)
    recent = events.filter(is_target(target) & (nw.col(TIME) >= as_of - 2 * window))
    pairs = recent.select(USER_ID, ITEM_ID, (nw.col(TIME) >= as_of - window).alias(AFTER))
    table: pd.DataFrame = pairs.unique().collect("pandas").to_native()
    return table


def count_trends(table: pd.DataFrame, memberships: Memberships, items: Vocabulary) -> TrendCounts:
    """Count the users of each item in each window, for everyone and by segment.

    Parameters
    ----------
    table
        As `trend_table` returns it.
    memberships
        As of the same moment; a user who is not in it counts for everyone only.
    items
        The vocabulary the columns refer to.
    """
    after = table[AFTER].to_numpy(dtype=bool)
    sides = [_count(table[side], memberships, items) for side in (~after, after)]
    return TrendCounts(sides[0], sides[1])


def _count(pairs: pd.DataFrame, memberships: Memberships, items: Vocabulary) -> Floats:
    item, user = items.index_of(pairs[ITEM_ID]), memberships.users.index_of(pairs[USER_ID])
    everyone = np.bincount(item[item >= 0], minlength=len(items)).astype(np.float64)
    known = (item >= 0) & (user >= 0)
    shape = (len(memberships.users), len(items))
    # Built from sorted cells, so that the sums over users do not depend on the order of the rows.
    order = np.lexsort((item[known], user[known]))
    cells = (user[known][order], item[known][order])
    users: UserItems = sparse.csr_matrix((np.ones(len(order)), cells), shape=shape)
    return np.vstack([everyone, (memberships.matrix.T @ users).toarray()])


def fit_trending(counts: TrendCounts | None, axes: Sequence[slice], popularity: Floats) -> Trending:
    """Find what rises.

    Parameters
    ----------
    counts
        Of both windows. None: the shop has no times, or its events do not reach back two windows.
    axes
        Each axis' slice of the segments; the segments of one share a κ.
    popularity
        ``log p_i``, shape ``(n_items,)``: what is listed where `counts` is None.
    """
    if counts is None:
        return Trending("popular", _listed(popularity[np.newaxis], np.ones_like(popularity, bool)))
    rise = rises(counts, axes)
    return Trending("rising", _listed(rise, counts.after[0] >= LEAST_USERS, above=0.0))


def rises(counts: TrendCounts, axes: Sequence[slice]) -> Floats:
    """Return the rise of each item for everyone and in each segment, shape like the counts."""
    before, after = counts
    overall = _shrunk(before[:1], after[:1], np.zeros(before.shape[1]))
    rise = np.repeat(overall, len(before), axis=0)
    for axis in axes:
        mine = slice(axis.start + 1, axis.stop + 1)
        rise[mine] += _shrunk(before[mine], after[mine], overall[0])
    return rise


def _shrunk(before: Floats, after: Floats, tilt: Floats) -> Floats:
    """Return ``log((a + κ) / (E + κ))`` of rows that share a κ; `tilt` is expected anyway."""
    tilted = before * np.exp(tilt)
    total = tilted.sum(axis=1, keepdims=True)
    growth = np.exp(tilt) * after.sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
    expected, chance = before * growth, (before + after) * growth
    excess = float(((after - expected) ** 2 - chance).sum())
    if excess <= 0:
        return np.zeros_like(before)
    kappa = float((expected**2).sum()) / excess
    return log_lift(after, expected, kappa) if kappa > 0 else np.zeros_like(before)


def _listed(score: Floats, candidate: Flags, *, above: float = -np.inf) -> Rows:
    row, item = np.nonzero(candidate & (score > above))
    value = score[row, item]
    return rows_of(row, item, value, value, n_rows=len(score), most=MOST)
