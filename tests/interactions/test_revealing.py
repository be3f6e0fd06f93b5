"""Histories cut short, against a slow loop over each user's events."""

import hashlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from recsys.engines import connect, rows
from recsys.events.shop import read_shop
from recsys.events.validation import Intake
from recsys.interactions.revealing import places, reveal

USERS, ITEMS = ("ann", "bob", "eve", "zoe"), ("a", "b", "c", "d", "e", "f")
SEED = 7


def made(seed=0, n=90, *, timed=True):
    """Events on a coarse grid of hours, so that many fall together; some days have no basket."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, 12, size=n) * 6
    table = pd.DataFrame(
        {
            "event_id": [f"e{number:03d}" for number in range(n)],
            "user_id": rng.choice(USERS, size=n),
            "item_id": rng.choice(ITEMS, size=n),
            "event": rng.choice(["purchase", "view"], size=n, p=[0.6, 0.4]),
            "timestamp": [f"2024-03-0{1 + h // 24}T{h % 24:02d}:00:00Z" for h in hours],
            "basket_id": np.where(rng.random(n) < 0.5, [f"b{h // 12}" for h in hours], None),
        }
    )
    return table if timed else table.drop(columns=["timestamp", "basket_id"])


@pytest.fixture
def open_shop():
    opened = []

    def read(table):
        opened.append(read_shop(connect(threads=2), table, Intake({}, "purchase")))
        return opened[-1]

    yield read
    for shop in opened:
        shop.close()


BOUGHT = "SELECT * FROM events WHERE event = 'purchase'"


def revealed(shop, cases, **how):
    """Case -> the ids of the events that are known of it; places count what was bought."""
    asked = pd.DataFrame(cases, columns=["case_id", "user_id", "amount"])
    shop.connection.register("asked", asked)
    order = places(shop, BOUGHT, **{"baskets": False, "first": False, "seed": SEED, **how})
    table = reveal(shop, "SELECT * FROM asked", order)
    found = {case: [] for case, _, _ in cases}
    for case, event in rows(shop.connection, f"SELECT case_id, event_id FROM {table}"):
        found[case].append(event)
    return {case: sorted(events) for case, events in found.items()}


def unit_of(event, *, baskets):
    if not baskets:
        return event.item_id
    # Without a basket of its own an event is in that of its day, counted from 1970.
    day = pd.Timestamp(event.timestamp).value // 86_400_000_000_000
    return event.basket_id if isinstance(event.basket_id, str) else str(day)


def slow(table, user, amount, *, baskets=False, first=False):
    """Order the units of what was bought, take the first `amount`, stop at the last one's time."""
    mine = [event for event in table.itertuples() if event.user_id == user]
    moments = {}
    for event in mine:
        if event.event == "purchase":
            moments.setdefault(unit_of(event, baskets=baskets), []).append(event.timestamp)
    # An item is where it was bought first (or, from the end, last); a basket at its far end.
    far = min if first != baskets else max
    at = {unit: far(times) for unit, times in moments.items()}
    ordered = sorted(at)
    ordered.sort(key=lambda unit: at[unit], reverse=not first)
    known = ordered[:amount]
    if not known:
        return []
    ends = [at[unit] for unit in known]
    return sorted(
        event.event_id
        for event in mine
        if unit_of(event, baskets=baskets) in known
        and (event.timestamp <= max(ends) if first else event.timestamp >= min(ends))
    )


CASES = [(f"{user}-{n}", user, n) for user in USERS for n in (0, 1, 2, 4, 99)]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("baskets", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_is_what_the_slow_loop_reveals(open_shop, seed, baskets, first):
    table = made(seed)
    found = revealed(open_shop(table), CASES, baskets=baskets, first=first)
    for case, user, n in CASES:
        assert found[case] == slow(table, user, n, baskets=baskets, first=first), case
    assert all(found[f"{user}-0"] == [] for user in USERS)


def test_the_newest_items_are_known_from_the_moment_the_oldest_of_them_is():
    """By hand: b was bought on the 3rd and 5th, a on the 1st and 4th; c long ago."""
    days = [("c", 1), ("a", 1), ("b", 3), ("a", 4), ("b", 5), ("a", 5)]
    table = pd.DataFrame(
        [
            {"event_id": f"{item}{day}", "user_id": "u", "item_id": item, "event": "purchase",
             "timestamp": f"2024-03-0{day}"} for item, day in days
        ]
    )  # fmt: skip
    shop = read_shop(connect(threads=1), table.drop(index=5), Intake({}, "purchase"))
    cases = [(str(n), "u", n) for n in (1, 2, 3)]
    assert revealed(shop, cases) == {
        "1": ["b5"],
        "2": ["a4", "b5"],  # b3 lies before the moment that a is known from
        "3": ["a1", "a4", "b3", "b5", "c1"],
    }
    shop.close()


def test_a_user_may_be_several_cases_and_they_lie_in_each_other(open_shop):
    found = revealed(open_shop(made(1)), CASES)
    for user in USERS:
        known = [set(found[f"{user}-{n}"]) for n in (0, 1, 2, 4, 99)]
        assert all(less <= more for less, more in pairwise(known))
        assert len(known[1]) < len(known[-1])


def test_only_what_the_cases_ask_for_is_revealed_and_only_of_this_shop(open_shop):
    table = made(2)
    shop = open_shop(table).where(events="item_id <> 'a'")
    bought = f"SELECT * FROM events WHERE {shop.events_where} AND event = 'purchase'"
    asked = pd.DataFrame([("x", "bob", 99)], columns=["case_id", "user_id", "amount"])
    shop.connection.register("asked", asked)
    order = places(shop, bought, baskets=False, first=False, seed=SEED)
    found = rows(shop.connection, f"SELECT * FROM {reveal(shop, 'SELECT * FROM asked', order)}")
    assert {case for case, _ in found} == {"x"}
    expected = slow(table[table["item_id"] != "a"], "bob", 99)
    assert sorted(event for _, event in found) == expected


def test_the_order_of_the_rows_changes_nothing(open_shop):
    table = made(3)
    shuffled = table.sample(frac=1.0, random_state=1, ignore_index=True)
    assert revealed(open_shop(table), CASES) == revealed(open_shop(shuffled), CASES)


# Without times


def drawn(table, user, amount, seed):
    """Items by a digest of the seed, the user and the item."""
    mine = table[table["user_id"] == user]
    items = sorted(
        set(mine.loc[mine["event"] == "purchase", "item_id"]),
        key=lambda item: hashlib.md5(f"{seed}/{user}\x1f{item}".encode()).hexdigest(),
    )
    return sorted(mine.loc[mine["item_id"].isin(items[:amount]), "event_id"])


@pytest.mark.parametrize("seed", [SEED, 8])
def test_without_times_items_are_drawn_for_each_user(open_shop, seed):
    table = made(4, timed=False)
    shop = open_shop(table)
    found = revealed(shop, CASES, seed=seed)
    for case, user, n in CASES:
        assert found[case] == drawn(table, user, n, seed), case
    assert found == revealed(shop, CASES, seed=seed)
    assert found != revealed(shop, CASES, seed=seed + 1)


def test_without_times_oldest_and_newest_are_the_same_draw(open_shop):
    shop = open_shop(made(5, timed=False))
    assert revealed(shop, CASES, first=True) == revealed(shop, CASES, first=False)


def test_a_draw_for_one_user_does_not_depend_on_the_others(open_shop):
    table = made(6, timed=False)
    alone = [case for case in CASES if case[1] == "eve"]
    everybody = revealed(open_shop(table), CASES)
    single = revealed(open_shop(table[table["user_id"] == "eve"]), alone)
    assert single == {case: everybody[case] for case, _, _ in alone}
