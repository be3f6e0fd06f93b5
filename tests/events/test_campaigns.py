"""Campaigns, whom they were sent to, and redemptions: judged, and cut at a moment."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from recsys.errors import DataError
from recsys.events.shop import Shop
from recsys.events.times import parse_time

Read = Callable[..., Shop]
EVENTS = pd.DataFrame({"user_id": ["1"], "item_id": ["a"], "timestamp": ["2017-12-01"]})
CAMPAIGN = {"campaign_id": "07", "starts": "2017-11-01", "ends": "2017-11-30", "kind": "A"}
SENT = {"campaign_id": "07", "user_id": "1"}
REDEEMED = {"campaign_id": "07", "user_id": "1", "timestamp": "2017-11-05", "coupon_id": "c"}
GOOD = {"campaigns": CAMPAIGN, "campaign_users": SENT, "redemptions": REDEEMED}
END = parse_time("2018-01-01")
BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("campaigns", "missing_campaign_id", {"campaign_id": " "}),
    ("campaigns", "id_too_long", {"campaign_id": "x" * 257}),
    ("campaigns", "nul_in_id", {"campaign_id": "x\0"}),
    ("campaigns", "missing_time", {"ends": None}),
    ("campaigns", "unparsable_time", {"starts": "soon"}),
    ("campaigns", "time_out_of_range", {"ends": "290000-01-01"}),
    ("campaigns", "ends_before_starts", {"campaign_id": "8", "ends": "2017-10-31"}),
    ("campaigns", "duplicate_campaign_id", {"kind": None}),
    ("campaign_users", "missing_campaign_id", {"campaign_id": None}),
    ("campaign_users", "missing_user_id", {"user_id": ""}),
    ("campaign_users", "unknown_campaign", {"campaign_id": "7"}),
    ("campaign_users", "duplicate_campaign_user", {}),
    ("redemptions", "missing_campaign_id", {"campaign_id": None}),
    ("redemptions", "missing_user_id", {"user_id": None}),
    ("redemptions", "id_too_long", {"user_id": "x" * 257}),
    ("redemptions", "missing_time", {"timestamp": None}),
    ("redemptions", "unparsable_time", {"timestamp": "soon"}),
    ("redemptions", "time_at_or_after_end", {"timestamp": "2018-01-01"}),
    ("redemptions", "unknown_campaign", {"campaign_id": "9"}),
]


def framed(*found: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(found), dtype=object)


def whole() -> dict[str, pd.DataFrame]:
    return {name: framed(row) for name, row in GOOD.items()}


@pytest.mark.parametrize(("name", "reason", "change"), BAD)
def test_a_bad_row_is_rejected_beside_the_good_one(
    name: str, reason: str, change: dict[str, Any], read: Read
) -> None:
    sources = {**whole(), name: framed(GOOD[name], {**GOOD[name], **change})}
    shop = read(EVENTS, **sources, end=END)
    report = shop.reports[name]
    assert (report.read, report.left_out, report.accepted) == (2, 0, 1)
    assert report.rejected == {reason: 1}
    assert shop.remedies[reason]


def test_rejected_campaigns_are_written_and_make_their_rows_unknown(
    tmp_path: Any, read: Read
) -> None:
    bad = {**CAMPAIGN, "ends": "2017-10-31", "note": "kept"}
    shop = read(EVENTS, **{**whole(), "campaigns": framed(bad)})
    assert shop.reports["redemptions"].rejected == {"unknown_campaign": 1}
    names = [file.name for file in shop.write_rejected(tmp_path)]
    assert names == [f"{name}.rejected.parquet" for name in GOOD]
    (row,) = pd.read_parquet(tmp_path / names[0]).to_dict("records")
    assert (row["reason"], row["note"], row["ends"]) == ("ends_before_starts", "kept", "2017-10-31")


def test_without_files_the_tables_are_there_and_empty(read: Read) -> None:
    full, empty = read(EVENTS, **whole()), read(EVENTS)
    for with_rows, without in (
        (full.campaigns(as_of=END), empty.campaigns(as_of=END)),
        (full.campaign_users(), empty.campaign_users()),
        (full.redemptions(), empty.redemptions()),
    ):
        assert (len(with_rows), len(without)) == (1, 0)
        assert list(with_rows.columns) == list(without.columns)
    assert empty.redemptions()["time"].dtype == "int64"
    assert set(empty.reports) == {"events"}


def test_without_a_file_of_campaigns_every_one_is_known(read: Read) -> None:
    shop = read(EVENTS, redemptions=framed(REDEEMED))
    assert shop.redemptions().to_dict("records") == [
        {"campaign_id": "07", "user_id": "1", "time": parse_time("2017-11-05"), "coupon_id": "c"}
    ]


def test_nothing_at_or_after_the_moment_is_seen(read: Read) -> None:
    later = {**CAMPAIGN, "campaign_id": "8", "starts": "2017-12-01", "ends": "2017-12-01"}
    redeemed = [{**REDEEMED, "timestamp": f"2017-11-{day:02}"} for day in (9, 5, 7)]
    shop = read(
        EVENTS, campaigns=framed(later, CAMPAIGN), redemptions=framed(*redeemed, redeemed[0])
    )
    for name, at in (("2017-11-01", []), ("2017-12-01", ["07"]), ("2017-12-02", ["07", "8"])):
        assert shop.campaigns(as_of=parse_time(name))["campaign_id"].tolist() == at
    times = [parse_time(f"2017-11-{day:02}") for day in (5, 7, 9, 9)]
    assert shop.redemptions()["time"].tolist() == times
    assert shop.redemptions(before=times[1])["time"].tolist() == times[:1]
    assert shop.redemptions(before=times[1] + 1)["time"].tolist() == times[:2]


def test_where_events_have_no_times_all_is_seen(read: Read) -> None:
    shop = read(EVENTS.drop(columns="timestamp"), **whole())
    assert len(shop.campaigns(as_of=shop.after_all())) == 1
    assert len(shop.redemptions(before=shop.after_all())) == 1


def test_users_that_are_left_out_are_left_out_of_campaigns(read: Read) -> None:
    sent = framed(SENT, {**SENT, "user_id": "2"})
    redeemed = framed(REDEEMED, {**REDEEMED, "user_id": "2"})
    shop = read(EVENTS, **{**whole(), "campaign_users": sent, "redemptions": redeemed})
    part = shop.where(users="user_id <> '1'")
    assert part.campaign_users()["user_id"].tolist() == ["2"]
    assert part.redemptions()["user_id"].tolist() == ["2"]
    assert shop.campaign_users()["user_id"].tolist() == ["1", "2"]


def test_a_shops_own_columns(read: Read) -> None:
    events = pd.DataFrame(
        {"household_id": [1], "item_id": ["a"], "transaction_timestamp": ["2017-12-01"]}
    )
    shop = read(
        events,
        campaigns=pd.DataFrame(
            {"campaign_id": [7], "campaign_type": ["Type A"], "start_date": ["2017-11-01"],
             "end_date": pd.to_datetime(["2017-11-30"])}
        ),
        campaign_users=pd.DataFrame({"campaign_id": [7], "household_id": [1]}),
        redemptions=pd.DataFrame(
            {"household_id": [1], "coupon_upc": [10000085364], "campaign_id": [7],
             "redemption_date": pd.to_datetime(["2017-11-05"])}
        ),
        columns={
            "user_id": "household_id",
            "timestamp": ["transaction_timestamp", "redemption_date"],
            "starts": "start_date",
            "ends": "end_date",
            "kind": "campaign_type",
            "coupon_id": "coupon_upc",
        },
    )  # fmt: skip
    assert shop.campaigns(as_of=END).to_dict("records") == [
        {"campaign_id": "7", "starts": parse_time("2017-11-01"), "ends": parse_time("2017-11-30"),
         "kind": "Type A"}
    ]  # fmt: skip
    (redeemed,) = shop.redemptions().to_dict("records")
    assert (redeemed["user_id"], redeemed["coupon_id"]) == ("1", "10000085364")
    assert redeemed["time"] == parse_time("2017-11-05")
    assert shop.campaign_users().to_dict("records") == [{"campaign_id": "7", "user_id": "1"}]


@pytest.mark.parametrize(
    ("name", "column"),
    [("campaigns", "ends"), ("campaign_users", "user_id"), ("redemptions", "timestamp")],
)
def test_a_required_column_that_is_not_there(name: str, column: str, read: Read) -> None:
    with pytest.raises(DataError, match=rf"the {name} source has no column for '{column}'; it has"):
        read(EVENTS, **{**whole(), name: whole()[name].drop(columns=column)})
