"""Every ending, globs, hostile names, and files that are broken."""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from recsys.engines import connect, rows
from recsys.errors import DataError
from recsys.events.readers import malformed_lines, open_source
from recsys.events.shop import Shop

Read = Callable[..., Shop]
EVENTS = [
    {"user_id": "007", "item_id": "0012", "query": 'a "b", c', "quantity": "2.5"},
    {"user_id": "7", "item_id": "12:30", "query": "two\nlines", "quantity": "1"},
    {"user_id": "1E5", "item_id": "2017-12-01", "query": "O'Hara; --", "quantity": ""},
]
KEPT = [
    ("007", "0012", 'a "b", c', 2.5),
    ("1E5", "2017-12-01", "O'Hara; --", None),
    ("7", "12:30", "two\nlines", 1.0),
]
ENDINGS = [
    *(".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"),
    *(".csv.gz", ".tsv.gz", ".jsonl.gz", ".ndjson.gz", ".csv.zst", ".jsonl.zst", ".CSV"),
]


def lines(events: Iterable[dict[str, str]], ending: str) -> str:
    frame = pd.DataFrame(events)
    if ending in (".csv", ".tsv"):
        return frame.to_csv(index=False, sep="\t" if ending == ".tsv" else ",")
    return "".join(json.dumps(event) + "\n" for event in frame.to_dict("records"))


def write(path: Path, events: Iterable[dict[str, str]] = EVENTS) -> str:
    kind, packed = path.suffix, ""
    if kind in (".gz", ".zst"):
        kind, packed = Path(path.stem).suffix, kind
    if kind == ".parquet":
        pd.DataFrame(events).to_parquet(path)
        return str(path)
    content = lines(events, kind.lower()).encode()
    if packed == ".gz":
        content = gzip.compress(content)
    if packed == ".zst":
        content = zstandard(content)
    path.write_bytes(content)
    return str(path)


def zstandard(content: bytes) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    return bytes(pyarrow.compress(content, codec="zstd", asbytes=True))


def kept(shop: Shop) -> list[tuple[object, ...]]:
    return rows(
        shop.connection, "SELECT user_id, item_id, query, quantity FROM events ORDER BY ALL"
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_reads_the_same_rows(ending: str, tmp_path: Path, read: Read) -> None:
    assert kept(read(write(tmp_path / f"events{ending}"))) == KEPT


def test_a_frame_reads_the_same_rows_and_is_left_alone(read: Read) -> None:
    frame = pd.DataFrame(EVENTS, index=pd.Index(["x", "y", "z"], name="user_id"))
    before = frame.copy()
    assert kept(read(frame)) == KEPT
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_a_glob_reads_every_file_and_unites_columns_by_name(
    ending: str, tmp_path: Path, read: Read
) -> None:
    write(tmp_path / f"a{ending}", [{"user_id": "1", "item_id": "2"}])
    write(tmp_path / f"b{ending}", [{"query": "q", "item_id": "4", "user_id": "3"}])
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / f"c{ending}", [{"item_id": "6", "user_id": "5", "quantity": "7"}])
    united = read(str(tmp_path / "**" / f"*{ending}"))
    assert kept(united) == [("1", "2", None, None), ("3", "4", "q", None), ("5", "6", None, 7.0)]


@pytest.mark.parametrize(
    "name",
    ["q'uote.csv", 'd"ouble.csv', "two words;.csv", "b[1].csv", "[ab].csv", "a*b.csv", "a?b.csv",
     "äö客.csv", "{files}.csv", "%s.csv", "-- x.csv", "a.b.csv.gz"],
)  # fmt: skip
def test_a_hostile_name_means_that_file_alone(name: str, tmp_path: Path, read: Read) -> None:
    # These would match, were the name read as a pattern.
    for other in ("b1.csv", "a.csv", "aXb.csv"):
        write(tmp_path / other, [{"user_id": "wrong", "item_id": "wrong"}])
    assert kept(read(write(tmp_path / name))) == KEPT


def test_a_folder_may_have_brackets(tmp_path: Path, read: Read) -> None:
    folder = tmp_path / "[2024] o'shop"
    folder.mkdir()
    assert kept(read(write(folder / "events.parquet"))) == KEPT


def test_windows_lines_a_byte_order_mark_and_semicolons(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes("\ufeffuser_id;item_id;query\r\n007;a;x,y\r\n008;b;\r\n".encode())
    assert kept(read(str(path))) == [("007", "a", "x,y", None), ("008", "b", None, None)]


def test_tabs_separate_a_tsv_whatever_else_is_in_it(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "events.tsv"
    path.write_text("user_id\titem_id\tquery\n1,2;3|4\t5,6;7|8\t9,9;9|9\n")
    assert kept(read(str(path))) == [("1,2;3|4", "5,6;7|8", "9,9;9|9", None)]


def test_json_lines_of_other_types_are_read_as_they_are_written(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"user_id": 12, "item_id": 7.0, "quantity": 1e1}\n'
        '{"user_id": "012", "item_id": "7.0", "quantity": "2"}\n'
        '{"user_id": true, "item_id": 123456789012345678901234567890, "quantity": null}\n'
        '{"user_id": "550E8400-E29B-41D4-A716-446655440000", "item_id": "12:30"}\n'
    )
    assert kept(read(str(path))) == [
        ("012", "7.0", None, 2.0),
        ("12", "7", None, 10.0),
        ("550E8400-E29B-41D4-A716-446655440000", "12:30", None, None),
        ("true", "123456789012345678901234567890", None, None),
    ]


def test_a_json_field_that_comes_late_is_not_lost(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "events.jsonl"
    first = "".join(f'{{"user_id": {n}, "item_id": {n}}}\n' for n in range(21_000))
    path.write_text(first + '{"user_id": "A7", "item_id": "x", "quantity": 3}\n')
    shop = read(str(path))
    assert shop.reports["events"].accepted == 21_001
    assert rows(shop.connection, "SELECT user_id FROM events WHERE quantity = 3") == [("A7",)]


def test_a_number_and_a_text_in_one_pandas_column(read: Read) -> None:
    ids = [*range(5003), "A7", *range(20_000), None]
    events = pd.DataFrame({"user_id": pd.Series(ids, dtype=object), "item_id": "x"})
    assert read(events).reports["events"].rejected == {"missing_user_id": 1}


GOOD = b"user_id,item_id,query\n" + b"1,a,x\n" * 30
BROKEN_LINES = {
    "too few values": b"2,b\n",
    "too many values": b"2,b,y,z\n",
    "not UTF-8": b"2,\xff\xfe,y\n",
}


@pytest.mark.parametrize("name", BROKEN_LINES)
@pytest.mark.parametrize("good", [GOOD, b"user_id,item_id,query\n1,a,x\n"])
def test_a_malformed_line_is_rejected_and_the_good_ones_stay(
    name: str, good: bytes, tmp_path: Path, read: Read
) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(good + BROKEN_LINES[name] + b"3,c,z\n")
    shop = read(str(path))
    report, n_good = shop.reports["events"], good.count(b"\n")
    assert (report.read, report.accepted) == (n_good + 1, n_good)
    assert (report.left_out, report.rejected) == (0, {"malformed_line": 1})
    assert shop.remedies["malformed_line"]
    (rejected,) = rows(shop.connection, "SELECT malformed_line, user_id FROM rejected_events")
    assert rejected[0].startswith("2,")
    assert rejected[1] is None


def test_malformed_lines_of_each_file_and_source_are_counted_once(
    tmp_path: Path, read: Read
) -> None:
    (tmp_path / "e1.csv").write_text("user_id,item_id\n1,a\n2\n3,c\n")
    (tmp_path / "e2.csv").write_text("item_id,user_id,query\na,1,q\nb\nb\n")
    (tmp_path / "users.csv").write_text("user_id,age\n1,20\n2,30,x\n")
    shop = read(str(tmp_path / "e?.csv"), users=str(tmp_path / "users.csv"))
    assert shop.reports["events"].rejected == {"malformed_line": 3}
    assert shop.reports["events"].read == 6
    assert shop.reports["users"].rejected == {"malformed_line": 1}


def test_a_line_that_is_no_json_is_rejected_and_the_good_ones_stay(
    tmp_path: Path, read: Read
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"user_id":"1","item_id":"a"}\n{"user_id":"2",\n{"user_id":"3","item_id":"c"}\n'
    )
    assert read(str(path)).reports["events"].rejected == {"missing_user_id": 1}


def test_who_does_not_forgive_gets_an_error_for_a_malformed_line(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    path.write_text('{"user_id":"1"}\n{"user_id":\n')
    with connect(threads=1) as connection, pytest.raises(DataError, match=r"line [23]"):
        open_source(connection, str(path), "lists")


def test_the_source_tables_are_freed(tmp_path: Path, read: Read) -> None:
    shop = read(write(tmp_path / "events.csv"))
    tables = {row[0] for row in rows(shop.connection, "SELECT table_name FROM duckdb_tables()")}
    assert {table for table in tables if table.startswith("source_")} == set()


def test_mixed_endings_are_refused(tmp_path: Path, read: Read) -> None:
    write(tmp_path / "a.csv")
    write(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"mixes files ending in \.csv and \.parquet; use one kind"):
        read(str(tmp_path / "*"))


@pytest.mark.parametrize("name", ["events.xlsx", "events", "events.gz", "events.csv.bz2"])
def test_an_unknown_ending_names_the_known_ones(name: str, tmp_path: Path, read: Read) -> None:
    (tmp_path / name).write_text("user_id,item_id\n1,2\n")
    with pytest.raises(DataError, match=rf"{name}' ends in .*known endings are \.csv, \.tsv"):
        read(str(tmp_path / name))


@pytest.mark.parametrize("source", ["events", "users", "items"])
def test_a_missing_file_is_named(source: str, tmp_path: Path, read: Read) -> None:
    there = write(tmp_path / "there.csv")
    sources = {"events": there, source: str(tmp_path / "missing-*.csv")}
    with pytest.raises(DataError, match=rf"no {source} file matches '.*missing-\*\.csv'; paths"):
        read(sources.pop("events"), **sources)


BROKEN_FILES = {
    "short.parquet": b"PAR1",
    "no.parquet": b"user_id,item_id\n1,2\n" * 10,
    "no.csv.gz": b"user_id,item_id\n1,2\n",
    "no.jsonl.gz": b"{}\n",
}


@pytest.mark.parametrize("name", BROKEN_FILES)
@pytest.mark.parametrize("source", ["events", "users", "items"])
def test_a_broken_file_is_named(source: str, name: str, tmp_path: Path, read: Read) -> None:
    (tmp_path / name).write_bytes(BROKEN_FILES[name])
    sources = {"events": write(tmp_path / "good.csv"), source: str(tmp_path / name)}
    with pytest.raises(
        DataError, match=rf"the {source} file '.*{name}' cannot be read: .*; correct it"
    ):
        read(sources.pop("events"), **sources)


@pytest.mark.parametrize("source", ["events", "users", "items"])
def test_a_parquet_file_cut_in_the_middle_is_an_error(
    source: str, tmp_path: Path, read: Read
) -> None:
    path = tmp_path / "cut.parquet"
    write(path, [{"user_id": str(n), "item_id": str(n)} for n in range(2000)])
    content = bytearray(path.read_bytes())
    content[20:2000] = bytes(1980)
    path.write_bytes(content)
    sources = {"events": write(tmp_path / "good.csv"), source: str(path)}
    with pytest.raises(DataError, match=r"cannot be read: .*; correct"):
        read(sources.pop("events"), **sources)


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl", "garbage.jsonl", "array.jsonl"])
def test_a_file_without_columns_says_what_is_missing(name: str, tmp_path: Path, read: Read) -> None:
    content = {"garbage.jsonl": "hello\n", "array.jsonl": '[{"user_id": "1"}]\n'}
    (tmp_path / name).write_text(content.get(name, ""))
    with pytest.raises(DataError, match="the events source has no column for 'user_id'; it has"):
        read(str(tmp_path / name))


def test_a_file_without_rows_has_no_usable_event(tmp_path: Path, read: Read) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id\n")
    with pytest.raises(DataError, match="no usable event: 0 rows read"):
        read(str(tmp_path / "events.csv"))
    with pytest.raises(DataError, match="no usable event: 0 rows read"):
        read(pd.DataFrame({"user_id": [], "item_id": []}))


def test_rows_that_are_not_needed_are_not_kept_and_malformed_ones_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("a,b\n1,x\n2,y\n3,x,z\n4,x\n")
    with connect(threads=1) as connection:
        relation = open_source(
            connection, str(path), "few", forgiving=True, needed=lambda names: f"{names[1]} = 'x'"
        )
        assert sorted(relation.fetchall()) == [("1", "x"), ("4", "x")]
        noted = malformed_lines(connection, "few")
        assert [row[2] for row in rows(connection, noted or "")] == ["3,x,z"]
