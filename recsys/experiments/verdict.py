"""What an experiment comes to: an answer, by rules that were there before the numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from recsys.experiments.definition import Experiment, Plan
from recsys.experiments.results import (
    Analysis,
    Comparison,
    Gainers,
    Guarded,
    Ratio,
    SegmentEffect,
)
from recsys.statistics import Interval, holm

Answer: TypeAlias = Literal[
    "ship",
    "ship for these segments only",
    "do not ship",
    "keep running",
    "invalid",
    "preferred",
    "not preferred",
]
MISMATCH: Final = 0.001
"""With a smaller p of the sample ratio nothing else is read."""
MOST_CONTAMINATED: Final = 0.01
"""With a larger share of users in two arms a warning is given."""
ANSWERS: Final[tuple[Answer, ...]] = get_args(Answer)
"""The last two are of interleaved lists."""


@dataclass(frozen=True)
class Verdict:
    """The answer, and why.

    Attributes
    ----------
    answer
        One of `ANSWERS`.
    variant
        What it is about: the treatment that is shipped, or the best of those that are not; None
        where nothing can be said.
    segments
        ``AXIS:SEGMENT`` for which it is shipped, where that is not everybody.
    reasons
        Sentences, the weightiest first.
    warnings
        What a reader should know besides.
    further_users, further_days
        About how many more are to come, and how long that takes at the pace so far; None where it
        is decided, or cannot be told.
    """

    answer: Answer
    variant: str | None
    segments: tuple[str, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    further_users: int | None = None
    further_days: float | None = None


def decide(analysis: Analysis, *, users_per_day: float) -> Verdict:
    """Decide by the first rule that fits.

    1. users did not come in the shares that were allocated (p at most `MISMATCH`: of all of them,
       or, by Holm, in a segment), or an arm has no users: **invalid**
    2. the design allows no verdict yet: **keep running**
    3. a treatment is better by the primary metric (Holm over treatments), or in declared segments
       (Holm over these), and no guardrail of it is broken:

       - a guardrail that is not shown to hold: **keep running**; at the last look **do not ship**
       - it is better in declared segments, the users of the others together do not gain, and it
         is not better on average or they are shown to gain less (`Gainers.p_apart`): **ship for
         these segments only**
       - else **ship**

    4. every treatment is worse or breaks a guardrail, or this was the last look: **do not ship**
    5. **keep running**

    Parameters
    ----------
    analysis
        Of this look.
    users_per_day
        The pace so far, for how long it takes.
    """
    return _Judge(analysis, users_per_day).verdict()


def still_to_come(plan: Plan, users: int, users_per_day: float) -> tuple[int | None, float | None]:
    """Return how many of the planned users are to come, and in how many days; None: not known."""
    if plan.planned_users is None:
        return None, None
    left = max(plan.planned_users - users, 0)
    return left, left / users_per_day if users_per_day > 0 else None


class _Judge:
    def __init__(self, analysis: Analysis, users_per_day: float) -> None:
        self._analysis, self._pace = analysis, users_per_day
        self._plan = analysis.experiment.plan
        self._gainers = {found.variant: found for found in analysis.gainers}

    def verdict(self) -> Verdict:
        wrong = self._what_is_wrong()
        if wrong:
            return Verdict("invalid", None, (), tuple(wrong), self._warnings(read=False))
        ranked = sorted(self._analysis.primary, key=lambda one: -self._gain(one))
        if not self._analysis.look.decides:
            return self._keep_running(ranked[0], "the plan allows no verdict yet")
        for one in ranked:
            if self._is_better(one) or one.variant in self._gainers:
                broken = [g for g in self._guards(one) if g.holds is False]
                if not broken:
                    return self._shipped(one)
        return self._not_shipped(ranked)

    def _shipped(self, one: Comparison) -> Verdict:
        said = [self._sentence(one)]
        open_ = [guard for guard in self._guards(one) if guard.holds is None]
        if open_ and not self._analysis.look.is_last:
            return self._keep_running(one, *said, *map(_not_held, open_))
        if open_:
            reasons = (*said, *map(_not_held, open_))
            return Verdict("do not ship", one.variant, (), reasons, self._warnings())
        gainers = self._gainers.get(one.variant)
        if gainers is None or self._is_for_all(one, gainers):
            return Verdict("ship", one.variant, (), tuple(said), self._warnings())
        names = tuple(f"{found.axis}:{found.segment}" for found in gainers.segments)
        said = [*_of_segments(gainers), *said]
        return Verdict(
            "ship for these segments only", one.variant, names, tuple(said), self._warnings()
        )

    def _not_shipped(self, ranked: Sequence[Comparison]) -> Verdict:
        best = ranked[0]
        broken = [guard for one in ranked for guard in self._guards(one) if guard.holds is False]
        said = [self._sentence(best), *map(_broken, broken)]
        lost = all(
            self._is_worse(one) or any(g.holds is False for g in self._guards(one))
            for one in ranked
        )
        if lost or self._analysis.look.is_last:
            return Verdict("do not ship", best.variant, (), tuple(said), self._warnings())
        return self._keep_running(best, *said)

    def _keep_running(self, one: Comparison, *reasons: str) -> Verdict:
        left, days = still_to_come(self._plan, self._analysis.users, self._pace)
        return Verdict("keep running", one.variant, (), reasons, self._warnings(), left, days)

    def _what_is_wrong(self) -> list[str]:
        analysis, arms = self._analysis, self._analysis.experiment.arms
        whole, *parts = analysis.ratios
        if 0 in whole.counts or not analysis.primary:
            counts = ", ".join(
                f"{arm.variant} {n:,}" for arm, n in zip(arms, whole.counts, strict=True)
            )
            return [f"there are not enough users in every variant to compare: {counts}"]
        adjusted = [whole.p, *(holm(np.array([part.p for part in parts])) if parts else [])]
        wrong = [
            found
            for found, p in zip(analysis.ratios, adjusted, strict=True)
            if p <= MISMATCH or (found is whole and found.p_any_time <= MISMATCH)
        ]
        return [_mismatch(wrong, analysis.experiment)] if wrong else []

    def _warnings(self, *, read: bool = True) -> tuple[str, ...]:
        analysis = self._analysis
        everybody = analysis.users + analysis.contaminated
        found = []
        if analysis.contaminated > MOST_CONTAMINATED * everybody:
            found.append(
                f"{analysis.contaminated:,} of {everybody:,} users saw two variants, "
                "and are left out"
            )
        if analysis.foreign:
            found.append(
                f"{analysis.foreign:,} lists were made by recipes that are not those of the plan, "
                "and are left out"
            )
        if all(one.control.mean == one.treatment.mean == 0 for one in analysis.primary):
            found.append(
                f"nobody has done what {self._plan.primary} counts: are its events sent, with the "
                "recommendation_id of their list if it wants one?"
            )
        return (*found, *(self._losses() if read else ()))

    def _losses(self) -> list[str]:
        """Name metrics that decide nothing and became worse all the same, by Holm over all."""
        others = self._analysis.others
        if not others:
            return []
        adjusted = holm(np.array([one.p for one in others])).tolist()
        signs = self._analysis.signs
        return [
            f"{one.metric} became worse with {one.variant}: {shown(one)}, where "
            f"{'more' if signs[one.metric] > 0 else 'less'} is better"
            for one, p in zip(others, adjusted, strict=True)
            if p <= self._plan.alpha and signs[one.metric] * one.difference.mean < 0
        ]

    def _guards(self, one: Comparison) -> list[Guarded]:
        return [g for g in self._analysis.guardrails if g.comparison.variant == one.variant]

    def _gain(self, one: Comparison) -> float:
        return self._analysis.sign * one.difference.mean

    def _is_better(self, one: Comparison) -> bool:
        return one.adjusted_p <= self._plan.alpha and self._gain(one) > 0

    def _is_gain(self, one: Comparison) -> bool:
        return one.p <= self._plan.alpha and self._gain(one) > 0

    def _is_for_all(self, one: Comparison, gainers: Gainers) -> bool:
        """Whether the others should have it too.

        They gain by themselves, or it is better on average and not shown that they gain less: few
        customers may show nothing alone, and that is no reason to keep it from them. Where it is
        worse on average, somebody loses by it, be it those of whom an axis knows nothing.
        """
        if gainers.rest is not None and self._is_gain(gainers.rest):
            return not self._is_worse(one)
        return self._is_better(one) and gainers.p_apart > self._plan.alpha

    def _is_worse(self, one: Comparison) -> bool:
        return one.adjusted_p <= self._plan.alpha and self._gain(one) < 0

    def _sentence(self, one: Comparison) -> str:
        told = "is better" if self._is_better(one) else "is worse" if self._is_worse(one) else ""
        said = told or "is not shown to differ"
        return (
            f"{one.variant} {said} by {one.metric}: {shown(one)} against "
            f"{self._plan.control} ({one.users:,} users, p = {one.adjusted_p:.2g})"
        )


def _mismatch(wrong: Sequence[Ratio], experiment: Experiment) -> str:
    """Say how customers came, how they should have, and where else that is seen."""
    first, *others = wrong
    shares = [arm.share for arm in experiment.arms]
    came = ", ".join(
        f"{arm.variant} {n:,}" for arm, n in zip(experiment.arms, first.counts, strict=True)
    )
    planned = " : ".join(f"{100 * share / sum(shares):.3g}" for share in shares)
    whose = "customers" if first.of == "all" else f"customers of {first.of}"
    also = f"; the same in {len(others)} of the groups looked at by themselves" if others else ""
    return (
        f"{whose} came as {came}, where {planned} was planned (p = {first.p:.2g}){also}: look for "
        "what loses customers of one variant (errors, timeouts, a page that does not ask) before "
        "anything else"
    )


def shown(one: Comparison | SegmentEffect) -> str:
    """Return a difference as people read it: relative, with its interval; absolute if need be."""
    if math.isnan(one.relative.mean):
        return f"{one.difference.mean:+.4g} {_bounds(one.difference, '.4g')}"
    return f"{one.relative.mean:+.1%} {_bounds(one.relative, '.1%')}"


def _bounds(interval: Interval, form: str) -> str:
    return f"[{interval.low:+{form}}, {interval.high:+{form}}]"


def _of_segments(gainers: Gainers) -> list[str]:
    found = [
        f"in {one.axis}:{one.segment} it gains {one.relative.mean:+.1%} "
        f"{_bounds(one.relative, '.1%')} ({one.users:,} users, p = {one.adjusted_p:.2g})"
        for one in gainers.segments
    ]
    rest = gainers.rest
    return [*found, f"users of other segments: {shown(rest)} (p = {rest.p:.2g})"] if rest else found


def _not_held(guard: Guarded) -> str:
    one = guard.comparison
    return f"it is not shown that {one.metric} loses less than {guard.margin:.1%}: {shown(one)}"


def _broken(guard: Guarded) -> str:
    one = guard.comparison
    return f"{one.variant} loses more than {guard.margin:.1%} of {one.metric}: {shown(one)}"
