"""A user's vector from her history, at any time, by the same normal equations as training.

``x_u = (YᵀY + Σ (|c| − 1) y yᵀ + P)⁻¹ (Σ_{p=1} c y + P m_u)``, sums over the items of her history:
``c`` confidence, ``p`` preference, ``y`` an item's factor, ``m_u`` the centre of the prior and
``P = s Σ⁻¹`` its precision, ``Σ`` the covariance of users around their centres. It is the ridge of
Hu, Koren, Volinsky 2008 with a prior that is neither at zero nor round (Agarwal & Chen, KDD 2009).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.linalg import lapack

from recsys.types import Factors, Flags, Floats, Indices, Membership

Centre = Literal["segments", "mean"]
CENTRES: tuple[Centre, ...] = ("segments", "mean")
COVARIANCE_RIDGE = 1e-3
"""Added to Σ, as a share of its mean variance: a direction without spread stays invertible."""
SEGMENT_RIDGE = 10.0
"""The regression on memberships counts as this many users who know nothing of segments."""


class Factorisation(NamedTuple):
    """What ALS learns.

    Attributes
    ----------
    user_factors
        Shape ``(n_users, factors)``; zero for a user without supported items.
    item_factors
        Shape ``(n_items, factors)``; zero for an item without support.
    """

    user_factors: Factors
    item_factors: Factors


class Equations(NamedTuple):
    """The normal equations of one user.

    Attributes
    ----------
    root
        Cholesky's ``L`` of ``A = YᵀY + Σ (|c| − 1) y yᵀ + P = L Lᵀ`` without the zeros above its
        diagonal (LAPACK's rectangular full packed form), shape ``(d (d + 1) / 2,)``.
    factors, signed
        ``y`` and ``±c`` of the supported items of her history.
    precision
        ``P``.
    """

    root: Floats
    factors: Floats
    signed: Floats
    precision: Floats

    def solve(self, centre: Floats) -> Floats:
        """Return ``x_u``, shape ``(d,)``; `centre` is ``m_u``."""
        right = self.factors.T @ np.maximum(self.signed, 0.0) + self.precision @ centre
        return self.solved(right)

    def solved(self, right: Floats) -> Floats:
        """Return ``A⁻¹ b`` for one ``b``, shape ``(d,)``, or for each column of several."""
        solved, _ = lapack.dpftrs(len(self.precision), self.root, right, uplo="L")
        return np.asarray(solved).reshape(right.shape)

    def origin(self, mean: Floats, centre: Floats) -> "Origin":
        """Return what ``x_u`` comes from; `mean` is the mean user, `centre` is ``m_u``."""
        pulls = self.precision @ np.column_stack([mean, centre - mean])
        parts = self.solved(pulls).T.astype(np.float32)
        return Origin(self.root.astype(np.float32), *parts)


class Origin(NamedTuple):
    """What a user's vector comes from, for its explanation.

    In float32, for a service keeps this of every customer it remembers.

    Attributes
    ----------
    root
        As `Equations` has it.
    mean
        The mean user's part of ``x_u``, ``A⁻¹ P m``, shape ``(d,)``.
    moved
        What her segments add to it, ``A⁻¹ P (m_u − m)``, shape ``(d,)``.
    """

    root: Factors
    mean: Factors
    moved: Factors

    def influence(self, factors: Factors) -> Factors:
        """Return ``A⁻¹ y`` of some items' ``y``, given and returned as rows."""
        solved, _ = lapack.spftrs(len(self.mean), self.root, factors.T, uplo="L")
        return np.asarray(solved).T


def confidence(worth: Floats, alpha: float) -> Floats:
    """Return ``c = 1 + alpha · log1p(|r|)``, with the sign of ``r``: negative is not preferred."""
    return np.asarray(np.sign(worth) * (1.0 + alpha * np.log1p(np.abs(worth))))


@dataclass(frozen=True)
class FoldIn:
    """Everything a fold-in needs, and no user.

    Attributes
    ----------
    item_factors
        ``Y``, shape ``(n_items, d)``; items without support are not used.
    supported
        Shape ``(n_items,)``.
    gram
        ``YᵀY`` over supported items, shape ``(d, d)``.
    spread
        ``Cov(Y)`` over supported items, shape ``(d, d)``: the spread of a user's scores.
    mean
        The mean user, shape ``(d,)``.
    effects
        What a segment adds to the centre, shape ``(n_segments, d)``.
    shares
        ``π``: a segment's share of its axis' known mass, shape ``(n_segments,)``.
    precisions
        ``Σ⁻¹`` around each centre, in the order of `CENTRES`, shape ``(2, d, d)``.
    """

    item_factors: Factors
    supported: Flags
    gram: Floats
    spread: Floats
    mean: Floats
    effects: Floats
    shares: Floats
    precisions: Floats

    def centre(self, membership: Floats, axes: Sequence[slice], centre: Centre) -> Floats:
        """Return ``m_u``: the mean user, or the mean of the user's segments.

        Parameters
        ----------
        membership
            One user's weights, shape ``(n_segments,)``.
        axes
            Each axis' slice of the segments.
        centre
            Which of the two.
        """
        if centre == "mean":
            return self.mean
        moved = _centred(membership[np.newaxis], self.shares, axes)[0]
        return np.asarray(self.mean + moved @ self.effects)

    def user_vector(
        self, items: Indices, weight: Floats, centre: Floats, around: Centre, strength: float
    ) -> Floats:
        """Solve for one user.

        Parameters
        ----------
        items
            Item indices of her history.
        weight
            ``+c`` or ``−c`` for each of them, ``c ≥ 1``.
        centre
            ``m_u``, shape ``(d,)``.
        around
            Which covariance shapes the prior.
        strength
            ``s``.

        Returns
        -------
        ndarray
            ``x_u``, shape ``(d,)``.
        """
        return self.equations(items, weight, around, strength).solve(centre)

    def equations(
        self,
        items: Indices,
        weight: Floats,
        around: Centre,
        strength: float,
    ) -> Equations:
        """Set up the normal equations of one user, for `user_vector` and for its explanation."""
        known = self.supported[items]
        factors = self.item_factors[items[known]].astype(np.float64)
        signed = weight[known]
        precision = strength * self.precisions[CENTRES.index(around)]
        # A matrix with its own transpose costs half of a product of two.
        scaled = factors * np.sqrt(np.abs(signed) - 1.0)[:, np.newaxis]
        left = self.gram + precision + scaled.T @ scaled
        full, _ = linalg.cho_factor(left, lower=True, overwrite_a=True, check_finite=False)
        root, _ = lapack.dtrttf(full, uplo="L")
        return Equations(root, factors, signed, precision)

    def beside(self, n: int) -> "FoldIn":
        """Return the same with `n` further items, which have no factors."""
        return replace(self, supported=np.append(self.supported, np.zeros(n, dtype=np.bool_)))

    def scale(self, vector: Floats) -> float:
        """Return ``s_u = sqrt(xᵀ Cov(Y) x)``, floored: the spread of the user's scores."""
        variance = float(vector @ self.spread @ vector)
        return max(math.sqrt(max(variance, 0.0)), 1e-6)


def fit_fold_in(
    factorisation: Factorisation, supported: Flags, membership: Membership, axes: Sequence[slice]
) -> FoldIn:
    """Learn the prior of the users' vectors from those ALS has found.

    Parameters
    ----------
    factorisation
        User and item factors.
    supported
        Items with a factor.
    membership
        The same users' weights, shape ``(n_users, n_segments)``.
    axes
        Each axis' slice of the segments.
    """
    item_factors = factorisation.item_factors
    learnt = item_factors[supported].astype(np.float64)
    active = np.flatnonzero(np.any(factorisation.user_factors != 0, axis=1))
    vectors = factorisation.user_factors[active].astype(np.float64)
    mean = vectors.mean(axis=0) if len(active) else np.zeros(item_factors.shape[1])
    rows = sparse.csr_matrix(membership[active])
    shares = _shares(rows, axes)
    centred = _centred(rows.toarray(), shares, axes)
    residuals = vectors - mean
    effects = _ridge(centred, residuals)
    precisions = [_precision(residuals - centred @ effects), _precision(residuals)]
    return FoldIn(
        item_factors,
        supported,
        learnt.T @ learnt,
        _covariance(learnt),
        mean,
        effects,
        shares,
        np.stack(precisions),
    )


def _shares(membership: Membership, axes: Sequence[slice]) -> Floats:
    mass = np.asarray(membership.sum(axis=0), dtype=np.float64).ravel()
    for axis in axes:
        mass[axis] /= max(mass[axis].sum(), 1e-12)
    return mass


def _centred(membership: Floats, shares: Floats, axes: Sequence[slice]) -> Floats:
    # An axis on which nothing is known of a user must not move her from the mean.
    centred = membership.astype(np.float64, copy=True)
    for axis in axes:
        known = membership[:, axis].sum(axis=1, keepdims=True)
        centred[:, axis] -= known * shares[axis]
    return centred


def _ridge(inputs: Floats, outputs: Floats) -> Floats:
    left = inputs.T @ inputs + SEGMENT_RIDGE * np.eye(inputs.shape[1])
    return np.asarray(np.linalg.solve(left, inputs.T @ outputs))


def _precision(residuals: Floats) -> Floats:
    covariance = _covariance(residuals)
    d = len(covariance)
    ridge = COVARIANCE_RIDGE * np.trace(covariance) / d + 1e-12
    return np.asarray(np.linalg.inv(covariance + ridge * np.eye(d)))


def _covariance(vectors: Floats) -> Floats:
    if len(vectors) < 2:
        return np.eye(vectors.shape[1])
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(centred.T @ centred / (len(vectors) - 1))
