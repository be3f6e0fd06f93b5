"""Why an item is listed, in words for a shopper, with the exact term of the score.

What is said is worked out from the parts that the term is the sum of: of ``als`` the share of each
item of the history in ``x_u · y_i``, of ``neighbours`` the item with the largest ``w_uj S_ji`` of
those that she deals with most (`near_causes`), of ``taste`` the category, of a prior the segment
with the largest ``m_ug L_gi``, of ``habit`` the customer's own purchases. An item is named only if
it is one of her own history, with a part in that very term.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from recsys.events.schema import CATEGORY, CATEGORY_SEPARATOR
from recsys.interactions import Catalogue
from recsys.models import (
    ALS,
    HABIT,
    NEIGHBOURS,
    POPULARITY,
    PRIOR,
    TASTE,
    Centre,
    Model,
)
from recsys.models.evidence import telling_kinds
from recsys.models.fold_in import Origin
from recsys.models.neighbours import history_weights
from recsys.ranking.answer import Ranking
from recsys.ranking.causes import als_parts, near_causes
from recsys.ranking.customers import Customers
from recsys.ranking.wording import DEFAULT, Wording, rounded
from recsys.segments import Axis
from recsys.types import Floats, Indices

LEAST_SHARE: Final = 0.333
"""Of what speaks for an item: with less, no single item of the history is named."""
PACED: Final = 3
"""Days with a purchase from which on a customer has a pace of her own for an item."""
STILL: Final = 3.0
"""After so many gaps without a purchase it is no longer said that she buys an item regularly."""


class Reason(NamedTuple):
    """One part of an item's score, in words.

    Attributes
    ----------
    signal
        ``als``, ``popularity``, ``trend``, ``prior:AXIS``, ``habit``, ``neighbours``, ``taste``,
        ``cart`` or ``rule:NAME``.
    text
        For a shopper.
    value
        The exact term.
    """

    signal: str
    text: str
    value: float


def reasons(
    model: Model,
    customers: Customers,
    user_index: int,
    ranking: Ranking,
    *,
    centre: Centre | None,
    wording: Wording = DEFAULT,
    origin: Origin | None = None,
) -> list[list[Reason]]:
    """Return what speaks for each item of a list: terms above 0, strongest first.

    Popularity is ``log p`` and always below 0, so it is named only where nothing else speaks.

    Parameters
    ----------
    model
        What the list was ranked by.
    customers, user_index
        Whom it was ranked for.
    ranking
        The list.
    centre
        Where her fold-in started from, as `Ranker.centre` says; None where there was none.
    wording
        The texts, and what they may tell.
    origin
        What her vector comes from, as `Scorer.origin` has it; worked out where it is not given.

    Returns
    -------
    list of list of Reason
        One list for each item, in the order of the ranking.
    """
    teller = _Teller(model, customers, user_index, centre or "mean", wording, origin)
    found: list[list[Reason]] = [[] for _ in ranking.items]
    for signal, values in strongest(ranking.terms, wording.most).items():
        places = np.flatnonzero(values > 0).tolist()
        texts = teller.texts(signal, ranking.items[places]) if places else []
        for place, text in zip(places, texts, strict=True):
            found[place].append(Reason(signal, text, float(values[place])))
    popular = _popular(ranking, wording)
    ordered = [sorted(parts, key=lambda part: (-part.value, part.signal)) for parts in found]
    return [parts or popular[place] for place, parts in enumerate(ordered)]


def strongest(terms: Mapping[str, Floats], most: int) -> dict[str, Floats]:
    """Keep the strongest terms of each item, and put 0 in the place of the others."""
    names = sorted(terms)
    if len(names) <= most:
        return dict(terms)
    values = np.array([terms[name] for name in names])
    # Of equal ones that with the first name, as reasons are sorted.
    weaker = np.argsort(-values, axis=0, kind="stable")[most:]
    values[weaker, np.arange(values.shape[1])] = 0.0
    return dict(zip(names, values, strict=True))


def _popular(ranking: Ranking, wording: Wording) -> list[list[Reason]]:
    values = ranking.terms.get(POPULARITY, np.zeros(len(ranking.items))).tolist()
    text = wording.text(POPULARITY)
    # A weight of 0 leaves a term of 0: then popularity has no part in the score.
    return [[Reason(POPULARITY, text, value)] if value else [] for value in values]


@dataclass(frozen=True)
class _Teller:
    """Finds the words for one user's terms."""

    model: Model
    customers: Customers
    user_index: int
    centre: Centre
    wording: Wording
    origin: Origin | None

    @cached_property
    def pairs(self) -> slice:
        return self.customers.histories.rows(self.user_index)

    @cached_property
    def history(self) -> Indices:
        return self.customers.histories.items[self.pairs]

    @cached_property
    def membership(self) -> Floats:
        return self.customers.memberships.row(self.user_index)

    def texts(self, signal: str, items: Indices) -> list[str]:
        """Return the text of a signal that speaks for each of `items`."""
        if signal == ALS:
            return self._factors(items)
        if signal == HABIT:
            return [self._habit(pair) for pair in self._pairs_of(items).tolist()]
        if signal == NEIGHBOURS:
            return self._near(items)
        if signal == TASTE:
            return [self._taste(item) for item in items.tolist()]
        if signal.startswith(PRIOR):
            return self._segments(signal, items)
        return [self.wording.text(signal, signal.partition(":")[0], "other")] * len(items)

    def _pairs_of(self, items: Indices) -> Indices:
        """Return the rows of items of the history."""
        return np.asarray(self.pairs.start + np.searchsorted(self.history, items))

    def _factors(self, items: Indices) -> list[str]:
        user = (self.model, self.customers, self.user_index, self.centre)
        parts = als_parts(*user, items, self.origin).shares()
        # A first column of zeros: where nothing of a history speaks, none of it is a cause.
        own = np.column_stack([np.zeros(len(items)), parts.own])
        causes = np.append(-1, parts.items)[own.argmax(axis=1)]
        told = (items, causes, own.max(axis=1), parts.segments, parts.mean)
        return list(map(self._factor, *(column.tolist() for column in told)))

    def _factor(self, item: int, cause: int, share: float, segments: float, mean: float) -> str:
        if segments + mean > 0.5:
            return self.wording.text("als:segments" if segments > mean else "als:mean")
        if share < LEAST_SHARE:
            return self.wording.text(ALS)
        (pair,) = self._pairs_of(np.array([cause]))
        bought = self.customers.histories.visits[pair] > 0
        signal = ALS if bought else "als:seen"
        if cause == item:
            return self.wording.text(f"{signal}:same")
        return self._named(signal, cause)

    def _near(self, items: Indices) -> list[str]:
        weights = history_weights(self.customers.histories.worth[self.pairs])
        causes = near_causes(self.model.neighbours, self.history, weights, items)
        return [self._named(NEIGHBOURS, cause) for cause in causes.tolist()]

    def _taste(self, item: int) -> str:
        codes, names = self.model.catalogue.codes(CATEGORY)
        name = _plain(str(names[codes[item]])) if self.wording.titles else ""
        return self.wording.text("taste:category" if name else TASTE, category=name)

    def _named(self, signal: str, item: int) -> str:
        named = self.wording.titles and item >= 0
        name = name_of(self.model.catalogue, item) if named else ""
        return self.wording.text(f"{signal}:item" if name else signal, item=name)

    def _segments(self, signal: str, items: Indices) -> list[str]:
        (axis,) = (axis for axis in self.model.axes if PRIOR + axis.name == signal)
        if not self.wording.tells(axis):
            return [self.wording.text("untold")] * len(items)
        lifts = self.model.rows(items)[:, self.model.blocks[signal]].astype(np.float64)
        strongest = (lifts * self.membership[self.model.segments[axis.name]]).argmax(axis=1)
        return [self._segment(axis, axis.segments[place]) for place in strongest.tolist()]

    def _segment(self, axis: Axis, segment: str) -> str:
        kind = f"kind:{axis.config.kind}"
        own = PRIOR + axis.name
        keys = (f"{own}:{segment}", own, f"{kind}:{segment}", kind, "prior")
        names = {"segment": _plain(segment), "axis": _plain(axis.config.title or axis.name)}
        return self.wording.text(*keys, **names)

    def _habit(self, pair: int) -> str:
        histories = self.customers.histories
        if not histories.visits[pair]:
            return self._contact(pair)
        days, last = float(histories.visits[pair]), float(histories.since_last[pair])
        pace = float(histories.since_first[pair] - last) / max(days - 1.0, 1.0)
        if days >= PACED and pace > 0.0 and last <= STILL * pace:
            return self._at("habit:pace" if round(pace) > 1 else "habit:daily", days=pace)
        return self._ago(("habit",), last)

    def _contact(self, pair: int) -> str:
        """Tell of the contact that is worth most to the shop."""
        contacts, weights = self.customers.histories.contacts, self.model.interactions.event_weights
        kinds = telling_kinds(contacts.kinds) if contacts else []
        had = [kind for kind in kinds if contacts and contacts.days(kind)[pair] > 0]
        if contacts is None or not had:
            return self.wording.text("contact:before")
        kind = max(had, key=lambda kind: weights.get(kind, 0.0))
        since = contacts.since_last[pair, contacts.kinds.index(kind)]
        return self._ago((f"contact:{kind}", "contact"), float(since))

    def _ago(self, keys: Sequence[str], days: float) -> str:
        if math.isnan(days):
            return self.wording.text(*(f"{key}:before" for key in keys))
        return self._at(*(f"{key}:ago" for key in keys), days=days)

    def _at(self, *keys: str, days: float) -> str:
        unit, number = rounded(days)
        return self.wording.text(*keys, time=self.wording.text(f"time:{unit}", n=str(number)))


def name_of(catalogue: Catalogue, item: int) -> str:
    """Return what a shopper calls an item: its title, else brand and category; empty if unknown."""
    title = _column(catalogue, "title", item)
    if title:
        return title
    brand, category = (_column(catalogue, name, item) for name in ("brand", CATEGORY))
    return f"{brand} {_plain(category)}".strip()


def _column(catalogue: Catalogue, column: str, item: int) -> str:
    return str(catalogue.columns[column][item]) if column in catalogue.columns else ""


def _plain(name: str) -> str:
    """Return the last step of a hierarchy, in words."""
    return name.split(CATEGORY_SEPARATOR)[-1].replace("_", " ")
