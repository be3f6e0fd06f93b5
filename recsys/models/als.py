"""Implicit-feedback ALS (Hu, Koren, Volinsky 2008), through the library `implicit`.

The only module that imports it: serving folds users in and never loads it.
"""

from collections.abc import Callable

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.models.config import ModelConfig
from recsys.models.fold_in import Factorisation
from recsys.types import Flags, UserItems


def factorise(
    confidence: UserItems,
    supported: Flags,
    config: ModelConfig,
    *,
    threads: int = 0,
    on_sweep: Callable[[], None] = lambda: None,
) -> Factorisation:
    """Fit user and item factors.

    Parameters
    ----------
    confidence
        ``+c`` or ``−c`` by pair, shape ``(n_users, n_items)``; see `fold_in.confidence`.
    supported
        Items that learn a factor, shape ``(n_items,)``.
    config
        Factors, sweeps, regularisation, seed.
    threads
        Worker threads; 0 = one for each core. The result does not depend on it.
    on_sweep
        Called after each sweep.
    """
    columns = np.flatnonzero(supported)
    matrix = sparse.csr_matrix(confidence[:, columns], dtype=np.float32)
    rows = np.flatnonzero(np.diff(matrix.indptr))
    user_factors = np.zeros((confidence.shape[0], config.factors), dtype=np.float32)
    item_factors = np.zeros((confidence.shape[1], config.factors), dtype=np.float32)
    if len(rows) and len(columns):
        learnt = _fit(matrix[rows], config, threads, on_sweep)
        user_factors[rows], item_factors[columns] = learnt.user_factors, learnt.item_factors
    return Factorisation(user_factors, item_factors)


def _fit(
    matrix: UserItems, config: ModelConfig, threads: int, on_sweep: Callable[[], None]
) -> Factorisation:
    # BLAS threads inside implicit's own would slow it down and reorder its sums.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=config.factors,
            iterations=config.iterations,
            regularization=config.regularization,
            # The data is the confidence already; implicit would multiply it by alpha.
            alpha=1.0,
            random_state=config.seed,
            num_threads=threads,
        )
        model.fit(matrix, show_progress=False, callback=lambda *_: on_sweep())
    return Factorisation(model.user_factors, model.item_factors)
