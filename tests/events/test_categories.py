"""A category tree: every path ends, whatever the tree."""

from collections.abc import Callable
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.events.categories import cycles, path
from recsys.events.shop import Shop

Read = Callable[..., Shop]
EVENTS = pd.DataFrame({"user_id": ["1"], "item_id": ["a"]})
COLUMNS = {"category": "categoryid", "parent": "parentid"}
nodes = st.sampled_from("abcdefg")


def tree(*links: tuple[str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(list(links), columns=["categoryid", "parentid"], dtype=object)


def items(*categories: str | None) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [f"i{n}" for n in range(len(categories))],
                         "categoryid": list(categories)}, dtype=object)  # fmt: skip


def test_a_category_becomes_its_path_from_the_root(read: Read) -> None:
    shop = read(
        EVENTS,
        items=items("1", "2", "3", None),
        category_tree=tree(("1", None), ("2", "1"), ("3", " 2 "), ("4", "1")),
        columns=COLUMNS,
    )
    found = shop.items()["category"].fillna("none").tolist()
    assert found == ["1", "1 > 2", "1 > 2 > 3", "none"]
    assert shop.reports["category_tree"].accepted == 4
    assert [note for note in shop.off() if "category_tree" in note] == []


def test_numbers_of_any_kind_are_the_same_category(read: Read) -> None:
    floats = pd.DataFrame({"item_id": ["a", "b"], "categoryid": [3.0, None]})
    links = pd.DataFrame({"categoryid": [3, 7], "parentid": [7.0, None]})
    shop = read(EVENTS, items=floats, category_tree=links, columns=COLUMNS)
    assert shop.items()["category"]["a"] == "7 > 3"


def test_a_cycle_is_counted_and_ends_the_path(read: Read) -> None:
    shop = read(
        EVENTS,
        items=items("below", "x", "self"),
        category_tree=tree(("x", "y"), ("y", "x"), ("below", "x"), ("self", "self"), ("r", None)),
        columns=COLUMNS,
    )
    assert shop.items()["category"].tolist() == ["x > below", "x", "self"]
    report = shop.reports["category_tree"]
    assert (report.read, report.accepted, report.rejected) == (5, 2, {"category_cycle": 3})
    assert shop.remedies["category_cycle"]


def test_parents_and_categories_without_a_row_are_noted(read: Read) -> None:
    shop = read(
        EVENTS,
        items=items("child", "stray"),
        category_tree=tree(("child", "gone"), ("r", None)),
        columns=COLUMNS,
    )
    assert shop.items()["category"].tolist() == ["gone > child", "stray"]
    said = " ".join(shop.off())
    assert "parents without a row of their own: 1, such as 'gone'" in said
    assert "categories of items that are not in it: 1, such as 'stray'" in said


def test_a_category_with_two_parents_keeps_one_whatever_the_order(read: Read) -> None:
    links = [("a", "x"), ("a", "y"), ("a", None), (None, "x"), ("x", None), ("y", None)]
    for order in (links, links[::-1]):
        shop = read(EVENTS, items=items("a"), category_tree=tree(*order), columns=COLUMNS)
        assert shop.items()["category"].tolist() == ["y > a"]
        rejected = shop.reports["category_tree"].rejected
        assert rejected == {"duplicate_category": 2, "missing_category": 1}
        assert {reason for reason in rejected if not shop.remedies[reason]} == set()


def test_a_tree_without_items_changes_nothing(read: Read) -> None:
    shop = read(EVENTS, category_tree=tree(("a", "b")), columns=COLUMNS)
    assert len(shop.items()) == 0


def test_a_tree_without_parents_says_what_is_missing(read: Read) -> None:
    with pytest.raises(DataError, match=r"category_tree source has no column for 'parent'"):
        read(EVENTS, category_tree=pd.DataFrame({"category": ["a"]}))


def test_a_long_chain_is_walked() -> None:
    parents = {str(n): str(n + 1) for n in range(5000)}
    assert cycles(parents) == set()
    assert path("0", parents).count(" > ") == 5000
    assert cycles({**parents, "5000": "0"}) == {str(n) for n in range(5001)}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(nodes, nodes))
def test_on_a_cycle_is_who_comes_back_to_herself(parents: dict[str, str]) -> None:
    expected = set()
    for start in parents:
        step: str | None = start
        for _ in range(len(parents)):
            step = parents.get(step or "")
            if step == start:
                expected.add(start)
    assert cycles(parents) == expected
    cut = {child: above for child, above in parents.items() if child not in expected}
    for category in {*parents, *parents.values()}:
        steps = path(category, cut).split(" > ")
        assert steps[-1] == category
        assert steps[0] not in cut
        assert all(cut[low] == high for high, low in pairwise(steps))
