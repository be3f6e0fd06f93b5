"""Exploration: places filled by lot, with the probability of what was drawn written down."""

from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from recsys.random import generator
from recsys.types import Config, Flags, Floats, Indices

PURPOSE: Final = "exploration"


class PlackettLuceConfig(Config):
    """Each place is drawn among the best `depth` candidates, in proportion to e^(utility/T).

    ``P(i at a place | what stands above) = exp(u_i/T) / Σ_{j among the best depth} exp(u_j/T)``,
    ``u`` the utility at that place in nats (without diversity and calibration: the score) and
    ``T`` the temperature: a Plackett–Luce model, cut off at `depth`.

    References
    ----------
    Plackett, "The Analysis of Permutations", Applied Statistics 24(2), 1975; Luce, "Individual
    Choice Behavior", 1959.
    """

    kind: Literal["plackett_luce"]
    temperature: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = Field(
        0.1, description="nats; the higher, the more even the draw"
    )
    depth: PositiveInt = Field(50, description="how many of the best candidates a place may take")

    def probabilities(self, utilities: Floats) -> Floats:
        """Return the probability of each candidate, best first, shape ``(n,)``; they sum to 1."""
        everything = np.ones((1, len(utilities)), dtype=np.bool_)
        return np.asarray(self.among(utilities, everything)[0])

    def among(self, utilities: Floats, open_: Flags) -> Floats:
        """Return the probabilities of those that are open, in each row, shape ``(m, n)``."""
        weights = np.exp((utilities - utilities.max()) / self.temperature) * open_
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class SwapsConfig(Config):
    """With probability `chance` a place goes to any of the best `depth`, the best one included.

    ``P(best) = 1 − chance + chance/m`` and ``P(other) = chance/m``, ``m`` the number of candidates
    there are among the best `depth`: epsilon-greedy, place by place.
    """

    kind: Literal["swaps"]
    chance: float = Field(0.1, ge=0, le=1, description="of a draw, at each place")
    depth: PositiveInt = Field(20, description="how many of the best candidates a place may take")

    def probabilities(self, utilities: Floats) -> Floats:
        """Return the probability of each candidate, best first, shape ``(n,)``; they sum to 1."""
        everything = np.ones((1, len(utilities)), dtype=np.bool_)
        return np.asarray(self.among(utilities, everything)[0])

    def among(self, utilities: Floats, open_: Flags) -> Floats:  # noqa: ARG002
        """Return the probabilities of those that are open, in each row, shape ``(m, n)``."""
        even = open_ * (self.chance / open_.sum(axis=1, keepdims=True))
        even[np.arange(len(even)), open_.argmax(axis=1)] += 1 - self.chance
        return np.asarray(even)


ExplorationConfig: TypeAlias = Annotated[
    PlackettLuceConfig | SwapsConfig, Field(discriminator="kind")
]


class Draws(NamedTuple):
    """The luck of one answer.

    Attributes
    ----------
    config
        How it is used.
    numbers
        One for each place, uniform in [0, 1), shape ``(k,)``: a pinned place uses none of the
        others'.
    """

    config: ExplorationConfig
    numbers: Floats

    def choose(self, place: int, utilities: Floats) -> tuple[int, float]:
        """Draw the candidate for a place: its position in `utilities`, and its probability."""
        probabilities = self.config.probabilities(utilities)
        ends = np.cumsum(probabilities)
        drawn = int(np.searchsorted(ends, self.numbers[place] * ends[-1], side="right"))
        # A number that rounds up to the very end belongs to the last that can be drawn at all.
        chosen = min(drawn, int(np.flatnonzero(probabilities)[-1]))
        return chosen, float(probabilities[chosen])


def draws(config: ExplorationConfig, *, seed: int, user_id: str, request_id: str, k: int) -> Draws:
    """Draw the luck of one answer: a function of the seed, the user and the request alone.

    Parameters
    ----------
    config
        How it is used.
    seed, user_id, request_id
        What it depends on; the order and the number of other answers play no part.
    k
        Length of the list. A longer one has the same numbers at the places they share.
    """
    return Draws(config, generator(seed, PURPOSE, user_id, request_id).random(k))


def place_chances(
    config: ExplorationConfig, utilities: Floats, k: int, *, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Return how likely each candidate is to stand at each place, whatever stands above it.

    The mean, over drawn starts of the list, of the exact chance given the start; of lists without
    rules and second aims.

    Parameters
    ----------
    config
        How places are drawn.
    utilities
        Of the candidates, best first, shape ``(n,)``; ``k + depth − 1`` of them matter.
    k
        Length of the list, at most `n`.
    n_draws, rng
        Starts to draw.

    Returns
    -------
    ndarray
        Shape ``(k, n)``; rows sum to 1.
    """
    rows, n = np.arange(n_draws), len(utilities)
    free = np.ones((n_draws, n), dtype=np.bool_)
    found = np.empty((k, n))
    for place in range(k):
        open_ = free & (np.cumsum(free, axis=1) <= config.depth)
        chances = config.among(utilities, open_)
        found[place] = chances.mean(axis=0)
        ends = np.cumsum(chances, axis=1)
        luck = rng.random((n_draws, 1)) * ends[:, -1:]
        free[rows, np.minimum((ends <= luck).sum(axis=1), n - 1)] = False
    return found


def logged_chances(config: ExplorationConfig, utilities: Floats, shown: Indices) -> Floats:
    """Return the chance of each item of a list at its place, given those above it, shape ``(k,)``.

    Parameters
    ----------
    config, utilities
        As for `place_chances`.
    shown
        Positions among the candidates; -1: none of them.
    """
    free = np.ones((1, len(utilities)), dtype=np.bool_)
    found = np.zeros(len(shown))
    for place, position in enumerate(shown.tolist()):
        open_ = free & (np.cumsum(free, axis=1) <= config.depth)
        if position >= 0 and open_.any():
            found[place] = config.among(utilities, open_)[0, position]
            free[0, position] = False
    return found
