"""How often A/B tests are right: the small form of the study on known truth."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("quality/experiments")


def test_tests_seldom_find_what_is_not_there(study: ModuleType) -> None:
    found = study.errors(300)
    for name, one in found.items():
        low, high = one["99 % band"]
        assert one["rate"] <= high, (name, one)
        assert one["rate"] >= low or "looks" in name, (name, one)


def test_the_planned_users_show_the_planned_effect(study: ModuleType) -> None:
    for name, one in study.power(150).items():
        # Three standard errors of 150 runs around 80 %.
        assert 0.70 <= one["power"] <= 0.90, (name, one)


def test_a_mismatch_of_shares_is_caught(study: ModuleType) -> None:
    found = study.ratios(300)
    assert found["51 to 49 caught, one look"] >= 0.98
    assert found["false alarms, one look"] <= 0.01
    assert found["false alarms in 28 daily looks"] <= 0.01


def test_segments_borrow_strength(study: ModuleType) -> None:
    for one in study.segments(100).values():
        assert one["RMSE shrunken"] < one["RMSE"]
        assert one["a false discovery where there is nothing"] <= 0.115


def test_an_effect_in_one_segment_is_named(study: ModuleType) -> None:
    # 90 % of many; three standard errors of 60 runs below it.
    assert study.planted(60)["rightly named"] >= 0.78


def test_whole_experiments_come_to_what_the_truth_demands(
    benchmark: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    names = ["interleaved", "itself", "better", "lossy"]
    # Enough customers: of half the events come 330, who tell a preference of .12 by ±.10.
    document = benchmark("service/experiments").run_all(
        tmp_path, events=80_000, days=5, seed=1, names=names
    )
    found = document["experiments"]
    for name, one in found.items():
        # Five days show less than fourteen: not that the gain is the same in every segment.
        came = one["verdict"].partition(" for")[0]
        assert came == one["demanded"], (name, one)
    assert [one["demanded"] for one in found.values()] == [
        *("preferred", "do not ship", "ship", "invalid")
    ]
    known = document["never shown"]
    for name in ("popular", "popular_by_segment"):
        told = known[name]["estimate"]
        # Twice its interval: one run of two estimates.
        width = told["high"] - told["mean"]
        assert abs(told["mean"] - known[name]["truth"]) <= 2 * width, known[name]
    assert known["segment_aware"]["estimate"] is None
    assert known["segment_aware"]["why not"]
    (kept,) = [one for one in document["ledger"]["experiments"] if one["experiment"] == "better"]
    assert kept["online"]["mean"] > 0
    assert kept["offline"]["mean"] > 0
    assert kept["interleaving"]["mean"] > 0
