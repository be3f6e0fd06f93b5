"""Smooth NDCG: a blend's weights climb it by its slope.

``NDCG`` jumps and has no slope. With ``rank_i = 1 + Σ_j σ(s_j − s_i)`` over a user's best
candidates in the place of the rank it has one, and all weights move at once. After Qin, Liu & Li,
"A general approximation framework for direct optimization of information retrieval measures",
Information Retrieval 13 (2010); here the list also ends softly.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from recsys import metrics
from recsys.metrics.hits import discounts
from recsys.ranking.blend import KNOTS
from recsys.ranking.recipe import Repeat
from recsys.ranking.trials import Terms, Trials
from recsys.types import Flags, Floats, Indices

K = 10
"""The list length whose NDCG is raised."""
DEPTH = 40
"""Best candidates whose order is made smooth."""
NARROW = 100
"""Best candidates on which small changes are tried."""
SOFT_END = 2.0
"""Ranks over which the end of the list fades."""
ROUNDS, STEPS = 2, 80
"""How often the best candidates are taken anew, and the steps of ascent between."""
RIDGE = 1e-6
"""What a squared weight costs, in units of its term's spread."""
BINS = (0, 3, 10, 30, 100)
"""The largest number of known items of each bin of activity but the last."""
FEWEST = 300
"""A bin with fewer cases than this counts as much less."""


@dataclass(frozen=True)
class Cases:
    """Trials under a repeat policy, with what each counts.

    Attributes
    ----------
    trials
        Of all windows.
    possible
        Candidates that may be listed, shape ``(n_users, n_candidates)``.
    n_relevant
        Targets to find, shape ``(n_users,)``.
    counts
        What each case counts, shape ``(n_users,)``: bins of activity weigh the same.
    """

    trials: Trials
    possible: Flags
    n_relevant: Indices
    counts: Floats

    def ndcg(self, scores: Terms) -> Floats:
        """NDCG@K of each case, shape ``(n_users,)``; 0 where there is nothing to find."""
        masked = np.where(self.possible, scores, -np.inf)
        return metrics.ndcg(_top(masked, self.trials.hits), np.maximum(self.n_relevant, 1), k=K)

    def mean(self, values: Floats, kept: Flags | slice = slice(None)) -> float:
        """Return the mean of a value of each case, every bin of activity weighing the same."""
        counts = self.counts[kept]
        return float(counts @ values[kept] / max(counts.sum(), 1e-12))


def cases_of(trials: Trials, repeat: Repeat) -> Cases:
    """Hold trials under a repeat policy; a case without anything to find counts nothing."""
    possible, n_relevant = trials.possible(repeat), trials.n_relevant(repeat)
    asked = n_relevant > 0
    bins = np.searchsorted(BINS, trials.n_items, side="left")
    sizes = np.maximum(np.bincount(bins[asked], minlength=len(BINS) + 1), FEWEST)
    return Cases(trials, possible, n_relevant, np.where(asked, 1.0 / sizes[bins], 0.0))


def narrowed(cases: Cases, blend: "Blend") -> Cases:
    """Keep the best candidates of each case by a blend: enough to try small changes of it on."""
    trials = cases.trials
    scores = np.where(cases.possible, blend.scores(trials), -np.inf)
    depth = min(NARROW, scores.shape[1])
    best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]

    def kept(flags: Flags) -> Flags:
        return np.take_along_axis(flags, best, axis=1)

    near = replace(
        trials,
        terms=np.take_along_axis(trials.terms, best[:, :, np.newaxis], axis=1),
        listed=kept(trials.listed),
        hits=kept(trials.hits),
        bought=kept(trials.bought),
        once=kept(trials.once),
    )
    return replace(cases, trials=near, possible=kept(cases.possible))


def _top(scores: Terms, hits: Flags) -> Flags:
    most = min(K, scores.shape[1])
    best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    # An item that may not be listed fills no place, whatever stands there.
    listed = np.isfinite(np.take_along_axis(scores, best, axis=1))
    found = np.take_along_axis(hits, best, axis=1) & listed
    return np.pad(found, ((0, 0), (0, K - most)))


@dataclass(frozen=True)
class Blend:
    """Some columns of trials, with their weights.

    Attributes
    ----------
    columns
        Their names.
    weights
        At each of `KNOTS`, at least 0, shape ``(n_columns, n_knots)``.
    """

    columns: tuple[str, ...]
    weights: Floats

    def scores(self, trials: Trials, rows: Indices | slice = slice(None)) -> Terms:
        """Return the score of each candidate of some users, shape ``(n_rows, n_candidates)``."""
        mine = (trials.shares[rows] @ self.weights.T).astype(np.float32)
        scores = np.zeros(trials.hits[rows].shape, dtype=np.float32)
        for name, weights in zip(self.columns, mine.T, strict=True):
            if weights.any():
                scores += weights[:, np.newaxis] * trials.term(name)[rows]
        return scores

    def moved(self, columns: tuple[str, ...], weights: Floats) -> "Blend":
        """Return the blend with other weights for some columns."""
        changed = self.weights.copy()
        changed[self.places(columns)] = weights
        return Blend(self.columns, changed)

    def having(self, column: str) -> "Blend":
        """Return the blend with a further column of weight 0."""
        return Blend((*self.columns, column), np.vstack([self.weights, np.zeros(len(KNOTS))]))

    def places(self, columns: tuple[str, ...]) -> list[int]:
        """Return where some columns stand."""
        return [self.columns.index(name) for name in columns]


def climb(
    cases: Cases,
    blend: Blend,
    kept: Flags,
    free: tuple[str, ...],
    step_cost: float,
    *,
    shape: Floats | None = None,
) -> Blend:
    """Raise the smooth NDCG of some cases over the weights of some columns.

    Parameters
    ----------
    cases
        Where it is measured.
    blend
        Where the ascent begins; its scale says how sharply candidates are told apart.
    kept
        The cases to learn from, shape ``(n_users,)``.
    free
        Columns whose weights move; the others stay.
    step_cost
        What the squared step of a weight from one knot to the next costs: how alike users of
        neighbouring activities are taken to be.
    shape
        How a weight moves over the knots, shape ``(n_knots,)``: then one number for each column is
        learnt; by default one for each knot.
    """
    rows = np.flatnonzero(kept & (cases.counts > 0) & (cases.possible & cases.trials.hits).any(1))
    if not len(rows) or not free:
        return blend
    basis = np.eye(len(KNOTS)) if shape is None else shape[np.newaxis]
    for _ in range(ROUNDS if shape is None else 1):
        smooth = _smooth(cases, blend, rows, free, basis)
        start = blend.weights[blend.places(free)] @ np.linalg.pinv(basis)
        found = optimize.minimize(
            smooth.loss,
            (start * smooth.spread[:, np.newaxis]).ravel(),
            args=(step_cost,),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * start.size,
            options={"maxiter": STEPS},
        )
        learnt = found.x.reshape(start.shape) / smooth.spread[:, np.newaxis]
        blend = blend.moved(free, learnt @ basis)
    return blend


class _Smooth(NamedTuple):
    """The best candidates of some cases.

    Attributes
    ----------
    fixed
        The part of their scores that does not move, shape ``(n, DEPTH)``.
    inputs
        The terms that do, in units of `spread`, shape ``(n, DEPTH, n_free)``.
    spread
        The standard deviation of each of these terms, shape ``(n_free,)``.
    shares
        Of each case, on each knot or on the shape, shape ``(n, n_knots)`` or ``(n, 1)``.
    rows, places
        Where the targets stand, shape ``(n_hits,)``.
    counts
        What finding each at the first rank is worth; a perfect order of everything sums to 1.
    """

    fixed: Terms
    inputs: Terms
    spread: Floats
    shares: Floats
    rows: Indices
    places: Indices
    counts: Floats

    def loss(self, flat: Floats, step_cost: float) -> tuple[float, Floats]:
        """Return minus the smooth NDCG, with what restrains the weights, and its slope."""
        weights = flat.reshape(self.inputs.shape[2], -1)
        mine = (self.shares @ weights.T).astype(np.float32)
        scores = self.fixed + (self.inputs @ mine[:, :, np.newaxis])[:, :, 0]
        found, pushed = self._climbing(scores)
        rise = (pushed[:, np.newaxis] @ self.inputs)[:, 0]
        held, hold = _restraint(weights, step_cost)
        slope = hold - rise.T.astype(np.float64) @ self.shares
        return held - found, np.asarray(slope.ravel())

    def _climbing(self, scores: Terms) -> tuple[float, Terms]:
        """Return the smooth NDCG, and how it changes with each score."""
        own = scores[self.rows, self.places]
        above = special.expit(scores[self.rows] - own[:, np.newaxis])
        above[np.arange(len(own)), self.places] = 0.0
        gain, change = _discount(1.0 + above.sum(axis=1, dtype=np.float64))
        above *= 1.0 - above
        above *= (self.counts * change).astype(np.float32)[:, np.newaxis]
        above[np.arange(len(own)), self.places] = -above.sum(axis=1)
        starts = np.flatnonzero(np.diff(self.rows, prepend=-1))
        pushed = np.zeros_like(scores)
        pushed[self.rows[starts]] = np.add.reduceat(above, starts, axis=0)
        return float(self.counts @ gain), pushed


def _restraint(weights: Floats, step_cost: float) -> tuple[float, Floats]:
    """Return a little ridge, and what steps between neighbouring knots cost, with the slope."""
    slope = 2 * RIDGE * weights
    # Between nothing known and one item all may change.
    steps = np.diff(weights[:, 1:], axis=1)
    slope[:, 2:] += 2 * step_cost * steps
    slope[:, 1:-1] -= 2 * step_cost * steps
    return RIDGE * float((weights**2).sum()) + step_cost * float((steps**2).sum()), slope


def _discount(rank: Floats) -> tuple[Floats, Floats]:
    """Return what a hit is worth, ``1/log2(1 + rank)`` up to a soft end, and its slope."""
    log, end = np.log2(1.0 + rank), special.expit((K + 0.5 - rank) / SOFT_END)
    falling = end * (1.0 - end) / (SOFT_END * log)
    return end / log, -falling - end / (log**2 * (1.0 + rank) * np.log(2.0))


def _smooth(
    cases: Cases, blend: Blend, rows: Indices, free: tuple[str, ...], basis: Floats
) -> _Smooth:
    trials, allowed = cases.trials, cases.possible[rows]
    scores = np.where(allowed, blend.scores(trials, rows), -np.inf)
    depth = min(DEPTH, scores.shape[1])
    best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    moving = np.stack(
        [np.take_along_axis(trials.term(name)[rows], best, axis=1) for name in free], axis=2
    )
    spread = np.maximum(moving.reshape(-1, len(free)).std(axis=0, dtype=np.float64), 1e-6)
    mine = (trials.shares[rows] @ blend.weights[blend.places(free)].T).astype(np.float32)
    fixed = np.take_along_axis(scores, best, axis=1)
    fixed = fixed - (moving @ mine[:, :, np.newaxis])[:, :, 0]
    # What may not be listed stands above nothing.
    listed = np.take_along_axis(allowed, best, axis=1)
    fixed = np.where(listed, fixed, np.float32(-1e6))
    hits = np.take_along_axis(trials.hits[rows] & allowed, best, axis=1)
    at, places = np.nonzero(hits)
    counts = cases.counts[rows] / cases.counts[rows].sum() / _ideal(cases.n_relevant[rows])
    inputs = moving / spread.astype(np.float32)
    shares = trials.shares[rows] @ basis.T
    return _Smooth(fixed, inputs, spread, shares, at, places, counts[at])


def _ideal(n_relevant: Indices) -> Floats:
    gains = np.cumsum(discounts(K))
    return np.asarray(gains[np.minimum(n_relevant, K) - 1])
