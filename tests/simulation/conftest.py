"""A small shop, simulated once, as files and as frames."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from recsys.simulation import SimulationConfig, Truth, simulate
from recsys.types import Floats

SHOP = SimulationConfig(
    events=60_000, seed=3, users=1_300, items=300, days=240, departments=6, shelves=3, brands=5
)
"""Two blocks of users, the second not full; eight months."""


Fit = Callable[[Floats, Floats], float]


class Written(NamedTuple):
    """A shop's folder and what stands in it."""

    folder: Path
    events: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame
    hidden_users: pd.DataFrame
    hidden_items: pd.DataFrame


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("simulated") / "shop"
    simulate(SHOP, folder)
    tables = ("users", "items", "truth/users", "truth/items")
    frames = [pd.read_parquet(folder / f"{name}.parquet") for name in tables]
    return Written(folder, pd.read_parquet(folder / "events"), *frames)


@pytest.fixture(scope="session")
def config() -> SimulationConfig:
    return SHOP


@pytest.fixture(scope="session")
def truth() -> Truth:
    return Truth(SHOP)


def p_value(observed: Floats, expected: Floats) -> float:
    """Pearson's test of counts; what is expected fewer than ten times is counted as one."""
    order = np.argsort(expected)[::-1]
    often = int((expected >= 10).sum())
    starts = np.arange(often + (expected[order][often:].sum() >= 10))
    counts = [np.add.reduceat(values[order], starts) for values in (observed, expected)]
    return float(stats.chisquare(*counts).pvalue)


@pytest.fixture
def fit() -> Fit:
    return p_value
