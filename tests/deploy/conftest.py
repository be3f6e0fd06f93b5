"""What the files of `service/deploy` say, read as plain data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml

from recsys.cli.main import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "service" / "deploy"


class Instruction(NamedTuple):
    word: str
    rest: str


class Setting(NamedTuple):
    section: str
    key: str
    value: str


@pytest.fixture(scope="session")
def dockerfile() -> list[Instruction]:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def units() -> dict[str, list[Setting]]:
    """Name of a unit -> its settings, after those of the drop-in that is for all of them."""
    folder = DEPLOY / "systemd"
    shared = settings((folder / "recsys-.service.d" / "everywhere.conf").read_text("utf-8"))
    files = [file for file in folder.iterdir() if file.is_file()]
    return {
        file.name: (shared if file.suffix == ".service" else []) + settings(file.read_text("utf-8"))
        for file in files
    }


def settings(text: str) -> list[Setting]:
    found, section = [], ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found.append(Setting(section, *line.split("=", 1)))
    return found


def understand(words: Sequence[str]) -> None:
    """Parse what is said to `recsys`, and run nothing; what it does not take is an error."""
    command, rest = typer.main.get_command(app), list(words)
    while children := getattr(command, "commands", None):
        command = children[rest.pop(0)]
    command.make_context("recsys", rest)


@pytest.fixture(scope="session")
def understands() -> Callable[[Sequence[str]], None]:
    return understand
