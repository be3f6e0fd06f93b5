"""Rows of a database are read and judged as those of a file are."""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from recsys.errors import ConfigError, DataError
from recsys.events.queries import Query, spelled
from recsys.events.shop import Shop

Read = Callable[..., Shop]
Row = Mapping[str, Any]
GOOD = {"user_id": "007", "item_id": "i", "event": "view", "timestamp": "2024-01-02 03:04:05"}
ROWS: Sequence[Row] = (
    {**GOOD, "quantity": "2", "amount": "2.50", "note": "ä"},
    {**GOOD, "user_id": "8", "timestamp": "1704164645", "quantity": None, "amount": "1e3"},
    {**GOOD, "user_id": " "},
    {**GOOD, "event": "wave"},
    {**GOOD, "timestamp": "soon"},
    {**GOOD, "quantity": "-1"},
    {**GOOD, "amount": "two", "note": 'left, "out"\nof it'},
    {**GOOD, "item_id": "x" * 300},
)
COLUMNS = (*GOOD, "quantity", "amount", "note")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        (tmp_path / "shop.db").touch()
        return f"sqlite:///{tmp_path}/shop.db"
    new_database: Callable[[], str] = request.getfixturevalue("new_database")
    return new_database()


def execute(url: str, *statements: str, rows: Sequence[Row] = ()) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), [dict(row) for row in rows] or None)
    engine.dispose()


def put(url: str, rows: Sequence[Row]) -> None:
    """Make a table of texts."""
    columns = ", ".join(f"{name} TEXT" for name in COLUMNS)
    execute(url, f"CREATE TABLE events ({columns})")
    whole = [dict.fromkeys(COLUMNS) | dict(row) for row in rows]
    execute(url, f"INSERT INTO events VALUES (:{', :'.join(COLUMNS)})", rows=whole)


def write(path: Path, rows: Sequence[Row]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def rows_of(shop: Shop, table: str) -> list[tuple[Any, ...]]:
    return sorted(shop.connection.table(table).fetchall(), key=str)


EVERYTHING = "SELECT * FROM events"


def test_every_row_is_read_and_judged_as_that_of_a_file(
    url: str, tmp_path: Path, read: Read
) -> None:
    put(url, ROWS)
    rules = {"where": "amount IS NULL OR amount < 900"}
    file = read(write(tmp_path / "events.csv", ROWS), **rules)
    database = read(Query(url=url, query=EVERYTHING), **rules)
    assert database.reports == file.reports
    assert database.reports["events"].left_out == 1
    assert len(database.reports["events"].rejected) == 6
    for table in ("events", "rejected_events"):
        assert rows_of(database, table) == rows_of(file, table)


def test_the_order_and_the_size_of_batches_play_no_part(
    url: str, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(url, [{**GOOD, "user_id": str(n % 7), "item_id": str(n)} for n in range(100)])
    whole = rows_of(read(Query(url=url, query=EVERYTHING)), "events")
    monkeypatch.setattr("recsys.events.queries.ROWS_A_BATCH", 7)
    other = Query(url=url, query=f"{EVERYTHING} ORDER BY item_id DESC")
    assert rows_of(read(other), "events") == whole
    assert len(whole) == 100


def test_columns_of_their_own_types(new_database: Callable[[], str], read: Read) -> None:
    url = new_database()
    execute(
        url,
        "CREATE TABLE sold (user_id bigint, item_id numeric(9, 1), at timestamptz, day date, "
        "quantity double precision, amount numeric(9, 2), available boolean, said jsonb)",
        "INSERT INTO sold VALUES (7, 12.0, '2024-01-02T03:04:05.000006+02:00', '2024-01-02', 2, "
        "2.50, false, '{\"a\": [1]}'), (8, 12.5, NULL, NULL, 'NaN', 'NaN', NULL, NULL)",
    )
    columns = {"timestamp": "at"}
    shop = read(Query(url=url, query="SELECT * FROM sold"), columns=columns, items=None)
    found = shop.connection.sql("SELECT user_id, item_id, time, quantity, amount FROM events")
    assert found.fetchall() == [("7", "12", 1704157445000006, 2.0, 250)]
    assert shop.reports["events"].rejected == {"missing_time": 1}
    query = Query(url=url, query="SELECT item_id, available, said FROM sold WHERE user_id = 7")
    items = read(Query(url=url, query="SELECT * FROM sold"), columns=columns, items=query).items()
    assert items.loc["12", "available"] == False  # noqa: E712
    assert items.loc["12", "said"] == '{"a": [1]}'


def test_columns_of_sqlite_may_mix_types(tmp_path: Path, read: Read) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    execute(
        url,
        "CREATE TABLE events (user_id, item_id, quantity)",
        "INSERT INTO events VALUES (1, 'a', 2), ('01', 7.0, '2.5'), (1.5, x'c3a4', NULL)",
    )
    shop = read(Query(url=url, query=EVERYTHING))
    found = shop.connection.sql("SELECT user_id, item_id, quantity FROM events").fetchall()
    assert sorted(found) == [("01", "7", 2.5), ("1", "a", 2.0), ("1.5", "ä", None)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("007", "007"),
        (7, "7"),
        (float("nan"), None),
        (float("inf"), "inf"),
        (1e20, "100000000000000000000"),
        (Decimal("NaN"), None),
        (Decimal("Infinity"), "Infinity"),
        (Decimal("12.50"), "12.50"),
        (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (b"\xff", "\\xff"),
        (["ä"], '["ä"]'),
    ],
)
def test_values_are_spelled_as_a_file_has_them(value: object, text: str | None) -> None:
    assert spelled(value) == text


def test_users_and_items_come_from_queries_too(url: str, tmp_path: Path, read: Read) -> None:
    put(url, [GOOD])
    execute(
        url,
        "CREATE TABLE people (id TEXT, age INTEGER)",
        "INSERT INTO people VALUES ('007', 35), ('007', 36), (NULL, 1)",
        "CREATE TABLE goods (item_id TEXT, price NUMERIC, category TEXT)",
        "INSERT INTO goods VALUES ('i', 2.5, 'food > fruit'), ('j', -1, 'food')",
    )
    shop = read(
        Query(url=url, query=EVERYTHING),
        users=Query(url=url, query="SELECT id AS user_id, age FROM people"),
        items=Query(url=url, query="SELECT * FROM goods"),
    )
    assert shop.users(as_of=0).to_dict() == {"age": {"007": "36"}}
    assert shop.items()[["category", "price"]].to_dict("index") == {
        "i": {"category": "food > fruit", "price": 250}
    }
    assert shop.reports["users"].rejected == {"duplicate_user_id": 1, "missing_user_id": 1}
    assert shop.reports["items"].rejected == {"negative_price": 1}


def test_the_url_comes_from_the_environment(
    url: str, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(url, [GOOD])
    monkeypatch.setenv("SHOP_DB", url)
    shop = read(Query(url="env:SHOP_DB", query=EVERYTHING))
    assert shop.reports["events"].accepted == 1


def test_nothing_can_be_written(url: str, read: Read) -> None:
    put(url, [GOOD])
    for query in ("DELETE FROM events", "DELETE FROM events RETURNING *"):
        with pytest.raises(DataError, match=r"\[data\] events: .* does not give the rows: "):
            read(Query(url=url, query=query))
    assert read(Query(url=url, query=EVERYTHING)).reports["events"].accepted == 1


@pytest.mark.parametrize("sign", ["'%'", "'%s'", "':id'", "'{}'"])
def test_signs_in_a_query_are_its_own(url: str, read: Read, sign: str) -> None:
    put(url, [GOOD])
    query = f"SELECT user_id, {sign} AS item_id, event, timestamp FROM events;"
    shop = read(Query(url=url, query=query))
    assert shop.connection.sql("SELECT item_id FROM events").fetchall() == [(sign.strip("'"),)]


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("shop.db", ConfigError, "[data] events url is not a database URL; an example is"),
        (f"mysql://me:{SECRET}@shop/db", ConfigError, "url is of 'mysql'; rows come from sqlite"),
        ("sqlite:///gone.db", DataError, "there is no file 'gone.db'; a path after sqlite:///"),
        ("env:NO_SUCH", ConfigError, "the environment variable 'NO_SUCH' is not set; export"),
        (f"postgresql+what://me:{SECRET}@shop/db", ConfigError, "postgresql+what, whose driver"),
        (f"postgresql://me:{SECRET}@127.0.0.1:9/db?options={SECRET}", DataError, "correct the"),
    ],
)
def test_a_url_that_cannot_be_meant(
    url: str, error: type[Exception], said: str, read: Read
) -> None:
    os.environ.pop("NO_SUCH", None)
    with pytest.raises(error) as caught:
        read(Query(url=url, query=EVERYTHING))
    assert said in str(caught.value)
    assert "[data] events" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM gone", "gone"),
        ("SELEC", "SELEC"),
        ("SELECT user_id AS a, item_id AS A FROM events", "several columns"),
        ("SELECT user_id, event FROM events", "no column for 'item_id'; it has user_id, event"),
    ],
)
def test_a_query_that_gives_no_events(url: str, query: str, said: str, read: Read) -> None:
    put(url, [GOOD])
    with pytest.raises(DataError) as caught:
        read(Query(url=url, query=query))
    assert said in str(caught.value)
