"""Ids as shops write them: numbers as text, with leading zeros."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.simulation.config import SimulationConfig
from recsys.types import Ids, Indices

USER_DIGITS: Final = 4
ITEM_DIGITS: Final = 5
DAY_DIGITS: Final = 4
"""A visit's id is the user's and the day's: nobody visits twice on one day."""


def user_ids(config: SimulationConfig, numbers: Indices) -> "pa.StringArray[Any]":
    """Return the ids of users by their numbers."""
    return padded(numbers, _digits(config.n_users, USER_DIGITS))


def item_ids(config: SimulationConfig, numbers: Indices) -> "pa.StringArray[Any]":
    """Return the ids of items by their numbers."""
    return padded(numbers, _digits(config.n_items, ITEM_DIGITS))


def visit_ids(config: SimulationConfig, numbers: Indices, days: Indices) -> "pa.StringArray[Any]":
    """Return the ids of visits by their users' numbers and their days."""
    users = user_ids(config, numbers)
    return pc.binary_join_element_wise(users, padded(days, DAY_DIGITS), "-")


def padded(numbers: Indices, digits: int) -> "pa.StringArray[Any]":
    """Write numbers as text of at least so many digits.

    Examples
    --------
    >>> padded(np.array([7, 12345]), 4).to_pylist()
    ['0007', '12345']
    """
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")


def as_ids(texts: "pa.StringArray[Any]") -> Ids:
    """Return texts of Arrow as an array of ours."""
    return np.asarray(texts.to_pylist(), dtype=np.str_)


def _digits(count: int, fewest: int) -> int:
    return max(fewest, len(str(count - 1)))
