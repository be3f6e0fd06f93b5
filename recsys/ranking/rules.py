"""What a shop orders on top of the score, for everyone or for a segment, always or for a while.

Where rules contradict each other, the kind decides, in the order of `PRECEDENCE`; within a kind
the rule whose name comes first. What filters a list (availability, the request's categories and
exclusions, the repeat policy) stands above every rule, a pin too. Boosts, buries and offers move
the score and nothing else, so they add up and contradict nobody.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from recsys.errors import ConfigError, nearest
from recsys.events.schema import CATEGORY_SEPARATOR
from recsys.events.times import parse_time
from recsys.interactions import Catalogue
from recsys.interactions.catalogue import UNKNOWN
from recsys.segments import Axis
from recsys.types import Config, Flags, Ids, Indices
from recsys.vocabulary import Vocabulary

ITEMS: Final = "items"
"""In `where`: item ids; every other key is a column of the catalogue."""
PRECEDENCE: Final = ("forbid", "pin", "cap", "require", "boost", "bury", "offer")

Names = Annotated[tuple[str, ...], Field(min_length=1)]
Finite = Annotated[PositiveFloat, Field(allow_inf_nan=False)]


class RuleBase(Config):
    """For whom a rule holds, and when."""

    segments: dict[str, Names] = Field(
        {}, description="axis -> segments: for customers in one of them on every axis named"
    )
    since: str | None = Field(None, description="an ISO time: from then on; default always")
    until: str | None = Field(None, description="an ISO time: until before then; default always")

    @field_validator("since", "until")
    @classmethod
    def _is_time(cls, value: str | None, info: ValidationInfo) -> str | None:
        # To pydantic a ValueError has a place in the file, which a ConfigError would lose.
        try:
            _moment(value, 0.0, what=str(info.field_name))
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        start, end = self.span
        if start >= end:
            raise ValueError(f"since = {self.since!r} is not before until = {self.until!r}")
        return self

    @property
    def span(self) -> tuple[float, float]:
        """From when, and until before when, it holds: microseconds, infinite where open."""
        return _moment(self.since, -math.inf), _moment(self.until, math.inf)


def _moment(text: str | None, otherwise: float, *, what: str = "time") -> float:
    return otherwise if text is None else parse_time(text, what=what)


class ItemRule(RuleBase):
    """A rule about the items that `where` describes."""

    where: dict[str, Names] = Field(
        {},
        description="column -> values, or items -> ids: an item matches by one value of every "
        "key; a category matches what is below it too; empty = every item",
    )


class PinRule(RuleBase):
    """Items that stand at a fixed place; those that can be listed move up for those that cannot."""

    kind: Literal["pin"]
    items: Names = Field(description="item ids, in order")
    position: PositiveInt = Field(1, description="the place of the first, counted from 1")

    @field_validator("items")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({*value}) < len(value):
            raise ValueError(f"items {list(value)} name one twice")
        return value


class BoostRule(ItemRule):
    """Raises the score of items."""

    kind: Literal["boost"]
    amount: Finite = Field(description="nats, added to the score")


class BuryRule(ItemRule):
    """Lowers the score of items."""

    kind: Literal["bury"]
    amount: Finite = Field(description="nats, taken from the score")


class RequireRule(ItemRule):
    """Some of the items must be listed."""

    kind: Literal["require"]
    at_least: PositiveInt = Field(1, description="how many")
    within: PositiveInt | None = Field(
        None, description="among the first so many; default the list"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.within is not None and self.at_least > self.within:
            raise ValueError(f"at_least = {self.at_least} is more than within = {self.within}")
        return self


class ForbidRule(ItemRule):
    """None of the items may be listed."""

    kind: Literal["forbid"]

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if not self.where:
            raise ValueError("forbid without where forbids every item; say which in where")
        return self


class CapRule(ItemRule):
    """At most so many items of each value of a column; an item without a value counts nowhere."""

    kind: Literal["cap"]
    column: str = Field(description="a column of the items, such as category, brand or seller")
    level: PositiveInt | None = Field(
        None, description="how many steps of a hierarchy count; default all"
    )
    at_most: PositiveInt = Field(description="how many of each value")
    within: PositiveInt | None = Field(
        None, description="among the first so many; default the list"
    )


class OfferRule(ItemRule):
    """A label beside items, such as a discount for a segment."""

    kind: Literal["offer"]
    label: str = Field(min_length=1, description="what is shown beside the items")
    amount: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)] = Field(
        0.0, description="nats, added to the score"
    )


Rule = Annotated[
    PinRule | BoostRule | BuryRule | RequireRule | ForbidRule | CapRule | OfferRule,
    Field(discriminator="kind"),
]
"""A ``[variants.NAME.rules.RULE]`` table of the config."""


def check_rules(rules: Mapping[str, Rule], catalogue: Catalogue, axes: Sequence[Axis]) -> list[str]:
    """Refuse rules that this model cannot understand.

    Parameters
    ----------
    rules
        Name -> rule.
    catalogue, axes
        What the model knows.

    Returns
    -------
    list of str
        Items and values that are not in the catalogue. They come and go, so they are no error: a
        shop must not stop because a brand has sold out.

    Raises
    ------
    ConfigError
        For an axis, a segment or a column that is not there: names the rule, the value and the
        nearest known one.
    """
    known = {axis.name: axis.segments for axis in axes}
    notes = []
    for name, rule in sorted(rules.items()):
        _check_segments(name, rule, known)
        for column in _columns_of(rule):
            _check_column(name, column, catalogue)
        notes += [f"the rule {name!r} names {what}" for what in _missing(rule, catalogue)]
    return notes


def _check_segments(name: str, rule: RuleBase, known: Mapping[str, Sequence[str]]) -> None:
    for axis, segments in rule.segments.items():
        if axis not in known:
            raise ConfigError(
                f"the rule {name!r} is for the axis {axis!r}, which this model does not have"
                + (nearest(axis, known) if known else "; it has none")
            )
        for segment in segments:
            if segment not in known[axis]:
                raise ConfigError(
                    f"the rule {name!r} is for the segment {segment!r} of the axis {axis!r}, "
                    f"which is not there{nearest(segment, known[axis])}"
                )


def _columns_of(rule: RuleBase) -> list[str]:
    where = rule.where if isinstance(rule, ItemRule) else {}
    counted = [rule.column] if isinstance(rule, CapRule) else []
    return [*(column for column in where if column != ITEMS), *counted]


def _check_column(name: str, column: str, catalogue: Catalogue) -> None:
    if column not in catalogue.columns:
        raise ConfigError(
            f"the rule {name!r} reads the items' column {column!r}, which this model does not "
            f"have{nearest(column, [*catalogue.columns, ITEMS])}"
        )


def _missing(rule: RuleBase, catalogue: Catalogue) -> Iterator[str]:
    ids = rule.items if isinstance(rule, PinRule) else ()
    where = rule.where if isinstance(rule, ItemRule) else {}
    for identifier in (*ids, *where.get(ITEMS, ())):
        if identifier not in catalogue.items:
            yield f"the item {identifier!r}, which is not in the catalogue"
    for column, values in where.items():
        for value in values if column != ITEMS else ():
            known = catalogue.codes(column)[1]
            if not _at_or_below(known, [value]).any():
                there = nearest(value, filter(None, known.tolist())) if known.any() else ""
                yield f"the {column} {value!r}, which no item has{there}"


def matching(where: Mapping[str, Sequence[str]], catalogue: Catalogue) -> Flags:
    """Tell which items `where` describes, shape ``(n_items,)``.

    A value also matches what is below it: ``food`` matches ``food > bread``.
    """
    found = np.ones(len(catalogue.items), dtype=np.bool_)
    for column, values in where.items():
        if column == ITEMS:
            found &= _listed(catalogue.items, values)
        else:
            codes, known = catalogue.codes(column)
            found &= _at_or_below(known, values)[codes]
    return found


def _listed(items: Vocabulary, ids: Sequence[str]) -> Flags:
    indices = items.index_of(ids)
    flags = np.zeros(len(items), dtype=np.bool_)
    flags[indices[indices >= 0]] = True
    return flags


def _at_or_below(known: Ids, wanted: Sequence[str]) -> Flags:
    above = tuple(value + CATEGORY_SEPARATOR for value in wanted)
    texts = known.tolist()
    return np.asarray(
        [text != UNKNOWN and (text in wanted or text.startswith(above)) for text in texts],
        dtype=np.bool_,
    )


def value_codes(catalogue: Catalogue, column: str, level: int | None) -> tuple[Indices, Ids]:
    """Return the code of each item's value of a column, cut to `level` steps, and the values.

    Parameters
    ----------
    catalogue
        The items and their columns; every value is unknown where it lacks this one.
    column
        Its name.
    level
        How many steps of a hierarchy count; None: all.

    Returns
    -------
    codes
        Shape ``(n_items,)``; -1 where the value is unknown.
    values
        Sorted; code ``c`` stands for ``values[c]``.
    """
    codes, texts = catalogue.codes(column)
    steps = (text.split(CATEGORY_SEPARATOR)[:level] for text in texts.tolist())
    cut = np.asarray([CATEGORY_SEPARATOR.join(step) for step in steps], dtype=np.str_)
    values, short = np.unique(cut[cut != UNKNOWN], return_inverse=True)
    of_text = np.full(len(texts), -1)
    of_text[cut != UNKNOWN] = short
    return of_text[codes], values


def in_order(rules: Mapping[str, Any]) -> list[str]:
    """Return the names of rules, the strongest first."""
    return sorted(rules, key=lambda name: (PRECEDENCE.index(rules[name].kind), name))
