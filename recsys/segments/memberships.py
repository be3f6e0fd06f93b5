"""Which user is how much in which segment, on every axis, as of a moment."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.errors import ConfigError
from recsys.segments.axes import KINDS, AxisConfig
from recsys.segments.axis import AxisFit
from recsys.segments.facts import UserFacts
from recsys.types import Config, Floats, Membership
from recsys.vocabulary import Vocabulary

Named: TypeAlias = Mapping[str, Mapping[str, float]]
"""A user's memberships by name: axis -> segment -> weight."""


class Axis(Config):
    """A named axis with its frozen cut points: everything but the users.

    Attributes
    ----------
    name
        The name of its table in the config.
    config
        The family's config.
    fit
        Segments, definitions and cut points as learnt.
    """

    name: str
    config: AxisConfig
    fit: AxisFit

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of the axis' segments, in column order."""
        return self.fit.segments

    @property
    def definition_id(self) -> str:
        """The version of its definition: a digest of the config and of everything it froze."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def assign(self, facts: UserFacts) -> Membership:
        """Put the users of `facts` into its segments."""
        return KINDS[self.config.kind].assign(self.config, self.fit, facts)


@dataclass(frozen=True)
class Memberships:
    """Memberships on several axes.

    Attributes
    ----------
    users
        Row order.
    axes
        In column order.
    matrix
        Shape ``(n_users, total number of segments)``, the axes' columns side by side.
    """

    users: Vocabulary
    axes: tuple[Axis, ...]
    matrix: Membership

    def of(self, axis: str) -> Membership:
        """Return the columns of one axis, shape ``(n_users, n_segments)``."""
        return sparse.csr_matrix(self.matrix[:, columns_of(self.axes)[axis]])

    def and_also(self, others: "Memberships") -> "Memberships":
        """Return the memberships of these users and of others, who are on the same axes."""
        stacked = [*self.users.ids.tolist(), *others.users.ids.tolist()]
        users = Vocabulary(stacked)
        order = np.argsort(users.index_of(stacked))
        matrix = sparse.vstack([self.matrix, others.matrix], format="csr")[order]
        return Memberships(users, self.axes, sparse.csr_matrix(matrix))

    def row(self, user_index: int) -> Floats:
        """Return one user's weights on every segment, dense."""
        # Slicing a sparse matrix costs ten times as much as reading one row of it.
        mine = slice(self.matrix.indptr[user_index], self.matrix.indptr[user_index + 1])
        columns, weights = self.matrix.indices[mine], self.matrix.data[mine]
        row = np.bincount(columns, weights=weights, minlength=self.matrix.shape[1])
        return np.asarray(row, dtype=np.float64)

    def named(self, user_index: int) -> Named:
        """Return one user's weights above 0 by name."""
        names = names_of(self.axes)
        start, stop = self.matrix.indptr[user_index : user_index + 2].tolist()
        found: dict[str, dict[str, float]] = {}
        for column, weight in zip(
            self.matrix.indices[start:stop].tolist(),
            self.matrix.data[start:stop].tolist(),
            strict=True,
        ):
            axis, segment = names[column]
            found.setdefault(axis, {})[segment] = weight
        return found

    def frame(self) -> pd.DataFrame:
        """Return ``user_id, axis, segment, weight``, one row for each weight above 0."""
        coo = self.matrix.tocoo()
        names = names_of(self.axes)
        axes, segments = zip(*names, strict=True) if names else ((), ())
        frame = pd.DataFrame(
            {
                "user_id": self.users.ids[coo.row],
                "axis": np.asarray(axes, dtype=object)[coo.col],
                "segment": np.asarray(segments, dtype=object)[coo.col],
                "weight": coo.data,
            }
        )
        return frame.sort_values(["user_id", "axis", "segment"], ignore_index=True)


def names_of(axes: Sequence[Axis]) -> list[tuple[str, str]]:
    """Return the axis and the segment of each column."""
    return [(axis.name, segment) for axis in axes for segment in axis.segments]


def from_names(user_id: str, axes: Sequence[Axis], named: Named) -> Memberships:
    """Return the memberships of one user by name; what these axes do not know is left out."""
    weights = [named.get(axis, {}).get(segment, 0.0) for axis, segment in names_of(axes)]
    columns = [column for column, weight in enumerate(weights) if weight]
    # From its parts: to look for what is not 0 takes SciPy longer than all the rest.
    parts = (np.array([weights[column] for column in columns], dtype=np.float64), columns)
    matrix = sparse.csr_matrix((*parts, [0, len(columns)]), shape=(1, len(weights)))
    return Memberships(Vocabulary([user_id]), tuple(axes), matrix)


def columns_of(axes: Sequence[Axis]) -> dict[str, slice]:
    """Return each axis' slice of the columns."""
    ends = np.cumsum([0, *(len(axis.segments) for axis in axes)]).tolist()
    return {axis.name: slice(ends[i], ends[i + 1]) for i, axis in enumerate(axes)}


def in_order(configs: Mapping[str, AxisConfig]) -> list[str]:
    """Return the names of axes, those that others are made of first.

    Raises
    ------
    ConfigError
        When an axis is made of one that is not there, or of itself.
    """
    for name, config in configs.items():
        for parent in config.parents:
            if parent not in configs:
                raise ConfigError(
                    f"[segments.{name}] is made of {parent!r}, which is no axis; "
                    f"there are {', '.join(configs)}"
                )
    parents = {name: config.parents for name, config in configs.items()}
    try:
        return list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        circle = " → ".join(map(str, error.args[1]))
        raise ConfigError(f"[segments] axes are made of each other: {circle}") from error


def fit_axes(
    configs: Mapping[str, AxisConfig], facts: UserFacts, *, possible_only: bool = False
) -> tuple[Axis, ...]:
    """Freeze every configured axis on `facts`; those that need times are off without them.

    Parameters
    ----------
    configs
        Name -> config.
    facts
        Of the users to freeze cut points on.
    possible_only
        Leave out what these facts do not allow: an attribute may be younger than a window.

    Raises
    ------
    ConfigError
        When an axis cannot be put on these facts, unless `possible_only`.
    """
    fitted: dict[str, Axis] = {}
    wanted = {parent for config in configs.values() for parent in config.parents}
    for name in in_order(configs):
        config = configs[name]
        if _off(config, facts) or not set(config.parents) <= set(fitted):
            continue
        try:
            fit = KINDS[config.kind].fit(config, facts)
        except ConfigError as error:
            if possible_only:
                continue
            raise ConfigError(f"[segments.{name}] {error}") from error
        fitted[name] = Axis(name=name, config=config, fit=fit)
        if name in wanted:
            facts = facts.knowing(name, fit.segments, fitted[name].assign(facts))
    return tuple(fitted[name] for name in configs if name in fitted)


def _off(config: AxisConfig, facts: UserFacts) -> bool:
    return KINDS[config.kind].needs_times and not facts.timed


def axes_off(configs: Mapping[str, AxisConfig], *, timed: bool) -> list[str]:
    """Say which axes, and which of their windows, the data switch off."""
    if timed:
        return []
    return [note for name, config in configs.items() for note in _switched_off(name, config)]


def _switched_off(name: str, config: AxisConfig) -> Iterator[str]:
    if KINDS[config.kind].needs_times:
        yield f"no timestamps: the axis {name!r} ({config.kind}) is off"
    elif any(math.isfinite(days) for _, days in config.reads):
        yield f"no timestamps: the window of the axis {name!r} is off, all that is known counts"


def assign_axes(axes: Sequence[Axis], facts: UserFacts) -> Memberships:
    """Put the users of `facts` into the segments of `axes`."""
    parts = {}
    for name in in_order({axis.name: axis.config for axis in axes}):
        axis = next(axis for axis in axes if axis.name == name)
        parts[name] = axis.assign(facts)
        facts = facts.knowing(name, axis.segments, parts[name])
    empty = sparse.csr_matrix((len(facts), 0), dtype=np.float64)
    matrix = sparse.hstack([empty, *(parts[axis.name] for axis in axes)], format="csr")
    return Memberships(facts.users, tuple(axes), sparse.csr_matrix(matrix))
