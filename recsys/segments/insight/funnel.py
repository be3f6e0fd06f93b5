"""How far users get, view to cart to purchase to repeat, and what tells buyers from leavers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from recsys.events.schema import (
    BASKET_ID,
    CATEGORY,
    EVENT,
    EVENT_ID,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    SEARCH,
    TIME,
    USER_ID,
)
from recsys.interactions.targets import is_target
from recsys.random import generator
from recsys.segments.memberships import Memberships
from recsys.segments.queries import SESSION_ID
from recsys.statistics import Interval, benjamini_hochberg
from recsys.types import Flags, Floats, Membership
from recsys.vocabulary import Vocabulary

AXIS: Final = "axis"
SEGMENT: Final = "segment"
EVERYONE: Final = ("", "")
"""Axis and segment of the row of all users."""

STEPS: Final = ("view", "cart", "purchase", "repeat")
LOOKED: Final = ("view", "click")
DAY: Final = "day"
LEVEL: Final = 0.05
"""Share of false claims among those that are made of segments."""
LEAST: Final = 10
"""Buyers and leavers that each half of the users must hold before anything is said of them."""
CORRELATION: Final = (
    "This is a correlation: it does not say that more of the one would bring more of the other."
)

_EFFECTIVE: Final = "effective"


@dataclass(frozen=True)
class Funnel:
    """How far users of each segment got, the user as the unit.

    Attributes
    ----------
    steps
        The steps that the shop records, in order.
    rows
        ``axis, segment, step, users, kept, low, high, lost``: weighted users who got there, their
        share of the step before with its Wilson interval, and how many were lost on the way;
        the first step has no share. Axis and segment are empty for all users together.
    losses
        ``axis, segment, loses_at, kept, everyone, clear``: the step at which a segment keeps
        least against all users (``kept / everyone`` smallest; for all users, ``kept`` smallest),
        and whether that is less than all users keep, with a share of 5 % of false claims over
        all segments and steps (Benjamini-Hochberg; the score test of a share).
    notes
        Steps that are left out because nothing of the kind is recorded.
    sentence
        The same in words.
    """

    steps: tuple[str, ...]
    rows: pd.DataFrame
    losses: pd.DataFrame
    notes: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Separation:
    """Which behaviour before a cut tells those who buy after it from those who do not.

    Attributes
    ----------
    rows
        ``behaviour, auc, low, high, buyers, leavers``, best first: how often a buyer had more of
        it than a leaver (equal = half), where the other half of the users had it fewer: less;
        and the mean of either. All of it on the users that played no part in the choice.
    best
        The behaviour chosen on the other half; None where too few bought, or nothing tells.
    users
        How many users the rows rest on.
    sentence
        The same in words.
    """

    rows: pd.DataFrame
    best: str | None
    users: int
    sentence: str


def with_everyone(
    memberships: Memberships, users: Vocabulary
) -> tuple[list[tuple[str, str]], Membership]:
    """Memberships of `users` in their order, beside a first column to which all of them belong.

    Returns
    -------
    tuple
        ``(axis, segment)`` of each column, `EVERYONE` first, and the weights of shape
        ``(n_users, 1 + n_segments)``; users without a membership are in the first column only.
    """
    rows = memberships.users.index_of(users.ids)
    known = np.flatnonzero(rows >= 0)
    shape = (len(users), len(memberships.users))
    pick = sparse.csr_matrix((np.ones(len(known)), (known, rows[known])), shape=shape)
    ones = sparse.csr_matrix(np.ones((len(users), 1)))
    weights = sparse.hstack([ones, pick @ memberships.matrix], format="csr")
    names = [(axis.name, segment) for axis in memberships.axes for segment in axis.segments]
    return [EVERYONE, *names], sparse.csr_matrix(weights)


def wilson(share: Floats, n: Floats, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's interval of a share.

    ``(p + z²/2n ± z · √(p (1 - p) / n + z²/4n²)) / (1 + z²/n)``, ``z`` the normal quantile
    ``(1 + confidence) / 2``. For a weighted share, ``n`` is the effective number.

    Parameters
    ----------
    share
        ``p``, any shape.
    n
        How many users it is of, the same shape; without any the interval is nan.

    References
    ----------
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927;
    Korn & Graubard, "Confidence Intervals for Proportions with Small Expected Number of Positive
    Counts Estimated from Survey Data", Survey Methodology 24, 1998 (effective numbers).

    Examples
    --------
    >>> low, high = wilson(np.array([0.5]), np.array([10.0]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.237], [0.763])
    """
    n = np.where(n > 0, n, np.nan)
    z2 = float(ndtri((1 + confidence) / 2)) ** 2 / n
    middle = share + z2 / 2
    # At a share of 0 or 1 the root is exact only but for rounding.
    half = np.sqrt(z2 * (np.maximum(share * (1 - share), 0) + z2 / 4))
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return np.asarray(np.maximum(low, 0.0)), np.asarray(np.minimum(high, 1.0))


def funnel(
    events: nw.LazyFrame[Any],
    memberships: Memberships,
    target: Sequence[str],
    *,
    as_of: int,
    timed: bool,
    window: float = math.inf,
) -> Funnel:
    """Count the users that get from one step to the next.

    A user reaches a step by doing it or a later one: who bought without a recorded view counts as
    having viewed, and as having had it in the cart. Views are ``view`` and ``click`` events; a
    repeat is a second order: another basket, or another day where none is named. A step of which
    no event is recorded is left out, and said.

    Parameters
    ----------
    events
        Accepted events.
    memberships
        As of the same moment; users without one count for everyone only.
    target
        The events that count as a purchase.
    as_of
        Microseconds; nothing at or after it counts.
    timed
        Without times every event counts, and every purchase is an order of its own.
    window
        Only the last so many days count.
    """
    within = _last_days(events, as_of, window) if timed else events
    done = _done(within, list(target), timed)
    steps, notes = _recorded(done)
    groups, weights = with_everyone(memberships, Vocabulary(done.index))
    reached = np.maximum.accumulate(done[list(steps)].to_numpy()[:, ::-1], axis=1)[:, ::-1]
    users = np.asarray(weights.T @ reached)
    squares = np.asarray(weights.multiply(weights).T @ reached)
    rows = _rows(groups, steps, users, squares)
    losses = _losses(groups, rows, len(steps))
    sentence = _in_words(steps, rows, losses)
    return Funnel(steps, rows.drop(columns=_EFFECTIVE), losses, notes, sentence)


def _last_days(events: nw.LazyFrame[Any], as_of: int, days: float) -> nw.LazyFrame[Any]:
    before = events.filter(nw.col(TIME) < as_of)
    if math.isinf(days):
        return before
    return before.filter(nw.col(TIME) >= as_of - int(days * MICROSECONDS_PER_DAY))


def _done(events: nw.LazyFrame[Any], target: list[str], timed: bool) -> pd.DataFrame:
    """1 for each step a user did, 0 else; indexed by user, sorted."""
    marks = events.select(
        USER_ID,
        nw.col(EVENT).is_in(list(LOOKED)).cast(nw.Int64).alias("view"),
        (nw.col(EVENT) == "cart").cast(nw.Int64).alias("cart"),
    )
    seen = marks.group_by(USER_ID).agg(nw.col("view", "cart").max())
    day = (nw.col(TIME) // MICROSECONDS_PER_DAY).cast(nw.String) if timed else nw.col(EVENT_ID)
    order = nw.when(nw.col(BASKET_ID).is_null()).then(day).otherwise(nw.col(BASKET_ID))
    sold = events.filter(is_target(target)).select(USER_ID, order.alias("order"))
    orders = sold.unique().group_by(USER_ID).agg(nw.len().alias("orders"))
    joined: pd.DataFrame = seen.join(orders, on=USER_ID, how="left").collect("pandas").to_native()
    table = joined.set_index(USER_ID).sort_index().fillna({"orders": 0}).astype("float64")
    for least, step in enumerate(("purchase", "repeat"), start=1):
        table[step] = (table["orders"] >= least).astype("float64")
    return table[list(STEPS)]


def _recorded(done: pd.DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    # Who buys could buy again: that nobody did is a finding, not a gap in the records.
    shown = {step: bool(done["purchase" if step == "repeat" else step].any()) for step in STEPS}
    notes = [f"no {step} is recorded: the step is left out" for step in STEPS if not shown[step]]
    return tuple(step for step in STEPS if shown[step]), tuple(notes)


def _rows(
    groups: list[tuple[str, str]], steps: tuple[str, ...], users: Floats, squares: Floats
) -> pd.DataFrame:
    before = np.full_like(users, np.nan)
    effective = np.full_like(users, np.nan)
    if len(steps) > 1:
        before[:, 1:] = users[:, :-1]
        effective[:, 1:] = divided(users[:, :-1] ** 2, squares[:, :-1])
    kept = divided(users, before)
    low, high = wilson(kept, effective)
    return pd.DataFrame(
        {
            AXIS: [axis for axis, _ in groups for _ in steps],
            SEGMENT: [segment for _, segment in groups for _ in steps],
            "step": list(steps) * len(groups),
            "users": users.ravel(),
            "kept": kept.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "lost": (before - users).ravel(),
            _EFFECTIVE: effective.ravel(),
        }
    )


def divided(over: Floats, under: Floats) -> Floats:
    """Divide where there is something to divide by; nan elsewhere."""
    unknown = np.full_like(over, np.nan)
    return np.divide(over, under, out=unknown, where=under > 0)


def _losses(groups: list[tuple[str, str]], rows: pd.DataFrame, n_steps: int) -> pd.DataFrame:
    columns = [AXIS, SEGMENT, "loses_at", "kept", "everyone", "clear"]
    if n_steps < 2:
        return pd.DataFrame(columns=columns)
    rows = rows.assign(everyone=np.tile(rows["kept"].to_numpy()[:n_steps], len(groups)))
    all_users = (rows[AXIS] == "").to_numpy()
    rows["clear"] = _falls_behind(rows, ~all_users)
    rows["worst"] = np.where(
        all_users, rows["kept"], divided(rows["kept"].to_numpy(), rows["everyone"].to_numpy())
    )
    known = rows[rows["worst"].notna()]
    worst_first = known.sort_values("worst", kind="stable").drop_duplicates([AXIS, SEGMENT])
    named = worst_first.sort_index().rename(columns={"step": "loses_at"})
    return named[columns].reset_index(drop=True)


def _falls_behind(rows: pd.DataFrame, segments: Flags) -> Flags:
    share = rows["everyone"].to_numpy()
    error = np.sqrt(divided(share * (1 - share), rows[_EFFECTIVE].to_numpy()))
    score = divided(rows["kept"].to_numpy() - share, error)
    tested = segments & np.isfinite(score)
    clear = np.zeros(len(rows), dtype=np.bool_)
    q_values = benjamini_hochberg(2 * ndtr(-np.abs(score[tested])))
    clear[tested] = (q_values <= LEVEL) & (score[tested] < 0)
    return clear


def _in_words(steps: tuple[str, ...], rows: pd.DataFrame, losses: pd.DataFrame) -> str:
    if losses.empty:
        return "Too little is recorded for a funnel: it takes two steps and a user."
    everyone = rows[: len(steps)]
    parts = [
        f"{_percent(kept)} went on from {one} to {other}"
        for one, other, kept in zip(steps[:-1], steps[1:], everyone["kept"][1:], strict=True)
        if math.isfinite(kept)
    ]
    told = f"Of all users, {', '.join(parts)}; most are lost at {losses['loses_at'][0]}."
    segments = losses[losses["clear"].astype(bool) & (losses[AXIS] != "")]
    if segments.empty:
        return told
    worst = segments.iloc[int((segments["kept"] / segments["everyone"]).argmin())]
    return (
        f"{told} {worst[AXIS]}: {worst[SEGMENT]} falls behind most, at {worst['loses_at']} "
        f"({_percent(worst['kept'])} against {_percent(worst['everyone'])})."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def separates(
    events: nw.LazyFrame[Any],
    target: Sequence[str],
    *,
    as_of: int,
    seed: int,
    window: float = 28.0,
    item_category: nw.LazyFrame[Any] | None = None,
) -> Separation:
    """Find the behaviour of one window that best tells who buys in the next.

    The users with an event from two to one windows before `as_of` are drawn into halves. On one
    half, the area under the curve of each behaviour says which way it points and which is best;
    the other half gives every number that is returned, so that choosing costs no honesty.

    ``auc = P(x_buyer > x_leaver) + ½ P(x_buyer = x_leaver)``.

    Parameters
    ----------
    events
        Accepted events.
    target
        The events that count as a purchase.
    as_of
        Microseconds; the second window ends here.
    seed
        Of the halves.
    window
        Days, of either window.
    item_category
        ``item_id, category`` on the same engine; without it categories are not counted.
    """
    cut = as_of - int(window * MICROSECONDS_PER_DAY)
    behaviours = _behaviours(_last_days(events, cut, window), item_category)
    after = events.filter((nw.col(TIME) >= cut) & (nw.col(TIME) < as_of))
    sold = after.filter(is_target(list(target))).select(USER_ID).unique()
    buyers = sold.collect("pandas").to_native()[USER_ID]
    bought = behaviours.index.isin(buyers.to_numpy())
    held_out = generator(seed, "separates").random(len(behaviours)) < 0.5
    halves = [(behaviours[half], bought[half]) for half in (~held_out, held_out)]
    if min(min(half.sum(), (~half).sum()) for _, half in halves) < LEAST:
        return _nothing_to_say(window)
    return _told_apart(*halves[0], *halves[1], window=window)


def _behaviours(events: nw.LazyFrame[Any], item_category: nw.LazyFrame[Any] | None) -> pd.DataFrame:
    """Count what each user did, indexed by user and sorted; what nobody did is left out."""
    kinds = {"views": LOOKED, "carts": ("cart",), "favourites": ("favorite",)}
    kinds["searches"] = (SEARCH,)
    marks = {name: nw.col(EVENT).is_in(list(words)).cast(nw.Int64) for name, words in kinds.items()}
    counts = events.select(USER_ID, **marks).group_by(USER_ID).agg(nw.col(*marks).sum())
    parts = [counts.collect("pandas").to_native().set_index(USER_ID)]
    parts.append(_distinct(events, nw.col(ITEM_ID), "distinct items"))
    parts.append(_distinct(events, nw.col(SESSION_ID), "sessions"))
    parts.append(_distinct(events, nw.col(TIME) // MICROSECONDS_PER_DAY, "active days"))
    if item_category is not None:
        placed = events.join(item_category.select(ITEM_ID, CATEGORY), on=ITEM_ID, how="inner")
        parts.append(_distinct(placed, nw.col(CATEGORY), "distinct categories"))
    table: pd.DataFrame = pd.concat(parts, axis="columns").sort_index().fillna(0).astype("float64")
    done = [str(name) for name in table if table[name].any()]
    return table[done]


def _distinct(events: nw.LazyFrame[Any], of: nw.Expr, name: str) -> pd.DataFrame:
    pairs = events.select(USER_ID, of.alias("of")).filter(~nw.col("of").is_null()).unique()
    counts = pairs.group_by(USER_ID).agg(nw.len().alias(name))
    table: pd.DataFrame = counts.collect("pandas").to_native()
    return table.set_index(USER_ID)


def _told_apart(
    choosing: pd.DataFrame,
    chosen_by: Flags,
    judging: pd.DataFrame,
    bought: Flags,
    *,
    window: float,
) -> Separation:
    names = [str(name) for name in judging]
    lean = {name: auc_interval(_of(choosing, name), chosen_by).mean - 0.5 for name in names}
    best = max(lean, key=lambda name: abs(lean[name]))
    signs = {name: -1.0 if lean[name] < 0 else 1.0 for name in lean}
    found = [auc_interval(signs[name] * _of(judging, name), bought) for name in names]
    rows = pd.DataFrame(
        {
            "behaviour": names,
            "auc": [area.mean for area in found],
            "low": [area.low for area in found],
            "high": [area.high for area in found],
            "buyers": judging[bought].mean().to_numpy(),
            "leavers": judging[~bought].mean().to_numpy(),
        }
    ).sort_values(["auc", "behaviour"], ascending=[False, True], ignore_index=True)
    area = found[names.index(best)]
    days = f"in the {window:g} days before"
    share = f"{_percent(area.mean)} of pairs [{_percent(area.low)}, {_percent(area.high)}]"
    if area.low <= 0.5:
        text = f"Nothing recorded {days} tells buyers from leavers: {best} does in {share}."
        return Separation(rows, None, len(judging), text)
    more = "more" if signs[best] > 0 else "fewer"
    text = f"What tells buyers from leavers best is {best} {days}: buyers have {more} in {share}."
    return Separation(rows, best, len(judging), f"{text} {CORRELATION}")


def _of(table: pd.DataFrame, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(dtype=np.float64))


def _nothing_to_say(window: float) -> Separation:
    rows = pd.DataFrame(columns=["behaviour", "auc", "low", "high", "buyers", "leavers"])
    text = (
        f"Too few users bought, or too few did not, in the {window:g} days after {window:g} days "
        f"of behaviour: {LEAST} of either are needed in each half of the users."
    )
    return Separation(rows, None, 0, text)


def auc_interval(values: Floats, positive: Flags, *, confidence: float = 0.95) -> Interval:
    """Area under the ROC curve of one number, with DeLong's normal interval.

    ``auc = Σ_p Σ_n ψ(x_p, x_n) / (P · N)``, ``ψ`` 1, ½ or 0 as ``x_p`` is above, equal or below;
    ``variance = s²(V_p) / P + s²(V_n) / N`` with ``V_p`` the mean of ``ψ`` over the negatives and
    ``V_n`` over the positives, from mid-ranks. The bounds are cut at 0 and 1.

    Parameters
    ----------
    values
        ``x``, finite, shape ``(n,)``.
    positive
        Which are the positives, shape ``(n,)``; at least 2 of either kind.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver
    Operating Characteristic Curves", Biometrics 44(3), 1988; Sun & Xu, "Fast Implementation of
    DeLong's Algorithm", IEEE Signal Processing Letters 21(11), 2014.

    Examples
    --------
    >>> found = auc_interval(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True]))
    >>> found.mean, found.n
    (0.875, 4)
    """
    above, below = values[positive], values[~positive]
    ranks = rankdata(values)
    of_positives = (ranks[positive] - rankdata(above)) / len(below)
    of_negatives = 1 - (ranks[~positive] - rankdata(below)) / len(above)
    variance = of_positives.var(ddof=1) / len(above) + of_negatives.var(ddof=1) / len(below)
    area = float(of_positives.mean())
    margin = float(ndtri((1 + confidence) / 2)) * math.sqrt(float(variance))
    return Interval(area, max(0.0, area - margin), min(1.0, area + margin), len(values))
