"""What several rooms' tests share: PostgreSQL, benchmarks, a shop trained once, quickly."""

import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from recsys.cli import run

from .learning import learning_quickly

# How long an example takes says nothing on a machine that does other things beside it.
settings.register_profile("patient", settings.default, deadline=None, max_examples=50)
settings.load_profile("patient")

NewDatabase = Callable[[], str]
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SMALL = "\n[model]\nfactors = 8\niterations = 4\n"
STRANGE = "a/b ü#?%"
"""A user whose id needs care in a URL."""


def load(name: str) -> ModuleType:
    path = BENCHMARKS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def benchmark() -> Callable[[str], ModuleType]:
    """Loads scripts of the benchmarks, such as ``quality/protocols``: they are no package."""
    return load


@pytest.fixture(scope="session")
def new_database() -> Iterator[NewDatabase]:
    """Makes empty PostgreSQL databases."""
    # The path of a socket may have some hundred characters, which a folder of pytest's has not.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = load("service/postgres").Postgres(Path(folder))
        # Nothing here outlives the test, and the disk is slow.
        server.execute("ALTER SYSTEM SET fsync = off")
        server.execute("SELECT pg_reload_conf()")
        yield server.new_database
        server.stop()


@pytest.fixture(scope="module")
def quick_learning() -> Iterator[None]:
    """For modules to which it does not matter how good lists are."""
    with learning_quickly():
        yield


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, newcomer: str) -> Path:
    """The sample shop, trained; read only."""
    folder = tmp_path_factory.mktemp("shop")
    for file in SAMPLE.glob("*.csv"):
        shutil.copy(file, folder)
    with (folder / "users.csv").open("a", encoding="utf-8") as users:
        users.write(f"{newcomer},60+,north\n")
    with (folder / "events.csv").open("a", encoding="utf-8") as events:
        events.write(f"{STRANGE},00100,purchase,2024-06-20 10:00:00,1,2.5,x\n")
    files = {name: str(folder / f"{name}.csv") for name in ("events", "users", "items")}
    config = str(folder / "recsys.toml")
    words = [files["events"], "--users", files["users"], "--items", files["items"]]
    assert run(["init", *words, "-o", config]) == 0
    with Path(config).open("a", encoding="utf-8") as text:
        text.write(SMALL)
    with learning_quickly():
        assert run(["train", "-c", config]) == 0
    return folder


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy of the shop, to break."""
    return Path(shutil.copytree(shop, tmp_path / "shop"))


@pytest.fixture(scope="session")
def newcomer() -> str:
    """A user of the users file, and of no event."""
    return "9001"


@pytest.fixture
def strange() -> str:
    return STRANGE
