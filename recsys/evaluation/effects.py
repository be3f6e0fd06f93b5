"""How far two recommenders are apart, over all users and in every segment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from pydantic import Field, PositiveInt

from recsys.evaluation.breakdown import Groups, estimate_of, is_readable
from recsys.statistics import (
    benjamini_hochberg,
    bootstrap_pair,
    heterogeneity,
    paired_t,
    shrink_over_grid,
)
from recsys.types import Config, Flags, Floats


class ComparisonSettings(Config):
    """How recommenders are held against each other."""

    confidence: float = Field(0.95, gt=0, lt=1, description="of intervals; 1 − it is the level")
    margin: float = Field(
        0.01, ge=0, description="a relative difference too small to matter, also for one segment"
    )
    min_users: PositiveInt = Field(30, description="fewer users in a segment are not read")
    draws: PositiveInt = Field(10_000, description="how often users are drawn anew")
    seed: int = Field(42, ge=0, description="of those draws")

    @property
    def level(self) -> float:
        """The share of false claims that is put up with."""
        return 1 - self.confidence


@dataclass(frozen=True)
class Overall:
    """The difference over all users who have a value on both sides.

    Attributes
    ----------
    users
        How many they are.
    baseline_mean, candidate_mean, difference
        Means over them, and ``candidate - baseline``.
    low, high
        Of the difference, by percentile bootstrap over users.
    relative, relative_low, relative_high
        The difference over the baseline's mean, from the same draws.
    t_low, t_high
        Of the difference, by Student's t.
    p, p_holm
        Two-sided, of Student's t; and adjusted over the candidates.
    dz
        The mean over the standard deviation of the differences.
    unseen
        What users who were not met may add to the mean difference: ``3 · largest value / users``.
        What nobody of n shows is rarer than 3 in n, with 95 % confidence (the rule of three).
    """

    users: int
    baseline_mean: float
    candidate_mean: float
    difference: float
    low: float
    high: float
    relative: float
    relative_low: float
    relative_high: float
    t_low: float
    t_high: float
    p: float
    p_holm: float
    dz: float
    unseen: float


@dataclass(frozen=True)
class SegmentEffect:
    """The difference in one segment, its users weighted by membership.

    Attributes
    ----------
    axis, segment
        Its name.
    users, weight
        Members with a value on both sides, and the sum of their weights.
    baseline_mean, candidate_mean, difference, se, low, high
        Weighted means, ``candidate - baseline``, its standard error and Student's t interval.
    relative
        The difference over the segment's own baseline mean; nan where that is not above 0.
    p, p_bh
        Two-sided; and adjusted over all readable segments of all axes (Benjamini-Hochberg).
    shrunken, shrunken_low, shrunken_high, false_sign_rate
        The difference after borrowing strength from the axis' readable segments.
    readable
        False: too few users to read; then nothing is adjusted, shrunken or claimed.
    overlapping
        Users of this axis sit in several segments, so its effects are not independent.
    p_harm
        One-sided, adjusted like `p_bh`, against "the candidate loses no more than the margin".
    """

    axis: str
    segment: str
    users: int
    weight: float
    baseline_mean: float
    candidate_mean: float
    difference: float
    se: float
    low: float
    high: float
    relative: float
    p: float
    readable: bool
    overlapping: bool
    p_harm: float
    p_bh: float = math.nan
    shrunken: float = math.nan
    shrunken_low: float = math.nan
    shrunken_high: float = math.nan
    false_sign_rate: float = math.nan


@dataclass(frozen=True)
class AxisSpread:
    """Whether an axis' readable segments differ in their effects: `statistics.heterogeneity`."""

    axis: str
    q: float
    p: float
    i2: float
    tau: float


def overall_effect(one: Floats, other: Floats, settings: ComparisonSettings) -> Overall:
    """Compare two recommenders over all users; `p_holm` is that of a single candidate.

    Parameters
    ----------
    one, other
        The baseline's and the candidate's values, users in the same order, all finite, shape
        ``(n_users,)`` each.
    settings
        Confidence, draws and seed.
    """
    student = paired_t(one, other, confidence=settings.confidence)
    drawn = bootstrap_pair(
        one, other, draws=settings.draws, seed=settings.seed, confidence=settings.confidence
    )
    return Overall(
        users=len(one),
        baseline_mean=student.one,
        candidate_mean=student.other,
        difference=student.difference.mean,
        low=drawn.difference.low,
        high=drawn.difference.high,
        relative=drawn.relative.mean,
        relative_low=drawn.relative.low,
        relative_high=drawn.relative.high,
        t_low=student.difference.low,
        t_high=student.difference.high,
        p=student.p,
        p_holm=student.p,
        dz=student.dz,
        unseen=3 * float(np.maximum(np.abs(one), np.abs(other)).max()) / len(one),
    )


def segment_effects(
    one: Floats, other: Floats, groups: Groups, settings: ComparisonSettings
) -> tuple[list[SegmentEffect], list[AxisSpread]]:
    """Compare two recommenders in every segment, and the segments of each axis with each other.

    Parameters
    ----------
    one, other
        The baseline's and the candidate's values of `groups.users`, nan where there is none,
        shape ``(n_users,)`` each.
    groups
        The users' segments.
    settings
        Confidence, margin and least number of users.
    """
    measured = _adjusted(_measured(one, other, groups, settings))
    effects: list[SegmentEffect] = []
    spreads: list[AxisSpread] = []
    for axis in groups.axes:
        shrunken, spread = _shrunken([e for e in measured if e.axis == axis], settings)
        effects += shrunken
        spreads.append(spread)
    return effects, spreads


def _measured(
    one: Floats, other: Floats, groups: Groups, settings: ComparisonSettings
) -> list[SegmentEffect]:
    known = ~(np.isnan(one) | np.isnan(other))
    effects = []
    for axis, segment, members, weights in groups.members():
        rows, weight = members[known[members]], weights[known[members]]
        difference = estimate_of(other[rows] - one[rows], weight)
        baseline = estimate_of(one[rows], weight).mean
        # The margin is a share of the baseline's mean, whose own error counts in this way.
        beyond = estimate_of(other[rows] - (1 - settings.margin) * one[rows], weight)
        interval = difference.interval(settings.confidence)
        effects.append(
            SegmentEffect(
                axis=axis,
                segment=segment,
                users=difference.n,
                weight=float(weight.sum()),
                baseline_mean=baseline,
                candidate_mean=estimate_of(other[rows], weight).mean,
                difference=difference.mean,
                se=difference.error,
                low=interval.low,
                high=interval.high,
                relative=difference.mean / baseline if baseline > 0 else math.nan,
                p=difference.p(),
                readable=is_readable(difference, settings.min_users),
                overlapping=axis in groups.overlapping,
                p_harm=beyond.p_below(),
            )
        )
    return effects


def _adjusted(effects: Sequence[SegmentEffect]) -> list[SegmentEffect]:
    readable = np.array([effect.readable for effect in effects], dtype=bool)
    p, p_harm = np.full(len(effects), math.nan), np.full(len(effects), math.nan)
    p[readable] = _benjamini_hochberg([e.p for e in effects], readable)
    p_harm[readable] = _benjamini_hochberg([e.p_harm for e in effects], readable)
    return [
        replace(effect, p_bh=float(p[row]), p_harm=float(p_harm[row]))
        for row, effect in enumerate(effects)
    ]


def _benjamini_hochberg(p: Sequence[float], readable: Flags) -> Floats:
    return benjamini_hochberg(np.array(p, dtype=np.float64)[readable])


def _shrunken(
    effects: Sequence[SegmentEffect], settings: ComparisonSettings
) -> tuple[list[SegmentEffect], AxisSpread]:
    # Equal lists for all members leave no error to weigh by.
    rows = [row for row, effect in enumerate(effects) if effect.readable and effect.se > 0]
    axis = effects[0].axis
    if not rows:
        return list(effects), AxisSpread(axis, math.nan, math.nan, math.nan, math.nan)
    differences = np.array([effects[row].difference for row in rows])
    errors = np.array([effects[row].se for row in rows])
    found = shrink_over_grid(differences, errors, confidence=settings.confidence)
    result = list(effects)
    for place, row in enumerate(rows):
        result[row] = replace(
            effects[row],
            shrunken=float(found.mean[place]),
            shrunken_low=float(found.low[place]),
            shrunken_high=float(found.high[place]),
            false_sign_rate=float(found.false_sign_rate[place]),
        )
    spread = heterogeneity(differences, errors)
    return result, AxisSpread(axis, spread.q, spread.p, spread.i2, found.tau)


def plain(found: Any, *, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return a dataclass of scalars as JSON knows them: a number that is not finite is null.

    Examples
    --------
    >>> plain(AxisSpread("age", 1.0, float("nan"), 0.0, 0.0))
    {'axis': 'age', 'q': 1.0, 'p': None, 'i2': 0.0, 'tau': 0.0}
    """
    names = [one.name for one in fields(found) if one.name not in without]
    return {name: _scalar(getattr(found, name)) for name in names}


def _scalar(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
