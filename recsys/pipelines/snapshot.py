"""A shop as of a moment: histories, profiles, catalogue, everything that learning looks at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.errors import DataError
from recsys.events.schema import CATEGORY, ITEM_ID, MARGIN, USER_ID
from recsys.events.shop import Shop
from recsys.interactions import (
    HALF_LIVES,
    Catalogue,
    Histories,
    InteractionsConfig,
    build_catalogue,
    build_histories,
    pair_table,
)
from recsys.segments import (
    Axis,
    Memberships,
    Reference,
    UserFacts,
    assign_axes,
    fit_axes,
    gather_facts,
    learn_reference,
    needs_of,
)
from recsys.vocabulary import Vocabulary

TEXT_COLUMNS = (CATEGORY, "brand", "title", MARGIN)
"""Columns of the items file that a bundle keeps, besides those that an axis reads."""


class People(NamedTuple):
    """Users, and what is said of them.

    Attributes
    ----------
    users
        Everybody who is known.
    attributes
        Indexed by ``user_id``; users without attributes are absent.
    """

    users: Vocabulary
    attributes: pd.DataFrame


@dataclass(frozen=True)
class Axes:
    """What describing users needs where no model is fitted; see `recsys.ranking.Yardstick`."""

    catalogue: Catalogue
    axes: tuple[Axis, ...]
    reference: Reference
    interactions: InteractionsConfig
    timed: bool
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """What was known before `as_of`.

    Attributes
    ----------
    as_of
        Microseconds.
    facts
        Profiles, shares and attributes of every user known by then.
    histories
        Of the same users, with one decayed column for each of `HALF_LIVES`.
    """

    as_of: int
    facts: UserFacts
    histories: Histories

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.facts.catalogue

    def yardstick(self, axes: tuple[Axis, ...], config: RecsysConfig) -> Axes:
        """Return what further users are described by, as of the same moment."""
        facts = self.facts
        return Axes(facts.catalogue, axes, facts.reference, config.interactions, facts.timed)

    def memberships(self, config: RecsysConfig) -> Memberships:
        """Fit the configured axes on these users, and assign them."""
        return assign_axes(fit_axes(config.segments, self.facts), self.facts)

    def possible_memberships(self, config: RecsysConfig) -> Memberships:
        """Fit those configured axes that this moment allows, and assign the users."""
        axes = fit_axes(config.segments, self.facts, possible_only=True)
        return assign_axes(axes, self.facts)


def take_snapshot(
    shop: Shop,
    events: nw.LazyFrame[Any],
    config: RecsysConfig,
    *,
    as_of: int,
    catalogue: Catalogue | None = None,
    kinds: Sequence[str] = (),
) -> Snapshot:
    """Aggregate `events`, all before `as_of`, into a snapshot.

    Parameters
    ----------
    shop
        Its users and items.
    events
        What is known.
    config
        Weights, axes.
    as_of
        Microseconds.
    catalogue
        The catalogue of a later snapshot, so that both speak of the same item indices; by default
        the items file and the items of `events`.
    kinds
        Contacts besides purchases that histories tell apart.

    Raises
    ------
    DataError
        When no event is worth anything, or none is a target.
    """
    table = _pairs(shop, events, config, as_of=as_of, kinds=kinds)
    people = people_of(pd.unique(table["user_id"]), shop.users(as_of=as_of))
    if catalogue is None:
        catalogue = build_catalogue(shop.items(), pd.unique(table["item_id"]), text_columns(config))
    histories = build_histories(table, people.users, catalogue.items, as_of=as_of, kinds=kinds)
    facts = learn_facts(shop, events, config, people, catalogue, as_of=as_of)
    return Snapshot(as_of, facts, histories)


def seen_catalogue(shop: Shop, events: nw.LazyFrame[Any], config: RecsysConfig) -> Catalogue:
    """Join the items file and the items of some events, without making histories."""
    return build_catalogue(shop.items(), _distinct(events, ITEM_ID), text_columns(config))


def seen_people(shop: Shop, events: nw.LazyFrame[Any], *, as_of: int) -> People:
    """Return every user of some events or of the users file, with what is said of them.

    Raises
    ------
    DataError
        When there is no event.
    """
    found = _distinct(events, USER_ID)
    if not len(found):
        raise _nothing_before(shop)
    return people_of(found, shop.users(as_of=as_of))


def people_of(seen: Iterable[str], attributes: pd.DataFrame) -> People:
    """Join the users of events and those of the users file."""
    return People(Vocabulary([*seen, *attributes.index]), attributes)


def _distinct(events: nw.LazyFrame[Any], column: str) -> "pd.Series[str]":
    found = events.filter(~nw.col(column).is_null()).select(column).unique().collect("pandas")
    ids: pd.Series[str] = found.to_native()[column]
    return ids


def learn_facts(
    shop: Shop,
    events: nw.LazyFrame[Any],
    config: RecsysConfig,
    people: People,
    catalogue: Catalogue,
    *,
    as_of: int,
) -> UserFacts:
    """Learn what profiles are measured against, and work out what the configured axes ask for."""
    reference = learn_reference(
        events,
        shop.items(),
        catalogue,
        target=config.interactions.target,
        timed=shop.timed,
        own_brands=config.data.own_brands,
    )
    return _facts(shop, events, config, people, catalogue, reference, as_of=as_of, learning=True)


def facts_of_everyone(
    shop: Shop, config: RecsysConfig, learnt: UserFacts, *, as_of: int
) -> UserFacts:
    """Work out the same of all users, also of those whose histories may not be learnt from."""
    if shop.counted() is None:
        return learnt
    events = shop.events(before=as_of)
    people = seen_people(shop, events, as_of=as_of)
    return _facts(shop, events, config, people, learnt.catalogue, learnt.reference, as_of=as_of)


def _facts(
    shop: Shop,
    events: nw.LazyFrame[Any],
    config: RecsysConfig,
    people: People,
    catalogue: Catalogue,
    reference: Reference,
    *,
    as_of: int,
    learning: bool = False,
) -> UserFacts:
    return gather_facts(
        events,
        people.users,
        people.attributes,
        catalogue,
        reference,
        needs_of(config.segments.values(), as_of=as_of),
        interactions=config.interactions,
        as_of=as_of,
        timed=shop.timed,
        learning=learning,
    )


def read_histories(
    shop: Shop,
    events: nw.LazyFrame[Any],
    config: RecsysConfig,
    *,
    as_of: int,
    items: Vocabulary,
    kinds: Sequence[str] = (),
) -> Histories:
    """Aggregate `events`, all before `as_of`, into histories alone; see `take_snapshot`."""
    table = _pairs(shop, events, config, as_of=as_of, kinds=kinds)
    users = Vocabulary(table["user_id"])
    return build_histories(table, users, items, as_of=as_of, kinds=kinds)


def _pairs(
    shop: Shop,
    events: nw.LazyFrame[Any],
    config: RecsysConfig,
    *,
    as_of: int,
    kinds: Sequence[str],
) -> pd.DataFrame:
    table = pair_table(
        events,
        config.interactions,
        as_of=as_of,
        timed=shop.timed,
        half_lives=HALF_LIVES,
        kinds=kinds,
    )
    _check(table, shop, config)
    return table


def text_columns(config: RecsysConfig) -> list[str]:
    """Return the columns of the items that are kept: those for people, and those of axes."""
    asked = [column.name for axis in config.segments.values() for column in axis.columns]
    return list(dict.fromkeys([*TEXT_COLUMNS, *asked]))


def _nothing_before(shop: Shop) -> DataError:
    return DataError(
        f"no event before the moment to learn at; the events are of {shop.window() or 'no time'}"
    )


def _check(table: pd.DataFrame, shop: Shop, config: RecsysConfig) -> None:
    if table.empty:
        raise _nothing_before(shop)
    counts = ", ".join(f"{name}: {number}" for name, number in shop.event_counts().items())
    if not np.any(table["worth"] > 0):
        raise DataError(
            f"no event has a positive weight in [interactions] event_weights; there are {counts}"
        )
    if not np.any(table["visits"] > 0):
        raise DataError(
            f"no event is a target ({', '.join(config.interactions.target)}); there are {counts}; "
            "name one in [interactions] target"
        )
