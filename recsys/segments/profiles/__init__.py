"""A user's profile as of a moment: one definition each, for millions of users or for one."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import narwhals as nw
import pandas as pd

from recsys.events.schema import TIME
from recsys.segments.profiles import (
    brand,
    breadth,
    cadence,
    contact,
    expectation,
    hours,
    novelty,
    opinion,
    price,
    search,
    shopping,
)
from recsys.segments.profiles.family import Family, Feature, Norms, Reading, Span

FAMILIES = (
    shopping.FAMILY,
    breadth.FAMILY,
    price.FAMILY,
    brand.FAMILY,
    novelty.FAMILY,
    cadence.FAMILY,
    expectation.FAMILY,
    opinion.FAMILY,
    search.FAMILY,
    hours.FAMILY,
    contact.FAMILY,
)
"""A new family is one file and one line here."""

FEATURES: dict[str, Feature] = {
    feature.name: feature for family in FAMILIES for feature in family.features
}
"""Every feature by its name."""

FAMILY_OF: dict[str, Family] = {
    feature.name: family for family in FAMILIES for feature in family.features
}
"""The family that a feature is measured with."""

_NAMED = {family.name: family for family in FAMILIES}

Sums = Mapping[Span, Mapping[str, pd.DataFrame]]
"""What was measured: span -> family -> one row for each user."""


def measure_profiles(
    events: nw.LazyFrame[Any],
    goods: nw.LazyFrame[Any],
    wanted: Mapping[Span, Collection[str]],
    *,
    target: tuple[str, ...],
    timed: bool,
) -> Sums:
    """Add up what the wanted features need, one scan or a few for each span and family.

    Parameters
    ----------
    events
        Accepted events; each span takes those before its end.
    goods
        One row an item; see `Reading`.
    wanted
        Span -> feature names.
    target
        The events that count as a purchase.
    timed
        Whether events have times.
    """
    return {
        span: _measured(_reading(events, goods, span, target, timed), features)
        for span, features in wanted.items()
    }


def _reading(
    events: nw.LazyFrame[Any],
    goods: nw.LazyFrame[Any],
    span: Span,
    target: tuple[str, ...],
    timed: bool,
) -> Reading:
    before = events.filter(nw.col(TIME) < span.until) if timed else events
    return Reading(before, goods, target, span, timed)


def _measured(reading: Reading, features: Collection[str]) -> dict[str, pd.DataFrame]:
    untimed = replace(reading, events=reading.events.head(0))
    return {
        family.name: family.measure(
            untimed if family.needs_times and not reading.timed else reading
        )
        for family in _families(features)
    }


def _families(features: Collection[str]) -> list[Family]:
    named = {FAMILY_OF[feature].name for feature in features}
    return [family for family in FAMILIES if family.name in named]


def learn_norms(sums: Sums) -> dict[str, dict[str, float]]:
    """Take each family's norms over all users, from the newest and longest span it was measured on.

    Returns
    -------
    dict
        Family -> its norms.
    """
    newest_last = sorted(sums)
    found = {name: part for span in newest_last for name, part in sums[span].items()}
    return {
        family.name: family.norms(found[family.name]) for family in FAMILIES if family.name in found
    }


def derive_profiles(sums: Sums, norms: Mapping[str, Norms]) -> dict[Span, pd.DataFrame]:
    """Work the features out of what was measured.

    Returns
    -------
    dict
        Span -> features of every user with something to measure, indexed by ``user_id``, sorted;
        float64, NaN = unknown.
    """
    return {span: _side_by_side(parts, span, norms) for span, parts in sums.items()}


def _side_by_side(
    parts: Mapping[str, pd.DataFrame], span: Span, norms: Mapping[str, Norms]
) -> pd.DataFrame:
    features = [
        _NAMED[name].derive(sums, span, norms.get(name, {})) for name, sums in parts.items()
    ]
    return pd.concat(features, axis="columns").sort_index() if features else pd.DataFrame()


__all__ = [
    "FAMILIES",
    "FAMILY_OF",
    "FEATURES",
    "Family",
    "Feature",
    "Norms",
    "Reading",
    "Span",
    "Sums",
    "derive_profiles",
    "learn_norms",
    "measure_profiles",
]
