from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse

from recsys.interactions import HALF_LIVES, Catalogue, Histories, InteractionsConfig
from recsys.models import FoldIn, Habit, Model, ModelConfig, Neighbours
from recsys.models.habit import GroupHabit
from recsys.models.habit_features import n_features
from recsys.ranking import Customers
from recsys.segments import Axis, AxisFit, Memberships, Reference
from recsys.vocabulary import Vocabulary

BRANDS = ("ours", "theirs", "")
CATEGORIES = ("food > fruit", "food > fruit > citrus", "food", "foodstuff", "")


class Small(NamedTuple):
    """A model and some customers, drawn at random."""

    model: Model
    customers: Customers


def axis_of(name: str, n_segments: int) -> Axis:
    segments = tuple(f"{name}{number}" for number in range(n_segments))
    config = {"kind": "attribute", "column": name}
    return Axis(name=name, config=config, fit=AxisFit(segments=segments, definitions=segments))


def histories_of(rng: np.random.Generator, sizes: Sequence[int], n_items: int) -> Histories:
    """Users with histories of the given sizes; a third of each was only looked at."""
    items = [np.sort(rng.choice(n_items, size=size, replace=False)) for size in sizes]
    n_pairs = int(sum(sizes))
    visits = rng.integers(0, 3, size=n_pairs).astype(np.float64)
    last = np.where(visits > 0, rng.uniform(1, 60, size=n_pairs), np.nan)
    return Histories(
        Vocabulary([f"u{number:03d}" for number in range(len(sizes))]),
        n_items,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([np.empty(0), *items]).astype(np.int64),
        rng.choice([-5.0, 0.0, 1.0, 5.0, 12.0], size=n_pairs),
        visits,
        visits[:, np.newaxis] * 0.5 ** (np.nan_to_num(last)[:, np.newaxis] / HALF_LIVES),
        last,
        np.where(visits > 1, last + 30, last),
    )


def memberships_of(
    rng: np.random.Generator, users: Vocabulary, axes: Sequence[Axis]
) -> Memberships:
    """Users who are wholly, half or not known on each axis."""
    parts = [np.zeros((len(users), 0))]
    for axis in axes:
        hard = np.eye(len(axis.segments))[rng.integers(len(axis.segments), size=len(users))]
        parts.append(hard * rng.choice([0.0, 0.5, 1.0], size=(len(users), 1)))
    return Memberships(users, tuple(axes), sparse.csr_matrix(np.hstack(parts)))


def neighbours_of(rng: np.random.Generator, n_items: int) -> Neighbours:
    """A fifth of the items are close to each item, none to itself."""
    near = (rng.random((n_items, n_items)) < 0.2) & ~np.eye(n_items, dtype=bool)
    strengths = sparse.csr_matrix(near * rng.uniform(0.1, 2.0, size=near.shape))
    strengths.sort_indices()
    return Neighbours(
        strengths.indptr.astype(np.int64),
        strengths.indices.astype(np.int32),
        strengths.data.astype(np.float32),
    )


def fold_in_of(
    rng: np.random.Generator, axes: Sequence[Axis], n_items: int, columns: np.ndarray, d: int
) -> FoldIn:
    root = rng.normal(size=(d, d))
    n_segments = sum(len(axis.segments) for axis in axes)
    shares = [np.full(len(axis.segments), 1 / len(axis.segments)) for axis in axes]
    return FoldIn(
        np.ascontiguousarray(columns[:, :d]),
        rng.random(n_items) < 0.9,
        root @ root.T + np.eye(d),
        np.eye(d) * 0.5,
        rng.normal(size=d),
        rng.normal(size=(n_segments, d)),
        np.concatenate([np.empty(0), *shares]),
        np.stack([np.eye(d), 2 * np.eye(d)]),
    )


def habit_of(rng: np.random.Generator, n_items: int) -> Habit:
    plain = [0.3, *rng.normal(scale=0.1, size=n_features(len(HALF_LIVES)) - 1)]
    return Habit(
        rng.uniform(0.2, 3, size=n_items),
        rng.uniform(3, 30, size=n_items),
        rng.random(n_items) < 0.6,
        np.asarray([-2.0, *plain]),
        0.1,
        GroupHabit(*np.full((2, len(CATEGORIES) + 1), 5.0), np.ones(len(CATEGORIES) + 1) > 0),
    )


def model_of(
    rng: np.random.Generator, axes: Sequence[Axis], n_items: int, d: int, columns: np.ndarray
) -> Model:
    """A model whose item side is `columns`, and whose other parts are drawn."""
    items = Vocabulary([f"i{number:04d}" for number in range(n_items)])
    texts = {
        "category": rng.choice(CATEGORIES, size=n_items).astype(np.str_),
        "brand": rng.choice(BRANDS, size=n_items).astype(np.str_),
    }
    return Model(
        catalogue=Catalogue(items, rng.random(n_items) < 0.9, texts),
        columns=columns,
        newcomers=columns[: len(CATEGORIES) + 1][::-1].copy(),
        fold_in=fold_in_of(rng, axes, n_items, columns, d),
        slope=10.0,
        habit=habit_of(rng, n_items),
        neighbours=neighbours_of(rng, n_items),
        axes=tuple(axes),
        reference=Reference(np.full(n_items, np.nan), np.full(n_items, np.nan)),
        kappa={axis.name: 5.0 for axis in axes},
        popularity_half_life=float("inf"),
        interactions=InteractionsConfig(),
        config=ModelConfig(factors=d),
        timed=True,
    )


def small_of(
    seed: int,
    *,
    n_items: int = 60,
    d: int = 5,
    axes: tuple[int, ...] = (2, 3),
    sizes: Sequence[int] = (0, 0, 1, 5, 30),
    steps: int | None = None,
) -> Small:
    """Draw a small shop; with `steps`, items are of so few kinds that most scores are tied."""
    rng = np.random.default_rng(seed)
    drawn = [axis_of(name, n) for name, n in zip(("age", "place"), axes, strict=False)]
    width = d + sum(axes) + 2
    columns = rng.normal(size=(n_items, width)).astype(np.float32)
    if steps is not None:
        columns = columns[rng.integers(steps, size=n_items)]
    columns[:, -1] = np.float32(-4.0) - np.abs(columns[:, -1])
    model = model_of(rng, drawn, n_items, d, columns)
    histories = histories_of(rng, sizes, n_items)
    return Small(model, Customers(histories, memberships_of(rng, histories.users, drawn)))


@pytest.fixture(scope="session")
def make_small() -> Callable[..., Small]:
    return small_of


@pytest.fixture(scope="session")
def small() -> Small:
    return small_of(0)
