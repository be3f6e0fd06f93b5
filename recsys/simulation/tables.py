"""What a simulated shop writes: events, users and items in the columns every shop has."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from recsys.events.schema import (
    AMOUNT,
    AVAILABLE,
    BASKET_ID,
    CATEGORY,
    CATEGORY_SEPARATOR,
    EVENT,
    EVENT_TYPES,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    MINOR_UNITS,
    PRICE,
    PURCHASE,
    QUANTITY,
    SEARCH,
    TIMESTAMP,
    USER_ID,
    VALID_FROM,
)
from recsys.simulation.catalogue import Catalogue
from recsys.simulation.config import AXES, DAYS_PER_MONTH, SimulationConfig
from recsys.simulation.events import CODES, Events
from recsys.simulation.ids import item_ids, user_ids, visit_ids
from recsys.simulation.population import People
from recsys.types import Flags, Indices

TIME_TYPE: Final = pa.timestamp("us", tz="UTC")
IN_BASKET: Final = np.array([CODES[name] for name in ("cart", PURCHASE, "return")])
AFTER_VISIT: Final = np.array([CODES[name] for name in ("return", "rating")])


def event_table(config: SimulationConfig, catalogue: Catalogue, events: Events) -> "pa.Table":
    """Write events as a table; `events` name users by their numbers in the shop.

    Ids and names are dictionaries, so that each text is made once.
    """
    searched = events.kinds == CODES[SEARCH]
    paid = events.quantity > 0
    visits = _visits(config, events)
    columns = {
        USER_ID: _users(config, events.users),
        ITEM_ID: _coded(events.items, item_ids(config, catalogue.number), shown=~searched),
        EVENT: _coded(events.kinds, pa.array(EVENT_TYPES)),
        TIMESTAMP: _times(events.times + config.start_time),
        QUANTITY: _shown(events.quantity.astype(np.int32), paid),
        AMOUNT: _shown(events.amount / MINOR_UNITS, paid),
        "discount": _shown(events.discount / MINOR_UNITS, events.discount > 0),
        "rating": _shown(events.stars.astype(np.float64), events.stars > 0),
        "query": _coded(
            catalogue.category[events.items], pa.array(catalogue.categories.queries), shown=searched
        ),
        BASKET_ID: _hidden(visits, ~np.isin(events.kinds, IN_BASKET)),
        "session_id": _hidden(visits, np.isin(events.kinds, AFTER_VISIT)),
    }
    return pa.table(columns)


def user_table(config: SimulationConfig, people: People) -> "pa.Table":
    """Write what the shop knows of users, from the day each joins."""
    joined = config.start_time + people.joins * MICROSECONDS_PER_DAY
    columns = {USER_ID: user_ids(config, people.numbers)}
    columns |= attribute_columns(people, people.known)
    return pa.table({**columns, VALID_FROM: _times(joined)})


def attribute_columns(
    people: People, known: Mapping[str, Flags] | None = None
) -> "dict[str, pa.Array]":
    """Return each axis' segment of each user; null where it is not known."""
    columns = {}
    for axis, names in AXES.items():
        hidden = None if known is None else ~known[axis]
        columns[axis] = pa.array(np.array(names, dtype=object)[people.segments[axis]], mask=hidden)
    return columns


def item_table(config: SimulationConfig, catalogue: Catalogue) -> "pa.Table":
    """Write the catalogue as the shop shows it at the end, sorted by id."""
    order = np.argsort(catalogue.number)
    names = np.array(catalogue.categories.names, dtype=object)[catalogue.category]
    brands = brand_names(config, catalogue.brand)
    titles = [
        f"{name.rpartition(CATEGORY_SEPARATOR)[2]} of {brand} no. {number}"
        for brand, name, number in zip(brands, names, catalogue.number, strict=True)
    ]
    return pa.table(
        {
            ITEM_ID: item_ids(config, catalogue.number),
            "title": pa.array(titles),
            CATEGORY: pa.array(names),
            "brand": pa.array(brands),
            PRICE: pa.array(catalogue.price / MINOR_UNITS),
            AVAILABLE: pa.array(catalogue.withdrawn == config.n_months),
            "margin": pa.array(np.round(catalogue.margin, 3)),
            "created_at": _times(created(config, catalogue)),
        }
    ).take(order)


def brand_names(config: SimulationConfig, brands: Indices) -> list[str]:
    """Return the names of brands by their indices."""
    digits = len(str(config.brands))
    return [f"brand {brand + 1:0{digits}d}" for brand in brands.tolist()]


def created(config: SimulationConfig, catalogue: Catalogue) -> Indices:
    """Return when each item was launched, microseconds."""
    days = catalogue.launched * DAYS_PER_MONTH - catalogue.past_days
    return np.asarray(config.start_time + days * MICROSECONDS_PER_DAY)


def _times(times: Indices) -> "pa.Array":
    return pa.array(times).view(TIME_TYPE)


def _users(config: SimulationConfig, users: Indices) -> "pa.Array":
    first = int(users.min())
    named = np.arange(first, int(users.max()) + 1)
    return _coded(users - first, user_ids(config, named))


def _visits(config: SimulationConfig, events: Events) -> "pa.Array":
    codes = pa.array(events.users * config.days + events.days).dictionary_encode()
    keys = codes.dictionary.to_numpy()
    names = visit_ids(config, keys // config.days, keys % config.days)
    return pa.DictionaryArray.from_arrays(codes.indices, names)


def _coded(codes: Indices, names: "pa.Array", shown: Flags | None = None) -> "pa.Array":
    hidden = None if shown is None else ~shown
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=hidden), names)


def _hidden(coded: "pa.Array", hidden: Flags) -> "pa.Array":
    codes = pa.array(coded.indices.to_numpy(), mask=hidden)
    return pa.DictionaryArray.from_arrays(codes, coded.dictionary)


def _shown(values: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", shown: Flags) -> "pa.Array":
    return pa.array(values, mask=~shown)
