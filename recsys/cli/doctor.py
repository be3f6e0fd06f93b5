"""``recsys doctor``: what is installed, threads, optional parts, what would be slow."""

from pathlib import Path
from typing import Annotated

import typer

from recsys.cli.options import DEFAULT_CONFIG, OutputFormat
from recsys.cli.output import Format, print_json, print_table, progress_bar
from recsys.errors import CheckError
from recsys.pipelines.doctor import examine


def doctor(
    config_path: Annotated[
        Path | None,
        typer.Option(
            "-c",
            "--config",
            help=f"The config file. Default: {DEFAULT_CONFIG}, where there is one.",
            envvar="RECSYS_CONFIG",
        ),
    ] = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Look at the installation, the machine and the shop; say what is wrong or would be slow."""
    if config_path is None and DEFAULT_CONFIG.exists():
        config_path = DEFAULT_CONFIG
    with progress_bar("looking", None):
        checks = examine(config_path)
    problems = [check.name for check in checks if check.status == "problem"]
    if format is Format.JSON:
        print_json({"checks": [check._asdict() for check in checks], "problems": problems})
    else:
        print_table("Checks", ("check", "status", "finding", "what to do"), checks)
    if problems:
        raise CheckError(f"{len(problems)} of {len(checks)} found a problem: {', '.join(problems)}")
