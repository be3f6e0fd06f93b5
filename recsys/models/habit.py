"""Habit: a user's own repeat purchases, as the chance that she buys the item again.

``habit(u, i) = log1p(p_ui / p̄)``, with ``p_ui = σ(β₀ + β · f_ui)`` the chance that a pair comes
back within the window ahead, and ``p̄`` its mean over all pairs. The features ``f_ui`` are

- of the pair: how often and how lately she bought it, at several half-lives (``log1p(S_h)`` and
  ``log(S_h + ε)``, ``S_h = Σ over days of purchase 2^(−age / h)``), how often buyers of the item
  come back (``log rate_i``, shrunk to its category), the time since the last purchase in units of
  her own pace (``log(t/τ_ui + ε)``), that time itself, and what she took of it on a day
  (``log1p(r_ui / days)``: quantities);
- of her history as a whole: how many days, items and weeks it has, and how long ago it ended;
- of both: in a short history the item's rate tells more, in a long one how often and how lately
  she bought it;
- of contacts other than purchases, where there are any: see `evidence`, which also speaks of the
  pairs that were never bought.

The weights ``β`` are a ridge logistic regression on the windows before the cut.

A product ``log1p(S_h) × rate_i^γ × φ(t/τ_ui)`` with the best h, γ and φ was tried first: this form
gains 2 % NDCG@10 over it on two windows of a grocer and loses nothing on a supermarket. Boosted
trees on the same features are no better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy import special

from recsys.interactions import Histories
from recsys.models.evidence import (
    Evidence,
    contact_features,
    fit_evidence,
    spoken_kinds,
    taken_back,
)
from recsys.models.groups import n_groups_of
from recsys.models.logistic import logistic
from recsys.types import Flags, Floats, Indices

RATE_SHRINKAGE = 10.0
"""An item's rate counts as much as this many buyers behave like its category's."""
CATEGORY_SHRINKAGE = 30.0
PACE_SHRINKAGE = 2.0
"""A user's own pace counts against this many intervals of the category's."""
NEVER_AGAIN = 1e-3
"""A category whose buyers come back for the item less often than this is bought once."""
N_PLAIN = 4 + 5 + 4
"""Features of a pair besides those of each half-life: its own, her history's, and of both."""
PER_HALF_LIFE = 3
"""Features of a pair for each half-life."""
LONGEST = 2**32
"""More days than any history has."""
MOST_PAIRS = 400_000
"""The regression looks at every n-th pair where there are more."""


class GroupHabit(NamedTuple):
    """What an item of which nothing else is known takes from its group.

    The last of each, shape ``(n_groups + 1,)``, is for a group without any item.

    Attributes
    ----------
    rate, pace, rebought
        As of `Habit`.
    """

    rate: Floats
    pace: Floats
    rebought: Flags


@dataclass(frozen=True)
class Habit:
    """What is known of repeat purchases, by item.

    Attributes
    ----------
    rate
        How often the item is bought again, as a multiple of the shop's mean, shape ``(n_items,)``.
    pace
        Days between purchases in the item's category, shape ``(n_items,)``.
    rebought
        False for items that nobody buys twice, shape ``(n_items,)``.
    coefficients
        ``β₀, β``, shape ``(1 + n_features,)``.
    mean
        ``p̄``.
    groups
        The same of each group of items.
    evidence
        What contacts with an item tell; by default nothing.
    """

    rate: Floats
    pace: Floats
    rebought: Flags
    coefficients: Floats
    mean: float
    groups: GroupHabit
    evidence: Evidence = field(default_factory=Evidence)

    def terms(self, histories: Histories, pairs: slice = slice(None)) -> Floats:
        """Return the habit of each pair, shape ``(n_pairs,)``.

        A pair never bought has the term of its contacts, 0 where there are none.

        Parameters
        ----------
        histories
            With one column of decayed visits for each half-life of the fit.
        pairs
            Some rows, all those of each of their users; by default all.
        """
        bought = histories.visits[pairs] > 0
        features = pair_features(histories, pairs, self.rate, self.pace)
        # A sum along each row: the same for one user as among a thousand, unlike a matrix product.
        odds = self.coefficients[0] + (features * self.coefficients[1:]).sum(axis=1)
        if histories.contacts is None or not self.evidence.kinds:
            return np.where(bought, self._term(odds), 0.0)
        contacts = histories.contacts.take(pairs)
        odds = odds + self.evidence.odds(contacts, histories.since_last[pairs])
        habit = np.where(taken_back(contacts, histories.visits[pairs]), 0.0, self._term(odds))
        return np.where(bought, habit, self.evidence.terms(contacts, self.mean))

    def _term(self, odds: Floats) -> Floats:
        return np.asarray(np.log1p(special.expit(odds) / self.mean))


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


def fit_habit(
    histories: Histories,
    bought_next: Flags | None,
    groups: Indices,
    half_lives: Sequence[float],
    earlier: Sequence[tuple[Histories, Flags]] = (),
) -> Habit:
    """Learn rates, paces and the weights of the features.

    Parameters
    ----------
    histories
        As of the start of a window.
    bought_next
        Whether each pair was bought again within the window, shape ``(n_pairs,)``. None without
        times: then a pair with two purchases counts as bought again, and the weights are fixed.
    groups
        Category of each item.
    half_lives
        Those of the decayed visits.
    earlier
        The same of earlier windows, with the same kinds of contact: more to learn weights from.
    """
    bought = np.flatnonzero(histories.visits > 0)
    again = histories.visits > 1 if bought_next is None else bought_next
    items, label = histories.items[bought], again[bought].astype(np.float64)
    rate, by_group = repeat_rates(items, label, groups)
    paces = category_paces(histories, groups)
    pace = paces[groups]
    mean = float(np.clip(label.mean(), 1e-4, 0.5)) if len(label) else 0.05
    weights = _fixed_coefficients(mean, half_lives)
    n_own = len(weights)
    if bought_next is not None and label.any():
        windows = [(histories, bought_next), *earlier]
        weights = _learn_weights(windows, groups, pace)
    evidence = Evidence()
    if histories.contacts is not None:
        evidence = fit_evidence(histories.contacts, histories.visits, bought_next, weights[n_own:])
    rebought = by_group > NEVER_AGAIN
    of_groups = GroupHabit(_relative(by_group, by_group[-1]), paces, rebought)
    return Habit(rate, pace, rebought[groups], weights[:n_own], mean, of_groups, evidence)


def _learn_weights(
    windows: Sequence[tuple[Histories, Flags]], groups: Indices, pace: Floats
) -> Floats:
    n_pairs = sum(int(np.count_nonzero(histories.visits > 0)) for histories, _ in windows)
    step = -(-n_pairs // MOST_PAIRS)
    parts = [_examples(*window, groups, pace, step) for window in windows]
    return logistic(np.vstack([part[0] for part in parts]), np.hstack([part[1] for part in parts]))


def _examples(
    histories: Histories, bought_next: Flags, groups: Indices, pace: Floats, step: int
) -> tuple[Floats, Floats]:
    """Return features and labels of every `step`-th bought pair."""
    bought = np.flatnonzero(histories.visits > 0)
    label, items = bought_next[bought].astype(np.float64), histories.items[bought]
    log_rate = np.zeros(len(histories.items))
    folds = histories.user_index[bought] % 2
    log_rate[bought] = np.log(_crossed_rates(folds, items, label, groups))
    features = features_with_rate(histories, slice(None), log_rate, pace)
    chosen = bought[::step]
    parts = [features[chosen]]
    if histories.contacts is not None:
        contacts = histories.contacts.take(chosen)
        kinds = spoken_kinds(contacts.kinds)
        parts.append(contact_features(contacts, kinds, histories.since_last[chosen]))
    return np.hstack(parts), label[::step]


def pair_features(histories: Histories, pairs: slice, rate: Floats, pace: Floats) -> Floats:
    """Return ``f_ui`` of each pair, shape ``(n_pairs, n_features)``; the rate comes first."""
    return features_with_rate(histories, pairs, np.log(rate[histories.items[pairs]]), pace)


def features_with_rate(
    histories: Histories, pairs: slice, log_rate: Floats, pace: Floats
) -> Floats:
    """Return ``f_ui`` of each pair, given the log rate of its item, shape ``(n_pairs,)``."""
    faded, visits = histories.decayed_visits[pairs], np.maximum(histories.visits[pairs], 1.0)
    since = _or_none(histories.since_last[pairs])
    phase = np.log(since / own_pace(histories, pairs, pace) + 0.05)
    lately = np.log(faded + 0.01)
    taken = np.log1p(np.maximum(histories.worth[pairs], 0.0) / visits)
    own = (log_rate, phase, np.log1p(since), np.log1p(faded), lately, taken)
    known = known_of(histories, pairs)
    days, n_items = np.log(known.days), np.log(known.n_items)
    gap = np.log((known.span + 7.0) / known.days)
    whole = (days, np.log1p(known.span), n_items, np.log1p(known.since), gap)
    share = np.log(visits / known.days)
    both = (log_rate * days, np.log1p(visits) * days, phase * days, log_rate * share)
    return np.column_stack([*own, *whole, *both, lately * n_items[:, np.newaxis]])


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
    last = _or_none(histories.since_last[pairs])
    newest = np.minimum.reduceat(np.where(bought, last, np.inf), starts)
    first = np.where(bought, _or_none(histories.since_first[pairs]), 0.0)
    oldest = np.maximum.reduceat(first, starts)
    newest = np.where(np.isfinite(newest), newest, 0.0)
    days = np.sort(user[bought] * LONGEST + np.floor(last[bought]).astype(np.int64))
    days = days[np.append(True, days[1:] != days[:-1])[: len(days)]] // LONGEST
    counts = [np.bincount(of, minlength=len(starts)) for of in (days, user[bought])]
    n_days, n_items = (np.maximum(count, 1).astype(np.float64) for count in counts)
    whole = (n_days, np.maximum(oldest - newest, 0.0), newest, n_items)
    return Known(*(value[user] for value in whole))


def _or_none(days: Floats) -> Floats:
    """Return 0 for days that are not known."""
    return np.where(np.isnan(days), 0.0, days)


def own_pace(histories: Histories, pairs: slice, category_pace: Floats) -> Floats:
    """``τ_ui``: the user's mean interval for the item, shrunk to the category's; days."""
    intervals = np.maximum(histories.visits[pairs] - 1.0, 0.0)
    span = _or_none(histories.since_first[pairs] - histories.since_last[pairs])
    typical = category_pace[histories.items[pairs]]
    return np.asarray((span + PACE_SHRINKAGE * typical) / (intervals + PACE_SHRINKAGE))


def repeat_rates(items: Indices, label: Floats, groups: Indices) -> tuple[Floats, Floats]:
    """Return each item's rate relative to the shop's mean, and each category's absolute rate.

    The last of the categories is one without any item: it has the shop's mean.

    Parameters
    ----------
    items
        Item of each bought pair.
    label
        1 where the pair was bought again.
    groups
        Category of each item.
    """
    overall = float(label.mean()) if len(label) else 0.0
    prior = np.full(n_groups_of(groups) + 1, overall)
    by_group = _shrunk(groups[items], label, prior, CATEGORY_SHRINKAGE)
    by_item = _shrunk(items, label, by_group[groups], RATE_SHRINKAGE)
    return _relative(by_item, overall), by_group


def _relative(rates: Floats, overall: float) -> Floats:
    # Where nothing is ever bought again every item is as likely as the mean: not at all.
    relative = rates / overall if overall > 0 else np.ones(len(rates))
    return np.asarray(np.maximum(relative, 1e-6))


def category_paces(histories: Histories, groups: Indices) -> Floats:
    """Return the mean days between purchases of an item of each category.

    The last one is a category without any item: it has the shop's mean.
    """
    repeated = histories.visits > 1
    keys = groups[histories.items[repeated]]
    span = _or_none((histories.since_first - histories.since_last)[repeated])
    intervals = histories.visits[repeated] - 1.0
    n_groups = n_groups_of(groups) + 1
    overall = span.sum() / intervals.sum() if intervals.sum() else 1.0
    spans = np.bincount(keys, weights=span, minlength=n_groups) + RATE_SHRINKAGE * overall
    counts = np.bincount(keys, weights=intervals, minlength=n_groups) + RATE_SHRINKAGE
    return np.asarray(np.maximum(spans / counts, 1e-3))


def _shrunk(keys: Indices, label: Floats, prior: Floats, strength: float) -> Floats:
    hits = np.bincount(keys, weights=label, minlength=len(prior))
    seen = np.bincount(keys, minlength=len(prior))
    return np.asarray((hits + strength * prior) / (seen + strength))


def _crossed_rates(folds: Indices, items: Indices, label: Floats, groups: Indices) -> Floats:
    """Rate of each pair's item as the other half of the users shows it: no label sees itself."""
    rates = [repeat_rates(items[folds != f], label[folds != f], groups)[0] for f in (0, 1)]
    return np.where(folds == 0, rates[0][items], rates[1][items])


def _fixed_coefficients(mean: float, half_lives: Sequence[float]) -> Floats:
    n_lives = len(half_lives)
    coefficients = np.zeros(1 + N_PLAIN + PER_HALF_LIFE * n_lives)
    coefficients[0] = math.log(mean / (1.0 - mean))
    coefficients[1] = 0.3
    coefficients[3 + n_lives] = 1.0
    return coefficients
