"""An analysis as one JSON document: every number that a report or a program needs."""

from typing import Any

from recsys.drawing.documents import plain
from recsys.experiments.definition import Experiment
from recsys.experiments.reading import Point, Read, ReadPreferences
from recsys.experiments.results import (
    Analysis,
    Comparison,
    Guarded,
    Preferred,
    Ratio,
    SegmentEffect,
)
from recsys.experiments.verdict import Verdict
from recsys.statistics import Estimate, Heterogeneity, Interval


def document(read: Read | ReadPreferences) -> dict[str, Any]:
    """Return all that a look shows; what is not known is null."""
    if isinstance(read, ReadPreferences):
        return _of_preferences(read)
    analysis = read.analysis

    def compared(one: Comparison) -> dict[str, Any]:
        return _comparison(one, analysis.signs[one.metric])

    said: dict[str, Any] = plain(
        {
            **_about(read, analysis.experiment),
            "users": analysis.users,
            "contaminated_users": analysis.contaminated,
            "foreign_lists": analysis.foreign,
            "decides": analysis.look.decides,
            "sample_ratios": [_ratio(one) for one in analysis.ratios],
            "primary": [compared(one) for one in analysis.primary],
            "where_lists_differ": [compared(one) for one in analysis.triggered],
            "guardrails": [
                {**_guarded(one), "comparison": compared(one.comparison)}
                for one in analysis.guardrails
            ],
            "other_metrics": [compared(one) for one in analysis.others],
            "segments": [_segment(one, analysis.sign) for one in analysis.segments],
            "heterogeneity": _spreads(analysis),
            "better_in": [
                {
                    "variant": one.variant,
                    "segments": [f"{s.axis}:{s.segment}" for s in one.segments],
                    "all_others": None if one.rest is None else compared(one.rest),
                }
                for one in analysis.gainers
            ],
            "course": [{"day": one.number, **_point(one)} for one in read.course],
            "weeks": [{"week": one.number, **_point(one)} for one in read.weeks],
        }
    )
    return said


def _about(read: Read | ReadPreferences, experiment: Experiment) -> dict[str, Any]:
    """Return what every look says: which experiment, when, and what it comes to."""
    return {
        "experiment": experiment.plan.name,
        "digest": experiment.digest,
        "plan": experiment.plan.model_dump(mode="json"),
        "planned_users": experiment.plan.planned_users,
        "first_list": read.first,
        "until": read.until,
        "verdict": verdict_document(read.verdict),
    }


def _of_preferences(read: ReadPreferences) -> dict[str, Any]:
    found = read.found
    experiment, votes = found.experiment, found.by_lists
    said: dict[str, Any] = plain(
        {
            **_about(read, experiment),
            "users": found.users,
            "lists": found.lists,
            "foreign_lists": found.foreign,
            "decides": found.look.decides,
            "sample_ratios": [_ratio(found.ratio)],
            "preference": None if found.overall is None else _preferred(found.overall),
            "preference_in_segments": [_preferred(one) for one in found.segments],
            "votes_of_lists": {
                "delta": votes.delta,
                "win_rate": votes.win_rate,
                "low": votes.interval[0],
                "high": votes.interval[1],
                "p": votes.p,
            },
        }
    )
    return said


def _preferred(one: Preferred) -> dict[str, Any]:
    return {
        "of": one.of,
        "declared": one.declared,
        "users": one.users,
        **_interval(one.interval),
        "p": one.p,
        "adjusted_p": one.adjusted_p,
    }


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict."""
    return {
        "answer": verdict.answer,
        "variant": verdict.variant,
        "segments": list(verdict.segments),
        "reasons": list(verdict.reasons),
        "warnings": list(verdict.warnings),
        "further_users": verdict.further_users,
        "further_days": verdict.further_days,
    }


def definition_document(experiment: Experiment) -> dict[str, Any]:
    """Return what was written down."""
    return {**experiment.said(), "digest": experiment.digest}


def _ratio(one: Ratio) -> dict[str, Any]:
    return {"of": one.of, "users": list(one.counts), "p": one.p, "p_any_time": one.p_any_time}


def _better(sign: int) -> str:
    return "more" if sign > 0 else "less"


def _comparison(one: Comparison, sign: int) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "better": _better(sign),
        "variant": one.variant,
        "control": _estimate(one.control),
        "treatment": _estimate(one.treatment),
        "difference": _interval(one.difference),
        "relative": _interval(one.relative),
        "p": one.p,
        "adjusted_p": one.adjusted_p,
        "adjusted_by": list(one.adjusted_by),
        "noise_left": one.noise,
        "users": one.users,
    }


def _guarded(one: Guarded) -> dict[str, Any]:
    return {"margin": one.margin, "p": one.p, "holds": one.holds}


def _segment(one: SegmentEffect, sign: int) -> dict[str, Any]:
    return {
        "better": _better(sign),
        "axis": one.axis,
        "segment": one.segment,
        "variant": one.variant,
        "declared": one.declared,
        "users": one.users,
        "difference": _interval(one.difference),
        "relative": _interval(one.relative),
        "p": one.p,
        "adjusted_p": one.adjusted_p,
        "shrunken": _interval(one.shrunken),
        "false_sign_rate": one.false_sign_rate,
        "s_value": one.s_value,
    }


def _spreads(analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {"axis": axis, "variant": variant, **_spread(spread)}
        for (axis, variant), spread in analysis.spreads.items()
    ]


def _spread(spread: Heterogeneity) -> dict[str, Any]:
    return {"q": spread.q, "p": spread.p, "i2": spread.i2}


def _point(one: Point) -> dict[str, Any]:
    return {"variant": one.variant, **_interval(one.relative)}


def _estimate(one: Estimate) -> dict[str, Any]:
    return {"mean": one.mean, "error": one.error, "users": one.n}


def _interval(one: Interval) -> dict[str, Any]:
    return {"mean": one.mean, "low": one.low, "high": one.high}
