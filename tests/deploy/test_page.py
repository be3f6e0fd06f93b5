"""The production page says what is there: metrics, settings, variables, commands, numbers."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
import yaml

from recsys.cli import beside, serve
from recsys.config import ServiceConfig
from recsys.pipelines.ingest import LARGE
from recsys.state import SCOPES, StateStore
from service import exposing, intake, metrics, settings, traffic
from service.app import create_app
from service.metrics import Metrics
from service.schemas import Health
from service.settings import Settings

PAGE = (Path(__file__).parents[2] / "service" / "deploy" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
OF_A_HISTOGRAM = re.compile("_(bucket|count|sum)$")
NUMBERS = {
    "2 MiB": traffic.MOST_BYTES / 2**20,
    "20,000 events": intake.MOST_WAITING,
    "50,000 a worker": exposing.MOST_WAITING,
    "30 s more; then": serve.GRACE_SECONDS,
    "3 s each; what": beside.PATIENCE_SECONDS,
    "3000 of them": ServiceConfig().remember,
    "256 MB of event files": LARGE / 2**20,
}


def commands() -> list[str]:
    """Return what follows `recsys` in every line that would be typed."""
    lines = "\n".join([*(text for _, text in BLOCKS), *re.findall(r"`(recsys .*?)`", PAGE)])
    alone = re.sub(r" +(#.*|&& +)", "\n", lines)
    said = re.findall(r"(?:^|serve |bin/)recsys (.+)|run --rm (train.*)", alone, re.MULTILINE)
    # In a container whose command is `train`, what follows takes its place.
    return [re.sub(r"^train (?=\w)", "", one + other).strip() for one, other in said]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(
    command: str, understands: Callable[[Sequence[str]], None]
) -> None:
    understands(command.split())


def test_every_metric_is_on_the_page_and_no_other() -> None:
    text = Metrics().exposition().decode()
    defined = set(re.findall(r"^# HELP (\w+)", text, re.MULTILINE))
    named = {OF_A_HISTOGRAM.sub("", name) for name in re.findall(r"\brecsys_\w+", PAGE)}
    assert named == {name for name in defined if not name.endswith("_created")}


def test_the_alerts_are_rules() -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "yaml")
    (group,) = yaml.safe_load(text)["groups"]
    assert all({"alert", "expr"} <= set(rule) for rule in group["rules"])
    assert len(group["rules"]) == 8


def test_every_setting_and_variable_is_on_the_page() -> None:
    variables = [value for name, value in vars(settings).items() if name.endswith("_VARIABLE")]
    for name in (*ServiceConfig.model_fields, *variables, metrics.FOLDER_VARIABLE):
        assert name in PAGE


def test_every_scope_and_status_is_on_the_page() -> None:
    for name in (*SCOPES, *get_args(Health.model_fields["status"].annotation)):
        assert f"| `{name}` |" in PAGE


def test_every_route_on_the_page_is_there() -> None:
    paths = create_app(Settings(config_path="recsys.toml")).openapi()["paths"]
    named = re.findall(r"`(GET|POST|PUT|DELETE) (/\S+)`", PAGE)
    assert len(named) >= 4
    for method, path in named:
        assert method.lower() in paths[path]


@pytest.mark.parametrize("said", NUMBERS)
def test_numbers_are_the_codes(said: str) -> None:
    assert said in " ".join(PAGE.split())
    number = re.search(r"[\d,]+", said)
    assert number is not None
    assert int(number[0].replace(",", "")) == NUMBERS[said]


def test_a_backup_of_sqlite_is_a_state(tmp_path: Path) -> None:
    state = StateStore(f"sqlite:///{tmp_path}/state.db")
    state.create()
    state.add_events(pd.DataFrame({"user_id": ["7"], "event": ["view"], "event_id": ["a"]}))
    (statement,) = re.findall(r"sqlite3 state.db \"(VACUUM INTO .*?)\"", PAGE)
    with sqlite3.connect(tmp_path / "state.db") as running:
        running.execute(statement.replace("/backup/state.db", str(tmp_path / "copy.db")))
    running.close()
    # The state is still open, and most of it in its log.
    copy = StateStore(f"sqlite:///{tmp_path}/copy.db")
    assert copy.counts() == state.counts()
    for one in (copy, state):
        one.close()
