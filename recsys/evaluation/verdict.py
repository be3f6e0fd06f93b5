"""A comparison in one sentence: which is better, by how much, and for whom."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from scipy.special import ndtri

from recsys.evaluation.effects import ComparisonSettings, Overall, SegmentEffect

Decision: TypeAlias = Literal[
    "better", "worse", "mixed", "no difference that matters", "not enough users"
]
POWER = 0.8
"""Chance of a decision with `further_users` more, if the difference is what it seems to be."""
MANY = 10**9
"""More users than this are not worth naming."""
SHOWN = 3
"""Segments that a sentence names on each side."""
CAPITALS = ("ndcg", "mrr", "auc")


@dataclass(frozen=True)
class Gain:
    """What one segment gains.

    Attributes
    ----------
    axis, segment
        Its name.
    relative
        The difference over the segment's baseline mean; None where that is not above 0.
    """

    axis: str
    segment: str
    relative: float | None


@dataclass(frozen=True)
class Verdict:
    """What a comparison comes to.

    Attributes
    ----------
    decision
        As `decide` says.
    sentence
        The same for people.
    measure
        ``<measure>@<k>``.
    better_for, worse_for
        Segments that are better off, best first; that lose more than the margin, worst first.
    users
        How many were compared.
    further_users
        About how many more would decide; None where it is decided, or cannot be.
    """

    decision: Decision
    sentence: str
    measure: str
    better_for: tuple[Gain, ...]
    worse_for: tuple[Gain, ...]
    users: int
    further_users: int | None

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "decision": self.decision,
            "sentence": self.sentence,
            "better_for": [vars(gain) for gain in self.better_for],
            "worse_for": [vars(gain) for gain in self.worse_for],
            "further_users": self.further_users,
        }


def decide(
    names: tuple[str, str],
    measure: str,
    overall: Overall,
    segments: Sequence[SegmentEffect],
    settings: ComparisonSettings,
) -> Verdict:
    """Decide by rules that are fixed before the numbers are seen.

    The margin is ``settings.margin × baseline mean``; ``low`` and ``high`` bound the difference
    (bootstrap over users); the level is ``1 - settings.confidence``. The first that fits:

    1. fewer users than ``settings.min_users``: **not enough users**
    2. ``-margin ≤ low``, ``high ≤ margin`` and ``overall.unseen ≤ margin``: **no difference that
       matters**; the last because lists that differ for hardly anybody say little of those few
    3. ``low > 0`` and Holm's p over the candidates is at most the level: **better**, or **mixed**
       where a segment is harmed
    4. ``high < 0`` and Holm's p is at most the level: **worse**
    5. **not enough users**

    A readable segment is harmed where "it loses no more than margin × its own baseline mean" is
    rejected one-sided at the level, and is better off where its difference is above 0 and its
    two-sided p is at most the level; both with Benjamini-Hochberg over all readable segments.

    Further users: with ``s`` the standard deviation of the differences and ``δ`` the larger of
    ``|difference|`` and ``margin - |difference|``, ``((z + z') s / δ)²`` users would either tell
    the difference from 0 or keep the interval within the margin, ``z`` the normal quantile of the
    confidence and ``z'`` that of a chance of 80 %; where the second is nearer, at least as many as
    bring `unseen` within the margin.

    Parameters
    ----------
    names
        The baseline's and the candidate's.
    measure
        ``<measure>@<k>``.
    overall
        The difference over all users.
    segments
        The differences in segments.
    settings
        Confidence, margin and least number of users.
    """
    harmed = [e for e in segments if e.p_harm <= settings.level]
    gained = [e for e in segments if e.p_bh <= settings.level and e.difference > 0]
    decision = _decision(overall, bool(harmed), settings)
    better_for = tuple(sorted(map(_gain, gained), key=_size, reverse=True))
    worse_for = tuple(sorted(map(_gain, harmed), key=_size))
    further = _further_users(overall, settings) if decision == "not enough users" else None
    told = [
        _claim(decision, names, settings, worse_for),
        f": {shown_measure(measure)} {_figures(overall)}, {overall.users:,} users",
        _for_whom("best", better_for),
        _for_whom("worse", worse_for),
        f"; about {further:,} more users would tell" if further else "",
    ]
    sentence = "".join(told)
    return Verdict(decision, sentence, measure, better_for, worse_for, overall.users, further)


def _decision(overall: Overall, harms: bool, settings: ComparisonSettings) -> Decision:
    margin = settings.margin * overall.baseline_mean
    sure = overall.p_holm <= settings.level
    if overall.users < settings.min_users:
        return "not enough users"
    if -margin <= overall.low and max(overall.high, overall.unseen) <= margin:
        return "no difference that matters"
    if overall.low > 0 and sure:
        return "mixed" if harms else "better"
    if overall.high < 0 and sure:
        return "worse"
    return "not enough users"


def _further_users(overall: Overall, settings: ComparisonSettings) -> int | None:
    margin = settings.margin * overall.baseline_mean
    apart = abs(overall.difference)
    goal = max(apart, margin - apart)
    if not (goal > 0 and math.isfinite(overall.dz)):
        return None
    spread = apart / abs(overall.dz) if overall.dz else 0.0
    root = (float(ndtri((1 + settings.confidence) / 2)) + float(ndtri(POWER))) * spread / goal
    needed = max(root * root, settings.min_users)
    if apart < margin / 2:
        needed = max(needed, overall.unseen * overall.users / margin)
    return max(1, math.ceil(needed - overall.users)) if needed < MANY else None


def _gain(effect: SegmentEffect) -> Gain:
    relative = effect.relative if math.isfinite(effect.relative) else None
    return Gain(effect.axis, effect.segment, relative)


def _size(gain: Gain) -> float:
    # Something where there was nothing before is more than any share of something.
    return math.inf if gain.relative is None else gain.relative


def _claim(
    decision: Decision,
    names: tuple[str, str],
    settings: ComparisonSettings,
    worse_for: Sequence[Gain],
) -> str:
    baseline, candidate = names
    claims = {
        "better": f"{candidate} is better than {baseline}",
        "worse": f"{candidate} is worse than {baseline}",
        "mixed": f"{candidate} is better than {baseline} on average, but not for everybody",
        "no difference that matters": f"{candidate} is within {100 * settings.margin:g} % of "
        f"{baseline}, which makes no difference that matters",
        "not enough users": f"too few users to tell {candidate} from {baseline}",
    }
    if decision == "no difference that matters" and worse_for:
        return f"{claims[decision]} on average, but not for everybody"
    return claims[decision]


def shown_measure(measure: str) -> str:
    """Return a measure's name as it is written in prose.

    Examples
    --------
    >>> shown_measure("ndcg@10"), shown_measure("recall@20")
    ('NDCG@10', 'recall@20')
    """
    name, at, k = measure.partition("@")
    return f"{name.upper() if name in CAPITALS else name}{at}{k}"


def _figures(overall: Overall) -> str:
    if all(map(math.isfinite, (overall.relative, overall.relative_low, overall.relative_high))):
        low, high = 100 * overall.relative_low, 100 * overall.relative_high
        return f"{100 * overall.relative:+.1f} % ({low:.1f} to {high:.1f} %)"
    return f"{overall.difference:+.4f} ({overall.low:.4f} to {overall.high:.4f})"


def _for_whom(word: str, gains: Sequence[Gain]) -> str:
    if not gains:
        return ""
    shown = [f"{gain.axis}: {gain.segment}{_share(gain)}" for gain in gains[:SHOWN]]
    more = [f"{len(gains) - SHOWN} more"] if len(gains) > SHOWN else []
    return f"; {word} for {', '.join(shown + more)}"


def _share(gain: Gain) -> str:
    return "" if gain.relative is None else f" ({100 * gain.relative:+.1f} %)"
