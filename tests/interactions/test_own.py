"""One user's history by arrays against the pair table: the same to the last bit."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.events.schema import MICROSECONDS_PER_DAY as DAY
from recsys.interactions import HALF_LIVES, InteractionsConfig, build_histories, pair_table
from recsys.interactions.own import NEVER, OwnEvents, own_history
from recsys.vocabulary import Vocabulary

NOW = 400 * DAY + 12_345
ITEMS = Vocabulary("wxyz")
KINDS = ("cart", "rating", "view")
CONFIGS = [
    InteractionsConfig(half_life="30d"),
    InteractionsConfig(half_life="none", target=["purchase", "cart"]),
    InteractionsConfig(event_weights={"view": 0.1, "purchase": 1.0}),
]

events = st.tuples(
    st.sampled_from(["w", "x", "y", "unknown", None]),
    st.sampled_from(["view", "cart", "purchase", "return", "rating", "search"]),
    st.integers(-1, 400 * 24).map(lambda hours: NOW - hours * DAY // 24 - 7),
    st.sampled_from([None, 0.0, 1.0, 2.5, 1e4]),
    st.sampled_from([None, 1.0, 4.5]),
)


def framed(rows, *, timed=True):
    names = ["item_id", "event", "time", "quantity", "rating"]
    table = pd.DataFrame(rows, columns=names).assign(user_id="u")
    if not timed:
        table["time"] = None
    return table.astype({"time": "Int64", "quantity": "float64", "rating": "float64"})


def by_table(table, config, kinds, *, timed):
    lazy = nw.from_native(table).lazy()
    before = lazy.filter(nw.col("time") < NOW) if timed else lazy
    pairs = pair_table(before, config, as_of=NOW, timed=timed, half_lives=HALF_LIVES, kinds=kinds)
    return build_histories(pairs, Vocabulary(["u"]), ITEMS, as_of=NOW, kinds=kinds)


def by_arrays(table, config, kinds, *, timed):
    own = OwnEvents(
        ITEMS.index_of(table["item_id"]),
        table["event"].to_numpy(dtype=object),
        table["time"].fillna(NEVER).to_numpy(dtype=np.int64),
        table["quantity"].to_numpy(),
        table["rating"].to_numpy(),
    )
    return own_history("u", own, len(ITEMS), config, as_of=NOW, timed=timed, kinds=kinds)


def assert_same(one, other):
    for name in ("indptr", "items", "worth", "visits", "decayed_visits"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("since_last", "since_first"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert (one.contacts is None) == (other.contacts is None)
    if one.contacts is not None:
        assert one.contacts.kinds == other.contacts.kinds
        for name in ("decayed", "since_last", "rating"):
            np.testing.assert_array_equal(
                getattr(one.contacts, name), getattr(other.contacts, name), err_msg=name
            )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(events, max_size=25),
    st.sampled_from(CONFIGS),
    st.sampled_from([(), KINDS, ("view",)]),
    st.booleans(),
)
def test_both_ways_agree_to_the_last_bit(rows, config, kinds, timed):
    table = framed(rows, timed=timed)
    expected = by_table(table, config, kinds, timed=timed)
    assert_same(by_arrays(table, config, kinds, timed=timed), expected)


@pytest.mark.parametrize("kinds", [(), KINDS])
def test_nothing_known(kinds):
    found = by_arrays(framed([]), CONFIGS[0], kinds, timed=True)
    assert found.indptr.tolist() == [0, 0]
    assert found.decayed_visits.shape == (0, len(HALF_LIVES))


def test_what_is_to_come_is_not_used():
    rows = [("w", "purchase", NOW, 1.0, None), ("x", "purchase", NOW - 1, 1.0, None)]
    assert by_arrays(framed(rows), CONFIGS[0], (), timed=True).items.tolist() == [1]
