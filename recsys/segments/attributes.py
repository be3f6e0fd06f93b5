"""What a column of the users says: as text, or as a number."""

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from recsys.errors import ConfigError
from recsys.segments.facts import UserFacts
from recsys.types import Floats


def require_attribute(column: str, facts: UserFacts, *, asking: str) -> None:
    """Refuse a column that the users do not have.

    Raises
    ------
    ConfigError
        It names the columns that are there.
    """
    if not facts.has_attribute(column):
        have = ", ".join(facts.attributes.columns) or "no attributes"
        raise ConfigError(
            f"{asking} reads the users' column {column!r}, "
            f"which is not there; the users file has {have}; name one of them "
            "(in a preset by columns), or remove the axis"
        )


def texts_of(column: str, facts: UserFacts) -> "pd.Series[Any]":
    """Return an attribute as text, aligned; missing where it is blank."""
    raw = facts.attribute(column).astype(object)
    values = raw.map(as_text, na_action="ignore")
    return values.where(values != "")


def as_text(value: object) -> str:
    """Write the value of an attribute as the name of its segment."""
    # A whole number reads the same whether its column had gaps (56.0) or not (56).
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if isinstance(value, float) and whole else str(value).strip()


def numbers_of(column: str, facts: UserFacts) -> Floats:
    """Return an attribute as numbers, shape ``(n_users,)``: of a date the year; NaN = unknown."""
    raw = facts.attribute(column).astype(object)
    numbers = raw.map(_as_number, na_action="ignore")
    return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def _as_number(value: object) -> float:
    if isinstance(value, date):
        return float(value.year)
    text = str(value).strip()
    dated = re.fullmatch(r"(\d{4})-\d{2}(-\d{2}.*)?", text)
    try:
        number = float(dated[1] if dated else text)
    except ValueError:
        return np.nan
    return number if np.isfinite(number) else np.nan
