from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import sparse

from recsys.models.related import Baskets


def baskets_of(baskets: Sequence[Sequence[int]], n_items: int) -> Baskets:
    """Baskets as lists of item indices."""
    numbers = [number for number, basket in enumerate(baskets) for _ in basket]
    cells = (numbers, [item for basket in baskets for item in basket])
    ones = np.ones(len(numbers), dtype=np.int32)
    shape = (len(baskets), n_items)
    return Baskets(sparse.csr_matrix((ones, cells), shape=shape, dtype=np.int32), "basket")


def random_baskets(seed: int, n_baskets: int, n_items: int) -> list[list[int]]:
    """Baskets in which neighbouring items go together, of 1 to 6 items."""
    rng = np.random.default_rng(seed)
    near = rng.integers(n_items, size=n_baskets)
    sizes = rng.integers(1, 7, size=n_baskets)
    return [
        sorted({int(item) % n_items for item in rng.normal(at, 1.5, size=size).round()})
        for at, size in zip(near, sizes, strict=True)
    ]


@pytest.fixture(scope="session")
def make_baskets() -> Callable[..., Baskets]:
    return baskets_of


@pytest.fixture(scope="session")
def draw_baskets() -> Callable[..., list[list[int]]]:
    return random_baskets
