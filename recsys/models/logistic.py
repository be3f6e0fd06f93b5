"""Ridge logistic regression: how habit and evidence learn chances."""

import numpy as np
from scipy import optimize, special

from recsys.types import Floats

RIDGE = 1.0


def logistic(
    features: Floats, label: Floats, weight: Floats | float = 1.0, *, ridge: float = RIDGE
) -> Floats:
    """Return the coefficients ``β₀, β`` of ``P(label) = σ(β₀ + β · features)``.

    They minimise ``−Σ weight · log likelihood + ½ ridge Σ_j (β_j · spread_j)²``, the ridge on
    standardised features; the intercept is not shrunk.

    Parameters
    ----------
    features
        Shape ``(n, n_features)``.
    label
        1 or 0, shape ``(n,)``.
    weight
        How many examples each counts for, shape ``(n,)``.
    ridge
        How many the prior of a coefficient counts for, about.
    """
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    inputs = np.column_stack([np.ones(len(label)), (features - centre) / spread])
    shrunk = ridge * np.ones(inputs.shape[1])
    shrunk[0] = 0.0

    def chance(coefficients: Floats) -> Floats:
        return np.asarray(special.expit(inputs @ coefficients))

    def loss(coefficients: Floats) -> float:
        odds = inputs @ coefficients
        fit = np.sum(weight * log_loss(odds, label))
        return float(fit + 0.5 * shrunk @ coefficients**2)

    def slope(coefficients: Floats) -> Floats:
        surplus = weight * (chance(coefficients) - label)
        return np.asarray(inputs.T @ surplus + shrunk * coefficients)

    def curvature(coefficients: Floats) -> Floats:
        likely = chance(coefficients)
        return np.asarray(
            (inputs.T * (weight * likely * (1.0 - likely))) @ inputs + np.diag(shrunk)
        )

    start = np.zeros(inputs.shape[1])
    found = optimize.minimize(loss, start, method="trust-exact", jac=slope, hess=curvature)
    coefficients = found.x[1:] / spread
    return np.concatenate([[found.x[0] - centre @ coefficients], coefficients])


def log_loss(odds: Floats, label: Floats) -> Floats:
    """Return ``−log P(label)`` of each example, given its log odds."""
    return np.asarray(np.logaddexp(0.0, odds) - odds * label)
