"""The same values, the same shop; and a block is the same whoever makes it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ConfigError, DataError
from recsys.events.schema import EVENT_TYPES
from recsys.simulation import SimulationConfig, simulate
from recsys.simulation.behaviour import simulate_block
from recsys.simulation.config import BLOCK, DAYS_PER_MONTH
from recsys.simulation.population import make_people
from recsys.simulation.preference import make_preference
from recsys.simulation.tables import event_table

SMALL = SimulationConfig(events=3_000, seed=9, days=90)
TABLES = ("users", "items", "truth/users", "truth/items", "truth/lifts", "truth/rankings")


def tables_of(folder: Path) -> dict[str, pd.DataFrame]:
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    return {**tables, "events": pd.read_parquet(folder / "events")}


def test_the_same_seed_is_the_same_shop_whatever_the_threads(tmp_path):
    simulate(SMALL, tmp_path / "one")
    threads = pa.cpu_count()
    try:
        pa.set_cpu_count(1)
        simulate(SMALL, tmp_path / "two")
    finally:
        pa.set_cpu_count(threads)
    one, two = tables_of(tmp_path / "one"), tables_of(tmp_path / "two")
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, two[name], check_exact=True)


def test_another_seed_is_another_shop(tmp_path):
    simulate(SMALL, tmp_path / "one")
    simulate(SMALL.model_copy(update={"seed": 10}), tmp_path / "two")
    one, two = tables_of(tmp_path / "one"), tables_of(tmp_path / "two")
    for name, table in one.items():
        assert not table.equals(two[name]), name


def test_a_block_alone_is_the_block_of_the_files(shop, config):
    preference = make_preference(config)
    (last,) = range(1, config.n_blocks)
    people = make_people(config, last)
    alone = simulate_block(config, preference, people, last)
    numbered = alone.of_shop(config.block_users(last).start)
    table = event_table(config, preference.catalogue, numbered).to_pandas()
    users = config.block_users(last)
    written = shop.events[shop.events["user_id"].astype(int).isin(users)].reset_index(drop=True)
    assert len(written) == config.block_quota(last)
    for name in written:
        left, right = written[name], table[name].astype(written[name].dtype)
        pd.testing.assert_series_equal(left, right, check_exact=True)


def test_blocks_are_of_different_users_who_act_differently(config):
    twice = config.model_copy(update={"users": 2 * BLOCK, "events": 80 * BLOCK})
    preference = make_preference(twice)
    one, other = (make_people(twice, block) for block in (0, 1))
    assert len(one) == len(other)
    assert not np.isin(other.taste, one.taste).any()
    # The same users, as if they were another block: the same number of events, at other times.
    first, second = (simulate_block(twice, preference, one, block) for block in (0, 1))
    assert len(first) == len(second)
    assert (first.times != second.times).mean() > 0.9


@given(
    st.integers(1_000, 30_000), st.integers(0, 2**31), st.integers(7, 800),
    st.sampled_from([10, 40, 500]), st.floats(0.0, 0.9), st.floats(0.0, 0.9),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_every_block_has_its_number_of_events_each_possible_and_in_order(
    events, seed, days, per_user, browsing, others
):
    config = SimulationConfig(
        events=events, seed=seed, days=days, users=max(1, events // per_user), browsing=browsing,
        searches=others, ratings=others, new_users=others, items=100,
    )  # fmt: skip
    preference = make_preference(config)
    for block in range(config.n_blocks):
        people = make_people(config, block)
        found = simulate_block(config, preference, people, block)
        assert len(found) == config.block_quota(block)
        moments = found.users * config.days * 86_400_000_000 + found.times
        assert (np.diff(moments) >= 0).all()
        assert found.times.min() >= 0
        assert found.times.max() < config.days * 86_400_000_000
        days, months = found.days, found.days // DAYS_PER_MONTH
        assert (days >= people.joins[found.users]).all()
        assert (days < people.leaves[found.users]).all()
        assert preference.catalogue.sold(found.items, months).all()


@pytest.mark.parametrize("seed", range(20))
def test_what_a_small_block_has_too_much_of_is_its_end(seed):
    # No room is left for views that come to nothing, and these few users are no average.
    config = SimulationConfig(events=1_000, users=100, seed=seed, browsing=0.0, days=3_650)
    people, preference = make_people(config, 0), make_preference(config)
    found = simulate_block(config, preference, people, 0)
    assert len(found) == 1_000
    frame = pd.DataFrame({name: getattr(found, name) for name in ("users", "items", "days")})
    frame["event"] = np.array(EVENT_TYPES)[found.kinds]
    key = ["users", "items", "days"]
    bought = frame[frame["event"] == "purchase"].merge(
        frame[frame["event"] == "cart"], on=key, how="left"
    )
    assert bought["event_y"].notna().all()
    back = frame[frame["event"].isin(["return", "rating"])]
    sold = frame[frame["event"] == "purchase"]
    assert back.merge(sold, on=key, how="left")["event_y"].notna().all()


def test_blocks_are_told(tmp_path):
    told = []
    config = SimulationConfig(events=30_000, users=3_000)
    simulate(config, tmp_path / "shop", on_block=lambda: told.append(1))
    assert len(told) == config.n_blocks == 3


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"is not empty; name a new folder"):
        simulate(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"file/shop cannot be written"):
        simulate(SMALL, tmp_path / "file" / "shop")
