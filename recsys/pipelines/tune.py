"""Search hyper-parameters by what training would learn with them, on its own windows.

A trial is a rehearsal of training: models for the windows before the cut, without the users that
are left out of them, and NDCG@10 on those users. The best of many trials is partly luck, so it is
held against the config's own values on further draws of left-out users, which no trial has seen.

No trial is broken off half-way: its score is there only once every window is in.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np

from recsys import __version__
from recsys.config import RecsysConfig
from recsys.errors import ConfigError, DataError, StoreError
from recsys.evaluation.config import Protocol
from recsys.events.shop import Shop
from recsys.events.times import format_time
from recsys.interactions import InteractionsConfig
from recsys.models import ALS, NEIGHBOURS, PRIOR, ModelConfig
from recsys.pipelines.questions import ask
from recsys.pipelines.train import rehearse
from recsys.pipelines.windows import Learning, prepare
from recsys.random import generator
from recsys.ranking import Variant
from recsys.ranking.recipe import PRIORS
from recsys.statistics import Estimate, Interval, estimate
from recsys.types import Config, Floats

if TYPE_CHECKING:
    import optuna

Value: TypeAlias = int | float | str
Values: TypeAlias = dict[str, Value]
"""Name of a key -> its value."""
AnyConfig = TypeVar("AnyConfig", bound=Config)
Score: TypeAlias = Callable[[Values, int], float]
"""The score of values, with the seed of the draw of left-out users."""

NEED_TIMES: Final[tuple[Protocol, ...]] = ("temporal", "warm_up", "leave_last")
FILE: Final = "tuning.db"
"""Below the store's folder: every study of the shop."""
DRAWS: Final = 5
"""Further draws of left-out users, on which the best is held against the config's own."""
PREPARED: Final = 3
"""Half-lives whose windows are kept in memory."""
FEWEST: Final = 20
"""With fewer trials nothing is said of what a key matters."""
MOST_ASKED: Final = 0.9
"""Of the users, in one draw: with all of them there would be nothing to compare draws by."""
VALUES: Final = "values"


class Key(NamedTuple):
    """A key of the config that is searched.

    Attributes
    ----------
    name
        As in the config, from the top: ``model.factors``.
    kind
        ``number`` and ``whole`` lie between two values; ``choice`` is one of several.
    values
        The two ends, or every choice.
    log
        Whether numbers are told apart by their ratio.
    signal
        The signal it shapes; None: all of them.
    needs_times
        Whether it means nothing without times.
    """

    name: str
    kind: Literal["number", "whole", "choice"]
    values: tuple[Value, ...]
    log: bool = False
    signal: str | None = None
    needs_times: bool = False

    def holds(self, value: Value) -> bool:
        """Tell whether a value is among those searched."""
        if self.kind == "choice":
            return value in self.values
        low, high = map(float, self.values)
        return low <= float(value) <= high

    def rounded(self, value: Value) -> Value:
        """Keep two digits of a number: more than data can tell apart, and easier to read."""
        return float(f"{value:.2g}") if self.kind == "number" else value

    def distribution(self) -> "optuna.distributions.BaseDistribution":
        """Return the values as the sampler's distribution."""
        from optuna import distributions

        if self.kind == "choice":
            return distributions.CategoricalDistribution(self.values)
        low, high = map(float, self.values)
        if self.kind == "whole":
            return distributions.IntDistribution(int(low), int(high), log=self.log)
        return distributions.FloatDistribution(low, high, log=self.log)


SPACE: Final = (
    Key("model.factors", "whole", (16, 256), log=True, signal=ALS),
    Key("model.regularization", "number", (0.0001, 0.1), log=True, signal=ALS),
    Key("model.alpha", "number", (0.1, 100.0), log=True, signal=ALS),
    Key("model.prior_strength", "number", (0.1, 10.0), log=True, signal=ALS),
    Key("model.kappa_scale", "number", (0.1, 10.0), log=True, signal=PRIORS),
    Key("model.neighbours.alpha", "number", (0.3, 1.5), signal=NEIGHBOURS),
    Key("model.neighbours.beta", "number", (0.0, 1.0), signal=NEIGHBOURS),
    Key(
        "interactions.half_life",
        "choice",
        ("15d", "30d", "60d", "90d", "180d", "360d", "none"),
        needs_times=True,
    ),
)
"""What is searched; sweeps are not, for more of them only cost time."""


class Tried(NamedTuple):
    """Values with their score."""

    values: Values
    score: float


class Sitting(NamedTuple):
    """How far to go on with a study.

    Attributes
    ----------
    trials
        More of them, at least 1.
    restart
        Whether to forget the trials of earlier sittings.
    enough
        Asked between trials: whether to stop here.
    on_trial
        Told of each trial.
    """

    trials: int
    restart: bool = False
    enough: Callable[[], bool] = lambda: False
    on_trial: Callable[[Tried], None] = lambda _: None


@dataclass(frozen=True)
class Tuned:
    """What a search has found so far.

    Attributes
    ----------
    study
        Its name; the same for the same data, variant, seed and search space.
    file
        Where it is kept.
    trials
        Those with a score, of all sittings.
    own, best
        The config's own values and the best ones; the same where nothing scored higher.
    gain
        Of the best over the config's own, NDCG@10, on `DRAWS` further draws of left-out users;
        None where the best are the config's own.
    importances
        Name of a key -> its share of the spread of scores; empty with too few trials.
    """

    study: str
    file: Path
    trials: int
    own: Tried
    best: Tried
    gain: Interval | None
    importances: Mapping[str, float]

    @property
    def better(self) -> bool:
        """Whether the best is better than the config's own beyond noise."""
        return self.gain is not None and self.gain.low > 0

    @property
    def advised(self) -> Values:
        """The values to use."""
        return self.best.values if self.better else self.own.values

    @property
    def changed(self) -> list[str]:
        """Keys whose best value is another than the config's own."""
        return [name for name, value in self.best.values.items() if self.own.values[name] != value]


def require_optuna() -> None:
    """Refuse to begin without the package that searches.

    Raises
    ------
    ConfigError
        The extra ``recsys[tune]`` is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError('tuning needs optuna: pip install "recsys[tune]"') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def training_side(shop: Shop, config: RecsysConfig) -> tuple[Shop, int]:
    """Return what ``[evaluation]`` lets training see, and the moment it ends at, microseconds.

    Of several questions it is the oldest one's: nothing that is judged has been tuned on.

    Raises
    ------
    ConfigError, DataError
        When the data do not allow the protocol.
    """
    if not shop.timed and config.evaluation.protocol in NEED_TIMES:
        return shop, shop.after_all()
    question = ask(shop, config)[-1]
    return question.training, question.as_of


def tune(
    shop: Shop,
    config: RecsysConfig,
    variant: Variant,
    sitting: Sitting,
    *,
    as_of: int,
    threads: int = 0,
) -> Tuned:
    """Try values of the `SPACE`, the config's own and the defaults first.

    Parameters
    ----------
    shop, config
        The data and the config.
    variant
        Whose NDCG@10 is raised; its weights are learnt anew in every trial.
    sitting
        How many trials.
    as_of
        Microseconds; nothing at or after it is looked at.
    threads
        For ALS; 0 = one for each core. Nothing depends on it.

    Raises
    ------
    ConfigError
        When the variant has nothing to tune, or ``recsys[tune]`` is not installed.
    DataError
        When there is too little to learn from.
    StoreError
        When the file of studies cannot be used.
    """
    require_optuna()
    keys = searched(variant, timed=shop.timed)
    rehearsals = Rehearsals(shop, config, variant, as_of=as_of, threads=threads)
    own, seed = values_of(config, keys), config.model.seed
    learning = rehearsals.learning(own, seed)
    name = study_name(shop, config, variant, keys, learning)
    with open_study(Path(config.store.path), name, restart=sitting.restart) as study:
        first = [own, defaults(config, keys)]
        search(study, keys, first, lambda values: rehearsals.score(values, seed), sitting, seed)
        done = tried(study)
        mine = next(one for one in done if one.values == own)
        best = max([mine, *done], key=lambda one: one.score)
        again = None if best is mine else _again(study, rehearsals.score, mine, best, seed)
        gain = None if again is None else corrected(again, share_asked(learning))
        shares = importances(study, keys, seed)
    file = Path(config.store.path) / FILE
    return Tuned(name, file, len(done), mine, best, gain, shares)


class Rehearsals:
    """Scores values by a rehearsal of training; see `rehearse`.

    Parameters
    ----------
    shop, config, variant, as_of, threads
        As for `tune`.
    """

    def __init__(
        self, shop: Shop, config: RecsysConfig, variant: Variant, *, as_of: int, threads: int
    ) -> None:
        self.config, self.variant, self.threads = config, variant, threads

        @lru_cache(maxsize=PREPARED)
        def prepared(interactions: str, seed: int) -> Learning:
            said = InteractionsConfig.model_validate_json(interactions)
            changed = config.with_seed(seed).model_copy(update={"interactions": said})
            return prepare(shop, changed, as_of=as_of)

        self._prepared = prepared
        self._moment = format_time(as_of) if shop.timed else "the end"

    def learning(self, values: Values, seed: int) -> Learning:
        """Return what training would look at; read anew only for other interactions."""
        return self._prepared(applied(self.config, values).interactions.model_dump_json(), seed)

    def score(self, values: Values, seed: int) -> float:
        """Return the mean NDCG@10 of cases that the weights had no part in.

        Raises
        ------
        DataError
            When there is no such case.
        """
        config = applied(self.config, values).with_seed(seed)
        learnt = rehearse(self.learning(values, seed), config, self.variant, threads=self.threads)
        if math.isnan(learnt.ndcg):
            raise DataError(
                f"too little history before {self._moment} to tune on: nobody who was left out of "
                "a window bought anything in it; give more events, a later --as-of, or a shorter "
                "[evaluation] test_window"
            )
        return learnt.ndcg


def searched(variant: Variant, *, timed: bool) -> list[Key]:
    """Return the keys of the `SPACE` that a variant's score can depend on.

    Raises
    ------
    ConfigError
        When there is none, or the variant's weights are fixed.
    """
    listed = {PRIORS if name.startswith(PRIOR) else name for name in variant.recipe.signals}
    signals = (None, *listed)
    keys = [key for key in SPACE if key.signal in signals and (timed or not key.needs_times)]
    if keys and variant.recipe.weights == "learned":
        return keys
    raise ConfigError(
        f"there is nothing to tune for the variant {variant.name!r}: its weights are fixed, or no "
        "key that is searched shapes its signals; name another with --variant"
    )


def values_of(config: RecsysConfig, keys: Sequence[Key]) -> Values:
    """Return a config's values of some keys."""
    return {key.name: attrgetter(key.name)(config) for key in keys}


def defaults(config: RecsysConfig, keys: Sequence[Key]) -> Values:
    """Return the default values of some keys, whatever the config says."""
    bare = {"model": ModelConfig(), "interactions": InteractionsConfig()}
    return values_of(config.model_copy(update=bare), keys)


def applied(config: RecsysConfig, values: Mapping[str, Value]) -> RecsysConfig:
    """Return the config with other values of some keys."""
    for name, value in values.items():
        config = _changed(config, name.split("."), value)
    return config


def _changed(table: AnyConfig, steps: Sequence[str], value: Value) -> AnyConfig:
    step, *rest = steps
    new = _changed(getattr(table, step), rest, value) if rest else value
    return table.model_copy(update={step: new})


def study_name(
    shop: Shop, config: RecsysConfig, variant: Variant, keys: Sequence[Key], learning: Learning
) -> str:
    """Return a digest of everything that scores depend on, besides what is searched.

    Trials of one name can be held against each other. Only what is known by the moment that
    `learning` was prepared for enters it.
    """
    known = shop.where(events=f"time < {learning.now.as_of}") if shop.timed else shop
    fixed = applied(config, defaults(config, keys))
    said = {
        **fixed.model_dump(mode="json", include={"model", "interactions", "segments"}),
        "recsys": __version__,
        "keys": keys,
        "learns": variant.learns,
        "as_of": learning.now.as_of,
        "span": known.span(),
        "events": known.event_counts(),
        "users": len(learning.now.histories.users),
        "items": len(learning.now.catalogue.items),
        "days": learning.days,
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def open_study(folder: Path, name: str, *, restart: bool = False) -> "Iterator[optuna.Study]":
    """Open a study, a new one where there is none.

    Parameters
    ----------
    folder
        The store's; its bundles are not touched.
    name
        See `study_name`.
    restart
        Forget its trials first.

    Raises
    ------
    ConfigError
        The extra ``recsys[tune]`` is not installed.
    StoreError
        When the file of studies cannot be used.
    """
    require_optuna()
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    file = folder / FILE
    failed = (OSError, RuntimeError, SQLAlchemyError, optuna.exceptions.StorageInternalError)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
        known = {study.study_name for study in optuna.get_all_study_summaries(storage)}
        if restart and name in known:
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize", load_if_exists=True
        )
    except failed as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"the studies in {file} cannot be used: {reason}; move that file away, or check "
            "[store] path, its permissions and the free space"
        ) from error
    try:
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def search(
    study: "optuna.Study",
    keys: Sequence[Key],
    first: Sequence[Values],
    objective: Callable[[Values], float],
    sitting: Sitting,
    seed: int,
) -> None:
    """Add trials to a study: given values that it has not tried, then what the sampler suggests.

    A trial that is interrupted leaves nothing behind. What is suggested depends on the seed and the
    trials before alone, so several sittings come to the same as one.

    Parameters
    ----------
    study
        What was tried in earlier sittings.
    keys
        What is searched.
    first
        Values to begin with.
    objective
        The score of values; more is better.
    sitting
        How many trials.
    seed
        Of the sampler.
    """
    known = [one.values for one in tried(study)]
    waiting: list[Values] = []
    for values in first:
        if values not in [*known, *waiting]:
            waiting.append(values)
    for number in range(sitting.trials):
        if number and sitting.enough():
            break
        values = waiting.pop(0) if waiting else suggest(study, keys, seed)
        one = Tried(values, objective(values))
        _add(study, keys, one)
        sitting.on_trial(one)


def suggest(study: "optuna.Study", keys: Sequence[Key], seed: int) -> Values:
    """Return the values to try next, by the tree-structured Parzen estimator.

    References
    ----------
    Bergstra, Bardenet, Bengio & Kégl, "Algorithms for Hyper-Parameter Optimization", NIPS 2011.
    """
    import optuna

    done = _scored(study)
    # Seeded by the number of trials: a sampler seeded once would begin every sitting alike.
    sampler = optuna.samplers.TPESampler(seed=_seed(seed, "trial", len(done)))
    # In memory: what is interrupted must leave nothing behind.
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    copy.add_trials(done)
    found = copy.ask({key.name: key.distribution() for key in keys}).params
    return {key.name: key.rounded(found[key.name]) for key in keys}


def tried(study: "optuna.Study") -> list[Tried]:
    """Return the trials that have a score, the oldest first."""
    return [Tried(trial.user_attrs[VALUES], float(trial.values[0])) for trial in _scored(study)]


def _scored(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _add(study: "optuna.Study", keys: Sequence[Key], one: Tried) -> None:
    """Add a trial; a value outside the space tells the sampler nothing of its key."""
    from optuna.trial import create_trial

    inside = {key.name: key for key in keys if key.holds(one.values[key.name])}
    study.add_trial(
        create_trial(
            value=one.score,
            params={name: one.values[name] for name in inside},
            distributions={name: key.distribution() for name, key in inside.items()},
            user_attrs={VALUES: one.values},
        )
    )


def _seed(seed: int, purpose: str, number: int) -> int:
    return int(generator(seed, "tune", purpose, str(number)).integers(2**31))


def _again(study: "optuna.Study", score: Score, own: Tried, best: Tried, seed: int) -> Floats:
    """Return the best values' gain on each of the further draws, shape ``(DRAWS,)``."""
    draws = [_seed(seed, "draw", number) for number in range(DRAWS)]
    gains = [
        _remembered(study, score, best.values, draw) - _remembered(study, score, own.values, draw)
        for draw in draws
    ]
    return np.asarray(gains)


def _remembered(study: "optuna.Study", score: Score, values: Values, draw: int) -> float:
    name = json.dumps([draw, values], sort_keys=True)
    if name not in study.user_attrs:
        study.set_user_attr(name, score(values, draw))
    return float(study.user_attrs[name])


def share_asked(learning: Learning) -> float:
    """Return which share of the users who could be asked is, windows added up; at most 0.9."""
    users = learning.rounds[0].bought.users if learning.rounds else learning.now.histories.users
    asked = sum(len(np.unique(window.cases.owners)) for window in learning.windows)
    return min(asked / len(users), MOST_ASKED)


def corrected(gains: Floats, share: float) -> Interval:
    """Return the mean of gains on draws that overlap, with its 95 % interval.

    ``ḡ ± t · s · √(1/J + q/(1 − q))``: `s` the standard deviation of the `J` gains, `t` the
    quantile of Student's t with ``J − 1`` degrees of freedom, `q` the share of users in a draw.
    Without the second term the draws would count as if they shared nobody.

    Parameters
    ----------
    gains
        One for each draw, shape ``(J,)``, at least two.
    share
        `q`, below 1.

    References
    ----------
    Nadeau & Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.

    Examples
    --------
    >>> found = corrected(np.array([0.01, 0.02, 0.03]), 0.5)
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (0.02, -0.03, 0.07)
    """
    found = estimate(gains)
    wider = math.sqrt(1 + found.n * share / (1 - share))
    return Estimate(found.mean, found.error * wider, found.n, found.effective_n).interval()


def importances(study: "optuna.Study", keys: Sequence[Key], seed: int) -> dict[str, float]:
    """Return each key's share of the spread of scores, the largest first; empty where too few.

    References
    ----------
    Hutter, Hoos & Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance",
    ICML 2014 (functional ANOVA).
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    names = [key.name for key in keys]
    whole = [trial for trial in _scored(study) if len(trial.params) == len(names)]
    if len(whole) < FEWEST or len({trial.values[0] for trial in whole}) == 1:
        return {}
    found = get_param_importances(
        study, evaluator=FanovaImportanceEvaluator(seed=_seed(seed, "importance", 0)), params=names
    )
    return {name: float(share) for name, share in found.items()}


def snippet(values: Mapping[str, Value]) -> str:
    """Write values as the tables of a config, TOML."""
    tables: dict[str, list[str]] = {}
    for name, value in values.items():
        table, _, key = name.rpartition(".")
        tables.setdefault(table, []).append(f"{key} = {json.dumps(value)}")
    return "\n".join("\n".join([f"[{table}]", *lines, ""]) for table, lines in tables.items())
