"""What a plan would come to: whole experiments on tables, drawn from the shop's own past.

Users of the last weeks are drawn with replacement and given to the arms by lot; an effect that is
known is put on those who are treated, and the plan is carried out look by look, to its verdict.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from recsys.errors import ConfigError, DataError, nearest
from recsys.experiments.analysis import analyse
from recsys.experiments.definition import (
    Arm,
    ConfidenceSequenceDesign,
    Experiment,
    GroupSequentialDesign,
    Plan,
)
from recsys.experiments.metrics import MetricConfig
from recsys.experiments.outcomes import Outcomes
from recsys.experiments.verdict import Verdict, decide
from recsys.random import generator
from recsys.types import Flags, Floats

DAILY: Final = 28
"""Looks at a confidence sequence."""


class Baselines(NamedTuple):
    """Users as they were without an experiment.

    Attributes
    ----------
    units
        See `Outcomes`: the metrics that decide, a row for each user.
    segments
        The segment of each of them on every axis, aligned to `units`.
    metrics
        What was measured: primary and guardrails.
    """

    units: pd.DataFrame
    segments: pd.DataFrame
    metrics: Mapping[str, MetricConfig]


class Effect(NamedTuple):
    """What the treatments do to the primary metric.

    Attributes
    ----------
    size
        Relative: .05 is five per cent more.
    axis, segment
        Only there; empty: everywhere.
    """

    size: float
    axis: str = ""
    segment: str = ""

    @classmethod
    def read(cls, size: float, only: str | None) -> "Effect":
        """Read ``AXIS:SEGMENT``.

        Raises
        ------
        ConfigError
            When it is something else.
        """
        if only is None:
            return cls(size)
        axis, colon, segment = only.partition(":")
        if not (axis and colon and segment):
            raise ConfigError(f"{only!r} is no AXIS:SEGMENT, such as age:60+")
        return cls(size, axis, segment)


class Rehearsed(NamedTuple):
    """What many experiments came to.

    Attributes
    ----------
    answers
        Verdict, with its segments -> how many came to it.
    users
        Mean number of users at the verdict.
    planned
        Of all arms, at most.
    """

    answers: Mapping[str, int]
    users: float
    planned: int


def rehearse_tables(
    plan: Plan,
    baselines: Baselines,
    effect: Effect,
    *,
    replications: int,
    seed: int,
    on_replication: Callable[[], None] = lambda: None,
) -> Rehearsed:
    """Carry a plan out many times on tables whose truth is known.

    Parameters
    ----------
    plan
        What is tried; without ``planned_users`` as many users as there were.
    baselines
        The shop's own past.
    effect
        The truth.
    replications
        How many experiments.
    seed
        Of all draws.
    on_replication
        Called after each.

    Raises
    ------
    ConfigError
        When there is no such axis or segment.
    DataError
        With too few users to draw from.
    """
    if len(baselines.units) < 2:
        raise DataError(f"{len(baselines.units)} users did something lately: too few to draw from")
    _check(effect, baselines.segments)
    planned = plan.planned_users or len(baselines.units)
    said = plan.model_copy(update={"planned_users": planned})
    arms = tuple(Arm(name, name, plan.share(name)) for name in plan.variants)
    experiment = Experiment.of(said, arms)
    answers, users = Counter[str](), 0
    for number in range(replications):
        rng = generator(seed, "rehearsal", str(number))
        units, segments = _drawn(experiment, baselines, effect, planned, rng)
        verdict, n = _carried_out(experiment, units, segments, baselines.metrics)
        answers[_words(verdict)] += 1
        users += n
        on_replication()
    return Rehearsed(dict(answers.most_common()), users / replications, planned)


def _words(verdict: Verdict) -> str:
    """Return a verdict, the same whichever segment gained the most."""
    return ": ".join((verdict.answer, ", ".join(sorted(verdict.segments)))).removesuffix(": ")


def _check(effect: Effect, segments: pd.DataFrame) -> None:
    if not effect.axis:
        return
    if effect.axis not in segments:
        axes = [str(axis) for axis in segments]
        raise ConfigError(f"there is no axis {effect.axis!r}{nearest(effect.axis, axes)}")
    known = sorted(segments[effect.axis].dropna().unique())
    if effect.segment not in known:
        raise ConfigError(
            f"nobody is in the segment {effect.segment!r} of {effect.axis!r}"
            f"{nearest(effect.segment, known)}"
        )


def _drawn(
    experiment: Experiment,
    baselines: Baselines,
    effect: Effect,
    n: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw users for the arms, and put the effect on those who are treated."""
    rows = rng.integers(len(baselines.units), size=n)
    units = baselines.units.iloc[rows].reset_index(drop=True)
    plan = experiment.plan
    axes = {*plan.segments, *filter(None, (plan.strata, effect.axis))}
    known = baselines.segments[[axis for axis in baselines.segments if axis in axes]]
    segments = known.iloc[rows].reset_index(drop=True)
    shares = [arm.share for arm in experiment.arms]
    arms = rng.choice(len(shares), size=n, p=np.array(shares) / sum(shares))
    touched = arms > 0
    if effect.axis:
        touched &= (segments[effect.axis] == effect.segment).to_numpy()
    primary = plan.primary
    values = units[primary].to_numpy(dtype=np.float64)
    moved = _moved(values, touched, effect.size, baselines.metrics[primary], rng)
    return units.assign(arm=arms, differing=np.nan, **{primary: moved}), segments


def _moved(
    values: Floats, touched: Flags, size: float, metric: MetricConfig, rng: np.random.Generator
) -> Floats:
    """Return the values with their mean among the touched higher by a share of it."""
    if metric.value != "any":
        return np.where(touched, values * (1 + size), values)
    # Who has done it or not: some change sides, so that values stay 0 and 1.
    mean = float(np.nanmean(values[touched])) if touched.any() else 0.0
    gains = min(1.0, max(size, 0.0) * mean / (1 - mean)) if mean < 1 else 0.0
    changes = touched & (rng.random(len(values)) < np.where(values > 0, max(-size, 0.0), gains))
    return np.where(changes, 1 - values, values)


def _carried_out(
    experiment: Experiment,
    units: pd.DataFrame,
    segments: pd.DataFrame,
    metrics: Mapping[str, MetricConfig],
) -> tuple[Verdict, int]:
    """Look as the plan does, until there is a verdict; return it, and after how many users."""
    for share in _looks(experiment.plan):
        n = math.ceil(share * len(units))
        found = analyse(
            experiment,
            Outcomes(units.iloc[:n], 0, 0),
            metrics,
            segments.iloc[:n],
            stopped=share == 1,
        )
        verdict = decide(found, users_per_day=0.0)
        if verdict.answer != "keep running":
            break
    return verdict, n


def _looks(plan: Plan) -> tuple[float, ...]:
    match plan.decision:
        case GroupSequentialDesign():
            return plan.decision.looks
        case ConfidenceSequenceDesign():
            return tuple((day + 1) / DAILY for day in range(DAILY))
        case _:
            return (1.0,)
