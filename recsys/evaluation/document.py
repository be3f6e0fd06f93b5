"""An outcome as one JSON document: what files, terminals and the HTML report are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from recsys.evaluation.breakdown import Groups, breakdown, groups_of
from recsys.evaluation.comparison import Comparison, Result
from recsys.evaluation.definitions import DEFINITIONS, LIBRARIES
from recsys.evaluation.fairness import (
    FairnessSettings,
    accuracy_gaps,
    exposure_by_segment,
    gap_sentence,
    gaps_sentence,
)
from recsys.evaluation.judging import Judged
from recsys.evaluation.outcome import Outcome, Run
from recsys.statistics import mean_interval

Json = dict[str, Any]


def document(
    outcome: Outcome,
    groups: Groups,
    comparisons: Sequence[Comparison],
    *,
    title: str,
    measure: str,
    settings: FairnessSettings,
    versions: Mapping[str, str],
) -> Json:
    """Return everything an evaluation found as JSON.

    Parameters
    ----------
    outcome
        What was found.
    groups
        The segments of the asked users, on every axis, activity included.
    comparisons
        The one the verdict is about comes first; may be empty.
    title
        Of the report.
    measure
        ``<measure>@<k>`` that verdicts and breakdowns are about.
    settings
        How segments are held against each other; fewer than its `min_users` in one are not read.
    versions
        Of the libraries that did the arithmetic.
    """
    results = outcome.results
    first = comparisons[0].document() if comparisons else {}
    return {
        "title": title,
        "measure": measure,
        "baseline": first.get("baseline"),
        "candidate": first.get("candidate"),
        "verdict": first.get("verdict"),
        "protocol": dict(outcome.protocol),
        "data": dict(outcome.data),
        "counts": _counts(outcome, results),
        "variants": {
            name: _variant(result, groups, measure, settings.min_users)
            for name, result in results.items()
        },
        "comparisons": [comparison.document() for comparison in comparisons],
        "fairness": [
            _fairness(outcome, groups, name, measure, settings)
            for name in ((first["candidate"], first["baseline"]) if first else results)
        ],
        "curve": _curve(outcome, measure),
        "runs": _runs(outcome, measure),
        "audit": _audit(outcome),
        "question": outcome.question,
        "definitions": _definitions(results),
        "libraries": [asdict(row) for row in LIBRARIES],
        "versions": dict(versions),
        "notes": list(outcome.notes),
    }


def _counts(outcome: Outcome, results: Mapping[str, Result]) -> Json:
    without = {
        name: int((result.per_user["listed"] == 0).sum()) for name, result in results.items()
    }
    outside = {name: n for run in outcome.runs for name, n in run.listed_outside.items()}
    return {
        **outcome.main.counts,
        "users_without_a_list": without,
        "listed_outside_catalogue": outside,
    }


def _variant(result: Result, groups: Groups, measure: str, min_users: int) -> Json:
    judged = Judged(result.per_user, dict(result.overall), result.lists)
    values = {name: result.per_user[name].dropna().to_numpy() for name in judged.measures}
    intervals = {name: mean_interval(found) for name, found in values.items() if len(found)}
    segments = breakdown(result.per_user[measure].to_numpy(), groups, min_users=min_users)
    return {
        "digest": result.digest,
        "mean": judged.means(),
        "interval": {name: [found.low, found.high] for name, found in intervals.items()},
        "users": judged.counts(),
        "bins": {name: _records(judged.by_bin(name)) for name in judged.measures},
        "segments": _records(segments),
    }


def _fairness(
    outcome: Outcome, groups: Groups, name: str, measure: str, settings: FairnessSettings
) -> Json:
    """Tell whom a recommender serves worse, over all runs, and what it shows, in the main one."""
    values = outcome.results[name].per_user[measure].to_numpy(dtype=np.float64)
    gaps = _records(accuracy_gaps(values, groups, settings))
    told = [gap_sentence(gap) if gap["segments"] >= 2 else None for gap in gaps]
    return {
        "variant": name,
        "sentence": gaps_sentence(gaps),
        "gaps": [{**gap, "sentence": one} for gap, one in zip(gaps, told, strict=True)],
        "exposure": _exposure(outcome.main, name, settings),
    }


def _exposure(run: Run, name: str, settings: FairnessSettings) -> list[Json]:
    if run.background is None:
        return []
    judged = run.judged[name]
    groups = groups_of(run.memberships, judged.per_user)
    return _records(exposure_by_segment(judged.lists, groups, run.background, run.flags, settings))


def _curve(outcome: Outcome, measure: str) -> Json | None:
    """Return the mean of each recommender by what was revealed; None without such a part."""
    if outcome.reveal_unit is None:
        return None
    rows = []
    for reveal in sorted({run.reveal for run in outcome.runs if run.reveal is not None}):
        runs = [run for run in outcome.runs if run.reveal == reveal]
        for name in outcome.names:
            values = np.mean([run.judged[name].per_user[measure] for run in runs], axis=0)
            found = mean_interval(values)
            interval = {"mean": found.mean, "low": found.low, "high": found.high}
            rows.append({"reveal": reveal, "variant": name, "users": found.n, **interval})
    return {"unit": outcome.reveal_unit, "rows": rows}


def _runs(outcome: Outcome, measure: str) -> list[Json]:
    return [
        {
            "origin": run.origin,
            "seed": run.seed,
            "reveal": run.reveal,
            "users": run.counts.get("users"),
            "variant": name,
            "mean": judged.means()[measure],
        }
        for run in outcome.runs
        for name, judged in run.judged.items()
    ]


def _audit(outcome: Outcome) -> Json | None:
    """Say what was audited; a leak is an error, and no document is made of it."""
    if not outcome.audits:
        return None
    names = sorted({name for audit in outcome.audits for name in audit.artefacts})
    held = all(audit.held for audit in outcome.audits)
    return {"held": held, "artefacts": len(names), "names": names}


def _definitions(results: Mapping[str, Result]) -> list[Json]:
    columns = {column for result in results.values() for column in result.per_user}
    columns |= {name for result in results.values() for name in result.overall}
    used = {str(column).partition("@")[0] for column in columns if "@" in str(column)}
    return [found.document() for name, found in DEFINITIONS.items() if name in used]


def _records(frame: pd.DataFrame) -> list[Json]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
