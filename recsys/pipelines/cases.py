"""Cases: users whom a window leaves out, each with a history cut short, and what they bought."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.engines import frame, literal
from recsys.events.schema import EVENT_ID, ITEM_ID, USER_ID
from recsys.events.shop import Shop
from recsys.interactions import Targets, targets_of
from recsys.interactions.revealing import AMOUNT, CASE, Places, places, reveal
from recsys.types import Indices
from recsys.vocabulary import Vocabulary

LEFT_OUT = 5
"""One user in so many is left out of what is fitted for a window."""
AMOUNTS = (0, 1, 3, 5, 10, 20, 50)
"""Items that are known of a left-out user, besides all of them."""
KNOWN = 0.8
"""Without times: the share of her items that is "all" of them; the rest is to be found."""
ALL = "all"
BETWEEN = "\x1f"
"""In the id of a case, between the id of its user and the amount that is known."""
MOST = 280
"""Cases of each amount in a window: bounds the time and the memory of learning."""
MOST_WHOLE = 2 * MOST
"""Cases of which everything is known: those are customers as they come."""


@dataclass(frozen=True)
class Cases:
    """Left-out users with histories cut short; one user may be several cases.

    Attributes
    ----------
    events
        What is known of each: events whose ``user_id`` is the id of a case.
    attributes
        Indexed by the ids of cases; nothing that sums up what a user did is among them.
    targets
        What each went on to buy; its users are the cases.
    """

    events: nw.LazyFrame[Any]
    attributes: pd.DataFrame
    targets: Targets

    @property
    def users(self) -> Vocabulary:
        """Ids of the cases."""
        return self.targets.users

    @property
    def owners(self) -> Indices:
        """Whose history each case is, by number, shape ``(n_cases,)``."""
        names = [case.rpartition(BETWEEN)[0] for case in self.users.ids.tolist()]
        return np.unique(names, return_inverse=True)[1]


class Seeds(NamedTuple):
    """What a draw of cases depends on besides the data.

    Attributes
    ----------
    seed
        Of training.
    window
        The number of the window, below `LEFT_OUT`.
    """

    seed: int
    window: int

    @property
    def left_out(self) -> str:
        """Which users the window leaves out, SQL: a fold of them, by a digest of their ids."""
        digest = f"md5({literal(f'left out {self.seed}/')} || {USER_ID})[:8]"
        return f"('0x' || {digest})::BIGINT % {LEFT_OUT} = {self.window}"


def make_cases(
    known: Shop, bought: str, seeds: Seeds, catalogue: Vocabulary, *, as_of: int
) -> Cases:
    """Cut the histories of a window's left-out users short.

    Parameters
    ----------
    known
        The shop of those users alone, before the window; without times, all of theirs.
    bought
        A query of what they bought in it, ``user_id, item_id``; without times, ever.
    seeds
        Of the draw.
    catalogue
        The items that targets are indexed by.
    as_of
        The window's beginning, microseconds.
    """
    order = _newest_first(known, seeds.seed)
    cases = known.keep("cases", _drawn(known, bought, order, seeds))
    events = known.keep("case_events", _shortened(known, cases, order, bought))
    pairs = f"SELECT {CASE} AS {USER_ID}, {ITEM_ID} FROM {cases} JOIN ({bought}) USING ({USER_ID})"
    if not known.timed:
        found = f"FROM {events} SEMI JOIN ({bought}) USING ({EVENT_ID})"
        pairs = f"FROM ({pairs}) ANTI JOIN ({found}) USING ({USER_ID}, {ITEM_ID})"
    targets = targets_of(known.connection.sql(f"SELECT DISTINCT * FROM ({pairs})").df(), catalogue)
    return Cases(frame(known.connection, events), _attributes(known, cases, as_of), targets)


def _newest_first(known: Shop, seed: int) -> Places:
    events = f"SELECT * FROM events WHERE ({known.events_where}) AND {ITEM_ID} IS NOT NULL"
    return places(known, events, baskets=False, first=False, seed=seed)


def _drawn(known: Shop, bought: str, order: Places, seeds: Seeds) -> str:
    """Draw cases, ``case_id, user_id, amount``, as many of each amount; no amount: everything.

    A user is a case of an amount only where she has more than that; everybody is one with all.
    """
    amounts = ", ".join(f"({amount})" for amount in (*AMOUNTS, "NULL"))
    digest = f"md5({literal(f'cases {seeds.seed}/{seeds.window}/')} || {CASE})"
    whole = AMOUNT if known.timed else f"coalesce({AMOUNT}, floor({KNOWN} * have)::BIGINT)"
    return (
        f"WITH sizes AS (SELECT {USER_ID}, max(place) AS have FROM {order.table} GROUP BY 1), "
        f"asked AS (SELECT DISTINCT {USER_ID} FROM ({bought})), "
        f"able AS (SELECT {USER_ID}, coalesce(have, 0) AS have, {AMOUNT}, "
        f"{USER_ID} || {literal(BETWEEN)} || coalesce({AMOUNT}::VARCHAR, {literal(ALL)}) AS {CASE} "
        f"FROM asked LEFT JOIN sizes USING ({USER_ID}) "
        f"CROSS JOIN (VALUES {amounts}) AS wanted({AMOUNT})) "
        f"SELECT {CASE}, {USER_ID}, {whole} AS {AMOUNT} FROM able "
        f"WHERE {AMOUNT} IS NULL OR have > {AMOUNT} "
        f"QUALIFY row_number() OVER (PARTITION BY able.{AMOUNT} ORDER BY {digest}) "
        f"<= if(able.{AMOUNT} IS NULL, {MOST_WHOLE}, {MOST})"
    )


def _shortened(known: Shop, cases: str, order: Places, bought: str) -> str:
    """Select the events of the cases under the ids of the cases."""
    some = reveal(known, f"SELECT * FROM {cases}", order)
    events = f"SELECT * FROM events WHERE ({known.events_where})"
    # Without times a purchase is hidden and not what led to it: else nothing would lead to one.
    rest = events if known.timed else f"FROM ({events}) ANTI JOIN ({bought}) USING ({EVENT_ID})"
    whole = f"FROM {cases} WHERE ends_with({CASE}, {literal(BETWEEN + ALL)})"
    theirs = f"SELECT {CASE}, {EVENT_ID} FROM ({rest}) JOIN ({whole}) USING ({USER_ID})"
    laid = f"SELECT e.* REPLACE ({CASE} AS {USER_ID}) FROM ({events}) e"
    return f"{laid} JOIN (FROM {some} UNION {theirs}) USING ({EVENT_ID})"


def _attributes(known: Shop, cases: str, as_of: int) -> pd.DataFrame:
    attributes = replace(known, truncated=True).users(as_of=as_of)
    owners = known.connection.table(cases).df().set_index(CASE)[USER_ID].sort_index()
    said = owners[owners.isin(attributes.index)]
    found: pd.DataFrame = attributes.loc[said].set_index(said.index.rename(USER_ID))
    return found
