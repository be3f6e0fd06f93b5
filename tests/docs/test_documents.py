"""What the documents say must be what the code does: commands, keys, codes, routes, reasons."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from recsys.cli.exit_codes import EXIT_CODES
from recsys.cli.main import app
from recsys.client.errors import NO_ANSWER, UNKNOWN_ANSWER, UNREACHABLE
from recsys.config import json_schema, parse_config
from recsys.events.attributes import ITEM_RULES, USER_RULES
from recsys.events.campaigns import CAMPAIGN_RULES, COPIES, MEMBER_RULES, UNKNOWN
from recsys.events.categories import DUPLICATE as DUPLICATE_CATEGORY
from recsys.events.categories import TREE_RULES
from recsys.events.imported import COPIES as IMPORTED_COPIES
from recsys.events.imported import RULES as IMPORTED_RULES
from recsys.events.schema import EVENT_FIELDS, EVENT_TYPES, ITEM_FIELDS
from recsys.events.validation import DUPLICATE, Intake, rules
from recsys.experiments import Plan
from recsys.experiments.metrics import METRICS
from recsys.experiments.verdict import ANSWERS
from recsys.ranking import BUILT_IN, Recipe
from recsys.ranking.calibration import CalibrationConfig
from recsys.ranking.diversity import MmrConfig
from recsys.ranking.exploration import PlackettLuceConfig, SwapsConfig
from recsys.ranking.rules import (
    BoostRule,
    BuryRule,
    CapRule,
    ForbidRule,
    OfferRule,
    PinRule,
    RequireRule,
)
from recsys.segments import FEATURES, KINDS
from recsys.segments.presets import preset_names
from service.app import create_app
from service.errors import CODES
from service.settings import CLOCK_VARIABLE, CONFIG_VARIABLE, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DATA = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
SEGMENTS = (ROOT / "recsys" / "segments" / "README.md").read_text(encoding="utf-8")
RANKING = (ROOT / "recsys" / "ranking" / "README.md").read_text(encoding="utf-8")
EXPERIMENTS = (ROOT / "recsys" / "experiments" / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md",
             "benchmarks/README.md", "recsys/segments/README.md",
             "recsys/ranking/README.md", "recsys/experiments/README.md",
             "service/deploy/README.md")  # fmt: skip
OF_AXES = {kind.config.__name__ for kind in KINDS.values()} | {"Calm", "Condition", "Rule"}
"""The tables of the config that the document of segments describes."""
OF_VARIANTS = {model.__name__ for model in (Recipe, PinRule, BoostRule, BuryRule, RequireRule,
               ForbidRule, CapRule, OfferRule, MmrConfig, CalibrationConfig, PlackettLuceConfig,
               SwapsConfig)}  # fmt: skip
"""The tables of the config that the document of ranking describes."""


def document_of(table: str) -> str:
    if table in OF_AXES:
        return SEGMENTS
    return RANKING if table in OF_VARIANTS else README


def commands() -> dict[str, Any]:
    group = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        found |= {f"{name} {n}": c for n, c in children.items()} if children else {name: command}
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented(name: str) -> None:
    first, _, second = name.partition(" ")
    line = next(line for line in README.splitlines() if line.startswith(f"| `recsys {first}"))
    assert second in line


@pytest.mark.parametrize(("name", "command"), commands().items())
def test_every_option_is_documented(name: str, command: Any) -> None:
    # What every command takes is said once, above the table.
    everywhere = {"--config", "--format", "--help", "--keep"}
    lines = [line for line in README.splitlines() if f"`recsys {name.split()[0]}" in line]
    options = [set(parameter.opts) for parameter in command.params if parameter.opts[0][0] == "-"]
    said = " ".join(lines)
    assert [o for o in options if not o & everywhere and not any(n in said for n in o)] == []


def test_no_document_names_a_command_that_is_not_there() -> None:
    known = {name.split()[0] for name in commands()}
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        named = set(re.findall(r"`recsys ([a-z]+)", text))
        assert named <= known, document


def config_keys() -> list[tuple[str, str]]:
    schema = json_schema()
    keys = []
    for definition in schema["$defs"].values():
        keys += [(definition["title"], key) for key in definition.get("properties", {})]
    return keys


@pytest.mark.parametrize(("table", "key"), config_keys())
def test_every_config_key_is_documented(table: str, key: str) -> None:
    assert f"`{key}`" in document_of(table), table


def test_every_table_of_the_config_is_documented() -> None:
    for table in json_schema()["properties"]:
        assert f"`[{table}" in README


def numeric_defaults(document: str) -> dict[str, set[float]]:
    """Every number that a key has as its default, in whichever table the key stands."""
    found: dict[str, set[float]] = {}
    for definition in json_schema()["$defs"].values():
        ours = document_of(definition["title"]) == document
        for key, value in definition.get("properties", {}).items() if ours else ():
            default = value.get("default")
            if isinstance(default, int | float) and not isinstance(default, bool):
                found.setdefault(key, set()).add(float(default))
    return found


def test_documented_defaults_are_the_codes() -> None:
    defaults = numeric_defaults(README)
    shown: dict[str, set[float]] = {}
    for line in README.splitlines():
        if line.count("|") == 5:
            _, _, keys, values, _, _ = line.split("|")
            named = re.findall(r"`(\w+)`", keys)
            listed = [value.strip() for value in re.sub(r"\[.*?\]", "", values).split(",")]
            for key, value in zip(named, listed, strict=False):
                if len(named) == len(listed) and re.fullmatch(r"[\d.]+", value):
                    shown.setdefault(key, set()).add(float(value))
    assert shown == defaults


def test_documented_defaults_of_axes_are_the_codes() -> None:
    shown: dict[str, set[float]] = {}
    for key, number in re.findall(r"`(\w+)` (?:\(in quantiles\) )?(\d[\d.]*)", SEGMENTS):
        shown.setdefault(key, set()).add(float(number))
    assert shown == numeric_defaults(SEGMENTS)


def test_documented_defaults_of_variants_are_the_codes() -> None:
    shown: dict[str, set[float]] = {}
    for key, number in re.findall(r"`(\w+)` (\d[\d.]*)", RANKING):
        shown.setdefault(key, set()).add(float(number))
    assert shown == numeric_defaults(RANKING)


def test_every_feature_is_documented_as_it_is_defined_and_no_other() -> None:
    section = SEGMENTS[SEGMENTS.index("## Profile features") :]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    shown = {name.strip(" `"): (unit.strip(), text.strip()) for name, unit, text in rows}
    defined = {
        feature.name: (feature.unit, feature.definition.replace("|", "∣"))
        for feature in FEATURES.values()
    }
    assert shown == defined


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_documented(name: str) -> None:
    assert f"`{name}`" in SEGMENTS


def test_the_rules_of_the_document_are_a_config() -> None:
    example = re.search(r"```toml\n(.*?)```", SEGMENTS, re.DOTALL)
    assert example is not None
    content = tomllib.loads(example[1] + '[segments.lifecycle]\nkind = "lifecycle"\n')
    parse_config({"data": {"events": "e.csv"}, **content}, ROOT)


@pytest.mark.parametrize("key", Plan.model_fields)
def test_every_key_of_a_plan_is_documented(key: str) -> None:
    assert f"`{key}`" in EXPERIMENTS


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented(name: str) -> None:
    assert f"`{name}`" in EXPERIMENTS


def test_the_plan_of_the_document_is_one() -> None:
    section = README[README.index("## A/B tests") :]
    example = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert example is not None
    assert Plan.model_validate(tomllib.loads(example[1])).name == "home"


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_verdict_is_documented(answer: str) -> None:
    assert f"**{answer}**" in README


@pytest.mark.parametrize("code", sorted({0, 1, *EXIT_CODES.values()}))
def test_every_exit_code_is_documented(code: int) -> None:
    assert re.search(rf"^\| {code} \|", README, re.MULTILINE)


def test_every_route_is_documented() -> None:
    paths = create_app(Settings(config_path="recsys.toml")).openapi()["paths"]
    for path, methods in paths.items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in README


def test_every_error_code_is_documented_and_no_other() -> None:
    section, _, _ = README[README.index("Every error is") :].partition("\n## ")
    named = set(re.findall(r"`([a-z_]+)`", section)) - {"data", "now"}
    assert named == set(CODES)


@pytest.mark.parametrize("code", [UNREACHABLE, NO_ANSWER, UNKNOWN_ANSWER])
def test_every_code_of_the_client_is_documented(code: str) -> None:
    assert f"`{code}`" in README[README.index("## From a storefront") :]


def test_every_setting_is_documented() -> None:
    assert f"`{CONFIG_VARIABLE}`" in README
    assert f"`{CLOCK_VARIABLE}`" in README


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_variant_is_documented(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_axis_is_documented(name: str) -> None:
    assert f"| `{name}` |" in SEGMENTS


def test_every_column_and_event_is_documented() -> None:
    for name in (*(field.name for field in EVENT_FIELDS), *ITEM_FIELDS):
        assert f"`{name}`" in DATA
    for name in EVENT_TYPES:
        assert re.search(rf"\b{name}\b", DATA)


def test_every_reason_of_rejection_is_documented_and_no_other() -> None:
    intake = Intake({}, "purchase", end=0)
    further = (*CAMPAIGN_RULES, *MEMBER_RULES, UNKNOWN, *TREE_RULES, *IMPORTED_RULES)
    every = (*rules(intake, timed=True), DUPLICATE, *USER_RULES, *ITEM_RULES, *further)
    copies = {"duplicate_user_id", "duplicate_item_id", DUPLICATE_CATEGORY}
    reasons = {rule.reason for rule in every} | copies | {*COPIES, *IMPORTED_COPIES}
    section = DATA[DATA.index("## Rows that cannot be used") : DATA.index("## The sample shop")]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == reasons


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    place = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", place.read_text(encoding="utf-8")):
        assert (place.parent / target).exists(), target


@pytest.mark.parametrize("target", ["demo", "test", "check", "test-slow", "audit", "lock"])
def test_documented_make_targets_exist(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert any(
        f"make {target}" in (ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS
    )


def test_rooms_in_the_documents_are_the_rooms_of_the_code() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    folders = [p.name for p in (ROOT / "recsys").iterdir() if (p / "__init__.py").exists()]
    for folder in folders:
        assert f"recsys/{folder}`" in text


def test_sample_shop_is_what_its_script_makes(tmp_path: Path) -> None:
    script = ROOT / "data" / "make_sample.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    for name in ("events.csv", "users.csv", "items.csv"):
        assert (tmp_path / name).read_bytes() == (ROOT / "data" / "sample" / name).read_bytes()


def test_importing_the_library_does_nothing() -> None:
    code = "import sys, recsys; print(sorted(m for m in sys.modules if m.startswith('recsys')))"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "['recsys']"
