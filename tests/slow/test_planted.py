"""In a shop whose truth is known, segments earn nearly what they are worth, empty ones nothing."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from recsys.simulation import SimulationConfig

pytestmark = pytest.mark.slow

SHOP = SimulationConfig(
    events=48_000, users=2_000, items=300, days=180, lifts={"age": 2.0, "gender": 1.0},
    price_effect=0.0, seed=1,
)  # fmt: skip
MODEL = {"model": {"factors": 16, "iterations": 8}}
BAR = 0.6
"""Of the oracle's gain where little is known of a user; one small shop is noisy, and so the bar of
0.8 is for the mean over the benchmark's shops."""


@pytest.fixture(scope="module")
def planted(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("quality/planted")


@pytest.fixture(scope="module")
def found(planted: ModuleType) -> Any:
    return planted.run(SHOP, asked=300, settings=MODEL)


def test_most_of_what_an_oracle_gains_is_reached(planted: ModuleType, found: Any) -> None:
    point = planted.point([found], planted.LITTLE)
    assert point["oracle"] > 1.05 * point["plain"], point
    assert point["share"] >= BAR, point


def test_only_informative_axes_earn_anything(planted: ModuleType, found: Any) -> None:
    full, alone = found.learnt[planted.FULL], found.learnt[planted.ALONE]
    empty = [axis for axis in full["weights"] if axis not in planted.INFORMATIVE]
    assert sorted(empty) == ["income", "region"]
    for axis in empty:
        assert full["weights"][axis] == alone["weights"][axis] == 0, (full, alone)
    assert alone["centre"] == "mean" and alone["weights"]["age"] > 0, alone
    # With the centre, which says the same, age need not say it once more.
    assert full["centre"] == "segments" or full["weights"]["age"] > 0, full
    # An axis that says nothing has its lifts shrunk away, whatever is then learnt.
    kappa = full["kappa"]
    assert all((kappa[axis] or np.inf) > 20 * kappa["age"] for axis in empty), kappa


def test_the_share_of_a_gain_is_a_ratio_of_means(planted: ModuleType) -> None:
    same = planted.share_reached(np.array([0.01, 0.02, 0.04]), np.array([0.02, 0.04, 0.08]))
    assert same == {"share": 0.5, "shops": 3, "interval": [0.5, 0.5]}
    # By hand: R = 3/4, the residuals of (1, 2) − R·(2, 2) are ∓½, and t is 12.706.
    spread = planted.share_reached(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    error = 12.706 * 0.5 / 2
    assert spread["share"] == 0.75
    np.testing.assert_allclose(spread["interval"], [0.75 - error, 0.75 + error], atol=1e-2)
