"""Who moved from segment to segment between two moments."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.errors import DataError
from recsys.segments.insight.stability import psi
from recsys.types import Floats, Membership
from recsys.vocabulary import Vocabulary

UNKNOWN = "(unknown)"
"""The state of whatever a user's weights lack to 1."""
ABSENT = "(not there)"
"""The state of a user who is not there yet before, or no longer after."""
_LEAST_MOVE = 1e-12
"""What a user moves below this is the rounding of her weights."""


class Moment(NamedTuple):
    """One axis at one moment.

    Attributes
    ----------
    users
        Row order.
    segments
        Distinct names, in column order.
    membership
        Shape ``(n_users, n_segments)``.
    """

    users: Vocabulary
    segments: tuple[str, ...]
    membership: Membership


@dataclass(frozen=True)
class Flows:
    """Users by where they were and where they are.

    Attributes
    ----------
    states
        The segments of either moment, then `UNKNOWN`, then `ABSENT`.
    users
        How many went from the state of the row to that of the column, shape ``(n_states,
        n_states)``. Rows sum to who was there before, columns to who is there after.
    """

    states: tuple[str, ...]
    users: Floats

    @property
    def stayed(self) -> float:
        """The share of those in a segment before who are in the same one after; nan of nobody."""
        segments = len(self.states) - 2
        were = float(self.users[:segments].sum())
        return float(np.trace(self.users[:segments, :segments])) / were if were else math.nan

    @property
    def psi(self) -> float:
        """The shift in sizes, the unknown being a bin of its own; see `stability.psi`."""
        return psi(self.users[:-1].sum(axis=1), self.users[:, :-1].sum(axis=0))


def flows_between(before: Moment, after: Moment) -> Flows:
    """Count the users that went from each state to each.

    ``F_gh = Σ_u ([g = h] s_ug + (a_ug - s_ug) (b_uh - s_uh) / (1 - Σ_k s_uk))`` with ``a_u`` and
    ``b_u`` a user's weights before and after, unknown and absent among them, so that each sums to
    1, and ``s_uk = min(a_uk, b_uk)`` what may have stayed. So as little as possible moves (the
    maximal coupling of ``a_u`` and ``b_u``), and of what does, nothing says where it went: it is
    shared out in proportion. Of whole members it is a plain count.

    Parameters
    ----------
    before, after
        Users and segments may differ; both are matched by their names.

    Raises
    ------
    DataError
        When a segment stands twice, or names, users and weights do not fit.

    References
    ----------
    Lindvall, "Lectures on the Coupling Method", 1992, section I.5, for the maximal coupling.

    Examples
    --------
    >>> users = Vocabulary(["ann", "bob", "cid"])
    >>> old = Moment(Vocabulary(["ann", "bob"]), ("new",), sparse.csr_matrix([[1.0], [1.0]]))
    >>> now = Moment(users, ("new", "loyal"), sparse.csr_matrix([[0.0, 1.0], [1.0, 0.0], [1, 0]]))
    >>> found = flows_between(old, now)
    >>> found.states
    ('new', 'loyal', '(unknown)', '(not there)')
    >>> found.users.tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    """
    users = Vocabulary(np.concatenate([before.users.ids, after.users.ids]))
    segments = tuple(dict.fromkeys((*before.segments, *after.segments)))
    one, other = _states(before, users, segments), _states(after, users, segments)
    stay = one.minimum(other)
    leaving, arriving = sparse.csr_matrix(one - stay), sparse.csr_matrix(other - stay)
    moving = np.asarray(leaving.sum(axis=1)).ravel()
    share = np.divide(1.0, moving, out=np.zeros_like(moving), where=moving > _LEAST_MOVE)
    moved = leaving.T @ sparse.diags_array(share) @ arriving
    stayed = np.asarray(stay.sum(axis=0)).ravel()
    return Flows((*segments, UNKNOWN, ABSENT), np.diag(stayed) + moved.toarray())


def _states(moment: Moment, users: Vocabulary, segments: tuple[str, ...]) -> Membership:
    """Return weights on every state, rows summing to 1, shape ``(n_users, n_states)``."""
    _check(moment)
    rows = users.index_of(moment.users.ids)
    columns = np.asarray([segments.index(name) for name in moment.segments], dtype=np.int64)
    weights = moment.membership.tocoo()
    places = rows[weights.row], columns[weights.col]
    shape = (len(users), len(segments))
    known = sparse.csr_matrix((weights.data, places), shape=shape, dtype=np.float64)
    there = np.zeros(len(users))
    there[rows] = 1.0
    missing = np.maximum(there - np.asarray(known.sum(axis=1)).ravel(), 0.0)
    rest = sparse.csr_matrix(np.stack([missing, 1.0 - there], axis=1))
    return sparse.csr_matrix(sparse.hstack([known, rest], format="csr"))


def _check(moment: Moment) -> None:
    shape = (len(moment.users), len(moment.segments))
    if moment.membership.shape != shape:
        raise DataError(
            f"memberships of shape {moment.membership.shape}, but the names say {shape}"
        )
    if len(set(moment.segments)) < len(moment.segments):
        raise DataError(
            f"a segment stands twice in {', '.join(moment.segments)}; merge its columns"
        )


def moves(found: Flows, *, most: int = 10) -> pd.DataFrame:
    """Return the largest moves of users who are there at both moments.

    Parameters
    ----------
    found
        The flows.
    most
        So many rows at most.

    Returns
    -------
    DataFrame
        ``from, to, users, share_of_from`` (of all who were there before), the largest first,
        equal ones by name.

    Examples
    --------
    >>> found = Flows(("new", "loyal", UNKNOWN, ABSENT), np.diag([3.0, 2.0, 0.0, 0.0]))
    >>> found.users[0, 1] = 1.0
    >>> moves(found).to_numpy().tolist()
    [['new', 'loyal', 1.0, 0.25]]
    """
    there = found.users.copy()
    np.fill_diagonal(there, 0.0)
    there[-1], there[:, -1] = 0.0, 0.0
    sources, goals = np.nonzero(there > _LEAST_MOVE)
    names = np.asarray(found.states, dtype=object)
    users = there[sources, goals]
    frame = pd.DataFrame(
        {
            "from": names[sources],
            "to": names[goals],
            "users": users,
            "share_of_from": users / found.users.sum(axis=1)[sources],
        }
    )
    order = ["users", "from", "to"]
    return frame.sort_values(order, ascending=[False, True, True], ignore_index=True).head(most)
