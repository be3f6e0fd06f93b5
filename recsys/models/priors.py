"""What a segment prefers: one Gamma–Poisson prior per axis, as strong as the evidence allows."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from recsys.types import Flags, Floats, Indices, Membership, UserItems


class Prior(NamedTuple):
    """The prior of one axis.

    Attributes
    ----------
    lifts
        ``L_gi``, natural log, shape ``(n_segments, n_items)``.
    kappa
        The estimated strength of the shrinkage, in users; infinite: the axis says nothing.
    """

    lifts: Floats
    kappa: float


def fit_prior(pairs: UserItems, membership: Membership, supported: Flags, groups: Indices) -> Prior:
    """Estimate the lifts of an axis' segments.

    ``L_gi = log((n_gi + κ) / (E_gi + κ))`` with ``n_gi = Σ_{users of i} m_ug``,
    ``E_gi = N_g n_i / N``, and ``κ = ΣE² / Σ((n − E)² − V)`` by moments over all g, i, where
    ``V_gi = n_i (M_g/N − (N_g/N)²)`` is what chance alone would do: ``n_i`` users of item i, ``N``
    pairs, ``N_g`` the segment's share of them, ``M_g = Σ_pairs m_ug²``. An axis with no more
    spread than chance has κ = ∞ and lifts of 0 (Gamma–Poisson: `reference/methods.md` §2.7).

    Parameters
    ----------
    pairs
        Distinct pairs with a positive interaction, any values, shape ``(n_users, n_items)``.
    membership
        Shape ``(n_users, n_segments)``.
    supported
        Items that have a lift of their own; the others take their group's.
    groups
        Group of each item.
    """
    binary = pairs.copy()
    binary.data = np.ones_like(binary.data, dtype=np.float64)
    observed = np.asarray((membership.T @ binary).toarray(), dtype=np.float64)
    users = np.asarray(binary.sum(axis=0), dtype=np.float64).ravel()
    per_user = np.asarray(binary.sum(axis=1), dtype=np.float64).ravel()
    total = max(users.sum(), 1.0)
    mass = np.asarray(membership.T @ per_user)
    squared = np.asarray(membership.power(2).T @ per_user)
    expected = np.outer(mass / total, users)
    chance = np.outer(squared / total - (mass / total) ** 2, users)
    kappa = _kappa(observed, expected, chance)
    return Prior(_lifts(observed, expected, kappa, supported, groups), kappa)


def _kappa(observed: Floats, expected: Floats, chance: Floats) -> float:
    excess = float(((observed - expected) ** 2 - chance).sum())
    return float((expected**2).sum() / excess) if excess > 0 else np.inf


def _lifts(
    observed: Floats, expected: Floats, kappa: float, supported: Flags, groups: Indices
) -> Floats:
    if not np.isfinite(kappa):
        return np.zeros_like(observed)
    lifts = np.log((observed + kappa) / (expected + kappa))
    own = np.flatnonzero(supported)
    n_groups = int(groups.max(initial=-1)) + 1
    shape = (len(groups), n_groups)
    to_group = sparse.csr_matrix((np.ones(len(own)), (own, groups[own])), shape=shape)
    seen, fair = np.asarray(observed @ to_group), np.asarray(expected @ to_group)
    grouped = np.log((seen + kappa) / (fair + kappa))
    lifts[:, ~supported] = grouped[:, groups[~supported]]
    return np.asarray(lifts)
