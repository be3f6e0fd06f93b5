"""What can be recommended, and a window's targets at their edges."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.interactions import bought_between, build_catalogue, hold_out, targets_of
from recsys.vocabulary import Vocabulary

EMPTY = pd.DataFrame({"available": pd.Series(dtype=bool)}, index=pd.Index([], dtype=object))


def test_without_an_items_file_what_was_seen_is_available_and_of_one_group() -> None:
    catalogue = build_catalogue(EMPTY, ["b", "a", "b"], ["category"])
    assert catalogue.items.ids.tolist() == ["a", "b"]
    assert catalogue.available.tolist() == [True, True]
    assert catalogue.category.tolist() == ["", ""]


def test_what_cannot_be_bought_is_still_an_item() -> None:
    file = pd.DataFrame({"available": [False, True]}, index=["gone", "here"])
    catalogue = build_catalogue(file, ["gone", "seen"], [])
    assert dict(zip(catalogue.items.ids, catalogue.available, strict=True)) == {
        "gone": False,
        "here": True,
        "seen": True,
    }
    assert catalogue.available.dtype == np.bool_


def test_columns_are_text_and_unknown_where_missing() -> None:
    file = pd.DataFrame(
        {"available": True, "size": [1, None], "brand": ["b", None]}, index=["a", "c"]
    )
    catalogue = build_catalogue(file, ["z"], ["size", "brand", "colour"])
    assert set(catalogue.columns) == {"size", "brand"}
    assert catalogue.columns["brand"].tolist() == ["b", "", ""]
    assert catalogue.columns["size"].tolist() == ["1.0", "", ""]
    codes, values = catalogue.codes("brand")
    assert (codes.tolist(), values.tolist()) == ([1, 0, 0], ["", "b"])


def test_an_empty_catalogue() -> None:
    catalogue = build_catalogue(EMPTY, [], ["category"])
    assert (len(catalogue.items), catalogue.category.tolist()) == (0, [])


def test_an_event_without_an_item_is_no_target() -> None:
    events = pd.DataFrame(
        {
            "user_id": ["a", "b"],
            "item_id": ["x", None],
            "event": "search",
            "quantity": 1.0,
            "amount": 0,
        },
        dtype=object,
    ).astype({"quantity": "float64", "amount": "Int64"})
    targets = bought_between(nw.from_native(events).lazy(), ["search"], Vocabulary(["x"]))
    assert targets.users.ids.tolist() == ["a"]


def test_targets_stand_by_user_and_item_whatever_the_order() -> None:
    pairs = pd.DataFrame({"user_id": list("bab"), "item_id": ["y", "new", "x"]})
    items = Vocabulary(["x", "y"])
    for table in (pairs, pairs[::-1]):
        targets = targets_of(table, items)
        assert (targets.user_index.tolist(), targets.items.tolist()) == ([0, 1, 1], [-1, 0, 1])
        assert [own.tolist() for own in targets.by_user()] == [[-1], [0, 1]]
    none = targets_of(pairs[:0], items)
    assert (len(none.users), none.by_user()) == (0, [])


@pytest.mark.parametrize(("users", "items", "hidden"), [(0, 1, 0), (1, 0, 0), (1, 1, 4)])
def test_all_or_nothing_is_held_out(users: float, items: float, hidden: int) -> None:
    pairs = pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyxy")})
    held = hold_out(pairs, seed=1, users=users, items=items)
    assert len(held) == hidden
    assert hidden == 0 or held.equals(pairs)
    assert hold_out(pairs[:0], seed=1, users=users, items=items).empty


def test_what_is_told_of_an_item_changes_that_and_nothing_else() -> None:
    file = pd.DataFrame(
        {"available": [False, True, True], "brand": ["x", "y", "z"]}, index=["a", "b", "c"]
    )
    catalogue = build_catalogue(file, [], ["brand"])
    told = {"a": {"price": 2}, "b": {"available": False}, "c": {"brand": "longer"}}
    changed = catalogue.told(told)
    # A price does not bring back what was sold out.
    assert changed.available.tolist() == [False, False, True]
    assert changed.columns["brand"].tolist() == ["x", "y", "longer"]
    assert changed.items is catalogue.items
    assert catalogue.available.tolist() == [False, True, True]
    assert catalogue.columns["brand"].tolist() == ["x", "y", "z"]
    # What was told can be taken back.
    again = changed.told({"b": {}, "c": {"available": False}}, catalogue)
    assert again.available.tolist() == [False, True, False]
    assert again.columns["brand"].tolist() == ["x", "y", "z"]


def test_an_item_that_nobody_knew_comes_behind_the_others() -> None:
    file = pd.DataFrame({"available": [True, False], "brand": ["x", "y"]}, index=["b", "d"])
    catalogue = build_catalogue(file, [], ["brand"])
    first = catalogue.told({"c": {"brand": "fresh"}, "a": {"available": False}})
    assert first.items.ids.tolist() == ["b", "d", "a", "c"]
    assert first.available.tolist() == [True, False, False, True]
    assert first.columns["brand"].tolist() == ["x", "y", "", "fresh"]
    second = first.told({"0": {}, "a": {}}, catalogue)
    assert second.items.index_of(["b", "d", "a", "c", "0", "?"]).tolist() == [0, 1, 2, 3, 4, -1]
    assert second.available.tolist() == [True, False, True, True, True]


CHANGES = st.dictionaries(
    st.sampled_from(["i0", "i3", "i7", "new1", "new2"]),
    st.dictionaries(st.just("brand"), st.sampled_from(["", "a", "b", "entirely new"])),
)


@given(st.lists(CHANGES, max_size=4))
def test_codes_that_are_handed_on_are_those_of_the_texts(rounds: list[dict]) -> None:
    brands = ["", "a", "b", "b", "c", "c", "a", "d"]
    file = pd.DataFrame({"brand": brands, "available": True}, index=[f"i{n}" for n in range(8)])
    before = build_catalogue(file, [], ["brand"])
    catalogue = before
    for changes in rounds:
        catalogue.codes("brand")
        catalogue = catalogue.told(changes, before)
        codes, values = catalogue.codes("brand")
        expected, places = np.unique(catalogue.columns["brand"], return_inverse=True)
        assert values.tolist() == expected.tolist()
        assert codes.tolist() == places.tolist()


def test_margins_are_of_items_that_tell_them() -> None:
    file = pd.DataFrame(
        {"available": True, "margin": [0.35, None, -1.0]},
        index=pd.Index(["a", "b", "c"], name="item_id"),
    )
    catalogue = build_catalogue(file, ["seen"], ["margin"])
    assert catalogue.margins() == {"a": 0.35, "c": -1.0}
    told = catalogue.told({"b": {"margin": 2}, "c": {"margin": None}, "new": {"margin": 0.5}})
    assert told.margins() == {"a": 0.35, "b": 2.0, "new": 0.5}
    assert build_catalogue(file, [], []).margins() == {}
