"""The windows before a cut that shapes, repeat purchases and weights are learnt on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import narwhals as nw
import numpy as np

from recsys.config import RecsysConfig
from recsys.engines import frame
from recsys.errors import DataError
from recsys.events.schema import EVENT, ITEM_ID, MICROSECONDS_PER_DAY, USER_ID
from recsys.events.shop import Shop
from recsys.interactions import Histories, Targets, bought_between, came_back, hold_out, targets_of
from recsys.models.fit import Past
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.snapshot import Snapshot, read_histories, take_snapshot
from recsys.random import generator
from recsys.vocabulary import Vocabulary

WINDOWS = 3
"""Windows that do not overlap, the newest ending at the cut: one alone misleads."""
SAMPLE = 2000
"""Users whose targets shapes and weights are chosen on."""
HIDDEN_USERS, HIDDEN_ITEMS = 0.2, 0.2
"""Without times: the share of users that lose items, and the share they lose."""
TOO_SHORT = "too little history to learn weights on a window before the cut: default weights"


class Round(NamedTuple):
    """What was known at the start of a window, and everything that was bought in it."""

    histories: Histories
    bought: Targets

    def past(self) -> Past:
        """Return it as an example of what is bought again."""
        return Past(self.histories, came_back(self.histories, self.bought))


@dataclass(frozen=True)
class LearningWindow:
    """A window before the cut: what was known at its start, and what followed.

    Attributes
    ----------
    start
        As of the window's start.
    past
        What the model fitted at `start` learns repeat purchases from.
    targets
        What a seeded sample of users bought in the window.
    """

    start: Snapshot
    past: Past
    targets: Targets


@dataclass(frozen=True)
class Learning:
    """Everything that one training looks at.

    Attributes
    ----------
    now
        As of the cut.
    past
        What the final model learns repeat purchases from.
    window
        Where weights are learnt; None where the history is too short.
    days
        The window's length; None without times.
    rounds
        The windows with half of the history before them, the newest first.
    """

    now: Snapshot
    past: Past
    window: LearningWindow | None
    days: float | None
    rounds: tuple[Round, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What could not be learnt, in words."""
        return [] if self.window else [TOO_SHORT]


def prepare(
    shop: Shop, config: RecsysConfig, *, as_of: int, progress: Progress = silent
) -> Learning:
    """Take the snapshots that training at `as_of` needs."""
    with progress("reading histories", None):
        now = take_snapshot(shop, shop.events(before=as_of), config, as_of=as_of)
        if shop.timed:
            return _timed(shop, config, now)
        return _untimed(shop, config, now)


def window_days(shop: Shop, config: RecsysConfig, *, as_of: int) -> float:
    """Return the window's length: the test window, but at most a third of the history."""
    span = shop.span()
    known = (as_of - span[0]) / MICROSECONDS_PER_DAY if span else 0.0
    return min(config.evaluation.window_days, known / 3)


def _timed(shop: Shop, config: RecsysConfig, now: Snapshot) -> Learning:
    days = window_days(shop, config, as_of=now.as_of)
    length = int(days * MICROSECONDS_PER_DAY)
    start = _snapshot(shop, config, now, now.as_of - length)
    if start is None:
        return Learning(now, Past(now.histories, None), None, days)
    rounds = [Round(start.histories, _bought(shop, config, now, start.as_of, length))]
    for number in range(2, WINDOWS + 1):
        since = now.as_of - number * length
        known = _histories(shop, config, now, since)
        if known is not None:
            rounds.append(Round(known, _bought(shop, config, now, since, length)))
    if len(rounds) == 1 or not len(rounds[0].bought.users):
        return Learning(now, rounds[0].past(), None, days)
    window = LearningWindow(start, rounds[1].past(), _sample(rounds[0].bought, config))
    return Learning(now, rounds[0].past(), window, days, _well_founded(shop, now, length, rounds))


def _well_founded(
    shop: Shop, now: Snapshot, length: int, rounds: Sequence[Round]
) -> tuple[Round, ...]:
    """Keep the rounds that have at least half of the span before them."""
    span = shop.span()
    middle = (span[0] + now.as_of) / 2 if span else 0.0
    return tuple(
        one for number, one in enumerate(rounds, 1) if now.as_of - number * length >= middle
    )


def _snapshot(shop: Shop, config: RecsysConfig, now: Snapshot, as_of: int) -> Snapshot | None:
    try:
        events = shop.events(before=as_of)
        return take_snapshot(shop, events, config, as_of=as_of, catalogue=now.catalogue)
    except DataError:
        return None


def _histories(shop: Shop, config: RecsysConfig, now: Snapshot, as_of: int) -> Histories | None:
    try:
        events = shop.events(before=as_of)
        return read_histories(shop, events, config, as_of=as_of, items=now.catalogue.items)
    except DataError:
        return None


def _bought(shop: Shop, config: RecsysConfig, now: Snapshot, since: int, length: int) -> Targets:
    events = shop.events(since=since, before=since + length)
    return bought_between(events, config.interactions.target, now.catalogue.items)


def _untimed(shop: Shop, config: RecsysConfig, now: Snapshot) -> Learning:
    events = shop.events()
    target = nw.col(EVENT).is_in(config.interactions.target)
    pairs = events.filter(target).select(USER_ID, ITEM_ID).unique().collect("pandas").to_native()
    hidden = hold_out(pairs, seed=config.model.seed, users=HIDDEN_USERS, items=HIDDEN_ITEMS)
    past = Past(now.histories, None)
    shop.connection.register("held_out", hidden)
    rest = events.join(frame(shop.connection, "held_out"), on=[USER_ID, ITEM_ID], how="anti")
    try:
        start = take_snapshot(shop, rest, config, as_of=now.as_of, catalogue=now.catalogue)
    except DataError:
        return Learning(now, past, None, None)
    targets = targets_of(hidden, now.catalogue.items)
    window = LearningWindow(start, Past(start.histories, None), _sample(targets, config))
    return Learning(now, past, window if len(hidden) else None, None)


def _sample(targets: Targets, config: RecsysConfig) -> Targets:
    """Keep a seeded sample of the users, drawn by id: the order of the rows plays no part."""
    n_users = len(targets.users)
    draw = generator(config.model.seed, "learning users")
    chosen = np.sort(draw.choice(n_users, min(SAMPLE, n_users), replace=False))
    kept = np.isin(targets.user_index, chosen)
    return Targets(
        Vocabulary(targets.users.ids[chosen]),
        np.searchsorted(chosen, targets.user_index[kept]),
        targets.items[kept],
    )
