"""What counts as one basket, on both engines, and what happens to large ones."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from recsys.engines import connect, frame
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.models.related import basket_table, build_baskets
from recsys.models.related.baskets import thinned
from recsys.vocabulary import Vocabulary

COLUMNS = {
    "user_id": "VARCHAR",
    "item_id": "VARCHAR",
    "event": "VARCHAR",
    "time": "BIGINT",
    "quantity": "DOUBLE",
    "basket_id": "VARCHAR",
    "session_id": "VARCHAR",
}
ITEMS = Vocabulary("abcde")


def event(user, item, *, day=0.0, event="purchase", quantity=None, basket=None, session=None):
    time = None if day is None else int(day * MICROSECONDS_PER_DAY)
    return (user, item, event, time, quantity, basket, session)


def baskets_of(events, *, timed=True, largest=200, seed=0):
    types = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with connect(threads=2) as connection:
        connection.execute(f"CREATE TABLE events ({types})")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", events)
        table = basket_table(frame(connection, "events"), ["purchase"], timed=timed)
    return build_baskets(table, ITEMS, largest=largest, seed=seed)


def contents(baskets):
    matrix = baskets.matrix
    rows = [matrix.indices[a:b] for a, b in zip(matrix.indptr, matrix.indptr[1:], strict=False)]
    return sorted("".join(ITEMS.ids[np.sort(row)]) for row in rows)


def test_a_basket_is_a_basket_else_a_session_else_a_day():
    found = baskets_of(
        [
            event("u", "a", basket="1", session="s", day=0),
            event("u", "b", basket="1", session="t", day=3),
            event("u", "c", session="s", day=0),
            event("u", "d", session="s", day=1),
            event("u", "e", day=0.1),
            event("u", "a", day=0.9),
            event("u", "b", day=1.1),
        ]
    )
    assert contents(found) == ["ab", "ae", "b", "cd"]
    assert found.unit == "day"


def test_equal_names_of_different_things_are_different_baskets():
    same = [
        event("u", "a", basket="0"),
        event("u", "b", session="0"),
        event("u", "c", day=0),
        event("v", "d", basket="0"),
    ]
    assert contents(baskets_of(same)) == ["a", "b", "c", "d"]


def test_only_what_was_bought_and_not_returned_counts_and_only_once():
    events = [
        event("u", "a"),
        event("u", "a", quantity=3.0),
        event("u", "b", event="view"),
        event("u", "c", quantity=-1.0),
        event("u", None),
        event("u", "z"),
    ]
    found = baskets_of(events)
    assert contents(found) == ["a"]
    assert found.matrix.data.tolist() == [1]


def test_without_times_and_baskets_a_user_is_a_basket_and_it_says_so():
    events = [event("u", "a", day=None), event("u", "b", day=None), event("v", "c", day=None)]
    found = baskets_of(events, timed=False)
    assert contents(found) == ["ab", "c"]
    assert found.unit == "user"


def test_no_events_are_no_baskets():
    found = baskets_of([event("u", "a", event="view")])
    assert found.matrix.shape == (0, len(ITEMS))


def test_both_engines_find_the_same_baskets():
    rng = np.random.default_rng(4)
    names = [None, "0", "1"]
    events = [
        event(f"u{u}", "abcde"[i], day=float(d), basket=names[b], session=names[s])
        for u, i, d, b, s in rng.integers(3, size=(80, 5))
    ]
    table = pd.DataFrame(events, columns=list(COLUMNS)).astype({"quantity": float})
    held = basket_table(nw.from_native(table).lazy(), ["purchase"], timed=True)
    ours = build_baskets(held, ITEMS, largest=200, seed=0)
    theirs = baskets_of(events)
    assert (ours.matrix != theirs.matrix).nnz == 0
    assert ours.unit == theirs.unit


def test_the_order_of_rows_changes_nothing_not_even_the_draw():
    rng = np.random.default_rng(1)
    events = [event(f"u{u}", "abcde"[i]) for u, i in rng.integers(5, size=(60, 2))]
    one = baskets_of(events, largest=2, seed=7)
    other = baskets_of([events[at] for at in rng.permutation(60)], largest=2, seed=7)
    np.testing.assert_array_equal(one.matrix.indices, other.matrix.indices)
    np.testing.assert_array_equal(one.matrix.indptr, other.matrix.indptr)


def test_large_rows_are_thinned_fairly_and_small_ones_kept():
    matrix = sparse.csr_matrix(np.vstack([np.ones((400, 10)), np.eye(10)]).astype(np.int32))
    thin = thinned(matrix, 4, seed=3)
    assert set(np.diff(thin.indptr)[:400]) == {4}
    assert (thin[400:] != matrix[400:]).nnz == 0
    # 400 rows of 4 out of 10: each column 160 times, standard deviation 9.8.
    drawn = np.asarray(thin[:400].sum(axis=0)).ravel()
    assert drawn == pytest.approx(np.full(10, 160), abs=5 * 9.8)
    assert (thinned(matrix, 4, seed=4) != thin).nnz > 0
