"""How often intervals, claims and verdicts are right: the small form of the calibration study."""

from collections.abc import Callable
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("quality/comparison")


def test_intervals_hold_the_truth_as_often_as_they_say(study: ModuleType) -> None:
    held = study.coverage(1000, "shop", 400)
    # Three standard errors of 400 runs on either side of 95 %.
    for name in ("t", "bootstrap", "relative, log scale", "relative, bootstrap"):
        assert 0.917 <= held[name] <= 0.983, held


def test_claims_are_seldom_false(study: ModuleType) -> None:
    assert study.family(5, 400) <= 0.083
    nothing = study.claims(0.0, 1.0, 100)
    assert nothing["false discovery rate"] <= 0.115
    assert nothing["false discovery rate of harm"] <= 0.115


def test_verdicts_are_seldom_wrong(study: ModuleType) -> None:
    equal = study.verdicts("equal", 3000, 100)
    assert equal.get("better", 0) + equal.get("worse", 0) <= 0.115
    harmed = study.verdicts("10 % better, not for one in ten", 30_000, 20)
    assert harmed["mixed"] >= 0.8
    assert study.verdicts("10 % better for all", 30_000, 20)["better"] >= 0.9
