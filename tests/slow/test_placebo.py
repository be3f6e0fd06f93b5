"""Segments dealt out by lot earn nothing, where the true ones do."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from recsys.pipelines.ingest import open_shop
from recsys.pipelines.train import Trained, fit
from recsys.random import generator
from recsys.simulation import SimulationConfig, simulate

pytestmark = pytest.mark.slow

SHOP = SimulationConfig(
    events=40_000, users=2_000, items=300, days=180, lifts={"age": 2.0}, price_effect=0.0, seed=1
)
MODEL = {"model": {"factors": 16, "iterations": 8}}
PERMUTATIONS = 4


class Everyone:
    """A lot that gives everybody what was hers."""

    def permutation(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return places


@pytest.fixture(scope="module")
def placebo(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("quality/placebo")


@pytest.fixture(scope="module")
def run(
    benchmark: Callable[[str], ModuleType],
    placebo: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Trained, Any, Any]:
    folder: Path = tmp_path_factory.mktemp("placebo") / "shop"
    simulate(SHOP, folder)
    config = benchmark("quality/planted").config_of(folder, MODEL)
    shop = open_shop(config)
    variants = config.chosen(["segment_aware", "no_segments"])
    trained = fit(shop, config, as_of=shop.after_all(), variants=variants)
    return trained, *placebo.refitted(trained, config)


def test_learning_again_with_the_true_memberships_is_training(
    placebo: ModuleType, run: tuple[Trained, Any, Any]
) -> None:
    trained, windows, now = run
    again = placebo.learnt_again(trained, windows, now, Everyone())
    assert again.learnt == trained.learnt
    assert again.model.kappa == trained.model.kappa
    np.testing.assert_array_equal(again.model.columns, trained.model.columns)


def test_planted_segments_earn_something_and_dealt_ones_do_not(
    placebo: ModuleType, run: tuple[Trained, Any, Any]
) -> None:
    trained, windows, now = run
    assert placebo.earned(trained.learnt["segment_aware"]), trained.learnt
    drawn = [
        placebo.learnt_again(trained, windows, now, generator(0, "placebo", str(number)))
        for number in range(PERMUTATIONS)
    ]
    # A step is taken where it gains two standard errors, so that one in many is taken by chance.
    by_chance = [placebo.earned(again.learnt["segment_aware"]) for again in drawn]
    assert sum(by_chance) <= PERMUTATIONS / 2
    assert max(spread(again) for again in drawn) < spread(trained) / 3


def spread(trained: Trained) -> float:
    """Return how far the lifts by age are from none."""
    model = trained.model
    return float(model.columns[:, model.blocks["prior:age"]].std())
