"""How memberships hold: over time under the same definitions, and over draws of users."""

from collections.abc import Iterator, Sequence

from scipy import sparse

from recsys.config import RecsysConfig
from recsys.errors import ConfigError
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.shop import Shop
from recsys.pipelines.segment import Segmented
from recsys.pipelines.snapshot import seen_people
from recsys.pipelines.worth import MOST_USERS
from recsys.segments import (
    KINDS,
    Axis,
    Memberships,
    UserFacts,
    assign_axes,
    gather_facts,
    needs_of,
)
from recsys.segments.calendar import moments
from recsys.segments.insight.flows import Flows, Moment, flows_between
from recsys.segments.insight.stability import Stability, stability_of
from recsys.types import Indices, Membership

REFITS = 20
"""Bootstrap draws that an axis' cut points are learnt from anew."""
LOOKS_BACK = 6
"""Grid points at which sizes are told."""
LONG_ENOUGH = 150.0
"""Days of a shop from which sizes are told by month; before that by week."""


def past_memberships(
    shop: Shop, config: RecsysConfig, found: Segmented
) -> Iterator[tuple[int, Memberships]]:
    """Assign everyone known at earlier grid points, by the definitions of now."""
    span = shop.span()
    if span is None:
        return
    as_of, axes = found.facts.as_of, found.memberships.axes
    days = (as_of - span[0]) / MICROSECONDS_PER_DAY
    every, least = ("month", 15) if days >= LONG_ENOUGH else ("week", 3)
    # A grid point of this morning would show nobody moving.
    latest = as_of - least * MICROSECONDS_PER_DAY
    for moment in moments(every, as_of=latest, count=LOOKS_BACK):
        if span[0] < moment:
            yield moment, assigned_at(shop, config, found, axes, moment)


def assigned_at(
    shop: Shop, config: RecsysConfig, found: Segmented, axes: Sequence[Axis], moment: int
) -> Memberships:
    """Put whoever was known at another moment into segments whose cut points are frozen."""
    events = shop.events(before=moment)
    people = seen_people(shop, events, as_of=moment)
    facts = gather_facts(
        events,
        people.users,
        people.attributes,
        found.facts.catalogue,
        found.facts.reference,
        needs_of((axis.config for axis in axes), as_of=moment),
        interactions=config.interactions,
        as_of=moment,
        timed=shop.timed,
    )
    return assign_axes(axes, facts)


def moves_since(past: Sequence[tuple[int, Memberships]], found: Segmented) -> dict[str, Flows]:
    """Count who moved since the newest of the earlier moments, on each axis."""
    if not past:
        return {}
    before, after = past[-1][1], found.memberships
    return {
        axis.name: flows_between(_at(before, axis), _at(after, axis))
        for axis in found.memberships.axes
    }


def _at(memberships: Memberships, axis: Axis) -> Moment:
    return Moment(memberships.users, axis.segments, memberships.of(axis.name))


def firmness(found: Segmented, axis: Axis, seed: int) -> Stability:
    """Learn an axis anew from draws of its users, and see how many stay where they are."""
    facts = found.facts
    for parent in axis.config.parents:
        other = next(one for one in found.memberships.axes if one.name == parent)
        facts = facts.knowing(parent, other.segments, found.memberships.of(parent))

    def refit(rows: Indices) -> Membership:
        return _refitted(axis, facts, rows[:MOST_USERS])

    named = axis.config.kind != "clusters"
    return stability_of(
        found.memberships.of(axis.name), refit, seed=seed, refits=REFITS, named=named
    )


def _refitted(axis: Axis, facts: UserFacts, rows: Indices) -> Membership:
    """Learn an axis from a draw of users, and put everyone into its segments."""
    try:
        fit = KINDS[axis.config.kind].fit(axis.config, facts.resampled(rows))
    except ConfigError:
        # A draw in which all are alike teaches nothing: nothing moves.
        return axis.assign(facts)
    matrix = axis.model_copy(update={"fit": fit}).assign(facts)
    if axis.config.kind == "clusters":
        return matrix
    place = {segment: column for column, segment in enumerate(fit.segments)}
    empty = sparse.csr_matrix((len(facts), 1))
    padded = sparse.hstack([matrix, empty], format="csc")
    return sparse.csr_matrix(padded[:, [place.get(name, len(place)) for name in axis.segments]])
