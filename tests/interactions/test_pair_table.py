"""The pair table against a slow loop, on both engines, in any order, as of any moment."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.events.schema import MICROSECONDS_PER_DAY as DAY
from recsys.events.shop import Shop
from recsys.interactions import InteractionsConfig, pair_table

Engines = dict[str, Callable[[pd.DataFrame], nw.LazyFrame[Any]]]
CONFIG = InteractionsConfig(half_life="30d")
HALF_LIVES = (10.0, 45.0, math.inf)
NOW = 200 * DAY


class Event(NamedTuple):
    user_id: str
    item_id: str | None
    event: str
    time: int
    quantity: float | None


def framed(events: Sequence[Event]) -> pd.DataFrame:
    """Events as the state hands them over."""
    frame = pd.DataFrame(list(events), columns=list(Event._fields), dtype=object)
    return frame.astype({"time": "Int64", "quantity": "float64"})


def tabled(
    events: nw.LazyFrame[Any], *, as_of: int = NOW, timed: bool = True, config: Any = CONFIG
) -> dict[tuple[str, str], tuple[float | None, ...]]:
    table = pair_table(events, config, as_of=as_of, timed=timed, half_lives=HALF_LIVES)
    names = ["worth", "visits", "decayed_0", "decayed_1", "decayed_2", "last", "first"]
    values = np.column_stack([table[n].to_numpy(dtype=float, na_value=np.nan) for n in names])
    pairs = zip(table["user_id"], table["item_id"], strict=True)
    rows = [tuple(None if math.isnan(x) else x for x in row) for row in values.tolist()]
    assert len(set(zip(table["user_id"], table["item_id"], strict=True))) == len(table)
    return dict(zip(pairs, rows, strict=True))


def slow_table(
    events: Sequence[Event], *, as_of: int, timed: bool
) -> dict[tuple[str, str], tuple[float | None, ...]]:
    """The definition, event by event."""
    worth: dict[tuple[str, str], float] = defaultdict(float)
    purchases: dict[tuple[str, str], list[int]] = defaultdict(list)
    for user_id, item_id, event, time, quantity in events:
        if item_id is None:
            continue
        many = 1.0 if quantity is None else quantity
        age = (as_of - time) / DAY
        fading = 2 ** (-age / 30) if timed else 1.0
        weight = CONFIG.event_weights.get(event, 0.0)
        worth[user_id, item_id] += weight * fading * math.log2(1 + many)
        if event in CONFIG.target and many > 0:
            purchases[user_id, item_id].append(time)
    return {
        pair: (value, *slow_visits(purchases[pair], as_of=as_of, timed=timed))
        for pair, value in worth.items()
    }


def slow_visits(times: list[int], *, as_of: int, timed: bool) -> tuple[float | None, ...]:
    last, first = (float(max(times)), float(min(times))) if times else (None, None)
    if not timed:
        return len(times), *[len(times)] * len(HALF_LIVES), last, first
    newest_of_day = {time // DAY: time for time in sorted(times)}
    ages = [(as_of - time) / DAY for time in newest_of_day.values()]
    decayed = [sum(2 ** (-age / half_life) for age in ages) for half_life in HALF_LIVES]
    return len(ages), *decayed, last, first


def assert_close(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    rows = [
        [np.nan if x is None else x for x in table[pair]]
        for table in (found, expected)
        for pair in expected
    ]
    np.testing.assert_allclose(rows[: len(expected)], rows[len(expected) :], atol=1e-8, rtol=1e-12)


kinds = st.sampled_from(["view", "cart", "purchase", "purchase", "return", "rating"])
events_of = st.builds(
    Event,
    st.sampled_from(["u1", "u2", "o'b"]),
    st.sampled_from(["a", "b", None]),
    kinds,
    st.integers(-30 * DAY, NOW - 1) | st.integers(-2, 199).map(lambda day: day * DAY),
    st.sampled_from([None, 0.0, 0.5, 1.0, 2.0, 85_055.0]),
)
histories = st.lists(events_of, min_size=1, max_size=25)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("timed", [True, False])
@settings(max_examples=12, deadline=None)
@given(events=histories)
def test_it_is_the_slow_loop(
    engines: Engines, engine: str, timed: bool, events: list[Event]
) -> None:
    found = tabled(engines[engine](framed(events)), timed=timed)
    assert_close(found, slow_table(events, as_of=NOW, timed=timed))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(events=histories, shuffler=st.randoms(use_true_random=False))
@pytest.mark.parametrize("timed", [True, False])
def test_every_engine_and_order_gives_the_same_bits(
    engines: Engines, timed: bool, events: list[Event], shuffler: random.Random
) -> None:
    everyone = tabled(engines["duckdb"](framed(events)), timed=timed)
    shuffled = shuffler.sample(events, len(events))
    assert tabled(engines["duckdb"](framed(shuffled)), timed=timed) == everyone
    assert tabled(engines["pandas"](framed(shuffled)), timed=timed) == everyone


@settings(max_examples=10, deadline=None, derandomize=True)
@given(events=histories)
def test_one_user_alone_in_pandas_has_the_bits_of_the_batch_in_duckdb(
    engines: Engines, events: list[Event]
) -> None:
    everyone = tabled(engines["duckdb"](framed(events)))
    alone: dict[Any, Any] = {}
    for user_id in {event.user_id for event in events}:
        own = [event for event in events if event.user_id == user_id]
        alone |= tabled(engines["pandas"](framed(own)))
    assert alone == everyone


@settings(max_examples=10, deadline=None)
@given(events=histories, day=st.integers(0, 199))
def test_events_at_or_after_the_moment_change_nothing(
    connection: duckdb.DuckDBPyConnection, engines: Engines, events: list[Event], day: int
) -> None:
    as_of = day * DAY
    before = [event for event in events if event.time < as_of]
    known = tabled(engines["pandas"](framed(before)), as_of=as_of)
    engines["duckdb"](framed(events))
    shop = Shop(connection, timed=True)
    assert tabled(shop.events(before=as_of), as_of=as_of) == known


def test_many_rows_give_the_same_bits_on_any_number_of_threads(
    connection: duckdb.DuckDBPyConnection, engines: Engines
) -> None:
    draw = random.Random(3)
    events = [
        Event(f"u{draw.randrange(50)}", f"i{draw.randrange(9)}", "purchase",
              draw.randrange(NOW), draw.choice([1.0, 2.0, 0.3]))
        for _ in range(20_000)
    ]  # fmt: skip
    lazy = engines["duckdb"](framed(events))
    results = []
    for threads in (1, 2, 4):
        connection.execute(f"SET threads = {threads}")
        results.append(tabled(lazy))
    assert results[0] == results[1] == results[2]
    assert results[0] == tabled(engines["pandas"](framed(events)))
