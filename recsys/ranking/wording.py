"""The texts of reasons, and what they may tell."""

from collections.abc import Mapping
from functools import cached_property
from string import Formatter
from typing import Final

from pydantic import Field, field_validator

from recsys.errors import nearest
from recsys.models import PRIOR
from recsys.segments import Axis
from recsys.types import Config

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
