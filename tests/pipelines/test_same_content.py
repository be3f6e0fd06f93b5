"""The same data give the same content id; what comes at or after the moment plays no part."""

import time

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine

from recsys.events.times import parse_time
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.train import fit

CUT = "2024-05-10T12:00:00Z"


@pytest.fixture(scope="module")
def refit(open_shop_of, config, content):
    """Read tables and learn from them: returns the content id."""

    def run(tables, *, as_of=None, threads=1, engine_threads=None, config=config):
        shop = open_shop_of(tables, config, threads=engine_threads)
        moment = shop.after_all() if as_of is None else as_of
        return content(fit(shop, config, as_of=moment, threads=threads))

    return run


@pytest.fixture(scope="module")
def first(tables, refit):
    """The content id that everything here is held against."""
    return refit(tables)


def shuffled(frame, seed):
    return frame.sample(frac=1.0, random_state=seed, ignore_index=True)


def test_the_order_of_the_rows_changes_nothing(tables, first, refit):
    other = tables._replace(
        events=shuffled(tables.events, 1),
        users=shuffled(tables.users, 2),
        items=shuffled(tables.items, 3),
    )
    assert refit(other) == first


def test_threads_change_nothing(tables, first, refit):
    assert refit(tables, threads=2, engine_threads=1) == first


def test_another_time_zone_and_locale_change_nothing(monkeypatch, tables, first, refit):
    # Fourteen hours east of Greenwich, with rules of its own: no zone files are needed.
    monkeypatch.setenv("TZ", "EAST-14")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    time.tzset()
    try:
        assert time.timezone == -14 * 3600
        assert refit(tables) == first
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.fixture(scope="module")
def typed(tables):
    """The same tables with columns of their own types."""
    events = tables.events.assign(
        timestamp=pd.to_datetime(tables.events["timestamp"]),
        quantity=tables.events["quantity"].astype("int64"),
        amount=tables.events["amount"].astype("float64"),
    )
    items = tables.items.assign(
        price=tables.items["price"].astype("float64"), available=tables.items["available"] == "True"
    )
    return tables._replace(events=events, items=items)


@pytest.fixture(scope="module")
def files(tables, typed, tmp_path_factory):
    """They as CSV, and as Parquet."""
    folder = tmp_path_factory.mktemp("files")
    for name in tables._fields:
        getattr(tables, name).to_csv(folder / f"{name}.csv", index=False)
        getattr(typed, name).to_parquet(folder / f"{name}.parquet", index=False)
    return folder


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_kind_of_file_changes_nothing(ending, files, make_config, first, content):
    data = {name: f"{name}.{ending}" for name in ("events", "users", "items")}
    config = make_config(files, data=data)
    shop = open_shop(config)
    found = content(fit(shop, config, as_of=shop.after_all(), threads=1))
    shop.close()
    assert found == first


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, typed, tmp_path, monkeypatch):
    """They in a database, whose URL is in the environment."""
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("new_database")()
    engine = create_engine(url)
    for name in typed._fields:
        getattr(typed, name).to_sql(name, engine, index=False)
    engine.dispose()
    monkeypatch.setenv("SHOP_DB", url)


def test_a_database_changes_nothing(database, make_config, first, content):
    names = ("events", "users", "items")
    data = {name: {"url": "env:SHOP_DB", "query": f"SELECT * FROM {name}"} for name in names}
    config = make_config(data=data)
    shop = open_shop(config)
    found = content(fit(shop, config, as_of=shop.after_all(), threads=1))
    shop.close()
    assert found == first


def test_the_seed_is_part_of_the_content(tables, first, refit, make_config):
    other = make_config(model={"factors": 4, "iterations": 3, "seed": 1})
    assert refit(tables, config=other) != first


# Leakage


@pytest.fixture(scope="module")
def before_the_cut(tables, refit):
    return refit(tables, as_of=parse_time(CUT, what="cut"))


def noise(tables, seed):
    """As many events at or after the cut as there were, of old and new users, items and kinds."""
    rng = np.random.default_rng(seed)
    cut = pd.Timestamp(CUT).tz_localize(None)
    late = pd.to_datetime(tables.events["timestamp"]) >= cut
    n = int(late.sum())
    assert n > 500
    seconds = pd.to_timedelta(rng.integers(0, 40 * 86_400, size=n), unit="s")
    seconds = seconds.where(np.arange(n) > 3, pd.Timedelta(0))  # some exactly at the cut
    users = [*tables.users["user_id"], "stranger", "0000x"]
    items = [*tables.items["item_id"], "unheard of", "00000x"]
    rows = pd.DataFrame(
        {
            "user_id": rng.choice(users, size=n),
            "item_id": rng.choice(items, size=n),
            "event": rng.choice(["purchase", "view", "return", "cart"], size=n),
            "timestamp": (cut + seconds).astype(str),
            "quantity": rng.integers(1, 50, size=n).astype(str),
            "amount": rng.integers(1, 5000, size=n).astype(str),
            "basket_id": rng.integers(0, 50, size=n).astype(str),
        }
    )
    return tables._replace(events=pd.concat([tables.events[~late], rows], ignore_index=True))


def test_noise_at_or_after_the_moment_changes_nothing(tables, refit, before_the_cut):
    assert refit(noise(tables, 1), as_of=parse_time(CUT, what="cut")) == before_the_cut


def test_the_same_noise_before_the_moment_changes_the_content(tables, refit, before_the_cut):
    # The check above can fail: one event a microsecond before the cut is enough.
    one = noise(tables, 1).events.tail(1).assign(timestamp="2024-05-10T11:59:59.999999Z")
    changed = tables._replace(events=pd.concat([tables.events, one], ignore_index=True))
    assert refit(changed, as_of=parse_time(CUT, what="cut")) != before_the_cut
