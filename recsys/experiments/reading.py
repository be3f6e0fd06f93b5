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
from recsys.events.schema import MICROSECONDS_PER_DAY, TIME
from recsys.experiments.analysis import analyse
from recsys.experiments.definition import Experiment
from recsys.experiments.metrics import MetricConfig, measurable
from recsys.experiments.outcomes import Outcomes, measure_outcomes
from recsys.experiments.preference import Preferences, decide_preference, prefer
from recsys.experiments.records import events_of, lists_of
from recsys.experiments.results import Analysis
from recsys.experiments.running import check_metrics, opened
from recsys.experiments.verdict import Verdict, decide
from recsys.state import StateStore
from recsys.statistics import Interval


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
    metrics = measurable(metrics, margins)
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
