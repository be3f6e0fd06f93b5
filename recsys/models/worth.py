"""What an axis is worth: whether it foretells the next purchases better than popularity."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveInt
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.errors import DataError
from recsys.metrics import hit_matrix, ndcg
from recsys.models.popularity import log_popularity
from recsys.models.priors import Prior, Support, fit_prior
from recsys.random import generator
from recsys.statistics import Interval, mean_interval
from recsys.types import Config, Factors, Flags, Floats, Indices, Membership, UserItems

Verdict = Literal["predicts", "predicts nothing", "harmful", "too few users"]

_USERS, _ITEMS = 256, 1024
"""Scores held at a time: bounds the memory, and fits into a processor's cache."""
_ROUNDING = 1e-9
"""Scores closer than this may be equal."""


class WorthSettings(Config):
    """How the worth of an axis is judged."""

    k: PositiveInt = Field(10, description="length of the lists whose NDCG is told")
    confidence: float = Field(0.95, gt=0, lt=1, description="of intervals")
    placebos: PositiveInt = Field(20, description="how often memberships are dealt out at random")
    placebo_users: PositiveInt = Field(
        2000, description="users with a target that a placebo is judged on, at most"
    )
    seed: int = Field(42, ge=0, description="of those deals, and of those users")
    least: float = Field(
        0.001, ge=0, description="nats a purchase below which a gain or a loss does not matter"
    )
    hide_known: bool = Field(
        False, description="leave out of the lists what the user has dealt with before"
    )


class Evidence(NamedTuple):
    """A past to learn from and what came after it, for users in one order.

    Attributes
    ----------
    pairs
        Distinct pairs with a positive interaction before the moment, any values, shape
        ``(n_users, n_items)``.
    targets
        Distinct pairs taken in the window after it, any values, shape ``(n_users, n_items)``.
    supported
        Items that have a lift of their own, shape ``(n_items,)``; the others take their group's.
    groups
        Group of each item, shape ``(n_items,)``.
    """

    pairs: UserItems
    targets: UserItems
    supported: Flags
    groups: Indices


class Gains(NamedTuple):
    """What the prior adds to popularity, user by user.

    Attributes
    ----------
    users
        Rows of the users with a target, ascending, shape ``(n,)``.
    known
        Whether the user has a weight on the axis, shape ``(n,)``.
    log_likelihood
        Mean over the user's targets, in nats, shape ``(n,)``; exactly 0 where not known.
    ndcg
        Of the two lists, ``prior - popular``, shape ``(n,)``; exactly 0 where not known.
    """

    users: Indices
    known: Flags
    log_likelihood: Floats
    ndcg: Floats


@dataclass(frozen=True)
class Worth:
    """What an axis is worth.

    Attributes
    ----------
    axis
        Its name.
    users
        Users with a target, known on the axis or not: all of them count.
    coverage
        The share of them that is known; nan without users.
    gain
        Of the log-likelihood, nats for each purchase, with Student's t interval.
    ndcg_popular, ndcg_prior
        Means of NDCG@k of the popular list and of the list with the prior.
    ndcg_gain, ndcg_relative
        Their difference with Student's t interval, and over `ndcg_popular`, nan where that is 0.
    kappa
        The strength of the shrinkage, see `models.priors`; infinite: the prior is 0.
    placebos
        The mean gain of each permutation.
    verdict
        ``predicts`` only where the interval of the gain is above 0, no placebo reaches the mean,
        and it is at least `WorthSettings.least`; ``harmful`` where the interval is below 0 and the
        loss as large.
    sentence
        The same in plain words.
    """

    axis: str
    users: int
    coverage: float
    gain: Interval
    ndcg_popular: float
    ndcg_prior: float
    ndcg_gain: Interval
    ndcg_relative: float
    kappa: float
    placebos: tuple[float, ...]
    verdict: Verdict
    sentence: str

    @property
    def placebo_median(self) -> float:
        """The median of the placebos' mean gains."""
        return median(self.placebos)

    @property
    def placebo_lowest(self) -> float:
        """The least of the placebos' mean gains."""
        return min(self.placebos)

    @property
    def placebo_highest(self) -> float:
        """The largest of the placebos' mean gains."""
        return max(self.placebos)

    @property
    def beats_placebos(self) -> bool:
        """Whether the gain lies above that of every placebo."""
        return self.gain.mean > self.placebo_highest


class _Asked(NamedTuple):
    """The users with a target, and what every prior is held against.

    Attributes
    ----------
    users
        Their rows, shape ``(n,)``.
    targets
        Rows of 1 / number of targets, shape ``(n, n_items)``.
    known_items
        What the lists leave out, shape ``(n, n_items)``.
    popular
        ``log p_i``, shape ``(n_items,)``.
    """

    users: Indices
    targets: UserItems
    known_items: UserItems
    popular: Floats


def axis_worth(
    axis: str,
    membership: Membership,
    evidence: Evidence,
    settings: WorthSettings | None = None,
) -> tuple[Gains, Worth]:
    """Judge the prior of an axis, learnt from the past, on what was bought after it.

    With ``p_i`` the popularity of an item (distinct users before the moment, one more for each
    item) and ``L_gi`` the lifts of `fit_prior`, both learnt from the past alone,

    ``q_ui = p_i exp(Σ_g m_ug L_gi) / Σ_j p_j exp(Σ_g m_ug L_gj)``,

    ``gain_u = Σ_{i in T_u} log(q_ui / p_i) / |T_u|`` over the user's targets ``T_u``: how much more
    likely, in nats, each purchase is to one who knows the axis than to one who knows popularity
    alone. The mean is over all users with a target; one who is unknown on the axis gains 0. NDCG is
    that of the first k items by ``p`` and by ``q`` (equal ones: the lower index) of the whole
    catalogue; with `hide_known` a known item that is bought again still counts as a target, which
    no list can find. A placebo deals the memberships out to the users at random, learns from them
    and applies them; only its likelihood is taken, not its NDCG, and only over a draw of
    `placebo_users`, which costs it little: its lifts are next to 0, so its users hardly differ.

    Parameters
    ----------
    axis
        Its name, for the sentence.
    membership
        As of the moment between past and targets, shape ``(n_users, n_segments)``.
    evidence
        Of the same users.
    settings
        By default `WorthSettings`.

    Returns
    -------
    tuple
        `Gains` of each user with a target, and the `Worth` of the axis.

    Raises
    ------
    DataError
        When users or items do not fit.

    Notes
    -----
    The gain is the information that segments carry about purchases (the log score of Good,
    "Rational Decisions", JRSS B 14(1), 1952). The interval takes the fitted prior as given. The
    sums over the catalogue are in float32, good to about 1e-6 nats.
    """
    settings = settings or WorthSettings()
    _check(membership, evidence)
    asked = _ask(evidence)
    weights = membership[asked.users].toarray()
    prior = fit_prior(evidence.pairs, membership, _support(evidence))
    popular, own = _both_ndcg(prior, weights, asked, settings)
    likelihood = _log_likelihood_gains(prior, weights, asked)
    gains = Gains(asked.users, _known(weights), likelihood, own - popular)
    placebos = tuple(_placebo_gains(membership, evidence, asked, settings))
    return gains, _summary(axis, gains, popular, prior.kappa, placebos, settings)


def _summary(
    axis: str,
    gains: Gains,
    popular_ndcg: Floats,
    kappa: float,
    placebos: tuple[float, ...],
    settings: WorthSettings,
) -> Worth:
    gain = _interval(gains.log_likelihood, settings.confidence)
    ndcg_gain = _interval(gains.ndcg, settings.confidence)
    popular, own = _mean(popular_ndcg), _mean(popular_ndcg + gains.ndcg)
    verdict = _verdict(gain, placebos, settings.least)
    silent = verdict == "predicts nothing" and not math.isfinite(kappa)
    sentence = _says_nothing(axis) if silent else _sentence(axis, verdict, gain, placebos)
    return Worth(
        axis=axis,
        users=len(gains.users),
        coverage=_mean(gains.known),
        gain=gain,
        ndcg_popular=popular,
        ndcg_prior=own,
        ndcg_gain=ndcg_gain,
        ndcg_relative=own / popular - 1 if popular > 0 else math.nan,
        kappa=kappa,
        placebos=placebos,
        verdict=verdict,
        sentence=sentence + _worse_lists(verdict, ndcg_gain, settings.k),
    )


def _check(membership: Membership, evidence: Evidence) -> None:
    shape = evidence.pairs.shape
    if evidence.targets.shape != shape:
        raise DataError(f"targets of shape {evidence.targets.shape}, but the past has {shape}")
    if membership.shape[0] != shape[0]:
        raise DataError(f"memberships of {membership.shape[0]} users, but the past has {shape[0]}")
    if not len(evidence.supported) == len(evidence.groups) == shape[1]:
        raise DataError(
            f"{len(evidence.supported)} support flags and {len(evidence.groups)} groups "
            f"for {shape[1]} items; give one of each for every item"
        )


def _ask(evidence: Evidence) -> _Asked:
    counts = np.diff(evidence.targets.indptr)
    users = np.flatnonzero(counts)
    targets = sparse.csr_matrix(evidence.targets[users], dtype=np.float64, copy=True)
    targets.data = np.repeat(1.0 / counts[users], counts[users])
    items, n_items = evidence.pairs.indices.astype(np.int64), evidence.pairs.shape[1]
    popular = log_popularity(items, np.ones(len(items)), n_items)
    return _Asked(users, targets, sparse.csr_matrix(evidence.pairs[users]), popular)


def _support(evidence: Evidence) -> Support:
    return Support(evidence.supported, evidence.groups)


def _known(weights: Floats) -> Flags:
    return np.asarray(weights.any(axis=1))


def _log_likelihood_gains(prior: Prior, weights: Floats, asked: _Asked) -> Floats:
    """Return ``gain_u`` of each user, shape ``(n,)``."""
    gains = np.zeros(len(weights))
    known = np.flatnonzero(_known(weights))
    if not math.isfinite(prior.kappa) or not len(known):
        return gains
    evidence = asked.targets[known] @ prior.lifts.T
    mean_lift = np.einsum("ng,ng->n", weights[known], evidence)
    gains[known] = mean_lift - _log_normaliser(weights[known], prior.lifts, asked.popular)
    return gains


def _log_normaliser(weights: Floats, lifts: Floats, popular: Floats) -> Floats:
    """Return ``log Σ_j p_j exp(Σ_g m_ug L_gj)``, worked out once for equal rows of weights."""
    rows, inverse = np.unique(weights, axis=0, return_inverse=True)
    narrow = rows.astype(np.float32), lifts.astype(np.float32), np.exp(popular).astype(np.float32)
    # One thread for BLAS: a sum's order, and so the result, does not depend on their number.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(lambda block: _sums(*narrow, block), _blocks(len(rows), _USERS))
        return np.asarray(np.log(np.concatenate(list(parts)))[inverse.ravel()])


def _sums(rows: Factors, lifts: Factors, p: Factors, block: slice) -> Floats:
    total = np.zeros(len(rows[block]))
    for tile in _blocks(len(p), _ITEMS):
        # A lift is the log of a ratio of counts: far from what exp cannot hold.
        scores = rows[block] @ lifts[:, tile]
        total += np.exp(scores, out=scores) @ p[tile]
    return total


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, n, size))


def _both_ndcg(
    prior: Prior, weights: Floats, asked: _Asked, settings: WorthSettings
) -> tuple[Floats, Floats]:
    """Return NDCG@k of the popular list and of the prior's, shape ``(n,)`` each."""
    nobody = np.zeros((len(weights), 0))
    popular = _ndcg(nobody, np.zeros((0, prior.lifts.shape[1])), asked, settings)
    if not math.isfinite(prior.kappa):
        return popular, popular
    known = _known(weights)
    return popular, np.where(known, _ndcg(weights, prior.lifts, asked, settings), popular)


def _ndcg(weights: Floats, lifts: Floats, asked: _Asked, settings: WorthSettings) -> Floats:
    if not len(weights):
        return np.zeros(0)
    lists = _lists(weights, lifts, asked, settings)
    targets = asked.targets.tocoo()
    users, items = targets.row.astype(np.int64), targets.col.astype(np.int64)
    hits, n_relevant = hit_matrix(lists, users, items, n_items=lifts.shape[1])
    return ndcg(hits, n_relevant, k=settings.k)


def _lists(weights: Floats, lifts: Floats, asked: _Asked, settings: WorthSettings) -> Indices:
    """Return the first k items by ``log p_i + Σ_g m_ug L_gi``, shape ``(n, k)``; -1 is none."""
    hidden = int(np.diff(asked.known_items.indptr).max(initial=0)) if settings.hide_known else 0
    candidates = _candidates(lifts, asked.popular, settings.k + hidden)
    lists = np.full((len(weights), settings.k), -1, dtype=np.int64)
    for block in _blocks(len(weights), _USERS):
        scores = asked.popular[candidates] + weights[block] @ lifts[:, candidates]
        if hidden:
            scores[asked.known_items[block][:, candidates].toarray() != 0] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, : settings.k]
        listed = np.isfinite(np.take_along_axis(scores, best, axis=1))
        lists[block, : best.shape[1]] = np.where(listed, candidates[best], -1)
    return lists


def _candidates(lifts: Floats, popular: Floats, depth: int) -> Indices:
    """Return the items that can be among the first `depth` of anybody, ascending."""
    # Weights sum to at most 1, so a user's lift lies between the least and the largest, and 0.
    least = popular + lifts.min(axis=0, initial=0.0)
    most = popular + lifts.max(axis=0, initial=0.0)
    depth = min(depth, len(popular))
    certain = np.partition(least, len(least) - depth)[len(least) - depth]
    return np.flatnonzero(most >= certain - _ROUNDING)


def _placebo_gains(
    membership: Membership, evidence: Evidence, asked: _Asked, settings: WorthSettings
) -> Iterator[float]:
    drawn = generator(settings.seed, "placebo users").permutation(len(asked.users))
    some = np.sort(drawn[: settings.placebo_users])
    judged = asked._replace(users=asked.users[some], targets=asked.targets[some])
    for number in range(settings.placebos):
        deal = generator(settings.seed, "placebo", str(number)).permutation(membership.shape[0])
        dealt = membership[deal]
        prior = fit_prior(evidence.pairs, dealt, _support(evidence))
        yield _mean(_log_likelihood_gains(prior, dealt[judged.users].toarray(), judged))


def _verdict(gain: Interval, placebos: tuple[float, ...], least: float) -> Verdict:
    if math.isnan(gain.low):
        return "too few users"
    if abs(gain.mean) < least:
        return "predicts nothing"
    if gain.high < 0:
        return "harmful"
    return "predicts" if gain.low > 0 and gain.mean > max(placebos) else "predicts nothing"


def _sentence(axis: str, verdict: Verdict, gain: Interval, placebos: tuple[float, ...]) -> str:
    if verdict == "too few users":
        return f"Too few users bought anything in the window to judge {axis}: {gain.n}."
    return f"{_told(axis, gain)}; {_against_chance(verdict, gain, placebos)}"


def _told(axis: str, gain: Interval) -> str:
    sign, more = (1, "more") if gain.mean >= 0 else (-1, "less")
    low, high = sorted((sign * _percent(gain.low), sign * _percent(gain.high)))
    change = sign * _percent(gain.mean)
    digits = _digits(change)
    return (
        f"Knowing {axis} makes the next purchase {change:.{digits}f} % {more} likely than "
        f"popularity alone [{low:z.{digits}f}, {high:z.{digits}f}]"
    )


def _against_chance(verdict: Verdict, gain: Interval, placebos: tuple[float, ...]) -> str:
    most, digits = _percent(max(placebos)), _digits(_percent(gain.mean))
    reached = f"{len(placebos)} permutations reached at most {most:z.{digits}f} %."
    if verdict == "predicts":
        return reached
    if verdict == "harmful":
        return "what was learnt from the past does not hold any more."
    if gain.low > max(placebos) or gain.high < 0:
        return f"that is too little to matter: {reached}"
    beaten = "chance" if gain.low <= 0 else "memberships dealt at random"
    return f"that is no more than {beaten}: {reached}"


def _worse_lists(verdict: Verdict, ndcg_gain: Interval, k: int) -> str:
    if verdict != "predicts" or not ndcg_gain.high < 0:
        return ""
    loss, least, most = -ndcg_gain.mean, -ndcg_gain.high, -ndcg_gain.low
    return (
        f" Its list is worse all the same: NDCG@{k} falls by {loss:.4f} [{least:.4f}, {most:.4f}]."
    )


def _says_nothing(axis: str) -> str:
    return (
        f"Knowing {axis} tells nothing of the next purchase: its segments do not differ in what "
        "they buy beyond chance (κ = ∞), so its prior is 0."
    )


def _percent(nats: float) -> float:
    return 100 * math.expm1(nats)


def _digits(percent: float) -> int:
    return 1 if abs(percent) >= 1 else 2


def _interval(values: Floats, confidence: float) -> Interval:
    if not len(values):
        return Interval(math.nan, math.nan, math.nan, 0)
    return mean_interval(values, confidence=confidence)


def _mean(values: Floats | Flags) -> float:
    return float(values.mean()) if len(values) else math.nan
