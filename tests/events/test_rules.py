"""Every rejected row has a named reason; the good ones stay."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.engines import rows
from recsys.errors import ConfigError, DataError
from recsys.events.schema import EVENT_COLUMNS, EVENT_FIELDS, LONGEST_ID
from recsys.events.shop import Shop
from recsys.events.times import parse_time
from recsys.events.validation import DUPLICATE, Intake, rules

Read = Callable[..., Shop]
END = parse_time("2018-01-01")
WITH_END = Intake({}, "purchase", end=END)
GOOD = {
    "user_id": "007",
    "item_id": "a",
    "event": "purchase",
    "timestamp": "2017-12-01T08:00:00Z",
    "quantity": "2",
    "amount": "9.90",
    "discount": "0.10",
    "rating": "4",
    "sentiment": "-1",
    "event_id": "good",
}
BAD: dict[str, dict[str, str | None]] = {
    "missing_user_id": {"user_id": "  "},
    "missing_item_id": {"item_id": None},
    "id_too_long": {"item_id": "x" * (LONGEST_ID + 1)},
    "nul_in_id": {"item_id": "7\0"},
    "missing_event": {"event": ""},
    "unknown_event": {"event": "Purchase"},
    "missing_time": {"timestamp": None},
    "unparsable_time": {"timestamp": "soon"},
    "time_out_of_range": {"timestamp": "290000-01-01"},
    "time_at_or_after_end": {"timestamp": "2018-01-01T00:00:00Z"},
    "unparsable_quantity": {"quantity": "two"},
    "unparsable_amount": {"amount": "9,90"},
    "unparsable_discount": {"discount": "-"},
    "unparsable_rating": {"rating": "inf"},
    "unparsable_sentiment": {"sentiment": "bad"},
    "negative_quantity": {"quantity": "-1"},
    "negative_discount": {"discount": "-0.01"},
    "sentiment_out_of_range": {"sentiment": "1.01"},
    "duplicate_event_id": {"event_id": "good"},
}
"""Reason -> what makes a good row bad."""


def framed(*events: dict[str, Any]) -> pd.DataFrame:
    names = [field.name for field in EVENT_FIELDS]
    return pd.DataFrame(list(events), columns=names, dtype=object)


def accepted(shop: Shop) -> list[tuple[Any, ...]]:
    return rows(shop.connection, f"SELECT {', '.join(EVENT_COLUMNS)} FROM events ORDER BY ALL")


def test_every_rule_has_its_bad_row_and_its_remedy(read: Read) -> None:
    reasons = {rule.reason for rule in (*rules(WITH_END, timed=True), DUPLICATE)}
    assert reasons == set(BAD)
    remedies = read(framed(GOOD), end=END).remedies
    assert {reason for reason in reasons if not remedies[reason]} == set()


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_row_is_rejected_beside_the_good_ones(reason: str, read: Read) -> None:
    bad = {**GOOD, "event_id": "bad", **BAD[reason]}
    better = {**GOOD, "event_id": "better"}
    shop = read(framed(GOOD, bad, better), end=END)
    report = shop.reports["events"]
    assert (report.read, report.left_out, report.accepted) == (3, 0, 2)
    assert report.rejected == {reason: 1}
    assert [event[-2] for event in accepted(shop)] == ["better", "good"]


def test_a_row_with_every_fault_gets_the_most_basic_reason(read: Read) -> None:
    # The first row has every fault, the next every fault but the most basic one, and so on.
    worse, rows_ = dict[str, Any](GOOD), []
    for reason in reversed(BAD):
        worse = {**worse, **BAD[reason]}
        rows_.append(worse)
    rejected = read(framed(GOOD, *rows_), end=END).reports["events"].rejected
    assert rejected == dict.fromkeys(BAD, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": "x" * LONGEST_ID},
        {"item_id": None, "event": "search"},
        {"timestamp": "2017-12-31T23:59:59.999999Z"},
        {"timestamp": "0001-01-01"},
        {"quantity": "0"},
        {"quantity": None},
        {"amount": "-9.90"},
        {"sentiment": "1"},
        {"discount": "0"},
        {"event_id": None},
        {"event": "wishlist"},
    ],
)
def test_a_row_at_the_edge_is_good(changes: dict[str, Any], read: Read) -> None:
    known = frozenset({"purchase", "search", "wishlist"})
    shop = read(framed({**GOOD, **changes}), end=END, known_events=known)
    assert shop.reports["events"].rejected == {}


def test_without_an_event_column_the_default_counts(read: Read) -> None:
    events = framed(GOOD, GOOD).drop(columns=["event", "event_id"])
    assert read(events).event_counts() == {"purchase": 2}
    assert read(events, default_event="view").event_counts() == {"view": 2}
    with pytest.raises(DataError, match="rejected: 2 unknown_event"):
        read(events, default_event="it's a gift")
    gifts = read(events, default_event="it's", known_events=frozenset({"it's"}))
    assert gifts.event_counts() == {"it's": 2}


def test_without_times_no_row_is_rejected_for_them_and_it_is_said(read: Read) -> None:
    shop = read(framed(GOOD).drop(columns="timestamp"), end=END)
    assert not shop.timed
    assert shop.off() == [
        "no timestamps: time decay, purchase cadence, lifecycle, recency and temporal protocols "
        "are off"
    ]
    assert (shop.span(), shop.after_all(), shop.window()) == (None, 0, {})


def test_with_times_nothing_is_off(read: Read) -> None:
    shop = read(framed(GOOD))
    assert shop.timed
    assert shop.off() == []
    assert shop.window() == {"first": "2017-12-01T08:00:00Z", "last": "2017-12-01T08:00:00Z"}
    assert shop.after_all() == parse_time("2017-12-01T08:00:00Z") + 1


def test_events_are_cut_at_a_moment_and_from_one(read: Read) -> None:
    noon = parse_time("2017-12-01T12:00:00Z")
    late = {**GOOD, "timestamp": "2017-12-01T12:00:00Z", "event_id": "late"}
    shop = read(framed(GOOD, late))

    def ids(**bounds: int) -> list[str]:
        return shop.events(**bounds).collect("pandas").to_native()["event_id"].tolist()

    assert (ids(before=noon), ids(since=noon)) == (["good"], ["late"])
    assert sorted(ids(before=noon + 1)) == ["good", "late"]
    assert ids(since=noon, before=noon) == []


# ids of events


def test_the_row_that_is_kept_of_a_duplicate_depends_on_no_order(read: Read) -> None:
    copies = [{**GOOD, "quantity": str(n), "item_id": f"i{n % 3}"} for n in range(6)]
    results = set()
    for seed in range(4):
        random.Random(seed).shuffle(copies)
        shop = read(framed(*copies))
        assert shop.reports["events"].rejected == {"duplicate_event_id": 5}
        results.add(tuple(accepted(shop)))
    assert len(results) == 1


def test_a_bad_row_takes_no_good_rows_event_id(read: Read) -> None:
    bad = {**GOOD, "user_id": "000", "quantity": "-1"}
    report = read(framed(bad, GOOD)).reports["events"]
    assert (report.accepted, report.rejected) == (1, {"negative_quantity": 1})


def test_equal_rows_without_an_id_are_different_events_with_lasting_names(read: Read) -> None:
    nameless = {**GOOD, "event_id": None}
    other = {**nameless, "item_id": "b"}
    first = read(framed(nameless, nameless, other))
    again = read(framed(other, nameless, nameless).drop(columns="event_id"))
    assert len({event[-2] for event in accepted(first)}) == 3
    assert accepted(first) == accepted(again)
    grown = read(framed(nameless, other, nameless, nameless))
    assert set(accepted(first)) < set(accepted(grown))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_event_has_the_same_name_in_every_format(
    ending: str, tmp_path: Path, read: Read
) -> None:
    events = framed({**GOOD, "event_id": None, "quantity": 2.0}).drop(columns="event_id")
    path = tmp_path / f"events.{ending}"
    if ending == "csv":
        events.to_csv(path, index=False)
    elif ending == "jsonl":
        events.to_json(path, orient="records", lines=True)
    else:
        events.to_parquet(path)
    assert accepted(read(str(path))) == accepted(read(events))


def test_a_named_twin_does_not_change_the_name_of_a_nameless_event(read: Read) -> None:
    nameless, named = {**GOOD, "event_id": None}, {**GOOD, "event_id": "named"}
    alone = accepted(read(framed(nameless)))
    for order in ([nameless, named, named], [named, nameless]):
        assert set(alone) < set(accepted(read(framed(*order))))


# where


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("qty > 0", ["a", "c"]),
        ("qty > 0 AND store <> 'x;\"1'", ["c"]),
        ("price >= 2.5 -- a comment", ["b", "c"]),
        ("store LIKE 'x%'", ["a"]),
        ("\"store\" IS NOT NULL OR qty = 0", ["a", "b", "c"]),
        ("when_ >= '2017-12-02'", ["c"]),
    ],
)  # fmt: skip
def test_rows_left_out_are_counted(
    ending: str, where: str, kept: list[str], tmp_path: Path, read: Read
) -> None:
    events = pd.DataFrame(
        {
            "user_id": ["1", "2", "3"],
            "item_id": ["a", "b", "c"],
            "qty": [1.5, 0, 3],
            "price": [1.25, 2.5, 10.0],
            "store": ['x;"1', "y", "z"],
            "when_": ["2017-12-01", "2017-12-01", "2017-12-02"],
        }
    )
    path = tmp_path / f"events.{ending}"
    if ending == "csv":
        events.to_csv(path, index=False)
    elif ending == "jsonl":
        events.to_json(path, orient="records", lines=True)
    elif ending == "parquet":
        events.to_parquet(path)
    source = events if ending == "frame" else str(path)
    columns = {"quantity": "qty", "amount": "price", "timestamp": "when_"}
    shop = read(source, columns=columns, where=where)
    report = shop.reports["events"]
    assert [event[1] for event in accepted(shop)] == kept
    assert (report.read, report.left_out, report.rejected) == (3, 3 - len(kept), {})


def test_where_sees_the_files_own_columns(read: Read) -> None:
    # The file's own "quantity" is not what we read as the quantity.
    events = pd.DataFrame({"user_id": ["1", "2"], "item_id": "a", "quantity": [5, 0], "n": [0, 5]})
    shop = read(events, columns={"quantity": "n"}, where="quantity > 0")
    assert [(event[0], event[4]) for event in accepted(shop)] == [("1", 0.0)]


@pytest.mark.parametrize(
    "where",
    ["nothing > 0", "quantity >", "quantity > 'x'", "no_function(quantity)", "sum(quantity) > 1",
     "1); DROP TABLE events; --"],
)  # fmt: skip
def test_a_wrong_where_is_an_error_of_the_config(where: str, read: Read) -> None:
    events = pd.DataFrame({"user_id": ["1"], "item_id": ["a"], "quantity": [2]})
    with pytest.raises(ConfigError, match=r"\[data\] where = .* cannot be applied: .*; the file "):
        read(events, where=where)


def test_a_text_compared_as_a_number_says_how(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id,shop\n1,a,3\n1,b,12\n")
    with pytest.raises(ConfigError, match=r"TRY_CAST\(shop AS DOUBLE\) > 7"):
        read(str(path), where="shop > 7")
    shop = read(str(path), where="TRY_CAST(shop AS DOUBLE) > 7")
    assert [event[1] for event in accepted(shop)] == ["b"]


def test_a_file_where_nothing_is_usable_says_why(read: Read) -> None:
    bad = [
        {**GOOD, "event_id": None, **BAD[reason]} for reason in ("missing_time", "unknown_event")
    ]
    left = {**GOOD, "user_id": "out"}
    with pytest.raises(
        DataError,
        match="no usable event: 3 rows read, 1 left out by where, rejected: 1 missing_time, 1 unkn",
    ):
        read(framed(*bad, left), where="user_id <> 'out'")
