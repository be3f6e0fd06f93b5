"""Who the users are, for whom a number is broken down: segments on every axis, and activity."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.errors import DataError
from recsys.evaluation.bins import BINS, activity_bin
from recsys.statistics import Estimate, estimate
from recsys.types import Floats, Ids, Indices, Membership

ACTIVITY = "items known"
"""The axis of how much was known of a user before the cut; no configured axis has a space."""
UNKNOWN = Estimate(mean=np.nan, error=np.nan, n=0, effective_n=0.0)
"""Of a segment without any value."""


@dataclass(frozen=True)
class Groups:
    """Judged users and the segments they are in.

    Attributes
    ----------
    users
        Ids, distinct, shape ``(n_users,)``.
    names
        ``(axis, segment)`` of each column of `matrix`; an axis' columns stand side by side.
    matrix
        Weights in (0, 1], shape ``(n_users, n_groups)``.
    overlapping
        The axes on which some user is in several segments.
    """

    users: Ids
    names: tuple[tuple[str, str], ...]
    matrix: Membership
    overlapping: frozenset[str]

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes, in column order."""
        return tuple(dict.fromkeys(axis for axis, _ in self.names))

    def members(self) -> Iterator[tuple[str, str, Indices, Floats]]:
        """Yield axis, segment, the rows of its members and their weights, column by column."""
        columns = sparse.csc_matrix(self.matrix)
        for number, (axis, segment) in enumerate(self.names):
            part = slice(columns.indptr[number], columns.indptr[number + 1])
            yield axis, segment, columns.indices[part].astype(np.int64), columns.data[part]


def groups_of(memberships: pd.DataFrame, per_user: pd.DataFrame) -> Groups:
    """Lay memberships and activity out for the judged users.

    Parameters
    ----------
    memberships
        ``user_id, axis, segment, weight``, one row for each weight above 0; rows of users who
        were not judged are left out.
    per_user
        Indexed by ``user_id``; where it has ``history``, the distinct items known of each user
        before the cut, their bins are the axis ``items known``.

    Raises
    ------
    DataError
        When a weight is not in (0, 1], a membership comes twice, or an axis is named like that of
        the bins.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {"user_id": ["a", "b"], "axis": "age", "segment": ["old", "young"], "weight": 1.0}
    ... )
    >>> users = pd.DataFrame({"history": [0, 5]}, index=["a", "b"])
    >>> groups_of(frame, users).names
    (('age', 'old'), ('age', 'young'), ('items known', '0'), ('items known', '4-10'))
    """
    _check(memberships)
    rows = per_user.index.get_indexer(pd.Index(memberships["user_id"]))
    known = memberships[rows >= 0]
    segments = known.groupby(["axis", "segment"], sort=True, observed=True)
    names = [(str(axis), str(segment)) for axis, segment in segments.size().index]
    columns = segments.ngroup().to_numpy()
    weights = known["weight"].to_numpy(dtype=np.float64)
    shape = (len(per_user), len(names))
    parts = [sparse.csr_matrix((weights, (rows[rows >= 0], columns)), shape=shape)]
    if "history" in per_user:
        bins = activity_bin(per_user["history"].to_numpy(dtype=np.int64))
        present = np.unique(bins)
        names += [(ACTIVITY, BINS[number]) for number in present]
        parts.append(sparse.csr_matrix((bins[:, np.newaxis] == present).astype(np.float64)))
    matrix = sparse.csr_matrix(sparse.hstack(parts, format="csr"))
    several = known.loc[known.duplicated(["user_id", "axis"]), "axis"]
    users = per_user.index.to_numpy(dtype=np.str_)
    return Groups(users, tuple(names), matrix, frozenset(several.astype(str)))


def breakdown(
    values: Floats, groups: Groups, *, min_users: int = 30, confidence: float = 0.95
) -> pd.DataFrame:
    """Mean of a measure in every segment, weighted by membership, with Student's t interval.

    Parameters
    ----------
    values
        One for each of `groups.users`, shape ``(n_users,)``; nan where a user has none.
    groups
        The users' segments.
    min_users
        A segment that amounts to fewer users of equal weight is not readable.
    confidence
        Share of such intervals that hold the true mean, between 0 and 1.

    Returns
    -------
    DataFrame
        ``axis, segment, users`` (with a weight and a value), ``weight`` (their sum),
        ``mean, low, high``, ``readable``, ``overlapping`` (users of this axis sit in several
        segments, so its rows are not apart), ``missing`` (members without a value).

    Raises
    ------
    DataError
        When there is not one value for each user.

    Examples
    --------
    >>> users = pd.DataFrame({"history": [0, 0, 5]}, index=["a", "b", "c"])
    >>> memberships = pd.DataFrame(columns=["user_id", "axis", "segment", "weight"])
    >>> found = breakdown(np.array([0.25, 0.75, 1.0]), groups_of(memberships, users), min_users=2)
    >>> found[["segment", "users", "mean", "readable"]].to_numpy().tolist()
    [['0', 2, 0.5, True], ['4-10', 1, 1.0, False]]
    """
    if values.shape != groups.users.shape:
        raise DataError(f"{len(values)} values for {len(groups.users)} users; give one for each")
    rows = []
    for axis, segment, members, weights in groups.members():
        known = ~np.isnan(values[members])
        found = estimate_of(values[members][known], weights[known])
        interval = found.interval(confidence)
        rows.append(
            {
                "axis": axis,
                "segment": segment,
                "users": found.n,
                "weight": float(weights[known].sum()),
                "mean": found.mean,
                "low": interval.low,
                "high": interval.high,
                "readable": is_readable(found, min_users),
                "overlapping": axis in groups.overlapping,
                "missing": int((~known).sum()),
            }
        )
    return pd.DataFrame(rows)


def estimate_of(values: Floats, weights: Floats) -> Estimate:
    """Return the weighted mean and its error; `UNKNOWN` without any value."""
    return estimate(values, weights) if len(values) else UNKNOWN


def is_readable(found: Estimate, min_users: int) -> bool:
    """Tell whether a segment amounts to at least `min_users` users of equal weight.

    Membership by degrees counts for what it says: a thousand users at a weight of nearly nothing
    and two at 1 are two users.
    """
    # Kish's number of 30 equal weights may be 30 less a rounding error.
    return bool(found.effective_n >= min_users * (1 - 1e-9))


def _check(memberships: pd.DataFrame) -> None:
    weights = memberships["weight"].to_numpy(dtype=np.float64)
    if not ((weights > 0) & (weights <= 1)).all():
        raise DataError("a membership's weight must be above 0 and at most 1")
    if memberships.duplicated(["user_id", "axis", "segment"]).any():
        raise DataError("a user is in the same segment twice; give each membership one row")
    if (memberships["axis"] == ACTIVITY).any():
        raise DataError(
            f"an axis cannot be named {ACTIVITY!r}: that is how much was known of users"
        )
