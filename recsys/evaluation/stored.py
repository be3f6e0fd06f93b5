"""A folder of results: the report, and the values and lists of every user, to compare later.

::

    DIR/
    ├── report.json          everything but the users
    ├── report.html          the same, to look at
    ├── segments.parquet     user_id, axis, segment, weight
    ├── users/NAME.parquet   the values of each user
    └── lists/NAME.parquet   user_id, item_id, rank
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from recsys.errors import DataError
from recsys.evaluation.comparison import Result
from recsys.evaluation.outcome import Outcome
from recsys.types import Ids, Indices

REPORT = "report.json"


def write_outcome(outcome: Outcome, text: str, folder: Path) -> None:
    """Write an outcome and its report.

    Parameters
    ----------
    outcome
        What was found.
    text
        The document of it, JSON.
    folder
        Is made where it is not there; files of the same names are replaced.

    Raises
    ------
    DataError
        When the folder cannot be written.
    """
    items = outcome.items
    try:
        for part in ("users", "lists"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / REPORT).write_text(text, encoding="utf-8")
        outcome.memberships.to_parquet(folder / "segments.parquet", index=False)
        for name, result in outcome.results.items():
            result.per_user.reset_index().to_parquet(_file(folder, "users", name), index=False)
            rows = _rows(result.lists, result.per_user.index, items)
            rows.to_parquet(_file(folder, "lists", name), index=False)
    except OSError as error:
        raise DataError(f"--output {folder} cannot be written: {error}") from error


def is_stored(path: Path) -> bool:
    """Tell whether `path` is ``DIR/NAME`` with a report in DIR."""
    return (path.parent / REPORT).is_file()


def read_results(*paths: Path) -> tuple[list[Result], pd.DataFrame]:
    """Read results ``DIR/NAME``, and the memberships beside the first of them.

    Item indices are made anew over the lists of all of them, so that they can be held against
    each other.

    Raises
    ------
    DataError
        When a file is missing or damaged, or a report knows no such name.
    """
    reports = [_report(path) for path in paths]
    rows = [_read(_file(path.parent, "lists", path.name)) for path in paths]
    items = np.unique(np.concatenate([one["item_id"].to_numpy(dtype=np.str_) for one in rows]))
    results = [
        _result(path, report, lists, items)
        for path, report, lists in zip(paths, reports, rows, strict=True)
    ]
    return results, _read(paths[0].parent / "segments.parquet")


def _result(path: Path, report: Mapping[str, Any], rows: pd.DataFrame, items: Ids) -> Result:
    per_user = _read(_file(path.parent, "users", path.name)).set_index("user_id")
    variant = report["variants"][path.name]
    runs = [row for row in report["runs"] if row["variant"] == path.name]
    measure = report["measure"]
    means = pd.DataFrame(runs).rename(columns={"mean": measure})
    return Result(
        name=path.name,
        digest=variant["digest"],
        question=report["question"],
        per_user=per_user,
        lists=_lists(rows, per_user.index, items),
        overall={name: v for name, v in variant["mean"].items() if name not in per_user},
        runs=means.groupby(["origin", "seed"], sort=False, dropna=False)[[measure]]
        .mean()
        .reset_index(),
    )


def _report(path: Path) -> dict[str, Any]:
    file = path.parent / REPORT
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}; evaluate again with --output") from error
    if path.name not in report.get("variants", {}):
        known = ", ".join(report.get("variants", {}))
        raise DataError(f"{file} knows no {path.name!r}; it has {known}")
    return report


def _file(folder: Path, part: str, name: str) -> Path:
    # A variant may be called anything: "a/b" is a name, not a place.
    return folder / part / f"{quote(name, safe=' ')}.parquet"


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; evaluate again with --output") from error


def _rows(lists: Indices, users: "pd.Index[str]", items: Ids) -> pd.DataFrame:
    rows, ranks = np.nonzero(lists >= 0)
    return pd.DataFrame(
        {
            "user_id": np.asarray(users, dtype=object)[rows],
            "item_id": items[lists[rows, ranks]].astype(object),
            "rank": ranks + 1,
        }
    )


def _lists(rows: pd.DataFrame, users: "pd.Index[str]", items: Ids) -> Indices:
    depth = int(rows["rank"].max()) if len(rows) else 0
    lists = np.full((len(users), depth), -1, dtype=np.int64)
    index = np.searchsorted(items, rows["item_id"].to_numpy(dtype=np.str_))
    lists[users.get_indexer(pd.Index(rows["user_id"])), rows["rank"].to_numpy() - 1] = index
    return lists
