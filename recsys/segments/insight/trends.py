"""What rises and what falls, by segment: the newest window against the one before."""

from dataclasses import dataclass
from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd
from pydantic import Field, field_validator
from scipy import sparse
from scipy.special import ndtri

from recsys.events.schema import (
    CATEGORY,
    EVENT,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    SEARCH,
    TIME,
    USER_ID,
)
from recsys.events.times import parse_days
from recsys.segments.insight.funnel import AXIS, SEGMENT, divided, with_everyone
from recsys.segments.memberships import Memberships
from recsys.segments.queries import QUERY, normal_queries
from recsys.statistics import benjamini_hochberg, normal_p
from recsys.types import Config, Floats, Ids, Membership, UserItems
from recsys.vocabulary import Vocabulary

COLUMNS: Final = (
    AXIS,
    SEGMENT,
    "what",
    "name",
    "before",
    "after",
    "ratio",
    "low",
    "high",
    "q_value",
    "direction",
)
RISING: Final = "rising"
FALLING: Final = "falling"
UNCLEAR: Final = "unclear"
HALF: Final = 0.5
"""Users of average weight added to either side, so that a count of 0 has a ratio, too."""

_PERIOD: Final = "period"
_NAME: Final = "name"


class TrendsConfig(Config):
    """What counts as a trend."""

    window: str = Field(
        "28d", description="length of either window; whole weeks keep weekdays comparable"
    )
    least_users: int = Field(
        20, ge=1, description="users of a segment, both windows together, that a thing needs"
    )
    counted: tuple[str, ...] = Field(
        ("click", "view", "favorite", "cart", "purchase"),
        description="events by which a user takes part in an item or a category",
    )
    level: float = Field(
        0.05, gt=0, lt=1, description="share of false claims among those that are made"
    )

    @field_validator("window")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        parse_days(value, what="window")
        return value


DEFAULT: Final = TrendsConfig()


@dataclass(frozen=True)
class Periods:
    """The same cells in the older and the newer window.

    Attributes
    ----------
    before, after
        0 and 1, shape ``(n_users, n_things)``.
    """

    before: UserItems
    after: UserItems


@dataclass(frozen=True)
class RateRatios:
    """How the share of active users who took part changed, all of shape ``(n_groups, n_things)``.

    Attributes
    ----------
    before, after
        Weighted users who took part.
    log_ratio
        Natural logarithm of the ratio of the shares; nan where nobody was active in a window.
    error
        Its standard error.
    """

    before: Floats
    after: Floats
    log_ratio: Floats
    error: Floats


def trends(
    events: nw.LazyFrame[Any],
    memberships: Memberships,
    *,
    as_of: int,
    item_category: nw.LazyFrame[Any] | None = None,
    config: TrendsConfig = DEFAULT,
) -> pd.DataFrame:
    """Compare how many users of each segment took part in each thing, window against window.

    A user counts once for a thing and window, by her weight in the segment; the ratio is of
    shares of the segment's active users, so that a growing segment raises nothing by itself.

    Parameters
    ----------
    events
        Accepted events. The caller sees to it that they reach back two windows: a window that
        begins before the records do makes everything rise.
    memberships
        Best as of the beginning of the newest window; users without one count for everyone only.
    as_of
        Microseconds; the newest window ends here, and nothing at or after it counts.
    item_category
        ``item_id, category`` on the same engine; without it there are no rows of categories.
    config
        The windows, what counts, and how much it takes.

    Returns
    -------
    DataFrame
        ``axis, segment, what, name, before, after, ratio, low, high, q_value, direction``, one
        row for each item, category and query with enough users in a segment; axis and segment
        are empty for everyone. `before` and `after` are weighted users; ratio and 95 % interval
        are those of `rate_ratios`; ``q_value`` is Benjamini-Hochberg's over the rows of the same
        axis and kind; ``direction`` is rising or falling where it is at most the level, else
        unclear. Empty without times.
    """
    span = int(parse_days(config.window) * MICROSECONDS_PER_DAY)
    newest = nw.col(TIME) >= as_of - span
    both = events.filter((nw.col(TIME) >= as_of - 2 * span) & (nw.col(TIME) < as_of))
    recent = both.with_columns(newest.cast(nw.Int64).alias(_PERIOD))
    active = _fetch(recent.select(USER_ID, _PERIOD).unique())
    users = Vocabulary(active[USER_ID])
    groups, weights = with_everyone(memberships, users)
    one = Vocabulary([""])
    activity = _by_period(active.assign(**{_NAME: ""}), users, one)
    names = pd.DataFrame(groups, columns=[AXIS, SEGMENT])
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    for what, pairs in _things(recent, item_category, config).items():
        things = Vocabulary(pairs[_NAME])
        ratios = rate_ratios(weights, activity, _by_period(pairs, users, things))
        parts.append(_rows(names, what, things.ids, ratios, config))
    found = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return found.sort_values([AXIS, SEGMENT, "what", "q_value", _NAME], ignore_index=True)


def _things(
    recent: nw.LazyFrame[Any], item_category: nw.LazyFrame[Any] | None, config: TrendsConfig
) -> dict[str, pd.DataFrame]:
    """Distinct ``user_id, name, period`` of each kind of thing."""
    took_part = nw.col(EVENT).is_in(list(config.counted)) & ~nw.col(ITEM_ID).is_null()
    dealings = recent.filter(took_part)
    asked = recent.filter((nw.col(EVENT) == SEARCH) & ~nw.col(QUERY).is_null())
    queries = _fetch(_pairs(asked, QUERY))
    queries[_NAME] = normal_queries(queries[_NAME])
    found = {
        "item": _fetch(_frequent(_pairs(dealings, ITEM_ID), config.least_users)),
        "query": queries[queries[_NAME] != ""].drop_duplicates(),
    }
    if item_category is not None:
        placed = dealings.join(item_category.select(ITEM_ID, CATEGORY), on=ITEM_ID, how="inner")
        known = placed.filter(~nw.col(CATEGORY).is_null())
        found[CATEGORY] = _fetch(_frequent(_pairs(known, CATEGORY), config.least_users))
    return found


def _pairs(rows: nw.LazyFrame[Any], column: str) -> nw.LazyFrame[Any]:
    return rows.select(USER_ID, nw.col(column).alias(_NAME), _PERIOD).unique()


def _frequent(pairs: nw.LazyFrame[Any], least: int) -> nw.LazyFrame[Any]:
    # No weight is above 1: what all users together do too rarely, no segment does often enough.
    often = pairs.group_by(_NAME).agg(nw.len().alias("n")).filter(nw.col("n") >= least)
    return pairs.join(often.select(_NAME), on=_NAME, how="semi")


def _fetch(rows: nw.LazyFrame[Any]) -> pd.DataFrame:
    table: pd.DataFrame = rows.collect("pandas").to_native()
    return table


def _by_period(pairs: pd.DataFrame, users: Vocabulary, names: Vocabulary) -> Periods:
    """Who did what before and after, as 0 and 1, shape ``(n_users, n_names)`` each."""
    shape = (len(users), len(names))
    sides = []
    for period in (0, 1):
        chosen = pairs[pairs[_PERIOD] == period]
        cells = (users.index_of(chosen[USER_ID]), names.index_of(chosen[_NAME]))
        sides.append(sparse.csr_matrix((np.ones(len(chosen)), cells), shape=shape))
    return Periods(*sides)


@dataclass(frozen=True)
class _Side:
    """One window: weighted users who took part and were active, and the same half a user later.

    Attributes
    ----------
    count
        ``C = Σ w x``, shape ``(n_groups, n_things)``.
    did, active
        ``C + h w̄`` and ``N + h w̄``, with ``N = Σ w a`` of shape ``(n_groups, 1)``.
    variance
        Of ``log(did / active)``.
    """

    count: Floats
    did: Floats
    active: Floats
    variance: Floats

    @property
    def log_rate(self) -> Floats:
        return np.asarray(np.log(self.did / self.active))


def rate_ratios(weights: Membership, activity: Periods, did: Periods) -> RateRatios:
    """Ratio of the shares of a group's active users who took part in a thing, after to before.

    ``log_ratio = log(C₁'/N₁') - log(C₀'/N₀')``, where ``C = Σ_u w_u x_u`` adds up who took part,
    ``N = Σ_u w_u a_u`` who was active, and a prime adds half a user of average weight
    ``w̄ = Σ w² a / N``. The error is the delta method's with the user as the unit:

    ``error² = Σ_u w_u² [(x_u1/C₁' - a_u1/N₁') - (x_u0/C₀' - a_u0/N₀')]²
    + ½ w̄₁² (1/C₁' - 1/N₁')² + ½ w̄₀² (1/C₀' - 1/N₀')²``

    Where users are not weighted and different in the two windows this is Walter's variance
    ``1/(c₁+½) - 1/(n₁+½) + 1/(c₀+½) - 1/(n₀+½)``; a user who takes part in both makes it smaller.
    The half user draws small counts towards a ratio of 1.

    Parameters
    ----------
    weights
        ``w``, shape ``(n_users, n_groups)``.
    activity
        ``a``: who was active, one column.
    did
        ``x``: who took part in what; only active users do.

    References
    ----------
    Walter, "The Distribution of Levin's Measure of Attributable Risk", Biometrika 62(2), 1975;
    Pettigrew, Gart & Thomas, "The Bias and Higher Cumulants of the Logarithm of a Binomial
    Variate", Biometrika 73(2), 1986 (the half); Cochran, "Sampling Techniques", 3rd ed. 1977,
    chapter 6 (the linearised variance of weighted ratios).
    """
    squares = sparse.csr_matrix(weights.multiply(weights))
    before = _side(weights, squares, activity.before, did.before)
    after = _side(weights, squares, activity.after, did.after)
    variance = (
        before.variance + after.variance - 2 * _covariance(squares, activity, did, before, after)
    )
    return RateRatios(
        before.count,
        after.count,
        after.log_rate - before.log_rate,
        np.sqrt(np.maximum(variance, 0.0)),
    )


def _side(weights: Membership, squares: Membership, active: UserItems, x: UserItems) -> _Side:
    members, spread = _sum(weights, active), _sum(squares, active)
    average = divided(spread, members)
    half, half_square = HALF * average, HALF * average**2
    count = _sum(weights, x)
    did, present = count + half, members + half
    own, all_of_them = _sum(squares, x) + half_square, spread + half_square
    variance = own / did**2 - 2 * own / (did * present) + all_of_them / present**2
    return _Side(count, did, present, variance)


def _covariance(
    squares: Membership, activity: Periods, did: Periods, before: _Side, after: _Side
) -> Floats:
    both = _sum(squares, did.before.multiply(did.after)) / (before.did * after.did)
    once = _sum(squares, did.after.multiply(activity.before)) / (after.did * before.active)
    again = _sum(squares, did.before.multiply(activity.after)) / (before.did * after.active)
    present = _sum(squares, activity.before.multiply(activity.after))
    return np.asarray(both - once - again + present / (before.active * after.active))


def _sum(weights: Membership, cells: UserItems) -> Floats:
    return np.asarray((weights.T @ cells).toarray(), dtype=np.float64)


def _rows(
    groups: pd.DataFrame, what: str, names: Ids, ratios: RateRatios, config: TrendsConfig
) -> pd.DataFrame:
    enough = ratios.before + ratios.after >= config.least_users
    group, thing = np.nonzero(enough & np.isfinite(ratios.log_ratio))
    log_ratio, error = ratios.log_ratio[group, thing], ratios.error[group, thing]
    margin = float(ndtri(0.975)) * error
    rows = (
        groups.iloc[group]
        .reset_index(drop=True)
        .assign(
            what=what,
            name=names[thing].astype(object),
            before=ratios.before[group, thing],
            after=ratios.after[group, thing],
            ratio=np.exp(log_ratio),
            low=np.exp(log_ratio - margin),
            high=np.exp(log_ratio + margin),
        )
    )
    p = pd.Series(_p_values(log_ratio, error), index=rows.index)
    rows["q_value"] = p.groupby(rows[AXIS]).transform(_adjusted) if len(p) else p
    claimed = rows["q_value"] <= config.level
    rows["direction"] = np.where(claimed, np.where(log_ratio > 0, RISING, FALLING), UNCLEAR)
    return rows


def _adjusted(p: "pd.Series[float]") -> Floats:
    return benjamini_hochberg(np.asarray(p, dtype=np.float64))


def _p_values(log_ratio: Floats, error: Floats) -> Floats:
    # Where every active user took part in both windows there is no error, and nothing changed.
    p = np.ones(len(error))
    moved = error > 0
    if moved.any():
        p[moved] = normal_p(log_ratio[moved], error[moved])
    return p
