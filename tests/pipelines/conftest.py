import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from recsys.bundle import content_id
from recsys.config import RecsysConfig, parse_config
from recsys.engines import connect
from recsys.events.shop import Shop, read_shop
from recsys.pipelines.ingest import intake_of
from recsys.pipelines.train import Trained, fit

from ..learning import learning_quickly

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
N_USERS = 60
SEGMENTS = {
    "age": {"kind": "attribute", "column": "age"},
    "lifecycle": {"kind": "lifecycle"},
    "spending": {"kind": "spending"},
    "taste": {"kind": "interest"},
}


class Tables(NamedTuple):
    """A shop's files as frames of texts."""

    events: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame


def config_of(folder: Path = SAMPLE, **tables: Any) -> RecsysConfig:
    """A small model on every kind of axis."""
    content = {
        "data": {"events": "events.csv", "users": "users.csv", "items": "items.csv"},
        "segments": SEGMENTS,
        "model": {"factors": 4, "iterations": 3},
    }
    return parse_config(content | tables, folder)


def open_tables(tables: Tables, config: RecsysConfig, *, threads: int | None = None) -> Shop:
    connection = connect(threads=threads)
    intake = intake_of(config)
    return read_shop(connection, tables.events, intake, users=tables.users, items=tables.items)


def content_of(trained: Trained) -> str:
    """Identity of all that was learnt, weights and their gains included."""
    learnt = {
        name: [found.weights.model_dump(), {axis: list(gain) for axis, gain in found.gains.items()}]
        for name, found in trained.learnt.items()
    }
    recipes = {name: variant.digest for name, variant in trained.variants.items()}
    numbers = {**trained.model.learnt(), "variants": learnt, "days": trained.window_days}
    assert json.loads(json.dumps(numbers, allow_nan=False)) is not None
    return content_id(trained.model.arrays(), numbers, recipes)


@pytest.fixture(scope="session")
def tables() -> Tables:
    """The first sixty customers of the sample shop."""
    events, users, items = (
        pd.read_csv(SAMPLE / f"{name}.csv", dtype=str) for name in ("events", "users", "items")
    )
    few = np.sort(users["user_id"].to_numpy(dtype=np.str_))[:N_USERS]
    return Tables(
        events[events["user_id"].isin(few)].reset_index(drop=True),
        users[users["user_id"].isin(few)].reset_index(drop=True),
        items,
    )


@pytest.fixture(scope="session")
def config() -> RecsysConfig:
    return config_of()


@pytest.fixture(scope="session")
def shop(open_shop_of: Callable[..., Shop], tables: Tables, config: RecsysConfig) -> Shop:
    return open_shop_of(tables, config)


@pytest.fixture(scope="module", autouse=True)
def quickly(quick_learning: None) -> None:
    """What goes into learning, and what comes of it, is asked here."""


@pytest.fixture(scope="session")
def trained(shop: Shop, config: RecsysConfig) -> Trained:
    with learning_quickly():
        return fit(shop, config, as_of=shop.after_all(), threads=1)


@pytest.fixture(scope="session")
def open_shop_of() -> Iterator[Callable[..., Shop]]:
    """Open tables as a shop; every one is closed at the end."""
    opened: list[Shop] = []

    def open_one(tables: Tables, config: RecsysConfig, **options: Any) -> Shop:
        opened.append(open_tables(tables, config, **options))
        return opened[-1]

    yield open_one
    for shop in opened:
        shop.close()


@pytest.fixture(scope="session")
def make_config() -> Callable[..., RecsysConfig]:
    return config_of


@pytest.fixture(scope="session")
def content() -> Callable[[Trained], str]:
    return content_of
