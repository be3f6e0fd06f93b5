"""Several axes at once: north × high, where enough users are both."""

from collections.abc import Sequence
from itertools import product
from typing import Final, Literal

import numpy as np
from pydantic import Field, field_validator
from scipy import sparse

from recsys.errors import ConfigError
from recsys.segments.axis import AxisBase, AxisFit, AxisKind
from recsys.segments.facts import UserFacts
from recsys.types import Membership

TIMES: Final = " × "
PARENTS: Final = "parents"
"""What the axis has learnt: segment -> the segment of each of its axes."""


class CombineConfig(AxisBase):
    """The axes to combine."""

    kind: Literal["combine"]
    axes: tuple[str, ...] = Field(min_length=2, description="the axes to combine")
    min_users: float = Field(
        50, gt=0, description="a combination of fewer is no segment: its axes tell it apart"
    )

    @field_validator("axes")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({*value}) < len(value):
            raise ValueError(f"axes {list(value)} name one twice")
        return value

    @property
    def parents(self) -> tuple[str, ...]:
        """The axes it is made of."""
        return self.axes

    @property
    def update(self) -> str:
        """When memberships change, in words."""
        return f"with {' and '.join(self.axes)}"


def fit(config: CombineConfig, facts: UserFacts) -> AxisFit:
    """Freeze the combinations with enough users.

    Raises
    ------
    ConfigError
        When there are none, or two have the same name.
    """
    combinations = list(product(*(facts.on(axis)[0] for axis in config.axes)))
    users = np.asarray(_products([facts.on(axis)[1] for axis in config.axes]).sum(axis=0)).ravel()
    kept = {
        TIMES.join(combination): combination
        for combination, weight in zip(combinations, users.tolist(), strict=True)
        if weight >= config.min_users
    }
    if not kept:
        raise ConfigError(
            f"no combination of {' and '.join(config.axes)} has {config.min_users:g} users, the "
            f"largest has {users.max(initial=0):g}; lower min_users or remove the axis"
        )
    if len(kept) < int((users >= config.min_users).sum()):
        raise ConfigError(
            f"two combinations of {' and '.join(config.axes)} have one name; "
            f"name segments without {TIMES.strip()!r}"
        )
    return AxisFit(
        segments=tuple(kept),
        definitions=tuple(_definition(config.axes, combination) for combination in kept.values()),
        learnt={PARENTS: {name: list(combination) for name, combination in kept.items()}},
    )


def _definition(axes: Sequence[str], combination: Sequence[str]) -> str:
    parts = zip(axes, combination, strict=True)
    return " and ".join(f"{axis} is {segment}" for axis, segment in parts)


def _products(parts: Sequence[Membership]) -> Membership:
    """Multiply each user's weights on all axes, the last one's segments running fastest."""
    found = parts[0]
    for part in parts[1:]:
        columns = [found[:, [column]].multiply(part) for column in range(found.shape[1])]
        empty = sparse.csr_matrix((part.shape[0], 0))
        found = sparse.csr_matrix(sparse.hstack([empty, *columns], format="csr"))
    return found


def assign(config: CombineConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Give each user the product of her weights; what is in no segment is unknown mass."""
    places = [{name: place for place, name in enumerate(facts.on(axis)[0])} for axis in config.axes]
    parts = [facts.on(axis)[1] for axis in config.axes]
    columns = []
    for segment in fitted.segments:
        names = fitted.learnt[PARENTS][segment]
        chosen = [
            part[:, [place[name]]] for part, place, name in zip(parts, places, names, strict=True)
        ]
        columns.append(_products(chosen))
    return sparse.csr_matrix(sparse.hstack(columns, format="csr"))


KIND = AxisKind(CombineConfig, fit, assign)
