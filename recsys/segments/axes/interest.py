"""Soft interests: how a user's dealings are shared out over an item column."""

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from recsys.errors import ConfigError
from recsys.events.schema import CATEGORY, CATEGORY_SEPARATOR
from recsys.segments.axis import AxisFit, AxisKind
from recsys.segments.facts import UserFacts
from recsys.types import Config, Ids, Membership


class InterestConfig(Config):
    """The column of an interest axis."""

    kind: Literal["interest"]
    column: str = Field(CATEGORY, description="a column of the items file")
    level: int = Field(1, ge=1, description="how many steps of the hierarchy are kept")
    most: int = Field(30, ge=1, description="values kept, by users; the rest is unknown mass")

    @property
    def windows(self) -> tuple[float, ...]:
        """No profile is read."""
        return ()


def fit(config: InterestConfig, facts: UserFacts) -> AxisFit:
    """Freeze the values with the most users."""
    if config.column not in facts.catalogue.columns:
        have = ", ".join(facts.catalogue.columns) or "no columns"
        raise ConfigError(
            f"an axis of kind 'interest' reads the items' column {config.column!r}, "
            f"which is not there; the items file has {have}"
        )
    values = np.unique(_values(config, facts))
    values = values[values != ""]
    users = np.asarray((_worth_by(config, facts, values) > 0).sum(axis=0)).ravel()
    chosen = values[np.lexsort((values, -users))[: config.most]]
    segments = tuple(np.sort(chosen).tolist())
    if not segments:
        raise ConfigError(f"the items' column {config.column!r} holds no value")
    definitions = tuple(f"share of dealings with {config.column} {name}" for name in segments)
    return AxisFit(segments=segments, definitions=definitions)


def assign(config: InterestConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Share each user out over the segments; what she does elsewhere is unknown mass."""
    worth = _worth_by(config, facts, np.asarray(fitted.segments, dtype=np.str_))
    total = np.asarray(_positive(facts).sum(axis=1)).ravel()
    inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return sparse.csr_matrix(sparse.diags_array(inverse) @ worth)


def _positive(facts: UserFacts) -> Membership:
    matrix = facts.histories.user_items()
    matrix.data = np.maximum(matrix.data, 0.0)
    matrix.eliminate_zeros()
    return matrix


def _worth_by(config: InterestConfig, facts: UserFacts, values: Ids) -> Membership:
    own = _values(config, facts)
    position = np.searchsorted(values, own)
    found = np.flatnonzero((position < len(values)) & (own != ""))
    found = found[values[position[found]] == own[found]]
    shape = (len(own), len(values))
    by_value = sparse.csr_matrix((np.ones(len(found)), (found, position[found])), shape=shape)
    return sparse.csr_matrix(_positive(facts) @ by_value)


def _values(config: InterestConfig, facts: UserFacts) -> Ids:
    codes, values = facts.catalogue.codes(config.column)
    steps = (value.split(CATEGORY_SEPARATOR)[: config.level] for value in values.tolist())
    return np.asarray([CATEGORY_SEPARATOR.join(step) for step in steps], dtype=np.str_)[codes]


KIND = AxisKind(InterestConfig, fit, assign)
