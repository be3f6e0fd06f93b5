"""Contacts of the pair table against a slow loop, on both engines, in any order."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.events.schema import MICROSECONDS_PER_DAY as DAY
from recsys.interactions import Histories, InteractionsConfig, build_histories, pair_table
from recsys.interactions.weights import CONTACT_HALF_LIVES
from recsys.vocabulary import Vocabulary

Engines = dict[str, Callable[[pd.DataFrame], nw.LazyFrame[Any]]]
CONFIG = InteractionsConfig()
KINDS = ("cart", "rating", "view")
NOW = 200 * DAY
USERS, ITEMS = Vocabulary(["u1", "u2"]), Vocabulary(["a", "b"])


class Event(NamedTuple):
    user_id: str
    item_id: str | None
    event: str
    time: int
    rating: float | None
    quantity: float | None = None


def framed(events: Sequence[Event]) -> pd.DataFrame:
    frame = pd.DataFrame(list(events), columns=list(Event._fields), dtype=object)
    return frame.astype({"time": "Int64", "quantity": "float64", "rating": "float64"})


def histories_of(
    events: nw.LazyFrame[Any], *, kinds: Sequence[str] = KINDS, timed: bool = True
) -> Histories:
    table = pair_table(events, CONFIG, as_of=NOW, timed=timed, half_lives=(40.0,), kinds=kinds)
    return build_histories(table, USERS, ITEMS, as_of=NOW, kinds=kinds)


def slow(events: Sequence[Event], pair: tuple[str, str], kind: str, *, timed: bool) -> list[float]:
    """The definition: faded days at each half-life, and days since the last; one kind, one pair."""
    times = [e.time for e in events if (e.user_id, e.item_id) == pair and e.event == kind]
    since = min(((NOW - time) / DAY for time in times), default=math.nan)
    if not timed:
        return [len(times)] * len(CONTACT_HALF_LIVES) + [since]
    newest = {time // DAY: (NOW - time) / DAY for time in sorted(times)}.values()
    return [sum(0.5 ** (age / h) for age in newest) for h in CONTACT_HALF_LIVES] + [since]


events_of = st.builds(
    Event,
    st.sampled_from(["u1", "u2"]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["view", "cart", "purchase", "rating", "return"]),
    st.integers(0, NOW - 1) | st.integers(0, 199).map(lambda day: day * DAY),
    st.sampled_from([None, 1.0, 2.5, 5.0]),
    st.none(),
)
some_events = st.lists(events_of, min_size=1, max_size=25)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("timed", [True, False])
@settings(max_examples=8, deadline=None)
@given(events=some_events)
def test_contacts_are_the_slow_loop(
    engines: Engines, engine: str, timed: bool, events: list[Event]
) -> None:
    histories = histories_of(engines[engine](framed(events)), timed=timed)
    contacts = histories.contacts
    assert contacts is not None
    for row, (user, item) in enumerate(zip(histories.user_index, histories.items, strict=True)):
        pair = (USERS.ids[user], ITEMS.ids[item])
        for number, kind in enumerate(KINDS):
            found = [*contacts.decayed[row, number], contacts.since_last[row, number]]
            np.testing.assert_allclose(found, slow(events, pair, kind, timed=timed), atol=1e-8)
            assert contacts.days(kind)[row] == contacts.decayed[row, number, -1]
        stars = [
            e.rating
            for e in events
            if (e.user_id, e.item_id) == pair and e.event == "rating" and e.rating is not None
        ]
        mean = np.mean(stars) if stars else np.nan
        np.testing.assert_allclose(contacts.rating[row], mean)


def bits(histories: Histories) -> list[bytes]:
    assert histories.contacts is not None
    parts = (histories.contacts.decayed, histories.contacts.since_last, histories.contacts.rating)
    return [part.tobytes() for part in (histories.items, histories.worth, *parts)]


@settings(max_examples=6, deadline=None, derandomize=True)
@given(events=some_events, shuffler=st.randoms(use_true_random=False))
def test_every_engine_and_order_gives_the_same_bits(
    engines: Engines, events: list[Event], shuffler: random.Random
) -> None:
    everyone = histories_of(engines["duckdb"](framed(events)))
    shuffled = framed(shuffler.sample(events, len(events)))
    assert bits(histories_of(engines["duckdb"](shuffled))) == bits(everyone)
    assert bits(histories_of(engines["pandas"](shuffled))) == bits(everyone)


@settings(max_examples=6, deadline=None)
@given(events=some_events)
def test_kinds_change_nothing_else(engines: Engines, events: list[Event]) -> None:
    with_kinds = histories_of(engines["pandas"](framed(events)))
    without = histories_of(engines["pandas"](framed(events)), kinds=())
    assert without.contacts is None
    for name in ("indptr", "items", "worth", "visits", "decayed_visits", "since_last"):
        np.testing.assert_array_equal(getattr(with_kinds, name), getattr(without, name))


def test_contacts_go_with_their_pairs(engines: Engines) -> None:
    events = [
        Event("u1", "a", "view", NOW - 3 * DAY, None),
        Event("u2", "b", "cart", NOW - 6 * DAY, None),
    ]
    histories = histories_of(engines["pandas"](framed(events)))
    turned = histories.aligned(Vocabulary(["u0", "u2"]))
    assert turned.contacts is not None
    assert turned.contacts.days("cart").tolist() == [1.0]
    assert turned.contacts.days("view").tolist() == [0.0]
    assert turned.contacts.since_last[0].tolist()[0] == 6.0
    assert turned.contacts.days("never heard of").tolist() == [0.0]


def test_the_contacts_of_a_shop_are_all_that_is_no_success() -> None:
    found = ["view", "purchase", "cart", "wish list"]
    assert CONFIG.contact_kinds(found) == ("cart", "view", "wish list")
    assert CONFIG.contact_kinds(["purchase"]) == ()
    assert InteractionsConfig(target=["view"]).contact_kinds(found) == (
        "cart",
        "purchase",
        "wish list",
    )
