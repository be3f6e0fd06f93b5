"""What each axis is worth, judged on what was bought in the window before the moment."""

from typing import NamedTuple

import narwhals as nw
import numpy as np
from scipy import sparse

from recsys.config import RecsysConfig
from recsys.engines import frame
from recsys.errors import DataError
from recsys.events.schema import EVENT, ITEM_ID, MICROSECONDS_PER_DAY, USER_ID
from recsys.events.shop import Shop
from recsys.interactions import Targets, bought_between, hold_out, targets_of
from recsys.models.fit import support
from recsys.models.worth import Evidence, Worth, WorthSettings, axis_worth
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.segment import Segmented
from recsys.pipelines.snapshot import Snapshot, take_snapshot
from recsys.pipelines.windows import window_days
from recsys.types import UserItems

MOST_USERS = 200_000
"""A larger shop is judged on a sample."""
HIDDEN_USERS, HIDDEN_ITEMS = 0.2, 0.2
"""Without times: the share of users that lose items, and the share they lose."""
TOO_SHORT = "too little history to judge what an axis is worth"


class Window(NamedTuple):
    """What was known at its beginning, and what was bought in it."""

    start: Snapshot
    bought: Targets


def judge_axes(
    shop: Shop, config: RecsysConfig, found: Segmented, *, progress: Progress = silent
) -> tuple[dict[str, Worth], tuple[str, ...]]:
    """Judge each axis by memberships, priors and cut points as of the window's beginning.

    Parameters
    ----------
    shop
        The shop that was segmented.
    config
        Its config; the window is the one that weights are learnt on.
    found
        The segments, as of their moment.
    progress
        Where to say how far it is.

    Returns
    -------
    tuple
        Axis -> its worth, and what to say about it.
    """
    sample, notes = _sample(shop, len(found.memberships.users))
    with progress("what was known a window ago", None):
        window = _window(sample, config, found)
    if window is None:
        return {}, (*notes, TOO_SHORT)
    memberships = window.start.possible_memberships(config)
    evidence = _evidence(window, config)
    settings = WorthSettings(k=config.evaluation.k[0], seed=config.model.seed)
    worth = {}
    with progress("what each axis is worth", len(memberships.axes)) as advance:
        for axis in memberships.axes:
            _, worth[axis.name] = axis_worth(
                axis.name, memberships.of(axis.name), evidence, settings
            )
            advance()
    late = [axis.name for axis in found.memberships.axes if axis.name not in worth]
    said = [f"the axis {name!r} is younger than the window: its worth is unknown" for name in late]
    return worth, (*notes, *said)


def _sample(shop: Shop, n_users: int) -> tuple[Shop, tuple[str, ...]]:
    """Return a shop of so many users at most, drawn by a digest of their ids."""
    if n_users <= MOST_USERS:
        return shop, ()
    share = MOST_USERS / n_users
    drawn = f"hash({USER_ID}) % 1000000 < {round(share * 1_000_000)}"
    note = f"worth is judged on a sample of about {MOST_USERS:,} of {n_users:,} users"
    return shop.where(events=drawn, users=drawn), (note,)


def _window(shop: Shop, config: RecsysConfig, found: Segmented) -> Window | None:
    as_of = found.facts.as_of
    if not shop.timed:
        return _held_out(shop, config, found)
    begin = as_of - int(window_days(shop, config, as_of=as_of) * MICROSECONDS_PER_DAY)
    catalogue = found.facts.catalogue
    try:
        known = shop.events(before=begin)
        start = take_snapshot(shop, known, config, as_of=begin, catalogue=catalogue)
    except DataError:
        return None
    after = shop.events(since=begin, before=as_of)
    return Window(start, bought_between(after, config.interactions.target, catalogue.items))


def _held_out(shop: Shop, config: RecsysConfig, found: Segmented) -> Window | None:
    """Without times: hide a seeded part of the pairs of some users, and ask for them."""
    events, catalogue = shop.events(), found.facts.catalogue
    target = nw.col(EVENT).is_in(config.interactions.target)
    pairs = events.filter(target).select(USER_ID, ITEM_ID).unique().collect("pandas").to_native()
    hidden = hold_out(pairs, seed=config.model.seed, users=HIDDEN_USERS, items=HIDDEN_ITEMS)
    shop.connection.register("held_out", hidden)
    rest = events.join(frame(shop.connection, "held_out"), on=[USER_ID, ITEM_ID], how="anti")
    try:
        start = take_snapshot(shop, rest, config, as_of=found.facts.as_of, catalogue=catalogue)
    except DataError:
        return None
    return Window(start, targets_of(hidden, catalogue.items))


def _evidence(window: Window, config: RecsysConfig) -> Evidence:
    pairs = window.start.histories.positive_items()
    supported = support(pairs) >= config.interactions.min_item_users
    return Evidence(pairs, _targets(window), supported, window.start.catalogue.groups)


def _targets(window: Window) -> UserItems:
    """Lay out what users known by the window's beginning bought in it."""
    histories, bought = window.start.histories, window.bought
    rows = histories.users.index_of(bought.users.ids)[bought.user_index]
    kept = (rows >= 0) & (bought.items >= 0)
    ones = np.ones(int(kept.sum()))
    cells = (ones, (rows[kept], bought.items[kept]))
    return sparse.csr_matrix(cells, shape=(len(histories.users), histories.n_items))
