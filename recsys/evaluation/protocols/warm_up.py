"""How fast a ranking gets to know somebody: users held out, a little of them revealed."""

from collections.abc import Sequence

from recsys.errors import ConfigError
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.protocols.question import (
    Asked,
    Question,
    asked_or_fail,
    distinct_pairs,
    draw_users,
    needs_times,
    only,
    without,
)
from recsys.evaluation.protocols.temporal import (
    check_cut,
    first_cut,
    targets_after,
    window_words,
)
from recsys.events.schema import EVENT_ID, ITEM_ID, TIME, USER_ID
from recsys.events.shop import Shop
from recsys.interactions.revealing import AMOUNT, BASKET, CASE, Places, places, reveal
from recsys.interactions.targets import successes

REMEDY = "reveal less, or lower [evaluation] users"


def warm_up(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], *, seed: int
) -> list[Question]:
    """Ask about the same held-out users once for each amount that is revealed.

    ``reveal_from = "last"``: training is everybody else before the cut; of a held-out user the
    newest `n` items or baskets before it are known, and the targets are those of the window after
    it, the same for every `n`. ``"first"``: training is everybody else; the oldest `n` are known,
    and whatever a user bought after them is to be found. Users need more than the largest `n` for
    that, so that every point of the curve is over the same users.

    Raises
    ------
    ConfigError
        When events have no times, and baskets or the newest are asked for.
    DataError
        When nobody can be held out.
    """
    if not shop.timed and (config.reveal_from == "last" or config.reveal_unit == "baskets"):
        needs = "reveal_from = 'first' and reveal_unit = 'items'"
        raise ConfigError(f"no timestamps: [evaluation] protocol = 'warm_up' needs {needs}")
    ask = _before_a_cut if config.reveal_from == "last" else _from_the_start
    return [ask(shop, config, target, seed)]


def _before_a_cut(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], seed: int
) -> Question:
    needs_times(shop, config.protocol)
    cut, length = first_cut(shop, config)
    check_cut(shop, cut)
    window = targets_after(shop, cut, length, target, config.target_rule)
    bought = successes(shop, target, before=cut)
    both = f"SELECT {USER_ID} FROM ({bought}) SEMI JOIN ({window}) USING ({USER_ID})"
    held = draw_users(shop, both, users=config.users, seed=seed)
    mine = f"SELECT * FROM ({bought}) WHERE {USER_ID} IN (SELECT {USER_ID} FROM {held})"
    order = _order(shop, config, mine, seed)
    past = shop.where(events=f"{TIME} < {cut}")
    found = f"SELECT * FROM ({window}) WHERE {USER_ID} IN (SELECT {USER_ID} FROM {held})"
    targets = distinct_pairs(shop, found)
    asked = tuple(
        asked_or_fail(Asked(only(past, _revealed(past, held, order, n)), targets, n), REMEDY)
        for n in sorted(config.reveal)
    )
    words = window_words(config, cut, length) | _words(config)
    counts = {"held_out_users": targets[USER_ID].nunique()}
    return Question("warm_up", without(past, held), cut, asked, words, counts)


def _from_the_start(
    shop: Shop, config: EvaluationConfig, target: Sequence[str], seed: int
) -> Question:
    bought = successes(shop, target)
    unit = _unit(config)
    enough = (
        f"SELECT {USER_ID} FROM ({bought}) GROUP BY {USER_ID} "
        f"HAVING count(DISTINCT {unit}) > {max(config.reveal)}"
    )
    held = draw_users(shop, enough, users=config.users, seed=seed)
    mine = f"SELECT * FROM ({bought}) WHERE {USER_ID} IN (SELECT {USER_ID} FROM {held})"
    order = _order(shop, config, mine, seed)
    asked = tuple(_asked_after(shop, held, mine, order, n) for n in sorted(config.reveal))
    words = {
        "protocol": "warm_up",
        "targets": "distinct items of target events after the revealed ones",
        **_words(config),
    }
    counts = {"held_out_users": asked[0].targets[USER_ID].nunique()}
    return Question("warm_up", without(shop, held), shop.after_all(), asked, words, counts)


def _asked_after(shop: Shop, held: str, mine: str, order: Places, n: int) -> Asked:
    revealed = _revealed(shop, held, order, n)
    rest = f"SELECT * FROM ({mine}) WHERE {EVENT_ID} NOT IN (SELECT {EVENT_ID} FROM {revealed})"
    return asked_or_fail(Asked(only(shop, revealed), distinct_pairs(shop, rest), n), REMEDY)


def _words(config: EvaluationConfig) -> dict[str, object]:
    return {
        "reveal": sorted(config.reveal),
        "reveal_unit": config.reveal_unit,
        "reveal_from": config.reveal_from,
    }


def _unit(config: EvaluationConfig) -> str:
    return ITEM_ID if config.reveal_unit == "items" else BASKET


def _order(shop: Shop, config: EvaluationConfig, mine: str, seed: int) -> Places:
    first, baskets = config.reveal_from == "first", config.reveal_unit == "baskets"
    return places(shop, mine, baskets=baskets, first=first, seed=seed)


def _revealed(shop: Shop, held: str, order: Places, n: int) -> str:
    cases = f"SELECT {USER_ID} AS {CASE}, {USER_ID}, {n} AS {AMOUNT} FROM {held}"
    return reveal(shop, cases, order)
