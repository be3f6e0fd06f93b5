"""Long files of items: the newest value of each property, whatever the order of the rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect, rows
from recsys.errors import ConfigError, DataError
from recsys.events.properties import fold
from recsys.events.shop import Shop

Read = Callable[..., Shop]
EVENTS = pd.DataFrame({"user_id": ["1"], "itemid": ["a"]})
COLUMNS = {"item_id": "itemid", "category": "categoryid"}
ROWS = [
    (20, "a", "categoryid", "new"),
    (10, "a", "categoryid", "old"),
    (30, "a", "790", "n7.000"),
    (10, "a", "available", "1"),
    (30, "a", "available", "0"),
    (10, "b", "CategoryID ", "x"),
    (10, "b", "brand", " Acme "),
    (10, "c", "888", "only hashed"),
]


def long(said: list[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(said, columns=["timestamp", "itemid", "property", "value"], dtype=object)


def test_an_item_is_the_newest_value_of_each_property(read: Read) -> None:
    shop = read(EVENTS, items=long(ROWS), columns=COLUMNS)
    items = shop.items()
    assert items["category"].to_dict() == {"a": "new", "b": "x"}
    assert items["available"].to_dict() == {"a": False, "b": True}
    assert items["brand"].fillna("none").to_dict() == {"a": "none", "b": "Acme"}
    assert set(items.columns) == {"category", "available", "brand", "price"}
    assert (shop.reports["items"].read, shop.reports["items"].accepted) == (2, 2)
    assert shop.reports["items"].rejected == {}


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_parts_are_one_file(ending: str, tmp_path: Path, read: Read) -> None:
    for number, part in enumerate((ROWS[:3], ROWS[3:])):
        frame, path = long(part).astype({"timestamp": "int64"}), tmp_path / f"p{number}.{ending}"
        if ending == "csv":
            frame.to_csv(path, index=False)
        elif ending == "jsonl":
            frame.to_json(path, orient="records", lines=True)
        else:
            frame.to_parquet(path)
    shop = read(EVENTS, items=str(tmp_path / f"p*.{ending}"), columns=COLUMNS)
    whole = read(EVENTS, items=long(ROWS), columns=COLUMNS)
    pd.testing.assert_frame_equal(shop.items(), whole.items())


def test_rows_that_say_nothing_of_an_item_are_rejected(tmp_path: Path, read: Read) -> None:
    bad = [("soon", "a", "categoryid", "x"), (10, None, "available", "1")]
    path = tmp_path / "items.csv"
    long([*ROWS, *bad]).to_csv(path, index=False)
    with path.open("a") as file:
        file.write("1,2,available,4,5,6\n")
    shop = read(EVENTS, items=str(path), columns=COLUMNS)
    report = shop.reports["items"]
    reasons = {"malformed_line": 1, "missing_item_id": 1, "unparsable_time": 1}
    assert (report.read, report.left_out, report.accepted) == (5, 0, 2)
    assert report.rejected == reasons
    (file,) = shop.write_rejected(tmp_path / "rejected")
    rejected = pd.read_parquet(file).set_index("reason")
    row = rejected.loc["unparsable_time", ["timestamp", "itemid", "property", "value"]]
    assert row.tolist() == ["soon", "a", "categoryid", "x"]
    assert rejected["malformed_line"].dropna().tolist() == ["1,2,available,4,5,6"]
    assert {reason for reason in reasons if not shop.remedies[reason]} == set()


def test_without_times_the_greatest_value_counts(read: Read) -> None:
    said = long([(None, "a", "brand", "x"), (None, "a", "brand", "y")]).drop(columns="timestamp")
    assert read(EVENTS, items=said, columns={"item_id": "itemid"}).items()["brand"]["a"] == "y"


def test_a_row_without_a_time_is_older_than_any_with_one(read: Read) -> None:
    said = long([("1970-01-01", "a", "brand", "x"), (None, "a", "brand", "y")])
    assert read(EVENTS, items=said, columns={"item_id": "itemid"}).items()["brand"]["a"] == "x"


def test_a_property_that_is_mapped_and_not_there(read: Read) -> None:
    with pytest.raises(ConfigError, match="category = 'aisle': no file has that column"):
        read(EVENTS, items=long(ROWS), columns={"item_id": "itemid", "category": "aisle"})


def test_a_file_of_nothing_but_unknown_properties(read: Read) -> None:
    with pytest.raises(DataError, match=r"no property of the items file is one of our words"):
        read(EVENTS, items=long(ROWS[2:3]), columns={"item_id": "itemid"})


def test_a_file_with_a_property_and_no_value_is_no_long_one(read: Read) -> None:
    items = pd.DataFrame({"itemid": ["a"], "property": ["brand"]})
    found = read(EVENTS, items=items, columns={"item_id": "itemid"}).items()
    assert found["property"].to_dict() == {"a": "brand"}


said = st.tuples(
    st.sampled_from([None, 10, 20]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["brand", "title", "790"]),
    st.sampled_from([None, "x", "y", "z"]),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(said, min_size=1).filter(lambda rows: any(row[2] != "790" for row in rows)))
def test_folding_is_a_slow_loop_in_any_order(several: list[tuple[Any, ...]]) -> None:
    expected: dict[str, dict[str, str]] = {}
    for _, item, name, value in sorted(several, key=lambda row: (row[0] or 0, row[3] or "")):
        if name != "790":
            kept = expected.setdefault(item, {})
            kept.update({name: value} if value else {})
    with connect(threads=1) as connection:
        connection.register("source", long(several[::-1]))
        fold(connection, "source", "folded", {"item_id": "itemid"})
        names = connection.table("folded").columns
        found = rows(connection, "SELECT * FROM folded")
    values = {
        row[0]: {n: v for n, v in zip(names, row, strict=True) if n != "item_id" and v is not None}
        for row in found
    }
    assert values == expected
