"""``recsys validate``: what cannot be used is counted, named and written out; the rest stays."""

from pathlib import Path
from typing import Any

import pandas as pd

EVENTS = """user_id,item_id,event,timestamp,quantity
007,a,purchase,2024-01-01,1
,a,purchase,2024-01-01,1
007,b,teleport,2024-01-02,1
007,b,view,yesterday,1
007,c,view,2024-01-04,-2
007,c,view,2024-01-04 08:00:00Z,2
"""
REASONS = {
    "missing_user_id": 1,
    "unknown_event": 1,
    "unparsable_time": 1,
    "negative_quantity": 1,
}


def write_shop(folder: Path, events: str, more: str = "") -> Path:
    (folder / "events.csv").write_text(events, encoding="utf-8")
    text = f'[data]\nevents = "events.csv"\n{more}'
    (folder / "recsys.toml").write_text(text, encoding="utf-8")
    return folder


def test_bad_rows_are_named_and_written_and_stop_nothing(ask: Any, tmp_path: Path) -> None:
    answer = ask("validate", "--format", "json", shop=write_shop(tmp_path, EVENTS))
    assert answer.code == 0
    report = answer.json
    assert report["files"]["events"] == {
        "read": 6,
        "left_out": 0,
        "accepted": 2,
        "rejected": REASONS,
        "withheld": 0,
    }
    assert report["events"] == {"purchase": 1, "view": 1}
    assert report["window"] == {"first": "2024-01-01T00:00:00Z", "last": "2024-01-04T08:00:00Z"}
    rejected = pd.read_parquet(report["rejected_files"][0])
    assert rejected["reason"].value_counts().to_dict() == REASONS
    row = rejected.set_index("reason").loc["unparsable_time"]
    assert (row["user_id"], row["timestamp"]) == ("007", "yesterday")


def test_people_are_told_what_to_do(ask: Any, tmp_path: Path) -> None:
    answer = ask("validate", shop=write_shop(tmp_path, EVENTS))
    assert answer.code == 0
    assert all(reason in answer.out for reason in REASONS)
    assert "give every row a user_id" in answer.out
    assert str(tmp_path / "store" / "rejected" / "events.rejected.parquet") in answer.err
    assert "events from 2024-01-01T00:00:00Z to 2024-01-04T08:00:00Z" in answer.err


def test_a_file_of_rejected_rows_goes_when_there_are_none(ask: Any, tmp_path: Path) -> None:
    ask("validate", shop=write_shop(tmp_path, EVENTS))
    good = "".join(EVENTS.splitlines(keepends=True)[:2])
    report = ask("validate", "--format", "json", shop=write_shop(tmp_path, good)).json
    assert report["rejected_files"] == []
    assert list((tmp_path / "store" / "rejected").iterdir()) == []


def test_rows_left_out_by_where_are_counted_apart(ask: Any, tmp_path: Path) -> None:
    shop = write_shop(tmp_path, EVENTS, "where = \"item_id <> 'c'\"\n")
    found = ask("validate", "--format", "json", shop=shop).json["files"]["events"]
    assert (found["read"], found["left_out"], found["accepted"]) == (6, 2, 1)
    assert "negative_quantity" not in found["rejected"]


def test_no_usable_event(ask: Any, tmp_path: Path) -> None:
    answer = ask("validate", shop=write_shop(tmp_path, EVENTS.replace("007", "")))
    assert answer.code == 3
    assert "no usable event: 6 rows read, 0 left out by where, rejected: 6 missing_user_id" in (
        answer.err
    )


def test_a_missing_file(ask: Any, tmp_path: Path) -> None:
    shop = write_shop(tmp_path, EVENTS, 'users = "people.csv"\n')
    answer = ask("validate", shop=shop)
    assert answer.code == 3
    assert "people.csv" in answer.err


def test_a_mapping_or_condition_that_does_not_fit(ask: Any, tmp_path: Path) -> None:
    mapped = write_shop(tmp_path, EVENTS, '[data.columns]\namount = "total"\n')
    answer = ask("validate", shop=mapped)
    assert answer.code == 2
    assert "[data.columns] amount = 'total': no file has that column" in answer.err
    answer = ask("validate", shop=write_shop(tmp_path, EVENTS, 'where = "price > 1"\n'))
    assert answer.code == 2
    assert "[data] where = 'price > 1'" in answer.err
