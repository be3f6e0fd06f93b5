"""What a look at an experiment found, in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar

import numpy as np

from recsys.experiments.definition import Experiment
from recsys.experiments.looks import Look
from recsys.statistics import (
    Estimate,
    Heterogeneity,
    Interval,
    benjamini_hochberg,
    holm,
    welch,
)

LEAST_USERS: Final = 30
"""Of either arm, or who turned to something: a segment with fewer is not read."""


class Ratio(NamedTuple):
    """Whether users came in the shares that were allocated, everywhere or in one segment.

    Attributes
    ----------
    of
        ``all``, ``AXIS:SEGMENT``, or ``lists that differ``.
    counts
        Users of each arm, the control first.
    p, p_any_time
        Of one look, and of as many as one likes.
    """

    of: str
    counts: tuple[int, ...]
    p: float
    p_any_time: float


@dataclass(frozen=True)
class Comparison:
    """One treatment against the control, by one metric.

    Attributes
    ----------
    metric, variant
        What is compared, and which treatment.
    control, treatment
        Their means, adjusted.
    difference
        Treatment less control, with the interval of the design.
    relative
        The same over the control's mean, on the log scale; nan where a mean is not above 0.
    p
        By the design; `adjusted_p` over treatments, by Holm.
    adjusted_by
        What took noise away: ``cuped``, ``strata``.
    noise
        The variance of the difference over that without adjustment.
    users
        Of both arms, with a value.
    """

    metric: str
    variant: str
    control: Estimate
    treatment: Estimate
    difference: Interval
    relative: Interval
    p: float
    adjusted_p: float
    adjusted_by: tuple[str, ...]
    noise: float
    users: int


@dataclass(frozen=True)
class Guarded:
    """Whether a guardrail holds: the metric is not worse by its margin or more.

    Attributes
    ----------
    comparison
        Of its metric.
    margin
        Of the control's mean.
    p
        One-sided, against "it is worse by the margin or more": small where the guardrail holds.
    holds
        True: shown to hold; False: shown to be broken; None: neither yet.
    """

    comparison: Comparison
    margin: float
    p: float
    holds: bool | None


@dataclass(frozen=True)
class SegmentEffect:
    """What a treatment did in one segment, by the primary metric.

    Attributes
    ----------
    axis, segment, variant
        Where, and which treatment.
    users
        Of both arms.
    difference, relative
        With the interval of the design.
    p, adjusted_p
        By the design; over all declared segments and treatments, by Holm.
    shrunken
        The difference after borrowing strength from the other segments of the axis.
    false_sign_rate, s_value
        The chance that it has the other sign; its mean over all that are at least as sure.
    declared
        Whether the plan named the axis before the start.
    """

    axis: str
    segment: str
    variant: str
    users: int
    difference: Interval
    relative: Interval
    p: float
    adjusted_p: float
    shrunken: Interval
    false_sign_rate: float
    s_value: float
    declared: bool


@dataclass(frozen=True)
class Preferred:
    """How much some users prefer the treatment.

    Attributes
    ----------
    of
        ``all`` or ``AXIS:SEGMENT``.
    users
        Who turned to some item.
    interval
        Mean over users of ``(t − c) / (t + c)``: what they did with the treatment's picks, ``t``,
        and with the control's, ``c``; from −1 to 1.
    p, adjusted_p
        By the design; over declared segments by Holm, over the others by Benjamini and Hochberg.
    declared
        Whether the plan named the axis before the start.
    """

    of: str
    users: int
    interval: Interval
    p: float
    adjusted_p: float
    declared: bool


Claim = TypeVar("Claim", SegmentEffect, Preferred)


def adjusted(claims: Sequence[Claim]) -> list[Claim]:
    """Adjust p: by Holm over what was declared, by Benjamini and Hochberg over the others."""
    found: list[Claim] = []
    for declared, adjust in ((True, holm), (False, benjamini_hochberg)):
        some = [one for one in claims if one.declared == declared]
        if some:
            p = adjust(np.array([one.p for one in some])).tolist()
            found += [replace(one, adjusted_p=x) for one, x in zip(some, p, strict=True)]
    return found


@dataclass(frozen=True)
class Gainers:
    """The declared segments in which a treatment is better, and all others.

    Attributes
    ----------
    variant
        The treatment.
    segments
        The largest gain first.
    together
        By the primary metric, among the users of these segments.
    rest
        The same among users of whom it is known that they are in none of them; None where these
        are too few.
    """

    variant: str
    segments: tuple[SegmentEffect, ...]
    together: Comparison
    rest: Comparison | None

    @property
    def p_apart(self) -> float:
        """Return Welch's p of a difference between what these gain and what the rest does."""
        if self.rest is None:
            return 1.0
        gain, others = (welch(one.control, one.treatment) for one in (self.together, self.rest))
        return welch(others, gain).p()


@dataclass(frozen=True)
class Analysis:
    """All that a look at an experiment shows.

    Attributes
    ----------
    users
        In one arm alone.
    ratios
        The first is that of all users.
    contaminated
        Users in two arms, left out.
    foreign
        Lists of other recipes, left out.
    primary
        One comparison for each treatment.
    triggered
        The same among users whose lists would have differed, as far as anybody looked: who would
        have seen the same lists anyway can show no effect. It decides nothing.
    guardrails
        Of each treatment.
    others
        Metrics that decide nothing.
    segments
        Of every axis that is known.
    spreads
        Whether an axis' segments differ in effect, by (axis, variant).
    gainers
        Of each treatment that is better in some declared segment.
    look
        What the design allows now.
    signs
        Of each metric: 1 where more of it is better, −1 where less is.
    """

    experiment: Experiment
    users: int
    ratios: tuple[Ratio, ...]
    contaminated: int
    foreign: int
    primary: tuple[Comparison, ...]
    triggered: tuple[Comparison, ...]
    guardrails: tuple[Guarded, ...]
    others: tuple[Comparison, ...]
    segments: tuple[SegmentEffect, ...]
    spreads: Mapping[tuple[str, str], Heterogeneity]
    gainers: tuple[Gainers, ...]
    look: Look
    signs: Mapping[str, int]

    @property
    def sign(self) -> int:
        """Of the primary metric."""
        return self.signs[self.experiment.plan.primary]
