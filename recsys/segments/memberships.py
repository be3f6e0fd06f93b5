"""Which user is how much in which segment, on every axis, as of a moment."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.errors import ConfigError
from recsys.segments.axes import KINDS, AxisConfig
from recsys.segments.axis import AxisFit
from recsys.segments.facts import UserFacts
from recsys.types import Config, Floats, Membership
from recsys.vocabulary import Vocabulary


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

    def row(self, user_index: int) -> Floats:
        """Return one user's weights on every segment, dense."""
        return np.asarray(self.matrix[[user_index]].toarray()[0])

    def frame(self) -> pd.DataFrame:
        """Return ``user_id, axis, segment, weight``, one row for each weight above 0."""
        coo = self.matrix.tocoo()
        names = [(axis.name, segment) for axis in self.axes for segment in axis.segments]
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


def columns_of(axes: Sequence[Axis]) -> dict[str, slice]:
    """Return each axis' slice of the columns."""
    ends = np.cumsum([0, *(len(axis.segments) for axis in axes)]).tolist()
    return {axis.name: slice(ends[i], ends[i + 1]) for i, axis in enumerate(axes)}


def fit_axes(configs: Mapping[str, AxisConfig], facts: UserFacts) -> tuple[Axis, ...]:
    """Freeze every configured axis on `facts`; those that need times are off without them.

    Raises
    ------
    ConfigError
        When an axis cannot be put on these facts.
    """
    return tuple(
        Axis(name=name, config=config, fit=KINDS[config.kind].fit(config, facts))
        for name, config in configs.items()
        if facts.timed or not KINDS[config.kind].needs_times
    )


def fit_possible_axes(configs: Mapping[str, AxisConfig], facts: UserFacts) -> tuple[Axis, ...]:
    """Freeze the axes that these facts allow: an attribute may be younger than a window."""
    fitted: list[Axis] = []
    for name, config in configs.items():
        try:
            fitted += fit_axes({name: config}, facts)
        except ConfigError:
            continue
    return tuple(fitted)


def axes_off(configs: Mapping[str, AxisConfig], *, timed: bool) -> list[str]:
    """Say which axes, and which of their windows, the data switch off."""
    if timed:
        return []
    return [note for name, config in configs.items() for note in _switched_off(name, config)]


def _switched_off(name: str, config: AxisConfig) -> Iterator[str]:
    if KINDS[config.kind].needs_times:
        yield f"no timestamps: the axis {name!r} ({config.kind}) is off"
    elif any(map(math.isfinite, config.windows)):
        yield f"no timestamps: the window of the axis {name!r} is off, all that is known counts"


def assign_axes(axes: Sequence[Axis], facts: UserFacts) -> Memberships:
    """Put the users of `facts` into the segments of `axes`."""
    parts = [KINDS[axis.config.kind].assign(axis.config, axis.fit, facts) for axis in axes]
    n_users = len(facts.histories.users)
    empty = sparse.csr_matrix((n_users, 0), dtype=np.float64)
    matrix = sparse.hstack([empty, *parts], format="csr")
    return Memberships(facts.histories.users, tuple(axes), sparse.csr_matrix(matrix))
