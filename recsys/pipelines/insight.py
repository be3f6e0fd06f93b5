"""A closer look at segments: how they move, how firm and how alike they are, what each is worth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.events.schema import CATEGORY, MICROSECONDS_PER_DAY, STARTS
from recsys.events.shop import Shop
from recsys.events.times import parse_days
from recsys.models.worth import Worth
from recsys.pipelines.portraits import categories_beside, searches
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.segment import Segmented
from recsys.pipelines.steadiness import (
    assigned_at,
    firmness,
    moves_since,
    past_memberships,
)
from recsys.pipelines.worth import judge_axes
from recsys.segments import (
    Memberships,
)
from recsys.segments.insight.association import Association, associate
from recsys.segments.insight.flows import Flows
from recsys.segments.insight.funnel import Funnel, Separation, funnel, separates
from recsys.segments.insight.offers import Campaigns, Offers, offers
from recsys.segments.insight.stability import Stability
from recsys.segments.insight.trends import TrendsConfig, trends
from recsys.segments.shares import Column, coded, measure_shares
from recsys.types import Floats, Membership

MOST_VALUES = 20
"""Categories of the heat map, those with the most dealings."""
TREND_DAYS = parse_days(TrendsConfig().window)
"""Length of the two windows that trends compare."""
STRENGTH = 5.0
"""Users of average taste that a lift of the heat map is pulled towards."""


@dataclass(frozen=True)
class Lifts:
    """What the segments of an axis deal with, against everybody.

    Attributes
    ----------
    axis, column
        Their names.
    values
        Of the column.
    log_lift
        Shape ``(n_segments, n_values)``.
    """

    axis: str
    column: str
    values: tuple[str, ...]
    log_lift: Floats


@dataclass(frozen=True)
class Insight:
    """Everything that a closer look found; what the data do not allow is empty or None.

    Attributes
    ----------
    past
        Memberships at earlier grid points under the same definitions, the oldest first.
    flows
        Axis -> moves since the last grid point.
    stability
        Axis -> how firm its cut points are.
    worth
        Axis -> what its prior is worth on the window before the moment.
    cross
        Pairs of axes, the most alike first.
    lifts
        By axis.
    trends
        As `recsys.segments.insight.trends` gives them.
    funnel, separation
        Where customers are lost, and what tells buyers from leavers.
    offers
        None without campaigns.
    searches
        What is searched for, as `recsys.pipelines.portraits.searches` gives it.
    notes
        What was left out, and why.
    """

    past: tuple[tuple[int, Memberships], ...]
    flows: dict[str, Flows]
    stability: dict[str, Stability]
    worth: dict[str, Worth]
    cross: tuple[tuple[str, str, Association], ...]
    lifts: tuple[Lifts, ...]
    trends: pd.DataFrame
    funnel: Funnel
    separation: Separation | None
    offers: Offers | None
    searches: pd.DataFrame
    notes: tuple[str, ...]


def look_closer(
    shop: Shop,
    config: RecsysConfig,
    found: Segmented,
    *,
    progress: Progress = silent,
) -> Insight:
    """Find out what there is to know of memberships and of what they stand for.

    Parameters
    ----------
    shop
        The shop that was segmented.
    config
        Its config.
    found
        The segments, as of their moment.
    progress
        Where to say how far it is.
    """
    with progress("sizes over time", None):
        past = tuple(past_memberships(shop, config, found))
    with progress("how firm the cut points are", len(found.memberships.axes)) as advance:
        firm = {}
        for axis in found.memberships.axes:
            firm[axis.name] = firmness(found, axis, config.model.seed)
            advance()
    worth, notes = judge_axes(shop, config, found, progress=progress)
    with progress("trends, funnel and offers", None):
        return Insight(
            past,
            moves_since(past, found),
            firm,
            worth,
            tuple(_cross(found.memberships)),
            tuple(_lifts(shop, config, found)),
            _trends(shop, config, found, past),
            _funnel(shop, config, found),
            _separation(shop, config, found),
            _offers(shop, config, found),
            searches(shop, found),
            notes,
        )


def _cross(memberships: Memberships) -> Iterator[tuple[str, str, Association]]:
    found = [
        (one.name, other.name, associate(memberships.of(one.name), memberships.of(other.name)))
        for one, other in combinations(memberships.axes, 2)
    ]
    yield from sorted(found, key=lambda pair: -np.nan_to_num(pair[2].association, nan=-1.0))


def _lifts(shop: Shop, config: RecsysConfig, found: Segmented) -> Iterator[Lifts]:
    """Compare what segments deal with, by the first step of the categories, with everybody."""
    facts, column = found.facts, Column(CATEGORY, 1)
    if CATEGORY not in facts.catalogue.columns:
        return
    shares = facts.shares.get(column) or measure_shares(
        shop.events(before=facts.as_of),
        facts.catalogue,
        column,
        facts.users,
        config.interactions,
        as_of=facts.as_of,
        timed=shop.timed,
    )
    values, _ = coded(facts.catalogue, column)
    named = values[values != ""]
    own = shares.of(named)
    mass = np.asarray(own.sum(axis=0)).ravel()
    most = np.sort(np.argsort(-mass, kind="stable")[:MOST_VALUES])
    for axis in found.memberships.axes:
        if column not in axis.config.columns and len(most):
            lift = _log_lift(found.memberships.of(axis.name), own[:, most])
            yield Lifts(axis.name, CATEGORY, tuple(named[most].tolist()), lift)


def _log_lift(membership: Membership, own: Membership) -> Floats:
    """``log((Σ_u m_ug s_uc + κ p_c) / (N_g p_c + κ p_c))``, ``p_c`` the mean share of ``c``."""
    known = np.asarray(own.sum(axis=1)).ravel() > 0
    usual = np.asarray(own.sum(axis=0)).ravel() / max(known.sum(), 1)
    observed = np.asarray((membership.T @ own).toarray())
    users = np.asarray(membership.T @ known.astype(np.float64))[:, np.newaxis]
    return np.asarray(np.log((observed + STRENGTH * usual) / ((users + STRENGTH) * usual)))


def _trends(
    shop: Shop,
    config: RecsysConfig,
    found: Segmented,
    past: Sequence[tuple[int, Memberships]],
) -> pd.DataFrame:
    """Compare the newest window with the one before, by memberships from before the newest."""
    span, window = shop.span(), int(TREND_DAYS * MICROSECONDS_PER_DAY)
    # In a window that begins before the records do, everything seems to rise.
    if span is None or span[0] > found.facts.as_of - 2 * window:
        return pd.DataFrame()
    settings = trends_config(config)
    before = found.facts.as_of - window
    known = [memberships for moment, memberships in past if moment <= before]
    memberships = known[-1] if known else found.memberships
    events = shop.events(before=found.facts.as_of)
    return trends(
        events,
        memberships,
        as_of=found.facts.as_of,
        item_category=categories_beside(events, found.facts.catalogue),
        config=settings,
    )


def trends_config(config: RecsysConfig) -> TrendsConfig:
    """Count what this shop calls a purchase, too, when looking for trends."""
    counted = dict.fromkeys((*TrendsConfig().counted, *config.interactions.target))
    return TrendsConfig(counted=tuple(counted))


def _funnel(shop: Shop, config: RecsysConfig, found: Segmented) -> Funnel:
    as_of = found.facts.as_of
    return funnel(
        shop.events(before=as_of),
        found.memberships,
        config.interactions.target,
        as_of=as_of,
        timed=shop.timed,
    )


def _separation(shop: Shop, config: RecsysConfig, found: Segmented) -> Separation | None:
    if not shop.timed:
        return None
    as_of = found.facts.as_of
    events = shop.events(before=as_of)
    return separates(
        events,
        config.interactions.target,
        as_of=as_of,
        seed=config.model.seed,
        item_category=categories_beside(events, found.facts.catalogue),
    )


def _offers(shop: Shop, config: RecsysConfig, found: Segmented) -> Offers | None:
    """Judge campaigns by the segments of before them: an offer may move who receives it."""
    as_of, span = found.facts.as_of, shop.span()
    if span is None:
        return None
    moment = span[0] + (as_of - span[0]) // 3
    campaigns = shop.campaigns(as_of=as_of)
    later = campaigns[campaigns[STARTS] >= moment]
    if later.empty:
        return None
    before = assigned_at(shop, config, found, found.memberships.axes, moment)
    sent = Campaigns(later, shop.campaign_users(), shop.redemptions(before=as_of))
    return offers(shop.events(before=as_of), before, sent, config.interactions.target, as_of=as_of)
