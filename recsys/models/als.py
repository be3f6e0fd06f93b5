"""Implicit-feedback ALS (Hu, Koren, Volinsky 2008) whose regularisation follows frequency.

Minimises ``Σ c (p − x_u·y_i)² + Σ_u λ_u |x_u|² + Σ_i λ_i |y_i|²``, the first sum over all pairs:
``c`` confidence, ``p`` preference, 1 for a positive pair and 0 for all others. ``λ_u = λ Σ_i c_ui``
and ``λ_i = λ Σ_u c_ui``: a row with twice the evidence is pulled to zero twice as hard, so all rows
keep the same share of it (Rendle, Krichene, Zhang, Koren, RecSys 2022, with their ν = 1).

A sweep solves every user and then every item: a fold-in towards zero, by a few steps of conjugate
gradients from where the vector stands (Takács, Pilászy, Tikk, RecSys 2011). The library `implicit`
does most of them, with one λ for every row, which is all that can be said to it; the last few are
our own, with a λ for each. This is the only module that imports `implicit`: serving folds users in
and never loads it.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.models.config import ModelConfig
from recsys.models.fold_in import Factorisation, confidence
from recsys.random import generator
from recsys.types import Factors, Flags, Indices, UserItems

STEPS = 3
"""Of conjugate gradients for one row in one sweep: as good as an exact solution."""
OWN_SWEEPS = 5
"""The last sweeps, with a λ for each row: from where `implicit` ends they settle quickly."""
SPREAD = 0.1
"""An item's vector starts with about this length."""
BLOCK_CELLS = 2**19
"""A thread gathers so many numbers at a time: few enough for its cache."""

Product = Callable[[Factors], Factors]
"""The left side of the normal equations times a vector, for every row of a block."""


def factorise(
    user_items: UserItems,
    supported: Flags,
    config: ModelConfig,
    *,
    threads: int = 0,
    on_sweep: Callable[[], None] = lambda: None,
) -> Factorisation:
    """Fit user and item factors.

    Parameters
    ----------
    user_items
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
    matrix = sparse.csr_matrix(user_items[:, columns], dtype=np.float32)
    rows = np.flatnonzero(np.diff(matrix.indptr))
    user_factors = np.zeros((user_items.shape[0], config.factors), dtype=np.float32)
    item_factors = np.zeros((user_items.shape[1], config.factors), dtype=np.float32)
    if len(rows) and len(columns):
        learnt = _fit(matrix[rows], config, threads, on_sweep)
        user_factors[rows], item_factors[columns] = learnt
    return Factorisation(user_factors, item_factors)


def confidence_slope(worth: UserItems, supported: Flags, alpha: float) -> float:
    """Return the `alpha` that `fold_in.confidence` takes in a shop as sparse as this one.

    Known pairs weigh ``alpha / √density`` more than the others, on average: ``slope = alpha /
    (√density · mean log1p(|r|))``. The slope that ranks best differs a hundredfold between shops,
    the `alpha` behind it tenfold and with a flat top, and no unit of event weights is in it.

    Parameters
    ----------
    worth
        ``r`` by pair, shape ``(n_users, n_items)``.
    supported
        Items that learn a factor, shape ``(n_items,)``; density is the share of known pairs among
        those of these items with the users who know any of them.
    alpha
        As in the config.
    """
    known = sparse.csr_matrix(worth[:, np.flatnonzero(supported)])
    known.eliminate_zeros()
    if not known.nnz:
        return alpha
    unscaled = np.abs(confidence(known.data, 1.0)) - 1.0
    cells = np.count_nonzero(np.diff(known.indptr)) * known.shape[1]
    return float(alpha * np.sqrt(cells / known.nnz) / unscaled.mean())


class _Side(NamedTuple):
    """Users by items, or items by users.

    Attributes
    ----------
    matrix
        ``±c``, shape ``(n_rows, n_columns)``.
    penalty
        λ of each row, shape ``(n_rows, 1)``.
    blocks
        Row indices; the rows of a block are of about the same length.
    """

    matrix: UserItems
    penalty: Factors
    blocks: list[Indices]


def _fit(
    matrix: UserItems, config: ModelConfig, threads: int, on_sweep: Callable[[], None]
) -> tuple[Factors, Factors]:
    users, items = _side(matrix, config), _side(matrix.T.tocsr(), config)
    own = min(OWN_SWEEPS, config.iterations)
    # BLAS threads inside the others would slow them down and reorder their sums.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        user_factors, item_factors = _begun(users, items, config, threads, on_sweep)
        for _ in range(own):
            _solve(users, user_factors, item_factors, pool)
            _solve(items, item_factors, user_factors, pool)
            on_sweep()
    return user_factors, item_factors


def _begun(
    users: _Side,
    items: _Side,
    config: ModelConfig,
    threads: int,
    on_sweep: Callable[[], None],
) -> tuple[Factors, Factors]:
    """Let `implicit` do all sweeps but the last ones."""
    # To scale one side up and the other down changes no score: only the product of both λ counts.
    flat = float(np.sqrt(users.penalty.mean() * items.penalty.mean()))
    model = AlternatingLeastSquares(
        factors=config.factors,
        iterations=max(config.iterations - OWN_SWEEPS, 0),
        regularization=flat,
        # The data is the confidence already; implicit would multiply it by alpha.
        alpha=1.0,
        random_state=config.seed,
        num_threads=threads,
    )
    # Its own start depends on the order of the users.
    model.user_factors = np.zeros((users.matrix.shape[0], config.factors), dtype=np.float32)
    model.item_factors = _start(items.matrix, config)
    model.fit(users.matrix, show_progress=False, callback=lambda *_: on_sweep())
    return model.user_factors, model.item_factors


def _side(matrix: UserItems, config: ModelConfig) -> _Side:
    lengths = np.diff(matrix.indptr)
    excess = sparse.csr_matrix(matrix, copy=True)
    excess.data = np.abs(excess.data) - 1.0
    total = matrix.shape[1] + np.asarray(excess.sum(axis=1, dtype=np.float64))
    penalty = (config.regularization * total).astype(np.float32)
    return _Side(matrix, penalty, list(_blocks(lengths, config.factors)))


def _start(item_users: UserItems, config: ModelConfig) -> Factors:
    """Draw the items' first vectors; the users' follow from them."""
    shape = (item_users.shape[0], config.factors)
    draws = generator(config.seed, "item factors").standard_normal(shape, dtype=np.float32)
    draws[np.diff(item_users.indptr) == 0] = 0.0
    return draws * np.float32(SPREAD / np.sqrt(config.factors))


def _blocks(lengths: Indices, factors: int) -> Iterator[Indices]:
    rows = np.flatnonzero(lengths)
    if not len(rows):
        return
    padded = _padded(lengths[rows])
    order = np.argsort(padded, kind="stable")
    for alike in np.split(rows[order], np.flatnonzero(np.diff(padded[order])) + 1):
        width = int(_padded(lengths[alike[:1]])[0])
        size = max(BLOCK_CELLS // (width * factors), 1)
        yield from np.split(alike, range(size, len(alike), size))


def _padded(lengths: Indices) -> Indices:
    """Round lengths up, to 8 or by at most an eighth: a row's sums depend on no other row."""
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(lengths, 1))) - 3, 3).astype(np.int64)
    return np.asarray(-(-lengths // step) * step)


def _solve(side: _Side, solved: Factors, fixed: Factors, pool: Executor) -> None:
    gram = fixed.T @ fixed

    def solve(rows: Indices) -> None:
        penalty = side.penalty[rows]
        product, right = _equations(side.matrix, rows, fixed, gram)
        solved[rows] = _descend(lambda x: product(x) + penalty * x, right, solved[rows])

    for _ in pool.map(solve, side.blocks):
        pass


def _equations(
    matrix: UserItems, rows: Indices, fixed: Factors, gram: Factors
) -> tuple[Product, Factors]:
    """Return ``x ↦ (YᵀY + Σ (|c| − 1) y yᵀ) x`` and ``Σ_{p=1} c y`` of every row."""
    starts, ends = matrix.indptr[rows], matrix.indptr[rows + 1]
    if len(rows) == 1 and (ends - starts)[0] * fixed.shape[1] > BLOCK_CELLS:
        return _long(matrix[rows], fixed, gram)
    places = starts[:, np.newaxis] + np.arange(_padded(ends - starts)[0])
    inside = places < ends[:, np.newaxis]
    places = np.where(inside, places, starts[:, np.newaxis])
    signed = np.where(inside, matrix.data[places], np.float32(0))[:, np.newaxis, :]
    excess = np.maximum(np.abs(signed) - 1, 0)
    vectors = fixed[matrix.indices[places]]
    across = vectors.transpose(0, 2, 1)

    def product(x: Factors) -> Factors:
        weighed = excess * (x[:, np.newaxis, :] @ across)
        return np.asarray(x @ gram + (weighed @ vectors)[:, 0])

    return product, (np.maximum(signed, 0) @ vectors)[:, 0]


def _long(row: UserItems, fixed: Factors, gram: Factors) -> tuple[Product, Factors]:
    """Sum the equations of one row that is too long to gather at once."""
    left, right = gram.copy(), np.zeros((1, len(gram)), dtype=np.float32)
    size = max(BLOCK_CELLS // len(gram), 1)
    for start in range(0, row.nnz, size):
        part = slice(start, start + size)
        vectors, signed = fixed[row.indices[part]], row.data[part]
        left += (vectors.T * np.maximum(np.abs(signed) - 1, 0)) @ vectors
        right += np.maximum(signed, 0) @ vectors
    return lambda x: np.asarray(x @ left), right


def _descend(product: Product, right: Factors, start: Factors) -> Factors:
    """Take `STEPS` conjugate-gradient steps in every row towards ``product(x) = right``."""
    x, residual = start, right - product(start)
    direction, norm = residual, _dots(residual, residual)
    for _ in range(STEPS):
        image = product(direction)
        step = _ratio(norm, _dots(direction, image))
        x, residual = x + step * direction, residual - step * image
        before, norm = norm, _dots(residual, residual)
        direction = residual + _ratio(norm, before) * direction
    return x


def _dots(a: Factors, b: Factors) -> Factors:
    return np.asarray(np.einsum("rd,rd->r", a, b)[:, np.newaxis])


def _ratio(a: Factors, b: Factors) -> Factors:
    # Where a row has arrived both are 0, and it stays.
    return np.asarray(a / np.maximum(b, np.float32(1e-30)))
