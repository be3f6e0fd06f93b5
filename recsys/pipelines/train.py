"""Learn everything as of a moment: shapes and weights on windows before it, signals at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from recsys.config import RecsysConfig
from recsys.events.shop import Shop
from recsys.models import Model
from recsys.models.fit import Crowd, Past, fit_model
from recsys.models.popularity import Recency
from recsys.models.related import Related
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.relations import relate
from recsys.pipelines.snapshot import Snapshot, seen_people
from recsys.pipelines.windows import Learning, Window, prepare
from recsys.ranking import Ranker, Variant, Weights, describe
from recsys.ranking.learning import Learner, Learnt, unlearnt
from recsys.ranking.recency import recency_of
from recsys.ranking.trials import Trial, Trials, collect, columns_of, lay_out
from recsys.segments import Axis, Memberships, axes_off


@dataclass(frozen=True)
class Trained:
    """The result of training, before it is published.

    Attributes
    ----------
    model
        Every signal, fitted on all that is known before `as_of`.
    related
        What goes with an item, and what rises.
    memberships
        Of the users known by then, on the model's axes.
    as_of
        Microseconds.
    learnt
        Variant name -> what was learnt for it; only variants with learnt weights.
    variants
        The same variants.
    window_days
        The length of the windows that weights were learnt on; None without times.
    notes
        What the data switched off, and other things to say.
    learning
        What was looked at.
    """

    model: Model
    related: Related
    memberships: Memberships
    as_of: int
    learnt: Mapping[str, Learnt]
    variants: Mapping[str, Variant]
    window_days: float | None
    notes: tuple[str, ...]
    learning: Learning

    def ranker(self) -> Ranker:
        """Return a ranker with the learnt weights."""
        return Ranker(self.model, self.weights(), self.related.together)

    def weights(self) -> dict[str, Weights]:
        """Return the learnt weights by `Variant.learns`."""
        return {self.variants[name].learns: found.weights for name, found in self.learnt.items()}


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
        self,
        snapshot: Snapshot,
        memberships: Memberships,
        past: Past,
        recency: Recency,
        also: Crowd | None = None,
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
                recency=recency,
                timed=snapshot.facts.timed,
                also=also,
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
        recency = recency_of(learning.rounds)
        memberships = learning.now.memberships(config)
        also = _counted(learning, config, memberships.axes)
        model = fitter.fit(learning.now, memberships, learning.past, recency, also)
        everyone = memberships if also is None else memberships.and_also(also.memberships)
        with progress("item to item", None):
            related = relate(shop, config, learning.now, everyone, model)
        learnt = _learn(learning, fitter, recency, model.axes, wanted)
    return Trained(
        model,
        related,
        everyone,
        as_of,
        learnt,
        {variant.name: variant for variant in wanted},
        learning.days,
        tuple(_notes(shop, config, learning)),
        learning,
    )


def _counted(learning: Learning, config: RecsysConfig, axes: tuple[Axis, ...]) -> Crowd | None:
    """Describe those who count in popularity and lifts alone, by what the others have taught."""
    if learning.counted is None:
        return None
    as_of, events = learning.now.as_of, learning.counted.events()
    people = seen_people(learning.counted, events, as_of=as_of)
    yardstick = learning.now.yardstick(axes, config)
    found = describe(events, people.users, people.attributes, yardstick, as_of=as_of)
    return Crowd(found.histories, found.memberships)


def rehearse(
    learning: Learning,
    config: RecsysConfig,
    variant: Variant,
    *,
    threads: int = 0,
    progress: Progress = silent,
) -> Learnt:
    """Learn a variant's weights on the windows alone, as training would with this config.

    Parameters
    ----------
    learning
        What training would look at.
    config
        Its ``[model]`` may be another than the one `learning` was prepared with.
    variant
        Whose weights are learnt.
    threads, progress
        As for `fit`.
    """
    fitter = Fitter(config, threads, progress)
    with threadpool_limits(1, "blas"):
        recency = recency_of(learning.rounds)
        axes = learning.now.memberships(config).axes
        return _learn(learning, fitter, recency, axes, [variant])[variant.name]


def _learn(
    learning: Learning,
    fitter: Fitter,
    recency: Recency,
    axes: Sequence[Axis],
    wanted: Sequence[Variant],
) -> dict[str, Learnt]:
    names = [axis.name for axis in axes]
    signals = {variant.name: variant.signals(dict.fromkeys(names)) for variant in wanted}
    if not learning.windows or not wanted:
        return {name: unlearnt(listed) for name, listed in signals.items()}
    learner = Learner(_trials(learning.windows, fitter, recency, columns_of(names)))
    learnt = {}
    with fitter.progress("weights of variants", len(wanted)) as advance:
        for variant in wanted:
            recipe = variant.recipe
            learnt[variant.name] = learner.learn(
                signals[variant.name], centre=recipe.centre or "mean", repeat=recipe.repeat
            )
            advance()
    return learnt


def _trials(
    windows: Sequence[Window], fitter: Fitter, recency: Recency, columns: Sequence[str]
) -> Trials:
    """Fit a model for each window, without the users it leaves out, and rank for those."""
    rows: list[Trial] = []
    for number, window in enumerate(windows):
        # A listed axis may be younger than a window: there it says nothing.
        memberships = window.start.possible_memberships(fitter.config)
        earlier = fitter.fit(window.start, memberships, window.past, recency)
        cases = window.cases
        customers = describe(
            cases.events, cases.users, cases.attributes, earlier, as_of=window.start.as_of
        )
        found = collect(earlier, customers, cases.targets, columns, cases.owners, window=number)
        with fitter.progress("candidates", len(cases.users)) as advance:
            for row in found:
                rows.append(row)
                advance()
    return lay_out(rows, columns)


def _notes(shop: Shop, config: RecsysConfig, learning: Learning) -> list[str]:
    off = axes_off(config.segments, timed=shop.timed)
    return [*shop.off(), *off, *learning.notes]
