"""Campaigns: when they ran, whom they were sent to, and who redeemed a coupon."""

from collections.abc import Mapping

import duckdb
import pandas as pd

from recsys.events import mapping
from recsys.events.schema import (
    CAMPAIGN_ID,
    COUPON_ID,
    ENDS,
    KIND,
    STARTS,
    TIME,
    TIMESTAMP,
    USER_ID,
)
from recsys.events.splitting import Reading, columns_of, key_rules, split
from recsys.events.times import FIRST, LAST
from recsys.events.validation import Intake, Rule, time_rules

Theirs = Mapping[str, mapping.Column]
MISSING = "CAST(NULL AS VARCHAR)"
CAMPAIGNS = "campaigns"
CAMPAIGN_USERS = "campaign_users"
REDEMPTIONS = "redemptions"
RECEIVED, REDEEMED = "offers_received", "offers_redeemed"
COUPONS, RESPONSE = "coupons_redeemed", "offer_response"
ANSWERS = (RECEIVED, REDEEMED, COUPONS, RESPONSE)
"""What `campaign_answers` says of a user."""
"""Attributes of users: how they answered campaigns."""
TABLES = {
    CAMPAIGNS: f"{CAMPAIGN_ID} VARCHAR, {STARTS} BIGINT, {ENDS} BIGINT, {KIND} VARCHAR",
    CAMPAIGN_USERS: f"{CAMPAIGN_ID} VARCHAR, {USER_ID} VARCHAR",
    REDEMPTIONS: (f"{CAMPAIGN_ID} VARCHAR, {USER_ID} VARCHAR, {TIME} BIGINT, {COUPON_ID} VARCHAR"),
}
"""Table -> its columns, also where no file is given; times are microseconds."""
BOUNDS = (STARTS, ENDS)
CAMPAIGN_RULES = (
    *key_rules(CAMPAIGN_ID),
    Rule("missing_time", f"raw_{STARTS} IS NULL OR raw_{ENDS} IS NULL", "say when it starts, ends"),
    Rule(
        "unparsable_time",
        f"{STARTS} IS NULL OR {ENDS} IS NULL",
        "write ISO 8601 (2017-12-01T08:30:00Z) or set [data] time_format",
    ),
    Rule(
        "time_out_of_range",
        " OR ".join(f"{name} NOT BETWEEN {FIRST} AND {LAST - 1}" for name in BOUNDS),
        "correct the year: it is none from 1 to 9998",
    ),
    Rule("ends_before_starts", f"{ENDS} < {STARTS}", "correct the one or the other"),
)
UNKNOWN = Rule(
    "unknown_campaign",
    f"{CAMPAIGN_ID} NOT IN (SELECT {CAMPAIGN_ID} FROM {CAMPAIGNS})",
    "give the campaign a row in the file of campaigns that can be used",
)
MEMBER_RULES = (*key_rules(CAMPAIGN_ID), *key_rules(USER_ID))
COPIES = {
    "duplicate_campaign_id": "give every campaign one row",
    "duplicate_campaign_user": "name a user once for each campaign",
}


def remedies() -> dict[str, str]:
    """Return what to do about each reason that only these files have."""
    rules = (*MEMBER_RULES, CAMPAIGN_RULES[-1], UNKNOWN)
    return {**{rule.reason: rule.remedy for rule in rules}, **COPIES}


def validate_campaigns(
    connection: duckdb.DuckDBPyConnection, opened: Mapping[str, str], intake: Intake
) -> None:
    """Split the sources that are given into `TABLES` and what is rejected of each.

    Parameters
    ----------
    connection
        Where the sources are open.
    opened
        Table -> the view or table of its source; the others are made, and are empty.
    intake
        The column mapping and the bounds of time.

    Raises
    ------
    DataError
        When a required column is missing.
    """
    # Without a file of campaigns nothing says which of them exist.
    known = (UNKNOWN,) if CAMPAIGNS in opened else ()
    readings = {CAMPAIGNS: _campaigns, CAMPAIGN_USERS: _campaign_users, REDEMPTIONS: _redemptions}
    for table, reading in readings.items():
        if table in opened:
            theirs = columns_of(connection, opened[table])
            split(connection, opened[table], table, reading(theirs, intake, known))
        else:
            connection.execute(f"CREATE OR REPLACE TABLE {table} ({TABLES[table]})")


def campaign_answers(connection: duckdb.DuckDBPyConnection, users: str, as_of: int) -> pd.DataFrame:
    """Return how users answered the campaigns that started before a moment.

    Parameters
    ----------
    connection
        Where the tables are.
    users
        SQL condition on ``user_id``.
    as_of
        Microseconds.

    Returns
    -------
    DataFrame
        Indexed by ``user_id``: `RECEIVED` campaigns, `REDEEMED` ones of them, `COUPONS` redeemed,
        and `RESPONSE`, redeemed / received. Without such a file it has no column.
    """
    begun = f"SELECT {CAMPAIGN_ID} FROM {CAMPAIGNS} WHERE {STARTS} < {as_of}"
    sent = (
        f"SELECT {USER_ID}, count(*) AS {RECEIVED} FROM {CAMPAIGN_USERS} "
        f"WHERE ({users}) AND {CAMPAIGN_ID} IN ({begun}) GROUP BY {USER_ID}"
    )
    taken = (
        f"SELECT {USER_ID}, count(DISTINCT {CAMPAIGN_ID}) AS {REDEEMED}, count(*) AS {COUPONS} "
        f"FROM {REDEMPTIONS} WHERE ({users}) AND {TIME} < {as_of} GROUP BY {USER_ID}"
    )
    received, redeemed = (
        pd.DataFrame(connection.sql(one).df()).set_index(USER_ID) for one in (sent, taken)
    )
    if received.empty and redeemed.empty:
        return pd.DataFrame(index=pd.Index([], dtype=object, name=USER_ID))
    answers = received.join(redeemed, how="outer").fillna(0).astype("int64").sort_index()
    response = answers[REDEEMED] / answers[RECEIVED].where(answers[RECEIVED] > 0)
    answers[RESPONSE] = response
    return answers


def _campaigns(theirs: Theirs, intake: Intake, known: tuple[Rule, ...]) -> Reading:
    del known
    bounds = {
        name: mapping.require(name, intake.columns, theirs, file=CAMPAIGNS) for name in BOUNDS
    }
    kind = mapping.find(KIND, intake.columns, theirs)
    read = {
        CAMPAIGN_ID: _id(CAMPAIGN_ID, theirs, intake, CAMPAIGNS),
        **{name: mapping.time(column, intake.time_format) for name, column in bounds.items()},
        KIND: mapping.text(kind) if kind else MISSING,
    }
    raw = {f"raw_{name}": mapping.raw(column) for name, column in bounds.items()}
    return Reading(read, CAMPAIGN_RULES, raw, key=(CAMPAIGN_ID,), duplicate="duplicate_campaign_id")


def _campaign_users(theirs: Theirs, intake: Intake, known: tuple[Rule, ...]) -> Reading:
    key = (CAMPAIGN_ID, USER_ID)
    read = {name: _id(name, theirs, intake, CAMPAIGN_USERS) for name in key}
    return Reading(read, (*MEMBER_RULES, *known), key=key, duplicate="duplicate_campaign_user")


def _redemptions(theirs: Theirs, intake: Intake, known: tuple[Rule, ...]) -> Reading:
    time = mapping.require(TIMESTAMP, intake.columns, theirs, file=REDEMPTIONS)
    coupon = mapping.find(COUPON_ID, intake.columns, theirs)
    read = {
        CAMPAIGN_ID: _id(CAMPAIGN_ID, theirs, intake, REDEMPTIONS),
        USER_ID: _id(USER_ID, theirs, intake, REDEMPTIONS),
        TIME: mapping.time(time, intake.time_format),
        COUPON_ID: mapping.identifier(coupon) if coupon else MISSING,
    }
    rules = (*MEMBER_RULES, *time_rules(intake.end), *known)
    return Reading(read, rules, {f"raw_{TIMESTAMP}": mapping.raw(time)})


def _id(name: str, theirs: Theirs, intake: Intake, file: str) -> str:
    return mapping.identifier(mapping.require(name, intake.columns, theirs, file=file))
