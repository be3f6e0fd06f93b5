"""A client of the real service, over a real socket."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.client import Client, Patience

from ..serving import listening

PATIENT = Patience(deadline=60.0, timeout=30.0)


@pytest.fixture(scope="module")
def address(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a service over a copy of the sample shop, where anybody may do anything."""
    copy = shutil.copytree(shop, tmp_path_factory.mktemp("client") / "shop")
    with listening(copy, open=True) as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[Client]:
    with Client(address, patience=PATIENT) as opened:
        yield opened
