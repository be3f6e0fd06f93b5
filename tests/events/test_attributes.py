"""Users and items: one row each, as of a moment, whatever is in their files."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.engines import rows
from recsys.events.attributes import ITEM_RULES, USER_RULES, attributes_as_of
from recsys.events.schema import LONGEST_ID
from recsys.events.shop import Shop
from recsys.events.times import parse_time

Read = Callable[..., Shop]
EVENTS = pd.DataFrame({"user_id": ["1"], "item_id": ["a"], "timestamp": ["2017-12-01"]})
LATE = parse_time("2030-01-01")


def day(text: str) -> int:
    return parse_time(f"2017-12-{text}")


# users


def test_attributes_are_of_the_newest_row_before_the_moment(read: Read) -> None:
    users = pd.DataFrame(
        {
            "user_id": ["1", "1", "1", "2"],
            "valid_from": ["2017-12-20", None, "2017-12-10", "2017-12-10"],
            "city": ["new", "first", "middle", "x"],
        }
    )
    shop = read(EVENTS, users=users)
    assert shop.reports["users"].rejected == {}
    known = {text: shop.users(as_of=day(text))["city"].to_dict() for text in ("10", "11", "21")}
    assert known["10"] == {"1": "first"}
    assert known["11"] == {"1": "middle", "2": "x"}
    assert known["21"] == {"1": "new", "2": "x"}
    assert shop.users(as_of=day("20") + 1)["city"]["1"] == "new"
    assert shop.users(as_of=day("20"))["city"]["1"] == "middle"


def test_without_event_times_the_newest_attributes_count(read: Read) -> None:
    users = pd.DataFrame(
        {"user_id": ["1", "1"], "valid_from": ["2017-12-20", "2016-01-01"], "city": ["new", "old"]}
    )
    shop = read(EVENTS.drop(columns="timestamp"), users=users)
    assert shop.users(as_of=shop.after_all())["city"].to_dict() == {"1": "new"}


def test_without_a_users_file_nobody_has_attributes(read: Read) -> None:
    attributes = read(EVENTS).users(as_of=LATE)
    assert (len(attributes), list(attributes.columns)) == (0, [])


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_leading_zeros_survive_in_users_and_items(ending: str, tmp_path: Path, read: Read) -> None:
    frames = {"users": {"user_id": ["007", "7"]}, "items": {"item_id": ["007", "7"]}}
    for name, columns in frames.items():
        path = tmp_path / f"{name}.{ending}"
        frame = pd.DataFrame({**columns, "kind": ["x", "y"]})
        if ending == "csv":
            frame.to_csv(path, index=False)
        elif ending == "jsonl":
            frame.to_json(path, orient="records", lines=True)
        else:
            frame.to_parquet(path)
    sources = {name: str(tmp_path / f"{name}.{ending}") for name in frames}
    shop = read(EVENTS, **sources)
    assert shop.users(as_of=LATE)["kind"].to_dict() == {"007": "x", "7": "y"}
    assert shop.items()["kind"].to_dict() == {"007": "x", "7": "y"}


BAD_USERS: dict[str, dict[str, Any]] = {
    "missing_user_id": {"user_id": None},
    "id_too_long": {"user_id": "x" * (LONGEST_ID + 1)},
    "nul_in_id": {"user_id": "7\0"},
    "unparsable_time": {"valid_from": "soon"},
    "duplicate_user_id": {},
}
BAD_ITEMS: dict[str, dict[str, Any]] = {
    "missing_item_id": {"item_id": " "},
    "id_too_long": {"item_id": "x" * (LONGEST_ID + 1)},
    "nul_in_id": {"item_id": "7\0"},
    "unparsable_price": {"price": "9,90"},
    "negative_price": {"price": "-0.01"},
    "duplicate_item_id": {},
}
USER = {"user_id": "1", "valid_from": None, "city": "z"}
ITEM = {"item_id": "a", "price": "9.90", "category": "z"}


def test_every_rule_has_its_bad_row() -> None:
    assert {rule.reason for rule in USER_RULES} | {"duplicate_user_id"} == set(BAD_USERS)
    assert {rule.reason for rule in ITEM_RULES} | {"duplicate_item_id"} == set(BAD_ITEMS)


@pytest.mark.parametrize("reason", BAD_USERS)
def test_a_bad_user_is_rejected_beside_the_good_one(reason: str, read: Read) -> None:
    shop = read(EVENTS, users=pd.DataFrame([{**USER, **BAD_USERS[reason]}, USER], dtype=object))
    assert shop.reports["users"].rejected == {reason: 1}
    assert shop.users(as_of=LATE)["city"].to_dict() == {"1": "z"}
    assert shop.remedies[reason]


@pytest.mark.parametrize("reason", BAD_ITEMS)
def test_a_bad_item_is_rejected_beside_the_good_one(reason: str, read: Read) -> None:
    shop = read(EVENTS, items=pd.DataFrame([{**ITEM, **BAD_ITEMS[reason]}, ITEM], dtype=object))
    assert shop.reports["items"].rejected == {reason: 1}
    assert shop.items()["price"].to_dict() == {"a": 990}
    assert shop.remedies[reason]


@pytest.mark.parametrize("name", ["users", "items"])
def test_a_bad_row_that_sorts_first_does_not_cost_the_good_one(name: str, read: Read) -> None:
    key, good, bad = {
        "users": ("user_id", {**USER, "city": "a"}, {**USER, "valid_from": "soon"}),
        "items": ("item_id", {**ITEM, "category": "a"}, {**ITEM, "price": "-1"}),
    }[name]
    frame = pd.DataFrame([good, bad, bad], dtype=object)
    shop = read(EVENTS, **{name: frame})
    assert (shop.reports[name].accepted, sum(shop.reports[name].rejected.values())) == (1, 2)
    assert f"duplicate_{key}" not in shop.reports[name].rejected


@pytest.mark.parametrize("name", ["users", "items"])
def test_the_copy_that_is_kept_depends_on_no_order(name: str, read: Read) -> None:
    key = {"users": "user_id", "items": "item_id"}[name]
    copies = [
        {key: "a", "brand": "x", "title": "t1", "size": 1},
        {key: "a", "brand": "y", "title": "t1", "size": None},
        {key: "a", "brand": "x", "title": "t2", "size": 1},
    ]
    found = set()
    for order in itertools.permutations(copies):
        shop = read(EVENTS, **{name: pd.DataFrame(order)})
        assert shop.reports[name].rejected == {f"duplicate_{key}": 2}
        found.add(str(rows(shop.connection, f"SELECT * FROM {name}")))
    assert len(found) == 1


def test_attributes_as_of_leaves_its_frame_alone() -> None:
    users = pd.DataFrame({"user_id": ["b", "a"], "valid_from": [5.0, None], "age": [1, 2]})
    before = users.copy()
    assert attributes_as_of(users, 5)["age"].to_dict() == {"a": 2}
    assert attributes_as_of(users, 6)["age"].to_dict() == {"a": 2, "b": 1}
    pd.testing.assert_frame_equal(users, before)


# items


def test_without_an_items_file_there_are_the_columns_alone(read: Read) -> None:
    items = read(EVENTS).items()
    assert (len(items), list(items.columns)) == (0, ["available", "category", "price"])


@pytest.mark.parametrize(
    ("column", "available"),
    [
        (["false", "FALSE", " No ", "n", "0", "0.0", "f"], False),
        (["true", "yes", "1", "1.0", "", None, "sold"], True),
        ([False, False], False),
        ([0, 0], False),
        ([0.0, None], [False, True]),
        ([1.0, None], True),
        (pd.Series([False, None], dtype="boolean"), [False, True]),
    ],
)
def test_available_in_all_its_spellings(
    column: Any, available: bool | list[bool], read: Read
) -> None:
    items = pd.DataFrame({"available": column})
    items["item_id"] = [f"i{n}" for n in range(len(items))]
    expected = available if isinstance(available, list) else [available] * len(items)
    assert read(EVENTS, items=items).items()["available"].tolist() == expected


def test_a_list_of_columns_is_a_hierarchy(read: Read) -> None:
    items = pd.DataFrame(
        {
            "item_id": ["a", "b", "c", "d"],
            "dept": ["Food", "Food", None, " "],
            "aisle": [" Bread ", None, "Toys", None],
        }
    )
    shop = read(EVENTS, items=items, columns={"category": ["dept", "aisle"]})
    kept = shop.items()
    assert kept["category"].fillna("none").tolist() == ["Food > Bread", "Food", "Toys", "none"]
    assert kept["dept"]["a"] == "Food"


def test_a_missing_category_is_missing(read: Read) -> None:
    items = pd.DataFrame({"item_id": ["a", "b"], "category": ["", "x"], "price": [0, None]})
    kept = read(EVENTS, items=items).items()
    assert kept["category"].isna().tolist() == [True, False]
    assert kept["price"].isna().tolist() == [False, True]
    bare = read(EVENTS, items=items[["item_id"]]).items()
    assert bare["category"].isna().all()
    assert bare["available"].all()


def test_other_columns_are_kept_as_they_are(read: Read) -> None:
    items = pd.DataFrame(
        {"item_id": [1, 2], "Colour": ["red", None], "brand": [" b ", ""], "cost": [1.5, 2.5]}
    )
    kept = read(EVENTS, items=items, columns={"margin": "cost"}).items()
    assert kept["Colour"].tolist()[0] == "red"
    assert kept["brand"].tolist()[0] == "b"
    assert kept["brand"].isna().tolist() == [False, True]
    assert kept["margin"].tolist() == ["1.5", "2.5"]
    assert "cost" not in kept
