"""``recsys experiment``: from a plan to what it came to, on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from recsys.config import load_config
from recsys.events.times import parse_time
from recsys.state import Exposure, StateStore

PLAN = """
name = "home"
hypothesis = "Segments help."
control = "no_segments"
treatments = ["popular"]
primary = "conversion"
segments = ["age"]
planned_users = 40
"""


@pytest.fixture
def plan(shop: Path) -> Path:
    file = shop / "home.toml"
    file.write_text(PLAN, encoding="utf-8")
    return file


@pytest.fixture
def created(ask: Any, shop: Path, plan: Path) -> Path:
    assert ask("experiment", "create", plan, shop=shop).code == 0
    return shop


def serve(shop: Path, arms: list[dict[str, Any]], users: list[str]) -> None:
    """Keep a list for each user, as the service would."""
    state = StateStore(load_config(shop / "recsys.toml").state.url)
    moment = parse_time("2024-05-01T00:00:00Z")
    state.exposures.add(
        [
            Exposure(
                *(f"r-{user}", user, moment, arms[n % 2]["variant"], arms[n % 2]["digest"], "v"),
                *(None, "home"),
                segments={"age": {"young" if n % 3 else "old": 1.0}},
                items=["00100"],
                propensities=[1.0],
                context={},
            )
            for n, user in enumerate(users)
        ]
    )
    state.close()


def test_it_is_written_down_once(ask: Any, created: Path, plan: Path) -> None:
    told = ask("experiment", "show", "home", "--format", "json", shop=created).json
    assert (told["status"], told["plan"]["primary"]) == ("draft", "conversion")
    again = ask("experiment", "create", plan, shop=created)
    assert again.code == 2
    assert "there is an experiment 'home' already" in again.err


def test_its_life(ask: Any, created: Path) -> None:
    for words in (("start", "home"), ("ramp", "home", "1"), ("stop", "home")):
        assert ask("experiment", *words, shop=created).code == 0
    (told,) = ask("experiment", "list", "--format", "json", shop=created).json["experiments"]
    assert (told["name"], told["status"]) == ("home", "stopped")
    assert told["started_at"] <= told["stopped_at"]
    listed = ask("experiment", "list", shop=created)
    assert "home" in listed.out
    assert "stopped" in listed.out
    assert ask("experiment", "start", "home", shop=created).code == 2


def test_what_it_shows(ask: Any, created: Path) -> None:
    told = ask("experiment", "show", "home", "--format", "json", shop=created).json
    assert ask("experiment", "start", "home", shop=created).code == 0
    serve(created, told["arms"], [f"{number:04d}" for number in range(1, 41)])
    words = ("experiment", "analyze", "home", "--until", "2024-06-01T00:00:00Z")
    found = ask(*words, "--format", "json", shop=created).json
    assert found["users"] == 40
    assert found["sample_ratios"][0]["users"] == [20, 20]
    assert found["primary"][0]["users"] == 40
    assert found["verdict"]["answer"] in ("ship", "do not ship")
    shown = ask(*words, "--output", created / "report", shop=created)
    assert "segments" in (created / "report" / "report.html").read_text(encoding="utf-8")
    course = json.loads((created / "report" / "report.json").read_text(encoding="utf-8"))["course"]
    assert len(course) == 28
    assert course[-1]["mean"] == pytest.approx(found["primary"][0]["relative"]["mean"])
    assert found["verdict"]["answer"].upper() in shown.out
    assert "conversion" in shown.out


def test_what_it_came_to_is_kept(ask: Any, created: Path) -> None:
    told = ask("experiment", "show", "home", "--format", "json", shop=created).json
    for words in (("start", "home"), ("stop", "home")):
        ask("experiment", *words, shop=created)
    serve(created, told["arms"], [f"{number:04d}" for number in range(1, 11)])
    assert ask("experiment", "analyze", "home", shop=created).code == 0
    state = StateStore(load_config(created / "recsys.toml").state.url)
    kept = state.experiments.of("home")
    state.close()
    assert kept.results is not None
    assert '"verdict"' in kept.results


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("show", "none"), 5, "there is no experiment 'none'"),
        (("analyze", "none"), 5, "there is no experiment 'none'"),
        (("stop", "home"), 2, "does not run, it is draft"),
        (("ramp", "home", "0.5"), 2, "does not run, it is draft"),
        (("analyze", "home"), 3, "nobody has been served a list"),
        (("create", "none.toml"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_done(
    ask: Any, created: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    answer = ask("experiment", *words, shop=created)
    assert (answer.code, answer.out) == (code, "")
    assert message in answer.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("winner = 1", "'winner' is no key"),
        ("alpha = 2", "alpha = 2: Input should be less than or equal to 0.2"),
        ("alpha = ", "is not TOML"),
        ('strata = "agee"', "there is no axis 'agee'; did you mean 'age'"),
    ],
)
def test_a_plan_that_cannot_be_meant(
    ask: Any, shop: Path, plan: Path, line: str, message: str
) -> None:
    with plan.open("a", encoding="utf-8") as text:
        text.write(line)
    answer = ask("experiment", "create", plan, shop=shop)
    assert answer.code == 2
    assert message in answer.err


def test_what_a_plan_takes(ask: Any, shop: Path, plan: Path) -> None:
    with plan.open("a", encoding="utf-8") as text:
        text.write("effect = 0.1\n")
    found = ask("experiment", "design", plan, "--format", "json", shop=shop).json
    everybody, *segments = found["needed"]
    assert everybody["of"] == "all"
    assert everybody["users"] > 100
    assert {one["of"].partition(":")[0] for one in segments} == {"age"}
    assert set(found["seen"]) == {"7", "14", "28"}
    shown = ask("experiment", "design", plan, shop=shop)
    assert "users needed" in shown.out
    assert f"planned_users = {everybody['users']}" in shown.err


def test_how_it_would_end(ask: Any, shop: Path, plan: Path) -> None:
    words = ("--replications", "20", "--effect", "0", "--format", "json")
    found = ask("experiment", "simulate", plan, *words, shop=shop).json
    assert sum(found["answers"].values()) == found["replications"] == 20
    assert found["answers"]["do not ship"] >= 15
    assert found["planned"] == 40
    shown = ask("experiment", "simulate", plan, "--replications", "5", "--effect", "1", shop=shop)
    assert "effect of +100.0%" in shown.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "age:7"), "nobody is in the segment '7' of 'age'"),
        (("--url", "http://127.0.0.1:9"), "name a folder that `recsys simulate` wrote"),
    ],
)
def test_what_cannot_be_tried_out(
    ask: Any, shop: Path, plan: Path, words: tuple[str, ...], message: str
) -> None:
    answer = ask("experiment", "simulate", plan, *words, shop=shop)
    assert answer.code in (2, 3)
    assert message in answer.err


@pytest.mark.parametrize(
    ("lines", "words", "message"),
    [
        ("", ("popular", "--of", "als"), "'als' has no exploration"),
        ("", ("popular", "--of", "alz"), "no variant 'alz'"),
        (
            '[variants.luck]\nlike = "popular"\nexploration = { kind = "swaps" }\n'
            'diversity = { kind = "mmr" }',
            ("popular", "--of", "luck"),
            "'luck' has rules or a second aim",
        ),
        (
            '[variants.luck]\nlike = "popular"\nexploration = { kind = "swaps" }',
            ("popular", "--of", "luck"),
            "no list of 'luck' was served by the active model",
        ),
        (
            '[variants.luck]\nlike = "popular"\nexploration = { kind = "swaps" }',
            ("popular", "--of", "luck", "--metric", "revenue"),
            "the metric 'revenue' does not count",
        ),
    ],
)
def test_what_cannot_be_estimated(
    ask: Any, shop: Path, lines: str, words: tuple[str, ...], message: str
) -> None:
    with (shop / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write(f"\n{lines}\n")
    answer = ask("experiment", "estimate", *words, shop=shop)
    assert answer.code in (2, 3)
    assert message in answer.err
