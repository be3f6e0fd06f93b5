"""A shop as of a moment: histories, profiles, catalogue, everything that learning looks at."""

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.errors import DataError
from recsys.events.schema import CATEGORY
from recsys.events.shop import Shop
from recsys.interactions import (
    HALF_LIVES,
    Catalogue,
    Histories,
    build_catalogue,
    build_histories,
    pair_table,
)
from recsys.segments import (
    Memberships,
    UserFacts,
    assign_axes,
    fit_axes,
    fit_possible_axes,
    profiles_over,
)
from recsys.vocabulary import Vocabulary

TEXT_COLUMNS = (CATEGORY, "brand", "title")
"""Columns of the items file that a bundle keeps, besides those that an axis reads."""


@dataclass(frozen=True)
class Snapshot:
    """What was known before `as_of`.

    Attributes
    ----------
    as_of
        Microseconds.
    facts
        Histories, profiles and attributes of every user known by then.
    """

    as_of: int
    facts: UserFacts

    @property
    def histories(self) -> Histories:
        """The histories, with one decayed column for each of `HALF_LIVES`."""
        return self.facts.histories

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self.facts.catalogue

    def memberships(self, config: RecsysConfig) -> Memberships:
        """Fit the configured axes on these users, and assign them."""
        return assign_axes(fit_axes(config.segments, self.facts), self.facts)

    def possible_memberships(self, config: RecsysConfig) -> Memberships:
        """Fit those configured axes that this moment allows, and assign the users."""
        return assign_axes(fit_possible_axes(config.segments, self.facts), self.facts)


def take_snapshot(
    shop: Shop,
    events: nw.LazyFrame[Any],
    config: RecsysConfig,
    *,
    as_of: int,
    catalogue: Catalogue | None = None,
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

    Raises
    ------
    DataError
        When no event is worth anything, or none is a target.
    """
    table = _pairs(shop, events, config, as_of=as_of)
    attributes = shop.users(as_of=as_of)
    if catalogue is None:
        catalogue = build_catalogue(shop.items(), pd.unique(table["item_id"]), _columns(config))
    users = Vocabulary([*pd.unique(table["user_id"]), *attributes.index])
    histories = build_histories(table, users, catalogue.items, as_of=as_of)
    windows = (window for axis in config.segments.values() for window in axis.windows)
    target = config.interactions.target
    described = profiles_over(windows, events, target, as_of=as_of, timed=shop.timed)
    return Snapshot(as_of, UserFacts(histories, described, attributes, catalogue, shop.timed))


def read_histories(
    shop: Shop, events: nw.LazyFrame[Any], config: RecsysConfig, *, as_of: int, items: Vocabulary
) -> Histories:
    """Aggregate `events`, all before `as_of`, into histories alone; see `take_snapshot`."""
    table = _pairs(shop, events, config, as_of=as_of)
    return build_histories(table, Vocabulary(table["user_id"]), items, as_of=as_of)


def _pairs(
    shop: Shop, events: nw.LazyFrame[Any], config: RecsysConfig, *, as_of: int
) -> pd.DataFrame:
    table = pair_table(
        events, config.interactions, as_of=as_of, timed=shop.timed, half_lives=HALF_LIVES
    )
    _check(table, shop, config)
    return table


def _columns(config: RecsysConfig) -> list[str]:
    interests = [axis.column for axis in config.segments.values() if axis.kind == "interest"]
    return list(dict.fromkeys([*TEXT_COLUMNS, *interests]))


def _check(table: pd.DataFrame, shop: Shop, config: RecsysConfig) -> None:
    if table.empty:
        raise DataError(
            "no event before the moment to learn at; "
            f"the events are of {shop.window() or 'no time'}"
        )
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
