"""All that is known of each user, and of what users search for: tables for other programs."""

import math
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import pandas as pd

from recsys.config import RecsysConfig
from recsys.engines import beside
from recsys.events.schema import CATEGORY, ITEM_ID, MICROSECONDS_PER_DAY
from recsys.events.shop import Shop
from recsys.interactions import Catalogue
from recsys.pipelines.segment import Segmented
from recsys.segments import FEATURES, gather_facts, needs_of
from recsys.segments.cadence import paces
from recsys.segments.facts import Read
from recsys.segments.profiles import Span
from recsys.segments.queries import QUERY, query_categories, query_volumes
from recsys.segments.shares import Column

MOST_CATEGORIES = 3
"""Categories told of a query."""
SEARCH_DAYS = 90.0
"""How far back searches are counted."""


@dataclass(frozen=True)
class Everything:
    """Asks for every feature of the whole past; see `recsys.segments.facts.Asks`."""

    reads: tuple[Read, ...] = tuple(Read(feature, math.inf) for feature in FEATURES)
    columns: tuple[Column, ...] = ()

    def moments(self, as_of: int) -> tuple[int, ...]:
        """Return now."""
        return (as_of,)


def portraits(shop: Shop, config: RecsysConfig, found: Segmented) -> pd.DataFrame:
    """Return every profile feature of every user over her whole past, and her attributes.

    Returns
    -------
    DataFrame
        ``user_id``, the features by name (NaN = unknown; money in minor units), and the columns of
        the users file that are not called like a feature.
    """
    facts = gather_facts(
        shop.events(before=found.facts.as_of),
        found.facts.users,
        found.facts.attributes,
        found.facts.catalogue,
        replace(found.facts.reference, norms={}),
        needs_of((Everything(),), as_of=found.facts.as_of),
        interactions=config.interactions,
        as_of=found.facts.as_of,
        timed=shop.timed,
        learning=True,
    )
    features = facts.profiles[Span(facts.as_of, math.inf)]
    table = pd.DataFrame({name: features[name] for name in FEATURES}, index=facts.users.ids)
    attributes = facts.attributes.reindex(facts.users.ids)
    others = attributes.drop(columns=attributes.columns.intersection(table.columns))
    return table.join(others).rename_axis("user_id").reset_index()


def category_paces(shop: Shop, config: RecsysConfig, found: Segmented) -> pd.DataFrame:
    """Return how often each user buys in each category, and when it is due again."""
    events = shop.events(before=found.facts.as_of)
    goods = categories_beside(events, found.facts.catalogue)
    return paces(events, goods, target=config.interactions.target, as_of=found.facts.as_of)


def searches(shop: Shop, found: Segmented) -> pd.DataFrame:
    """Return what was searched for lately, how often, by whom, and what it led to.

    Returns
    -------
    DataFrame
        ``query, searches, users, share, tail, nowhere, leads_to``, most frequent first; the last
        in words. Empty for a shop without searches or without times.
    """
    as_of = found.facts.as_of
    # What a word means changes: it is learnt from the window it is counted in.
    events = shop.events(before=as_of)
    if shop.timed:
        events = shop.events(before=as_of, since=as_of - int(SEARCH_DAYS * MICROSECONDS_PER_DAY))
    volumes = query_volumes(events, as_of=as_of, window=SEARCH_DAYS)
    led = query_categories(events, categories_beside(events, found.facts.catalogue))
    first = led.groupby(QUERY).head(MOST_CATEGORIES)
    words = [f"{name} {weight:.0%}" for name, weight in first[[CATEGORY, "weight"]].to_numpy()]
    told = first.assign(leads_to=words).groupby(QUERY)["leads_to"].agg(", ".join)
    return volumes.assign(leads_to=volumes[QUERY].map(told).fillna(""))


def categories_beside(events: nw.LazyFrame[Any], catalogue: Catalogue) -> nw.LazyFrame[Any]:
    """Lay ``item_id, category`` out where the events are; items without one are left out."""
    known = catalogue.category != ""
    table = pd.DataFrame({ITEM_ID: catalogue.items.ids, CATEGORY: catalogue.category})
    return beside(events, table[known])
