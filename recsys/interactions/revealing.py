"""Histories cut short: what would be known of a user who had done no more than this.

Evaluation reveals its held-out users little by little, and learning shows itself what little is
known of new customers, by the same code.
"""

from typing import NamedTuple

from recsys.engines import literal
from recsys.events.schema import BASKET_ID, EVENT_ID, ITEM_ID, MICROSECONDS_PER_DAY, TIME, USER_ID
from recsys.events.shop import Shop

CASE = "case_id"
AMOUNT = "amount"
BASKET = f"coalesce({BASKET_ID}, CAST({TIME} // {MICROSECONDS_PER_DAY} AS VARCHAR))"
"""The basket of an event, SQL: the one it names, else the day."""


class Places(NamedTuple):
    """Which item or basket of a user comes at which place.

    Attributes
    ----------
    table
        ``user_id, unit, moment, place`` (from 1).
    unit
        The unit of an event, SQL.
    inside
        Whether an event lies on the revealed side of a bound, SQL: ``time … bound``.
    bound
        The bound of the revealed units, an SQL aggregate of their moments.
    """

    table: str
    unit: str
    inside: str
    bound: str


def places(shop: Shop, events: str, *, baskets: bool, first: bool, seed: int) -> Places:
    """Give each user's items or baskets their places, the one that is revealed first at 1.

    Parameters
    ----------
    shop
        Where the events are.
    events
        A query of the events whose items or baskets count.
    baskets
        Whether baskets are counted, not items.
    first
        Reveal the oldest ones first; else the newest. Without times a seeded draw for each user.
    seed
        Of that draw.
    """
    unit = BASKET if baskets else ITEM_ID
    # An item's moment is when it was bought first (or last); a basket's is its far end.
    moment = "min" if first != baskets else "max"
    drawn = f"md5({literal(f'{seed}/')} || {USER_ID} || chr(31) || unit)"
    order = f"moment {'' if first else 'DESC'}, unit" if shop.timed else drawn
    table = shop.keep(
        "places",
        f"SELECT *, row_number() OVER (PARTITION BY {USER_ID} ORDER BY {order}) AS place FROM "
        f"(SELECT {USER_ID}, {unit} AS unit, {moment}({TIME}) AS moment FROM ({events}) "
        "GROUP BY ALL)",
    )
    if not shop.timed:
        return Places(table, unit, "true", "any_value(moment)")
    inside, bound = (
        (f"{TIME} <= bound", "max(moment)") if first else (f"{TIME} >= bound", "min(moment)")
    )
    return Places(table, unit, inside, bound)


def reveal(shop: Shop, cases: str, order: Places) -> str:
    """Write down the events of each case's first units, to the moment the last of them is known.

    Parameters
    ----------
    shop
        Where the events are.
    cases
        A query of ``case_id, user_id, amount``: how many units of whose are known; one user may
        be several cases.
    order
        The places of the units.

    Returns
    -------
    str
        A table of ``case_id, event_id``.
    """
    units = (
        f"SELECT {CASE}, {USER_ID}, unit, moment FROM ({cases}) JOIN {order.table} "
        f"USING ({USER_ID}) WHERE place <= {AMOUNT}"
    )
    mine = (
        f"SELECT {USER_ID}, {EVENT_ID}, {TIME}, {order.unit} AS unit FROM events "
        f"WHERE ({shop.events_where})"
    )
    return shop.keep(
        "revealed",
        f"WITH units AS ({units}), "
        f"bounds AS (SELECT {CASE}, {order.bound} AS bound FROM units GROUP BY {CASE}) "
        f"SELECT {CASE}, {EVENT_ID} FROM ({mine}) JOIN units USING ({USER_ID}, unit) "
        f"JOIN bounds USING ({CASE}) WHERE {order.inside}",
    )
