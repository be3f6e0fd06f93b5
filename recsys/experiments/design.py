"""How many users an experiment takes, and how long that is at a shop's own traffic.

What users are like is read from the shop's recent past, as if an experiment had begun then: a
user's first event of the last weeks stands for her first list.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from recsys.errors import DataError
from recsys.events.schema import MICROSECONDS_PER_DAY, TIME
from recsys.experiments.definition import (
    Arm,
    ConfidenceSequenceDesign,
    Experiment,
    GroupSequentialDesign,
    Plan,
)
from recsys.experiments.metrics import MetricConfig
from recsys.experiments.outcomes import UNIT_ID, measure_outcomes
from recsys.experiments.samples import means, take_sample
from recsys.statistics import (
    ConfidenceSequence,
    Estimate,
    bounds,
    detectable,
    drift_for,
    users_for_means,
)
from recsys.types import Flags, Floats

LOOKED_BACK: Final = 28
"""Days of the past that stand for the days to come."""
HORIZONS: Final = (7, 14, 28)
"""Days for which it is said what could be seen."""
_NOBODY: Final = "nobody"


@dataclass(frozen=True)
class Baseline:
    """A metric as it is now.

    Attributes
    ----------
    users
        Whom it was measured on.
    mean, sd
        Of a user's value; of a ratio, of what is linear in it.
    noise
        The share of the variance that CUPED leaves.
    """

    users: int
    mean: float
    sd: float
    noise: float


@dataclass(frozen=True)
class Needed:
    """What it takes to see the planned effect, over all users or in one segment.

    Attributes
    ----------
    of
        ``all`` or ``AXIS:SEGMENT``.
    share
        Of the users.
    baseline
        Of these users.
    users
        Of all variants and all segments together; None without an effect that is planned for.
    days
        Until so many have come; None where they never would.
    """

    of: str
    share: float
    baseline: Baseline
    users: int | None
    days: int | None


@dataclass(frozen=True)
class Design:
    """What a plan takes.

    Attributes
    ----------
    needed
        All users first, then each declared segment, after Holm over these.
    seen
        Days -> the least relative effect that can be seen by then.
    looks
        How many times more users the decision costs than a single look.
    users_by_day
        Users who would have taken part by the end of each of the last days.
    """

    needed: tuple[Needed, ...]
    seen: Mapping[int, float]
    looks: float
    users_by_day: tuple[int, ...]


def design(
    plan: Plan,
    events: pa.Table,
    metric: MetricConfig,
    segments: pd.DataFrame,
    *,
    margins: Mapping[str, float] | None = None,
) -> Design:
    """Work out what a plan takes.

    Parameters
    ----------
    plan
        Effect, error rate, power, shares, decision.
    events
        Of the shop, with ``unit_id`` and times.
    metric
        The primary one.
    segments
        Each user's segment on the declared axes, by ``unit_id``.
    margins
        See `measure_outcomes`.

    Raises
    ------
    DataError
        When there are no events with times, or the metric cannot be told from events alone.
    """
    table = as_if_begun(events, plan, {plan.primary: metric}, margins)
    traffic = _traffic(table["first"].to_numpy(), plan)
    looks = cost_of_looks(plan)
    known = segments.reindex(table.index)
    everybody = np.ones(len(table), dtype=np.bool_)
    baseline = _baseline(table, plan.primary, metric, everybody)
    parts = [
        (f"{axis}:{segment}", (known[axis] == segment).to_numpy())
        for axis in plan.segments
        if axis in known
        for segment in sorted(known[axis].dropna().unique())
    ]
    tests = len(plan.treatments) * max(len(parts), 1)
    needed = [_needed("all", baseline, 1.0, plan, looks, traffic, len(plan.treatments))]
    for of, among in parts:
        if among.sum() > 1:
            measured = _baseline(table, plan.primary, metric, among)
            share = float(among.mean())
            needed.append(_needed(of, measured, share, plan, looks, traffic, tests))
    seen = {days: _seen(baseline, float(_by_day(traffic, days)), plan, looks) for days in HORIZONS}
    return Design(tuple(needed), seen, looks, tuple(int(n) for n in traffic))


def cost_of_looks(plan: Plan) -> float:
    """Return how many times more users a decision costs than one look, for the same power."""
    reach = float(ndtri(1 - plan.alpha / 2) + ndtri(plan.power))
    if isinstance(plan.decision, GroupSequentialDesign):
        said = plan.decision
        z = bounds(said.looks, said.spending, alpha=plan.alpha, power=said.power)
        return (drift_for(said.looks, z, plan.power) / reach) ** 2
    if isinstance(plan.decision, ConfidenceSequenceDesign):
        # At the users it is tuned to, it is as wide for any number of them.
        n = 1000
        tuned = ConfidenceSequence.tuned(n, alpha=plan.alpha)
        z_any = tuned.interval(Estimate(0.0, 1.0, n, float(n))).high
        return ((z_any + float(ndtri(plan.power))) / reach) ** 2
    return 1.0


def as_if_begun(
    events: pa.Table,
    plan: Plan,
    metrics: Mapping[str, MetricConfig],
    margins: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Measure metrics as if an experiment had begun some weeks ago, everybody the control.

    Returns
    -------
    pandas.DataFrame
        The units of `measure_outcomes`.

    Raises
    ------
    DataError
        When there are no events with times, or a metric cannot be told from events alone.
    """
    for name, metric in metrics.items():
        if metric.needs_lists:
            raise DataError(
                f"{name} is about lists of the experiment, which nobody has seen yet: name a "
                "metric of all events as primary, or write down planned_users by other means"
            )
    if not events.num_rows or pc.all(pc.is_null(events[TIME])).as_py():
        raise DataError("without events and their times there is no traffic to plan by")
    newest = pc.max(events[TIME]).as_py()
    begun = newest + 1 - LOOKED_BACK * MICROSECONDS_PER_DAY
    recent = events.filter(pc.greater_equal(events[TIME], begun))
    arms = (Arm(plan.control, _NOBODY, 1.0),)
    lists = pa.table(
        {
            UNIT_ID: recent[UNIT_ID],
            "recommendation_id": pa.array([""] * recent.num_rows, pa.string()),
            TIME: recent[TIME],
            "variant": pa.array([plan.control] * recent.num_rows, pa.string()),
            "digest": pa.array([_NOBODY] * recent.num_rows, pa.string()),
        }
    )
    experiment = Experiment.of(plan, arms)
    return measure_outcomes(
        lists, events, experiment, metrics, until=newest + 1, margins=margins
    ).units


def _traffic(first: Floats, plan: Plan) -> Floats:
    """Return how many users would have taken part by the end of each day, shape ``(n_days,)``."""
    part = (plan.part[1] - plan.part[0]) * plan.coverage
    days = (first - first.min()) // MICROSECONDS_PER_DAY
    return np.asarray(np.bincount(days.astype(int), minlength=LOOKED_BACK).cumsum() * part)


def _by_day(traffic: Floats, days: int) -> float:
    """Return how many users will have come by a day; later ones come at the last week's pace."""
    if days <= len(traffic):
        return float(traffic[days - 1])
    return float(traffic[-1] + (days - len(traffic)) * _pace(traffic))


def _days_for(traffic: Floats, users: float) -> int | None:
    if users <= traffic[-1]:
        return int(np.searchsorted(traffic, users)) + 1
    pace = _pace(traffic)
    return len(traffic) + math.ceil((users - traffic[-1]) / pace) if pace > 0 else None


def _pace(traffic: Floats) -> float:
    """Return users a day over the last week that is known."""
    return float(traffic[-1] - traffic[-8]) / 7 if len(traffic) > 7 else 0.0


def _baseline(table: pd.DataFrame, name: str, metric: MetricConfig, among: Flags) -> Baseline:
    half = np.cumsum(among) % 2 == 0
    sample = take_sample(table, name, metric, among, half, np.zeros(len(half), dtype=np.int64))
    users = len(sample.values)
    if not sample.is_enough:
        raise DataError(f"{name} was measured on {users} users, too few to plan by")
    linear = np.concatenate(sample.linear())
    return Baseline(users, float(linear.mean()), float(linear.std()), means(sample).noise)


def _needed(
    of: str,
    baseline: Baseline,
    share: float,
    plan: Plan,
    looks: float,
    traffic: Floats,
    tests: int,
) -> Needed:
    if plan.effect is None or not baseline.mean or not baseline.sd:
        return Needed(of, share, baseline, None, None)
    control, least = plan.share(plan.control), _least_share(plan)
    each = users_for_means(
        baseline.sd * math.sqrt(min(baseline.noise, 1.0)),
        plan.effect * baseline.mean,
        alpha=plan.alpha / tests,
        power=plan.power,
        ratio=least / control,
    )
    users = math.ceil(each * looks / control / share)
    return Needed(of, share, baseline, users, _days_for(traffic, users))


def _seen(baseline: Baseline, users: float, plan: Plan, looks: float) -> float:
    """Return the least relative effect that so many users show."""
    if users < 2 or not baseline.mean:
        return math.nan
    control = plan.share(plan.control)
    sd = baseline.sd * math.sqrt(min(baseline.noise, 1.0) * looks)
    found = detectable(
        users * control,
        sd,
        alpha=plan.alpha / len(plan.treatments),
        power=plan.power,
        ratio=_least_share(plan) / control,
    )
    return found / abs(baseline.mean)


def _least_share(plan: Plan) -> float:
    shares: Sequence[float] = [plan.share(name) for name in plan.treatments]
    return min(shares)
