"""Each user's last target event, for comparison with older papers; it says what it leaks."""

from collections.abc import Sequence

from recsys.engines import rows
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.protocols.question import (
    Asked,
    Question,
    asked_or_fail,
    distinct_pairs,
    needs_times,
)
from recsys.events.schema import EVENT_ID, ITEM_ID, TIME, USER_ID
from recsys.events.shop import Shop
from recsys.interactions.targets import successes


def leave_last(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], *, seed: int
) -> list[Question]:
    """Ask for the last target event of every user who has two or more.

    Training sees what others did after it: ``leaked_events`` counts, over all asked users, the
    training events that are later than the one that was left out. Of one user's events at the
    same last moment the one with the greatest item id is left out.

    Raises
    ------
    ConfigError
        When events have no times.
    DataError
        When nobody has two target events.

    References
    ----------
    Ji, Sun, Zhang & Li, TOIS 41(3), 2023, on why not to use it.
    """
    del seed
    needs_times(shop, config.protocol)
    place = f"row_number() OVER (PARTITION BY {USER_ID} ORDER BY {TIME} DESC, {ITEM_ID} DESC)"
    several = f"count(*) OVER (PARTITION BY {USER_ID}) > 1"
    last = shop.keep("last_events", f"{successes(shop, target)} QUALIFY {place} = 1 AND {several}")
    later = shop.keep(
        "hidden",
        f"SELECT e.{EVENT_ID} FROM (SELECT * FROM events WHERE {shop.events_where}) e "
        f"JOIN {last} l USING ({USER_ID}) WHERE e.{TIME} > l.{TIME} OR e.{EVENT_ID} = l.{EVENT_ID}",
    )
    rest = shop.where(events=f"{EVENT_ID} NOT IN (SELECT {EVENT_ID} FROM {later})")
    asked = Asked(rest, distinct_pairs(shop, f"SELECT * FROM {last}"))
    words: dict[str, object] = {
        "protocol": "leave_last",
        "targets": "each user's last target event; training holds later events of other users",
    }
    return [
        Question(
            "leave_last",
            rest,
            shop.after_all(),
            (asked_or_fail(asked, "the shop needs users with two target events"),),
            words,
            {"leaked_events": _leaked(rest, last)},
        )
    ]


def _leaked(training: Shop, last: str) -> int:
    """Count, for each event that was left out, the training events after it, and add up."""
    events = f"SELECT {TIME} FROM events WHERE {training.events_where}"
    # Sorted once: every left-out event's rank among the training events says how many are later.
    query = (
        f"SELECT coalesce(sum(later), 0) FROM (SELECT kind, count(*) FILTER (WHERE kind = 0) OVER "
        f"(ORDER BY {TIME} DESC RANGE UNBOUNDED PRECEDING EXCLUDE GROUP) AS later FROM "
        f"(SELECT {TIME}, 0 AS kind FROM ({events}) UNION ALL SELECT {TIME}, 1 FROM {last})) "
        "WHERE kind = 1"
    )
    return int(rows(training.connection, query)[0][0])
