"""One training and what is asked of it: the form that every protocol has."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from recsys.engines import literal, rows
from recsys.errors import ConfigError, DataError
from recsys.events.schema import AMOUNT, EVENT, ITEM_ID, QUANTITY, TIME, USER_ID
from recsys.events.shop import WITHOUT_TIMES, Shop


@dataclass(frozen=True)
class Asked:
    """Some users, what is known of them, and what they went on to do.

    Attributes
    ----------
    known
        The shop as far as it is known of these users; their attributes stay.
    targets
        ``user_id, item_id, amount``, distinct pairs.
    reveal
        How much of each user is revealed; None where the protocol reveals no counted part.
    """

    known: Shop
    targets: pd.DataFrame
    reveal: int | None = None


@dataclass(frozen=True)
class Question:
    """What may be learnt from, and what is then asked.

    Attributes
    ----------
    name
        Of the cut or the split, for tables.
    training
        The shop as far as it may be learnt from.
    as_of
        Microseconds: nothing at or after it may be used, by training or of the asked users.
    asked
        One part, or one for each amount that is revealed.
    words
        The protocol in words, for reports.
    counts
        What the protocol kept out or leaks, counted.
    """

    name: str
    training: Shop
    as_of: int
    asked: tuple[Asked, ...]
    words: dict[str, object]
    counts: dict[str, int] = field(default_factory=dict)


def needs_times(shop: Shop, protocol: str) -> tuple[int, int]:
    """Return the span of the events.

    Raises
    ------
    ConfigError
        When they have no times.
    """
    span = shop.span()
    if span is None:
        raise ConfigError(
            f"[evaluation] protocol = {protocol!r} needs times; {WITHOUT_TIMES}; "
            "use protocol = 'holdout_users' or 'given'"
        )
    return span


def successes(
    shop: Shop, target: Sequence[str], *, since: int | None = None, before: int | None = None
) -> str:
    """Return a query of the events that count as targets, with ``since <= time < before``."""
    events = ", ".join(literal(name) for name in target)
    conditions = [
        shop.events_where,
        f"{EVENT} IN ({events}) AND {ITEM_ID} IS NOT NULL AND coalesce({QUANTITY}, 1) > 0",
    ]
    conditions += [f"{TIME} >= {since}"] if since is not None else []
    conditions += [f"{TIME} < {before}"] if before is not None else []
    return "SELECT * FROM events WHERE " + " AND ".join(f"({one})" for one in conditions)


def distinct_pairs(shop: Shop, query: str) -> pd.DataFrame:
    """Return ``user_id, item_id, amount`` of a query of events, one row a pair, sorted."""
    pairs: pd.DataFrame = shop.connection.sql(
        f"SELECT {USER_ID}, {ITEM_ID}, sum({AMOUNT}) AS {AMOUNT} FROM ({query}) "
        f"GROUP BY ALL ORDER BY {USER_ID}, {ITEM_ID}"
    ).df()
    return pairs


def keep(shop: Shop, purpose: str, query: str) -> str:
    """Write the rows of a query to a table beside the shop's own, and return its name."""
    number = rows(shop.connection, "SELECT count(*) FROM duckdb_tables()")[0][0]
    name = f"{purpose}_{number}"
    shop.connection.execute(f"CREATE TABLE {name} AS {query}")
    return name


def draw_users(shop: Shop, candidates: str, *, users: int, seed: int) -> str:
    """Draw users of a query by a digest of (seed, user), and return the table of their ids.

    Raises
    ------
    DataError
        When there is nobody to draw, or nobody would be left to learn from.
    """
    drawn = f"md5({literal(f'{seed}/')} || {USER_ID})"
    held = keep(
        shop,
        "held_users",
        f"SELECT {USER_ID} FROM ({candidates}) GROUP BY {USER_ID} ORDER BY {drawn} LIMIT {users}",
    )
    everyone = f"SELECT count(DISTINCT {USER_ID}) FROM events WHERE {shop.events_where}"
    drawn_users, known = rows(
        shop.connection, f"SELECT (SELECT count(*) FROM {held}), ({everyone})"
    )[0]
    if not drawn_users or drawn_users >= known:
        raise DataError(
            f"{drawn_users:,} of {known:,} users can be kept out of training; set [evaluation] "
            "users to fewer than there are, or reveal less of each"
        )
    return held


def without(shop: Shop, held: str) -> Shop:
    """Return the shop without the users of the table `held`, attributes included."""
    others = f"{USER_ID} NOT IN (SELECT {USER_ID} FROM {held})"
    return shop.where(events=others, users=others)


def only(shop: Shop, revealed: str) -> Shop:
    """Return the shop with the events of the table `revealed` alone."""
    return shop.revealing(f"event_id IN (SELECT event_id FROM {revealed})")


def asked_or_fail(asked: Asked, remedy: str) -> Asked:
    """Return `asked`, unless nobody has a target.

    Raises
    ------
    DataError
        When there is none.
    """
    if asked.targets.empty:
        raise DataError(f"there is nothing to find: no user has a target; {remedy}")
    return asked
