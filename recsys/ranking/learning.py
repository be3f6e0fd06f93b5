"""What each signal weighs, learnt on windows before the cut from users left out of the fit.

All weights of a blend climb the smooth NDCG of the windows at once (`smooth`). Axes come in one by
one: each must gain beyond noise on the windows that its weight was not learnt on. The same holds
for the centre of the fold-in: it moves to a user's segments only where that earns something.

Lost against this, on windows of two grocers: the likelihood of purchases among the candidates,
which spends its weights on the tail (−6 % NDCG@10), and coordinate ascent over a grid.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from recsys.models import ALS, HABIT, NEIGHBOURS, POPULARITY, PRIOR, TASTE, TREND, Centre
from recsys.ranking.blend import KNOTS, Weights
from recsys.ranking.recipe import Repeat
from recsys.ranking.smooth import Blend, Cases, cases_of, climb, narrowed
from recsys.ranking.trials import AROUND, Trials
from recsys.types import Flags, Floats, Indices

FIRST_SCALE = 4.0
"""Of the largest weight at the start, in units of its term's spread."""
STEP_COSTS = (1e-4, 1e-5, 1e-6)
"""What a step of a weight between knots may cost; chosen on cases the weights had no part in."""
SHAPES = ((1, 0, 0, 0, 0, 0, 0), (1, 0.6, 0.35, 0.2, 0.1, 0.05, 0), (1, 1, 1, 1, 1, 1, 1))
"""How an axis' weight may move over the knots: for nobody known, fading, always. One number is
learnt for it: with one for each knot the noise of seven hides what an axis gains."""
FOLDS = 3
"""Where there is one window alone, users are dealt to so many parts."""
STANDARD_ERRORS = 2.0
"""What a step must gain on cases it was not learnt on."""
START = {ALS: 0.2, POPULARITY: 0.2, TREND: 0.2, HABIT: 2.0, NEIGHBOURS: 0.2, TASTE: 0.2}
"""Where the ascent begins, at every knot; axes begin at 0."""
CENTRE = "centre"
"""Among the gains: that of moving the centre of the fold-in to a user's segments."""


class Learnt(NamedTuple):
    """What learning a variant's weights found.

    Attributes
    ----------
    weights
        At every knot.
    ndcg
        On cases the weights had no part in; bins of activity weigh the same.
    gains
        Axis, or ``centre`` -> mean gain and its standard error when it was tried last, on cases
        that its weight was not learnt on.
    """

    weights: Weights
    ndcg: float
    gains: dict[str, tuple[float, float]]


def unlearnt(signals: Sequence[str]) -> Learnt:
    """Return the start of the ascent, for a shop with too little to learn from."""
    base = {signal: START[signal] for signal in signals if signal in START}
    even = {signal: (weight,) * len(KNOTS) for signal, weight in base.items()}
    return Learnt(Weights(signals=even, centre="mean"), math.nan, {})


class Learner:
    """Learns the weights of variants from one set of trials.

    Parameters
    ----------
    trials
        Of all windows.
    """

    def __init__(self, trials: Trials) -> None:
        self.trials = trials
        self._begun: dict[tuple[tuple[str, ...], Repeat], _State] = {}

    def learn(self, signals: Sequence[str], *, centre: Centre, repeat: Repeat) -> Learnt:
        """Learn the weights of a variant.

        Parameters
        ----------
        signals
            The variant's signals.
        centre
            Whether its fold-in may start from a user's segments.
        repeat
            Its policy.
        """
        cases = cases_of(self.trials, repeat)
        if not (cases.counts.any() and cases.possible.any()):
            return unlearnt(signals)
        options = [s for s in signals if s.startswith(PRIOR) and s in self.trials.columns]
        if centre == "segments" and ALS in signals:
            options.append(CENTRE)
        begun = self._without_segments(cases, signals, repeat)
        state, gains = _selected(cases, begun, options)
        return Learnt(_weights(state.blends[-1]), state.mean(cases), gains)

    def _without_segments(self, cases: Cases, signals: Sequence[str], repeat: Repeat) -> "_State":
        # Variants with and without segments begin alike.
        base = _telling(cases, [signal for signal in START if signal in signals])
        if (base, repeat) not in self._begun:
            self._begun[base, repeat] = _begun(cases, base)
        return self._begun[base, repeat]


class _State(NamedTuple):
    """The same columns, learnt once without each fold, and last on everything.

    Attributes
    ----------
    kept
        Which cases each was learnt from.
    blends
        One for each.
    step_cost
        See `climb`.
    """

    kept: tuple[Flags, ...]
    blends: tuple[Blend, ...]
    step_cost: float

    def ndcg(self, cases: Sequence[Cases]) -> Floats:
        """NDCG of each case by the weights that it had no part in, shape ``(n_users,)``.

        Parameters
        ----------
        cases
            The same for each blend, or narrowed by it.
        """
        values = np.zeros(len(cases[0].counts))
        for one, kept, blend in zip(cases, self.kept[:-1], self.blends, strict=False):
            values[~kept] = one.ndcg(blend.scores(one.trials))[~kept]
        return values

    def mean(self, cases: Cases) -> float:
        """Return the mean NDCG of cases by weights that they had no part in."""
        return cases.mean(self.ndcg([cases] * len(self.kept)))


def _telling(cases: Cases, signals: Sequence[str]) -> tuple[str, ...]:
    """Leave out signals that tell no candidates apart, such as a taste without categories."""
    spreads = [np.ptp(cases.trials.term(one)[cases.possible]) for one in _columns(signals)]
    telling = [one for one, spread in zip(signals, spreads, strict=True) if spread > 0]
    return tuple(telling or signals)


def _columns(signals: Sequence[str]) -> tuple[str, ...]:
    return tuple(AROUND + "mean" if signal == ALS else signal for signal in signals)


def _begun(cases: Cases, signals: Sequence[str]) -> _State:
    """Learn the weights of everything but axes."""
    columns = _columns(signals)
    even = np.repeat([START[signal] for signal in signals], len(KNOTS))
    start = _sharp(cases, Blend(columns, even.reshape(-1, len(KNOTS))))
    kept = tuple(_kept(cases))
    # A lone signal stays where it is: scaling it changes no order, zero would lose it.
    if len(columns) < 2:
        return _State(kept, (start,) * len(kept), STEP_COSTS[0])
    states = [_climbed(cases, _State(kept, (start,) * len(kept), cost)) for cost in STEP_COSTS]
    return max(states, key=lambda state: state.mean(cases))


def _climbed(cases: Cases, state: _State) -> _State:
    """Move all weights of every blend but those of axes."""
    blends = [
        climb(
            cases,
            blend,
            kept,
            tuple(name for name in blend.columns if not name.startswith(PRIOR)),
            state.step_cost,
        )
        for kept, blend in zip(state.kept, state.blends, strict=True)
    ]
    return state._replace(blends=tuple(blends))


def _kept(cases: Cases) -> Iterable[Flags]:
    folds = _folds(cases.trials)
    for fold in np.unique(folds):
        yield folds != fold
    yield np.ones(len(folds), dtype=bool)


def _folds(trials: Trials) -> Indices:
    several = len(np.unique(trials.window)) > 1
    return trials.window if several else trials.owner % FOLDS


def _sharp(cases: Cases, blend: Blend) -> Blend:
    """Scale a blend so that its largest term tells candidates clearly apart."""
    spreads = [cases.trials.term(name)[cases.possible].std() for name in blend.columns]
    largest = float(np.max(blend.weights * np.asarray(spreads)[:, np.newaxis], initial=0.0))
    return Blend(blend.columns, blend.weights * (FIRST_SCALE / largest if largest > 0 else 1.0))


def _selected(
    cases: Cases, state: _State, options: Sequence[str]
) -> tuple[_State, dict[str, tuple[float, float]]]:
    """Take in one option after the other, the best first, until none gains beyond noise."""
    gains: dict[str, tuple[float, float]] = {}
    remaining = list(options)
    while remaining:
        near = [narrowed(cases, blend) for blend in state.blends]
        current = state.ndcg(near)
        tried = [state._replace(blends=tuple(_tried(near, state, one))) for one in remaining]
        found = [_gain(cases, one.ndcg(near) - current) for one in tried]
        gains |= dict(zip(remaining, found, strict=True))
        place = int(np.argmax([gain for gain, _ in found]))
        gain, error = found[place]
        if gain <= STANDARD_ERRORS * error or gain <= 0:
            break
        state = _climbed(cases, tried[place])
        remaining.pop(place)
    return state, gains


def _tried(near: Sequence[Cases], state: _State, option: str) -> Iterable[Blend]:
    """Take an option in, the others staying as they are."""
    for cases, kept, blend in zip(near, state.kept, state.blends, strict=True):
        if option == CENTRE:
            yield _around_segments(blend)
        else:
            yield _with_axis(cases, blend.having(option), kept, option)


def _with_axis(cases: Cases, blend: Blend, kept: Flags, axis: str) -> Blend:
    """Learn an axis' weight in every shape, and return the best."""
    shapes = [np.asarray(shape, dtype=np.float64) for shape in SHAPES]
    blends = [climb(cases, blend, kept, (axis,), 0.0, shape=shape) for shape in shapes]
    return max(
        blends,
        key=lambda one: cases.mean(cases.ndcg(one.scores(cases.trials)), kept),
    )


def _around_segments(blend: Blend) -> Blend:
    columns = tuple(c.replace(AROUND + "mean", AROUND + "segments") for c in blend.columns)
    return Blend(columns, blend.weights)


def _gain(cases: Cases, difference: Floats) -> tuple[float, float]:
    """Return the mean gain and its standard error; the cases of one user are one observation."""
    owners = cases.trials.window * (cases.trials.owner.max() + 1) + cases.trials.owner
    share = cases.counts / cases.counts.sum()
    mean = float(share @ difference)
    sums = np.bincount(owners, weights=share * (difference - mean))
    return mean, float(math.sqrt((sums**2).sum()))


def _weights(blend: Blend) -> Weights:
    """Scale weights so that the largest of popularity is 1: it is in nats, and so are priors."""
    largest = blend.weights.max(axis=1)
    popular = blend.columns.index(POPULARITY) if POPULARITY in blend.columns else -1
    unit = largest[popular] if popular >= 0 and largest[popular] > 0 else largest.max(initial=0.0)
    scaled = blend.weights / (unit if unit > 0 else 1.0)
    names = [ALS if name.startswith(AROUND) else name for name in blend.columns]
    around: Centre = "segments" if AROUND + "segments" in blend.columns else "mean"
    rows = [tuple(row) for row in scaled.tolist()]
    return Weights(signals=dict(zip(names, rows, strict=True)), centre=around)
