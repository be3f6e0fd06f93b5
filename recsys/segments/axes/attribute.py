"""One column of the users file: each value is a segment, a missing value is unknown."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from recsys.errors import ConfigError
from recsys.segments.axis import AxisFit, AxisKind, one_hot
from recsys.segments.facts import UserFacts
from recsys.types import Config, Membership


class AttributeConfig(Config):
    """The column of an attribute axis."""

    kind: Literal["attribute"]
    column: str = Field(description="a column of the users file")
    most: int = Field(50, ge=1, description="values kept, most frequent first; others are unknown")

    @property
    def windows(self) -> tuple[float, ...]:
        """No profile is read."""
        return ()


def fit(config: AttributeConfig, facts: UserFacts) -> AxisFit:
    """Freeze the values that become segments."""
    if not facts.has_attribute(config.column):
        have = ", ".join(facts.attributes.columns) or "no attributes"
        raise ConfigError(
            f"an axis of kind 'attribute' reads the users' column {config.column!r}, "
            f"which is not there; the users file has {have}"
        )
    counts = _values(config, facts).value_counts()
    frequent = counts.sort_index().sort_values(ascending=False, kind="stable").head(config.most)
    if frequent.empty:
        raise ConfigError(f"the users' column {config.column!r} holds no value")
    segments = tuple(sorted(frequent.index))
    return AxisFit(
        segments=segments,
        definitions=tuple(f"{config.column} is {segment}" for segment in segments),
    )


def assign(config: AttributeConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each user with a known value into its segment."""
    if not facts.has_attribute(config.column):
        codes = np.full(len(facts.histories.users), -1, dtype=np.int64)
    else:
        values = _values(config, facts)
        found = pd.Index(fitted.segments).get_indexer(pd.Index(values))
        codes = np.asarray(found, dtype=np.int64)
    return one_hot(codes, len(fitted.segments))


def _values(config: AttributeConfig, facts: UserFacts) -> "pd.Series[Any]":
    raw = facts.attribute(config.column).astype(object)
    values = raw.map(_as_text, na_action="ignore")
    return values.where(values != "")


def _as_text(value: object) -> str:
    # A whole number reads the same whether its column had gaps (56.0) or not (56).
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if isinstance(value, float) and whole else str(value).strip()


KIND = AxisKind(AttributeConfig, fit, assign)
