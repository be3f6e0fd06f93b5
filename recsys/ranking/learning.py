"""Weights from a window before the cut: coordinate ascent over a small grid, by NDCG.

Every signal is computed once for a sample of users on a fixed set of candidates; a trial of weights
then costs one weighted sum. Axes come in by forward selection: one that does not gain beyond noise
keeps weight 0.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsys import metrics
from recsys.models import ALS, HABIT, POPULARITY, PRIOR, Model
from recsys.ranking.blend import Weights, coordinates, own_terms
from recsys.ranking.customers import Customers
from recsys.ranking.ranker import hidden_items, spread
from recsys.ranking.recipe import Variant
from recsys.types import Flags, Floats, Indices

K = 10
"""The list length whose NDCG is raised."""
CANDIDATES = 100
"""Best items by the factors, and by popularity, that a trial ranks besides the user's own."""
HABITS = 200
"""Of the user's own items, those with the strongest habit."""
USERS_AT_ONCE = 128
START = {ALS: 0.2, POPULARITY: 0.1, HABIT: 2.0}
"""Where the ascent begins, at both ends; axes begin at 0.

Only ratios matter, so popularity stays where it is: it can never vanish for new users.
"""
START_HALF = 10.0
FACTORS = (0.0, 0.25, 0.5, 0.7, 1.4, 2.0, 4.0)
"""What a weight is multiplied by in a trial."""
AXIS_WEIGHTS = (0.1, 0.2, 0.4, 0.8)
"""Weights tried for a new axis; in nats, and their sum stays at most 1."""
HALVES = (2.0, 5.0, 10.0, 20.0, 50.0)
SWEEPS = 3
FEWEST_USERS = 2
"""With fewer there is no standard error, and nothing is learnt."""
SMALLEST_GAIN = 1e-4
"""A step of the ascent must gain at least this share of the objective."""
STANDARD_ERRORS = 3.0
"""A new axis must gain this many standard errors: some tens of trials are looked at."""


class Learnt(NamedTuple):
    """What learning a variant's weights found.

    Attributes
    ----------
    weights
        At both ends.
    ndcg
        On the learning window, with the weights as learnt.
    gains
        Axis -> mean gain and its standard error when it was tried last.
    """

    weights: Weights
    ndcg: float
    gains: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Trials:
    """The terms of a sample of users on their candidates.

    Attributes
    ----------
    terms
        Signal -> unweighted term, float32, shape ``(n_users, n_candidates)``.
    possible
        False where a row has fewer candidates, or the item may not be ranked.
    hits
        Whether a candidate is a target, shape ``(n_users, n_candidates)``.
    n_relevant
        Targets of each user, found or not, shape ``(n_users,)``.
    activity
        ``n`` of each user, shape ``(n_users,)``.
    """

    terms: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]
    possible: Flags
    hits: Flags
    n_relevant: Indices
    activity: Floats

    def ndcg(self, weights: Weights) -> Floats:
        """NDCG@K of each user under `weights`, shape ``(n_users,)``."""
        g = self.activity / (self.activity + weights.half)
        scores = np.where(self.possible, np.float32(0), np.float32(-np.inf))
        for signal, values in self.terms.items():
            cold, warm = weights.cold.get(signal, 0.0), weights.warm.get(signal, 0.0)
            if cold or warm:
                scores += (cold + (warm - cold) * g).astype(np.float32)[:, np.newaxis] * values
        return metrics.ndcg(_top(scores, self.hits), self.n_relevant, k=K)


def _top(scores: np.ndarray[tuple[int, int], np.dtype[np.float32]], hits: Flags) -> Flags:
    best = np.argpartition(-scores, K - 1, axis=1)[:, :K]
    ordered = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(hits, np.take_along_axis(best, ordered, axis=1), axis=1))


def collect(
    model: Model, customers: Customers, targets: Sequence[Indices], variant: Variant
) -> Trials:
    """Compute every signal of a variant on each user's candidates.

    Parameters
    ----------
    model
        Fitted before the window.
    customers
        As of the window's start.
    targets
        For each customer the item indices she went on to buy (-1: outside the catalogue).
    variant
        Its signals, centre and repeat policy.
    """
    signals = variant.signals(model.segments)
    rows = list(_rows(model, customers, variant, signals))
    width = max(max((len(items) for items, _ in rows), default=0), K)
    shape = (len(rows), width)
    terms = {signal: np.zeros(shape, dtype=np.float32) for signal in signals}
    possible, hits = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for user, (items, values) in enumerate(rows):
        possible[user, : len(items)] = True
        hits[user, : len(items)] = np.isin(items, targets[user])
        for signal in signals:
            terms[signal][user, : len(items)] = values[signal]
    largest = model.interactions.largest_weight
    activity = [customers.activity(user, largest) for user in range(len(rows))]
    n_relevant = np.asarray([len(items) for items in targets], dtype=np.int64)
    return Trials(terms, possible, hits, n_relevant, np.asarray(activity))


def _rows(
    model: Model, customers: Customers, variant: Variant, signals: Sequence[str]
) -> Iterator[tuple[Indices, dict[str, Floats]]]:
    """Yield each user's candidates and their terms, in blocks of bounded memory."""
    dense = [signal for signal in model.blocks if signal in signals]
    centre = variant.recipe.fold_in_centre
    n_users = len(customers.users)
    for start in range(0, n_users, USERS_AT_ONCE):
        users = range(start, min(start + USERS_AT_ONCE, n_users))
        mine = [coordinates(model, customers, user, centre) for user in users]
        pools = [_best(model, mine, block) for block in _pools(dense)]
        for row, user in enumerate(users):
            own = own_terms(model, customers, user)
            items = _candidates(model, customers, user, own, [pool[row] for pool in pools], variant)
            yield items, _terms(model, customers, user, mine[row], own, items, dense)


def _pools(dense: Sequence[str]) -> list[dict[str, float]]:
    """Return the blends whose best items are candidates: the factors, and what is popular."""
    # Priors alone favour the tail: they matter as a nudge to popularity, so that is what they rank.
    nudge = {s: 0.3 for s in dense if s.startswith(PRIOR)}
    popular = {POPULARITY: 1.0, **nudge} if POPULARITY in dense else nudge
    return [pool for pool in ({ALS: 1.0} if ALS in dense else {}, popular) if pool]


def _best(model: Model, mine: Sequence[dict[str, Floats]], pool: dict[str, float]) -> Indices:
    queries = np.zeros((len(mine), model.columns.shape[1]), dtype=np.float32)
    for row, parts in enumerate(mine):
        for signal, weight in pool.items():
            queries[row, model.blocks[signal]] = weight * parts[signal]
    scores = queries @ model.columns.T
    scores[:, ~model.catalogue.available] = -np.inf
    most = min(CANDIDATES, scores.shape[1])
    return np.asarray(np.argpartition(-scores, most - 1, axis=1)[:, :most])


def _candidates(
    model: Model,
    customers: Customers,
    user: int,
    own: dict[str, Floats],
    pools: Sequence[Indices],
    variant: Variant,
) -> Indices:
    pairs = customers.histories.rows(user)
    history = customers.histories.items[pairs]
    strongest = np.argsort(-own[HABIT], kind="stable")[:HABITS]
    items = np.unique(np.concatenate([history[strongest], *pools]))
    allowed = model.catalogue.available.copy()
    allowed[hidden_items(model, customers.histories, pairs, variant)] = False
    return np.asarray(items[allowed[items]])


def _terms(
    model: Model,
    customers: Customers,
    user: int,
    mine: dict[str, Floats],
    own: dict[str, Floats],
    items: Indices,
    dense: Sequence[str],
) -> dict[str, Floats]:
    columns = model.columns[items].astype(np.float64)
    values = {signal: columns[:, model.blocks[signal]] @ mine[signal] for signal in dense}
    history = customers.histories.items[customers.histories.rows(user)]
    for signal, part in own.items():
        values[signal] = spread(history, part, items)
    return values


def unlearnt(signals: Sequence[str]) -> Learnt:
    """Return the start of the ascent, for a shop with too little to learn from."""
    base = {signal: START[signal] for signal in signals if signal in START}
    return Learnt(Weights(cold=base, warm=base, half=START_HALF), math.nan, {})


def learn(trials: Trials, signals: Sequence[str]) -> Learnt:
    """Raise the mean NDCG over the sample.

    Parameters
    ----------
    trials
        The terms of the sample.
    signals
        The variant's signals.

    Returns
    -------
    Learnt
        Weights at both ends, and what each axis gained.
    """
    if len(trials.activity) < FEWEST_USERS:
        return unlearnt(signals)
    axes = [signal for signal in signals if signal.startswith(PRIOR)]
    start = unlearnt(signals).weights
    # A lone signal stays where it is as well: scaling it changes no order, zero would lose it.
    moved = [signal for signal in start.cold if signal != POPULARITY and len(start.cold) > 1]
    weights, _ = _ascend(trials, start, moved)
    weights, gains = _add_axes(trials, weights, axes)
    values = trials.ndcg(weights)
    return Learnt(weights, float(values.mean()), gains)


def _ascend(trials: Trials, weights: Weights, signals: Sequence[str]) -> tuple[Weights, Floats]:
    best = trials.ndcg(weights)
    for _ in range(SWEEPS):
        before = best.mean()
        for trial_of in (_both_ends, _one_end, _halves):
            for trial in trial_of(weights, signals):
                values = trials.ndcg(trial)
                if values.mean() > best.mean() * (1 + SMALLEST_GAIN):
                    weights, best = trial, values
        if best.mean() <= before * (1 + SMALLEST_GAIN):
            break
    return weights, best


def _both_ends(weights: Weights, signals: Sequence[str]) -> Iterator[Weights]:
    for signal in signals:
        for factor in FACTORS:
            yield _scaled(weights, signal, factor, factor)


def _one_end(weights: Weights, signals: Sequence[str]) -> Iterator[Weights]:
    for signal in signals:
        for factor in FACTORS:
            yield _scaled(weights, signal, factor, 1.0)
            yield _scaled(weights, signal, 1.0, factor)


def _halves(weights: Weights, signals: Sequence[str]) -> Iterator[Weights]:
    del signals
    for half in HALVES:
        yield weights.model_copy(update={"half": half})


def _scaled(weights: Weights, signal: str, cold: float, warm: float) -> Weights:
    return Weights(
        cold={**weights.cold, signal: weights.cold[signal] * cold},
        warm={**weights.warm, signal: weights.warm[signal] * warm},
        half=weights.half,
    )


def _add_axes(
    trials: Trials, weights: Weights, axes: Sequence[str]
) -> tuple[Weights, dict[str, tuple[float, float]]]:
    gains: dict[str, tuple[float, float]] = {}
    current = trials.ndcg(weights)
    remaining = list(axes)
    while remaining and any(_with_axis(weights, remaining[0])):
        tried = [_best_of_axis(trials, weights, current, axis) for axis in remaining]
        gains |= {
            axis: (gain, error) for axis, (_, gain, error) in zip(remaining, tried, strict=True)
        }
        position = int(np.argmax([gain for _, gain, _ in tried]))
        chosen, gain, error = tried[position]
        if gain <= STANDARD_ERRORS * error or gain <= 0:
            break
        weights, current = chosen, trials.ndcg(chosen)
        remaining.pop(position)
    return weights, gains


def _best_of_axis(
    trials: Trials, weights: Weights, current: Floats, axis: str
) -> tuple[Weights, float, float]:
    best, best_gain, best_error = weights, -math.inf, 0.0
    for trial in _with_axis(weights, axis):
        difference = trials.ndcg(trial) - current
        if difference.mean() > best_gain:
            best, best_gain = trial, float(difference.mean())
            best_error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    return best, best_gain, best_error


def _with_axis(weights: Weights, axis: str) -> Iterator[Weights]:
    for cold, warm in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
        for weight in AXIS_WEIGHTS:
            trial = Weights(
                cold={**weights.cold, axis: cold * weight},
                warm={**weights.warm, axis: warm * weight},
                half=weights.half,
            )
            if _axis_mass(trial.cold) <= 1.0 and _axis_mass(trial.warm) <= 1.0:
                yield trial


def _axis_mass(weights: dict[str, float]) -> float:
    return sum(weight for signal, weight in weights.items() if signal.startswith(PRIOR))
