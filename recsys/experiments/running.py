"""The experiments that run: who takes part in which, by what the state keeps of them."""

import json
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from recsys.errors import ConfigError, RecsysError, StateError, nearest
from recsys.experiments.definition import Arm, Experiment, Plan, define, digest_of
from recsys.experiments.enrolment import Enrolled, Enrolment, Weights
from recsys.experiments.metrics import METRICS, MetricConfig, of_items
from recsys.state import KeptExperiment, StateStore


def written(experiment: Experiment, *, now: int) -> KeptExperiment:
    """Return what is kept of an experiment that was just defined."""
    document = json.dumps(experiment.said(), ensure_ascii=False)
    plan = experiment.plan
    return KeptExperiment(plan.name, document, experiment.digest, plan.coverage, now)


def write_down(
    state: StateStore,
    plan: Plan,
    digests: Mapping[str, str],
    axes: Mapping[str, tuple[str, ...]],
    metrics: Mapping[str, MetricConfig],
    *,
    now: int,
) -> KeptExperiment:
    """Bind a plan to a shop, and keep it.

    Parameters
    ----------
    state
        Where it is kept.
    plan
        What a person wrote.
    digests, axes, metrics
        What it may name: variants with their digests, axes with their segments, and metrics.
    now
        Microseconds.

    Raises
    ------
    ConfigError
        When it names what is not there, or there is one of that name.
    """
    check_metrics(plan, metrics)
    kept = written(define(plan, digests, axes), now=now)
    state.experiments.create(kept)
    return kept


def check_metrics(plan: Plan, metrics: Mapping[str, MetricConfig]) -> None:
    """Refuse a plan that names a metric which is not there, or not one of its kind.

    Raises
    ------
    ConfigError
        Names it, and the nearest that is.
    """
    for name in (plan.primary, *(one.metric for one in plan.guardrails)):
        if name not in metrics and name in METRICS:
            raise ConfigError(f"the metric {name!r} needs items that tell their margin")
        if name not in metrics:
            raise ConfigError(f"there is no metric {name!r}{nearest(name, metrics)}")
    if plan.kind == "interleaving":
        of_items(plan.primary, metrics)


def opened(kept: KeptExperiment) -> Experiment:
    """Read an experiment as it was defined.

    Raises
    ------
    StateError
        When what is kept is not what was written down.
    """
    said = json.loads(kept.definition)
    # Of what is kept, not of what a plan says by now: that may have more keys than it had.
    digest = digest_of(said)
    if digest != kept.digest:
        raise StateError(
            f"the experiment {kept.name!r} was changed after it was written down: its digest is "
            f"{digest[:12]}, not {kept.digest[:12]}"
        )
    arms = tuple(Arm(**arm) for arm in said["arms"])
    return Experiment(Plan.model_validate(said["plan"]), arms, digest)


class Running:
    """The experiments that run now; the one that has run the longest asks first.

    Parameters
    ----------
    kept
        What the state keeps; those that do not run play no part.
    digests
        Every variant's digest by name: a recipe that has changed is another one, and an experiment
        of it cannot go on.
    holdout
        The share of users who take part in no experiment.
    """

    def __init__(
        self, kept: Sequence[KeptExperiment], digests: Mapping[str, str], *, holdout: float
    ) -> None:
        self.troubles: dict[str, str] = {}
        self._enrolments: list[Enrolment] = []
        running = [one for one in kept if one.status == "running"]
        for one in sorted(running, key=lambda one: (one.started_at or 0, one.name)):
            try:
                experiment = _unchanged(opened(one), digests)
            except (RecsysError, ValidationError) as error:
                # One that cannot go on must not keep anybody from her list.
                self.troubles[one.name] = str(error)
            else:
                enrolment = Enrolment(experiment, coverage=one.coverage, holdout=holdout)
                self._enrolments.append(enrolment)

    def __bool__(self) -> bool:
        return bool(self._enrolments)

    def enrol(self, user_id: str, session_id: str | None, segments: Weights) -> Enrolled | None:
        """Return what a user is given by the first experiment that she takes part in.

        Parameters
        ----------
        user_id, session_id
            Who asks, and in which visit, if that is known.
        segments
            Hers, now.
        """
        for enrolment in self._enrolments:
            unit = enrolment.experiment.plan.unit
            unit_id = user_id if unit == "user" else session_id
            found = None if unit_id is None else enrolment.of(unit_id, segments)
            if found is not None:
                return found
        return None


def _unchanged(experiment: Experiment, digests: Mapping[str, str]) -> Experiment:
    changed = [arm.variant for arm in experiment.arms if digests.get(arm.variant) != arm.digest]
    if changed:
        raise ConfigError(
            f"the recipe of {', '.join(changed)} is not the one that was written down"
        )
    return experiment
