"""One column of the users: each value, range or group of values is a segment."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from recsys.errors import ConfigError
from recsys.segments.attributes import numbers_of, require_attribute, texts_of
from recsys.segments.axis import AxisBase, AxisFit, AxisKind, grade, one_hot
from recsys.segments.facts import UserFacts
from recsys.types import Membership


class AttributeConfig(AxisBase):
    """The column of an attribute axis, and what of it makes a segment."""

    kind: Literal["attribute"]
    column: str = Field(description="a column of the users file")
    most: int = Field(50, ge=1, description="values kept, most frequent first; others are unknown")
    bins: tuple[float, ...] | None = Field(
        None, min_length=1, description="of a column of numbers: where each range begins"
    )
    groups: dict[str, tuple[str, ...]] | None = Field(
        None, min_length=1, description="segment = its values; other values are unknown"
    )

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if self.bins is not None and self.groups is not None:
            raise ValueError("bins and groups are two ways to divide a column; give one of them")
        if self.bins is not None and list(self.bins) != sorted({*self.bins}):
            raise ValueError(f"bins {list(self.bins)} are not ascending")
        values = [value for group in (self.groups or {}).values() for value in group]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"groups hold the value {twice[0]!r} twice; a value has one segment")
        return self

    @property
    def update(self) -> str:
        """When memberships change, in words."""
        return "when the attribute changes"


def fit(config: AttributeConfig, facts: UserFacts) -> AxisFit:
    """Freeze the values that become segments.

    Raises
    ------
    ConfigError
        When the column is not there, or holds nothing that could be meant.
    """
    require_attribute(config.column, facts, asking="an axis of kind 'attribute'")
    if config.bins is not None:
        return _fit_bins(config, config.bins, facts)
    counts = texts_of(config.column, facts).value_counts()
    if counts.empty:
        raise ConfigError(f"the users' column {config.column!r} holds no value")
    if config.groups is not None:
        return _fit_groups(config, config.groups, counts)
    frequent = counts.sort_index().sort_values(ascending=False, kind="stable").head(config.most)
    segments = tuple(sorted(frequent.index))
    definitions = tuple(f"{config.column} is {segment}" for segment in segments)
    return AxisFit(segments=segments, definitions=definitions)


def _fit_bins(config: AttributeConfig, bins: Sequence[float], facts: UserFacts) -> AxisFit:
    numbers = numbers_of(config.column, facts)
    if not np.isfinite(numbers).any():
        raise ConfigError(f"the users' column {config.column!r} holds no number to put into bins")
    bounds = [f"{bound:g}" for bound in bins]
    between = [
        f"{config.column} is {low} or more but less than {high}" for low, high in pairwise(bounds)
    ]
    first = f"{config.column} is less than {bounds[0]}"
    return AxisFit(
        segments=bin_names(bins),
        definitions=(first, *between, f"{config.column} is {bounds[-1]} or more"),
        cuts={config.column: tuple(bins)},
    )


def bin_names(bins: Sequence[float]) -> tuple[str, ...]:
    """Return the names of the ranges that bounds part, the lowest first.

    Examples
    --------
    >>> bin_names([18, 25, 26])
    ('under 18', '18-24', '25', '26+')
    >>> bin_names([0.5, 1])
    ('under 0.5', '0.5 to under 1', '1+')
    """
    whole = all(float(bound).is_integer() for bound in bins)
    between = [_range(low, high, whole) for low, high in pairwise(bins)]
    return (f"under {bins[0]:g}", *between, f"{bins[-1]:g}+")


def _range(low: float, high: float, whole: bool) -> str:
    if not whole:
        return f"{low:g} to under {high:g}"
    return f"{low:g}" if high - low == 1 else f"{low:g}-{high - 1:g}"


def _fit_groups(
    config: AttributeConfig, groups: dict[str, tuple[str, ...]], counts: "pd.Series[int]"
) -> AxisFit:
    named = [value for group in groups.values() for value in group]
    if not counts.index.isin(named).any():
        have = ", ".join(sorted(counts.index)[:10])
        raise ConfigError(
            f"no user has a value that groups name in the column {config.column!r}; it has {have}"
        )
    return AxisFit(
        segments=tuple(groups),
        definitions=tuple(f"{config.column} is {' or '.join(group)}" for group in groups.values()),
    )


def assign(config: AttributeConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each user with a known value into its segment."""
    if not facts.has_attribute(config.column):
        codes = np.full(len(facts), -1, dtype=np.int64)
    elif config.bins is not None:
        codes = grade(numbers_of(config.column, facts), fitted.cuts[config.column])
    else:
        values = texts_of(config.column, facts)
        group_of = {value: name for name, group in (config.groups or {}).items() for value in group}
        segments = values.map(group_of) if config.groups is not None else values
        found = pd.Index(fitted.segments).get_indexer(pd.Index(segments))
        codes = np.asarray(found, dtype=np.int64)
    return one_hot(codes, len(fitted.segments))


KIND = AxisKind(AttributeConfig, fit, assign)
