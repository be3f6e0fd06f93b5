"""The truth: read back from beside the shop, and asked at any time."""

import numpy as np
import pandas as pd
import pytest

from recsys.errors import ConfigError, DataError, NotFoundError
from recsys.simulation import Truth
from recsys.simulation.population import make_people

MONTH = 30 * 86_400_000_000


def test_the_truth_is_read_from_the_shops_folder(shop, config, truth):
    read = Truth.read(shop.folder)
    assert read.config == config
    users = ["0003", "1299", "0003"]
    np.testing.assert_array_equal(
        read.preferences(users, config.end_time), truth.preferences(users, config.end_time)
    )


def test_each_user_is_told_from_the_others_in_the_order_asked(config, truth):
    users = ["1299", "0000", "1030", "0000"]
    together = truth.preferences(users, config.start_time)
    alone = np.concatenate([truth.preferences([user], config.start_time) for user in users])
    np.testing.assert_array_equal(together, alone)
    assert (together[1] == together[3]).all()
    assert (together[0] != together[1]).any()
    # Columns are item ids, not positions in the catalogue.
    direct = truth.preference.chances(make_people(config, 1), np.array([1_299 - 1_024]), 0)[0]
    items = truth.preference.catalogue
    by_number = dict(zip(items.number.tolist(), direct.tolist(), strict=True))
    assert together[0].tolist() == [by_number[int(item)] for item in truth.items]


def test_the_month_counts_and_the_day_does_not(config, truth):
    at = [truth.preferences(["0001"], config.start_time + moment) for moment in
          (0, MONTH - 1, MONTH)]  # fmt: skip
    np.testing.assert_array_equal(at[0], at[1])
    assert (at[1] != at[2]).any()


def test_rankings_are_the_preferences_in_order(shop, config, truth):
    ranked = pd.read_parquet(shop.folder / "truth" / "rankings.parquet")
    assert ranked["user_id"].nunique() == 1_000
    available = shop.items.set_index("item_id")["available"]
    assert ranked["item_id"].map(available).all()
    for user, rows in list(ranked.groupby("user_id"))[::200]:
        chances = pd.Series(truth.preferences([user], config.end_time)[0], index=truth.items)
        best = chances.sort_values(ascending=False, kind="stable").head(20)
        assert rows["rank"].tolist() == list(range(1, 21))
        assert rows["item_id"].tolist() == best.index.tolist()
        np.testing.assert_array_equal(rows["probability"], best)


def test_lifts_are_those_of_the_formula(shop, truth):
    lifts = pd.read_parquet(shop.folder / "truth" / "lifts.parquet")
    assert len(lifts) == (4 + 2 + 3 + 4) * 18
    ages = lifts[lifts["axis"] == "age"].pivot(index="segment", columns="category", values="lift")
    names = list(truth.preference.catalogue.categories.names)
    np.testing.assert_array_equal(ages[names], truth.preference.lifts["age"])
    assert (lifts.loc[lifts["axis"] == "region", "lift"] == 0).all()


@pytest.mark.parametrize("user", ["1300", "3", "00003", "nobody", "", "-001", "٠٠٠٣"])
def test_a_user_who_is_not_there_is_named(truth, user):
    with pytest.raises(NotFoundError, match=r"no user .* they are 0000 to 1299"):
        truth.preferences([user], truth.config.start_time)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_moment_outside_the_period_is_refused(config, truth, side):
    moment = config.start_time - 1 if side < 0 else config.end_time + 1
    with pytest.raises(ConfigError, match="outside the shop's period, which is 2024-01-01"):
        truth.preferences(["0000"], moment)


@pytest.mark.parametrize("content", [None, "{", '{"config": 5}', '{"config": {"events": "x"}}'])
def test_a_folder_without_a_truth_says_so(tmp_path, content):
    (tmp_path / "truth").mkdir()
    if content is not None:
        (tmp_path / "truth" / "simulation.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="name a folder that `recsys simulate` wrote"):
        Truth.read(tmp_path)
