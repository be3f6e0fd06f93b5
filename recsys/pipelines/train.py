"""Learn everything as of a moment: shapes and weights on a window before it, signals at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.config import RecsysConfig
from recsys.events.shop import Shop
from recsys.models import Model
from recsys.models.fit import Past, fit_model
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.snapshot import Snapshot
from recsys.pipelines.windows import Learning, LearningWindow, prepare
from recsys.ranking import Customers, Ranker, Variant, Weights
from recsys.ranking.learning import Learnt, collect, learn, unlearnt
from recsys.ranking.recency import popularity_half_life
from recsys.ranking.recipe import PRIORS
from recsys.segments import Memberships, axes_off
from recsys.types import Indices
from recsys.vocabulary import Vocabulary


@dataclass(frozen=True)
class Trained:
    """The result of training, before it is published.

    Attributes
    ----------
    model
        Every signal, fitted on all that is known before `as_of`.
    memberships
        Of the users known by then, on the model's axes.
    as_of
        Microseconds.
    learnt
        Variant name -> what was learnt for it; only variants with learnt weights.
    variants
        The same variants.
    window_days
        The length of the window that weights were learnt on; None without times.
    notes
        What the data switched off, and other things to say.
    learning
        What was looked at.
    """

    model: Model
    memberships: Memberships
    as_of: int
    learnt: Mapping[str, Learnt]
    variants: Mapping[str, Variant]
    window_days: float | None
    notes: tuple[str, ...]
    learning: Learning

    def ranker(self) -> Ranker:
        """Return a ranker with the learnt weights."""
        return Ranker(self.model, self.weights())

    def weights(self) -> dict[str, Weights]:
        """Return the learnt weights by variant digest."""
        return {self.variants[name].digest: found.weights for name, found in self.learnt.items()}


@dataclass(frozen=True)
class Fitter:
    """Fits models with the same config, whatever the snapshot.

    Attributes
    ----------
    config
        The config.
    threads
        For ALS; 0 = one for each core. Nothing depends on it.
    progress
        Where to say how far it is.
    """

    config: RecsysConfig
    threads: int
    progress: Progress

    def fit(
        self, snapshot: Snapshot, memberships: Memberships, past: Past, half_life: float
    ) -> Model:
        """Fit every signal on a snapshot and the memberships of its users."""
        with self.progress("ALS sweeps", self.config.model.iterations) as advance:
            return fit_model(
                snapshot.histories,
                memberships,
                snapshot.catalogue,
                snapshot.facts.reference,
                past,
                interactions=self.config.interactions,
                config=self.config.model,
                popularity_half_life=half_life,
                timed=snapshot.facts.timed,
                threads=self.threads,
                on_sweep=advance,
            )


def fit(
    shop: Shop,
    config: RecsysConfig,
    *,
    as_of: int,
    variants: Sequence[Variant] | None = None,
    threads: int = 0,
    progress: Progress = silent,
) -> Trained:
    """Learn from everything before `as_of`, and nothing else.

    Parameters
    ----------
    shop
        The shop's data.
    config
        The config.
    as_of
        Microseconds.
    variants
        Those to learn weights for; default: every configured and built-in one.
    threads
        For ALS; 0 = one for each core. Nothing depends on it.
    progress
        Where to say how far it is.

    Raises
    ------
    DataError
        When there is nothing to learn from.
    """
    every = config.every_variant().values() if variants is None else variants
    wanted = [variant for variant in every if variant.recipe.weights == "learned"]
    fitter = Fitter(config, threads, progress)
    # One BLAS thread: sums in one order, so that the content id does not depend on the cores.
    with threadpool_limits(1, "blas"):
        learning = prepare(shop, config, as_of=as_of, progress=progress)
        half_life = popularity_half_life(learning.rounds)
        memberships = learning.now.memberships(config)
        model = fitter.fit(learning.now, memberships, learning.past, half_life)
        learnt = _learn(learning, fitter, model, wanted)
    return Trained(
        model,
        memberships,
        as_of,
        learnt,
        {variant.name: variant for variant in wanted},
        learning.days,
        tuple(_notes(shop, config, learning)),
        learning,
    )


def _learn(
    learning: Learning, fitter: Fitter, model: Model, wanted: Sequence[Variant]
) -> dict[str, Learnt]:
    if learning.window is None or not wanted:
        return {variant.name: unlearnt(variant.signals(model.segments)) for variant in wanted}
    window = learning.window
    memberships = window.start.possible_memberships(fitter.config)
    earlier = fitter.fit(window.start, memberships, window.past, model.popularity_half_life)
    customers = _customers(window, memberships)
    targets = window.targets.by_user()
    learnt = {}
    with fitter.progress("weights of variants", len(wanted)) as advance:
        for variant in wanted:
            learnt[variant.name] = _learn_one(earlier, model, customers, targets, variant)
            advance()
    return learnt


def _learn_one(
    earlier: Model,
    model: Model,
    customers: Customers,
    targets: Sequence[Indices],
    variant: Variant,
) -> Learnt:
    # A listed axis may be younger than the window: then nothing can be learnt for this variant.
    if not set(variant.recipe.signals) <= {PRIORS, *earlier.signals}:
        return unlearnt(variant.signals(model.segments))
    trials = collect(earlier, customers, targets, variant)
    return learn(trials, variant.signals(earlier.segments))


def _customers(window: LearningWindow, memberships: Memberships) -> Customers:
    """Describe the sampled users; one who is new in the window has no history and no segment."""
    users: Vocabulary = window.targets.users
    known = window.start.histories.users.index_of(users.ids)
    histories = window.start.histories.aligned(users)
    rows = np.maximum(known, 0)
    present = sparse.diags_array((known >= 0).astype(np.float64))
    matrix = sparse.csr_matrix(present @ memberships.matrix[rows])
    return Customers(histories, Memberships(users, memberships.axes, matrix))


def _notes(shop: Shop, config: RecsysConfig, learning: Learning) -> list[str]:
    off = axes_off(config.segments, timed=shop.timed)
    return [*shop.off(), *off, *learning.notes]
