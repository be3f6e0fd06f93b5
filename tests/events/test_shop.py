"""The files of rejected rows, the counts of a shop, and times as people write them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from recsys.engines import connect, count, literal, quote, rows
from recsys.errors import ConfigError
from recsys.events.shop import Shop
from recsys.events.times import format_time, parse_days, parse_time

Read = Callable[..., Shop]


def rejected(path: Path) -> list[dict[str, object]]:
    frame = pd.read_parquet(path)
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def test_rejected_rows_are_written_with_their_own_columns(tmp_path: Path, read: Read) -> None:
    events = pd.DataFrame(
        {"household": ["007", None], "product": ["a", "b"], "note; \"x\"": ["kept", "it's"]}
    )  # fmt: skip
    users = pd.DataFrame({"household": ["1", "1"], "age": [30, 20]})
    items = pd.DataFrame({"product": ["a"], "price": [1]})
    columns = {"user_id": "household", "item_id": "product"}
    shop = read(events, users=users, items=items, columns=columns)
    folder = tmp_path / "deep" / "rejected"
    files = shop.write_rejected(folder)
    assert files == [folder / "events.rejected.parquet", folder / "users.rejected.parquet"]
    (event,) = rejected(files[0])
    assert event == {
        "reason": "missing_user_id",
        "household": None,
        "product": "b",
        'note; "x"': "it's",
    }
    (user,) = rejected(files[1])
    assert user == {"reason": "duplicate_user_id", "household": "1", "age": 20}


def test_a_column_named_reason_does_not_hide_ours(tmp_path: Path, read: Read) -> None:
    events = pd.DataFrame(
        {"user_id": ["1", None], "item_id": ["a", "b"], "reason": ["x", "broken"]}
    )
    (file,) = read(events).write_rejected(tmp_path)
    (event,) = rejected(file)
    assert (event["reason"], event["item_id"]) == ("missing_user_id", "b")
    assert "broken" in event.values()


def test_malformed_lines_are_written_as_they_stand(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id\n1,a\n2,b,c,d\n,e\n")
    (file,) = read(str(path)).write_rejected(tmp_path)
    assert sorted(rejected(file), key=lambda row: str(row["reason"])) == [
        {"reason": "malformed_line", "user_id": None, "item_id": None, "malformed_line": "2,b,c,d"},
        {"reason": "missing_user_id", "user_id": None, "item_id": "e", "malformed_line": None},
    ]


def test_where_nothing_is_rejected_no_older_file_stays(tmp_path: Path, read: Read) -> None:
    good = pd.DataFrame({"user_id": ["1"], "item_id": ["a"]})
    bad = pd.concat([good, pd.DataFrame({"user_id": [None], "item_id": ["a"]})])
    (file,) = read(bad).write_rejected(tmp_path)
    assert file.exists()
    assert read(good).write_rejected(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_events_are_counted_by_kind(read: Read) -> None:
    events = pd.DataFrame({"user_id": "1", "item_id": "a", "event": ["view", "view", "cart"]})
    assert list(read(events).event_counts().items()) == [("view", 2), ("cart", 1)]


def test_the_span_is_of_accepted_events(read: Read) -> None:
    times = ["2017-12-02", "2017-12-01", "2017-12-09"]
    events = pd.DataFrame({"user_id": ["1", "1", None], "item_id": "a", "timestamp": times})
    shop = read(events)
    assert shop.span() == (parse_time("2017-12-01"), parse_time("2017-12-02"))
    assert shop.window() == {"first": "2017-12-01T00:00:00Z", "last": "2017-12-02T00:00:00Z"}


# times as people write them


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-01", 0),
        ("1970-01-02", 86_400_000_000),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:00.000001Z", 1),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_a_time_is_read_and_written_back(text: str, time: int) -> None:
    assert parse_time(text) == time
    assert parse_time(format_time(time)) == time


@pytest.mark.parametrize("text", ["", "soon", "2017-13-01", "12/01/2017", "infinity"])
def test_a_time_that_is_none_says_which_and_how(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"cut '{text}' is not an ISO 8601 time; write it like"):
        parse_time(text, what="cut")


@pytest.mark.parametrize(
    ("text", "days"), [("90d", 90.0), ("12h", 0.5), ("4w", 28.0), ("1.5d", 1.5), (" 1d ", 1.0)]
)
def test_a_duration_in_days(text: str, days: float) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "0d", "0.0w", "1m", "1d2h", "1e3d"])
def test_a_duration_that_is_none_says_which_and_how(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"window '{text}' is not a duration; write it like 90d"):
        parse_days(text, what="window")


# the engine


@pytest.mark.parametrize("name", ["plain", 'qu"ote', "it's", "two words", "select", "a;b", ""])
def test_names_and_texts_are_quoted(name: str) -> None:
    with connect(threads=1) as connection:
        if name:
            connection.execute(f"CREATE TABLE {quote(name)} AS SELECT 1 AS {quote(name)}")
            assert count(connection, name) == 1
            assert count(connection, name, f"{quote(name)} > 1") == 0
        assert rows(connection, f"SELECT {literal(name)}") == [(name,)]


def test_the_engine_fetches_nothing_and_reads_times_as_utc() -> None:
    with connect(threads=3) as connection:
        settings = dict(rows(connection, "SELECT name, value FROM duckdb_settings()"))
        assert settings["TimeZone"] == "UTC"
        assert settings["threads"] == "3"
        assert settings["autoinstall_known_extensions"] in ("false", "0")
        assert settings["autoload_known_extensions"] in ("false", "0")
