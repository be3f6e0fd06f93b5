"""What a ranking that nobody was shown would have earned, from lists that were drawn by lot.

A list is taken place by place: what comes of a place hangs on the place and its item alone, as with
`independent_places`, so that every estimator of single choices serves; `cascade` weighs a place
with all above it. The evaluated ranking has no luck of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from recsys.experiments.off_policy import (
    Identified,
    Logged,
    by_users,
    cascade,
    direct,
    doubly_robust,
    identified,
    ips,
    self_normalised_doubly_robust,
    snips,
    switch_doubly_robust,
)
from recsys.statistics import Estimate, Interval
from recsys.types import Flags, Floats, Indices

CLIP: Final = 100.0
"""Weight above it is too much to hang on one list: a share of it says that little is known."""
MEAN_OF_PLACE: Final = (0.5, 2.0)
"""Where every item that is wanted at a place was shown there often enough, its mean weight is 1."""
SWITCH: Final = 20.0
"""Above this weight, switching takes the model's word."""
PRIOR: Final = 5.0
"""Rewards that an item is taken to have had, as many as its places expect, before any is seen."""
NOTHING: Final = -1
"""No item."""
DIRECT: Final = "direct"
DECIDES: Final = "doubly robust"
"""The estimator whose difference is told."""

Parts = Callable[[Logged], Floats]
PLACES: Final[Mapping[str, Parts]] = {
    "IPS": ips,
    "SNIPS": snips,
    DIRECT: direct,
    DECIDES: doubly_robust,
    "self-normalised doubly robust": self_normalised_doubly_robust,
    "switch doubly robust": lambda log: switch_doubly_robust(log, SWITCH),
}


class Slates(NamedTuple):
    """Lists that were shown, and what another ranking would have shown instead.

    Attributes
    ----------
    rewards
        What came of each place, shape ``(n_lists, k)``, like all but `users`.
    shown, wanted
        Item of each place; `NOTHING` where a list has no more.
    propensities, marginals
        The chance of what was shown at its place: given what stands above it, and whatever does.
    users
        The number of each list's user, shape ``(n_lists,)``.
    """

    rewards: Floats
    shown: Indices
    wanted: Indices
    propensities: Floats
    marginals: Floats
    users: Indices


@dataclass(frozen=True)
class Counterfactual:
    """What is known of the other ranking.

    Attributes
    ----------
    lists, users
        What it rests on.
    logged
        Reward of a list as it was shown.
    identified
        Whether the weights of places let anything be said.
    values
        Estimator -> reward of a list of the other ranking; empty where nothing can be said, and
        without ``cascade`` where its own weights say nothing.
    difference
        The other ranking's value over the logged one's, relative, by `DECIDES`; None where nothing
        can be said, or nothing came of any list.
    """

    lists: int
    users: int
    logged: Estimate
    identified: Identified
    values: Mapping[str, Estimate]
    difference: Interval | None


def evaluate(slates: Slates) -> Counterfactual:
    """Estimate the value of the ranking that was wanted.

    Parameters
    ----------
    slates
        At least one list.
    """
    weights = place_weights(slates)
    found = _identified(weights)
    rewards = slates.rewards.sum(axis=1)
    logged = by_users(rewards, slates.users)
    users = len(np.unique(slates.users))
    nothing = Counterfactual(len(rewards), users, logged, found, {}, None)
    if not found.holds:
        return nothing
    known, expected = reward_model(slates)
    logs = [
        Logged(slates.rewards[:, p], weights[:, p], known[:, p], expected[:, p])
        for p in range(weights.shape[1])
    ]
    parts = {name: _summed(form, logs) for name, form in PLACES.items()}
    chained = cascade_weights(slates)
    if identified(chained.prod(axis=1).astype(np.float64), clip=CLIP).holds:
        parts["cascade"] = cascade(slates.rewards, chained)
    values = {name: by_users(part, slates.users) for name, part in parts.items()}
    difference = _relative(parts[DECIDES], rewards, slates.users)
    return Counterfactual(len(rewards), users, logged, found, values, difference)


def _identified(weights: Floats) -> Identified:
    """Look at the weights of lists, and of each place: what holds on average may not hold there."""
    found = identified(weights.mean(axis=1), clip=CLIP)
    low, high = MEAN_OF_PLACE
    of_place = weights.mean(axis=0)
    bad = np.flatnonzero((of_place < low) | (of_place > high)) + 1
    if not len(bad):
        return found
    where = ", ".join(map(str, bad.tolist()))
    why = f"the other ranking shows at place {where} what was hardly ever shown there"
    return replace(found, why_not=(*found.why_not, why))


def place_weights(slates: Slates) -> Floats:
    """Return ``1[shown = wanted] / marginal`` of each place, shape ``(n_lists, k)``."""
    same = (slates.shown == slates.wanted) & (slates.shown != NOTHING)
    return _inverse(slates.marginals, same)


def cascade_weights(slates: Slates) -> Floats:
    """Return ``1[shown = best] / propensity`` of each place, shape ``(n_lists, k)``.

    The best is the first of what was wanted that does not stand above.
    """
    n, k = slates.shown.shape
    weights = np.zeros((n, k))
    for place in range(k):
        above = slates.shown[:, :place]
        left: Flags = ~(slates.wanted[:, :, None] == above[:, None, :]).any(axis=2)
        best = np.take_along_axis(slates.wanted, left.argmax(axis=1)[:, None], axis=1)[:, 0]
        same = (best == slates.shown[:, place]) & left.any(axis=1) & (best != NOTHING)
        weights[:, place] = _inverse(slates.propensities[:, place], same)
    return weights


def _inverse(chances: Floats, where: Flags) -> Floats:
    return np.divide(1.0, chances, out=np.zeros_like(chances), where=where)


def reward_model(slates: Slates) -> tuple[Floats, Floats]:
    """Return what a simple model expects of what was shown and of what was wanted.

    ``q(p, i) = r_p · (clicks_i + m) / (expected_i + m)``: the mean reward of a place times how much
    more than its places expect an item earns, shrunk by `PRIOR`. It is learnt from the other half
    of the users: what a list earned is no part of what is expected of it.

    Returns
    -------
    tuple of ndarray
        Shape ``(n_lists, k)`` each.
    """
    fold = slates.users % 2
    known, expected = np.zeros_like(slates.rewards), np.zeros_like(slates.rewards)
    n_items = int(max(slates.shown.max(), slates.wanted.max())) + 1
    for half in (0, 1):
        here, there = fold == half, fold != half
        if not there.any():
            continue
        by_place = slates.rewards[there].mean(axis=0)
        shown = slates.shown[there]
        listed = shown != NOTHING
        base = np.broadcast_to(by_place, shown.shape)[listed]
        earned = np.bincount(shown[listed], slates.rewards[there][listed], n_items)
        due = np.bincount(shown[listed], base, n_items)
        lift = (earned + PRIOR) / (due + PRIOR)
        for items, into in ((slates.shown, known), (slates.wanted, expected)):
            of_half = items[here]
            into[here] = np.where(of_half == NOTHING, 0.0, by_place * lift[of_half])
    return known, expected


def _summed(form: Parts, logs: list[Logged]) -> Floats:
    """Add up the parts of all places of each list."""
    return np.asarray(np.sum([form(log) for log in logs], axis=0))


def _relative(parts: Floats, rewards: Floats, users: Indices) -> Interval | None:
    """Return the mean of the parts over that of the rewards, less 1, by the delta method."""
    base = float(rewards.mean())
    if base <= 0:
        return None
    ratio = float(parts.mean()) / base
    linear = by_users((parts - ratio * rewards) / base, users)
    around = linear.interval()
    margin = (around.high - around.low) / 2
    return Interval(ratio - 1, ratio - 1 - margin, ratio - 1 + margin, linear.n)
