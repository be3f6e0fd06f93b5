"""What campaigns did, by segment: who redeemed, and what spending did against those not sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import stdtr, stdtrit

from recsys.errors import DataError
from recsys.events.schema import AMOUNT, MICROSECONDS_PER_DAY, TIME, USER_ID
from recsys.events.times import format_time
from recsys.interactions.targets import is_target
from recsys.segments.insight.funnel import (
    AXIS,
    LEVEL,
    SEGMENT,
    divided,
    wilson,
    with_everyone,
)
from recsys.segments.memberships import Memberships
from recsys.statistics import benjamini_hochberg
from recsys.types import Flags, Floats, Indices, Membership
from recsys.vocabulary import Vocabulary

CAMPAIGN_ID: Final = "campaign_id"
STARTS: Final = "starts"
ENDS: Final = "ends"
CAVEAT: Final = (
    "Who was sent an offer was chosen, not drawn by lot. The uplift is what happened: how much "
    "more the spending of those who were sent one rose than that of others of the same segment "
    "over the same days. It is no proof that the offer caused it; other offers at the same time, "
    "and before, are in it too. Segments taken after a campaign are themselves changed by it: "
    "take those from before."
)
LEAST: Final = 30
"""Users (effective number) that were sent an offer, and that were not, for an uplift."""

_PERIOD: Final = "period"


@dataclass(frozen=True)
class Campaigns:
    """What is known of offers.

    Attributes
    ----------
    campaigns
        ``campaign_id, starts, ends``: microseconds, from `starts` until before `ends`.
    sent
        ``campaign_id, user_id``: who was sent it.
    redemptions
        ``campaign_id, user_id, time``: who redeemed it, and when.
    """

    campaigns: pd.DataFrame
    sent: pd.DataFrame
    redemptions: pd.DataFrame


@dataclass(frozen=True)
class Offers:
    """How each segment took offers.

    Attributes
    ----------
    rows
        ``axis, segment, users, sent, redeemed, rate, low, high, uplift, uplift_low, uplift_high,
        q_value, note``; axis and segment are empty for all users. `users` were sent something;
        `sent` and `redeemed` are weighted pairs of user and campaign; the uplift is minor units
        of money a user and day, nan where `note` says why. ``q_value`` is Benjamini-Hochberg's
        over all segments, against an uplift of 0; for all users it is the plain p.
    notes
        Campaigns that play no part in the uplift, and why.
    sentence
        The same in words; `CAVEAT` belongs beside it.
    """

    rows: pd.DataFrame
    notes: tuple[str, ...]
    sentence: str


class _Groups(NamedTuple):
    """Weights of all members of all groups, one after the other, group by group.

    Attributes
    ----------
    user, group
        Whose and of which group each weight is, shape ``(n_weights,)``.
    weight
        Above 0, shape ``(n_weights,)``.
    n
        Number of groups.
    """

    user: Indices
    group: Indices
    weight: Floats
    n: int

    @classmethod
    def of(cls, weights: Membership) -> "_Groups":
        columns = sparse.csc_matrix(weights)
        columns.sort_indices()
        group = np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))
        return cls(columns.indices.astype(np.int64), group, columns.data, columns.shape[1])

    def sum(self, values: Floats) -> Floats:
        """Add values of shape ``(n_weights,)`` up by group."""
        return np.bincount(self.group, weights=values, minlength=self.n).astype(np.float64)


def offers(
    events: nw.LazyFrame[Any],
    memberships: Memberships,
    campaigns: Campaigns,
    target: Sequence[str],
    *,
    as_of: int,
    least: int = LEAST,
) -> Offers:
    """Tell, by segment, how many redeemed their offers and how spending differed.

    The uplift is a difference in differences of spend per user and day. For campaign ``k`` of
    ``d`` days, ``Δ_u = (spend in its days - spend in the d days before) / d``, and

    ``uplift = Σ_k n_k (mean Δ of those sent it - mean Δ of those not) / Σ_k n_k``

    over the users of the segment, weighted by membership, with ``n_k`` those who were sent it;
    who spent nothing counts with 0. The error is clustered by user, who may be in several
    campaigns: ``error² = e / (e - 1) · Σ_u (Σ_k ψ_uk)²``, ``ψ_uk`` the user's share in the
    deviation of either mean, ``e`` Kish's effective number of the smaller side; the bounds are
    Student's t of ``e - 1`` degrees of freedom.

    Parameters
    ----------
    events
        Accepted events; spend is the line totals of the target events, returns not taken off.
    memberships
        Whose users are all that count. As of the moment they are handed in: best from before the
        campaigns, which change them.
    campaigns
        Those that have not begun by `as_of` play no part; those that have not ended, or whose
        days before reach back behind the first day on record, none in the uplift.
    target
        The events that count as a purchase.
    as_of
        Microseconds; nothing at or after it counts.
    least
        Users a side needs for an uplift, as an effective number.

    Raises
    ------
    DataError
        A campaign that ends before it starts, or that is listed twice.

    References
    ----------
    Angrist & Pischke, "Mostly Harmless Econometrics", 2009, chapter 5 (differences in
    differences) and 8 (clusters).
    """
    table = _checked(campaigns.campaigns)
    table = table[table[STARTS] < as_of]
    names, weights = with_everyone(memberships, memberships.users)
    groups = _Groups.of(weights)
    sent = _pairs(campaigns.sent, memberships.users, table)
    redeemed = campaigns.redemptions[campaigns.redemptions[TIME] < as_of]
    taken = _pairs(redeemed, memberships.users, table).multiply(sent)
    spend = _spend(events, target, table, memberships.users)
    compared, notes = _comparable(table, as_of, spend.first)
    rows = pd.DataFrame(names, columns=[AXIS, SEGMENT])
    rows = rows.assign(**_taken_up(groups, sent, sparse.csr_matrix(taken)))
    rows = rows.assign(**_uplifts(groups, sent, spend, compared, least))
    return Offers(rows, notes, _in_words(rows))


def _checked(campaigns: pd.DataFrame) -> pd.DataFrame:
    table = campaigns.sort_values([STARTS, CAMPAIGN_ID], ignore_index=True)
    backwards = table[table[ENDS] <= table[STARTS]]
    if len(backwards):
        raise DataError(
            f"campaign {backwards[CAMPAIGN_ID].iloc[0]!r} ends before it starts; "
            "correct its times, or leave it out"
        )
    twice = table[table[CAMPAIGN_ID].duplicated()]
    if len(twice):
        raise DataError(
            f"campaign {twice[CAMPAIGN_ID].iloc[0]!r} is listed twice; give each run its own id"
        )
    return table


def _pairs(table: pd.DataFrame, users: Vocabulary, campaigns: pd.DataFrame) -> Membership:
    """1 for each user and campaign that the table pairs, shape ``(n_users, n_campaigns)``."""
    of_campaign = pd.Index(campaigns[CAMPAIGN_ID].astype(object))
    columns = of_campaign.get_indexer(pd.Index(table[CAMPAIGN_ID].astype(object)))
    rows = users.index_of(table[USER_ID])
    known = (rows >= 0) & (columns >= 0)
    cells = (np.ones(int(known.sum())), (rows[known], columns[known]))
    found = sparse.csr_matrix(cells, shape=(len(users), len(campaigns)))
    found.data[:] = 1.0
    return found


class _Spend(NamedTuple):
    """Spend of each user between any two of the campaigns' moments.

    Attributes
    ----------
    cuts
        The moments, ascending, shape ``(n_cuts,)``.
    by_period
        Shape ``(n_users, n_cuts + 1)``: before the first cut, between, after the last.
    first
        The first purchase of anybody, microseconds; None without any.
    """

    cuts: Indices
    by_period: "sparse.csc_matrix[Any]"
    first: int | None

    def between(self, since: int, until: int) -> Floats:
        """Spend of each user from one cut to another, shape ``(n_users,)``."""
        start, stop = np.searchsorted(self.cuts, [since, until]) + 1
        return np.asarray(self.by_period[:, start:stop].sum(axis=1), dtype=np.float64).ravel()


def _spend(
    events: nw.LazyFrame[Any], target: Sequence[str], campaigns: pd.DataFrame, users: Vocabulary
) -> _Spend:
    starts, ends = _times(campaigns, STARTS), _times(campaigns, ENDS)
    cuts = np.unique(np.concatenate([starts, ends, 2 * starts - ends]))
    period = _cuts_reached(cuts.tolist()).alias(_PERIOD)
    sold = events.filter(is_target(list(target)) & ~nw.col(TIME).is_null())
    rows = sold.select(USER_ID, TIME, nw.col(AMOUNT).fill_null(0), period)
    summed = rows.group_by(USER_ID, _PERIOD).agg(nw.col(AMOUNT).sum(), nw.col(TIME).min())
    found: pd.DataFrame = summed.collect("pandas").to_native()
    index = users.index_of(found[USER_ID])
    known = index >= 0
    amounts = found[AMOUNT].to_numpy(dtype=np.float64)[known]
    cells = (amounts, (index[known], found[_PERIOD].to_numpy(dtype=np.int64)[known]))
    by_period = sparse.csc_matrix(cells, shape=(len(users), len(cuts) + 1))
    times = found[TIME].to_numpy(dtype=np.int64)
    return _Spend(cuts, by_period, int(times.min()) if len(times) else None)


def _cuts_reached(cuts: list[int]) -> nw.Expr:
    """How many of the cuts a row's time has reached, as a balanced sum: engines limit its depth."""
    if len(cuts) < 2:
        return sum(((nw.col(TIME) >= cut).cast(nw.Int64) for cut in cuts), start=nw.lit(0))
    middle = len(cuts) // 2
    return _cuts_reached(cuts[:middle]) + _cuts_reached(cuts[middle:])


def _times(campaigns: pd.DataFrame, column: str) -> Indices:
    return np.asarray(campaigns[column].to_numpy(dtype=np.int64))


class _Compared(NamedTuple):
    """A campaign whose days can be compared: its column among the campaigns, and its times."""

    column: int
    starts: int
    ends: int


def _comparable(
    campaigns: pd.DataFrame, as_of: int, first: int | None
) -> tuple[list[_Compared], tuple[str, ...]]:
    begun = as_of if first is None else first - first % MICROSECONDS_PER_DAY
    compared, notes = [], []
    starts, ends = _times(campaigns, STARTS).tolist(), _times(campaigns, ENDS).tolist()
    for column, name in enumerate(campaigns[CAMPAIGN_ID]):
        times = _Compared(column, starts[column], ends[column])
        before = 2 * times.starts - times.ends
        if times.ends > as_of:
            notes.append(f"campaign {name} had not ended: it has no uplift yet")
        elif before < begun:
            notes.append(
                f"campaign {name} is compared with the days since {format_time(before)}, "
                "which are not on record: it has no uplift"
            )
        else:
            compared.append(times)
    return compared, tuple(notes)


def _taken_up(groups: _Groups, sent: Membership, taken: Membership) -> dict[str, Floats]:
    """Pairs sent and redeemed, and the rate with Wilson's interval of the effective number.

    That is how many pairs of different users would be as sure: ``p (1 - p) / V`` with the
    variance ``V`` clustered by user, and no more than the pairs; where ``V`` is 0, Kish's number
    of users by their pairs.
    """
    given = groups.weight * np.diff(sent.indptr)[groups.user]
    used = groups.weight * np.diff(taken.indptr)[groups.user]
    n_sent, n_used = groups.sum(given), groups.sum(used)
    rate = divided(n_used, n_sent)
    kish = divided(n_sent**2, groups.sum(given**2))
    deviations = groups.sum((used - given * rate[groups.group]) ** 2)
    variance = divided(deviations, n_sent**2) * divided(kish, kish - 1)
    pairs = divided(n_sent**2, groups.sum(groups.weight * given))
    effective = np.fmin(divided(rate * (1 - rate), variance), pairs)
    low, high = wilson(rate, np.where(variance > 0, effective, kish))
    users = groups.sum(np.where(given > 0, groups.weight, 0.0))
    return {
        "users": users,
        "sent": n_sent,
        "redeemed": n_used,
        "rate": rate,
        "low": low,
        "high": high,
    }


def _uplifts(
    groups: _Groups, sent: Membership, spend: _Spend, compared: list[_Compared], least: int
) -> dict[str, Any]:
    """Difference in differences of each group, its interval, and why there is none."""
    total, n_sent = np.zeros(groups.n), np.zeros(groups.n)
    influence = np.zeros(len(groups.weight))
    ever, others = np.zeros(len(groups.weight)), np.zeros(len(groups.weight))
    for campaign in compared:
        was_sent = np.asarray(sent[:, [campaign.column]].toarray()[:, 0] > 0)[groups.user]
        change = _change(spend, campaign)[groups.user]
        found = _difference(groups, was_sent, change)
        total += found.difference * found.n_sent
        n_sent += found.n_sent
        influence += found.influence
        counted = found.n_sent[groups.group] > 0
        ever += counted & was_sent
        others += counted & ~was_sent
    fewest = np.minimum(_effective(groups, ever > 0), _effective(groups, others > 0))
    enough = fewest >= least
    uplift = np.where(enough, divided(total, n_sent), np.nan)
    error = divided(np.sqrt(groups.sum(influence**2) * divided(fewest, fewest - 1)), n_sent)
    margin = stdtrit(np.where(enough, fewest - 1, np.nan), 0.975) * error
    sides = (_effective(groups, ever > 0), _effective(groups, others > 0))
    return {
        "uplift": uplift,
        "uplift_low": uplift - margin,
        "uplift_high": uplift + margin,
        "q_value": _q_values(uplift, error, fewest - 1),
        "note": _why_not(*sides, least=least, any_compared=bool(compared)),
    }


def _q_values(uplift: Floats, error: Floats, freedom: Floats) -> Floats:
    """Adjust the p of each segment; the first group, all users, stands by itself."""
    # Without any spread an uplift of 0 is 0, and another is what it is.
    t = np.where(error > 0, divided(uplift, error), np.where(uplift == 0, 0.0, np.inf))
    known = np.isfinite(uplift)
    p = np.full(len(uplift), np.nan)
    p[known] = 2 * stdtr(freedom[known], -np.abs(t[known]))
    segments = np.flatnonzero(known)[np.flatnonzero(known) > 0]
    p[segments] = benjamini_hochberg(p[segments])
    return p


def _change(spend: _Spend, campaign: _Compared) -> Floats:
    """Spend a day in the campaign's days less that in as many before, shape ``(n_users,)``."""
    length = campaign.ends - campaign.starts
    during = spend.between(campaign.starts, campaign.ends)
    before = spend.between(campaign.starts - length, campaign.starts)
    return np.asarray((during - before) * MICROSECONDS_PER_DAY / length)


class _Difference(NamedTuple):
    """What one campaign says of each group; 0 where one of the sides is empty.

    Attributes
    ----------
    n_sent
        Weighted users who were sent it, shape ``(n_groups,)``.
    difference
        Of the mean changes of those who were sent it and those who were not.
    influence
        Of each weight on ``n_sent · difference``, shape ``(n_weights,)``.
    """

    n_sent: Floats
    difference: Floats
    influence: Floats


def _difference(groups: _Groups, was_sent: Flags, change: Floats) -> _Difference:
    """Compare those who were sent a campaign with those who were not."""
    sides = []
    for side in (was_sent, ~was_sent):
        weight = groups.weight * side
        n = groups.sum(weight)
        mean = divided(groups.sum(weight * change), n)
        sides.append((n, mean, weight * (change - mean[groups.group])))
    (n_sent, mean_sent, spread_sent), (n_others, mean_others, spread_others) = sides
    both = (n_sent > 0) & (n_others > 0)
    ratio = divided(n_sent, n_others)[groups.group]
    influence = np.where(both[groups.group], spread_sent - spread_others * ratio, 0.0)
    return _Difference(
        np.where(both, n_sent, 0.0), np.where(both, mean_sent - mean_others, 0.0), influence
    )


def _effective(groups: _Groups, counted: Flags) -> Floats:
    weight = groups.weight * counted
    return np.nan_to_num(divided(groups.sum(weight) ** 2, groups.sum(weight**2)))


def _why_not(sent: Floats, others: Floats, *, least: int, any_compared: bool) -> list[str]:
    if not any_compared:
        return ["no campaign can be compared"] * len(sent)
    few_sent = f"fewer than {least} users were sent an offer"
    few_others = f"fewer than {least} users were not, to compare with"
    notes = np.where(sent < least, few_sent, np.where(others < least, few_others, ""))
    return [str(note) for note in notes]


def _in_words(rows: pd.DataFrame) -> str:
    everyone = rows.iloc[0]
    if not everyone["sent"]:
        return "No offer was sent to these users."
    told = (
        f"{100 * everyone['rate']:.1f} % of {everyone['sent']:.0f} offers were redeemed "
        f"[{100 * everyone['low']:.1f}, {100 * everyone['high']:.1f}]."
    )
    known = rows[rows["uplift"].notna() & (rows[AXIS] != "")]
    claimed = known[known["q_value"] <= LEVEL]
    above, below = claimed[claimed["uplift"] > 0], claimed[claimed["uplift"] < 0]
    if above.empty and below.empty:
        return f"{told} In no segment did spending clearly rise or fall with them."
    return f"{told} {_named('rose', above)}{_named('fell', below)}".rstrip()


def _named(verb: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    largest = rows.reindex(rows["uplift"].abs().sort_values(ascending=False).index)[:3]
    names = ", ".join(f"{row.axis}: {row.segment}" for row in largest.itertuples())
    return f"Spending {verb} clearly with them in {len(rows)} segments, most in {names}. "
