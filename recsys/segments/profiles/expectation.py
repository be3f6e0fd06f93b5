"""What is to be expected of somebody: whether she is still a customer, how often she comes back.

It looks at everything before the window's end, whatever the window: the models of
`recsys.segments.bgnbd` and `recsys.segments.gamma_gamma` are of whole histories.
"""

from contextlib import suppress
from typing import Final

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.errors import DataError
from recsys.events.schema import AMOUNT, USER_ID
from recsys.random import generator
from recsys.segments.bgnbd import BgNbd, expected_purchases, fit_bgnbd, p_alive
from recsys.segments.gamma_gamma import GammaGamma, fit_gamma_gamma
from recsys.segments.gamma_gamma import expected_value as value_of_one
from recsys.segments.profiles.family import (
    DAY,
    Family,
    Feature,
    Norms,
    Reading,
    Span,
    collect,
    day_number,
    ratio,
    values,
)
from recsys.types import Floats

P_ALIVE: Final = "p_alive"
EXPECTED_ORDERS: Final = "expected_orders"
EXPECTED_VALUE: Final = "expected_value"

HORIZON: Final = 90.0
"""Days that are looked ahead."""
CUSTOMERS: Final = 20_000
"""The models are learnt from so many at most."""
SEED: Final = 0
"""Of the draw of those customers."""

FEATURES: Final = (
    Feature(
        P_ALIVE,
        "0 to 1",
        "probability that she is still a customer, 1 / (1 + a / (b + x − 1) · "
        "((α + T) / (α + t_x))^(r + x)), 1 where x = 0 (BG/NBD): x days with a purchase after the "
        "first, t_x days from the first to the last, T to the moment, r, α, a, b of all customers",
    ),
    Feature(
        EXPECTED_ORDERS,
        "days",
        "days with a purchase to be expected in the next 90, E(90 | x, t_x, T) of BG/NBD",
    ),
    Feature(
        EXPECTED_VALUE,
        "minor units of money",
        "expected_orders · (w m + (1 − w) p γ / (q − 1)), w = p n / (p n + q − 1) (gamma–gamma): "
        "m the mean value of her n days with a purchase above 0, p, q, γ of all customers",
    ),
)

_DAYS: Final = "days"
_FIRST: Final = "first"
_LAST: Final = "last"
_AGE: Final = "age"
_PAID: Final = "paid"
_PAID_DAYS: Final = "paid_days"


def measure(reading: Reading) -> pd.DataFrame:
    """Find each user's first and last day with a purchase, and count days and money."""
    amount = nw.col(AMOUNT).fill_null(0)
    paid = nw.when(amount > 0).then(amount).otherwise(0)
    lines = reading.ever_sold.select(USER_ID, day_number().alias(DAY), paid.alias(_PAID))
    days = lines.group_by(USER_ID, DAY).agg(nw.col(_PAID).sum())
    valued = days.with_columns((nw.col(_PAID) > 0).cast(nw.Int64).alias(_PAID_DAYS))
    users = valued.group_by(USER_ID).agg(
        nw.len().alias(_DAYS),
        nw.col(DAY).min().alias(_FIRST),
        nw.col(DAY).max().alias(_LAST),
        nw.col(_PAID, _PAID_DAYS).sum(),
    )
    return collect(users.with_columns((reading.span.today - nw.col(_FIRST)).alias(_AGE)))


def norms(sums: pd.DataFrame) -> dict[str, float]:
    """Return the parameters of the models that can be learnt."""
    drawn = _drawn(sums)
    found: dict[str, float] = {}
    with suppress(DataError):
        found |= fit_bgnbd(*_history(drawn)).model_dump()
    with suppress(DataError):
        found |= fit_gamma_gamma(*_value(drawn)).model_dump()
    return found


def _drawn(sums: pd.DataFrame) -> pd.DataFrame:
    if len(sums) <= CUSTOMERS:
        return sums
    rows = generator(SEED, "expectation").choice(len(sums), CUSTOMERS, replace=False)
    return sums.iloc[np.sort(rows)]


def _history(sums: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """``x``, ``t_x`` and ``T`` of BG/NBD, in whole days."""
    since_first = values(sums, _LAST) - values(sums, _FIRST)
    return values(sums, _DAYS) - 1, since_first, values(sums, _AGE)


def _value(sums: pd.DataFrame) -> tuple[Floats, Floats]:
    """Days with a purchase that cost something, and what one of them came to on the average."""
    days = values(sums, _PAID_DAYS)
    return days, ratio(values(sums, _PAID), days)


def derive(sums: pd.DataFrame, span: Span, norms: Norms) -> pd.DataFrame:
    """Ask the models; what they could not be learnt for is unknown."""
    del span
    alive, orders, value = (np.full(len(sums), np.nan) for _ in range(3))
    if set(BgNbd.model_fields) <= set(norms):
        buying = BgNbd(**{name: norms[name] for name in BgNbd.model_fields})
        alive = p_alive(buying, *_history(sums))
        orders = expected_purchases(buying, *_history(sums), HORIZON)
    if set(GammaGamma.model_fields) <= set(norms):
        spending = GammaGamma(**{name: norms[name] for name in GammaGamma.model_fields})
        value = value_of_one(spending, *_value(sums))
    columns = {P_ALIVE: alive, EXPECTED_ORDERS: orders, EXPECTED_VALUE: orders * value}
    return pd.DataFrame(columns, index=sums.index)


FAMILY = Family("expectation", FEATURES, measure, derive, norms, needs_times=True)
