"""Rows of requests are judged as the same rows of a file would be."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect
from recsys.events.requests import NAMES, REMEDIES, Judge
from recsys.events.schema import EVENT_TYPES
from recsys.events.validation import Intake, validate

END = 2_000_000_000_000_000
GOOD = {"user_id": "007", "item_id": "i", "event": "view", "timestamp": "2017-12-01T08:30:00Z"}


@pytest.fixture(scope="module")
def judge():
    return Judge(frozenset(EVENT_TYPES))


def reasons(judged):
    return [(one.request, one.place, one.reason) for one in judged.refused]


def test_good_rows_keep_their_values(judge):
    row = GOOD | {"quantity": 2, "amount": 12.345, "rating": 4.5, "query": " a ", "event_id": "e"}
    (found,) = judge.judge([[row]], end=END).events.to_dict("records")
    assert found["user_id"] == "007"
    assert found["time"] == 1_512_117_000_000_000
    assert (found["quantity"], found["amount"], found["rating"]) == (2.0, 1_235, 4.5)
    assert (found["query"], found["event_id"], found["basket_id"]) == ("a", "e", None)


def test_a_bad_row_stops_no_good_one(judge):
    rows = [
        GOOD,
        {"user_id": "u"},
        GOOD | {"colour": "red"},
        7,
        GOOD | {"quantity": [1]},
        GOOD | {"timestamp": "2099-01-01"},
        GOOD | {"event": "stare"},
        GOOD | {"quantity": -1},
        GOOD | {"quantity": "many"},
        GOOD | {"timestamp": None},
        GOOD | {"query": "\ud800"},
        GOOD | {"user_id": 7},
    ]
    judged = judge.judge([rows[:3], rows[3:]], end=END)
    assert reasons(judged) == [
        (0, 1, "missing_item_id"),
        (0, 2, "unknown_field"),
        (1, 0, "invalid_field"),
        (1, 1, "invalid_field"),
        (1, 2, "time_in_the_future"),
        (1, 3, "unknown_event"),
        (1, 4, "negative_quantity"),
        (1, 5, "unparsable_quantity"),
        (1, 6, "missing_time"),
        (1, 7, "invalid_field"),
    ]
    assert judged.events.index.tolist() == [(0, 0), (1, 8)]
    assert all(judge.remedy(reason) for *_, reason in reasons(judged))


def test_requests_do_not_number_each_others_rows(judge):
    twice, again = judge.judge([[GOOD, GOOD], [GOOD]], end=END).events["event_id"].groupby(level=0)
    assert len(set(twice[1])) == 2
    assert set(again[1]) < set(twice[1])


def test_nothing_and_nothing_readable(judge):
    assert judge.judge([], end=END).events.empty
    judged = judge.judge([[], [None]], end=END)
    assert judged.events.empty
    assert list(judged.events.columns) == [
        name if name != "timestamp" else "time" for name in NAMES
    ]
    assert reasons(judged) == [(1, 0, "invalid_field")]


def test_every_remedy_of_its_own_is_used():
    assert set(REMEDIES) == {"unknown_field", "invalid_field", "time_in_the_future"}


values = st.none() | st.sampled_from(
    ["", "x", " 7 ", "2.5", "1e3", "nan", "purchase", "2017-12-01 10:00:00", "1512086400", "-1"]
)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, values)), min_size=1, max_size=6))
def test_a_file_with_the_same_rows_is_judged_alike(rows):
    judged = Judge(frozenset(EVENT_TYPES)).judge([rows], end=10**18)
    # Of two rows with one event_id a file keeps one; a request leaves that to the state.
    ids = [row["event_id"] for row in rows if row["event_id"] not in (None, "", "nan")]
    if len({text.strip() for text in ids}) < len(ids):
        return
    connection = connect(threads=1)
    connection.register("source", pd.DataFrame(rows, columns=list(NAMES), dtype="string"))
    validate(connection, "source", Intake(columns={}, default_event=""))
    expected = connection.execute("SELECT * FROM events").df()
    names = list(judged.events.columns)
    found = judged.events[names].astype(object)
    assert sorted(spelled(found)) == sorted(spelled(expected[names].astype(object)))
    rejected = connection.execute("SELECT reason FROM rejected_events").fetchall()
    assert sorted(reason for *_, reason in reasons(judged)) == sorted(row[0] for row in rejected)
    connection.close()


def spelled(frame):
    rows = frame.where(frame.notna(), None).to_dict("records")
    return [json.dumps({k: v if v is None else str(v) for k, v in row.items()}) for row in rows]
