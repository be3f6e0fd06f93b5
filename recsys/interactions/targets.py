"""What users went on to buy: the answers that learning and evaluation are held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.engines import literal
from recsys.events.schema import AMOUNT, EVENT, ITEM_ID, QUANTITY, TIME, USER_ID
from recsys.events.shop import Shop
from recsys.interactions.histories import Histories
from recsys.random import generator
from recsys.types import Flags, Floats, Indices
from recsys.vocabulary import Vocabulary


@dataclass(frozen=True)
class Targets:
    """Distinct (user, item) pairs to be found.

    Attributes
    ----------
    users
        Users with at least one target.
    user_index
        Index into `users`, shape ``(n_pairs,)``.
    items
        Item index, shape ``(n_pairs,)``; -1 for an item outside the catalogue.
    amounts
        What was paid for each pair, minor units of money, shape ``(n_pairs,)``; None where the
        shop's events have no amounts.
    """

    users: Vocabulary
    user_index: Indices
    items: Indices
    amounts: Floats | None = None

    def by_user(self) -> list[Indices]:
        """Return the targets of each user, in the order of `users`."""
        counts = np.bincount(self.user_index, minlength=len(self.users))
        return np.split(self.items, np.cumsum(counts)[:-1]) if len(self.users) else []


def bought_between(events: nw.LazyFrame[Any], target: list[str], items: Vocabulary) -> Targets:
    """Return the distinct (user, item) pairs of the target events.

    Parameters
    ----------
    events
        The events of the window, and no others.
    target
        The event types that count.
    items
        The catalogue at the cut.
    """
    return targets_of(bought_pairs(events, target), items)


def is_target(target: list[str]) -> nw.Expr:
    """Tell whether an event is a success: one of `target`, of an item, and nothing returned."""
    bought = nw.col(EVENT).is_in(target) & (nw.col(QUANTITY).fill_null(1.0) > 0)
    return bought & ~nw.col(ITEM_ID).is_null()


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


def bought_pairs(events: nw.LazyFrame[Any], target: list[str]) -> pd.DataFrame:
    """Return the distinct pairs of the target events: ``user_id, item_id, amount`` (their sum)."""
    bought = events.filter(is_target(target)).group_by(USER_ID, ITEM_ID)
    pairs: pd.DataFrame = bought.agg(nw.col(AMOUNT).sum()).collect("pandas").to_native()
    return pairs


def targets_of(pairs: pd.DataFrame, items: Vocabulary) -> Targets:
    """Index distinct ``user_id, item_id`` pairs, with or without an ``amount``, as targets."""
    users = Vocabulary(pairs[USER_ID])
    user_index, item_index = users.index_of(pairs[USER_ID]), items.index_of(pairs[ITEM_ID])
    order = np.lexsort((pairs[ITEM_ID].to_numpy(dtype=np.str_), user_index))
    return Targets(users, user_index[order], item_index[order], _amounts(pairs, order))


def _amounts(pairs: pd.DataFrame, order: Indices) -> Floats | None:
    if AMOUNT not in pairs:
        return None
    amounts = pairs[AMOUNT].to_numpy(dtype=np.float64, na_value=0.0)[order]
    return amounts if amounts.any() else None


def came_back(histories: Histories, targets: Targets) -> Flags:
    """Tell which pairs of the histories are among the targets, shape ``(n_pairs,)``.

    Parameters
    ----------
    histories, targets
        Over the same item vocabulary.
    """
    users = histories.users.index_of(targets.users.ids)[targets.user_index]
    known = (users >= 0) & (targets.items >= 0)
    bought = users[known] * histories.n_items + targets.items[known]
    return np.isin(histories.user_index * histories.n_items + histories.items, bought)


def hold_out(pairs: pd.DataFrame, *, seed: int, users: float, items: float) -> pd.DataFrame:
    """Draw pairs to hide, for data without times.

    Parameters
    ----------
    pairs
        Distinct ``user_id, item_id``, in any order.
    seed
        The seed of the draw.
    users, items
        The share of users that lose pairs, and the share of her items each of them loses.
    """
    ordered = pairs.sort_values([USER_ID, ITEM_ID], ignore_index=True)
    draw = generator(seed, "hold out users")
    everyone = ordered[USER_ID].unique()
    chosen = everyone[draw.random(len(everyone)) < users]
    mine = ordered[ordered[USER_ID].isin(chosen)]
    hidden = generator(seed, "hold out items").random(len(mine)) < items
    return mine[hidden].reset_index(drop=True)
