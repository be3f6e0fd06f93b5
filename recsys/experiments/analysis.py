"""What an experiment shows: whether it may be read at all, and what each arm did.

The unit is the user (or the session) that was assigned. Whoever was in one arm alone is compared
as assigned, from her first list on, whatever she did with it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from recsys.experiments.definition import Experiment, Plan
from recsys.experiments.looks import Look, look_at
from recsys.experiments.metrics import MetricConfig
from recsys.experiments.outcomes import Outcomes
from recsys.experiments.results import (
    LEAST_USERS,
    Analysis,
    Comparison,
    Gainers,
    Guarded,
    Ratio,
    SegmentEffect,
    adjusted,
)
from recsys.experiments.samples import Means, Sample, means, take_sample
from recsys.statistics import (
    Heterogeneity,
    Interval,
    Shrunken,
    as_relative,
    heterogeneity,
    holm,
    log_ratio,
    s_values,
    sample_ratio,
    sample_ratio_at_any_time,
    shrink_over_grid,
    welch,
)
from recsys.types import Flags, Indices

UNKNOWN: Final = ""
"""The segment of a user of whom an axis knows nothing."""


def analyse(
    experiment: Experiment,
    outcomes: Outcomes,
    metrics: Mapping[str, MetricConfig],
    segments: pd.DataFrame,
    *,
    stopped: bool,
) -> Analysis:
    """Look at an experiment.

    Parameters
    ----------
    experiment
        As it was defined.
    outcomes
        See `measure_outcomes`.
    metrics
        What was measured: the primary metric, guardrails and others; a guardrail that was not has
        no say.
    segments
        Each user's segment on every axis, as of her first list, by ``unit_id``; text, a column for
        each axis; nothing where an axis knows nothing of her.
    stopped
        Whether it is over.
    """
    known = segments.reindex(outcomes.units.index).fillna(UNKNOWN)
    table = _Table(experiment, outcomes.units, metrics, known)
    look = look_at(experiment.plan, len(outcomes.units), stopped=stopped)
    compared = {metric: _compared(table, metric, look, table.everybody) for metric in metrics}
    guarded = _guarded(experiment, compared, metrics, look)
    effects, spreads = _segment_effects(table, look)
    deciding = {experiment.plan.primary, *(one.metric for one in experiment.plan.guardrails)}
    others = [one for metric in metrics if metric not in deciding for one in compared[metric]]
    return Analysis(
        experiment,
        len(outcomes.units),
        _ratios(table),
        outcomes.contaminated,
        outcomes.foreign,
        tuple(compared[experiment.plan.primary]),
        tuple(_compared(table, experiment.plan.primary, look, table.differing)),
        tuple(guarded),
        tuple(others),
        tuple(effects),
        spreads,
        tuple(_gainers(table, effects, look)),
        look,
        {name: metric.sign for name, metric in metrics.items()},
    )


@dataclass(frozen=True)
class _Table:
    """Everything about the users of an experiment."""

    experiment: Experiment
    units: pd.DataFrame
    metrics: Mapping[str, MetricConfig]
    segments: pd.DataFrame

    @cached_property
    def arms(self) -> Indices:
        return self.units["arm"].to_numpy(dtype=np.int64)

    @cached_property
    def everybody(self) -> Flags:
        return np.ones(len(self.units), dtype=np.bool_)

    @cached_property
    def differing(self) -> Flags:
        return self.units["differing"].to_numpy(dtype=np.float64) > 0

    @cached_property
    def strata(self) -> Indices:
        axis = self.experiment.plan.strata
        if axis is None or axis not in self.segments:
            return np.zeros(len(self.units), dtype=np.int64)
        return np.asarray(pd.factorize(self.segments[axis])[0], dtype=np.int64)

    @property
    def treatments(self) -> list[tuple[int, str]]:
        """Number and name of every arm but the control."""
        return [(n, arm.variant) for n, arm in enumerate(self.experiment.arms) if n]

    def counts(self, among: Flags) -> Indices:
        """Count the users of each arm."""
        return np.bincount(self.arms[among], minlength=len(self.experiment.arms))

    def sample(self, metric: str, treatment: int, among: Flags) -> Sample:
        """Take those users of the control and of a treatment who have a value."""
        compared = among & np.isin(self.arms, (0, treatment))
        treated = self.arms == treatment
        return take_sample(self.units, metric, self.metrics[metric], compared, treated, self.strata)


def _ratios(table: _Table) -> tuple[Ratio, ...]:
    """Look at the shares of all users, of those whose lists differ, and of every segment."""
    parts = {"all": table.everybody}
    if table.differing.any():
        parts["lists that differ"] = table.differing
    for axis in table.segments:
        for segment in sorted(set(table.segments[axis]) - {UNKNOWN}):
            parts[f"{axis}:{segment}"] = (table.segments[axis] == segment).to_numpy()
    shares = np.array([arm.share for arm in table.experiment.arms])
    counted = {of: table.counts(among) for of, among in parts.items()}
    return tuple(
        Ratio(
            of,
            tuple(counts.tolist()),
            sample_ratio(counts, shares),
            sample_ratio_at_any_time(counts, shares),
        )
        for of, counts in counted.items()
    )


def _compared(table: _Table, metric: str, look: Look, among: Flags) -> list[Comparison]:
    """Compare every treatment that has users, by one metric; Holm over them."""
    found = [
        _comparison(metric, variant, sample, look, table.experiment.plan.alpha)
        for number, variant in table.treatments
        if (sample := table.sample(metric, number, among)).is_enough
    ]
    if not found:
        return []
    adjusted = holm(np.array([one.p for one in found])).tolist()
    return [replace(one, adjusted_p=p) for one, p in zip(found, adjusted, strict=True)]


def _comparison(metric: str, variant: str, sample: Sample, look: Look, alpha: float) -> Comparison:
    found = means(sample)
    p = look.p(found.difference)
    return Comparison(
        metric,
        variant,
        found.control,
        found.treatment,
        look.interval(found.difference, alpha),
        _relative(found, look, alpha),
        p,
        p,
        found.adjusted_by,
        found.noise,
        len(sample.values),
    )


def _relative(found: Means, look: Look, alpha: float) -> Interval:
    if found.control.mean <= 0 or found.treatment.mean <= 0:
        return Interval(math.nan, math.nan, math.nan, found.difference.n)
    return as_relative(look.interval(log_ratio(found.control, found.treatment), alpha))


def _guarded(
    experiment: Experiment,
    compared: Mapping[str, Sequence[Comparison]],
    metrics: Mapping[str, MetricConfig],
    look: Look,
) -> list[Guarded]:
    plan = experiment.plan
    return [
        _guard(one, guardrail.margin, metrics[guardrail.metric], look, plan.alpha)
        for guardrail in plan.guardrails
        for one in compared.get(guardrail.metric, ())
    ]


def _guard(
    one: Comparison, margin: float, metric: MetricConfig, look: Look, alpha: float
) -> Guarded:
    """Test one-sided, at half the two-sided error rate, against a loss of the margin."""
    difference = welch(one.control, one.treatment)
    least = -margin * abs(one.control.mean)
    above = replace(difference, mean=metric.sign * difference.mean - least)
    half = look.p(above) / 2
    p = half if above.mean > 0 else 1 - half
    holds = True if p <= alpha / 2 else False if 1 - p <= alpha / 2 else None
    return Guarded(one, margin, p, holds)


def _segment_effects(
    table: _Table, look: Look
) -> tuple[list[SegmentEffect], dict[tuple[str, str], Heterogeneity]]:
    """Measure the primary metric in every segment; Holm over those that were declared."""
    plan = table.experiment.plan
    effects: list[SegmentEffect] = []
    spreads: dict[tuple[str, str], Heterogeneity] = {}
    for axis in map(str, table.segments):
        for number, variant in table.treatments:
            found = _along(table, axis, number)
            if not found:
                continue
            differences = [one.difference for _, one in found]
            values = np.array([one.mean for one in differences])
            errors = np.array([one.error for one in differences])
            spreads[axis, variant] = heterogeneity(values, errors)
            effects += _shrunken(axis, variant, found, look, plan)
    return adjusted(effects), spreads


def _along(table: _Table, axis: str, treatment: int) -> list[tuple[str, Means]]:
    """Compare in each segment of an axis that has users enough to be read."""
    found = []
    for segment in sorted(set(table.segments[axis]) - {UNKNOWN}):
        among = (table.segments[axis] == segment).to_numpy()
        sample = table.sample(table.experiment.plan.primary, treatment, among)
        if sample.is_enough and min(side.sum() for side in sample.sides) >= LEAST_USERS:
            compared = means(sample)
            if compared.difference.error > 0:
                found.append((segment, compared))
    return found


def _shrunken(
    axis: str, variant: str, found: Sequence[tuple[str, Means]], look: Look, plan: Plan
) -> list[SegmentEffect]:
    differences = [one.difference for _, one in found]
    drawn = shrink_over_grid(
        np.array([one.mean for one in differences]),
        np.array([one.error for one in differences]),
        confidence=1 - plan.alpha,
    )
    sure = s_values(drawn.false_sign_rate)
    return [
        SegmentEffect(
            axis,
            segment,
            variant,
            difference.n,
            look.interval(difference, plan.alpha),
            _relative(one, look, plan.alpha),
            p := look.p(difference),
            p,
            _borrowed(drawn, n, difference.n),
            float(drawn.false_sign_rate[n]),
            float(sure[n]),
            axis in plan.segments,
        )
        for n, ((segment, one), difference) in enumerate(zip(found, differences, strict=True))
    ]


def _gainers(table: _Table, effects: Sequence[SegmentEffect], look: Look) -> list[Gainers]:
    plan = table.experiment.plan
    sign = table.metrics[plan.primary].sign
    found = []
    for number, variant in table.treatments:
        better = [
            one
            for one in effects
            if one.declared
            and one.variant == variant
            and one.adjusted_p <= plan.alpha
            and sign * one.difference.mean > 0
        ]
        if better:
            better.sort(key=lambda one: -sign * one.difference.mean)
            found.append(_of_gainers(table, number, variant, better, look))
    return found


def _of_gainers(
    table: _Table, number: int, variant: str, better: Sequence[SegmentEffect], look: Look
) -> Gainers:
    """Compare among the users of some segments, and among those of other segments alone."""
    inside = np.zeros(len(table.units), dtype=np.bool_)
    known = table.everybody.copy()
    for one in better:
        inside |= (table.segments[one.axis] == one.segment).to_numpy()
        known &= (table.segments[one.axis] != UNKNOWN).to_numpy()
    plan = table.experiment.plan

    def compared(among: Flags) -> Comparison | None:
        sample = table.sample(plan.primary, number, among)
        if not sample.is_enough:
            return None
        found = _comparison(plan.primary, variant, sample, look, plan.alpha)
        return found if welch(found.control, found.treatment).error > 0 else None

    together = compared(inside)
    if together is None:
        raise ValueError("a segment that gains has users of both arms")
    return Gainers(variant, tuple(better), together, compared(known & ~inside))


def _borrowed(drawn: Shrunken, place: int, users: int) -> Interval:
    low, mean, high = (float(x[place]) for x in (drawn.low, drawn.mean, drawn.high))
    return Interval(mean, low, high, users)
