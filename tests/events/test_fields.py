"""How one value is read: ids, times, numbers and money."""

import datetime as dt
import decimal
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from recsys.engines import connect, rows
from recsys.errors import ConfigError, DataError
from recsys.events import mapping
from recsys.events.shop import Shop

Read = Callable[..., Shop]
Values = Callable[[Any, Callable[[mapping.Column], str]], list[Any]]
MORNING = 1_512_115_200_000_000
"""2017-12-01T08:00:00Z in microseconds."""
MIDNIGHT = 1_512_086_400_000_000
HOUR = 3_600_000_000


@pytest.fixture(scope="module")
def values() -> Iterator[Values]:
    """Reads a pandas column as an event's would be read."""
    with connect(threads=1) as connection:
        yield functools.partial(read_values, connection)


def read_values(
    connection: duckdb.DuckDBPyConnection, column: Any, read: Callable[[mapping.Column], str]
) -> list[Any]:
    connection.register("source", pd.DataFrame({"x": column}))
    relation = connection.table("source")
    found = mapping.source_columns(relation.columns, relation.types)["x"]
    return [row[0] for row in rows(connection, f"SELECT {read(found)} FROM source")]


def objects(*column: object) -> "pd.Series[Any]":
    return pd.Series(column, dtype=object)


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (["007", "7", "0"], ["007", "7", "0"]),
        (["  a ", "\ta\n", "a b", "\u00a0a"], ["a", "a", "a b", "a"]),
        (["", " ", "\t", None], [None, None, None, None]),
        ([12, 0, -3], ["12", "0", "-3"]),
        ([2**53 + 1, 2**63 - 1], ["9007199254740993", "9223372036854775807"]),
        ([12.0, np.nan, -3.0, 2.5], ["12", None, "-3", "2.5"]),
        ([1e22, 1e300, -0.0], ["10000000000000000000000", "1e+300", "0"]),
        (pd.Series([12.0, np.nan], dtype="float32"), ["12", None]),
        (pd.Series([12, None], dtype="Int64"), ["12", None]),
        (pd.Series(["007", None], dtype="string"), ["007", None]),
        (pd.Series(["007", None], dtype="category"), ["007", None]),
        (pd.Series([7, None], dtype="category"), ["7", None]),
        (objects(1.0, np.nan, 2.0), ["1", None, "2"]),
        (objects("007", 7, None, np.nan), ["007", "7", None, None]),
        (objects(decimal.Decimal("12.00"), decimal.Decimal("12.50")), ["12", "12.50"]),
        (["nan", "NULL", "None"], ["nan", "NULL", "None"]),
        (["'; DROP TABLE events; --", 'x"y'], ["'; DROP TABLE events; --", 'x"y']),
    ],
)
def test_an_id_is_the_text_a_person_would_write(
    column: Any, ids: list[str | None], values: Values
) -> None:
    assert values(column, mapping.identifier) == ids


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2017-12-01T08:00:00Z", MORNING),
        ("2017-12-01T08:00:00", MORNING),
        ("2017-12-01 08:00:00", MORNING),
        ("2017-12-01 08:00", MORNING),
        (" 2017-12-01 08:00:00 ", MORNING),
        ("2017-12-01T08:00:00+02:00", MORNING - 2 * HOUR),
        ("2017-12-01T08:00:00-0530", MORNING + 5.5 * HOUR),
        ("2017-12-01T08:00+02", MORNING - 2 * HOUR),
        ("2017-12-01T08:00:00.123456Z", MORNING + 123_456),
        ("2017-12-01", MIDNIGHT),
        ("20171201", MIDNIGHT),
        ("1512115200", MORNING),
        ("1512115200.5", MORNING + 500_000),
        ("1512115200000", MORNING),
        ("1512115200000000", MORNING),
        ("0", 0),
        ("-1", -1_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_a_time_as_text(text: str, time: int, values: Values) -> None:
    assert values([text], mapping.time) == [time]


@pytest.mark.parametrize(
    "text",
    ["infinity", "-infinity", "inf", "nan", "", "soon", "08:00", "12/01/2017", "2017-13-01",
     "2017-02-30", "20171301", "1e300", "1512115200000000000", "2017-12", "now", "today"],
)  # fmt: skip
def test_a_text_that_is_no_time(text: str, values: Values) -> None:
    assert values([text], mapping.time) == [None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(("zone", "hours"), [(None, 0), ("UTC", 0), ("Europe/Zurich", 1)])
def test_pandas_times_of_every_unit(
    unit: str, zone: str | None, hours: int, values: Values
) -> None:
    column = pd.Series(pd.to_datetime(["2017-12-01 08:00:00", None])).astype(f"datetime64[{unit}]")
    column = column.dt.tz_localize(zone) if zone else column
    assert values(column, mapping.time) == [MORNING - hours * HOUR, None]


@pytest.mark.parametrize(
    ("column", "time"),
    [
        (objects(dt.date(2017, 12, 1), None), MIDNIGHT),
        (objects(dt.datetime(2017, 12, 1, 8), None), MORNING),
        (objects(dt.datetime(2017, 12, 1, 8, tzinfo=dt.UTC), None), MORNING),
        (pd.Series([20171201, None], dtype="Int64"), MIDNIGHT),
        (pd.Series([1512115200, None], dtype="Int64"), MORNING),
        ([1512115200.0, np.nan], MORNING),
        ([1512115200e3, np.inf], MORNING),
        ([1512115200e6, 1e300], MORNING),
    ],
)
def test_times_that_are_no_text(column: Any, time: int, values: Values) -> None:
    assert values(column, mapping.time) == [time, None]


def test_the_machines_time_zone_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with connect(threads=1) as connection:
        assert read_values(connection, ["2017-12-01 08:00:00"], mapping.time) == [MORNING]


@pytest.mark.parametrize(
    ("layout", "text", "time"),
    [
        ("%d.%m.%Y %H:%M", "01.12.2017 08:00", MORNING),
        ("%m/%d/%Y", "12/01/2017", MIDNIGHT),
        ("%d%m%Y", "01122017", MIDNIGHT),
        ("%d %b %Y %z", "01 Dec 2017 +0200", MIDNIGHT - 2 * HOUR),
        ("it's %Y-%m-%d", "it's 2017-12-01", MIDNIGHT),
        ("%m/%d/%Y", "2017-12-01T08:00:00Z", MORNING),
        ("%m/%d/%Y", "13/13/2017", None),
    ],
)
def test_a_time_format_is_tried_first(
    layout: str, text: str, time: int | None, values: Values
) -> None:
    assert values([text], lambda column: mapping.time(column, layout)) == [time]


def test_a_time_format_holds_for_events_and_for_users(read: Read) -> None:
    events = pd.DataFrame({"user_id": ["1"], "item_id": ["a"], "timestamp": ["01.12.2017 08:00"]})
    users = pd.DataFrame({"user_id": ["1"], "valid_from": ["01.12.2017 08:00"]})
    shop = read(events, users=users, time_format="%d.%m.%Y %H:%M")
    assert rows(shop.connection, "SELECT time FROM events") == [(MORNING,)]
    assert rows(shop.connection, "SELECT valid_from FROM users") == [(MORNING,)]


def test_a_time_format_that_is_none_is_an_error_of_the_config(read: Read) -> None:
    events = pd.DataFrame({"user_id": ["1"], "item_id": ["a"], "timestamp": ["2017"]})
    with pytest.raises(ConfigError, match=r"time_format = '%Q' is no strptime format; write"):
        read(events, time_format="%Q")


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        (["2.5", "1e3", "-1", " 7 "], [2.5, 1000.0, -1.0, 7.0]),
        (["", "nan", "NaN", None], [None, None, None, None]),
        (["1,5", "$5", "abc", "inf", "1e400", "true"], [None] * 6),
        ([2.5, np.nan, np.inf, -np.inf], [2.5, None, None, None]),
        (pd.Series([85_055, None], dtype="Int64"), [85_055.0, None]),
        (objects(decimal.Decimal("12.50"), None), [12.5, None]),
    ],
)
def test_a_number_is_finite_or_missing(
    column: Any, numbers: list[float | None], values: Values
) -> None:
    assert values(column, mapping.number) == numbers


@pytest.mark.parametrize(
    ("text", "minor"),
    [("12.50", 1250), ("0.1", 10), ("-3", -300), ("1.239", 124), ("1e30", None), ("x", None)],
)
def test_money_is_minor_units(text: str, minor: int | None, values: Values) -> None:
    assert values([text], mapping.money) == [minor]
    assert minor is None or minor == math.floor(float(text) * 100 + 0.5)


@pytest.mark.parametrize("name", ["USER_ID", "User_Id", "user_id"])
def test_case_does_not_tell_columns_apart(name: str, read: Read) -> None:
    events = pd.DataFrame({name: ["1"], "Item_ID": ["a"], "QUANTITY": [2]})
    shop = read(events, columns={"quantity": "Quantity"})
    assert rows(shop.connection, "SELECT user_id, item_id, quantity FROM events") == [
        ("1", "a", 2.0)
    ]


def test_swapped_names_are_read_as_mapped(read: Read) -> None:
    events = pd.DataFrame({"user_id": ["an item"], "item_id": ["a user"]})
    shop = read(events, columns={"user_id": "item_id", "item_id": "user_id"})
    assert rows(shop.connection, "SELECT user_id, item_id FROM events") == [("a user", "an item")]


def test_a_file_with_our_words_needs_no_mapping_beside_one_with_theirs(read: Read) -> None:
    events = pd.DataFrame({"household_id": ["1"], "product_id": ["a"]})
    users = pd.DataFrame({"user_id": ["1"], "age": [40]})
    shop = read(events, users=users, columns={"user_id": "household_id", "item_id": "product_id"})
    assert shop.users(as_of=0)["age"].to_dict() == {"1": 40}


def test_a_column_that_must_be_there_is_named(read: Read) -> None:
    with pytest.raises(DataError, match=r"no column for 'item_id'; it has user_id, sku; name it"):
        read(pd.DataFrame({"user_id": ["1"], "sku": ["a"]}))


def test_a_mapping_to_a_column_of_no_file_is_an_error_of_the_config(read: Read) -> None:
    events = pd.DataFrame({"user_id": ["1"], "item_id": ["a"]})
    items = pd.DataFrame({"item_id": ["a"], "dept": ["x"]})
    with pytest.raises(ConfigError, match=r"amount = 'sales': no file has that column; there are"):
        read(events, items=items, columns={"amount": "sales"})
    with pytest.raises(ConfigError, match="category = 'aisle': no file has that column"):
        read(events, items=items, columns={"category": ["dept", "aisle"]})


def test_a_word_that_is_none_of_ours_is_an_error_of_the_config(read: Read) -> None:
    events = pd.DataFrame({"user_id": ["1"], "item_id": ["a"], "sales": [1]})
    with pytest.raises(ConfigError, match=r"'amonut' is none of our words; they are user_id, "):
        read(events, columns={"amonut": "sales"})


HOSTILE = ['quo"te', "se;mi", "two words", "it's", "select", "--", "raw_quantity", "source_user_id",
           "reason", "time", "copy", "digest", "first_reason", "source", "%s"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_column_name_is_only_a_name(name: str, read: Read) -> None:
    ids = ["1", "'; DROP TABLE events; --"]
    events = pd.DataFrame({name: ids, "item_id": ["a", None], "quantity": [2, 2]})
    users = pd.DataFrame({"user_id": ids, name: ["x", "y"]})
    items = pd.DataFrame({"item_id": ["a", None], name: ["x", "y"]})
    shop = read(events, users=users, items=items, columns={"user_id": name}, where="quantity > 1")
    assert rows(shop.connection, "SELECT user_id, item_id FROM events") == [("1", "a")]
    rejected = shop.connection.table("rejected_events").df()
    assert rejected["reason"].tolist() == ["missing_item_id"]
    assert ids[1] in rejected.iloc[0].tolist()
    assert shop.items()[name].tolist() == ["x"]
