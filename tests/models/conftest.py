from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from recsys.interactions import HALF_LIVES, Histories
from recsys.vocabulary import Vocabulary


class Dealing(NamedTuple):
    """What one user did with one item: days of purchase, counted back from the moment."""

    ages: tuple[float, ...] = ()
    worth: float = 5.0


MakeHistories = Callable[..., Histories]


def histories_of(
    users: Sequence[Mapping[int, Dealing]], n_items: int, *, timed: bool = True
) -> Histories:
    """One mapping for each user: item index -> what she did with it."""
    pairs = [(u, i, user[i]) for u, user in enumerate(users) for i in sorted(user)]
    ages = [np.asarray(dealing.ages, dtype=np.float64) for _, _, dealing in pairs]
    fading = np.asarray(HALF_LIVES) if timed else np.full(len(HALF_LIVES), np.inf)
    decayed = [(0.5 ** (mine[:, np.newaxis] / fading)).sum(axis=0) for mine in ages]
    sizes = [len(user) for user in users]
    return Histories(
        Vocabulary([f"u{number:04d}" for number in range(len(users))]),
        n_items,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.asarray([item for _, item, _ in pairs], dtype=np.int64),
        np.asarray([dealing.worth for _, _, dealing in pairs], dtype=np.float64),
        np.asarray([len(mine) for mine in ages], dtype=np.float64),
        np.asarray(decayed, dtype=np.float64).reshape(len(pairs), len(HALF_LIVES)),
        np.asarray([mine.min() if len(mine) and timed else np.nan for mine in ages]),
        np.asarray([mine.max() if len(mine) and timed else np.nan for mine in ages]),
    )


def random_users(seed: int, n_users: int, n_items: int) -> list[dict[int, Dealing]]:
    """Users who looked at some items and bought some of them, up to five times."""
    rng = np.random.default_rng(seed)
    users = []
    for _ in range(n_users):
        items = rng.choice(n_items, size=int(rng.integers(1, n_items // 2)), replace=False)
        users.append(
            {
                int(item): Dealing(tuple(rng.uniform(0.1, 150, size=int(rng.integers(6)))))
                for item in items
            }
        )
    return users


@pytest.fixture(scope="session")
def make_histories() -> MakeHistories:
    return histories_of


@pytest.fixture(scope="session")
def bought() -> type[Dealing]:
    return Dealing


@pytest.fixture(scope="session")
def make_users() -> Callable[..., list[dict[int, Dealing]]]:
    return random_users
