"""Percentile bootstrap over users: exact resampling, fast enough for a million of them."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from recsys.statistics.intervals import Interval, check_confidence, check_values
from recsys.types import Floats, Indices

Pairs: TypeAlias = npt.NDArray[np.complex128]
"""A user's two values as one number, ``one + i · other``, so that one read fetches both."""

_BLOCK = 1 << 20
"""Values resampled at a time in one stream: bounds the memory, changes no result."""
_STREAM_USERS = 1 << 12
"""Up to so many users, all draws are indices of one stream, which anybody can repeat."""
_CELL = 1 << 8
"""Users of one cell: two draws from it are one index of 16 bits."""
_FREQUENT = 32
"""From so many equal users on, one binomial count is cheaper than drawing them one by one."""
_DRAWS = 1024
"""Draws of one seed: part of the recipe, so the result does not depend on the threads."""


@dataclass(frozen=True)
class PairedBootstrap:
    """What resampling the users says of two systems.

    Attributes
    ----------
    difference
        ``mean(other) - mean(one)``.
    relative
        ``mean(other) / mean(one) - 1``, from the same draws; nan where ``mean(one)`` is not
        above 0, and without bounds where it is not so in some draw.
    """

    difference: Interval
    relative: Interval


def paired_bootstrap(
    one: Floats, other: Floats, *, draws: int = 1000, seed: int, confidence: float = 0.95
) -> Interval:
    """Mean difference between two systems over the same users, with a percentile bootstrap.

    ``mean = Σ_u (other_u - one_u) / n``. Each draw takes ``n`` users with replacement; the bounds
    are the quantiles ``(1 ∓ confidence) / 2`` of the means of the draws.

    Parameters
    ----------
    one, other
        One finite value for each user, shape ``(n,)`` each, users in the same order.
    draws
        How many times the users are drawn anew, at least 1.
    seed
        The same seed gives the same interval.
    confidence
        Share of such intervals that hold the true difference, between 0 and 1.

    Raises
    ------
    ValueError
        No user, different users, a value that is not finite, or an option out of range.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> one, other = np.array([0.1, 0.4, 0.2]), np.array([0.3, 0.5, 0.2])
    >>> interval = paired_bootstrap(one, other, seed=0)
    >>> round(interval.mean, 3), round(interval.low, 3), round(interval.high, 3), interval.n
    (0.1, 0.0, 0.2, 3)
    """
    return bootstrap_pair(one, other, draws=draws, seed=seed, confidence=confidence).difference


def bootstrap_pair(
    one: Floats,
    other: Floats,
    *,
    draws: int = 10_000,
    seed: int,
    confidence: float = 0.95,
    threads: int | None = None,
) -> PairedBootstrap:
    """Difference and relative difference of two systems, from the same draws of users.

    Up to 4,096 users the draws are ``default_rng(seed).integers(n, size=(draws, n))``. Above, a
    draw is first a multinomial count for each value pair that many users share and for each cell
    of 256 other users, then users drawn within each cell: the same distribution exactly.

    Parameters
    ----------
    one, other
        One finite value for each user, shape ``(n,)`` each, users in the same order.
    draws
        How many times the users are drawn anew, at least 1.
    seed
        The same seed gives the same intervals, whatever the number of threads.
    confidence
        Share of such intervals that hold the truth, between 0 and 1.
    threads
        Default: one for each core.

    Raises
    ------
    ValueError
        No user, different users, a value that is not finite, or an option out of range.

    References
    ----------
    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> one, other = np.array([0.1, 0.4, 0.2]), np.array([0.3, 0.5, 0.2])
    >>> found = bootstrap_pair(one, other, draws=1000, seed=0)
    >>> round(found.difference.mean, 3), round(found.relative.mean, 3)
    (0.1, 0.429)
    """
    _check(one, other, draws, confidence)
    n = len(one)
    if n == 1:
        unknown = np.full(1, math.nan)
        return PairedBootstrap(
            _interval(float(other[0] - one[0]), unknown, n, confidence),
            _interval(_ratio(one.sum(), other.sum()), unknown, n, confidence),
        )
    means = _resampled_means(one + 1j * other, draws, seed, threads)
    # The mean of differences, not the difference of means, whose rounding is larger.
    difference = float((other - one).mean())
    baseline = np.where(means.real > 0, means.real, math.nan)
    return PairedBootstrap(
        _interval(difference, means.imag - means.real, n, confidence),
        _interval(_ratio(one.sum(), other.sum()), means.imag / baseline - 1, n, confidence),
    )


def _interval(mean: float, drawn: Floats, n: int, confidence: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean, float(low), float(high), n)


def _ratio(one: float, other: float) -> float:
    return float(other / one - 1) if one > 0 else math.nan


def _resampled_means(pairs: Pairs, draws: int, seed: int, threads: int | None) -> Pairs:
    if len(pairs) <= _STREAM_USERS:
        return _one_stream(pairs, draws, np.random.default_rng(seed))
    cells = _Cells.of(pairs)
    sizes = [min(_DRAWS, draws - done) for done in range(0, draws, _DRAWS)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(cells.means, sizes, seeds)))


def _one_stream(pairs: Pairs, draws: int, rng: np.random.Generator) -> Pairs:
    n = len(pairs)
    rows = max(1, _BLOCK // n)
    sizes = [min(rows, draws - done) for done in range(0, draws, rows)]
    return np.concatenate([pairs[rng.integers(n, size=(size, n))].mean(axis=1) for size in sizes])


@dataclass(frozen=True)
class _Cells:
    """Users, laid out so that a draw of all of them is a few counts and short draws.

    Attributes
    ----------
    frequent
        Value pairs that many users share, shape ``(n_frequent,)``.
    rare
        The other users' pairs, in cells of at most `_CELL`.
    users
        Users of each frequent pair, then of each cell, shape ``(n_frequent + n_cells,)``.
    """

    frequent: Pairs
    rare: tuple[Pairs, ...]
    users: Indices

    @classmethod
    def of(cls, pairs: Pairs) -> "_Cells":
        distinct, inverse, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        frequent = counts >= _FREQUENT
        rest = pairs[~frequent[inverse]]
        rare = tuple(rest[start : start + _CELL] for start in range(0, len(rest), _CELL))
        users = np.concatenate([counts[frequent], [len(cell) for cell in rare]])
        return cls(distinct[frequent], rare, users.astype(np.int64))

    def means(self, draws: int, seed: np.random.SeedSequence) -> Pairs:
        """Means of `draws` draws of all users, shape ``(draws,)``."""
        rng = np.random.default_rng(seed)
        n = self.users.sum()
        counts = rng.multinomial(n, self.users / n, size=draws)
        # einsum, not BLAS: the order of a sum must not depend on the threads.
        sums = np.einsum("dc,c->d", counts[:, : len(self.frequent)], self.frequent)
        for cell, sizes in zip(self.rare, counts[:, len(self.frequent) :].T, strict=True):
            sums += _cell_sums(cell, sizes, rng)
        return np.asarray(sums / n)


def _cell_sums(cell: Pairs, sizes: Indices, rng: np.random.Generator) -> Pairs:
    """Draw `sizes` users from a cell and add them up, shape ``(draws,)``."""
    # A number below m² is two independent ones below m, so a table of sums halves the work.
    table = np.add.outer(cell, cell).ravel()
    halves, odd = np.divmod(sizes, 2)
    sums = np.where(odd, cell[rng.integers(len(cell), size=len(sizes))], 0)
    picked = table.take(rng.integers(len(table), size=halves.sum(), dtype=np.uint16))
    filled = halves > 0
    if filled.any():
        sums[filled] += np.add.reduceat(picked, (np.cumsum(halves) - halves)[filled])
    return sums


def _check(one: Floats, other: Floats, draws: int, confidence: float) -> None:
    if one.shape != other.shape:
        raise ValueError(f"users must be the same on both sides, got {one.shape}, {other.shape}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    check_values(one)
    check_values(other)
    check_confidence(confidence)
