import math

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect, frame
from recsys.errors import ConfigError
from recsys.interactions import HALF_LIVES, InteractionsConfig, build_histories, pair_table
from recsys.models import confidence
from recsys.vocabulary import Vocabulary

DAY = 86_400_000_000
AS_OF = 400 * DAY
CONFIG = InteractionsConfig(half_life="30d")
WEIGHTS = {"view": 1, "cart": 3, "purchase": 5, "return": -5, "rating": 0}


def events_of(rows):
    """Rows of (user, item, event, days before the moment, quantity)."""
    names = ["user_id", "item_id", "event", "days", "quantity"]
    table = pd.DataFrame(rows, columns=names).astype({"quantity": "float64"})
    table["time"] = AS_OF - (table.pop("days") * DAY).astype("int64")
    return table


def pairs_of(rows, config=CONFIG, **options):
    lazy = nw.from_native(events_of(rows)).lazy()
    return by_pair(
        pair_table(lazy, config, as_of=AS_OF, half_lives=HALF_LIVES, **{"timed": True, **options})
    )


def by_pair(table):
    return table.set_index(["user_id", "item_id"]).sort_index()


def test_worth_is_weight_times_decay_times_log_of_quantity():
    pairs = pairs_of([("u", "i", "purchase", 30, 3), ("u", "i", "view", 60, None)])
    assert pairs.loc[("u", "i"), "worth"] == pytest.approx(5 * 0.5 * 2 + 1 * 0.25 * 1, abs=1e-9)


def test_a_return_takes_worth_away():
    pairs = pairs_of([("u", "i", "purchase", 30, 1), ("u", "i", "return", 30, 1)])
    assert pairs.loc[("u", "i"), "worth"] == 0


def test_a_line_of_a_huge_quantity_does_not_matter():
    one, many = 1.0, 85_055.0
    worth = [pairs_of([("u", "i", "purchase", 1, q)])["worth"].iloc[0] for q in (one, many)]
    # It counts as log2(85,056) = 16.4 single lines, and as 1.7 of them in confidence.
    assert worth[1] / worth[0] == pytest.approx(math.log2(many + 1), rel=1e-6)
    small, huge = confidence(np.asarray(worth), alpha=10.0)
    assert huge / small < 2.5


def test_buying_twice_on_a_day_is_one_visit():
    pairs = pairs_of([("u", "i", "purchase", 3.1, 1), ("u", "i", "purchase", 3.2, 1)])
    assert pairs.loc[("u", "i"), "visits"] == 1


def test_looking_is_no_visit():
    pairs = pairs_of([("u", "i", "view", 3, 1)])
    assert pairs.loc[("u", "i"), ["visits", "decayed_0"]].tolist() == [0, 0]


def test_without_times_every_line_is_a_visit_and_nothing_fades():
    rows = [("u", "i", "purchase", 300, 1), ("u", "i", "purchase", 300, 1)]
    found = pairs_of(rows, timed=False).loc[("u", "i")]
    assert found["worth"] == pytest.approx(2 * 5)
    assert found[["visits", *faded(found)]].tolist() == [2] * (1 + len(HALF_LIVES))


def faded(table):
    return [name for name in table.index if str(name).startswith("decayed_")]


def slow(rows, user, item):
    worth, days = 0.0, {}
    for who, what, event, age, quantity in rows:
        if (who, what) == (user, item):
            count = 1.0 if quantity is None else quantity
            worth += WEIGHTS[event] * 2 ** (-age / 30) * math.log2(1 + count)
            if event == "purchase" and count > 0:
                day = (AS_OF - int(age * DAY)) // DAY
                days[day] = min(age, days.get(day, math.inf))
    visits = [sum(2 ** (-age / life) for age in days.values()) for life in HALF_LIVES]
    return worth, len(days), visits


some_events = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from("xyz"),
        st.sampled_from(list(WEIGHTS)),
        st.integers(1, 4000).map(lambda hours: hours / 16),
        st.sampled_from([None, 0.0, 1.0, 2.0, 12.0]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(some_events)
def test_pairs_equal_a_slow_loop(rows):
    pairs = pairs_of(rows)
    for user, item in pairs.index:
        worth, visits, decayed = slow(rows, user, item)
        found = pairs.loc[(user, item)]
        assert found["worth"] == pytest.approx(worth, abs=1e-7)
        assert found["visits"] == visits
        assert found[faded(found)].tolist() == pytest.approx(decayed, abs=1e-7)


@settings(max_examples=15, deadline=None)
@given(some_events, st.randoms(use_true_random=False), st.integers(1, 3))
def test_the_engine_its_threads_and_the_order_of_rows_change_no_bit(rows, random, threads):
    connection = connect(threads=threads)
    connection.register("events", events_of(random.sample(rows, len(rows))))
    events = frame(connection, "events")
    options = {"as_of": AS_OF, "timed": True, "half_lives": HALF_LIVES}
    on_engine = by_pair(pair_table(events, CONFIG, **options))
    connection.close()
    pd.testing.assert_frame_equal(on_engine, pairs_of(rows), check_dtype=False, check_exact=True)


def histories_of(rows, users=None):
    table = pairs_of(rows).reset_index()
    known = Vocabulary(users or table["user_id"])
    return build_histories(table, known, Vocabulary(table["item_id"]), as_of=AS_OF)


@settings(max_examples=25, deadline=None)
@given(some_events)
def test_histories_are_sorted_and_hold_every_pair(rows):
    table = pairs_of(rows)
    histories = histories_of(rows, ["a", "b", "nobody"])
    assert histories.indptr[-1] == len(histories.items) == len(table)
    for user in range(3):
        items = histories.items[histories.rows(user)]
        assert np.all(np.diff(items) > 0)
    matrix = histories.user_items()
    assert matrix.shape == (3, histories.n_items)
    np.testing.assert_allclose(matrix.sum(), table["worth"].sum(), atol=1e-6)


def test_aligned_takes_users_in_their_order_and_unknown_ones_empty():
    rows = [("a", "x", "purchase", 1, 1), ("b", "y", "purchase", 2, 1), ("b", "z", "view", 3, 1)]
    histories = histories_of(rows).aligned(Vocabulary(["aa", "b", "a"]))
    assert histories.users.ids.tolist() == ["a", "aa", "b"]
    assert np.diff(histories.indptr).tolist() == [1, 0, 2]
    assert histories.items.tolist() == [0, 1, 2]
    assert histories.since_last[0] == pytest.approx(1.0)
    assert math.isnan(histories.since_last[2])


def test_items_outside_the_vocabulary_are_left_out():
    table = pairs_of([("a", "x", "purchase", 1, 1), ("a", "y", "purchase", 1, 1)]).reset_index()
    histories = build_histories(table, Vocabulary(["a"]), Vocabulary(["y"]), as_of=AS_OF)
    assert histories.items.tolist() == [0]


@pytest.mark.parametrize("text", ["", "90", "90 days", "0d", "-3d", "d", "nan"])
def test_a_half_life_that_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="is not a duration"):
        InteractionsConfig(half_life=text)
