"""What the state holds of an experiment: lists, events and segments, by the unit it assigns."""

from collections.abc import Mapping
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recsys.events.schema import (
    AMOUNT,
    BASKET_ID,
    EVENT,
    EVENT_ID,
    ITEM_ID,
    QUANTITY,
    TIME,
    USER_ID,
)
from recsys.experiments.definition import Experiment, Plan
from recsys.experiments.enrolment import Weights
from recsys.experiments.outcomes import UNIT_ID
from recsys.state import Exposure, StateStore

SESSION_ID: Final = "session_id"
NOTHING: Final = pa.schema(
    [
        *((name, pa.string()) for name in (UNIT_ID, EVENT, EVENT_ID, ITEM_ID, BASKET_ID)),
        ("recommendation_id", pa.string()),
        *((name, pa.int64()) for name in (TIME, AMOUNT)),
        (QUANTITY, pa.float64()),
    ]
).empty_table()
"""The events of nobody."""


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
    return pa.concat_tables(parts, promote_options="permissive") if parts else NOTHING


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


def past_of(state: StateStore, plan: Plan) -> tuple[pa.Table, pd.DataFrame]:
    """Return all events by unit, and the segments that units are in."""
    parts = [_by_unit(part, plan) for part in state.event_tables()]
    events = pa.concat_tables(parts, promote_options="permissive") if parts else NOTHING
    units = pc.unique(events[UNIT_ID]).to_pylist()
    known = state.profiles.of(units) if plan.unit == "user" else {}
    return events, _table_of_segments(known)
