"""The commands as such: help, usage, exit codes, and what goes to which stream."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from recsys import errors
from recsys.cli import output
from recsys.cli.exit_codes import EXIT_CODES, exit_code
from recsys.cli.main import app
from recsys.errors import RecsysError

OVER_HTTP = ("service.", "recsys.client.")
INSTALLED = Path(sys.executable).with_name("recsys")


def plain(text: str) -> str:
    """Leave out colours, which usage and help have on some machines."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def commands() -> list[str]:
    found = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        found += [f"{name} {child}" for child in getattr(command, "commands", [])] or [name]
    return found


@pytest.mark.parametrize("command", ["", "models", *commands()])
def test_every_command_explains_itself(ask: Any, command: str) -> None:
    answer = ask(*command.split(), "--help")
    assert answer.code == 0
    assert f"Usage: {' '.join(['recsys', command]).strip()} " in plain(answer.out)
    assert answer.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["recommend", "--everyone"], "--everyone"),
        (["recommend", "-k", "many", "--user", "1"], "-k"),
        (["train", "--format", "xml"], "xml"),
        (["train", "superfluous"], "superfluous"),
        (["models", "show"], "VERSION"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--clock", "moon"], "moon"),
    ],
)
def test_a_usage_error_is_explained_on_stderr(ask: Any, words: list[str], said: str) -> None:
    answer = ask(*words)
    assert answer.code == 2
    assert said.lower() in plain(answer.err).lower()
    assert answer.out == ""
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("words", [[], ["models"]])
def test_nothing_asked_is_a_usage_error_that_shows_the_commands(ask: Any, words: list[str]) -> None:
    answer = ask(*words)
    assert answer.code == 2
    assert "Commands" in answer.out + answer.err


def test_what_nobody_expected_is_exit_1(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("recsys.cli.schema.json_schema", surprise)
    answer = ask("schema")
    assert answer.code == 1
    assert "ZeroDivisionError: a bug" in answer.err
    assert answer.out == ""


def every_error(kind: type[RecsysError]) -> list[type[RecsysError]]:
    """All there are but those of the service, and of its client: no command raises them."""
    mine = [one for one in kind.__subclasses__() if not one.__module__.startswith(OVER_HTTP)]
    return [kind, *(below for child in mine for below in every_error(child))]


@pytest.mark.parametrize("kind", every_error(RecsysError)[1:])
def test_every_error_has_the_exit_code_of_its_row(
    ask: Any, monkeypatch: pytest.MonkeyPatch, kind: type[RecsysError]
) -> None:
    def fail() -> None:
        raise kind("the value, the place [b]and[/b] the remedy")

    monkeypatch.setattr("recsys.cli.schema.json_schema", fail)
    answer = ask("schema")
    row = next(row for row in kind.__mro__ if row in EXIT_CODES)
    assert answer.code == exit_code(kind()) == EXIT_CODES[row]
    assert answer.err == "error: the value, the place [b]and[/b] the remedy\n"
    assert kind.__module__ == errors.__name__


def test_commands_reach_the_rows_of_exit_codes(
    ask: Any, untrained: Path, trained: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "recsys.toml"
    gone.write_text('[data]\nevents = "gone.csv"\n', encoding="utf-8")
    assert ask("schema").code == 0
    assert ask("validate", shop=tmp_path / "nowhere").code == 2
    assert ask("validate", shop=tmp_path).code == 3
    assert ask("recommend", "--user", "0001", shop=untrained).code == 4
    assert ask("models", "show", "none", shop=trained).code == 5


def test_a_missing_config_says_how_to_get_one(ask: Any, tmp_path: Path) -> None:
    for words in (
        ["validate"],
        ["segment"],
        ["train"],
        ["tune"],
        ["evaluate"],
        ["serve"],
        ["models", "list"],
    ):
        answer = ask(*words, shop=tmp_path)
        assert answer.code == 2
        assert "`recsys init EVENTS`" in answer.err


def test_workers_get_the_config_by_the_environment(
    ask: Any, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECSYS_CONFIG", str(trained / "recsys.toml"))
    assert ask("models", "list", "--format", "json").json["models"][0]["active"]
    assert ask("models", "list", shop=tmp_path).code == 2


def test_the_installed_command(trained: Path) -> None:
    version = subprocess.run([INSTALLED, "--version"], capture_output=True, text=True, check=True)
    assert (version.stdout.strip().count("."), version.stderr) == (2, "")
    config = str(trained / "recsys.toml")
    words = ["recommend", "--user", "0001", "--variant", "popula", "-c", config]
    refused = subprocess.run([INSTALLED, *words], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "error: no variant 'popula'; did you mean 'popular'?\n"


class TestOutput:
    def test_what_looks_like_markup_is_shown_as_it_is(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        strange = ("[/b]", "[red]x", ":tea:", "日本", "a\\[b]")
        output.print_table("[title]", ("item",), [(item,) for item in strange])
        output.say("[/note] :tea:")
        out, err = capsys.readouterr()
        assert all(text in out for text in ("[title]", *strange))
        assert err == "[/note] :tea:\n"

    def test_json_has_no_word_for_nan(self) -> None:
        document = {"a": (float("nan"), 1), "b": {"c": float("inf")}, "d": "ä"}
        written = json.loads(output.to_json(document), parse_constant=pytest.fail)
        assert written == {"a": [None, 1], "b": {"c": None}, "d": "ä"}

    def test_a_bar_is_drawn_on_a_terminal_only(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        with output.progress_bar("working", 2) as advance:
            advance()
        assert capsys.readouterr() == ("", "")
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        with output.progress_bar("working", 2) as advance:
            advance()
        out, err = capsys.readouterr()
        assert out == ""
        assert "working" in err


@pytest.mark.parametrize(
    "words",
    [
        ["validate"],
        ["segment"],
        ["recommend", "--user", "0001"],
        ["recommend", "--user", "nobody", "--explain"],
        ["models", "list"],
    ],
)
def test_json_is_one_document_and_nothing_beside_it(
    ask: Any, trained: Path, words: list[str]
) -> None:
    answer = ask(*words, "--format", "json", shop=trained)
    assert answer.code == 0
    assert isinstance(answer.json, dict)
    assert "\x1b" not in answer.err


def test_schema_is_json(ask: Any) -> None:
    assert "data" in ask("schema").json["properties"]
