"""What interleaved lists show: whose items customers turn to."""

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from recsys.engines import connect, literal, rows
from recsys.errors import DataError
from recsys.events.schema import EVENT, ITEM_ID, TIME
from recsys.experiments.definition import Experiment
from recsys.experiments.interleaving import Preference, preference_of_lists, preference_of_users
from recsys.experiments.looks import Look, look_at
from recsys.experiments.metrics import MetricConfig
from recsys.experiments.outcomes import UNIT_ID
from recsys.experiments.results import LEAST_USERS, Preferred, Ratio, adjusted
from recsys.experiments.verdict import MISMATCH, Answer, Verdict, still_to_come
from recsys.statistics import (
    sample_ratio,
    sample_ratio_at_any_time,
)
from recsys.types import Floats


@dataclass(frozen=True)
class Preferences:
    """All that a look at interleaved lists shows.

    Attributes
    ----------
    experiment
        As it was defined.
    users, lists
        That were served.
    foreign
        Lists by other recipes, left out.
    ratio
        Whose pick came first, the control's or the treatment's: a coin decides it.
    overall
        Of everybody; None where nobody turned to anything.
    segments
        Of every axis that is known.
    by_lists
        A vote of every list; lists of one user are not independent.
    look
        What the design allows now.
    """

    experiment: Experiment
    users: int
    lists: int
    foreign: int
    ratio: Ratio
    overall: Preferred | None
    segments: tuple[Preferred, ...]
    by_lists: Preference
    look: Look


def prefer(
    lists: pa.Table,
    events: pa.Table,
    experiment: Experiment,
    metric: MetricConfig,
    segments: pd.DataFrame,
    *,
    until: int,
    stopped: bool,
) -> Preferences:
    """Look at an experiment that interleaves.

    Parameters
    ----------
    lists
        Served lists: ``unit_id, recommendation_id, time, variant, digest, items, sides``.
    events
        Of these users: ``unit_id, event, time, item_id, recommendation_id``.
    experiment
        As it was defined.
    metric
        The primary one: what it counts is what prefers an item; each item of a list once.
    segments
        Each user's segment on every axis, by ``unit_id``.
    until
        Microseconds; nothing at or after it counts.
    stopped
        Whether it is over.

    Raises
    ------
    DataError
        Without a list that both variants had a part in.
    """
    connection = connect()
    try:
        connection.register("lists", lists)
        connection.register("events", events)
        foreign = _take_in(connection, experiment, metric, until)
        ((first, n),) = rows(connection, _FIRST)
        if not n:
            raise DataError(
                f"{experiment.plan.name} has no list of both variants by then: give a later "
                "--until, or wait"
            )
        votes = connection.execute(_OF_LISTS).df()
    finally:
        connection.close()
    of_users = votes.groupby(UNIT_ID)[["control", "treatment"]].sum().astype(np.float64)
    look = look_at(experiment.plan, len(of_users), stopped=stopped)
    told = of_users[of_users.sum(axis=1) > 0]
    gain = np.sign(votes["treatment"] - votes["control"])
    counts = np.array([int(first or 0), int(n) - int(first or 0)])
    even = np.array([0.5, 0.5])
    return Preferences(
        experiment,
        len(of_users),
        int(n),
        foreign,
        Ratio(
            "first places",
            tuple(counts.tolist()),
            sample_ratio(counts, even),
            sample_ratio_at_any_time(counts, even),
        ),
        _preferred("all", told, look, experiment) if len(told) > 1 else None,
        tuple(_by_segment(told, segments, look, experiment)),
        preference_of_lists(*(int((gain == sign).sum()) for sign in (1, -1, 0))),
        look,
    )


_FIRST: Final = "SELECT sum((sides[1] = 'control')::INT), count(*) FROM own"
_OF_LISTS: Final = (
    f"SELECT {UNIT_ID}, sum((turned AND side = 'control')::INT) AS control, "
    f"sum((turned AND side = 'treatment')::INT) AS treatment FROM places "
    f"GROUP BY {UNIT_ID}, recommendation_id ORDER BY {UNIT_ID}, recommendation_id"
)


def _take_in(
    connection: duckdb.DuckDBPyConnection, experiment: Experiment, metric: MetricConfig, until: int
) -> int:
    """Put down whose pick was turned to; returns how many lists are by other recipes."""
    control = experiment.arms[0]
    is_ours = f"variant = {literal(control.variant)} AND digest = {literal(control.digest)}"
    connection.execute(
        f"CREATE TABLE own AS SELECT * FROM lists "
        # A list to which one variant had nothing to add was decided by no coin.
        f"WHERE {TIME} < {until} AND {is_ours} AND (len(sides) = 1 OR "
        f"list_contains(sides, 'control') AND list_contains(sides, 'treatment'))"
    )
    connection.execute(
        f"CREATE TABLE turned AS SELECT DISTINCT recommendation_id, {ITEM_ID} FROM events "
        f"WHERE {EVENT} = {literal(metric.event)} AND {TIME} < {until} "
        f"AND recommendation_id IS NOT NULL"
    )
    connection.execute(
        f"CREATE TABLE places AS SELECT p.*, t.{ITEM_ID} IS NOT NULL AS turned FROM ("
        f"SELECT {UNIT_ID}, recommendation_id, unnest(items) AS {ITEM_ID}, unnest(sides) AS side "
        f"FROM own) AS p LEFT JOIN turned AS t USING (recommendation_id, {ITEM_ID})"
    )
    ((foreign,),) = rows(connection, f"SELECT count(*) FROM lists WHERE NOT ({is_ours})")
    return int(foreign)


def _preferred(of: str, told: pd.DataFrame, look: Look, experiment: Experiment) -> Preferred:
    """Measure some users who all turned to something."""
    sides: list[Floats] = [told[side].to_numpy() for side in ("control", "treatment")]
    found = preference_of_users(sides[0], sides[1])
    # Where all prefer alike there is no spread to go by: as rare as coins that fall alike.
    p = look.p(found) if found.error > 0 else min(1.0, 2 * 0.5 ** (len(told) * abs(found.mean)))
    plan, axis = experiment.plan, of.partition(":")[0]
    interval = look.interval(found, plan.alpha)
    return Preferred(of, len(told), interval, p, p, axis in plan.segments)


def _by_segment(
    told: pd.DataFrame, segments: pd.DataFrame, look: Look, experiment: Experiment
) -> list[Preferred]:
    known = segments.reindex(told.index)
    every = [
        _preferred(f"{axis}:{segment}", told[(known[axis] == segment).to_numpy()], look, experiment)
        for axis in known
        for segment, users in known[axis].value_counts().sort_index().items()
        if users >= LEAST_USERS
    ]
    return adjusted(every)


def decide_preference(found: Preferences, *, users_per_day: float) -> Verdict:
    """Say whether customers prefer the treatment's items.

    1. the coin that decides whose pick comes first was not even (p at most `MISMATCH`), or it is
       over and nobody turned to anything: **invalid**
    2. the design allows no verdict yet: **keep running**
    3. p at most α, for the treatment: **preferred**; against it: **not preferred**
    4. the last look: **not preferred**; else **keep running**

    Parameters
    ----------
    found
        Of this look.
    users_per_day
        The pace so far.
    """
    plan = found.experiment.plan
    (variant,) = plan.treatments
    if min(found.ratio.p, found.ratio.p_any_time) <= MISMATCH:
        counts = " and ".join(f"{n:,}" for n in found.ratio.counts)
        why = f"a coin decides whose pick comes first, and the two came first {counts} times"
        return Verdict("invalid", None, (), (why,), _warnings(found))
    one, look = found.overall, found.look
    if one is None and look.is_last:
        why = (
            f"nobody turned to an item ({plan.primary}): does the storefront send the "
            "recommendation_id of the list with its events?"
        )
        return Verdict("invalid", None, (), (why,), _warnings(found))
    said = _sentences(found, variant)
    answer: Answer = "not preferred"
    if look.decides and one is not None and one.p <= plan.alpha:
        answer = "preferred" if one.interval.mean > 0 else "not preferred"
    elif not look.is_last:
        left, days = still_to_come(plan, found.users, users_per_day)
        return Verdict("keep running", variant, (), said, _warnings(found), left, days)
    return Verdict(answer, variant, (), said, _warnings(found))


def _sentences(found: Preferences, variant: str) -> tuple[str, ...]:
    one, plan = found.overall, found.experiment.plan
    if one is None:
        return (f"nobody has turned to an item ({plan.primary}) yet",)
    sure = one.p <= plan.alpha and found.look.decides
    which = variant if one.interval.mean > 0 else plan.control
    said = f"customers turn to items of {which} more often" if sure else "no preference is shown"
    low, mean, high = (
        f"{x:+.3f}" for x in (one.interval.low, one.interval.mean, one.interval.high)
    )
    return (
        f"{said}: {mean} [{low}, {high}] on a scale from -1 to 1 ({one.users:,} customers who "
        f"turned to something, p = {one.p:.2g})",
        "a preference between lists says nothing of orders or of coming back: where it is clear, "
        "an A/B test is worth its time",
    )


def _warnings(found: Preferences) -> tuple[str, ...]:
    if not found.foreign:
        return ()
    return (f"{found.foreign:,} lists were made by recipes that are not those of the plan",)
