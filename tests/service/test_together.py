"""Customers whom nobody has described yet are described together, as each would be alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.config import load_config
from recsys.errors import StateError
from recsys.state import StateStore
from service.book import Together, described
from service.served import Models, Served

USERS = [f"{number:04d}" for number in range(24)]


class Reading(StateStore):
    """A state that notes whose events are read, and can refuse."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.batches: list[list[str]] = []
        self.is_away = False

    def events_of(self, user_ids: Sequence[str]) -> pd.DataFrame:
        self.batches.append(list(user_ids))
        if self.is_away:
            raise StateError("away")
        return super().events_of(user_ids)


@pytest.fixture
def reading(shop: Path) -> Any:
    state = Reading(load_config(shop / "recsys.toml").state.url)
    yield state
    state.close()


@pytest.fixture
def served(shop: Path, reading: Reading) -> Served:
    return Models(load_config(shop / "recsys.toml"), reading).served


def test_a_batch_gives_everybody_what_she_would_get_alone(reading: Reading, served: Served) -> None:
    moment, together = served.published.as_of, Together(reading)
    with ThreadPoolExecutor(len(USERS)) as pool:
        found = list(pool.map(lambda user: together.segments(user, served, moment), USERS))
    assert sorted(user for batch in reading.batches for user in batch) == USERS
    assert len(reading.batches) < len(USERS) / 2
    for user, segments in zip(USERS[::6], found[::6], strict=True):
        alone = described(reading, [user], served, moment).memberships
        assert segments == alone.named(0)


def test_everybody_hears_of_an_error_and_the_next_one_is_not_held_up(
    reading: Reading, served: Served
) -> None:
    moment, together = served.published.as_of, Together(reading)
    reading.is_away = True
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(together.segments, user, served, moment) for user in USERS[:4]]
    assert all(isinstance(one.exception(), StateError) for one in asked)
    reading.is_away = False
    assert together.segments(USERS[0], served, moment)
