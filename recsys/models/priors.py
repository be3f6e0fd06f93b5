"""What a segment prefers: one Gamma–Poisson prior per axis, as strong as the evidence allows."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from recsys.models.groups import n_groups_of
from recsys.models.lift import log_lift
from recsys.types import Flags, Floats, Indices, Membership, UserItems


class Prior(NamedTuple):
    """The prior of one axis.

    Attributes
    ----------
    lifts
        ``L_gi``, natural log, shape ``(n_segments, n_items)``.
    of_groups
        The same of items without support, by their group, shape ``(n_segments, n_groups + 1)``; the
        last one has no item.
    kappa
        The estimated strength of the shrinkage, in users; infinite: the axis says nothing.
    """

    lifts: Floats
    of_groups: Floats
    kappa: float


class Support(NamedTuple):
    """What every axis' prior is estimated beside.

    Attributes
    ----------
    supported
        Items that have a lift of their own; the others take their group's, shape ``(n_items,)``.
    groups
        Group of each item, shape ``(n_items,)``.
    kappa_scale
        What the estimated κ is multiplied by.
    """

    supported: Flags
    groups: Indices
    kappa_scale: float = 1.0


def fit_prior(
    pairs: UserItems, membership: Membership, support: Support, parents: Prior | None = None
) -> Prior:
    """Estimate the lifts of an axis' segments.

    ``L_gi = L_parent,i + log((n_gi + κ) / (E_gi + κ))`` with ``n_gi = Σ_{users of i} m_ug``,
    ``E_gi = N_g q_i e^{L_parent,i} / Σ_j q_j e^{L_parent,j}``, ``q_i = n_i / N``, and
    ``κ = ΣE² / Σ((n − E)² − V)`` by moments over all g, i, where
    ``V_gi = n_i (M_g/N − (N_g/N)²)`` is what chance alone would do: ``n_i`` users of item i, ``N``
    pairs, ``N_g`` the segment's share of them, ``M_g = Σ_pairs m_ug²``. An axis with no more
    spread than chance has κ = ∞ and the lifts of its parents (Gamma–Poisson:
    `reference/methods.md` §2.7).

    Parameters
    ----------
    pairs
        Distinct pairs with a positive interaction, any values, shape ``(n_users, n_items)``.
    membership
        Shape ``(n_users, n_segments)``.
    support
        Which items have lifts of their own.
    parents
        What each segment is shrunk to: its parent's row of another prior; by default 0.
    """
    binary = pairs.copy()
    binary.data = np.ones_like(binary.data, dtype=np.float64)
    observed = np.asarray((membership.T @ binary).toarray(), dtype=np.float64)
    users = np.asarray(binary.sum(axis=0), dtype=np.float64).ravel()
    per_user = np.asarray(binary.sum(axis=1), dtype=np.float64).ravel()
    total = max(users.sum(), 1.0)
    mass = np.asarray(membership.T @ per_user)
    squared = np.asarray(membership.power(2).T @ per_user)
    above = np.zeros_like(observed) if parents is None else parents.lifts
    expected = mass[:, np.newaxis] * _tilted(users / total, above)
    chance = np.outer(squared / total - (mass / total) ** 2, users)
    kappa = support.kappa_scale * _kappa(observed, expected, chance)
    lifts, grouped = _lifts(observed, expected, kappa, support)
    if parents is not None:
        grouped = parents.of_groups + grouped
    return Prior(above + lifts, grouped, kappa)


def _tilted(shares: Floats, lifts: Floats) -> Floats:
    """Return what a segment with the lifts of its parent would buy, rows summing to 1."""
    tilted = shares * np.exp(lifts)
    return np.asarray(tilted / np.maximum(tilted.sum(axis=1, keepdims=True), 1e-300))


def _kappa(observed: Floats, expected: Floats, chance: Floats) -> float:
    excess = float(((observed - expected) ** 2 - chance).sum())
    return float((expected**2).sum() / excess) if excess > 0 else np.inf


def _lifts(
    observed: Floats, expected: Floats, kappa: float, support: Support
) -> tuple[Floats, Floats]:
    supported, groups = support.supported, support.groups
    shape = (len(groups), n_groups_of(groups) + 1)
    if not np.isfinite(kappa):
        return np.zeros_like(observed), np.zeros((len(observed), shape[1]))
    lifts = log_lift(observed, expected, kappa)
    own = np.flatnonzero(supported)
    to_group = sparse.csr_matrix((np.ones(len(own)), (own, groups[own])), shape=shape)
    seen, fair = np.asarray(observed @ to_group), np.asarray(expected @ to_group)
    grouped = log_lift(seen, fair, kappa)
    lifts[:, ~supported] = grouped[:, groups[~supported]]
    return lifts, grouped
