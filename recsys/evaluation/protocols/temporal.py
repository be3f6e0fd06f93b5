"""Learn before a cut, judge on the window after it; several rolling origins."""

from collections.abc import Sequence

from recsys.errors import DataError
from recsys.evaluation.config import EvaluationConfig, TargetRule
from recsys.evaluation.protocols.question import (
    Asked,
    Question,
    asked_or_fail,
    distinct_pairs,
    needs_times,
)
from recsys.events.schema import ITEM_ID, MICROSECONDS_PER_DAY, TIME, USER_ID
from recsys.events.shop import Shop
from recsys.events.times import format_time, parse_time
from recsys.interactions.targets import successes

TARGETS_IN_WORDS: dict[TargetRule, str] = {
    "all": "distinct items of target events in the window",
    "first": "distinct items of each user's first moment of buying in the window",
    "new": "distinct items of target events in the window that the user had not bought before",
}


def temporal(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], *, seed: int
) -> list[Question]:
    """Ask at the cut and at ``origins - 1`` cuts before it, a window apart, the newest first.

    Everything before a cut may be learnt from; whoever buys in its window is asked about. It is
    the protocol to defend: nothing of the future leaks, and repeats are allowed.

    Raises
    ------
    ConfigError
        When events have no times.
    DataError
        When a cut leaves nothing to learn from, or nobody buys in a window.

    References
    ----------
    Ji, Sun, Zhang & Li, "A Critical Study on Data Leakage in Recommender System Offline
    Evaluation", TOIS 41(3), 2023.
    """
    del seed
    newest, length = first_cut(shop, config)
    cuts = [newest - number * length for number in range(config.origins)]
    return [_ask(shop, config, target, cut, length) for cut in cuts]


def first_cut(shop: Shop, config: EvaluationConfig) -> tuple[int, int]:
    """Return the newest cut and the length of the window, microseconds."""
    span = needs_times(shop, config.protocol)
    length = int(config.window_days * MICROSECONDS_PER_DAY)
    cut = parse_time(config.cut, what="[evaluation] cut") if config.cut else span[1] - length
    return cut, length


def check_cut(shop: Shop, cut: int) -> None:
    """Refuse a cut with nothing before it or nothing after it."""
    span = shop.span()
    if span is None or not span[0] < cut <= span[1]:
        between = f"{format_time(span[0])} to {format_time(span[1])}" if span else "no time"
        raise DataError(
            f"the cut {format_time(cut)} is outside the events, which are of {between}; "
            "set [evaluation] cut, test_window or origins"
        )


def targets_after(
    shop: Shop, cut: int, length: int, target: Sequence[str], rule: TargetRule
) -> str:
    """Return a query of the target events of a window by a rule."""
    bought = successes(shop, target, since=cut, before=cut + length)
    if rule == "first":
        return f"{bought} QUALIFY {TIME} = min({TIME}) OVER (PARTITION BY {USER_ID})"
    if rule == "new":
        known = successes(shop, target, before=cut)
        return (
            f"SELECT * FROM ({bought}) ANTI JOIN (SELECT {USER_ID}, {ITEM_ID} FROM ({known})) "
            f"USING ({USER_ID}, {ITEM_ID})"
        )
    return bought


def window_words(config: EvaluationConfig, cut: int, length: int) -> dict[str, object]:
    """Return a cut and its window for reports."""
    return {
        "protocol": config.protocol,
        "cut": format_time(cut),
        "end": format_time(cut + length),
        "targets": TARGETS_IN_WORDS[config.target_rule],
    }


def _ask(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], cut: int, length: int
) -> Question:
    check_cut(shop, cut)
    query = targets_after(shop, cut, length, target, config.target_rule)
    asked = Asked(shop, distinct_pairs(shop, query))
    words = window_words(config, cut, length)
    remedy = f"nothing was bought from {words['cut']} to {words['end']}: set [evaluation] cut"
    return Question(
        format_time(cut), shop, cut, (asked_or_fail(asked, f"{remedy} or test_window"),), words
    )
