"""What is told of a pair: the features ``f_ui`` by which habit foretells that it comes back.

- Of the pair: how often buyers of the item come back (``log rate_i``, shrunk to its category), the
  time since the last purchase in units of her own pace (``log(t/τ_ui + ε)``) and that time itself,
  what she took of it on a day (``log1p(r_ui / days)``: quantities), how often and how lately she
  bought it at several half-lives (``log1p(S_h)`` and ``log(S_h + ε)``,
  ``S_h = Σ over days of purchase 2^(−age / h)``).
- Of her history as a whole: how many days, items and weeks it has, and how long ago it ended.
- Of both: the product of every two of the first six, squares among them. One who has just come back
  after a long time buys other things again than one who comes every week, and in a short history
  the item's rate tells more.
"""

from typing import NamedTuple

import numpy as np

from recsys.interactions import Histories
from recsys.models.repeats import or_none, own_pace
from recsys.types import Floats

LONGEST = 2**32
"""More days than any history has."""
N_CROSSED = 6
"""The first features are those of which every two are multiplied."""
LEFT, RIGHT = np.triu_indices(N_CROSSED)
"""The two features of each product."""
PRODUCTS = slice(N_CROSSED, N_CROSSED + len(LEFT))
"""Where the products stand among the features."""
FADED = PRODUCTS.stop + 3 + 2
"""Where ``log1p(S_h)`` stands, behind the others of her history and those of both."""
PER_HALF_LIFE = 3


class Known(NamedTuple):
    """A user's history as a whole, for each of her pairs; shape ``(n_pairs,)`` each.

    Attributes
    ----------
    days
        Distinct days, counted back from the moment, on which she bought some item for the last
        time; at least 1.
    span
        Days from her first to her last purchase.
    since
        Days since her last purchase.
    n_items
        Distinct items she bought; at least 1.
    """

    days: Floats
    span: Floats
    since: Floats
    n_items: Floats


def n_features(n_half_lives: int) -> int:
    """Return how many features a pair has; the rate is the first."""
    return FADED + PER_HALF_LIFE * n_half_lives


def pair_features(histories: Histories, pairs: slice, rate: Floats, pace: Floats) -> Floats:
    """Return ``f_ui`` of each pair, shape ``(n_pairs, n_features)``.

    Parameters
    ----------
    histories, pairs
        Some rows, all those of each of their users.
    rate, pace
        Of each item; as of `Habit`.
    """
    return features_with_rate(histories, pairs, np.log(rate[histories.items[pairs]]), pace)


def features_with_rate(
    histories: Histories, pairs: slice, log_rate: Floats, pace: Floats
) -> Floats:
    """Return ``f_ui`` of each pair, given the log rate of its item, shape ``(n_pairs,)``."""
    faded, visits = histories.decayed_visits[pairs], np.maximum(histories.visits[pairs], 1.0)
    since = or_none(histories.since_last[pairs])
    phase = np.log(since / own_pace(histories, pairs, pace) + 0.05)
    taken = np.log1p(np.maximum(histories.worth[pairs], 0.0) / visits)
    known = known_of(histories, pairs)
    days, n_items = np.log(known.days), np.log(known.n_items)
    crossed = np.column_stack(
        [log_rate, phase, np.log1p(since), taken, days, np.log1p(known.since)]
    )
    lately = np.log(faded + 0.01)
    gap = np.log((known.span + 7.0) / known.days)
    whole = (np.log1p(known.span), n_items, gap)
    both = (np.log1p(visits) * days, log_rate * np.log(visits / known.days))
    lives = (np.log1p(faded), lately, lately * n_items[:, np.newaxis])
    return np.column_stack([crossed, products(crossed), *whole, *both, *lives])


def products(crossed: Floats, centre: Floats | float = 0.0) -> Floats:
    """Return ``(a − centre_a)(b − centre_b)`` of every two features, shape ``(n, n_products)``."""
    around = crossed - centre
    return np.asarray(around[:, LEFT] * around[:, RIGHT])


def known_of(histories: Histories, pairs: slice) -> Known:
    """Return what is known of the whole history of each pair's user.

    Parameters
    ----------
    histories, pairs
        Some rows, all those of each of their users.
    """
    start, stop, _ = pairs.indices(len(histories.items))
    if start >= stop:
        return Known(*np.zeros((4, 0)))
    first_user, end = np.searchsorted(histories.indptr, [start, stop], side="right") - 1
    # Rows are sorted by user, and one without rows has no part in them.
    lengths = np.diff(np.minimum(histories.indptr[first_user : end + 2], stop))
    lengths = lengths[lengths > 0]
    user, starts = np.repeat(np.arange(len(lengths)), lengths), np.cumsum(lengths) - lengths
    bought = histories.visits[pairs] > 0
    last = or_none(histories.since_last[pairs])
    newest = np.minimum.reduceat(np.where(bought, last, np.inf), starts)
    first = np.where(bought, or_none(histories.since_first[pairs]), 0.0)
    oldest = np.maximum.reduceat(first, starts)
    newest = np.where(np.isfinite(newest), newest, 0.0)
    days = np.sort(user[bought] * LONGEST + np.floor(last[bought]).astype(np.int64))
    days = days[np.append(True, days[1:] != days[:-1])[: len(days)]] // LONGEST
    counts = [np.bincount(of, minlength=len(starts)) for of in (days, user[bought])]
    n_days, n_items = (np.maximum(count, 1).astype(np.float64) for count in counts)
    whole = (n_days, np.maximum(oldest - newest, 0.0), newest, n_items)
    return Known(*(value[user] for value in whole))
