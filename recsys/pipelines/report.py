"""An evaluation for people: comparisons, the document, and the files of ``--output``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recsys import __version__
from recsys.bundle.manifest import library_versions
from recsys.config import RecsysConfig
from recsys.errors import ConfigError
from recsys.evaluation import (
    Comparison,
    ComparisonSettings,
    Groups,
    Outcome,
    Result,
    compare,
    document,
    groups_of,
    write_outcome,
)
from recsys.evaluation.fairness import FairnessSettings
from recsys.evaluation.report import write as write_page


@dataclass(frozen=True)
class Report:
    """Comparisons and the document of an outcome.

    Attributes
    ----------
    comparisons
        The one the verdict is about comes first; empty where there is nothing to compare.
    document
        JSON.
    """

    comparisons: Sequence[Comparison]
    document: Mapping[str, Any]


def report_on(
    outcome: Outcome,
    config: RecsysConfig,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    ledger: Mapping[str, Any] | None = None,
) -> Report:
    """Hold every recommender against the baseline, and put everything into one document.

    Parameters
    ----------
    outcome
        What was found.
    config
        Margin, measure, least number of users.
    baseline
        Default: ``[evaluation] baseline``. Nothing is compared where it was not judged.
    candidate
        What the verdict is about: its p value stands for itself. Default: the verdict is about
        ``[service] default_variant``, and p values are adjusted over all candidates.
    ledger
        What offline differences have meant online so far, for people to read beside these.
    """
    results = outcome.results
    groups = groups_of(outcome.memberships, next(iter(results.values())).per_user)
    against = baseline or config.evaluation.baseline
    first = candidate or config.service.default_variant
    comparisons = []
    if against in results:
        # Somebody who names both asks one question; the others in the table are a second look.
        named = [first] if candidate else []
        others = [name for name in results if name not in (against, *named)]
        families = (named, sorted(others, key=lambda name: name != first))
        for family in families:
            rivals = [results[name] for name in family]
            comparisons += compare_results(results[against], rivals, groups, config)
    found = document(
        outcome,
        groups,
        comparisons,
        title="Which ranking is better, and for whom",
        measure=measure_of(config),
        settings=FairnessSettings(
            k=config.evaluation.k[0],
            min_users=config.evaluation.min_users,
            seed=config.model.seed,
        ),
        versions={"recsys": __version__, **library_versions()},
    )
    return Report(comparisons, {**found, "ledger": ledger})


def compare_results(
    baseline: Result, candidates: Sequence[Result], groups: Groups, config: RecsysConfig
) -> list[Comparison]:
    """Compare by the config's measure, margin and least number of users."""
    if not candidates:
        return []
    evaluation = config.evaluation
    settings = ComparisonSettings(
        margin=evaluation.margin, min_users=evaluation.min_users, seed=config.model.seed
    )
    return compare(baseline, candidates, groups, measure=measure_of(config), settings=settings)


def compare_stored(
    baseline: Result, candidate: Result, memberships: pd.DataFrame, config: RecsysConfig
) -> Comparison:
    """Compare two results that were read from files."""
    groups = groups_of(memberships, baseline.per_user)
    return compare_results(baseline, [candidate], groups, config)[0]


def measure_of(config: RecsysConfig) -> str:
    """Return the measure that verdicts are about, with its list length."""
    return f"{config.evaluation.measure}@{config.evaluation.k[0]}"


def write_report(outcome: Outcome, report: Report, text: str, folder: Path) -> list[str]:
    """Write the results and both reports; return what could not be written, in words.

    Raises
    ------
    DataError
        When the folder cannot be written.
    """
    write_outcome(outcome, text, folder)
    try:
        write_page(report.document, folder / "report.html")
    except ConfigError as error:
        return [f"no report.html: {error}"]
    return []
