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
from string import Formatter
from typing import Final, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from recsys.errors import nearest
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
    Neighbours,
)
from recsys.models.evidence import telling_kinds
from recsys.models.fold_in import Origin
from recsys.models.neighbours import history_weights
from recsys.ranking.answer import Ranking
from recsys.ranking.blend import folded_in, user_origin
from recsys.ranking.customers import Customers
from recsys.segments import Axis
from recsys.types import Config, Factors, Floats, Indices

TEXTS: Final[Mapping[str, str]] = {
    "als": "fits what you have chosen before",
    "als:item": "because you chose {item}",
    "als:same": "you have chosen this before",
    "als:seen": "fits what you have looked at before",
    "als:seen:item": "because you looked at {item}",
    "als:seen:same": "you have shown interest in this",
    "als:segments": "fits customers like you",
    "als:mean": "fits most customers",
    "popularity": "popular with everyone",
    "neighbours": "goes with something you chose",
    "neighbours:item": "goes with {item}",
    "taste": "of a kind you often choose",
    "taste:category": "because you often choose {category}",
    "trend": "popular just now",
    "cart": "goes with what is in your cart",
    "rule": "chosen by the shop",
    "other": "recommended for you",
    "habit:daily": "you buy this about every day",
    "habit:pace": "you buy this about every {time}",
    "habit:ago": "you bought this {time} ago",
    "habit:before": "you bought this before",
    "contact:ago": "you came across this {time} ago",
    "contact:before": "you came across this before",
    "contact:cart:ago": "you put this into your cart {time} ago",
    "contact:cart:before": "you put this into your cart before",
    "contact:click:ago": "you looked at this {time} ago",
    "contact:click:before": "you looked at this before",
    "contact:favorite:ago": "you marked this as a favourite {time} ago",
    "contact:favorite:before": "you marked this as a favourite",
    "contact:rating:ago": "you rated this {time} ago",
    "contact:rating:before": "you rated this before",
    "contact:view:ago": "you looked at this {time} ago",
    "contact:view:before": "you looked at this before",
    "time:hours": "less than a day",
    "time:day": "a day",
    "time:days": "{n} days",
    "time:weeks": "{n} weeks",
    "time:months": "{n} months",
    "time:years": "{n} years",
    "untold": "popular with customers like you",
    "prior": "popular with {segment} customers",
    "kind:activity": "popular with customers who come about as often as you",
    "kind:activity:silent": "popular with customers who come back after a while",
    "kind:aipl:aware": "popular with visitors who are looking around",
    "kind:aipl:interest": "popular with visitors who are looking around",
    "kind:aipl:purchase": "popular with customers who have bought before",
    "kind:attribute": "popular with customers whose {axis} is {segment}",
    "kind:brand": "popular with customers who choose brands much as you do",
    "kind:breadth": "popular with customers whose choice is about as wide as yours",
    "kind:frequency": "popular with customers who order much as you do",
    "kind:interest": "popular with customers interested in {segment}",
    "kind:lifecycle:lapsed": "popular with customers who come back after a while",
    "kind:lifecycle:prospect": "popular with visitors who are looking around",
    "kind:lifecycle:silent": "popular with customers who come back after a while",
    "kind:novelty": "popular with customers who try new things about as often as you",
    "kind:price": "popular with customers who buy at your price level",
    "kind:price:value_first": "popular with customers who like a good offer",
    "kind:rfm:at_risk": "popular with customers who come back after a while",
    "kind:rfm:champions": "popular with our best customers",
    "kind:rfm:hibernating": "popular with customers who come back after a while",
    "kind:rfm:promising": "popular with recent customers",
    "kind:spending": "popular with customers who spend about as much as you",
}
"""What is said where the shop says nothing else; see `Wording`."""
BEHAVIOUR: Final = frozenset(
    {
        "activity",
        "aipl",
        "brand",
        "breadth",
        "frequency",
        "interest",
        "lifecycle",
        "novelty",
        "price",
        "rfm",
        "spending",
    }
)
"""Kinds of axes that are told of by default: what a customer did in the shop herself."""
FAMILIES: Final = ("prior:", "kind:", "rule:")
"""What the keys begin with that a shop may add, besides those of its own contacts."""
LEAST_SHARE: Final = 0.333
"""Of what speaks for an item: with less, no single item of the history is named."""
PACED: Final = 3
"""Days with a purchase from which on a customer has a pace of her own for an item."""
STILL: Final = 3.0
"""After so many gaps without a purchase it is no longer said that she buys an item regularly."""
FOREMOST: Final = 16
WIDER: Final = 4
"""What goes with an item is looked for among so many items that she deals with most, and where none
of those does among so many times more, and so on: they tell a shopper more than what she bought
once, and rows of neighbours are long."""
DIGITS: Final = 4
"""Shares are float32, and rounded: what is named must not hang on how a processor adds up."""


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


class Wording(Config):
    """How reasons are put, and what they may tell.

    A text of the shop's own replaces that of `TEXTS` with the same key. Of a segment the first
    that is there is taken of ``prior:AXIS:SEGMENT``, ``prior:AXIS``, ``kind:KIND:SEGMENT``,
    ``kind:KIND`` and ``prior``; of a contact, ``contact:EVENT:ago`` goes before ``contact:ago``,
    and ``…:before`` is for data without times; of a rule, ``rule:NAME`` goes before ``rule``.

    Placeholders: ``{item}`` in keys that end with ``:item``; ``{category}`` in
    ``taste:category``; ``{time}`` in those that end with
    ``:ago`` and in ``habit:pace``; ``{n}`` in ``time:…``; ``{segment}`` and ``{axis}`` (its title,
    else its name) in ``prior…`` and ``kind:…``.

    By default only axes of what a customer did in the shop herself are told of. One that rests on
    the users file, or may rest on it, is not, be it age, gender or income: a shopper would be
    startled.
    """

    texts: dict[str, str] = Field({}, description="key = text, in place of the built-in ones")
    tell: tuple[str, ...] | None = Field(
        None,
        description="axes whose segments may be named to a shopper; the others are 'customers "
        "like you'; default those of what she did in the shop, none of the users file",
    )
    most: int = Field(3, ge=1, description="reasons of an item, the strongest first")
    titles: bool = Field(
        True,
        description="whether items of her history, and their categories, are named; a screen may "
        "be a shared one",
    )

    @field_validator("texts")
    @classmethod
    def _can_be_said(cls, texts: dict[str, str]) -> dict[str, str]:
        for key, text in texts.items():
            if not _may_be(key):
                raise ValueError(f"{key!r} is no key of a reason's text{nearest(key, TEXTS)}")
            unknown = sorted({*_names_in(key, text)} - placeholders(key))
            if unknown:
                known = ", ".join(sorted(placeholders(key))) or "none"
                raise ValueError(
                    f"the text {text!r} of {key!r} has the placeholder {{{unknown[0]}}}; "
                    f"there it may have {known}"
                )
        return texts

    def text(self, *keys: str, **values: str) -> str:
        """Return the text of the first of `keys` that has one, filled in."""
        texts = self._every_text
        return next(texts[key] for key in keys if key in texts).format(**values)

    @cached_property
    def _every_text(self) -> dict[str, str]:
        return {**TEXTS, **self.texts}

    def tells(self, axis: Axis) -> bool:
        """Whether the segments of an axis may be named."""
        return axis.config.kind in BEHAVIOUR if self.tell is None else axis.name in self.tell


DEFAULT: Final = Wording()


def placeholders(key: str) -> set[str]:
    """Return the names of the placeholders that the text of a key may have."""
    if key.startswith("time:"):
        return {"n"}
    if key.startswith((PRIOR, "kind:")) or key == "prior":
        return {"segment", "axis"}
    if key.endswith(":ago") or key == "habit:pace":
        return {"time"}
    if key.endswith((":item", ":category")):
        return {key.rpartition(":")[2]}
    return set()


def _may_be(key: str) -> bool:
    contact = key.startswith("contact:") and key.endswith((":ago", ":before"))
    return key in TEXTS or key.startswith(FAMILIES) or contact


def _names_in(key: str, text: str) -> list[str]:
    try:
        return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ValueError(f"the text {text!r} of {key!r} cannot be read: {error}") from error


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


def rounded(days: float) -> tuple[str, int]:
    """Return a length of time as one speaks of it: its unit, and how many of it.

    Days up to 20, weeks up to 8, months up to 23, then years.

    Examples
    --------
    >>> [rounded(days) for days in (0.4, 1.2, 8.6, 24, 75, 800)]
    [('hours', 0), ('day', 1), ('days', 9), ('weeks', 3), ('months', 2), ('years', 2)]
    """
    if days < 1.0:
        return "hours", 0
    if round(days) <= 20:
        return ("day" if round(days) == 1 else "days"), round(days)
    if round(days / 7) <= 8:
        return "weeks", round(days / 7)
    months = round(days / 365.25 * 12)
    return ("months", months) if months < 24 else ("years", round(days / 365.25))


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


class AlsParts(NamedTuple):
    """What adds up to ``x_u · y_i``, for some items ``i``.

    Attributes
    ----------
    items
        Those items of the history that have a part, ascending, shape ``(n,)``.
    own
        ``c_uj y_jᵀ A⁻¹ y_i``, shape ``(n_shown, n)``; 0 where `j` is not preferred.
    segments
        What the user's segments move her centre by, ``(P (m_u − m))ᵀ A⁻¹ y_i``, shape
        ``(n_shown,)``.
    mean
        The mean user's part, ``(P m)ᵀ A⁻¹ y_i``, shape ``(n_shown,)``.
    """

    items: Indices
    own: Factors
    segments: Factors
    mean: Factors

    def shares(self) -> "AlsParts":
        """Return the parts as shares of what speaks for each item, rounded."""
        speaking = np.maximum(self.own, 0.0).sum(axis=1)
        speaking += np.maximum(self.segments + self.mean, 0.0)
        whole = np.maximum(speaking, np.finfo(np.float32).tiny)
        own = np.round(self.own / whole[:, np.newaxis], DIGITS)
        segments, mean = (np.round(part / whole, DIGITS) for part in (self.segments, self.mean))
        return self._replace(own=own, segments=segments, mean=mean)


def als_parts(
    model: Model,
    customers: Customers,
    user_index: int,
    centre: Centre,
    shown: Indices,
    origin: Origin | None = None,
) -> AlsParts:
    """Take the dot product of a user and some items apart.

    With ``A = YᵀY + Σ (|c| − 1) y yᵀ + P`` the user's vector is ``A⁻¹ (Σ_{p=1} c y + P m_u)``, so
    that ``x_u · y_i`` is a sum over the items of her history and her centre (Hu, Koren, Volinsky
    2008, §5); its term in the score is that sum times her weight of ``als``, divided by ``s_u``.

    Parameters
    ----------
    model
        What was learnt.
    customers, user_index
        The user.
    centre
        Where her fold-in starts from.
    shown
        Item indices, shape ``(n_shown,)``.
    origin
        What her vector comes from, where that is known.
    """
    known = origin or user_origin(model, customers, user_index, centre)
    items, signed = folded_in(model, customers, user_index)
    factors = model.rows(shown)[:, model.blocks[ALS]]
    preferred = np.maximum(signed, 0.0).astype(np.float32)
    own = (known.influence(factors) @ model.fold_in.item_factors[items].T) * preferred
    return AlsParts(items, own, factors @ known.moved, factors @ known.mean)


def near_causes(
    neighbours: Neighbours, history: Indices, weights: Floats, shown: Indices
) -> Indices:
    """Return the item of a history that speaks most for each of some items.

    It is the `j` with the largest ``w_uj S_ji``, looked for among the `FOREMOST` that count most;
    where none of those has `i` as a neighbour among the next, `WIDER` each time.

    Parameters
    ----------
    neighbours
        ``S``.
    history, weights
        Item indices, ascending, and ``w_uj`` of each.
    shown
        Item indices, shape ``(n_shown,)``.

    Returns
    -------
    ndarray
        Item indices, shape ``(n_shown,)``; −1 where nothing speaks.
    """
    causes = np.full(len(shown), -1, dtype=np.int64)
    order = np.argsort(-weights, kind="stable")
    start, stop = 0, FOREMOST
    while start < len(order) and len(open_ := np.flatnonzero(causes < 0)):
        some = np.sort(order[start:stop])
        strengths = near_strengths(neighbours, history[some], shown[open_])
        parts = weights[some, np.newaxis] * strengths
        speaking = parts.any(axis=0)
        causes[open_[speaking]] = history[some[parts.argmax(axis=0)[speaking]]]
        start, stop = stop, WIDER * stop
    return causes


def near_strengths(neighbours: Neighbours, items: Indices, shown: Indices) -> Floats:
    """Return ``S_ji`` of each item `j` of `items` and each `i` of `shown`.

    Returns
    -------
    ndarray
        Shape ``(n_items, n_shown)``; 0 where `i` is not among the kept neighbours of `j`.
    """
    strengths = np.zeros((len(items), len(shown)))
    if not len(items):
        return strengths
    starts, stops = neighbours.indptr[items], neighbours.indptr[items + 1]
    # Rows are long and lie in one piece each: copying them is cheaper than picking their entries.
    pieces = zip(starts.tolist(), stops.tolist(), strict=True)
    near = np.concatenate([neighbours.indices[start:stop] for start, stop in pieces])
    among = np.zeros(len(neighbours.indptr) - 1, dtype=np.bool_)
    among[shown] = True
    hits = np.flatnonzero(among.take(near))
    ends = np.cumsum(stops - starts)
    rows = np.searchsorted(ends, hits, side="right")
    order = np.argsort(shown)
    columns = order[np.searchsorted(shown, near[hits], sorter=order)]
    strengths[rows, columns] = neighbours.data[stops[rows] - (ends[rows] - hits)]
    return strengths
