"""What a list is asked for, and the list."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from recsys.ranking.unmet import Unmet
from recsys.types import Floats, Ids, Indices

Fallback = Literal["segment", "popular"]


class Request(NamedTuple):
    """What a list is asked for.

    Attributes
    ----------
    k
        Length of the list.
    categories
        Only items of one of these; empty = all.
    exclude_items
        Item ids that must not appear; unknown ones are ignored.
    as_of
        The moment of the answer, microseconds: some rules hold for a time.
    request_id, seed
        What the luck of an exploration depends on, besides the user.
    cart
        Item ids in the cart: the list completes the basket, and does not hold them.
    new
        How many items the list goes on with that are new to the user, for judging how well a
        ranking finds those: a list of `k` may hold none.
    """

    k: int
    categories: frozenset[str] = frozenset()
    exclude_items: frozenset[str] = frozenset()
    as_of: int = 0
    request_id: str = ""
    seed: int = 0
    cart: tuple[str, ...] = ()
    new: int = 0


class Ranking(NamedTuple):
    """One user's list.

    Attributes
    ----------
    items
        Item indices, best first, shape ``(n,)`` with ``n <= k + new``.
    scores
        The sum of the terms in their fixed order, float64, shape ``(n,)``.
    terms
        Signal -> its part of each score, in the fixed order.
    fallback
        What the list rests on where the user has no history; None where she has one.
    shortfall
        How many items short of `k` the list is: the catalogue had no more.
    propensities
        The chance of each item at its place, given those above it; 1 where nothing is drawn.
    offers
        For each place, rule -> label.
    unmet
        Rules that the list does not keep, and why.
    """

    items: Indices
    scores: Floats
    terms: dict[str, Floats]
    fallback: Fallback | None
    shortfall: int
    propensities: Floats
    offers: list[dict[str, str]]
    unmet: tuple[Unmet, ...]

    def ids(self, vocabulary: Ids) -> list[str]:
        """Return the item ids, best first."""
        return [str(identifier) for identifier in vocabulary[self.items]]


def merged(rankings: Sequence[Ranking], picks: Sequence[tuple[int, int]], k: int) -> Ranking:
    """Make one list of places of several lists.

    Parameters
    ----------
    rankings
        The lists, of one user.
    picks
        For each place, the number of a list and the place in it.
    k
        How many were asked for.

    Returns
    -------
    Ranking
        Scores, terms and propensities are those of the lists that the items are from; a term that
        a list does not have is 0.
    """
    names = dict.fromkeys(name for ranking in rankings for name in ranking.terms)
    chosen = [(rankings[number], place) for number, place in picks]
    terms = {
        name: np.array(
            [float(one.terms[name][at]) if name in one.terms else 0.0 for one, at in chosen]
        )
        for name in names
    }
    return Ranking(
        np.array([one.items[at] for one, at in chosen], dtype=np.int64),
        np.array([one.scores[at] for one, at in chosen], dtype=np.float64),
        terms,
        rankings[0].fallback,
        k - len(picks),
        np.array([one.propensities[at] for one, at in chosen], dtype=np.float64),
        [one.offers[at] for one, at in chosen],
        tuple(dict.fromkeys(unmet for one in rankings for unmet in one.unmet)),
    )
