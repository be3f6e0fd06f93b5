"""``recsys compare``: two rankings, paired by user, overall and per segment, with a verdict."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.evaluate import print_report
from recsys.cli.options import (
    DEFAULT_CONFIG,
    ConfigPath,
    OutputFormat,
    ReportFolder,
    read_config,
    reading,
)
from recsys.cli.output import Format, print_json, print_table, progress_bar, say, to_json
from recsys.config import RecsysConfig
from recsys.errors import CheckError, ConfigError
from recsys.evaluation import Comparison, is_stored, read_results
from recsys.pipelines.evaluate import evaluate, with_baselines
from recsys.pipelines.ingest import open_evaluated
from recsys.pipelines.lists import GivenLists, read_lists
from recsys.pipelines.report import compare_stored, report_on, write_report


class Required(StrEnum):
    """What ``--require`` may ask for."""

    BETTER = "better"


def compare(
    baseline: Annotated[
        str,
        typer.Argument(
            help="A variant, a file of user_id, item_id, rank, or DIR/NAME of an earlier "
            "`evaluate --output DIR`."
        ),
    ],
    candidate: Annotated[str, typer.Argument(help="The same, to hold against it.")],
    config_path: ConfigPath = DEFAULT_CONFIG,
    require: Annotated[
        Required | None,
        typer.Option(help="Leave with exit code 6 unless the candidate is better."),
    ] = None,
    output: ReportFolder = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Say which of two rankings is better, and for whom."""
    config = read_config(config_path)
    if baseline == candidate:
        raise ConfigError(f"{baseline!r} is held against itself; name two different rankings")
    stored = [is_stored(Path(name)) for name in (baseline, candidate)]
    if all(stored):
        if output is not None:
            raise ConfigError("stored results need no --output: their report is there already")
        found = _compare_stored(config, Path(baseline), Path(candidate), format)
    elif any(stored):
        raise ConfigError(
            "one of the two is a stored result and the other is not; evaluate both, or name "
            "DIR/NAME for both"
        )
    else:
        found = _compare_anew(config, baseline, candidate, output, format)
    _hold(found, require)


def _compare_stored(
    config: RecsysConfig, baseline: Path, candidate: Path, format: Format
) -> Comparison:
    (one, other), memberships = read_results(baseline, candidate)
    found = compare_stored(one, other, memberships, config)
    if format is Format.JSON:
        print_json(found.document())
    else:
        print_comparison(found.document())
    return found


def _compare_anew(
    config: RecsysConfig, baseline: str, candidate: str, output: Path | None, format: Format
) -> Comparison:
    every = config.every_variant()
    files = {name: _named(name) for name in (baseline, candidate) if name not in every}
    variants = [name for name in (baseline, candidate) if name in every]
    names = [files[name].name if name in files else name for name in (baseline, candidate)]
    wanted = with_baselines(config, variants or list(every)[:1])
    with reading(config, open_evaluated) as shop:
        outcome = evaluate(shop, config, wanted, lists=list(files.values()), progress=progress_bar)
        report = report_on(outcome, config, baseline=names[0], candidate=names[1])
    if output is not None:
        write_report(outcome, report, to_json(report.document), output)
    if format is Format.JSON:
        print_json(report.document)
    else:
        print_report(report)
        print_comparison(report.comparisons[0].document())
    return report.comparisons[0]


def _named(name: str) -> GivenLists:
    """Read a file of lists.

    Raises
    ------
    ConfigError
        When there is no such file: then the name was to be a variant's.
    """
    if not Path(name).is_file():
        raise ConfigError(
            f"{name!r} is no variant, no file of lists and no DIR/NAME of an earlier evaluation; "
            "see [variants] in the config"
        )
    return read_lists(name)


def print_comparison(found: Mapping[str, Any]) -> None:
    """Print the verdict and the segments whose difference can be read."""
    rows = [
        (
            *(one[name] for name in ("axis", "segment", "users")),
            *(one[name] for name in ("baseline_mean", "candidate_mean")),
            _signed(one["relative"]),
            _signed(one["shrunken"], 4),
            one["p_bh"],
        )
        for one in found["segments"]
        if one["readable"]
    ]
    names = (found["baseline"], found["candidate"])
    columns = ("axis", "segment", "users", *names, "relative", "shrunken", "p (BH)")
    print_table(f"{found['measure']} by segment", columns, rows)
    hidden = sum(not one["readable"] for one in found["segments"])
    if hidden:
        say(f"{hidden} segments have too few users to read")
    say(f"verdict: {found['verdict']['sentence']}")


def _signed(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return ""
    return f"{value:+.{digits}f}" if digits else f"{value:+.1%}"


def _hold(found: Comparison, require: Required | None) -> None:
    decision = found.document()["verdict"]["decision"]
    if require is not None and decision != require:
        raise CheckError(
            f"--require {require}: {found.document()['verdict']['sentence']} (decision: {decision})"
        )
