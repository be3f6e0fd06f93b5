from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from recsys.state import StateStore

BACKENDS: Final = ("sqlite", "postgresql")
"""Every implementation of the state; the contract runs over all."""


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a state that is empty."""
    if request.param == "sqlite":
        # A short wait, so that a test of a lock does not take half a minute.
        return f"sqlite:///{tmp_path}/new/state.db?timeout=5"
    new_database: Callable[[], str] = request.getfixturevalue("new_database")
    return new_database()


@pytest.fixture
def open_store() -> Iterator[Callable[[str], StateStore]]:
    """Opens stores that are closed when the test ends."""
    opened: list[StateStore] = []

    def open_one(url: str) -> StateStore:
        opened.append(StateStore(url))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(url: str, open_store: Callable[[str], StateStore]) -> StateStore:
    made = open_store(url)
    made.create()
    return made
