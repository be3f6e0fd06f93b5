"""BG/NBD and gamma–gamma on the purchases they were published with."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(benchmark: Callable[[str], ModuleType]) -> dict[str, Any]:
    if "RECSYS_DATA" not in os.environ:
        pytest.skip("RECSYS_DATA names no folder of data sets; see data/README.md")
    root = Path(os.environ["RECSYS_DATA"])
    if not (root / "cdnow" / "events.parquet").exists():
        pytest.skip("RECSYS_DATA holds no cdnow/events.parquet; see data/README.md")
    return benchmark("quality/cdnow").run(root)


def test_purchases_are_learnt_as_published(found: dict[str, Any]) -> None:
    purchases = found["purchases"]
    assert purchases["customers"] == 23_570
    assert purchases["steepest slope by a logarithm"] < 1e-3
    assert purchases["log-likelihood"] >= purchases["log-likelihood at the published"]
    # Which tenth was published the file does not say: it may be any random one.
    assert purchases["p of the distance"] > 0.01
    for name, published in purchases["published, a tenth"].items():
        low, high = (purchases[f"every tenth, {end}"][name] for end in ("from", "to"))
        assert low <= published <= high, name


def test_the_next_39_weeks_are_foretold(found: dict[str, Any]) -> None:
    future = found["future"]
    # The whole file bought more in the second period than the model foretells.
    assert 0.8 < future["ratio"] < 1.05
    bins = future["by repeat purchases before"]
    assert sum(row["customers"] for row in bins) == 23_570
    for fewer, more in pairwise(bins):
        assert fewer["foretold"] < more["foretold"]
    for row in bins:
        lowest = 0.6 if row["before"] == "1" else 0.7
        assert lowest < row["foretold"] / row["happened"] < 1.1, row
    errors = future["mean squared error"]
    assert errors["BG/NBD"] < min(errors["own rate goes on"], errors["mean of all"])
    back = (future[f"share that came back, likely {state}"] for state in ("alive", "gone"))
    alive, gone = back
    assert alive > gone + 0.2


def test_values_are_learnt_as_published_and_foretold_best(found: dict[str, Any]) -> None:
    values = found["values"]
    assert values["log-likelihood"] >= values["log-likelihood at the published"]
    assert values["p of the distance"] > 0.01
    assert values["mean of all"] == pytest.approx(values["published mean of all"], rel=0.05)
    errors = values["mean absolute error"]
    assert errors["gamma–gamma"] < min(errors["own mean"], errors["mean of all"])
