"""Peers of libraries: ALS of `implicit`, iALS of `irspack`, with attributes of users too.

Users are folded in by the library from what is known of them. A weight of `log` or `count` says
what a repeated purchase adds to the confidence.
"""

import numpy as np
from scipy import sparse

from .arrays import People, Train
from .popularity import Scorer

SEED = 0


def implicit_als(
    train: Train, factors: int, alpha: float, regularization: float, weight: str
) -> Scorer:
    """Score by `implicit`, whose confidence is ``alpha · r`` where there is an interaction."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors,
        regularization=regularization,
        alpha=alpha,
        iterations=15,
        num_threads=1,
        random_state=SEED,
    )
    model.fit(old_matrix(train.people.rows.worth(weight)), show_progress=False)

    def score(people: People) -> np.ndarray:
        known = old_matrix(people.rows.worth(weight))
        return model.recalculate_user(np.arange(known.shape[0]), known) @ model.item_factors.T

    return score


def old_matrix(matrix: sparse.csr_array) -> sparse.csr_matrix:
    """Return the kind of matrix that the libraries know."""
    return sparse.csr_matrix(matrix, dtype=np.float32)


def ials(train: Train, factors: int, alpha0: float, reg: float, weight: str) -> Scorer:
    """Score by `irspack`, with regularisation scaled by frequency."""
    model = learnt(train, None, factors, alpha0, reg, weight)

    def score(people: People) -> np.ndarray:
        known = old_matrix(people.rows.worth(weight))
        return model.get_score_cold_user(known)

    return score


def feature_ials(
    train: Train, factors: int, alpha0: float, reg: float, reg_features: float, weight: str
) -> Scorer:
    """Score by `irspack` where a user's vector is drawn towards one foretold by attributes."""
    features = with_constant(train.people.attributes)
    model = learnt(train, features, factors, alpha0, reg, weight, lambda_user_feature=reg_features)

    def score(people: People) -> np.ndarray:
        known = old_matrix(people.rows.worth(weight))
        return model.get_score_cold_user(known, with_constant(people.attributes))

    return score


def with_constant(attributes: sparse.csr_array) -> sparse.csr_matrix:
    constant = np.ones((attributes.shape[0], 1))
    return old_matrix(sparse.hstack([attributes, constant], format="csr"))


def learnt(train: Train, features, factors: int, alpha0: float, reg: float, weight: str, **more):
    from irspack import IALSRecommender

    return IALSRecommender(
        old_matrix(train.people.rows.worth(weight)),
        n_components=factors,
        alpha0=alpha0,
        reg=reg,
        user_features=features,
        random_seed=SEED,
        n_threads=1,
        **more,
    ).learn()
