"""How often comparisons are right, on rankings whose true difference is known.

    python benchmarks/quality/comparison.py [--replications R] [--output FILE]

A user has a taste ``t``; the item at rank ``r`` is a hit with chance ``t / √r`` in the baseline's
list and ``(1 + lift) t / √r`` in the candidate's, of ten relevant items. So NDCG@10 is a sum over
ranks, and the candidate's true relative difference is the lift, exactly, in every segment. Some
places are the same in both lists, the others are drawn anew, so the values are correlated; most
users score 0 or little. Prints one JSON document of rates.
"""

import argparse
import json
import platform
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.evaluation.breakdown import Groups
from recsys.evaluation.effects import ComparisonSettings, overall_effect, segment_effects
from recsys.evaluation.verdict import decide
from recsys.random import generator
from recsys.statistics import bootstrap_pair, holm, paired_t
from recsys.types import Floats

DEPTH = 10
DISCOUNTS = 1 / np.log2(np.arange(2, DEPTH + 2))
SHARES = DISCOUNTS / DISCOUNTS.sum()
FADING = 1 / np.sqrt(np.arange(1, DEPTH + 1))
TASTES = {"shop": (0.3, 4.0), "skewed": (0.02, 4.0)}
"""Beta distributions of the taste; skewed: 97 % of users score 0 on both sides."""
SIZES = (0.3, 0.2, 0.12, 0.1, 0.08, 0.06, 0.04, 0.03, 0.03, 0.02, 0.01, 0.01)
"""Shares of users in the twelve segments of the axis."""
SETTINGS = ComparisonSettings(draws=1000)
TRUTH = {
    "equal": (0.0, 0.3, (0.0,) * 12),
    "nearly the same lists": (0.0, 0.003, (0.0,) * 12),
    "the same lists": (0.0, 0.0, (0.0,) * 12),
    "2 % better for hardly anybody": (0.02, 0.0, (0.0,) * 12),
    "half the margin better": (0.005, 0.3, (0.0,) * 12),
    "10 % better for all": (0.1, 0.3, (0.0,) * 12),
    "10 % worse for all": (-0.1, 0.3, (0.0,) * 12),
    "10 % better, not for one in ten": (0.1, 0.3, (0.0, 0.0, 0.0, -0.5) + (0.0,) * 8),
}
"""Name -> lift of all, share of places drawn anew, what each segment's lift is beyond that."""


def pairs(
    n: int,
    rng: np.random.Generator,
    lift: Floats | float = 0.0,
    redrawn: float = 0.3,
    shape: str = "shop",
) -> tuple[Floats, Floats]:
    """Draw NDCG@10 of `n` users, for the baseline and for a candidate of that lift."""
    chance, luck = _users(n, rng, shape)
    raised = chance * (1 + np.broadcast_to(lift, n)[:, np.newaxis])
    return (luck < chance) @ SHARES, (_again(luck, rng, redrawn) < raised) @ SHARES


def _users(n: int, rng: np.random.Generator, shape: str) -> tuple[Floats, Floats]:
    return 0.6 * rng.beta(*TASTES[shape], size=(n, 1)) * FADING, rng.random((n, DEPTH))


def _again(luck: Floats, rng: np.random.Generator, redrawn: float) -> Floats:
    return np.where(rng.random(luck.shape) < redrawn, rng.random(luck.shape), luck)


def coverage(n: int, shape: str, replications: int) -> dict[str, float]:
    """Share of 95 % intervals that hold the truth, a lift of 5 %."""
    rng = generator(0, "coverage", str(n), shape)
    lift, (a, b) = 0.05, TASTES[shape]
    truth = lift * 0.6 * a / (a + b) * float(FADING @ SHARES)
    held: Counter[str] = Counter()
    for number in range(replications):
        one, other = pairs(n, rng, lift, shape=shape)
        student = paired_t(one, other)
        drawn = bootstrap_pair(one, other, draws=1000, seed=number)
        held["t"] += student.difference.low <= truth <= student.difference.high
        held["bootstrap"] += drawn.difference.low <= truth <= drawn.difference.high
        held["relative, log scale"] += student.relative.low <= lift <= student.relative.high
        held["relative, bootstrap"] += drawn.relative.low <= lift <= drawn.relative.high
    return {name: count / replications for name, count in held.items()}


def family(candidates: int, replications: int) -> float:
    """Share of comparisons in which any of the equal candidates is claimed to differ."""
    rng = generator(0, "family")
    wrong = 0
    for _ in range(replications):
        chance, luck = _users(1000, rng, "shop")
        one = (luck < chance) @ SHARES
        others = [(_again(luck, rng, 0.3) < chance) @ SHARES for _ in range(candidates)]
        p = np.array([paired_t(one, other).p for other in others])
        wrong += bool(holm(p).min() <= SETTINGS.level)
    return wrong / replications


def segmented(n: int, rng: np.random.Generator) -> tuple[Groups, np.ndarray[Any, Any]]:
    """Put `n` users into the twelve segments of one axis."""
    segment = rng.choice(len(SIZES), size=n, p=SIZES)
    matrix = sparse.csr_matrix((np.ones(n), (np.arange(n), segment)), shape=(n, len(SIZES)))
    names = tuple(("axis", f"s{number}") for number in range(len(SIZES)))
    return Groups(np.arange(n).astype(np.str_), names, matrix, frozenset()), segment


def claims(tau: float, null: float, replications: int) -> dict[str, Any]:
    """Rates of false claims about segments: lifts are normal around 3 %, a share `null` is 0."""
    rng = generator(0, "claims", str(tau), str(null))
    rows = []
    for number in range(replications):
        groups, segment = segmented(6000, rng)
        lifts = np.where(rng.random(12) < null, 0.0, rng.normal(0.03, tau, size=12))
        one, other = pairs(6000, rng, lifts[segment])
        effects, _ = segment_effects(one, other, groups, SETTINGS)
        rows += [
            (number, lift, e.difference, e.p_bh, e.p_harm, e.shrunken, e.false_sign_rate)
            for lift, e in zip(lifts, effects, strict=True)
            if e.readable
        ]
    columns = ["run", "lift", "raw", "p_bh", "p_harm", "shrunken", "false_sign_rate"]
    return _claimed(pd.DataFrame(rows, columns=columns), replications)


def _claimed(found: pd.DataFrame, replications: int) -> dict[str, Any]:
    claimed = found[found["p_bh"] <= SETTINGS.level]
    harmed = found[found["p_harm"] <= SETTINGS.level]
    # No effect at all has no sign to get wrong.
    sure = found[(found["false_sign_rate"] < 0.1) & (found["lift"] != 0)]
    sure_wrong = np.sign(sure["shrunken"]) != np.sign(sure["lift"])
    rates = (sure["false_sign_rate"].mean(), sure_wrong.mean()) if len(sure) else (None, None)
    return {
        "segments": len(found),
        "claimed": len(claimed),
        "false discovery rate": _rate(
            claimed, np.sign(claimed["raw"]) != np.sign(claimed["lift"]), replications
        ),
        "claimed as harmed": len(harmed),
        "false discovery rate of harm": _rate(
            harmed, harmed["lift"] >= -SETTINGS.margin, replications
        ),
        "surer than 10 %": len(sure),
        "their stated rate of wrong signs": rates[0],
        "their true rate of wrong signs": rates[1],
    }


def _rate(claimed: pd.DataFrame, wrong: "pd.Series[bool]", replications: int) -> float:
    """Mean over the runs of the share of wrong claims; a run without a claim counts as 0."""
    return float(wrong.groupby(claimed["run"]).mean().sum() / replications)


def verdicts(name: str, n: int, replications: int) -> dict[str, float]:
    """Share of each decision."""
    rng = generator(0, "verdicts", name, str(n))
    lift, redrawn, beyond = TRUTH[name]
    decisions: Counter[str] = Counter()
    for _ in range(replications):
        groups, segment = segmented(n, rng)
        one, other = pairs(n, rng, lift + np.array(beyond)[segment], redrawn)
        effects, _ = segment_effects(one, other, groups, SETTINGS)
        overall = overall_effect(one, other, SETTINGS)
        decisions[decide(("one", "other"), "ndcg@10", overall, effects, SETTINGS).decision] += 1
    return {decision: count / replications for decision, count in decisions.most_common()}


def run(replications: int) -> dict[str, Any]:
    """Return all rates."""
    return {
        "coverage of 95 % intervals": {
            f"{shape}, {n} users": coverage(n, shape, replications)
            for shape, n in [
                ("shop", 30), ("shop", 100), ("shop", 300), ("shop", 1000), ("shop", 3000),
                ("skewed", 300), ("skewed", 1000), ("skewed", 3000),
            ]
        },
        "Holm, five equal candidates, any claim": family(5, replications),
        "segments": {
            f"lifts with sd {tau}, {null:.0%} of them 0": claims(tau, null, replications)
            for tau, null in [(0.0, 1.0), (0.3, 0.5), (0.02, 0.0), (0.1, 0.0), (0.3, 0.0)]
        },
        "verdicts": {
            f"{name}, {n} users": verdicts(name, n, replications)
            for name in TRUTH
            for n in (300, 3000, 30_000)
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=2000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    start = time.perf_counter()
    rates = run(arguments.replications)
    result = {
        "python": platform.python_version(),
        "replications": arguments.replications,
        "seconds": round(time.perf_counter() - start),
        **rates,
    }
    text = json.dumps(result, indent=1)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
