"""The Gamma–Poisson lift: how much more often than expected, shrunk where little is known."""

import numpy as np

from recsys.types import Floats, Indices


def log_lift(observed: Floats | Indices, expected: Floats, kappa: float) -> Floats:
    """Return ``log((n + κ) / (E + κ))``, in nats.

    Parameters
    ----------
    observed, expected
        ``n`` and ``E``, of the same shape.
    kappa
        ``κ > 0``, in their unit: what an unchanged expectation counts.
    """
    return np.asarray(np.log((observed + kappa) / (expected + kappa)))
