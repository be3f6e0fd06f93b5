"""Groups of alike customers: k-means over standardised profile columns.

A column is cut off at its quantiles 0.01 and 0.99, so that one enormous order makes no cluster of
its own, and then measured in standard deviations from its mean. Not in interquartile ranges: most
customers have one order and no discount, and those ranges would be 0.
"""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from recsys.errors import ConfigError
from recsys.random import generator
from recsys.types import Config, Flags, Floats, Indices

TAIL: Final = 0.01
"""Share of the values on either side that count as the quantile there."""
REMARKABLE: Final = 0.5
"""Standard deviations from the mean, from which on a feature names a cluster."""
PAIRS: Final = 10
"""Pairs of resampled clusterings whose agreement is the stability of a number of clusters."""
INDIFFERENT: Final = 0.05
"""Agreements that differ by less are as good as each other."""
_STARTS: Final = 10
_STARTS_RESAMPLED: Final = 3
_RESAMPLED: Final = 4000
"""Users of each resampled clustering: stability needs fewer than the clusters themselves."""


class Scaling(Config):
    """How columns become comparable; the numbers are one for each feature."""

    columns: tuple[str, ...] = Field(description="all columns, as they are handed in")
    features: tuple[str, ...] = Field(description="those that count")
    low: tuple[float, ...] = Field(description="values below count as this one")
    high: tuple[float, ...] = Field(description="values above count as this one")
    centre: tuple[float, ...] = Field(description="the mean; it stands for a missing value")
    scale: tuple[float, ...] = Field(description="the standard deviation")

    @property
    def dropped(self) -> tuple[str, ...]:
        """Columns that are constant, or of which nothing is known."""
        return tuple(name for name in self.columns if name not in self.features)


class Clusters(Config):
    """Frozen clusters: all that assigning a user needs besides her own profile."""

    scaling: Scaling
    centroids: tuple[tuple[float, ...], ...] = Field(
        description="of each cluster, in standard deviations from the mean, by feature"
    )
    names: tuple[str, ...] = Field(description="what sets each cluster apart")


class Stability(NamedTuple):
    """How alike two clusterings of resampled users are.

    Attributes
    ----------
    k
        Number of clusters.
    agreement
        Mean adjusted Rand index of the pairs; 1 = always the same, 0 = by chance.
    error
        Its standard error over the pairs.
    """

    k: int
    agreement: float
    error: float


@dataclass(frozen=True)
class Clustering:
    """Clusters, and why there are so many.

    Attributes
    ----------
    clusters
        As frozen.
    curve
        Stability of each number that was tried; empty where the number was given.
    """

    clusters: Clusters
    curve: tuple[Stability, ...]


class _Measured(NamedTuple):
    low: float
    high: float
    centre: float
    scale: float


def standardise(values: Floats, columns: Sequence[str]) -> Scaling:
    """Freeze how the columns of some users become comparable.

    Parameters
    ----------
    values
        Shape ``(n_users, n_columns)``; what is not finite is missing.
    columns
        Their names.

    Raises
    ------
    ConfigError
        When no column differs between users.

    Examples
    --------
    >>> found = standardise(np.array([[1.0, 7.0], [3.0, 7.0], [np.nan, 7.0]]), ("spend", "age"))
    >>> found.features, found.dropped, found.centre
    (('spend',), ('age',), (2.0,))
    """
    measured = {name: _measure(values[:, place]) for place, name in enumerate(columns)}
    kept = {name: found for name, found in measured.items() if found is not None}
    if not kept:
        raise ConfigError(
            f"no column of {', '.join(columns) or 'none'} differs between users, "
            "so there is nothing to cluster by; name other features"
        )
    low, high, centre, scale = zip(*kept.values(), strict=True)
    return Scaling(
        columns=tuple(columns),
        features=tuple(kept),
        low=low,
        high=high,
        centre=centre,
        scale=scale,
    )


def scaled(scaling: Scaling, values: Floats) -> Floats:
    """Return the features in standard deviations from the mean, shape ``(n_users, n_features)``.

    A missing value is the mean, 0.

    Parameters
    ----------
    scaling
        As frozen by `standardise`.
    values
        Shape ``(n_users, n_columns)``, columns as frozen.

    Raises
    ------
    ValueError
        Another number of columns.
    """
    features = _features(scaling, values)
    cut = np.clip(features, scaling.low, scaling.high)
    return np.where(np.isfinite(features), (cut - scaling.centre) / scaling.scale, 0.0)


def fit_clusters(
    values: Floats,
    columns: Sequence[str],
    *,
    k: int | None = None,
    most: int = 8,
    seed: int,
    sample: int = 20_000,
) -> Clustering:
    """Learn clusters by k-means; the order of the users does not count.

    Without `k`, each number from 2 to `most` is tried on 10 pairs of resampled users, and the
    largest is taken whose agreement is within one standard error of the best, or within 0.05 of
    it where the error is smaller: the finest division that one can rely on.

    Parameters
    ----------
    values
        Shape ``(n_users, n_columns)``; what is not finite is missing. Users of whom nothing is
        known are left out.
    columns
        Their names.
    k
        Number of clusters, at least 2; none = the data choose.
    most
        The largest number that is tried, at least 2.
    seed
        Of the draws and of the starts of k-means.
    sample
        At most so many users are drawn to learn from.

    Raises
    ------
    ConfigError
        Fewer users than twice the clusters, fewer different profiles than clusters, no column
        that differs between users, or a number below 2.

    References
    ----------
    Lloyd, "Least Squares Quantization in PCM", 1982; Hubert & Arabie, "Comparing Partitions",
    1985 (adjusted Rand index); Ben-Hur, Elisseeff & Guyon, "A Stability Based Method for
    Discovering Structure in Clustered Data", 2002.
    """
    scaling = standardise(values, columns)
    rows = _sorted_rows(scaled(scaling, values)[_known(scaling, values)])
    rows = _drawn(rows, sample, generator(seed, "clusters", "sample"))
    limit = _check_size(rows, k, most)
    with _one_thread():
        curve = () if k else _curve(rows, limit, seed)
        chosen = k or _largest_stable(curve)
        found = _centroids(rows, chosen, _STARTS, generator(seed, "clusters", "starts"))
    # Sorted, not in the arbitrary order of k-means.
    centroids = np.unique(found, axis=0).tolist()
    clusters = Clusters(
        scaling=scaling,
        centroids=tuple(tuple(centroid) for centroid in centroids),
        names=_names(centroids, scaling.features),
    )
    return Clustering(clusters, curve)


def assign(clusters: Clusters, values: Floats) -> Indices:
    """Return the nearest cluster of each user, shape ``(n_users,)``; -1 where nothing is known.

    Parameters
    ----------
    clusters
        As frozen.
    values
        Shape ``(n_users, n_columns)``, columns as frozen.

    Raises
    ------
    ValueError
        Another number of columns.
    """
    nearest = _nearest(scaled(clusters.scaling, values), np.asarray(clusters.centroids))
    return np.where(_known(clusters.scaling, values), nearest, -1)


def _measure(column: Floats) -> _Measured | None:
    # Sorted, so that the sums do not depend on the order of the users.
    known = np.sort(column[np.isfinite(column)])
    if not len(known):
        return None
    low, high = np.quantile(known, [TAIL, 1 - TAIL]).tolist()
    cut = np.clip(known, low, high)
    scale = float(cut.std())
    return _Measured(low, high, float(cut.mean()), scale) if low < high and scale > 0 else None


def _features(scaling: Scaling, values: Floats) -> Floats:
    if values.ndim != 2 or values.shape[1] != len(scaling.columns):
        raise ValueError(
            f"values must be (n_users, {len(scaling.columns)}) for {', '.join(scaling.columns)}, "
            f"got {values.shape}"
        )
    return values[:, [scaling.columns.index(name) for name in scaling.features]]


def _known(scaling: Scaling, values: Floats) -> Flags:
    return np.asarray(np.isfinite(_features(scaling, values)).any(axis=1))


def _sorted_rows(rows: Floats) -> Floats:
    return rows[np.lexsort(rows.T[::-1])]


def _check_size(rows: Floats, k: int | None, most: int) -> int:
    """Return the largest number of clusters that can be tried."""
    wanted = most if k is None else k
    if wanted < 2:
        raise ConfigError(f"{'most' if k is None else 'k'} = {wanted}: clusters are 2 or more")
    profiles = len(np.unique(rows, axis=0))
    possible = min(len(rows) // 2, profiles)
    if possible < (k or 2):
        raise ConfigError(
            f"{len(rows)} users with {profiles} different profiles are too few for {k or 2} "
            "clusters, which need twice as many users; "
            + (f"take k = {possible}" if possible >= 2 else "remove the axis")
        )
    return min(wanted, possible)


def _drawn(rows: Floats, n: int, draw: np.random.Generator) -> Floats:
    if len(rows) <= n:
        return rows
    return rows[np.sort(draw.choice(len(rows), n, replace=False))]


def _one_thread() -> AbstractContextManager[object]:
    """Keep the order of the sums of k-means from depending on how many threads there are."""
    # Only libraries that are loaded already are limited.
    import sklearn.cluster  # noqa: F401

    return cast("AbstractContextManager[object]", threadpool_limits(limits=1))


def _curve(rows: Floats, limit: int, seed: int) -> tuple[Stability, ...]:
    few = _drawn(rows, _RESAMPLED, generator(seed, "clusters", "resampled"))
    return tuple(_stability(few, k, seed) for k in range(2, limit + 1))


def _stability(rows: Floats, k: int, seed: int) -> Stability:
    agreements = [
        _agreement(rows, k, generator(seed, "clusters", "pair", str(pair))) for pair in range(PAIRS)
    ]
    error = float(np.std(agreements, ddof=1)) / np.sqrt(PAIRS)
    return Stability(k, float(np.mean(agreements)), float(error))


def _agreement(rows: Floats, k: int, draw: np.random.Generator) -> float:
    from sklearn.metrics import adjusted_rand_score

    drawn = draw.integers(len(rows), size=(2, len(rows)))
    one, other = (
        _nearest(rows, _centroids(rows[np.sort(chosen)], k, _STARTS_RESAMPLED, draw))
        for chosen in drawn
    )
    return float(adjusted_rand_score(one, other))


def _largest_stable(curve: Sequence[Stability]) -> int:
    best = max(curve, key=lambda stability: stability.agreement)
    least = best.agreement - max(best.error, INDIFFERENT)
    return max(stability.k for stability in curve if stability.agreement >= least)


def _centroids(rows: Floats, k: int, starts: int, draw: np.random.Generator) -> Floats:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    seed = int(draw.integers(2**31))
    with warnings.catch_warnings():
        # Resampled users may have fewer different profiles than there are clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(k, n_init=starts, random_state=seed).fit(rows)
    return np.asarray(found.cluster_centers_, dtype=np.float64)


def _nearest(rows: Floats, centroids: Floats) -> Indices:
    distances = np.zeros((len(rows), len(centroids)))
    # Feature by feature, so that a user's own row decides alone, to the last digit.
    for values, centres in zip(rows.T, centroids.T, strict=True):
        distances += (values[:, np.newaxis] - centres) ** 2
    return np.asarray(np.argmin(distances, axis=1), dtype=np.int64)


def _names(centroids: Sequence[Sequence[float]], features: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for centroid in centroids:
        name = _name(centroid, features)
        numbered = (f"{name} ({number})" for number in range(2, len(centroids) + 2))
        names.append(next(free for free in (name, *numbered) if free not in names))
    return tuple(names)


def _name(centroid: Sequence[float], features: Sequence[str]) -> str:
    far = sorted(zip(centroid, features, strict=True), key=lambda pair: -abs(pair[0]))[:2]
    words = [f"{'high' if z > 0 else 'low'} {name}" for z, name in far if abs(z) >= REMARKABLE]
    return ", ".join(words) or "average"
