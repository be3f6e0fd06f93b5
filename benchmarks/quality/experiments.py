"""Whether experiments err as often as they say, on outcome tables whose truth is known.

    python benchmarks/quality/experiments.py [--replications 2000] [PART ...]

Parts: ``errors`` (tables without an effect: how often each test finds one; those of many looks are
looked at daily or at their planned looks), ``coverage`` (revenue is lognormal with σ = 1.5, 20,000
users an arm: how often intervals hold the truth), ``power`` (at the planned number of users),
``ratios`` (51 to 49 at 100,000 users, and false alarms), ``segments`` (twelve of them: false
claims, and what shrinkage does to the error), ``planted`` (an effect in one of four declared
segments: the verdict). Prints one JSON document.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from recsys.experiments.analysis import analyse
from recsys.experiments.definition import Experiment, Plan, define
from recsys.experiments.interleaving import preference_of_users
from recsys.experiments.looks import Look, look_at
from recsys.experiments.metrics import METRICS
from recsys.experiments.outcomes import Outcomes
from recsys.experiments.samples import Means, Sample, means
from recsys.experiments.verdict import MISMATCH, decide
from recsys.statistics import (
    Interval,
    as_relative,
    benjamini_hochberg,
    bounds,
    drift_for,
    log_ratio,
    normal_p,
    s_values,
    sample_ratio,
    sample_ratio_at_any_time,
    shrink_over_grid,
    users_for_means,
    users_for_shares,
)
from recsys.types import Floats

ALPHA, SIGMA = 0.05, 1.5
SEGMENTS = ("a", "b", "c", "d")
FIXED = {"kind": "fixed_horizon"}
DESIGNS: dict[str, dict[str, Any]] = {
    "planned looks, obrien_fleming": {"kind": "group_sequential"},
    "planned looks, pocock": {"kind": "group_sequential", "spending": "pocock"},
    "planned looks, power": {"kind": "group_sequential", "spending": "power"},
    "any looks": {"kind": "confidence_sequence"},
}
DAYS = 28


def plan(**said: Any) -> Plan:
    told = {"name": "one", "hypothesis": "known", "control": "old", "treatments": ("new",)}
    return Plan(**{**told, "primary": "revenue", **said})


def lognormal(rng: np.random.Generator, n: int) -> Floats:
    """Revenue with mean 1."""
    return np.exp(rng.normal(-(SIGMA**2) / 2, SIGMA, n))


def plain(rng: np.random.Generator, n: int, *, of: str, gain: float = 0.0) -> Sample:
    """Draw users of two arms; the treatment's values are `gain` higher, relative."""
    treated = rng.random(n) < 0.5
    lift = 1 + gain * treated
    values, per, before = np.zeros(n), np.ones(n), np.zeros(n)
    strata = np.zeros(n, dtype=np.int64)
    if of == "a mean":
        values = lognormal(rng, n) * lift
    elif of == "a share":
        values = (rng.random(n) < 0.1 * lift).astype(np.float64)
    elif of == "a ratio":
        per = 1.0 + rng.poisson(np.exp(rng.normal(1, 0.7, n)))
        values = rng.binomial(per.astype(int), rng.beta(1, 9, n) * lift).astype(np.float64)
    elif of == "cuped":
        before = lognormal(rng, n)
        values = before * np.exp(rng.normal(-0.125, 0.5, n)) * lift
    elif of == "strata":
        strata = rng.integers(0, 4, n)
        values = lognormal(rng, n) * (1.0 + strata) / 2.5 * lift
    return Sample(values, per, before, strata, treated)


KINDS = ("a mean", "a share", "a ratio", "cuped", "strata")


def rate(hits: int, n: int, nominal: float) -> dict[str, Any]:
    low, high = (float(x) / n for x in stats.binom.interval(0.99, n, nominal))
    return {"rate": hits / n, "nominal": nominal, "99 % band": [low, high]}


def errors(replications: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in KINDS:
        hits, rng = 0, np.random.default_rng(1)
        for _ in range(replications):
            difference = means(plain(rng, 4000, of=kind)).difference
            hits += difference.p() <= ALPHA
        found[f"{kind}, one look"] = rate(hits, replications, ALPHA)
        say(f"errors: {kind}", found[f"{kind}, one look"])
    for name, design in DESIGNS.items():
        hits, rng = 0, np.random.default_rng(2)
        for _ in range(replications):
            hits += crosses(plain(rng, 4000, of="a mean"), design)
        found[name] = rate(hits, replications, ALPHA)
        say(f"errors: {name}", found[name])
    for name, (one, nominal) in {
        "a preference between lists": (prefers, ALPHA),
        "a guardrail that is just broken": (holds, ALPHA / 2),
    }.items():
        rng = np.random.default_rng(9)
        hits = sum(one(rng) for _ in range(replications))
        found[name] = rate(hits, replications, nominal)
        say(f"errors: {name}", found[name])
    return found


def prefers(rng: np.random.Generator) -> bool:
    """Whether a preference is found among 1,000 users who have none, a few clicks each."""
    clicks = rng.geometric(0.3, 1000)
    treatment = rng.binomial(clicks, 0.5).astype(np.float64)
    return preference_of_users(clicks - treatment, treatment).p() <= ALPHA


def holds(rng: np.random.Generator) -> bool:
    """Whether a guardrail of 5 % is held to hold where exactly so much is lost."""
    margin, n = 0.05, 4000
    said = plan(primary="orders", guardrails=({"metric": "revenue", "margin": margin},))
    experiment = define(said, {"old": "o", "new": "n"}, {})
    arm = rng.integers(0, 2, n)
    columns = {"revenue": lognormal(rng, n) * (1 - margin * arm), "orders": rng.normal(1, 1, n)}
    before = {f"{name}:before": 0.0 for name in columns}
    units = pd.DataFrame({"arm": arm, "differing": np.nan, **columns, **before})
    metrics = {name: METRICS[name] for name in columns}
    nobody = pd.DataFrame(index=units.index)
    found = analyse(experiment, Outcomes(units, 0, 0), metrics, nobody, stopped=True)
    return found.guardrails[0].holds is True


def crosses(sample: Sample, design: dict[str, Any]) -> bool:
    """Whether some look finds a difference: daily, or at the planned shares."""
    n = len(sample.values)
    said = plan(decision=design, planned_users=n)
    for time in looks_of(design):
        come = math.ceil(time * n)
        part = first_of(sample, come)
        if part.is_enough and is_outside(said, part):
            return True
    return False


def first_of(sample: Sample, n: int) -> Sample:
    """Return those users of a sample who came first."""
    return Sample(
        sample.values[:n], sample.per[:n], sample.before[:n], sample.strata[:n], sample.treated[:n]
    )


def is_outside(said: Plan, sample: Sample) -> bool:
    """Whether a look's interval leaves out 0: the same as p at most alpha, and quicker."""
    look = look_at(said, len(sample.values), stopped=False)
    interval = look.interval(means(sample).difference, ALPHA)
    return interval.low > 0 or interval.high < 0


def coverage(replications: int) -> dict[str, Any]:
    n, gain = 40_000, 0.05
    held: dict[str, int] = {}
    for kind in KINDS:
        rng = np.random.default_rng(3)
        for _ in range(replications):
            sample = plain(rng, n, of=kind, gain=gain)
            for name, interval, truth in intervals(means(sample), kind, gain, n):
                held.setdefault(name, 0)
                held[name] += interval.low <= truth <= interval.high
            for name, design in DESIGNS.items() if kind == "a mean" else ():
                every = f"{kind}, {name}, every look"
                held[every] = held.get(every, 0) + holds_at_every_look(sample, design, gain)
        say(f"coverage: {kind}", {k: v / replications for k, v in held.items() if kind in k})
    return {name: count / replications for name, count in held.items()}


def intervals(found: Means, kind: str, gain: float, n: int) -> list[tuple[str, Interval, float]]:
    base = {"a mean": 1.0, "a share": 0.1, "a ratio": 0.1, "cuped": 1.0, "strata": 1.0}[kind]
    ratio = as_relative(log_ratio(found.control, found.treatment).interval(1 - ALPHA))
    told = [
        (f"{kind}, difference", found.difference.interval(1 - ALPHA), base * gain),
        (f"{kind}, relative", ratio, gain),
    ]
    looks: dict[str, Look] = {
        name: look_at(plan(decision=design, planned_users=n), n, stopped=True)
        for name, design in DESIGNS.items()
    }
    if kind == "a mean":
        told += [
            (f"{kind}, {name}, last look", look.interval(found.difference, ALPHA), base * gain)
            for name, look in looks.items()
        ]
    return told


def holds_at_every_look(sample: Sample, design: dict[str, Any], truth: float) -> bool:
    """Whether the intervals of all looks hold the truth: what those of several looks promise."""
    n = len(sample.values)
    said = plan(decision=design, planned_users=n)
    for time in looks_of(design):
        part = first_of(sample, math.ceil(time * n))
        look = look_at(said, len(part.values), stopped=False)
        interval = look.interval(means(part).difference, ALPHA)
        if not interval.low <= truth <= interval.high:
            return False
    return True


def looks_of(design: dict[str, Any]) -> list[float]:
    if design["kind"] == "group_sequential":
        return [0.25, 0.5, 0.75, 1.0]
    return [(day + 1) / DAYS for day in range(DAYS)]


def power(replications: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    gain, wanted = 0.1, 0.8
    sd = math.sqrt(math.expm1(SIGMA**2)) * math.sqrt((1 + (1 + gain) ** 2) / 2)
    plans = {
        "a mean": users_for_means(sd, gain, power=wanted),
        "a share": users_for_shares(0.1, 0.1 * gain, power=wanted),
    }
    for kind, n in plans.items():
        hits, rng = 0, np.random.default_rng(4)
        for _ in range(replications):
            sample = plain(rng, 2 * math.ceil(n), of=kind, gain=gain)
            hits += means(sample).difference.p() <= ALPHA
        found[kind] = {"users an arm": math.ceil(n), "power": hits / replications}
        say(f"power: {kind}", found[kind])
    looks = (0.25, 0.5, 0.75, 1.0)
    z = bounds(looks, "obrien_fleming", alpha=ALPHA)
    plain_reach = stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(wanted)
    n = plans["a share"] * (drift_for(looks, z, wanted) / plain_reach) ** 2
    hits, rng = 0, np.random.default_rng(5)
    for _ in range(replications):
        sample = plain(rng, 2 * math.ceil(n), of="a share", gain=gain)
        hits += crosses(sample, DESIGNS["planned looks, obrien_fleming"])
    name = "a share, planned looks"
    found[name] = {"users an arm": math.ceil(n), "power": hits / replications}
    say(f"power: {name}", found[name])
    return found


def ratios(replications: int) -> dict[str, Any]:
    rng, half = np.random.default_rng(6), np.array([0.5, 0.5])
    caught = daily = false = ever = 0
    for _ in range(replications):
        lost = rng.binomial(100_000, 0.51)
        caught += sample_ratio(np.array([lost, 100_000 - lost]), half) <= MISMATCH
        fair = rng.binomial(100_000, 0.5)
        false += sample_ratio(np.array([fair, 100_000 - fair]), half) <= MISMATCH
        for share, is_fair in ((0.51, False), (0.5, True)):
            days = rng.binomial(100_000 // DAYS, share, DAYS).cumsum()
            whole = 100_000 // DAYS * np.arange(1, DAYS + 1)
            seen = any(
                sample_ratio_at_any_time(np.array([one, all_ - one]), half) <= MISMATCH
                for one, all_ in zip(days, whole, strict=True)
            )
            ever += seen and is_fair
            daily += seen and not is_fair
    return {
        "51 to 49 caught, one look": caught / replications,
        "51 to 49 caught within 28 daily looks": daily / replications,
        "false alarms, one look": false / replications,
        "false alarms in 28 daily looks": ever / replications,
    }


def segments(replications: int) -> dict[str, Any]:
    """Twelve segments with and without effects of their own."""
    found: dict[str, Any] = {}
    for spread in (0.0, 0.01, 0.03, 0.06):
        rng = np.random.default_rng(7)
        raw = shrunken = 0.0
        false = wrong = claimed = 0
        for _ in range(replications):
            se = rng.uniform(0.01, 0.05, 12)
            truth = rng.normal(0.01, spread, 12)
            effects = rng.normal(truth, se)
            drawn = shrink_over_grid(effects, se)
            raw += float(((effects - truth) ** 2).mean())
            shrunken += float(((drawn.mean - truth) ** 2).mean())
            sure = s_values(drawn.false_sign_rate) <= 0.1
            claimed += int(sure.sum())
            wrong += int((sure & (np.sign(drawn.mean) != np.sign(truth))).sum())
            null = rng.normal(0.0, se)
            false += bool((benjamini_hochberg(normal_p(null, se)) <= ALPHA).any())
        found[f"true spread {spread}"] = {
            "RMSE": math.sqrt(raw / replications),
            "RMSE shrunken": math.sqrt(shrunken / replications),
            "wrong sign among claims of s <= 0.1": wrong / max(claimed, 1),
            "a false discovery where there is nothing": false / replications,
        }
    return found


def planted(replications: int) -> dict[str, Any]:
    """An effect in one of four declared segments; users for 95 % power after Holm."""
    gain, sd = 0.1, 1.0
    each = users_for_means(sd, gain, alpha=ALPHA / len(SEGMENTS), power=0.95)
    n = 2 * len(SEGMENTS) * math.ceil(each)
    said = plan(segments=("group",), planned_users=n)
    experiment = define(said, {"old": "o", "new": "n"}, {"group": SEGMENTS})
    rng, answers = np.random.default_rng(8), dict[str, int]()
    for _ in range(replications):
        answer = verdict_of(rng, experiment, n, gain, sd)
        answers[answer] = answers.get(answer, 0) + 1
    right = answers.get("ship for these segments only: group:a", 0)
    return {"users": n, "rightly named": right / replications, "answers": answers}


def verdict_of(
    rng: np.random.Generator, experiment: Experiment, n: int, gain: float, sd: float
) -> str:
    arm, group = rng.integers(0, 2, n), rng.choice(SEGMENTS, n)
    values = rng.normal(1, sd, n) + gain * arm * (group == "a")
    names = pd.RangeIndex(n)
    frame = pd.DataFrame(
        {"arm": arm, "lists": 1, "differing": np.nan, "revenue": values, "revenue:before": 0.0},
        index=names,
    )
    found = analyse(
        experiment,
        Outcomes(frame, 0, 0),
        {"revenue": METRICS["revenue"]},
        pd.DataFrame({"group": group}, index=names),
        stopped=False,
    )
    verdict = decide(found, users_per_day=n / 14)
    return ": ".join([verdict.answer, *verdict.segments])


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "errors": errors,
    "coverage": coverage,
    "power": power,
    "ratios": ratios,
    "segments": segments,
    "planted": planted,
}


def say(what: str, found: object) -> None:
    print(what, found, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="how often experiments err")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--replications", type=int, default=2000)
    given = parser.parse_args()
    found = {name: PARTS[name](given.replications) for name in given.parts or PARTS}
    print(json.dumps({"replications": given.replications, **found}, indent=1))


if __name__ == "__main__":
    main()
