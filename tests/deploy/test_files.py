"""Dockerfile, compose file and systemd units: what they name is there, and linters are content."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from recsys.cli import beside, serve
from recsys.config import RecsysConfig, load_config
from service.settings import CONFIG_VARIABLE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "service" / "deploy"
HOME = "/var/lib/recsys"
"""What is kept when a container or a unit ends."""
CONFIG_FILE = "/etc/recsys/recsys.toml"
OF_LIBPQ = {
    option.envvar.decode() for option in psycopg.pq.Conninfo.get_defaults() if option.envvar
}
OF_PYTHON = {"PATH", "TMPDIR", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
OF_POSTGRES_IMAGE = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}

Understands = Callable[[Sequence[str]], None]


def tool(name: str) -> str:
    """Return a linter's path; skip where there is none."""
    beside_python = Path(sys.executable).with_name(name)
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def rest_of(dockerfile: Any, word: str) -> list[str]:
    return [one.rest for one in dockerfile if one.word == word]


def values(settings: Any, key: str) -> list[str]:
    return [one.value for one in settings if one.key == key]


def seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)s?", text)
    assert found is not None, text
    return int(found[1])


# The example config


@pytest.fixture(scope="module")
def config() -> RecsysConfig:
    return load_config(DEPLOY / "recsys.toml")


def test_the_store_is_kept_and_the_shop_only_read(config: RecsysConfig, compose: Any) -> None:
    mounts = [volume.rsplit(":", 2) for volume in compose["services"]["serve"]["volumes"]]
    writable = {one[-1] for one in mounts if one[-1] != "ro"}
    assert config.store.path.startswith(f"{HOME}/")
    assert HOME in writable
    shop = str(Path(config.data.events).parent)
    assert shop in {one[-2] for one in mounts if one[-1] == "ro"}


def test_the_example_names_no_host_and_no_secret(config: RecsysConfig) -> None:
    assert config.state.url == "postgresql+psycopg://"


# Dockerfile


def test_hadolint_is_content() -> None:
    found = run(tool("hadolint"), DEPLOY / "Dockerfile")
    assert (found.returncode, found.stdout) == (0, "")


def copied(dockerfile: Any) -> set[str]:
    """Return what the image is built from."""
    listed = [rest.split()[:-1] for rest in rest_of(dockerfile, "COPY") if "--from" not in rest]
    return {name for names in listed for name in names}


def test_what_is_copied_is_there_and_reaches_the_builder(dockerfile: Any) -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert copied(dockerfile) == let_through
    assert all((ROOT / name).exists() for name in let_through)


@pytest.mark.slow
def test_what_is_copied_is_enough_to_build_from(dockerfile: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in copied(dockerfile):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, source)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {"service/app.py", "service/logging.json", "recsys/segments/presets/jd.toml"} <= held
    assert not any(name.startswith("service/deploy") for name in held)


def test_the_image_has_a_python_that_will_do_and_the_pins(dockerfile: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = [int(part) for part in project["requires-python"].removeprefix(">=").split(".")]
    for image in rest_of(dockerfile, "FROM"):
        version = re.match(r"python:(\d+)\.(\d+)\.\d+-slim", image)
        assert version is not None, image
        assert [int(part) for part in version.groups()] >= lowest
    (install,) = (rest for rest in rest_of(dockerfile, "RUN") if "pip install" in rest)
    assert "-c constraints.txt" in install
    (extras,) = (rest.removeprefix("EXTRAS=") for rest in rest_of(dockerfile, "ARG"))
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_image_runs_as_somebody_who_is_not_root(dockerfile: Any) -> None:
    (user,) = rest_of(dockerfile, "USER")
    assert int(user) > 0
    assert any(f"--uid {user} " in rest for rest in rest_of(dockerfile, "RUN"))
    assert rest_of(dockerfile, "WORKDIR")[-1] == HOME


def test_what_the_image_starts_is_understood(dockerfile: Any, understands: Understands) -> None:
    (entry,) = map(json.loads, rest_of(dockerfile, "ENTRYPOINT"))
    (words,) = map(json.loads, rest_of(dockerfile, "CMD"))
    assert entry == ["recsys"]
    understands(words)


def test_the_ports_are_the_one_that_is_served(dockerfile: Any, compose: Any) -> None:
    (port,) = rest_of(dockerfile, "EXPOSE")
    (health,) = rest_of(dockerfile, "HEALTHCHECK")
    assert f":{port}/v1/health/live" in health
    (published,) = compose["services"]["serve"]["ports"]
    assert published == f"127.0.0.1:{port}:{port}"
    assert serve.serve.__defaults__ is not None
    assert int(port) in serve.serve.__defaults__


# compose.yaml


def test_the_compose_file_is_one() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    found = run(tool("check-jsonschema"), *schema, DEPLOY / "compose.yaml")
    assert found.returncode == 0, found.stdout


def test_what_compose_starts_is_understood(compose: Any, understands: Understands) -> None:
    ours = [one for one in compose["services"].values() if one["image"] == "recsys"]
    assert len(ours) == 2
    for one in ours:
        understands(one["command"])


def test_compose_builds_from_the_root(compose: Any) -> None:
    build = compose["services"]["serve"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_the_files_compose_mounts_are_there(compose: Any) -> None:
    for volume in compose["services"]["serve"]["volumes"]:
        source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0]
        assert source in compose["volumes"] or (DEPLOY / source).exists(), source


def test_no_secret_stands_in_the_compose_file(compose: Any) -> None:
    for one in compose["services"].values():
        for name, value in one["environment"].items():
            assert "PASSWORD" not in name or value.startswith("${POSTGRES_PASSWORD:?")


# systemd


@pytest.fixture
def installed(tmp_path: Path, units: Any) -> Path:
    """A root with the units where they belong, and something to start."""
    shutil.copytree(DEPLOY / "systemd", tmp_path / "etc" / "systemd" / "system")
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    started = tmp_path / values(units["recsys-serve.service"], "ExecStart")[0].split()[0][1:]
    started.parent.mkdir(parents=True)
    started.write_text("#!/bin/sh\n")
    started.chmod(0o755)
    return tmp_path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_is_content(installed: Path, units: Any) -> None:
    found = run("systemd-analyze", "verify", f"--root={installed}", *units)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["recsys-serve.service", "recsys-train.service"])
def test_little_is_open_to_a_unit(installed: Path, name: str) -> None:
    # From 0, nothing, to 100, everything; a unit that says nothing of it has 96.
    words = ("security", "--offline=true", "--threshold=20", f"--root={installed}")
    found = run("systemd-analyze", *words, name)
    assert found.returncode == 0, found.stdout


def test_what_units_start_is_understood(units: Any, understands: Understands) -> None:
    started = [
        line.split()
        for settings in units.values()
        for key in ("ExecStart", "ExecStartPost")
        for line in values(settings, key)
    ]
    assert len(started) == 3
    for program, *words in started:
        assert program == "/opt/recsys/bin/recsys"
        understands(words)


def test_units_keep_what_they_write(units: Any) -> None:
    for name in ("recsys-serve.service", "recsys-train.service"):
        (folder,) = values(units[name], "StateDirectory")
        assert f"/var/lib/{folder}" == HOME
        assert values(units[name], "WorkingDirectory") == [HOME]


# What they have in common


def named_variables(dockerfile: Any, compose: Any, units: Any) -> dict[str, str]:
    (image,) = rest_of(dockerfile, "ENV")
    pairs = image.split()
    for settings in units.values():
        pairs += values(settings, "Environment")
    found = dict(pair.split("=", 1) for pair in pairs)
    for service in compose["services"].values():
        found |= service["environment"]
    return found


def test_every_variable_is_somebodys(dockerfile: Any, compose: Any, units: Any) -> None:
    known = {CONFIG_VARIABLE} | OF_LIBPQ | OF_PYTHON | OF_POSTGRES_IMAGE
    found = named_variables(dockerfile, compose, units)
    assert set(found) <= known
    assert found[CONFIG_VARIABLE] == CONFIG_FILE
    mounted = compose["services"]["serve"]["volumes"]
    assert f"./recsys.toml:{CONFIG_FILE}:ro" in mounted


def test_nobody_is_killed_before_it_has_finished(compose: Any, units: Any) -> None:
    needed = serve.GRACE_SECONDS + beside.PATIENCE_SECONDS
    (unit,) = values(units["recsys-serve.service"], "TimeoutStopSec")
    for granted in (compose["services"]["serve"]["stop_grace_period"], unit):
        assert seconds(granted) > needed
