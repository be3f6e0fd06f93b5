"""What the tests of profiles share: a small shop, events at random, and features by name."""

from functools import cache

import narwhals as nw
import numpy as np
import pandas as pd
from hypothesis import strategies as st

from recsys.engines import connect, frame
from recsys.interactions import build_catalogue
from recsys.random import generator
from recsys.segments import learn_reference
from recsys.segments.profiles import (
    FEATURES,
    Span,
    derive_profiles,
    learn_norms,
    measure_profiles,
)
from recsys.segments.reference import goods_beside

from .conftest import AS_OF, event_frame

TARGET = ("purchase",)
ITEMS = pd.DataFrame(
    {
        "category": ["bread", "bread", "bread", "milk", "milk", None],
        "brand": ["ours", "theirs", None, "ours", "best", None],
        "price": [100, 200, 300, 150, 250, None],
        "created_at": ["2023-01-01", "2024-06-11", "2024-05-22", "2024-01-01", None, None],
        "available": True,
    },
    index=pd.Index(["rye", "oat", "bun", "whole", "lean", "odd"], name="item_id"),
)
"""Price positions: bread at a sixth, a half and five sixths, milk at a quarter and three."""
EVER = Span(AS_OF, np.inf)
LATELY = Span(AS_OF, 45.0)
SPANS = (EVER, LATELY)


class Shop:
    """Events and items, measured on frames of pandas or on DuckDB."""

    def __init__(self, rows, items=ITEMS, *, timed=True, own_brands=("ours",)):
        self.frame = event_frame(rows) if timed else untimed(event_frame(rows))
        self.timed = timed
        self.catalogue = build_catalogue(
            items, self.frame["item_id"].dropna(), ("category", "brand")
        )
        self.reference = learn_reference(
            nw.from_native(self.frame).lazy(),
            items,
            self.catalogue,
            target=TARGET,
            timed=timed,
            own_brands=own_brands,
        )

    def measure(self, events, wanted):
        goods = goods_beside(events, self.catalogue, self.reference)
        return measure_profiles(events, goods, wanted, target=TARGET, timed=self.timed)

    def measure_here(self, wanted, rows=None):
        """Sums of some events, by default all of them."""
        events = self.frame if rows is None else rows
        return self.measure(nw.from_native(events).lazy(), wanted)

    def measure_on_engine(self, wanted, rows=None):
        connection = connect(threads=2)
        connection.register("events", self.frame if rows is None else rows)
        found = self.measure(frame(connection, "events"), wanted)
        connection.close()
        return found

    def position(self, item_id):
        return self.reference.price_position[self.catalogue.items.index_of([item_id])[0]]


def untimed(events):
    return events.assign(time=pd.array([None] * len(events), dtype="Int64"))


def profile(rows, wanted, *, days=np.inf, norms=None, **options):
    """Features of each user, with norms of these very users unless they are given."""
    span = Span(AS_OF, days)
    sums = Shop(rows, **options).measure_here({span: tuple(wanted)})
    return derive_profiles(sums, learn_norms(sums) if norms is None else norms)[span][list(wanted)]


def bought(user, item, days, **more):
    return {"user_id": user, "item_id": item, "days": days, **more}


def is_bought(row):
    return row.get("event", "purchase") == "purchase" and row.get("quantity") != 0.0


def purchases_of(rows, user):
    return [row for row in rows if row["user_id"] == user and is_bought(row)]


def known(table, user, feature):
    """A feature of a user; NaN for one who has no row."""
    return table[feature].get(user, np.nan)


def within(rows, days):
    return [row for row in rows if row["days"] <= days]


def on_shelf(item, column):
    """What the items file says of an item; None = nothing."""
    value = ITEMS[column][item]
    return None if pd.isna(value) else value


CHOICES = {
    "item_id": list(ITEMS.index),
    "event": ["purchase"] * 4 + ["view", "return", "rating", "search"],
    "days": [hours / 24 for hours in range(1, 24 * 150)],
    "amount": [None, -300, *range(0, 5000, 7)],
    "discount": [None, 0, 0, *range(0, 900, 7)],
    "quantity": [None, None, 0.0, 1.0, 2.5],
    "basket_id": [None, None, "b1", "b2"],
    "rating": [None, None, 1.0, 4.0, 5.0],
    "sentiment": [None, None, -0.7, 0.1, 1.0],
    "query": [None, " ", "Rye  Bread", "rye bread", "MILK"],
}
"""What an event may say; all times are full hours."""


def _row(row):
    # A search is for words, and every other event is about an item.
    return {**row, "item_id" if row["event"] == "search" else "query": None}


ROWS = st.lists(
    st.fixed_dictionaries(
        {"user_id": st.sampled_from("abc")}
        | {name: st.sampled_from(choices) for name, choices in CHOICES.items()}
    ).map(_row),
    min_size=1,
    max_size=25,
)


@cache
def crowd():
    """Events of fifty users who did from one to fifteen things."""
    draw = generator(11, "crowd")
    return [
        _row(
            {"user_id": f"u{user:02}"}
            | {name: choices[draw.integers(len(choices))] for name, choices in CHOICES.items()}
        )
        for user in range(50)
        for _ in range(1 + user % 15)
    ]


@cache
def crowd_shop():
    return Shop(crowd())


@cache
def crowd_profiles():
    """Every feature of the crowd, ever and lately, with norms of the crowd."""
    sums = crowd_shop().measure_here({span: tuple(FEATURES) for span in (EVER, LATELY)})
    return derive_profiles(sums, learn_norms(sums))


def assert_crowd(span, features, expected):
    """Compare features of the crowd with a slow loop: `expected` takes the lines of a user."""
    table = crowd_profiles()[span]
    users = sorted({row["user_id"] for row in crowd()})
    found = [[known(table, user, name) for name in features] for user in users]
    wanted = [expected(within(purchases_of(crowd(), user), span.days)) for user in users]
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-8)
