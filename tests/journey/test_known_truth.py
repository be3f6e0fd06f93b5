"""The harness against a shop whose truth is known: no ranking finds new items as the truth does."""

import numpy as np
import pandas as pd
import pytest

from recsys.config import load_config
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.times import format_time, parse_time
from recsys.pipelines.evaluate import evaluate
from recsys.pipelines.ingest import open_evaluated
from recsys.pipelines.lists import GivenLists
from recsys.pipelines.report import report_on
from recsys.simulation import SimulationConfig, Truth, simulate

SHOP = SimulationConfig(events=30_000, users=750, items=400, days=180, lifts={"age": 2.0})
DEPTH = 60
"""Deep enough that ten new items are left once known ones are taken out."""


@pytest.fixture(scope="module")
def report(quick_learning, tmp_path_factory):
    """How well weights are learnt is not the point: whoever learns them has to lose."""
    folder = tmp_path_factory.mktemp("known") / "shop"
    simulate(SHOP, folder)
    cut = parse_time(SHOP.start) + 150 * MICROSECONDS_PER_DAY
    text = (folder / "recsys.toml").read_text(encoding="utf-8") + (
        f'[evaluation]\ncut = "{format_time(cut)}"\ntest_window = "30d"\nk = [10]\n'
        'measure = "explore_ndcg"\nbaseline = "popular"\n[model]\nfactors = 16\niterations = 8\n'
    )
    (folder / "recsys.toml").write_text(text, encoding="utf-8")
    config = load_config(folder / "recsys.toml")
    shop = open_evaluated(config)
    users = pd.read_parquet(folder / "users.parquet")["user_id"].tolist()
    truth, strangers = true_lists(users, cut)
    variants = config.chosen(["popular", "popular_by_segment", "als", "segment_aware"])
    files = [GivenLists("truth", truth), GivenLists("strangers", strangers)]
    return report_on(evaluate(shop, config, variants, lists=files), config).document


def true_lists(users, cut):
    """What each user truly prefers at the cut; and the same, handed to somebody else."""
    truth = Truth(SHOP)
    best = np.argsort(-truth.preferences(users, cut), axis=1, kind="stable")[:, :DEPTH]
    items = np.asarray(truth.items)
    return tuple(
        pd.DataFrame(
            {
                "user_id": np.repeat(users, DEPTH),
                "item_id": items[lists.ravel()],
                "rank": np.tile(np.arange(1, DEPTH + 1), len(users)),
            }
        )
        for lists in (best, np.roll(best, 1, axis=0))
    )


def test_the_truth_beats_every_ranking_that_had_to_learn(report):
    means = {name: one["mean"]["explore_ndcg@10"] for name, one in report["variants"].items()}
    truth = means.pop("truth")
    assert all(truth > 1.1 * other for other in means.values()), (truth, means)


def test_the_verdicts_say_so(report):
    verdicts = {one["candidate"]: one["verdict"]["decision"] for one in report["comparisons"]}
    assert verdicts["truth"] == "better"
    # Somebody else's taste is about as good as everybody's.
    assert verdicts["strangers"] in ("worse", "not enough users", "no difference that matters")


def test_it_is_better_for_every_age_and_no_region_is_singled_out(report):
    (truth,) = (one for one in report["comparisons"] if one["candidate"] == "truth")
    ages = [one for one in truth["segments"] if one["axis"] == "age" and one["readable"]]
    assert len(ages) > 2 and all(one["difference"] > 0 for one in ages)
    spread = {one["axis"]: one["p"] for one in truth["heterogeneity"]}
    assert spread["region"] > 0.001
