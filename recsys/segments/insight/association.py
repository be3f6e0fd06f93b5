"""How alike two axes judge the same users: whether they go together, and where they disagree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from recsys.errors import DataError
from recsys.statistics import effective_n
from recsys.types import Floats, Membership


class Matching(NamedTuple):
    """Segments of one axis, each paired with at most one of another.

    Attributes
    ----------
    pairs
        ``(row, column)`` of the table, by row.
    share
        The share of users whose two segments are paired; nan without users.
    """

    pairs: tuple[tuple[int, int], ...]
    share: float


@dataclass(frozen=True)
class Association:
    """Two axes held against each other, over the users that both know.

    Attributes
    ----------
    users
        Users with a weight on both axes.
    left_out
        Users unknown on either.
    table
        `cross_table`, shape ``(n_one, n_other)``.
    association
        `cramers_v`.
    matching
        `best_matching`: which segments are each other's counterpart, and how many users agree.
    by_chance
        The share that the same pairs would hold were the axes independent; nan without users.
    """

    users: int
    left_out: int
    table: Floats
    association: float
    matching: Matching
    by_chance: float

    @property
    def expected(self) -> Floats:
        """What independent axes with these sizes would show, shape ``(n_one, n_other)``."""
        return _independent(self.table)

    @property
    def residuals(self) -> Floats:
        """Observed over expected, above 1 where segments go together; nan where none is due."""
        return self.table / np.where(self.expected > 0, self.expected, np.nan)


def cross_table(one: Membership, other: Membership) -> Floats:
    """Users in each segment of one axis and each of another, shape ``(n_one, n_other)``.

    ``T_gh = Σ_u m_ug · m_uh``: who is unknown on either axis counts nowhere.

    Parameters
    ----------
    one, other
        Weights of the same users, shape ``(n_users, n_one)`` and ``(n_users, n_other)``.

    Raises
    ------
    DataError
        When the users are not the same.

    Examples
    --------
    >>> one = sparse.csr_matrix([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> cross_table(one, sparse.csr_matrix([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]])).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    if one.shape[0] != other.shape[0]:
        raise DataError(
            f"{one.shape[0]} users on one axis and {other.shape[0]} on the other; "
            "give memberships of the same users"
        )
    return np.asarray((one.T @ other).toarray(), dtype=np.float64)


def cramers_v(one: Membership, other: Membership) -> float:
    """How strongly two axes go together, corrected for chance: Cramér's V, in [0, 1].

    ``V² = max(0, φ² - d_one d_other / (n - 1)) / min(d̃_one, d̃_other)`` with ``φ² = Σ_gh (T_gh -
    E_gh)² / (E_gh W)``, ``T`` the `cross_table`, ``E`` what its margins make of it were the axes
    independent, ``W`` its sum, and ``d̃ = d - d² / (n - 1)``. For whole members ``d = segments -
    1`` and ``n = W``: Bergsma's correction. By degrees a user counts with weight ``w_u = Σ_g m_ug
    Σ_h m_uh`` and shares ``s_ug = m_ug / Σ_k m_uk``; ``d = Σ_g Σ_u w_u (s_ug - s̄_g)² / Σ_u w_u
    s_ug`` is what chance makes of φ² there (its exact mean over all ways to pair the users, at
    equal weights), and ``n = W² / Σ w²``. Soft memberships lower V: an axis by degrees is not
    fully told by itself.

    Parameters
    ----------
    one, other
        Weights of the same users, shape ``(n_users, n_one)`` and ``(n_users, n_other)``. Users
        unknown on either axis and segments that are empty among the others are left out.

    Returns
    -------
    float
        0 for axes no more alike than chance makes them, 1 for the same division of whole members,
        a little less where one is finer; nan where an axis has fewer than two segments, or as many
        as there are users.

    Raises
    ------
    DataError
        When the users are not the same.

    References
    ----------
    Bergsma, "A Bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean
    Statistical Society 42(3), 2013.

    Examples
    --------
    >>> one = sparse.csr_matrix(np.repeat(np.eye(2), 50, axis=0))
    >>> round(cramers_v(one, one), 3)
    1.0
    >>> cramers_v(one, sparse.csr_matrix(np.tile(np.eye(2), (50, 1))))
    0.0
    """
    table = cross_table(one, other)
    left, right = _row_sums(one), _row_sums(other)
    weights = left * right
    n = effective_n(weights)
    if n <= 1:
        return math.nan
    spreads = [_spread(one, left, weights), _spread(other, right, weights)]
    room = min(spread - spread**2 / (n - 1) for spread in spreads)
    # Axes of one segment, and such as give each user a segment of her own, leave no room but
    # the rounding of it.
    if room <= 1e-9:
        return math.nan
    excess = _phi_squared(table) - spreads[0] * spreads[1] / (n - 1)
    return min(math.sqrt(max(excess, 0.0) / room), 1.0)


def _row_sums(membership: Membership) -> Floats:
    return np.asarray(membership.sum(axis=1), dtype=np.float64).ravel()


def _phi_squared(table: Floats) -> float:
    expected = _independent(table)
    due = expected > 0
    return float(((table - expected)[due] ** 2 / expected[due]).sum() / table.sum())


def _independent(table: Floats) -> Floats:
    total = float(table.sum())
    return np.outer(table.sum(axis=1), table.sum(axis=0)) / (total if total > 0 else 1.0)


def _spread(membership: Membership, sums: Floats, weights: Floats) -> float:
    """Return ``d``: how many whole segments beyond the first the memberships amount to."""
    inverse = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    shares = sparse.diags_array(inverse) @ membership
    sizes = shares.T @ weights
    squares = shares.power(2).T @ weights
    used = sizes > 0
    return float((squares[used] / sizes[used]).sum() - sizes.sum() / weights.sum())


def best_matching(table: Floats) -> Matching:
    """Pair the segments of two axes so that as many users as possible are in a pair.

    Where an axis has more segments than the other, the rest have no counterpart. Segments that
    nobody shares are not paired.

    Parameters
    ----------
    table
        `cross_table`, shape ``(n_one, n_other)``.

    References
    ----------
    Kuhn, "The Hungarian Method for the Assignment Problem", Naval Research Logistics Quarterly
    2, 1955.

    Examples
    --------
    >>> best_matching(np.array([[1.0, 6.0], [2.0, 1.0]]))
    Matching(pairs=((0, 1), (1, 0)), share=0.8)
    """
    rows, columns = linear_sum_assignment(table, maximize=True)
    pairs = tuple(
        (row, column)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if table[row, column] > 0
    )
    total = float(table.sum())
    matched = sum(float(table[pair]) for pair in pairs)
    return Matching(pairs, matched / total if total > 0 else math.nan)


def associate(one: Membership, other: Membership) -> Association:
    """Hold two axes against each other.

    Parameters
    ----------
    one, other
        Weights of the same users, shape ``(n_users, n_one)`` and ``(n_users, n_other)``.

    Raises
    ------
    DataError
        When the users are not the same.

    Examples
    --------
    >>> one = sparse.csr_matrix([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    >>> found = associate(one, one)
    >>> found.users, found.left_out, found.matching.share
    (3, 1, 1.0)
    """
    table = cross_table(one, other)
    users = int(((_row_sums(one) > 0) & (_row_sums(other) > 0)).sum())
    matching = best_matching(table)
    due, total = _independent(table), float(table.sum())
    return Association(
        users=users,
        left_out=one.shape[0] - users,
        table=table,
        association=cramers_v(one, other),
        matching=matching,
        by_chance=sum(float(due[pair]) for pair in matching.pairs) / total if total else math.nan,
    )


def conflicts(
    found: Association, one: Sequence[str], other: Sequence[str], *, most: int = 10
) -> pd.DataFrame:
    """Users whom two standards judge differently, the largest groups first.

    That is everybody whose two segments are not each other's counterpart in `best_matching`; all
    rows together are ``1 - matching.share`` of the users.

    Parameters
    ----------
    found
        The two axes.
    one, other
        The names of their segments.
    most
        So many rows at most.

    Returns
    -------
    DataFrame
        ``one, other`` (the two segments), ``counterpart`` (of `one`, none: missing), ``users``,
        ``share`` (of all users known on both), ``residual`` (observed over expected: below 1,
        rarer than chance), equal ones by name.

    Examples
    --------
    >>> one = sparse.csr_matrix(np.eye(2)[[0, 0, 1, 1]])
    >>> found = associate(one, sparse.csr_matrix(np.eye(2)[[0, 0, 1, 0]]))
    >>> conflicts(found, ["low", "high"], ["cheap", "dear"]).iloc[:, :5].to_numpy().tolist()
    [['high', 'cheap', 'dear', 1.0, 0.25]]
    """
    partner = dict(found.matching.pairs)
    rows = [
        (
            name,
            their_name,
            other[partner[row]] if row in partner else None,
            float(found.table[row, column]),
            float(found.table[row, column] / found.table.sum()),
            float(found.residuals[row, column]),
        )
        for row, name in enumerate(one)
        for column, their_name in enumerate(other)
        if found.table[row, column] > 0 and partner.get(row) != column
    ]
    columns = ["one", "other", "counterpart", "users", "share", "residual"]
    frame = pd.DataFrame(rows, columns=columns)
    order = ["users", "one", "other"]
    return frame.sort_values(order, ascending=[False, True, True], ignore_index=True).head(most)
