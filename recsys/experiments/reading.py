"""From the state to an analysis: the lists of an experiment, and what its users did."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recsys.errors import DataError
from recsys.events.schema import MICROSECONDS_PER_DAY, TIME, USER_ID
from recsys.experiments.analysis import analyse
from recsys.experiments.definition import Experiment, Plan
from recsys.experiments.design import Design, as_if_begun, design
from recsys.experiments.enrolment import Weights
from recsys.experiments.metrics import MetricConfig
from recsys.experiments.outcomes import UNIT_ID, Outcomes, measure_outcomes
from recsys.experiments.preference import Preferences, decide_preference, prefer
from recsys.experiments.rehearsal import Baselines
from recsys.experiments.results import Analysis
from recsys.experiments.running import check_metrics, opened
from recsys.experiments.verdict import Verdict, decide
from recsys.state import Exposure, StateStore
from recsys.statistics import Interval

SESSION_ID = "session_id"


@dataclass(frozen=True)
class Read:
    """An experiment, read and judged.

    Attributes
    ----------
    analysis, verdict
        What it shows, and what that comes to.
    first, until
        The time of its first list, and when it was looked at, microseconds.
    course
        The primary difference as it was known by the end of earlier days, and now.
    weeks
        The same in each week after a customer's first list: what is new may wear off.
    stopped
        Whether it is over.
    """

    analysis: Analysis
    verdict: Verdict
    first: int
    until: int
    course: tuple["Point", ...]
    weeks: tuple["Point", ...]
    stopped: bool = False

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.analysis.experiment.plan.name


class Point(NamedTuple):
    """What is known of a treatment by the end of a day, or in a week, counted from 1."""

    number: int
    variant: str
    relative: Interval


@dataclass(frozen=True)
class ReadPreferences:
    """Interleaved lists, read and judged; see `Read`."""

    found: Preferences
    verdict: Verdict
    first: int
    until: int
    stopped: bool = False

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.found.experiment.plan.name


def look(
    state: StateStore,
    name: str,
    metrics: Mapping[str, MetricConfig],
    *,
    margins: Mapping[str, float] | None = None,
    until: int | None = None,
    days: int = 0,
) -> Read | ReadPreferences:
    """Look at an experiment as the state has it.

    Parameters
    ----------
    state
        Where its lists and events are.
    name
        Which.
    metrics
        Every metric there is; those the plan names decide, the others are shown.
    margins
        See `measure_outcomes`; without any, metrics of margins are not measured.
    until
        Microseconds; nothing at or after it counts. Default: its end, or just after the newest
        list and event.
    days
        At most so many days of its course, the last one included, and weeks are worked out.

    Raises
    ------
    NotFoundError
        When there is no such experiment.
    ConfigError
        When it names a metric that is not there.
    DataError
        When nobody has been served a list of it.
    """
    metrics = metrics if margins else _without_margins(metrics)
    kept = _kept(state, name, metrics, until)
    if kept.experiment.plan.kind == "interleaving":
        return _preferences(kept, metrics)
    return _read(kept, metrics, margins, days)


@dataclass(frozen=True)
class _Kept:
    """What the state has of an experiment."""

    experiment: Experiment
    lists: pa.Table
    segments: pd.DataFrame
    events: pa.Table
    first: int
    until: int
    stopped: bool

    @property
    def lasted(self) -> float:
        """Days, an hour at least."""
        return max((self.until - self.first) / MICROSECONDS_PER_DAY, 1 / 24)


def _kept(
    state: StateStore, name: str, metrics: Mapping[str, MetricConfig], until: int | None
) -> _Kept:
    kept = state.experiments.of(name)
    experiment = opened(kept)
    check_metrics(experiment.plan, metrics)
    lists, segments = lists_of(state, experiment)
    if not lists.num_rows:
        raise DataError(f"nobody has been served a list of the experiment {name!r} yet")
    first, newest = (pc.min_max(lists[TIME]).as_py()[key] for key in ("min", "max"))
    end = max(newest, state.newest_time() or newest) + 1
    end = min(end, kept.stopped_at or end) if until is None else until
    events = events_of(state, experiment, lists)
    return _Kept(experiment, lists, segments, events, first, end, kept.stopped_at is not None)


def _preferences(kept: _Kept, metrics: Mapping[str, MetricConfig]) -> ReadPreferences:
    plan = kept.experiment.plan
    found = prefer(
        kept.lists,
        kept.events,
        kept.experiment,
        metrics[plan.primary],
        kept.segments,
        until=kept.until,
        stopped=kept.stopped,
    )
    verdict = decide_preference(found, users_per_day=found.users / kept.lasted)
    return ReadPreferences(found, verdict, kept.first, kept.until, kept.stopped)


def _read(
    kept: _Kept,
    metrics: Mapping[str, MetricConfig],
    margins: Mapping[str, float] | None,
    days: int,
) -> Read:
    experiment, stopped = kept.experiment, kept.stopped

    def measured(by: Mapping[str, MetricConfig], known: int) -> Outcomes:
        return measure_outcomes(
            kept.lists, kept.events, experiment, by, until=known, margins=margins
        )

    outcomes = measured(metrics, kept.until)
    analysis = analyse(experiment, outcomes, metrics, kept.segments, stopped=stopped)
    verdict = decide(analysis, users_per_day=analysis.users / kept.lasted)
    primary = {experiment.plan.primary: metrics[experiment.plan.primary]}
    axes = [axis for axis in kept.segments if axis == experiment.plan.strata]
    strata = kept.segments[axes]

    def known_by(day: int) -> Analysis:
        known = min(kept.first + day * MICROSECONDS_PER_DAY, kept.until)
        return analyse(experiment, measured(primary, known), primary, strata, stopped=stopped)

    course = _course(known_by, math.ceil(kept.lasted), days)
    every = _weeks(metrics[experiment.plan.primary], min(days, int(kept.lasted / 7)))
    weeks: list[Point] = []
    if every:
        by_week = measured(every, kept.until)
        for number, name in enumerate(every, start=1):
            week = analyse(_by(experiment, name), by_week, every, strata, stopped=stopped)
            weeks += [Point(number, one.variant, one.relative) for one in week.primary]
    return Read(analysis, verdict, kept.first, kept.until, course, tuple(weeks), stopped)


def _without_margins(metrics: Mapping[str, MetricConfig]) -> Mapping[str, MetricConfig]:
    return {name: metric for name, metric in metrics.items() if metric.value != "margin"}


def _weeks(metric: MetricConfig, n: int) -> dict[str, MetricConfig]:
    """Return a metric for each week; none where it has days of its own."""
    if metric.after or metric.window or metric.is_of_lists:
        return {}
    return {
        f"week {week + 1}": metric.model_copy(
            update={"after": f"{7 * week}d" if week else None, "window": f"{7 * week + 7}d"}
        )
        for week in range(n)
    }


def _by(experiment: Experiment, metric: str) -> Experiment:
    """Return the same experiment, judged by another metric."""
    return experiment._replace(plan=experiment.plan.model_copy(update={"primary": metric}))


def _course(known_by: Callable[[int], Analysis], lasted: int, days: int) -> tuple[Point, ...]:
    """Look back at some of the days, evenly apart, and at the last."""
    chosen = np.unique(np.linspace(1, lasted, min(days, lasted)).round().astype(int)).tolist()
    return tuple(
        Point(day, one.variant, one.relative) for day in chosen for one in known_by(day).primary
    )


def plan_for(
    state: StateStore,
    plan: Plan,
    metrics: Mapping[str, MetricConfig],
    *,
    margins: Mapping[str, float] | None = None,
) -> Design:
    """Work out what a plan takes at a shop's own traffic.

    Parameters
    ----------
    state
        Where its events and memberships are.
    plan
        What a person wrote.
    metrics, margins
        As for `read`.

    Raises
    ------
    ConfigError
        When it names a metric that is not there.
    DataError
        See `recsys.experiments.design.design`.
    """
    metrics = metrics if margins else _without_margins(metrics)
    check_metrics(plan, metrics)
    events, segments = _past(state, plan)
    return design(plan, events, metrics[plan.primary], segments, margins=margins)


def tables_for(
    state: StateStore,
    plan: Plan,
    metrics: Mapping[str, MetricConfig],
    *,
    margins: Mapping[str, float] | None = None,
) -> Baselines:
    """Return what a plan's metrics were over the last weeks, to rehearse it on.

    Parameters
    ----------
    state, plan, metrics, margins
        As for `plan_for`.

    Raises
    ------
    ConfigError, DataError
        As `plan_for` does.
    """
    metrics = metrics if margins else _without_margins(metrics)
    check_metrics(plan, metrics)
    events, segments = _past(state, plan)
    named = (plan.primary, *(one.metric for one in plan.guardrails))
    deciding = {name: metrics[name] for name in named}
    units = as_if_begun(events, plan, deciding, margins)
    return Baselines(units, segments.reindex(units.index), deciding)


def _past(state: StateStore, plan: Plan) -> tuple[pa.Table, pd.DataFrame]:
    """Return all events by unit, and the segments that units are in."""
    parts = [_by_unit(part, plan) for part in state.event_tables()]
    events = pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({})
    units = pc.unique(events[UNIT_ID]).to_pylist() if parts else []
    known = state.profiles.of(units) if plan.unit == "user" else {}
    return events, _table_of_segments(known)


def lists_of(state: StateStore, experiment: Experiment) -> tuple[pa.Table, pd.DataFrame]:
    """Read the lists of an experiment, and the segments of each unit at her first one.

    Returns
    -------
    tuple of pyarrow.Table, pandas.DataFrame
        See `measure_outcomes` and `analyse`.
    """
    plan, parts = experiment.plan, []
    first: dict[str, tuple[int, Weights]] = {}
    for part in state.exposures.of_experiment(plan.name):
        rows = [(unit, one) for one in part if (unit := _unit_of(one, plan)) is not None]
        parts.append(_table(rows, plan))
        for unit, one in rows:
            if unit not in first or one.time < first[unit][0]:
                first[unit] = (one.time, one.segments)
    segments = _table_of_segments({unit: weights for unit, (_, weights) in first.items()})
    return pa.concat_tables(parts) if parts else _table([], plan), segments


def events_of(state: StateStore, experiment: Experiment, lists: pa.Table) -> pa.Table:
    """Read the events of those who were served lists of an experiment."""
    units = pc.unique(lists[UNIT_ID])
    parts = [
        named.filter(pc.is_in(named[UNIT_ID], value_set=units))
        for named in (_by_unit(part, experiment.plan) for part in state.event_tables())
    ]
    return pa.concat_tables(parts, promote_options="permissive")


def _by_unit(events: pa.Table, plan: Plan) -> pa.Table:
    """Name what the plan assigns ``unit_id``; events of no unit are left out."""
    column = USER_ID if plan.unit == "user" else SESSION_ID
    units = events[column].cast(pa.string())
    others = events.drop_columns([column]).append_column(UNIT_ID, units)
    return others.filter(pc.is_valid(units))


def _table_of_segments(weights: Mapping[str, Weights]) -> pd.DataFrame:
    """Return the strongest segment of each axis, a row for each unit."""
    known = {unit: _strongest(of_unit) for unit, of_unit in weights.items()}
    segments = pd.DataFrame.from_dict(known, orient="index", dtype=object)
    segments.index.name = UNIT_ID
    return segments


def _unit_of(one: Exposure, plan: Plan) -> str | None:
    return one.user_id if plan.unit == "user" else one.session_id


def _table(rows: list[tuple[str, Exposure]], plan: Plan) -> pa.Table:
    found = pa.table(
        {
            UNIT_ID: pa.array([unit for unit, _ in rows], pa.string()),
            "recommendation_id": pa.array([one.recommendation_id for _, one in rows], pa.string()),
            TIME: pa.array([one.time for _, one in rows], pa.int64()),
            "variant": pa.array([one.variant for _, one in rows], pa.string()),
            "digest": pa.array([one.digest for _, one in rows], pa.string()),
            "differs": pa.array([one.differs for _, one in rows], pa.bool_()),
            "milliseconds": pa.array([one.milliseconds for _, one in rows], pa.float64()),
        }
    )
    if plan.kind == "interleaving":
        texts = pa.list_(pa.string())
        for name in ("items", "sides"):
            of_lists = pa.array([getattr(one, name) for _, one in rows], texts)
            found = found.append_column(name, of_lists)
    return found


def _strongest(weights: Weights) -> dict[str, str]:
    """Return the segment of each axis that a user is in most."""
    return {
        axis: max(sorted(of_axis), key=lambda name: of_axis[name])
        for axis, of_axis in weights.items()
        if of_axis
    }
