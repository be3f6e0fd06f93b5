"""What people and programs read: tables and progress on a terminal, or one JSON document."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from recsys.drawing.documents import plain
from recsys.pipelines.progress import Advance


class Format(StrEnum):
    """How a command prints its answer."""

    TEXT = "text"
    JSON = "json"


def messages() -> Console:
    """Return the console for notes, progress and errors: stderr, so that answers can be piped."""
    return _console(stderr=True, soft_wrap=True)


def _console(**options: Any) -> Console:
    # Ids and titles are a shop's own: [b] and :tea: are no markup.
    return Console(markup=False, emoji=False, highlight=False, **options)


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Advance]:
    """Draw a bar on a terminal; elsewhere show nothing."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # Asked of the stream itself: FORCE_COLOR makes every console a terminal to rich.
    with Progress(*columns, console=messages(), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
        bar.update(task, total=total or 1, completed=total or 1)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(to_json(document))


def to_json(document: Any) -> str:
    """Write a JSON document; a number that is not finite is null, for JSON has no word for it."""
    return json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers stand at the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    listed = [list(row) for row in rows]
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    # Somebody who pipes a table wants every column, not what fits 80 characters.
    width = None if sys.stdout.isatty() else 200
    _console(width=width).print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_frame(title: str, frame: pd.DataFrame) -> None:
    """Print a frame as a table."""
    rows = frame.astype(object).to_numpy().tolist()
    print_table(title, [str(name) for name in frame.columns], rows)


def say(text: str) -> None:
    """Say something beside the answer."""
    messages().print(text)
