import narwhals as nw
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.interactions import (
    Histories,
    bought_between,
    build_catalogue,
    came_back,
    hold_out,
    targets_of,
)
from recsys.vocabulary import Vocabulary

ITEMS = Vocabulary(["x", "y", "z"])


def pairs(*rows):
    return pd.DataFrame(list(rows), columns=["user_id", "item_id"], dtype=object)


def test_targets_are_distinct_purchases_and_unknown_items_count():
    events = pd.DataFrame(
        {
            "user_id": ["b", "a", "b", "b", "b", "c"],
            "item_id": ["y", "x", "y", "new", "z", "x"],
            "event": ["purchase", "purchase", "purchase", "purchase", "view", "purchase"],
            "quantity": [1.0, None, 2.0, 1.0, 1.0, 0.0],
            "amount": [250, 100, 300, 50, 70, 0],
        }
    )
    targets = bought_between(nw.from_native(events).lazy(), ["purchase"], ITEMS)
    assert targets.users.ids.tolist() == ["a", "b"]
    assert [sorted(items.tolist()) for items in targets.by_user()] == [[0], [-1, 1]]
    paid = dict(zip(targets.items.tolist(), targets.amounts.tolist(), strict=True))
    assert paid == {0: 100, 1: 550, -1: 50}


def histories_of(rows):
    users = Vocabulary(user for user, _ in rows)
    codes = sorted((int(users.index_of([u])[0]), int(ITEMS.index_of([i])[0])) for u, i in rows)
    counts = np.bincount([user for user, _ in codes], minlength=len(users))
    ones = np.ones(len(codes))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    items = np.asarray([item for _, item in codes], dtype=np.int64)
    return Histories(users, len(ITEMS), indptr, items, ones, ones, ones[:, None], ones, ones)


some_pairs = st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1)


@settings(max_examples=50, deadline=None)
@given(some_pairs, some_pairs)
def test_came_back_equals_a_slow_loop(known, bought):
    histories = histories_of(known)
    targets = targets_of(pairs(*bought, ("d", "x"), ("a", "new")), ITEMS)
    found = came_back(histories, targets)
    users, items = histories.users.ids[histories.user_index], ITEMS.ids[histories.items]
    assert found.tolist() == [(u, i) in bought for u, i in zip(users, items, strict=True)]


def everything(n_users=200, n_items=20):
    return pairs(*((f"u{u:03d}", f"i{i:02d}") for u in range(n_users) for i in range(n_items)))


def test_hold_out_is_seeded_and_ignores_the_order_of_rows():
    table = everything()
    shuffled = table.sample(frac=1.0, random_state=1)
    one, other = (hold_out(t, seed=3, users=0.2, items=0.2) for t in (table, shuffled))
    pd.testing.assert_frame_equal(one, other)
    assert not one.equals(hold_out(table, seed=4, users=0.2, items=0.2))


def test_hold_out_takes_the_shares_it_was_asked_for():
    hidden = hold_out(everything(), seed=0, users=0.2, items=0.2)
    # 40 users of 200 and 160 of their 800 items are expected; four standard errors either way.
    assert abs(hidden["user_id"].nunique() - 40) < 4 * np.sqrt(200 * 0.2 * 0.8)
    mine = 20 * hidden["user_id"].nunique()
    assert abs(len(hidden) - 0.2 * mine) < 4 * np.sqrt(mine * 0.2 * 0.8)


def test_the_catalogue_is_the_file_and_what_was_seen():
    file = pd.DataFrame({"available": [True, False], "category": ["a > b", None]}, index=["x", "y"])
    catalogue = build_catalogue(file, ["z", "x"], ("category", "brand"))
    assert catalogue.items.ids.tolist() == ["x", "y", "z"]
    assert catalogue.available.tolist() == [True, False, True]
    assert catalogue.category.tolist() == ["a > b", "", ""]
    assert "brand" not in catalogue.columns
    codes, values = catalogue.codes("category")
    assert values[codes].tolist() == catalogue.category.tolist()
