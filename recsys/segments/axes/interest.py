"""Soft interests: how a user's dealings are shared out over an item column."""

from typing import Literal

import numpy as np
from pydantic import Field

from recsys.errors import ConfigError
from recsys.events.schema import CATEGORY
from recsys.segments.axis import AxisBase, AxisFit, AxisKind
from recsys.segments.facts import UserFacts
from recsys.segments.shares import Column
from recsys.types import Membership


class InterestConfig(AxisBase):
    """The column of an interest axis."""

    kind: Literal["interest"]
    column: str = Field(CATEGORY, description="a column of the items file")
    level: int = Field(1, ge=1, description="how many steps of the hierarchy are kept")
    most: int = Field(30, ge=1, description="values kept, by users; the rest is unknown mass")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The item column, at its level."""
        return (Column(self.column, self.level),)


def fit(config: InterestConfig, facts: UserFacts) -> AxisFit:
    """Freeze the values with the most users."""
    if config.column not in facts.catalogue.columns:
        have = ", ".join(facts.catalogue.columns) or "no columns"
        raise ConfigError(
            f"an axis of kind 'interest' reads the items' column {config.column!r}, "
            f"which is not there; the items file has {have}"
        )
    (column,) = config.columns
    values = facts.shares[column].values
    values = values[values != ""]
    users = np.asarray((facts.share(column, values) > 0).sum(axis=0)).ravel()
    chosen = values[np.lexsort((values, -users))[: config.most]]
    segments = tuple(np.sort(chosen).tolist())
    if not segments:
        raise ConfigError(f"the items' column {config.column!r} holds no value")
    definitions = tuple(f"share of dealings with {config.column} {name}" for name in segments)
    return AxisFit(segments=segments, definitions=definitions)


def assign(config: InterestConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Share each user out over the segments; what she does elsewhere is unknown mass."""
    (column,) = config.columns
    return facts.share(column, np.asarray(fitted.segments, dtype=np.str_))


KIND = AxisKind(InterestConfig, fit, assign)
