"""A ranked list, and why each item stands where it stands."""

from typing import Literal, NamedTuple

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
    new
        How many items the list goes on with that are new to the user, for judging how well a
        ranking finds those: a list of `k` may hold none.
    """

    k: int
    categories: frozenset[str] = frozenset()
    exclude_items: frozenset[str] = frozenset()
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
    """

    items: Indices
    scores: Floats
    terms: dict[str, Floats]
    fallback: Fallback | None
    shortfall: int

    def ids(self, vocabulary: Ids) -> list[str]:
        """Return the item ids, best first."""
        return [str(identifier) for identifier in vocabulary[self.items]]


class Reason(NamedTuple):
    """One part of an item's score, in words.

    Attributes
    ----------
    signal
        ``als``, ``popularity``, ``prior:AXIS`` or ``habit``.
    text
        For a shopper.
    value
        The exact term.
    """

    signal: str
    text: str
    value: float


TEXTS = {
    "als": "fits what you have chosen before",
    "popularity": "popular with everyone",
    "habit": "you buy this again and again",
}


def reasons(ranking: Ranking, position: int) -> list[Reason]:
    """Return the parts that speak for an item, strongest first.

    Popularity is ``log p`` and always below 0, so it is named only where nothing else speaks.
    """
    parts = {name: float(values[position]) for name, values in ranking.terms.items()}
    speaking = {name: value for name, value in parts.items() if value > 0}
    chosen = speaking or {name: value for name, value in parts.items() if name == "popularity"}
    ordered = sorted(chosen.items(), key=lambda part: (-part[1], part[0]))
    return [Reason(name, _text(name), value) for name, value in ordered]


def _text(signal: str) -> str:
    axis = signal.partition(":")[2]
    return TEXTS.get(signal, f"popular with customers like you ({axis})")
