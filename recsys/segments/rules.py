"""Conditions on users, as a shop writes them: structured, joined by all, any and not.

What is not known of a user is neither so nor not so (Kleene's three values): an unknown age is not
below 30, and not `not` below 30 either.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final, NamedTuple, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from recsys.errors import ConfigError, nearest
from recsys.events.schema import CATEGORY_SEPARATOR, MINOR_UNITS
from recsys.segments.attributes import as_text, numbers_of, require_attribute, texts_of
from recsys.segments.axis import Window, window_days
from recsys.segments.facts import Read, UserFacts
from recsys.segments.profiles import FEATURES
from recsys.segments.shares import Column
from recsys.types import Config, Flags, Floats

SUBJECTS: Final = ("feature", "attribute", "share", "axis", "all", "any", "not")
MONEY: Final = "minor units of money"
"""The unit of features that a rule's bounds give in major units."""
MOSTLY: Final = 0.5
"""The weight from which on a user is in a segment of another axis."""


class Bounds(NamedTuple):
    """What a number may be; None: anything."""

    at_least: float | None
    above: float | None
    at_most: float | None
    below: float | None

    def __bool__(self) -> bool:
        return any(bound is not None for bound in self)

    def hold(self, values: Floats) -> Flags:
        """Tell which values are within."""
        within = np.ones(len(values), dtype=np.bool_)
        if self.at_least is not None:
            within &= values >= self.at_least
        if self.above is not None:
            within &= values > self.above
        if self.at_most is not None:
            within &= values <= self.at_most
        if self.below is not None:
            within &= values < self.below
        return within

    def times(self, unit: float) -> "Bounds":
        """Return the bounds in another unit."""
        return Bounds(*(None if bound is None else bound * unit for bound in self))

    def in_words(self) -> str:
        """Return the bounds in words."""
        names = (name.replace("_", " ") for name in self._fields)
        told = zip(names, self, strict=True)
        return " and ".join(f"{name} {bound:g}" for name, bound in told if bound is not None)


class Truth(NamedTuple):
    """For whom something is so, and for whom it is not; for the others it is unknown."""

    yes: Flags
    no: Flags

    def __invert__(self) -> "Truth":
        return Truth(self.no, self.yes)

    def __and__(self, other: "Truth") -> "Truth":
        return Truth(self.yes & other.yes, self.no | other.no)

    def __or__(self, other: "Truth") -> "Truth":
        return Truth(self.yes | other.yes, self.no & other.no)


class Condition(Config):
    """What must hold of a user: one of feature, attribute, share, axis, all, any and not."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    feature: str | None = Field(None, description="a profile feature; money in major units")
    window: Window = Field("none", description="how far back events count for the feature")
    attribute: str | None = Field(None, description="a column of the users")
    share: str | None = Field(None, description="a column of the items")
    of: str | None = Field(None, description="the value that the share is of, such as food > bread")
    axis: str | None = Field(None, description="another axis; in names its segments")
    among: tuple[bool | int | float | str, ...] | None = Field(
        None, alias="in", min_length=1, description="values of the attribute, segments of the axis"
    )
    at_least: float | None = Field(None, description="lower bound, itself included")
    above: float | None = Field(None, description="lower bound, itself excluded")
    at_most: float | None = Field(None, description="upper bound, itself included")
    below: float | None = Field(None, description="upper bound, itself excluded")
    all: tuple["Condition", ...] | None = Field(None, min_length=1, description="all hold")
    any: tuple["Condition", ...] | None = Field(None, min_length=1, description="one holds or more")
    opposite: "Condition | None" = Field(None, alias="not", description="it is known not to hold")

    @model_validator(mode="after")
    def _means_one_thing(self) -> Self:
        if len(self._subjects) != 1:
            have = " and ".join(self._subjects) or "nothing"
            raise ValueError(f"a condition is about one of {', '.join(SUBJECTS)}; this is {have}")
        problem = _problem(self)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def _subjects(self) -> list[str]:
        given = (
            self.feature, self.attribute, self.share, self.axis, self.all, self.any, self.opposite
        )  # fmt: skip
        return [name for name, one in zip(SUBJECTS, given, strict=True) if one is not None]

    @property
    def subject(self) -> str:
        """What it is about: one of `SUBJECTS`."""
        return self._subjects[0]

    @property
    def bounds(self) -> Bounds:
        """What a number may be, as written."""
        return Bounds(self.at_least, self.above, self.at_most, self.below)

    @property
    def column(self) -> Column:
        """The item column of a share, as deep as the value it is of."""
        return Column(self.share or "", (self.of or "").count(CATEGORY_SEPARATOR) + 1)

    @property
    def inner(self) -> tuple["Condition", ...]:
        """The conditions it joins."""
        opposite = () if self.opposite is None else (self.opposite,)
        return (*(self.all or ()), *(self.any or ()), *opposite)

    def leaves(self) -> Iterator["Condition"]:
        """Go through it and all it is made of, without what only joins."""
        if not self.inner:
            yield self
        for condition in self.inner:
            yield from condition.leaves()


def _problem(condition: Condition) -> str | None:
    """Say what is wrong with a condition that is about one thing."""
    subject, bounds = condition.subject, condition.bounds
    if condition.feature is not None and condition.feature not in FEATURES:
        name = condition.feature
        return f"{name!r} is no profile feature{nearest(name, FEATURES)}"
    if condition.window != "none" and subject != "feature":
        return f"window is read with a feature, not with {subject}"
    if (condition.of is not None) != (subject == "share"):
        return "share and of go together: the items' column, and its value"
    if condition.among is not None and subject not in ("attribute", "axis"):
        return f"in is read with an attribute or an axis, not with {subject}"
    if bounds and condition.inner:
        return f"bounds are not read with {subject}"
    if subject == "axis" and condition.among is None:
        return "an axis takes in = [its segments]"
    if subject == "attribute" and (condition.among is None) == (not bounds):
        return "an attribute takes in = [values], or bounds: at_least, above, at_most, below"
    if subject in ("feature", "share") and not bounds:
        return f"a {subject} takes at_least, above, at_most or below"
    return None


def reads_of(conditions: Sequence[Condition]) -> tuple[Read, ...]:
    """Return the features that conditions go by."""
    found = (leaf for condition in conditions for leaf in condition.leaves())
    reads = (Read(leaf.feature, window_days(leaf.window)) for leaf in found if leaf.feature)
    return tuple(dict.fromkeys(reads))


def columns_of(conditions: Sequence[Condition]) -> tuple[Column, ...]:
    """Return the item columns that conditions go by."""
    found = (leaf for condition in conditions for leaf in condition.leaves())
    return tuple(dict.fromkeys(leaf.column for leaf in found if leaf.share is not None))


def axes_of(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """Return the axes that conditions go by."""
    found = (leaf for condition in conditions for leaf in condition.leaves())
    return tuple(dict.fromkeys(leaf.axis for leaf in found if leaf.axis is not None))


def check(condition: Condition, facts: UserFacts) -> None:
    """Refuse a condition that these facts cannot answer.

    Raises
    ------
    ConfigError
        For a column of the users or items that is not there, or an axis without such a segment.
    """
    for leaf in condition.leaves():
        if leaf.attribute is not None:
            require_attribute(leaf.attribute, facts, asking="a rule")
        if leaf.share is not None and leaf.column not in facts.shares:
            have = ", ".join(facts.catalogue.columns) or "no columns"
            raise ConfigError(
                f"a rule reads the items' column {leaf.share!r}, which is not there; "
                f"the items file has {have}"
            )
        if leaf.axis is not None:
            segments = facts.on(leaf.axis)[0]
            for name in _texts(leaf):
                if name not in segments:
                    raise ConfigError(
                        f"a rule names the segment {name!r} of the axis {leaf.axis!r}, "
                        f"which is not there{nearest(name, segments)}"
                    )


def truth_of(condition: Condition, facts: UserFacts) -> Truth:
    """Tell for whom a condition holds, for whom it does not, and for whom that is unknown."""
    if condition.all is not None:
        return reduce(Truth.__and__, (truth_of(part, facts) for part in condition.all))
    if condition.any is not None:
        return reduce(Truth.__or__, (truth_of(part, facts) for part in condition.any))
    if condition.opposite is not None:
        return ~truth_of(condition.opposite, facts)
    if condition.among is not None and condition.attribute is not None:
        return _of_texts(condition, facts)
    bounds, values = _measured(condition, facts)
    known = np.isfinite(values)
    within = bounds.hold(values)
    return Truth(known & within, known & ~within)


def _of_texts(condition: Condition, facts: UserFacts) -> Truth:
    name = condition.attribute or ""
    if not facts.has_attribute(name):
        nobody = np.zeros(len(facts), dtype=np.bool_)
        return Truth(nobody, nobody)
    values = texts_of(name, facts)
    known = values.notna().to_numpy(dtype=np.bool_)
    named = values.isin(_texts(condition)).to_numpy(dtype=np.bool_)
    return Truth(known & named, known & ~named)


def _texts(condition: Condition) -> list[str]:
    return [as_text(value) for value in condition.among or ()]


def _measured(condition: Condition, facts: UserFacts) -> tuple[Bounds, Floats]:
    """Return what a condition bounds, NaN = unknown, and the bounds in the same unit."""
    bounds = condition.bounds
    if condition.feature is not None:
        unit = MINOR_UNITS if FEATURES[condition.feature].unit == MONEY else 1.0
        window = window_days(condition.window)
        return bounds.times(unit), facts.feature(condition.feature, window=window)
    if condition.attribute is not None:
        if not facts.has_attribute(condition.attribute):
            return bounds, np.full(len(facts), np.nan)
        return bounds, numbers_of(condition.attribute, facts)
    if condition.share is not None:
        return bounds, _share(condition, facts)
    return bounds or Bounds(MOSTLY, None, None, None), _weight(condition, facts)


def _share(condition: Condition, facts: UserFacts) -> Floats:
    if condition.column not in facts.shares:
        return np.full(len(facts), np.nan)
    values = facts.shares[condition.column].values
    everything = _row_sums(facts.share(condition.column, values))
    wanted = _row_sums(facts.share(condition.column, np.asarray([condition.of], dtype=np.str_)))
    return np.where(everything > 0, wanted, np.nan)


def _weight(condition: Condition, facts: UserFacts) -> Floats:
    segments, membership = facts.on(condition.axis or "")
    named = set(_texts(condition))
    chosen = [place for place, name in enumerate(segments) if name in named]
    known = _row_sums(membership) > 0
    return np.where(known, _row_sums(membership[:, chosen]), np.nan)


def _row_sums(matrix: "object") -> Floats:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()  # type: ignore[attr-defined]


def in_words(condition: Condition) -> str:
    """Say a condition for people.

    Examples
    --------
    >>> in_words(Condition(feature="spend", window="90d", at_least=100))
    'spend in the last 90d at least 100'
    >>> in_words(Condition(opposite=Condition(attribute="tier", among=(1, 2))))
    'not (tier is 1 or 2)'
    """
    if condition.opposite is not None:
        return f"not ({in_words(condition.opposite)})"
    if condition.inner:
        joint = " and " if condition.all else " or "
        return joint.join(_bracketed(part) for part in condition.inner)
    named = f"is {' or '.join(_texts(condition))}"
    if condition.axis is not None:
        weight = condition.bounds.in_words()
        return f"{condition.axis} {named}" + (f" with a weight {weight}" if weight else "")
    if condition.attribute is not None and condition.among is not None:
        return f"{condition.attribute} {named}"
    return f"{_what(condition)} {condition.bounds.in_words()}"


def _bracketed(condition: Condition) -> str:
    words = in_words(condition)
    joined = len(condition.all or ()) > 1 or len(condition.any or ()) > 1
    return f"({words})" if joined else words


def _what(condition: Condition) -> str:
    if condition.share is not None:
        return f"share of {condition.share} {condition.of}"
    if condition.feature is None or condition.window == "none":
        return condition.feature or condition.attribute or ""
    return f"{condition.feature} in the last {condition.window}"
