"""Ridge logistic regression: how habit and evidence learn chances."""

import numpy as np
from scipy import optimize, special

from recsys.types import Floats

RIDGE = 1.0


def logistic(features: Floats, label: Floats) -> Floats:
    """Return the coefficients ``β₀, β`` of ``P(label) = σ(β₀ + β · features)``.

    They minimise ``−log likelihood + ½ RIDGE Σ_j (β_j · spread_j)²``, the ridge on standardised
    features; the intercept is not shrunk.

    Parameters
    ----------
    features
        Shape ``(n, n_features)``.
    label
        1 or 0, shape ``(n,)``.
    """
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    inputs = np.column_stack([np.ones(len(label)), (features - centre) / spread])
    ridge = RIDGE * np.ones(inputs.shape[1])
    ridge[0] = 0.0

    def chance(weights: Floats) -> Floats:
        return np.asarray(special.expit(inputs @ weights))

    def loss(weights: Floats) -> float:
        odds = inputs @ weights
        fit = np.logaddexp(0.0, odds).sum() - odds @ label
        return float(fit + 0.5 * ridge @ weights**2)

    def slope(weights: Floats) -> Floats:
        return np.asarray(inputs.T @ (chance(weights) - label) + ridge * weights)

    def curvature(weights: Floats) -> Floats:
        likely = chance(weights)
        return np.asarray((inputs.T * (likely * (1.0 - likely))) @ inputs + np.diag(ridge))

    start = np.zeros(inputs.shape[1])
    found = optimize.minimize(loss, start, method="trust-exact", jac=slope, hess=curvature)
    weights = found.x[1:] / spread
    return np.concatenate([[found.x[0] - centre @ weights], weights])
