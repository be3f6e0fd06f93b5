"""A sample shop that is trained once, and a way to ask the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recsys.cli import run

from ..learning import learning_quickly
from ..sample import copy_first

SMALL = "\n[model]\nfactors = 8\niterations = 4\n"
N_USERS = 60


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout; NaN, or anything beside it, is an error."""
        return json.loads(self.out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


Ask = Callable[..., Answer]


@pytest.fixture(scope="module", autouse=True)
def quickly(quick_learning: None) -> None:
    """Commands are asked here."""


@pytest.fixture(autouse=True)
def no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are compared here, whatever the terminal of whoever runs this."""
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "PY_COLORS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command; `shop` is the folder whose config it gets."""

    def ask(*words: object, shop: Path | None = None) -> Answer:
        capsys.readouterr()
        config = [] if shop is None else ["-c", str(shop / "recsys.toml")]
        code = run([*map(str, words), *config])
        return Answer(code, *capsys.readouterr())

    return ask


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory, newcomer: str) -> Path:
    """The sample shop's first customers, with a config of their own; read only."""
    folder = tmp_path_factory.mktemp("untrained")
    copy_first(N_USERS, folder)
    with (folder / "users.csv").open("a", encoding="utf-8") as users:
        users.write(f"{newcomer},60+,north\n")
    files = {name: str(folder / f"{name}.csv") for name in ("events", "users", "items")}
    config = str(folder / "recsys.toml")
    words = [files["events"], "--users", files["users"], "--items", files["items"]]
    assert run(["init", *words, "-o", config]) == 0
    with Path(config).open("a", encoding="utf-8") as text:
        text.write(SMALL)
    return folder


@pytest.fixture(scope="session")
def trained(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same shop, trained; read only."""
    folder = tmp_path_factory.mktemp("trained") / "shop"
    shutil.copytree(untrained, folder)
    with learning_quickly():
        assert run(["train", "-c", str(folder / "recsys.toml")]) == 0
    return folder


@pytest.fixture
def new_shop(untrained: Path, tmp_path: Path) -> Path:
    """A copy of the shop, to change."""
    return Path(shutil.copytree(untrained, tmp_path / "shop"))


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained shop, to change."""
    return Path(shutil.copytree(trained, tmp_path / "shop"))
