"""What ``recsys experiment`` shows to people: verdicts, comparisons, plans tried out."""

from collections.abc import Sequence
from typing import Any

from recsys.cli.output import print_table, say
from recsys.experiments import Plan
from recsys.experiments.counterfactual import DIRECT
from recsys.experiments.design import Design
from recsys.experiments.preference import Preferences
from recsys.experiments.rehearsal import Effect, Rehearsed
from recsys.experiments.results import Analysis
from recsys.experiments.verdict import shown
from recsys.pipelines.estimate import Estimated
from recsys.statistics import Interval

MODELS_WORD = "the model's word"
"""In place of an interval that would know nothing of how wrong a model is."""


def print_verdict(verdict: dict[str, Any]) -> None:
    """Print what to do, and why."""
    about = f": {verdict['variant']}" if verdict["variant"] else ""
    segments = f", for {', '.join(verdict['segments'])}" if verdict["segments"] else ""
    lines: Sequence[str] = [*verdict["reasons"], *(f"note: {w}" for w in verdict["warnings"])]
    if verdict["further_users"] is not None:
        days = verdict["further_days"]
        long = "" if days is None else f", about {days:.0f} days"
        lines = [*lines, f"{verdict['further_users']:,} more users are to come{long}"]
    print_table(f"{verdict['answer'].upper()}{about}{segments}", ("why",), [(x,) for x in lines])


def print_analysis(analysis: Analysis) -> None:
    """Print every metric, and the primary one by segment."""
    everything = [*analysis.primary, *(g.comparison for g in analysis.guardrails), *analysis.others]
    rows = [
        (
            one.metric,
            one.variant,
            one.users,
            one.control.mean,
            one.treatment.mean,
            shown(one),
            one.p,
        )
        for one in everything
    ]
    columns = ("metric", "variant", "users", "control", "treatment", "difference", "p")
    print_table(f"{analysis.users:,} users", columns, rows)
    print_table(
        f"By segment: {analysis.experiment.plan.primary}",
        ("segment", "variant", "users", "difference", "p, adjusted", "declared"),
        [
            (
                *(f"{one.axis}:{one.segment}", one.variant, one.users),
                *(shown(one), one.adjusted_p, "yes" if one.declared else ""),
            )
            for one in analysis.segments
        ],
    )


def print_preferences(found: Preferences) -> None:
    """Print whose items customers turn to, overall and by segment."""
    everybody = [] if found.overall is None else [found.overall]
    rows = [
        (
            *(one.of, one.users, f"{one.interval.mean:+.3f}"),
            f"[{one.interval.low:+.3f}, {one.interval.high:+.3f}]",
            *(one.adjusted_p, "yes" if one.declared else ""),
        )
        for one in (*everybody, *found.segments)
    ]
    columns = ("of", "users", "preference", "interval", "p, adjusted", "declared")
    print_table(f"{found.lists:,} lists of {found.users:,} users", columns, rows)


def print_design(found: Design, plan: Plan) -> None:
    """Print how many users a plan takes, and what can be seen."""
    rows = [
        (
            *(one.of, f"{one.share:.0%}", one.baseline.mean, one.baseline.sd),
            *(f"{one.baseline.noise:.0%}", one.users or "", one.days or ""),
        )
        for one in found.needed
    ]
    columns = ("of", "share", plan.primary, "sd", "noise left", "users needed", "days")
    effect = "no effect is planned for" if plan.effect is None else f"{plan.effect:+.1%}"
    print_table(f"To see {effect} in {plan.power:.0%} of experiments", columns, rows)
    print_table(
        "What can be seen",
        ("days", "least relative effect"),
        [(days, f"{effect:.1%}") for days, effect in found.seen.items()],
    )
    everybody = found.needed[0].users
    if everybody is not None:
        say(f"for all users, write into the plan: planned_users = {everybody}")


def print_rehearsed(rehearsed: Rehearsed, truth: Effect, replications: int) -> None:
    """Print how often a plan came to which verdict."""
    where = f" in {truth.axis}:{truth.segment}" if truth.axis else ""
    print_table(
        f"{replications} experiments with an effect of {truth.size:+.1%}{where}",
        ("verdict", "share"),
        [(answer, f"{n / replications:.1%}") for answer, n in rehearsed.answers.items()],
    )
    say(f"decided after {rehearsed.users:,.0f} of {rehearsed.planned:,} users, on average")


def print_estimated(found: Estimated) -> None:
    """Print what a variant would have earned, or why that is not known."""
    said = found.found
    rows = [
        (name, one.mean, MODELS_WORD if name == DIRECT else _between(one.interval()))
        for name, one in {f"{found.logged}, as shown": said.logged, **said.values}.items()
    ]
    columns = ("estimator", f"{found.metric} of a list", "interval")
    print_table(f"{said.lists:,} lists of {said.users:,} users", columns, rows)
    if said.difference is not None:
        one = said.difference
        ends = f"[{one.low:+.1%}, {one.high:+.1%}]"
        say(f"{found.variant} against {found.logged}: {one.mean:+.1%} {ends}")
    for why in said.identified.why_not:
        say(f"not known: {why}")
    if found.left_out:
        say(f"{found.left_out:,} lists are left out: their chances are not those that were logged")
    if found.other_lengths:
        say(f"{found.other_lengths:,} lists are left out: most are of another length")


def _between(interval: Interval) -> str:
    return f"[{interval.low:.4f}, {interval.high:.4f}]"
