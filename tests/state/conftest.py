from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from recsys.state import StateStore

URLS: Final[dict[str, Callable[[Path], str]]] = {
    # A short wait, so that a test of a lock does not take half a minute.
    "sqlite": lambda folder: f"sqlite:///{folder}/new/state.db?timeout=5",
}
"""Every implementation of the state -> the URL of an empty one; the contract runs over all."""


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return URLS[request.param](tmp_path)


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
