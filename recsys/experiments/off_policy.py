"""What another ranking would have earned, from what was shown by lot and what came of it.

Without a logged probability above 0 of everything the other ranking would show, none of this is
known, whatever the formula says: so no value is given where the weights say that it is not.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from recsys.statistics import Estimate, effective_n, estimate
from recsys.types import Floats, Indices

LEAST_EFFECTIVE: Final = 100.0
"""Below so many lists of equal weight, no value is given."""
MEAN_WEIGHTS: Final = (0.9, 1.1)
"""Where logged probabilities are right, the mean weight is 1 but for chance."""
MOST_CLIPPED: Final = 0.05
"""With more than this share of the weight cut off, what is left is another question."""


class Logged(NamedTuple):
    """What was shown, one row for each list (or place), and what is known of it.

    Attributes
    ----------
    rewards
        What came of it, shape ``(n,)``.
    weights
        ``π_e(a | x) / π_b(a | x)``: the evaluated ranking's probability over the logged one.
    known
        ``q(x, a)``: what a model expects of the thing shown, shape ``(n,)``; 0 without a model.
    expected
        ``Σ_a π_e(a | x) q(x, a)``: what it expects of the evaluated ranking, shape ``(n,)``.
    """

    rewards: Floats
    weights: Floats
    known: Floats
    expected: Floats


def logged(rewards: Floats, evaluated: Floats, behaviour: Floats) -> Logged:
    """Weigh rewards, where there is no model of them.

    Raises
    ------
    ValueError
        When a probability is none, or what was shown could not have been.
    """
    if not (len(rewards) == len(evaluated) == len(behaviour)) or not len(rewards):
        raise ValueError("rewards and probabilities are of the same lists, and of one at least")
    if not ((behaviour > 0) & (behaviour <= 1)).all():
        raise ValueError("what was shown has a probability above 0 and at most 1")
    if not ((evaluated >= 0) & (evaluated <= 1)).all():
        raise ValueError("a probability lies between 0 and 1")
    nothing = np.zeros(len(rewards))
    return Logged(rewards, evaluated / behaviour, nothing, nothing)


def ips(log: Logged) -> Floats:
    """Return the parts of inverse propensity scoring, ``w r``; the value is their mean.

    References
    ----------
    Horvitz, Thompson, JASA 47, 1952.
    """
    return log.weights * log.rewards


def clipped_ips(log: Logged, most: float) -> Floats:
    """Return ``min(w, most) r``: less variance, and a bias towards what was shown."""
    return np.minimum(log.weights, most) * log.rewards


def snips(log: Logged) -> Floats:
    """Return the linearised parts of ``Σ w r / Σ w``, whose mean it is.

    References
    ----------
    Swaminathan, Joachims, "The Self-Normalized Estimator for Counterfactual Learning", NeurIPS
    2015.
    """
    return _normalised(log.rewards, log.weights)


def direct(log: Logged) -> Floats:
    """Return what the model of rewards expects."""
    return log.expected


def doubly_robust(log: Logged) -> Floats:
    """Return ``Σ_a π_e q + w (r − q)``: right where the model or the probabilities are.

    References
    ----------
    Dudík, Langford, Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011.
    """
    return log.expected + log.weights * (log.rewards - log.known)


def self_normalised_doubly_robust(log: Logged) -> Floats:
    """Return the parts of ``mean(Σ_a π_e q) + Σ w (r − q) / Σ w``."""
    return log.expected + _normalised(log.rewards - log.known, log.weights)


def switch_doubly_robust(log: Logged, most: float) -> Floats:
    """Return doubly robust parts where the weight is at most `most`, and the model's elsewhere.

    References
    ----------
    Wang, Agarwal, Dudík, "Optimal and Adaptive Off-policy Evaluation in Contextual Bandits", ICML
    2017.
    """
    weights = np.where(log.weights <= most, log.weights, 0.0)
    return log.expected + weights * (log.rewards - log.known)


def shrunk_doubly_robust(log: Logged, shrinkage: float) -> Floats:
    """Return doubly robust parts with weights ``λ w / (w² + λ)``.

    References
    ----------
    Su, Dimakopoulou, Krishnamurthy, Dudík, "Doubly Robust Off-policy Evaluation with Shrinkage",
    ICML 2020.
    """
    weights = shrinkage * log.weights / (log.weights**2 + shrinkage)
    return log.expected + weights * (log.rewards - log.known)


def independent_places(rewards: Floats, weights: Floats) -> Floats:
    """Return each list's reward, places weighed one by one (IIPS), shape ``(n_lists,)``.

    Right where what comes of a place hangs on its item and the place alone.

    Parameters
    ----------
    rewards, weights
        Of each place, ``π_e(item, place) / π_b(item, place)``, shape ``(n_lists, k)``.

    References
    ----------
    Li, Kim, Zoghi, "Offline Evaluation of Ranking Policies with Click Models", KDD 2018.
    """
    return np.asarray((weights * rewards).sum(axis=1))


def cascade(rewards: Floats, weights: Floats) -> Floats:
    """Return each list's reward, places weighed with all above them (RIPS), shape ``(n_lists,)``.

    Right where what comes of a place hangs on what stands above it, not below.

    Parameters
    ----------
    rewards, weights
        ``π_e(item | above) / π_b(item | above)`` of each place, shape ``(n_lists, k)``.

    References
    ----------
    McInerney, Brost, Chandar, Mehrotra, Carterette, "Counterfactual Evaluation of Slate
    Recommendations with Sequential Reward Interactions", KDD 2020.
    """
    return np.asarray((np.cumprod(weights, axis=1) * rewards).sum(axis=1))


def whole_lists(rewards: Floats, weights: Floats) -> Floats:
    """Return each list's reward, weighed with the whole list (SIPS), shape ``(n_lists,)``.

    Right always; of more than three places it is mostly noise.
    """
    return np.asarray(weights.prod(axis=1) * rewards.sum(axis=1))


@dataclass(frozen=True)
class Identified:
    """Whether the weights let anything be said.

    Attributes
    ----------
    effective
        How many lists of equal weight would say as much (Kish).
    mean_weight, largest_weight
        Near 1 where probabilities were logged as they were; how much hangs on one list.
    clipped
        The share of the weight above the clip.
    why_not
        What forbids a value; empty: nothing does.
    """

    effective: float
    mean_weight: float
    largest_weight: float
    clipped: float
    why_not: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether a value may be given."""
        return not self.why_not


def identified(weights: Floats, *, clip: float | None = None) -> Identified:
    """Look at the weights before the value.

    Parameters
    ----------
    weights
        Of each list, shape ``(n,)``.
    clip
        Weights above it are cut down to it; None: none is.
    """
    total, mean = float(weights.sum()), float(weights.mean())
    cut = float(np.maximum(weights - clip, 0.0).sum()) / total if clip and total else 0.0
    effective = effective_n(weights)
    low, high = MEAN_WEIGHTS
    doubts = {
        f"the weights amount to {effective:.0f} lists, {LEAST_EFFECTIVE:.0f} are needed": (
            effective < LEAST_EFFECTIVE
        ),
        f"the mean weight is {mean:.3f}, not 1: the other ranking shows what was never shown, or "
        "what was logged is not how it was shown": not (low <= mean <= high),
        f"{cut:.0%} of the weight is cut off": cut > MOST_CLIPPED,
    }
    why = tuple(text for text, holds in doubts.items() if holds)
    return Identified(effective, mean, float(weights.max(initial=0.0)), cut, why)


def by_users(parts: Floats, users: Indices) -> Estimate:
    """Return the mean of the parts of lists, with an error that knows whose they are.

    Lists of one user are not independent:
    ``error² = Σ_u (Σ_{i of u} (x_i − x̄))² / n² · U / (U − 1)`` of ``U`` users.

    Parameters
    ----------
    parts
        Of each list, shape ``(n,)``.
    users
        The number of its user, from 0 on, shape ``(n,)``.

    Raises
    ------
    ValueError
        Without a list.
    """
    if not len(parts):
        raise ValueError("a mean needs a list")
    _, codes = np.unique(users, return_inverse=True)
    sums = np.bincount(codes, weights=parts - parts.mean())
    mean = estimate(sums * len(sums) / len(parts))
    return Estimate(float(parts.mean()), mean.error, len(sums), mean.effective_n)


def _normalised(values: Floats, weights: Floats) -> Floats:
    whole = float(weights.mean())
    if not whole:
        raise ValueError("nothing of what was shown would be shown: all weights are 0")
    mean = float((weights * values).mean()) / whole
    return np.asarray(mean + weights * (values - mean) / whole)
