"""Whether a recommender serves some segments worse, or shows them another shop.

Two frames ready to print: `accuracy_gaps`, how far the best and the worst served segment of an axis
lie apart, and `exposure_by_segment`, which items each segment gets to see. What chance alone would
show stands beside every number that is above 0 by construction. `gap_sentence` and `gaps_sentence`
say the first in words.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt
from scipy import sparse
from scipy.special import gammaln

from recsys.errors import DataError
from recsys.evaluation.breakdown import Groups, estimate_of, is_readable
from recsys.evaluation.measures import Background
from recsys.metrics import check_lists, gini, short_head
from recsys.random import generator
from recsys.statistics import holm
from recsys.types import Config, Flags, Floats, Indices, Membership, UserItems

EVERYONE = "everyone"
"""The segment of the row over all users; its axis is empty."""
_GAP_COLUMNS = [
    *("axis", "segments", "best", "best_mean", "worst", "worst_mean", "gap", "low", "high"),
    *("by_chance", "p", "p_holm", "beyond_chance", "relative", "overlapping"),
]


class FairnessSettings(Config):
    """How segments are held against each other."""

    k: PositiveInt = Field(10, description="length of the lists that are looked at")
    min_users: PositiveInt = Field(30, description="fewer users in a segment are not read")
    confidence: float = Field(0.95, gt=0, lt=1, description="of intervals")
    deals: PositiveInt = Field(500, description="how often users are dealt to segments at random")
    exposure_deals: PositiveInt = Field(200, description="the same, of what segments are shown")
    draws: PositiveInt = Field(5000, description="of the bootstrap")
    head: float = Field(0.2, gt=0, le=1, description="share of the items that is the popular head")
    seed: int = Field(42, ge=0, description="of those deals and draws")


class Means(NamedTuple):
    """The readable segments of an axis, and how their users' values scatter about their means.

    Attributes
    ----------
    segments
        Their names.
    means
        Weighted means, shape ``(n_segments,)``.
    scatter
        Covariance of the means, shape ``(n_segments, n_segments)``.
    effective_n
        Kish's number of the smallest segment.
    """

    segments: tuple[str, ...]
    means: Floats
    scatter: Floats
    effective_n: float


def accuracy_gaps(
    values: Floats, groups: Groups, settings: FairnessSettings | None = None
) -> pd.DataFrame:
    """Tell how far the best and the worst served readable segment of every axis lie apart.

    The largest of several means less the smallest is above 0 also where all segments are served
    alike, and the more so the more and the smaller they are: that bias is told as ``by_chance``,
    the mean gap of groups of the same sizes into which the same users are dealt at random, and ``p
    = (1 + deals that reach the gap) / (1 + deals)``. The interval is free of it: it holds the true
    gap in at least the asked share of cases, ``[max(0, max_ab (d_ab - c s_ab)), max_ab (d_ab + c
    s_ab)]`` with ``d_ab`` the difference of two means, ``s_ab`` its standard error and ``c`` the
    quantile of ``max_ab |d*_ab| / s_ab`` over bootstrap draws, so that all differences lie in
    theirs at once. A draw gives each user a normal multiplier, all of it divided by a common
    ``√(χ² / f)``, ``f`` the degrees of freedom of the smallest segment. The means of every segment
    with their own intervals are those of `breakdown`.

    Parameters
    ----------
    values
        One for each of `groups.users`, larger is better, shape ``(n_users,)``; nan where a user
        has none.
    groups
        The users' segments.
    settings
        By default `FairnessSettings`.

    Returns
    -------
    DataFrame
        ``axis, segments`` (readable ones), ``best, best_mean, worst, worst_mean, gap, low, high``,
        ``by_chance, p, p_holm`` (adjusted over the axes), ``beyond_chance`` (it is at most the
        level), ``relative`` (the gap over the mean of the axis' users), ``overlapping``. An axis
        with fewer than two readable segments has no gap: its cells are missing.

    Raises
    ------
    DataError
        When there is not one value for each user.

    References
    ----------
    Hothorn, Bretz & Westfall, "Simultaneous Inference in General Parametric Models", Biometrical
    Journal 50(3), 2008; Chernozhukov, Chetverikov & Kato, "Gaussian Approximations and Multiplier
    Bootstrap for Maxima of Sums of High-dimensional Random Vectors", Annals of Statistics 41(6),
    2013; Phipson & Smyth, "Permutation P-values Should Never Be Zero", 2010.

    Examples
    --------
    >>> matrix = sparse.csr_matrix(np.repeat(np.eye(2), 40, axis=0))
    >>> names = (("age", "old"), ("age", "young"))
    >>> groups = Groups(np.arange(80).astype(str), names, matrix, frozenset())
    >>> found = accuracy_gaps(np.repeat([0.1, 0.3], 40) + np.tile([-0.05, 0.05], 40), groups)
    >>> found[["best", "worst", "gap"]].round(3).to_numpy().tolist()
    [['young', 'old', 0.2]]
    >>> bool(0.1 < found["low"][0] < 0.2 < found["high"][0] < 0.3), bool(found["p"][0] < 0.01)
    (True, True)
    """
    settings = settings or FairnessSettings()
    if values.shape != groups.users.shape:
        raise DataError(f"{len(values)} values for {len(groups.users)} users; give one for each")
    rows = []
    for axis, segments, membership in _axes(groups):
        judged = _known(membership) & ~np.isnan(values)
        own, weights = values[judged], sparse.csr_matrix(membership[judged])
        means, kept = _means(own, segments, weights, settings.min_users)
        gap = _gap(axis, own, means, weights[:, kept], settings)
        rows.append({"axis": axis, **gap, "overlapping": axis in groups.overlapping})
    return _adjusted(pd.DataFrame(rows, columns=_GAP_COLUMNS), level=1 - settings.confidence)


def _adjusted(gaps: pd.DataFrame, *, level: float) -> pd.DataFrame:
    p = gaps["p"].to_numpy(dtype=np.float64)
    known = ~np.isnan(p)
    adjusted = np.full(len(p), np.nan)
    adjusted[known] = holm(p[known])
    return gaps.assign(p_holm=adjusted, beyond_chance=adjusted <= level)


def gap_sentence(gap: Mapping[str, Any]) -> str:
    """Return a row of `accuracy_gaps` that has a gap in words.

    Examples
    --------
    >>> means = {"best": "old", "best_mean": 0.21, "worst": "young", "worst_mean": 0.12}
    >>> gap_sentence({"axis": "age", "segments": 2, "p": 0.03, **means})
    'On the axis age the best served segment is old (0.2100), the worst young (0.1200); a gap of \
that size comes by chance in 3 % of random groupings of the same sizes.'
    """
    often = f"{100 * gap['p']:.0f} %" if gap["p"] >= 0.01 else "fewer than 1 %"
    return (
        f"On the axis {gap['axis']} the best served segment is {gap['best']} "
        f"({gap['best_mean']:.4f}), the worst {gap['worst']} ({gap['worst_mean']:.4f}); a gap of "
        f"that size comes by chance in {often} of random groupings of the same sizes."
    )


def gaps_sentence(gaps: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of `accuracy_gaps` in words: the axis whose gap is furthest beyond chance."""
    if all(gap["segments"] < 2 for gap in gaps):
        return "No axis has two segments with enough users to be held against each other."
    beyond = [gap for gap in gaps if gap["beyond_chance"]]
    if not beyond:
        return (
            "On no axis are the best and the worst served segment further apart than chance alone "
            "would put them."
        )
    return gap_sentence(max(beyond, key=lambda gap: gap["gap"] - gap["by_chance"]))


def _axes(groups: Groups) -> Iterator[tuple[str, tuple[str, ...], Membership]]:
    axes = np.asarray([axis for axis, _ in groups.names], dtype=object)
    for axis in groups.axes:
        columns = np.flatnonzero(axes == axis)
        names = tuple(groups.names[column][1] for column in columns)
        yield axis, names, sparse.csr_matrix(groups.matrix[:, columns])


def _known(membership: Membership) -> Flags:
    return np.asarray(np.asarray(membership.sum(axis=1)).ravel() > 0)


def _means(
    values: Floats, segments: tuple[str, ...], membership: Membership, min_users: int
) -> tuple[Means, Indices]:
    """Return the readable segments, and which columns they are."""
    columns = sparse.csc_matrix(membership)
    parts = [slice(*columns.indptr[g : g + 2]) for g in range(len(segments))]
    found = [estimate_of(values[columns.indices[part]], columns.data[part]) for part in parts]
    kept = np.flatnonzero([is_readable(one, min_users) for one in found])
    means = np.asarray([found[g].mean for g in kept])
    sizes = np.asarray([found[g].effective_n for g in kept])
    weights = membership[:, kept].toarray()
    spread = weights * (values[:, np.newaxis] - means) / weights.sum(axis=0)
    # What `estimate` makes of the variance of a small segment.
    spread *= np.sqrt(sizes / np.maximum(sizes - 1, 1))
    names = tuple(segments[g] for g in kept)
    return Means(names, means, spread.T @ spread, float(sizes.min(initial=np.inf))), kept


def _gap(
    axis: str, values: Floats, found: Means, membership: Membership, settings: FairnessSettings
) -> dict[str, object]:
    if len(found.segments) < 2:
        return {"segments": len(found.segments)}
    best, worst = int(found.means.argmax()), int(found.means.argmin())
    gap = float(found.means[best] - found.means[worst])
    low, high = _simultaneous(axis, found, settings)
    dealt = np.asarray(list(_dealt_gaps(axis, values, membership, settings)))
    # A deal may be the same grouping, and its gap the same but for rounding.
    reached = int((dealt >= gap * (1 - 1e-12)).sum())
    mean = float(values.mean())
    return {
        "segments": len(found.segments),
        "best": found.segments[best],
        "best_mean": float(found.means[best]),
        "worst": found.segments[worst],
        "worst_mean": float(found.means[worst]),
        "gap": gap,
        "low": low,
        "high": high,
        "by_chance": float(dealt.mean()),
        "p": (1 + reached) / (1 + settings.deals),
        "relative": gap / mean if mean > 0 else math.nan,
    }


def _simultaneous(axis: str, found: Means, settings: FairnessSettings) -> tuple[float, float]:
    """Return the bounds of the true gap, from differences that all lie in theirs at once."""
    one, other = np.triu_indices(len(found.means), 1)
    variances = found.scatter.diagonal()
    squares = variances[one] + variances[other] - 2 * found.scatter[one, other]
    errors = np.sqrt(np.maximum(squares, 0.0))
    differences = np.abs(found.means[one] - found.means[other])
    critical = _critical(axis, found, errors, settings)
    low, high = differences - critical * errors, differences + critical * errors
    return max(float(low.max()), 0.0), float(high.max())


def _critical(axis: str, found: Means, errors: Floats, settings: FairnessSettings) -> float:
    one, other = np.triu_indices(len(found.means), 1)
    apart = errors > 0
    if not apart.any():
        return 0.0
    rng = generator(settings.seed, "fairness bounds", axis)
    # Multipliers of users enter through their sums over segments alone, which are normal.
    roots, axes = np.linalg.eigh(found.scatter)
    drawn = rng.standard_normal((settings.draws, len(roots))) * np.sqrt(np.maximum(roots, 0))
    drawn = drawn @ axes.T
    freedom = max(found.effective_n - 1, 1.0)
    drawn /= np.sqrt(rng.chisquare(freedom, size=(settings.draws, 1)) / freedom)
    differences = np.abs(drawn[:, one] - drawn[:, other])[:, apart] / errors[apart]
    return float(np.quantile(differences.max(axis=1), settings.confidence))


def _dealt_gaps(
    axis: str, values: Floats, membership: Membership, settings: FairnessSettings
) -> Iterator[float]:
    rng = generator(settings.seed, "fairness deals", axis)
    weight = np.asarray(membership.sum(axis=0)).ravel()
    columns = sparse.csr_matrix(membership.T)
    for _ in range(settings.deals):
        means = columns @ values[rng.permutation(len(values))] / weight
        yield float(means.max() - means.min())


def exposure_by_segment(
    lists: Indices,
    groups: Groups,
    background: Background,
    flags: Mapping[str, Flags] | None = None,
    settings: FairnessSettings | None = None,
) -> pd.DataFrame:
    """Tell which items every segment gets to see in the first k ranks.

    With ``x_gi = Σ_u m_ug [i in L_u]`` the exposure of item i to segment g: ``gini`` and ``shown``
    (share of the catalogue with any) are told as they are, but a small segment shows less and less
    evenly whatever its lists, so ``shown_alike`` is comparable: the share of the catalogue that
    `min_users` lists drawn from the segment hold on average, ``Σ_i (1 - C(N - x_i, m) / C(N, m)) /
    n_items`` (rarefaction; ``N = Σ_u m_ug`` lists, ``m`` drawn). ``distance`` is the total
    variation ``½ Σ_c |s_gc - s_c|`` between the category shares of the segment's exposure and of
    everybody's; it is above 0 by chance alone, ``distance_by_chance`` on average over deals of the
    memberships to users at random, and ``distance_p = (1 + deals that reach it) / (1 + deals)``,
    not adjusted for the number of segments.

    Parameters
    ----------
    lists
        Item indices best first, one row for each of `groups.users`, shape ``(n_users, depth)``;
        -1 is no item.
    groups
        The users' segments. Users without a list are left out.
    background
        Popularity (`item_users`), categories (may be None), and the catalogue: what of it could be
        recommended (`offered`) is what ``shown`` and ``gini`` are over.
    flags
        Name -> items marked, such as own brand or new, shape ``(n_items,)`` each.
    settings
        By default `FairnessSettings`.

    Returns
    -------
    DataFrame
        ``axis, segment, users, weight, readable, shown, shown_alike, gini, head`` (share of the
        exposure on the popular head), one ``share of <flag>`` for each flag, ``distance,
        distance_by_chance, distance_p``. The first row is everyone. ``shown_alike`` is missing for
        a segment of less weight than `min_users`, the distance without categories.

    Raises
    ------
    DataError
        When lists, users or flags do not fit.
    ValueError
        When an item is out of range or stands twice in a list.

    References
    ----------
    Hurlbert, "The Nonconcept of Species Diversity", Ecology 52(4), 1971, for rarefaction.

    Examples
    --------
    >>> matrix = sparse.csr_matrix([[1.0, 0.0], [0.0, 1.0]])
    >>> names = (("age", "old"), ("age", "young"))
    >>> groups = Groups(np.array(["a", "b"]), names, matrix, frozenset())
    >>> nothing = np.array([], dtype=np.int64)
    >>> background = Background(4, np.array([9, 5, 2, 1]), 9, None, nothing, nothing)
    >>> found = exposure_by_segment(np.array([[0, 1], [0, 3]]), groups, background)
    >>> found[["segment", "users", "shown", "head"]].to_numpy().tolist()
    [['everyone', 2, 0.75, 0.5], ['old', 1, 0.5, 0.5], ['young', 1, 0.5, 0.5]]
    """
    settings, flags = settings or FairnessSettings(), flags or {}
    _check(lists, groups, background, flags)
    top = lists[:, : settings.k]
    listed = np.flatnonzero((top >= 0).any(axis=1))
    shown = _shown(top[listed], background, flags, settings)
    everyone = sparse.csr_matrix(np.ones((len(listed), 1)))
    frames = [_exposure("", (EVERYONE,), everyone, shown, settings)]
    for axis, segments, membership in _axes(groups):
        weights = sparse.csr_matrix(membership[listed])
        frames.append(_exposure(axis, segments, weights, shown, settings))
    return pd.concat(frames, ignore_index=True)


def _check(
    lists: Indices, groups: Groups, background: Background, flags: Mapping[str, Flags]
) -> None:
    if len(lists) != len(groups.users):
        raise DataError(f"{len(lists)} lists for {len(groups.users)} users; give one for each")
    check_lists(lists, background.n_items)
    for name, marked in flags.items():
        if len(marked) != background.n_items:
            raise DataError(
                f"{name!r} marks {len(marked)} items of {background.n_items}; give one flag each"
            )


class _Shown(NamedTuple):
    """The lists of all users that have one.

    Attributes
    ----------
    items
        1 where the item is in the list, shape ``(n_users, n_items)``.
    categories
        Items of each category in the list, shape ``(n_categories, n_users)``.
    offered
        Items that could be recommended, shape ``(n_items,)``.
    marks
        Column -> marked items whose share of the exposure it tells.
    """

    items: UserItems
    categories: UserItems
    offered: Flags
    marks: Mapping[str, Flags]


def _shown(
    top: Indices, background: Background, flags: Mapping[str, Flags], settings: FairnessSettings
) -> _Shown:
    n_items = background.n_items
    rows, ranks = np.nonzero(top >= 0)
    places = rows, top[rows, ranks]
    items = sparse.csr_matrix((np.ones(len(rows)), places), shape=(len(top), n_items))
    none = np.full(n_items, -1, dtype=np.int64)
    category = none if background.category is None else background.category
    offered = np.ones(n_items, dtype=np.bool_)
    marks = {"head": short_head(background.item_users, share=settings.head)}
    return _Shown(
        items,
        sparse.csr_matrix((items @ _one_hot(category)).T),
        offered if background.offered is None else background.offered,
        marks | {f"share of {name}": marked for name, marked in flags.items()},
    )


def _one_hot(category: Indices) -> UserItems:
    known = np.flatnonzero(category >= 0)
    shape = (len(category), int(category.max(initial=-1)) + 1)
    return sparse.csr_matrix((np.ones(len(known)), (known, category[known])), shape=shape)


def _exposure(
    axis: str,
    segments: tuple[str, ...],
    membership: Membership,
    shown: _Shown,
    settings: FairnessSettings,
) -> pd.DataFrame:
    exposure = (membership.T @ shown.items).toarray()
    offered = exposure[:, shown.offered]
    weight = np.asarray(membership.sum(axis=0)).ravel()
    distances = _distances(axis, membership, shown, settings)
    columns = {
        "axis": axis,
        "segment": segments,
        "users": np.diff(sparse.csc_matrix(membership).indptr),
        "weight": weight,
        "readable": _readable(membership, settings.min_users),
        "shown": np.count_nonzero(offered, axis=1) / max(offered.shape[1], 1),
        "shown_alike": [
            _rarefied(row, lists, settings.min_users)
            for row, lists in zip(offered, weight.tolist(), strict=True)
        ],
        "gini": [gini(row) for row in offered],
        **{name: _share(exposure, marked) for name, marked in shown.marks.items()},
        **dict(zip(("distance", "distance_by_chance", "distance_p"), distances, strict=True)),
    }
    return pd.DataFrame(columns)


def _readable(membership: Membership, min_users: int) -> list[bool]:
    columns = sparse.csc_matrix(membership)
    parts = np.split(columns.data, columns.indptr[1:-1])
    return [is_readable(estimate_of(part, part), min_users) for part in parts]


def _share(exposure: Floats, marked: Flags) -> Floats:
    total = exposure.sum(axis=1)
    return np.asarray(exposure[:, marked].sum(axis=1) / np.where(total > 0, total, np.nan))


def _rarefied(exposure: Floats, lists: float, drawn: int) -> float:
    """Return the share of the items that so many lists, drawn without repeats, hold on average."""
    if lists < drawn or not len(exposure):
        return math.nan
    absent = lists - exposure
    possible = absent >= drawn
    chance = _log_choose(absent[possible], drawn) - _log_choose(np.asarray(lists), drawn)
    return float(1 - np.exp(chance).sum() / len(exposure))


def _log_choose(n: Floats, k: int) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(n - k + 1) - gammaln(k + 1))


def _distances(
    axis: str, membership: Membership, shown: _Shown, settings: FairnessSettings
) -> Floats:
    """Return distance, its mean over deals, and p, of each segment, shape ``(3, n_segments)``."""
    everyone = np.asarray(shown.categories.sum(axis=1), dtype=np.float64).ravel()
    if not everyone.any():
        return np.full((3, membership.shape[1]), np.nan)
    rng = generator(settings.seed, "exposure deals", axis)
    # Rows of an array are dealt many times faster than those of a sparse matrix.
    weights = membership.toarray()
    found = _variation(weights, shown.categories, everyone)
    deals = (rng.permutation(len(weights)) for _ in range(settings.exposure_deals))
    dealt = np.stack([_variation(weights[deal], shown.categories, everyone) for deal in deals])
    reached = (dealt >= found * (1 - 1e-12)).sum(axis=0)
    by_chance = dealt.mean(axis=0)
    p = (1 + reached) / (1 + settings.exposure_deals)
    return np.stack([found, by_chance, np.where(np.isnan(found), np.nan, p)])


def _variation(weights: Floats, categories: UserItems, everyone: Floats) -> Floats:
    """Return each segment's total variation from everyone's shares, shape ``(n_segments,)``."""
    exposure = categories @ weights
    total = exposure.sum(axis=0)
    shares = exposure / np.where(total > 0, total, np.nan)
    apart = shares - (everyone / everyone.sum())[:, np.newaxis]
    return np.asarray(np.abs(apart).sum(axis=0) / 2)
