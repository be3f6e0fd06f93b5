"""Options that several commands share, and how their texts are read."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from recsys.bundle import BundleStore
from recsys.cli.output import Format, progress_bar
from recsys.config import RecsysConfig, load_config
from recsys.errors import ConfigError, DataError
from recsys.events.shop import Shop
from recsys.events.times import parse_time
from recsys.pipelines.ingest import open_shop
from recsys.state import StateStore

ConfigPath = Annotated[
    Path, typer.Option("-c", "--config", help="The config file.", envvar="RECSYS_CONFIG")
]
OutputFormat = Annotated[
    Format, typer.Option("--format", help="text for people, json for programs.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Use nothing at or after this time. Default: after all events."),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--output", help="A folder for the report and the values of every user."),
]
DEFAULT_CONFIG = Path("recsys.toml")


def _write_lines(frame: pd.DataFrame, path: Path) -> None:
    # Not by pandas, which rounds numbers to 10 decimals: terms must still add up to the score.
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in frame.to_dict("records"))
    path.write_text("".join(lines), encoding="utf-8")


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".jsonl": _write_lines,
}
"""Ending of a file -> how a table is written to it."""


def _writable(path: Path | None) -> Path | None:
    """Refuse an unknown ending before the work is done, not after."""
    if path is not None and path.suffix.lower() not in WRITERS:
        raise ConfigError(f"--output {path} ends in none of {', '.join(WRITERS)}")
    return path


OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output", callback=_writable, help="Write the rows: parquet, CSV or JSONL by ending."
    ),
]


def read_config(path: Path, *, seed: int | None = None) -> RecsysConfig:
    """Read the config; a seed given on the command line replaces the config's."""
    config = load_config(path)
    if seed is None:
        return config
    if seed < 0:
        raise ConfigError(f"--seed {seed} is negative; a seed is 0 or more")
    return config.with_seed(seed)


@contextmanager
def reading(
    config: RecsysConfig, how: Callable[[RecsysConfig], Shop] = open_shop
) -> Iterator[Shop]:
    """Read the shop; its tables are freed at the end."""
    with progress_bar("reading the shop", None):
        shop = how(config)
    with closing(shop):
        yield shop


def moment_or(text: str | None, default: int) -> int:
    """Read ``--as-of``; without one return the default."""
    return default if text is None else parse_time(text, what="--as-of")


def now() -> str:
    """Return the clock's time as ISO 8601, UTC: the command line asks it, the library never."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def store_of(config: RecsysConfig) -> BundleStore:
    """Return the store of bundles."""
    return BundleStore(config.store.path)


def state_of(config: RecsysConfig) -> StateStore:
    """Return the state."""
    return StateStore(config.state.url)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, CSV or JSONL, by the file's ending."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[path.suffix.lower()](frame, path)
    except OSError as error:
        raise DataError(f"--output {path} cannot be written: {error}") from error
