"""How dear somebody buys: where in a category's prices, and how much with a discount."""

from typing import Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.events.schema import AMOUNT, USER_ID
from recsys.interactions.weights import FIXED_POINT, fixed
from recsys.segments.profiles.family import (
    ORDER,
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    known,
    norm,
    pooled,
    ratio,
    recorded,
    shrunk,
    values,
)
from recsys.segments.reference import PRICE_POSITION as POSITION
from recsys.types import Floats

PRICE_POSITION: Final = "price_position"
DISCOUNT_SHARE: Final = "discount_share"
DISCOUNTED_ORDERS: Final = "discounted_orders"

MIDDLE: Final = 0.5
"""The price position of who buys any item with the same chance."""
STRENGTH: Final = 5.0
"""Purchase lines that `MIDDLE` counts for."""

FEATURES: Final = (
    Feature(
        PRICE_POSITION,
        "0 to 1",
        "(Σ position + 5 · ½) / (n + 5) over the n purchase lines of items with a price, "
        "position = share of the items of the category that are cheaper",
    ),
    Feature(
        DISCOUNT_SHARE,
        "0 to 1",
        "Σ discount / (Σ discount + Σ amount) of purchases; unknown in a shop without discounts",
    ),
    Feature(
        DISCOUNTED_ORDERS,
        "0 to 1",
        "orders with a discount / orders; unknown in a shop without discounts",
    ),
)

_DISCOUNT: Final = "discount"
_PRICED: Final = "priced"
_ORDERS: Final = "orders"
_DISCOUNTED: Final = "discounted"


def measure(reading: Reading) -> pd.DataFrame:
    """Add up positions and money of each user's orders."""
    lines = reading.lines.select(
        USER_ID,
        ORDER,
        fixed(nw.col(POSITION).fill_null(0.0)).alias(POSITION),
        (~nw.col(POSITION).is_null()).cast(nw.Int64).alias(_PRICED),
        nw.col(AMOUNT).fill_null(0).alias(AMOUNT),
        nw.col(_DISCOUNT).fill_null(0).alias(_DISCOUNT),
    )
    money = (POSITION, _PRICED, AMOUNT, _DISCOUNT)
    orders = lines.group_by(USER_ID, ORDER).agg(nw.col(*money).sum())
    counted = orders.select(
        USER_ID,
        *money,
        nw.lit(1).alias(_ORDERS),
        (nw.col(_DISCOUNT) > 0).cast(nw.Int64).alias(_DISCOUNTED),
    )
    return collect(counted.group_by(USER_ID).agg(nw.col(*money, _ORDERS, _DISCOUNTED).sum()))


def norms(sums: pd.DataFrame) -> dict[str, float]:
    """Return the share of discounts in all sales."""
    saved = values(sums, _DISCOUNT)
    return known(**{DISCOUNT_SHARE: pooled(saved, saved + _paid(sums))})


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Work the features out of the sums."""
    del span
    saved = values(sums, _DISCOUNT)
    overall = norm(norms, DISCOUNT_SHARE)
    positions = values(sums, POSITION) / FIXED_POINT
    columns = {
        PRICE_POSITION: shrunk(positions, values(sums, _PRICED), towards=MIDDLE, strength=STRENGTH),
        DISCOUNT_SHARE: recorded(ratio(saved, saved + _paid(sums)), overall),
        DISCOUNTED_ORDERS: recorded(
            ratio(values(sums, _DISCOUNTED), values(sums, _ORDERS)), overall
        ),
    }
    return pd.DataFrame(columns, index=sums.index)


def _paid(sums: pd.DataFrame) -> Floats:
    # Corrections may outweigh what was bought.
    return np.maximum(values(sums, AMOUNT), 0.0)


FAMILY = Family("price", FEATURES, measure, derive, norms)
