"""Hold recommenders against a baseline: paired by user, overall and for every segment."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys.errors import DataError
from recsys.evaluation.breakdown import Groups
from recsys.evaluation.effects import (
    AxisSpread,
    ComparisonSettings,
    Overall,
    SegmentEffect,
    overall_effect,
    plain,
    segment_effects,
)
from recsys.evaluation.verdict import Verdict, decide
from recsys.metrics import lists_differ, overlap_at_k, rbo
from recsys.statistics import holm, paired_t
from recsys.types import Floats, Indices

__all__ = ["Comparison", "ComparisonSettings", "Result", "compare"]

PATIENCE = 0.9
"""Of the rank-biased overlap."""


@dataclass(frozen=True)
class Result:
    """One judged recommender, as kept in files.

    Attributes
    ----------
    name
        Of the variant or the file.
    digest
        Of the variant's recipe; None for lists that came in a file.
    question
        Digests of what two results must share to be compared: protocol, users, catalogue.
    per_user
        Indexed by ``user_id``: ``n_rel, history, listed`` and ``<measure>@<k>``, nan where a user
        has no value.
    lists
        Item indices best first, -1 pads, shape ``(n_users, depth)``.
    overall
        ``<measure>@<k>`` -> what only all lists together have.
    runs
        ``origin, seed`` and the mean of each measure; None for a single run.
    """

    name: str
    digest: str | None
    question: Mapping[str, str]
    per_user: pd.DataFrame
    lists: Indices
    overall: Mapping[str, float]
    runs: pd.DataFrame | None = None


@dataclass(frozen=True)
class MeasureEffect:
    """The difference in a further measure, with Student's t interval.

    A measure that only all lists together have (coverage) has no interval.
    """

    measure: str
    baseline_mean: float
    candidate_mean: float
    difference: float
    low: float
    high: float
    users: int


@dataclass(frozen=True)
class Agreement:
    """How much the lists agree.

    Attributes
    ----------
    k
        Depth.
    overlap
        Mean share of the `k` places with items of both lists.
    rbo
        Mean rank-biased overlap (patience 0.9) over that of equal lists: 1 for equal lists.
    changed
        Share of users whose first `k` are not the same in the same order.
    """

    k: int
    overlap: float
    rbo: float
    changed: float


@dataclass(frozen=True)
class Spread:
    """How the difference varies over trainings.

    Attributes
    ----------
    n
        Origins; or seeds.
    sd
        Over origins: of the origins' means. Over seeds: within origins, pooled.
    """

    n: int
    sd: float


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline, on one measure and beyond it.

    Attributes
    ----------
    baseline, candidate
        Their names.
    measure
        ``<measure>@<k>`` that the verdict is about.
    verdict
        What it comes to.
    overall
        The difference over all users.
    measures
        The differences in all other measures.
    segments, heterogeneity
        The differences in segments, and the spread of each axis.
    lists
        How much the lists agree.
    origins, seeds
        How the difference varies over cuts and over seeds; None with fewer than two.
    """

    baseline: str
    candidate: str
    measure: str
    verdict: Verdict
    overall: Overall
    measures: tuple[MeasureEffect, ...]
    segments: tuple[SegmentEffect, ...]
    heterogeneity: tuple[AxisSpread, ...]
    lists: Agreement
    origins: Spread | None
    seeds: Spread | None

    def document(self) -> dict[str, Any]:
        """Return it as JSON; what is not known is null."""
        return {
            "baseline": self.baseline,
            "candidate": self.candidate,
            "measure": self.measure,
            "verdict": self.verdict.document(),
            "overall": plain(self.overall, without=("unseen",)),
            "measures": [plain(found) for found in self.measures],
            "segments": [plain(found, without=("p_harm",)) for found in self.segments],
            "heterogeneity": [plain(found) for found in self.heterogeneity],
            "lists": plain(self.lists),
            "variance": {
                "origins": plain(self.origins) if self.origins else None,
                "seeds": plain(self.seeds) if self.seeds else None,
            },
        }


def compare(
    baseline: Result,
    candidates: Sequence[Result],
    groups: Groups,
    *,
    measure: str,
    settings: ComparisonSettings | None = None,
) -> list[Comparison]:
    """Compare each candidate with the baseline; p values are adjusted over the candidates.

    Users without a value of `measure` on either side are left out.

    Parameters
    ----------
    baseline
        What the others are held against.
    candidates
        In the order of the answer.
    groups
        The segments of the same users, in the same order.
    measure
        ``<measure>@<k>``, a column of every `per_user`.
    settings
        Default: `ComparisonSettings` as it stands.

    Raises
    ------
    DataError
        When the results are not of the same question, or the measure is not there or has no
        value.
    """
    settings = settings or ComparisonSettings()
    pairs = [_values(baseline, candidate, groups, measure) for candidate in candidates]
    found = []
    for one, other in pairs:
        known = ~(np.isnan(one) | np.isnan(other))
        found.append(overall_effect(one[known], other[known], settings))
    # A p of one user is not known, and claims nothing.
    adjusted = holm(np.nan_to_num([overall.p for overall in found], nan=1.0))
    overalls = [replace(o, p_holm=float(p)) for o, p in zip(found, adjusted, strict=True)]
    return [
        _comparison(baseline, candidate, groups, measure, overall, settings)
        for candidate, overall in zip(candidates, overalls, strict=True)
    ]


def _comparison(
    baseline: Result,
    candidate: Result,
    groups: Groups,
    measure: str,
    overall: Overall,
    settings: ComparisonSettings,
) -> Comparison:
    one, other = _values(baseline, candidate, groups, measure)
    segments, spreads = segment_effects(one, other, groups, settings)
    origins, seeds = _variance(baseline, candidate, measure)
    names = (baseline.name, candidate.name)
    return Comparison(
        baseline=baseline.name,
        candidate=candidate.name,
        measure=measure,
        verdict=decide(names, measure, overall, segments, settings),
        overall=overall,
        measures=tuple(_further_measures(baseline, candidate, measure, settings)),
        segments=tuple(segments),
        heterogeneity=tuple(spreads),
        lists=_agreement(baseline.lists, candidate.lists, measure),
        origins=origins,
        seeds=seeds,
    )


def _values(
    baseline: Result, candidate: Result, groups: Groups, measure: str
) -> tuple[Floats, Floats]:
    _check_question(baseline, candidate)
    if not np.array_equal(groups.users, baseline.per_user.index.to_numpy(dtype=np.str_)):
        raise DataError("the segments are of other users than the results, or in another order")
    for result in (baseline, candidate):
        if measure not in result.per_user:
            known = ", ".join(str(name) for name in result.per_user if "@" in str(name))
            raise DataError(f"{result.name} was not judged by {measure!r}; it has {known}")
    one, other = (
        result.per_user[measure].to_numpy(dtype=np.float64) for result in (baseline, candidate)
    )
    if np.isnan(one + other).all():
        raise DataError(f"no user has a value of {measure} for {baseline.name}, {candidate.name}")
    return one, other


def _check_question(baseline: Result, candidate: Result) -> None:
    one, other = baseline.question, candidate.question
    differing = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    if "users" not in differing and not baseline.per_user.index.equals(candidate.per_user.index):
        differing.append("users")
    if differing:
        raise DataError(
            f"{baseline.name} and {candidate.name} were not asked the same: they differ in "
            f"{', '.join(differing)}; evaluate both on the same data with the same [evaluation]"
        )


def _further_measures(
    baseline: Result, candidate: Result, measure: str, settings: ComparisonSettings
) -> Iterator[MeasureEffect]:
    for name in map(str, baseline.per_user):
        if "@" in name and name != measure and name in candidate.per_user:
            one = baseline.per_user[name].to_numpy(dtype=np.float64)
            other = candidate.per_user[name].to_numpy(dtype=np.float64)
            known = np.isfinite(one) & np.isfinite(other)
            if known.any():
                yield _measure_effect(name, one[known], other[known], settings)
    for name, value in baseline.overall.items():
        if name in candidate.overall:
            yield _without_interval(name, value, candidate.overall[name], len(baseline.per_user))


def _measure_effect(
    name: str, one: Floats, other: Floats, settings: ComparisonSettings
) -> MeasureEffect:
    found = paired_t(one, other, confidence=settings.confidence)
    difference = found.difference
    return MeasureEffect(
        name,
        found.one,
        found.other,
        difference.mean,
        difference.low,
        difference.high,
        difference.n,
    )


def _without_interval(name: str, one: float, other: float, users: int) -> MeasureEffect:
    return MeasureEffect(name, one, other, other - one, math.nan, math.nan, users)


def _agreement(one: Indices, other: Indices, measure: str) -> Agreement:
    _, _, k = measure.partition("@")
    depth = int(k) if k.isdecimal() else max(one.shape[1], other.shape[1])
    return Agreement(
        k=depth,
        overlap=float(overlap_at_k(one, other, k=depth).mean()),
        # The sum over k ranks reaches 1 - p^k for equal lists, not 1.
        rbo=float(rbo(one, other, k=depth, patience=PATIENCE).mean() / (1 - PATIENCE**depth)),
        changed=float(lists_differ(one, other, k=depth).mean()),
    )


def _variance(
    baseline: Result, candidate: Result, measure: str
) -> tuple[Spread | None, Spread | None]:
    if baseline.runs is None or candidate.runs is None:
        return None, None
    columns = ["origin", "seed", measure]
    if not {measure} <= {*baseline.runs} & {*candidate.runs}:
        return None, None
    both = baseline.runs[columns].merge(candidate.runs[columns], on=["origin", "seed"])
    differences = both[f"{measure}_y"] - both[f"{measure}_x"]
    means = differences.groupby(both["origin"]).mean()
    within = differences - both["origin"].map(means)
    free = len(differences) - len(means)
    origins = Spread(len(means), float(means.std())) if len(means) > 1 else None
    sd = math.sqrt(float((within**2).sum()) / free) if free else math.nan
    return origins, Spread(both["seed"].nunique(), sd) if free else None
