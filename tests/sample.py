"""The sample shop's first customers: a shop that trains in a moment."""

import shutil
from pathlib import Path

import pandas as pd

SAMPLE = Path(__file__).parents[1] / "data" / "sample"


def copy_first(n_users: int, folder: Path) -> None:
    """Copy the files of the sample, with the rows of its first customers alone."""
    shutil.copy(SAMPLE / "items.csv", folder)
    for name in ("events.csv", "users.csv"):
        table = pd.read_csv(SAMPLE / name, dtype=str, keep_default_na=False)
        table[table["user_id"] < f"{n_users:04d}"].to_csv(folder / name, index=False)
