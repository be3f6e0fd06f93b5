from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.bundle import BundleStore, Manifest

Publish = Callable[..., Manifest]


def arrays_of(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "item_factors": rng.normal(size=(7, 3)).astype(np.float32),
        "item_ids": np.array(["007", "b", "日本"]),
        "seed": np.array(seed),
        "sold": np.array([True, False]),
    }


def publish_to(store: BundleStore, seed: int = 0, **changes: Any) -> Manifest:
    """Publish a small bundle that is a function of `seed`; its array "seed" says which."""
    values: dict[str, Any] = {
        "arrays": arrays_of(seed),
        "as_of": "2017-12-01T00:00:00Z",
        "config": {"model": {"factors": 3}},
        "learnt": {"weights": {"als": 0.5}},
        "recipes": {"popular": {"signals": ["popularity"]}},
        "window": {"first": "2017-01-01T00:00:00Z"},
        "rows": {"used": 10},
        "notes": ["small"],
        "created_at": f"2018-01-{1 + seed:02d}T00:00:00Z",
    }
    values |= changes
    return store.publish(values.pop("arrays"), **values)


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "store")


@pytest.fixture
def publish(store: BundleStore) -> Publish:
    return lambda seed=0, **changes: publish_to(store, seed, **changes)


@pytest.fixture(scope="session")
def publish_into() -> Publish:
    return publish_to
