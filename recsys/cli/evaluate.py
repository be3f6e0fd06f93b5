"""``recsys evaluate``: the offline protocol; a table, JSON, files and an HTML report."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from recsys.cli.options import (
    DEFAULT_CONFIG,
    ConfigPath,
    OutputFormat,
    ReportFolder,
    read_config,
    reading,
)
from recsys.cli.output import Format, print_json, print_table, progress_bar, say, to_json
from recsys.evaluation import BINS
from recsys.pipelines.evaluate import evaluate as run
from recsys.pipelines.evaluate import with_baselines
from recsys.pipelines.ingest import open_evaluated
from recsys.pipelines.ledger import keep
from recsys.pipelines.lists import read_lists
from recsys.pipelines.report import Report, report_on, write_report

LEADING = ("ndcg", "precision", "recall", "mrr", "hit")
"""Measures of the table; JSON and the per-user files have all."""
BESIDES = ("coverage", "novelty")


def evaluate(
    config_path: ConfigPath = DEFAULT_CONFIG,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="A variant to judge beside the built-in ones; repeatable. Default: all."),
    ] = None,
    recommendations: Annotated[
        list[str] | None,
        typer.Option(
            help="Judge this file of user_id, item_id, rank; repeatable. Nothing is trained "
            "unless a --variant is named too."
        ),
    ] = None,
    output: ReportFolder = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Learn before the cut, rank, and judge the lists by what followed."""
    config = read_config(config_path)
    files = [read_lists(path) for path in recommendations or []]
    variants = [] if files and not variant else with_baselines(config, variant or [])
    with reading(config, open_evaluated) as shop:
        outcome = run(shop, config, variants, lists=files, progress=progress_bar)
        ledger, missing = keep(config, outcome)
        report = report_on(outcome, config, ledger=ledger)
    if output is not None:
        missing += write_report(outcome, report, to_json(report.document), output)
    if format is Format.JSON:
        print_json(report.document)
    else:
        print_report(report)
    for note in missing:
        say(f"note: {note}")
    if output is not None:
        say(f"report and per-user values: {output}")


def print_report(report: Report) -> None:
    """Print the verdict, gaps between segments, the means, and the measure by activity."""
    found = report.document
    for comparison in report.comparisons[:1]:
        say(f"verdict: {comparison.document()['verdict']['sentence']}")
    print_gaps(found)
    print_means(found)
    print_bins(found)
    print_counts(found)
    if found.get("ledger"):
        print_ledger(found["ledger"])
    for note in found["notes"]:
        say(f"note: {note}")


def print_ledger(ledger: Mapping[str, Any]) -> None:
    """Print what offline differences have meant online so far."""
    kinds = ("offline", "interleaving", "off_policy", "online")
    rows = [
        (
            *(one["experiment"], f"{one['variant']} against {one['control']}"),
            *(f"{one[kind]['mean']:+.3f}" if one[kind] else "" for kind in kinds),
        )
        for one in ledger["experiments"]
    ]
    print_table("Finished experiments", ("experiment", "variant", *kinds), rows)
    say(ledger["sentence"])


def print_gaps(found: Mapping[str, Any]) -> None:
    """Say on which axes what the verdict is about serves segments apart, beyond chance."""
    for one in found["fairness"][:1]:
        for gap in one["gaps"]:
            if gap["beyond_chance"]:
                say(f"{one['variant']}: {gap['sentence']}")


def print_means(found: Mapping[str, Any]) -> None:
    """Print the mean of the leading measures for each recommender."""
    k, words = found["protocol"]["k"][0], found["protocol"]
    names = [f"{measure}@{k}" for measure in (*LEADING, *BESIDES)]
    names = list(dict.fromkeys([found["measure"], *names]))
    rows = [
        (name, *(judged["mean"][measure] for measure in names))
        for name, judged in found["variants"].items()
    ]
    span = f", {words['cut']} to {words['end']}" if "cut" in words else ""
    title = f"{found['counts']['users']:,} users with targets, {words['protocol']}{span}"
    print_table(title, ("variant", *names), rows)


def print_bins(found: Mapping[str, Any]) -> None:
    """Print the measure of the verdict by how many items of a user were known."""
    measure = found["measure"]
    bins = {
        name: {one["bin"]: one for one in judged["bins"][measure]}
        for name, judged in found["variants"].items()
    }
    first = next(iter(bins.values()))
    present = [name for name in BINS if name in first]
    rows = [(name, *(float(of[b]["mean"]) for b in present)) for name, of in bins.items()]
    columns = ("variant", *(f"{b} ({first[b]['users']:,})" for b in present))
    print_table(f"{measure} by items known before the cut (users)", columns, rows)


COUNTED = {
    "users_without_history": "users with targets have no history",
    "users_without_targets": "users that were learnt from have no target",
    "held_out_users": "users were kept out of training",
    "targets_outside_catalogue": "targets are outside the catalogue: they count, unfound",
    "leaked_events": "training events are later than what is to be found: this protocol leaks",
}
"""Counts that a reader of the table should know, in words."""


def print_counts(found: Mapping[str, Any]) -> None:
    """Say what was counted in or left out."""
    counts = found["counts"]
    for name, words in COUNTED.items():
        if counts.get(name):
            say(f"{counts[name]:,} {words}")
    for name, number in counts["users_without_a_list"].items():
        if number:
            say(f"{number:,} users have no list of {name}: they count as 0")
    for name, number in counts["listed_outside_catalogue"].items():
        if number:
            say(f"{number:,} items listed by {name} are outside the catalogue: they are misses")
    if found["audit"]:
        say(f"leakage audit: {found['audit']['artefacts']} artefacts, none knows the future")
