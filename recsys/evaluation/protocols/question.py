"""One training and what is asked of it: the form that every protocol has."""

from dataclasses import dataclass, field

import pandas as pd

from recsys.engines import literal, rows
from recsys.errors import ConfigError, DataError
from recsys.events.schema import AMOUNT, ITEM_ID, USER_ID
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


def distinct_pairs(shop: Shop, query: str) -> pd.DataFrame:
    """Return ``user_id, item_id, amount`` of a query of events, one row a pair, sorted."""
    pairs: pd.DataFrame = shop.connection.sql(
        f"SELECT {USER_ID}, {ITEM_ID}, sum({AMOUNT}) AS {AMOUNT} FROM ({query}) "
        f"GROUP BY ALL ORDER BY {USER_ID}, {ITEM_ID}"
    ).df()
    return pairs


def draw_users(shop: Shop, candidates: str, *, users: int, seed: int) -> str:
    """Draw users of a query by a digest of (seed, user), and return the table of their ids.

    Raises
    ------
    DataError
        When there is nobody to draw, or nobody would be left to learn from.
    """
    drawn = f"md5({literal(f'{seed}/')} || {USER_ID})"
    held = shop.keep(
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
