"""Users kept out of training: most of their events folded in, the rest to be found."""

from collections.abc import Sequence

from recsys.engines import literal
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.protocols.question import (
    Asked,
    Question,
    asked_or_fail,
    distinct_pairs,
    draw_users,
    only,
    without,
)
from recsys.events.schema import EVENT_ID, ITEM_ID, TIME, USER_ID
from recsys.events.shop import Shop
from recsys.interactions.targets import successes


def holdout_users(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], *, seed: int
) -> list[Question]:
    """Ask once about users of whom training sees nothing.

    With times the last ``⌈(1 − fold_in) · n⌉`` of a user's `n` target events, and whatever
    happened from the first of them on, are to be found; without, a seeded draw of as many of her
    pairs. The rest is folded in.

    Raises
    ------
    DataError
        When nobody can be held out.

    References
    ----------
    Liang, Krishnan, Hoffman & Jebara, "Variational Autoencoders for Collaborative Filtering",
    WWW 2018; Rendle, Krichene, Zhang & Koren, "Revisiting the Performance of iALS on Item
    Recommendation Benchmarks", RecSys 2022.
    """
    bought = successes(shop, target)
    several = f"{bought} QUALIFY count(*) OVER (PARTITION BY {USER_ID}) > 1"
    held = draw_users(shop, several, users=config.users, seed=seed)
    mine = f"SELECT * FROM ({bought}) WHERE {USER_ID} IN (SELECT {USER_ID} FROM {held})"
    hidden = (_newest if shop.timed else _drawn)(shop, mine, config.fold_in, seed)
    known = shop.keep(
        "revealed",
        f"SELECT {EVENT_ID} FROM events WHERE ({shop.events_where}) AND {USER_ID} IN "
        f"(SELECT {USER_ID} FROM {held}) AND {EVENT_ID} NOT IN (SELECT {EVENT_ID} FROM {hidden})",
    )
    targets = f"SELECT * FROM ({mine}) WHERE {EVENT_ID} IN (SELECT {EVENT_ID} FROM {hidden})"
    asked = Asked(only(shop, known), distinct_pairs(shop, targets))
    words: dict[str, object] = {
        "protocol": "holdout_users",
        "fold_in": config.fold_in,
        "targets": "distinct items of what was held back of each user: "
        + ("her newest target events" if shop.timed else "a seeded draw of her pairs"),
    }
    held_out = asked.targets[USER_ID].nunique()
    return [
        Question(
            "holdout_users",
            without(shop, held),
            shop.after_all(),
            (asked_or_fail(asked, "the shop needs users with several target events"),),
            words,
            {"held_out_users": held_out},
        )
    ]


def _newest(shop: Shop, mine: str, fold_in: float, seed: int) -> str:
    """Hide all that happened from the boundary on; the boundary is a moment, not half of one."""
    del seed
    place = f"row_number() OVER (PARTITION BY {USER_ID} ORDER BY {TIME} DESC)"
    size = f"count(*) OVER (PARTITION BY {USER_ID})"
    boundary = (
        f"SELECT {USER_ID}, {TIME} AS boundary FROM ({mine}) "
        f"QUALIFY {place} = ceil({1 - fold_in} * {size} - 1e-9)"
    )
    return shop.keep(
        "hidden",
        f"SELECT {EVENT_ID} FROM (SELECT * FROM events WHERE {shop.events_where}) "
        f"JOIN ({boundary}) USING ({USER_ID}) WHERE {TIME} >= boundary",
    )


def _drawn(shop: Shop, mine: str, fold_in: float, seed: int) -> str:
    """Hide every event of a seeded draw of pairs."""
    pairs = f"SELECT DISTINCT {USER_ID}, {ITEM_ID} FROM ({mine})"
    order = f"md5({literal(f'{seed}/')} || {USER_ID} || chr(31) || {ITEM_ID})"
    place = f"row_number() OVER (PARTITION BY {USER_ID} ORDER BY {order})"
    size = f"count(*) OVER (PARTITION BY {USER_ID})"
    return shop.keep(
        "hidden",
        f"SELECT {EVENT_ID} FROM (SELECT * FROM events WHERE {shop.events_where}) SEMI JOIN "
        f"(SELECT * FROM ({pairs}) QUALIFY {place} <= ceil({1 - fold_in} * {size} - 1e-9)) "
        f"USING ({USER_ID}, {ITEM_ID})",
    )
