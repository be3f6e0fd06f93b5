"""Rules worked out on a model's catalogue, and which of them hold for a customer at a moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from recsys.interactions import Catalogue
from recsys.models import Sparse
from recsys.ranking.rules import (
    BoostRule,
    BuryRule,
    CapRule,
    ForbidRule,
    ItemRule,
    OfferRule,
    PinRule,
    RequireRule,
    Rule,
    in_order,
    matching,
    value_codes,
)
from recsys.segments import Axis, columns_of
from recsys.segments.rules import MOSTLY
from recsys.types import Flags, Floats, Ids, Indices

RULE: Final = "rule:"
"""What the name of a rule's term in the score begins with."""


class Forbidden(NamedTuple):
    """Items that may not be listed: flags of shape ``(n_items,)``."""

    rule: str
    items: Flags


class Pins(NamedTuple):
    """Items from a place on; an index is -1 where the catalogue does not have the id."""

    rule: str
    ids: tuple[str, ...]
    items: Indices
    position: int


class Cap(NamedTuple):
    """At most `at_most` items of each code among the first `within`; code -1 counts nowhere."""

    rule: str
    codes: Indices
    values: Ids
    at_most: int
    within: int | None


class Requirement(NamedTuple):
    """At least `at_least` of the flagged items among the first `within`."""

    rule: str
    items: Flags
    at_least: int
    within: int | None


class Nudge(NamedTuple):
    """What a rule adds to the scores of items, nats."""

    rule: str
    term: Sparse


class Offer(NamedTuple):
    """A label beside the flagged items."""

    rule: str
    items: Flags
    label: str


Effect: TypeAlias = Forbidden | Pins | Cap | Requirement | Nudge | Offer
Some = TypeVar("Some", Forbidden, Pins, Cap, Requirement, Nudge, Offer)


@dataclass(frozen=True)
class InForce:
    """What holds for one customer at one moment, the strongest first in each field."""

    forbidden: tuple[Forbidden, ...] = ()
    pins: tuple[Pins, ...] = ()
    caps: tuple[Cap, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    nudges: tuple[Nudge, ...] = ()
    offers: tuple[Offer, ...] = ()

    @property
    def arranges(self) -> bool:
        """Whether a list has to be arranged: nudges and what is forbidden act before."""
        return bool(self.pins or self.caps or self.requirements or self.offers)

    def forbids(self) -> Flags | None:
        """Tell which items may not be listed, shape ``(n_items,)``; None: every item may."""
        if not self.forbidden:
            return None
        return np.asarray(np.logical_or.reduce([rule.items for rule in self.forbidden]))

    def terms(self, items: Indices) -> dict[str, Floats]:
        """Return what rules add to the score of `items`: one term ``rule:NAME`` for each rule."""
        return {RULE + nudge.rule: nudge.term.at(items) for nudge in self.nudges}


NOTHING: Final = InForce()


class _Order(NamedTuple):
    """One rule: on which columns of a membership row, and when, it holds, and what it does."""

    columns: tuple[Indices, ...]
    span: tuple[float, float]
    effects: tuple[Effect, ...]

    def holds(self, membership: Floats, as_of: int) -> bool:
        start, end = self.span
        belongs = all(membership[columns].sum() >= MOSTLY for columns in self.columns)
        return start <= as_of < end and belongs


@dataclass(frozen=True)
class Orders:
    """The rules of a variant on one model: made once, kept beside the model."""

    orders: tuple[_Order, ...] = field(repr=False)

    def for_user(self, membership: Floats, *, as_of: int) -> InForce:
        """Return what holds for a customer.

        Parameters
        ----------
        membership
            Her row of the memberships, shape ``(n_segments,)``. She belongs to the segments that
            a rule names on an axis if her weights on them sum to at least `MOSTLY`.
        as_of
            The moment of the answer, microseconds.
        """
        holding = [order for order in self.orders if order.holds(membership, as_of)]
        effects = [effect for order in holding for effect in order.effects]
        return _sorted_out(effects) if effects else NOTHING


def _sorted_out(effects: Sequence[Effect]) -> InForce:
    return InForce(
        _of(Forbidden, effects),
        _of(Pins, effects),
        _of(Cap, effects),
        _of(Requirement, effects),
        _of(Nudge, effects),
        _of(Offer, effects),
    )


def _of(kind: type[Some], effects: Sequence[Effect]) -> tuple[Some, ...]:
    return tuple(effect for effect in effects if isinstance(effect, kind))


def compile_rules(rules: Mapping[str, Rule], catalogue: Catalogue, axes: Sequence[Axis]) -> Orders:
    """Work out rules on a model's catalogue.

    Parameters
    ----------
    rules
        Name -> rule; `check_rules` has let them pass.
    catalogue
        The model's items.
    axes
        The model's axes, in column order.
    """
    return Orders(
        tuple(
            _Order(
                _columns(rules[name], axes),
                rules[name].span,
                tuple(_effects(name, rules[name], catalogue)),
            )
            for name in in_order(rules)
        )
    )


def _columns(rule: Rule, axes: Sequence[Axis]) -> tuple[Indices, ...]:
    starts = {name: part.start for name, part in columns_of(axes).items()}
    segments = {axis.name: axis.segments for axis in axes}
    return tuple(
        np.asarray([starts[axis] + segments[axis].index(name) for name in sorted({*named})])
        for axis, named in sorted(rule.segments.items())
    )


def _effects(name: str, rule: Rule, catalogue: Catalogue) -> list[Effect]:
    if isinstance(rule, PinRule):
        return [Pins(name, rule.items, catalogue.items.index_of(rule.items), rule.position)]
    return _item_effects(name, rule, matching(rule.where, catalogue), catalogue)


def _item_effects(name: str, rule: ItemRule, items: Flags, catalogue: Catalogue) -> list[Effect]:
    match rule:
        case ForbidRule():
            return [Forbidden(name, items)]
        case CapRule():
            codes, values = value_codes(catalogue, rule.column, rule.level)
            return [Cap(name, np.where(items, codes, -1), values, rule.at_most, rule.within)]
        case RequireRule():
            return [Requirement(name, items, rule.at_least, rule.within)]
        case BoostRule():
            return [Nudge(name, _amount(rule.amount, items))]
        case BuryRule():
            return [Nudge(name, _amount(-rule.amount, items))]
        case OfferRule():
            label: list[Effect] = [Offer(name, items, rule.label)]
            return label + ([Nudge(name, _amount(rule.amount, items))] if rule.amount else [])
    raise TypeError(f"no such rule: {rule!r}")


def _amount(amount: float, items: Flags) -> Sparse:
    matching = np.flatnonzero(items)
    return Sparse(matching, np.full(len(matching), amount))
