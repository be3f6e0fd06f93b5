"""What of the rules a finished list does not keep, in words."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from recsys.ranking.in_force import Cap, InForce, Pins, Requirement
from recsys.types import Flags, Indices


class Unmet(NamedTuple):
    """A rule that a list does not keep.

    Attributes
    ----------
    rule
        Its name.
    text
        What is amiss, for a merchandiser.
    """

    rule: str
    text: str


def unmet_rules(in_force: InForce, items: Indices, allowed: Flags) -> tuple[Unmet, ...]:
    """Compare a list with the rules in force.

    Parameters
    ----------
    in_force
        The rules.
    items
        The list, item indices.
    allowed
        What filters and rules that forbid left over, shape ``(n_items,)``.
    """
    found = [
        *_pins(in_force, items, allowed),
        *(Unmet(cap.rule, text) for cap in in_force.caps for text in _over(cap, items)),
        *(Unmet(need.rule, text) for need in in_force.requirements for text in _short(need, items)),
    ]
    return tuple(found)


def _pins(in_force: InForce, items: Indices, allowed: Flags) -> Iterator[Unmet]:
    places = {item: place for place, item in enumerate(items.tolist(), start=1)}
    stronger: dict[int, str] = {}
    for rule in in_force.pins:
        able = [item >= 0 and bool(allowed[item]) for item in rule.items.tolist()]
        place = rule.position
        for identifier, item, listable in zip(rule.ids, rule.items.tolist(), able, strict=True):
            if not listable:
                yield Unmet(rule.rule, f"{identifier!r} {_why(in_force, item)}")
            elif places.get(item) == place:
                place += 1
            elif item in stronger:
                yield Unmet(rule.rule, f"{identifier!r} is pinned by the rule {stronger[item]!r}")
            else:
                yield Unmet(rule.rule, f"{identifier!r} {_elsewhere(places.get(item), place)}")
                place += 1
        stronger = {**dict.fromkeys(_listable(rule, allowed), rule.rule), **stronger}


def _listable(rule: Pins, allowed: Flags) -> list[int]:
    return [item for item in rule.items.tolist() if item >= 0 and allowed[item]]


def _why(in_force: InForce, item: int) -> str:
    if item < 0:
        return "is not in the catalogue"
    for rule in in_force.forbidden:
        if rule.items[item]:
            return f"is forbidden by the rule {rule.rule!r}"
    return "is not available, or the request's filters or the repeat policy leave it out"


def _elsewhere(place: int | None, asked: int) -> str:
    if place is None:
        return f"is not listed: the list has no free place from {asked} on"
    return f"stands at place {place} instead of {asked}"


def _over(cap: Cap, items: Indices) -> Iterator[str]:
    codes = cap.codes[items[: cap.within]]
    counts = np.bincount(codes[codes >= 0], minlength=len(cap.values))
    for code in np.flatnonzero(counts > cap.at_most).tolist():
        yield (
            f"{str(cap.values[code])!r} stands {counts[code]} times where {cap.at_most} may: it is "
            "pinned, or nothing else is left in the catalogue"
        )


def _short(need: Requirement, items: Indices) -> Iterator[str]:
    listed = int(need.items[items[: need.within]].sum())
    if listed < need.at_least:
        yield (
            f"{listed} of the {need.at_least} items asked for are listed: there are no more, or "
            "stronger rules leave no place for them"
        )
