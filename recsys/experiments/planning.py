"""What a plan takes, and how it would end, by a shop's own past."""

from collections.abc import Mapping

from recsys.experiments.definition import Plan
from recsys.experiments.design import Design, as_if_begun, design
from recsys.experiments.metrics import MetricConfig, measurable
from recsys.experiments.records import past_of
from recsys.experiments.rehearsal import Baselines
from recsys.experiments.running import check_metrics
from recsys.state import StateStore


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
        As for `recsys.experiments.reading.look`.

    Raises
    ------
    ConfigError
        When it names a metric that is not there.
    DataError
        See `recsys.experiments.design.design`.
    """
    metrics = measurable(metrics, margins)
    check_metrics(plan, metrics)
    events, segments = past_of(state, plan)
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
    metrics = measurable(metrics, margins)
    check_metrics(plan, metrics)
    events, segments = past_of(state, plan)
    # Guardrails about lists of the experiment can be told from no past, and have no say.
    guards = [one.metric for one in plan.guardrails if not metrics[one.metric].needs_lists]
    deciding = {name: metrics[name] for name in (plan.primary, *guards)}
    units = as_if_begun(events, plan, deciding, margins)
    return Baselines(units, segments.reindex(units.index), deciding)
