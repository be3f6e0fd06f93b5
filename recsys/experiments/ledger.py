"""What was expected of variants, and what came: the ledger of all finished experiments."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import stdtrit

from recsys.drawing.documents import plain
from recsys.experiments.document import document
from recsys.experiments.preference import Preferences
from recsys.experiments.reading import Read, ReadPreferences
from recsys.experiments.results import Analysis
from recsys.state import Entry, StateStore
from recsys.statistics import Interval
from recsys.types import Floats

LEAST_EXPERIMENTS: Final = 3
"""With fewer nothing is said of what an offline gain means."""


def conclude(state: StateStore, read: Read | ReadPreferences) -> None:
    """Keep what a finished experiment came to, with it and in the ledger.

    One that still runs is left alone.
    """
    if not read.stopped:
        return
    said = json.dumps(document(read), ensure_ascii=False)
    # Every process reads experiments again when one has changed: not for nothing.
    if said != state.experiments.of(read.name).results:
        state.experiments.conclude(read.name, said)
        state.ledger.replace(read.name, ("online", "interleaving"), entries_of(read))


def entries_of(read: Read | ReadPreferences) -> list[Entry]:
    """Return what a finished experiment adds: its online effects, or a preference.

    One that is invalid adds nothing.
    """
    if read.verdict.answer == "invalid":
        return []
    if isinstance(read, ReadPreferences):
        return _of_preference(read.found, read.until)
    return _of_effects(read.analysis, read.until)


def _of_preference(found: Preferences, at: int) -> list[Entry]:
    if found.overall is None:
        return []
    control, treatment = found.experiment.arms
    who = (found.experiment.plan.name, control.variant, treatment.variant)
    what = (found.experiment.plan.primary, control.digest, treatment.digest)
    interval = found.overall.interval
    return [Entry("interleaving", *who, *what, *_ends(interval), interval.n, at)]


def _of_effects(found: Analysis, at: int) -> list[Entry]:
    arms = {arm.variant: arm for arm in found.experiment.arms}
    plan, control = found.experiment.plan, found.experiment.arms[0]
    return [
        Entry(
            "online",
            *(plan.name, control.variant, one.variant, plan.primary),
            *(control.digest, arms[one.variant].digest),
            *_ends(one.relative, found.sign),
            one.users,
            at,
        )
        for one in found.primary
        if math.isfinite(one.relative.low + one.relative.high)
    ]


def _ends(interval: Interval, sign: int = 1) -> tuple[float, float, float]:
    """Return mean, low and high, turned so that more is better."""
    low, high = sorted((sign * interval.low, sign * interval.high))
    return sign * interval.mean, low, high


class Kept(NamedTuple):
    """An experiment, and what was known of its variants otherwise.

    Attributes
    ----------
    online
        Its effect.
    offline, interleaving, off_policy
        The newest before it of the same two variants, by their recipes; None where there is none.
    """

    online: Entry
    offline: Entry | None
    interleaving: Entry | None
    off_policy: Entry | None


class Rate(NamedTuple):
    """What an offline gain has meant online.

    Attributes
    ----------
    offline, online
        The measure and the metric that most experiments have; only these have a part.
    slope
        Per cent online for one per cent offline, with its 95 % interval.
    n
        Experiments.
    """

    offline: str
    online: str
    slope: Interval
    n: int


def kept(entries: Sequence[Entry]) -> list[Kept]:
    """Put beside each online effect what else was measured of the same two variants."""
    return [
        Kept(
            one,
            _newest(entries, "offline", one),
            _newest(entries, "interleaving", one),
            _newest(entries, "off_policy", one),
        )
        for one in entries
        if one.kind == "online"
    ]


def _newest(entries: Sequence[Entry], kind: str, online: Entry) -> Entry | None:
    wanted = (online.control_digest, online.variant_digest)
    found = [
        one if (one.control_digest, one.variant_digest) == wanted else _turned(one)
        for one in entries
        if one.kind == kind
        and one.measured_at <= online.measured_at
        and {one.control_digest, one.variant_digest} == set(wanted)
    ]
    return max(found, key=lambda one: one.measured_at, default=None)


def _turned(one: Entry) -> Entry:
    """Return the same difference, seen from the other variant."""

    def other(x: float) -> float:
        if one.kind == "interleaving":
            return -x
        return 1 / (1 + x) - 1 if x > -1 else math.inf

    return one._replace(
        control=one.variant,
        variant=one.control,
        control_digest=one.variant_digest,
        variant_digest=one.control_digest,
        mean=other(one.mean),
        low=other(one.high),
        high=other(one.low),
    )


def exchange_rate(experiments: Sequence[Kept]) -> Rate | None:
    """Return what an offline gain has meant online; None with too few experiments.

    A line through the origin, each experiment weighed by how sure its effect is; a variant against
    itself says nothing and has no part::

        b = Σ w x y / Σ w x²,  w = 1 / e²
        error² = m / (m − 1) · Σ w² x² (y − b x)² / (Σ w x²)²

    ``x``: log of 1 and the offline difference; ``y``: of the online effect, with error ``e``; ``m``
    experiments; Student's t with ``m − 1`` degrees of freedom. On logs a difference seen from the
    other variant is the same point. The error does not hang on ``e`` being right.

    References
    ----------
    White, "A Heteroskedasticity-Consistent Covariance Matrix Estimator", Econometrica 48(4), 1980.
    """
    offline, online, pairs = _commonest(experiments)
    x: Floats = np.log1p([known.mean for known, _ in pairs])
    y: Floats = np.log1p([came.mean for _, came in pairs])
    ends = [np.log1p([came.low, came.high]) for _, came in pairs]
    errors: Floats = np.array([(high - low) / (2 * 1.96) for low, high in ends])
    m = len(pairs)
    if m < LEAST_EXPERIMENTS or not (errors > 0).all() or not np.any(x):
        return None
    weights = 1 / errors**2
    scale = float((weights * x**2).sum())
    slope = float((weights * x * y).sum()) / scale
    spread = float((weights**2 * x**2 * (y - slope * x) ** 2).sum()) * m / (m - 1)
    margin = float(stdtrit(m - 1, 0.975)) * math.sqrt(spread) / scale
    return Rate(offline, online, Interval(slope, slope - margin, slope + margin, m), m)


def _commonest(experiments: Sequence[Kept]) -> tuple[str, str, list[tuple[Entry, Entry]]]:
    """Return the measure and metric of most experiments, and their offline and online entries."""
    pairs = [
        (one.offline, one.online)
        for one in experiments
        if one.offline is not None
        and one.online.control_digest != one.online.variant_digest
        and min(one.offline.low, one.online.low) > -1
        and math.isfinite(one.offline.high)
    ]
    by = Counter((offline.metric, online.metric) for offline, online in pairs)
    ((measures, _),) = by.most_common(1) or [(("", ""), 0)]
    return *measures, [p for p in pairs if (p[0].metric, p[1].metric) == measures]


def ledger_document(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the ledger as JSON, with what it comes to in one sentence."""
    experiments = kept(entries)
    rate = exchange_rate(experiments)
    said: dict[str, Any] = plain(
        {
            "experiments": [_row(one) for one in experiments],
            "rate": None if rate is None else _rate(rate),
            "sentence": _sentence(experiments, rate),
        }
    )
    return said


def _sentence(experiments: Sequence[Kept], rate: Rate | None) -> str:
    if rate is not None:
        low, mean, high = (f"{x:+.2f}" for x in (rate.slope.low, rate.slope.mean, rate.slope.high))
        return (
            f"of {rate.n} finished experiments, 1 % more {rate.offline} has meant {mean} % of "
            f"{rate.online} [{low}, {high}]"
        )
    n = len(_commonest(experiments)[2])
    return (
        f"{n} finished experiments have an offline difference beside them, {LEAST_EXPERIMENTS} are "
        "needed to say what one means online"
    )


def _row(one: Kept) -> dict[str, Any]:
    online = one.online
    told = {"experiment": online.source, "control": online.control, "variant": online.variant}
    return {
        **told,
        **{
            kind: None if entry is None else _measured(entry)
            for kind, entry in one._asdict().items()
        },
    }


def _measured(entry: Entry) -> dict[str, Any]:
    ends = {"mean": entry.mean, "low": entry.low, "high": entry.high}
    return {"source": entry.source, "metric": entry.metric, "users": entry.n, **ends}


def _rate(rate: Rate) -> dict[str, Any]:
    ends = {"mean": rate.slope.mean, "low": rate.slope.low, "high": rate.slope.high}
    return {"offline": rate.offline, "online": rate.online, **ends, "experiments": rate.n}
