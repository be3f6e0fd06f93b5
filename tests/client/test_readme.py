"""The example of the README runs as it stands, but for the address."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recsys.cli import run
from recsys.client import Patience

from ..serving import listening

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## From a storefront") :]
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def key(
    own_shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["keys", "create", "storefront", "--scope", "write"]
    assert run([*words, "-c", str(own_shop / "recsys.toml")]) == 0
    monkeypatch.setenv("SHOP_KEY", capsys.readouterr().out.strip())


@pytest.mark.usefixtures("key")
def test_the_example_runs(own_shop: Path) -> None:
    names: dict[str, Any] = {}
    with listening(own_shop) as address:
        exec(EXAMPLE.replace(ADDRESS, address), names)
    assert len(names["shown"]) == 5
    assert names["click"]["recommendation_id"] == names["answer"]["recommendation_id"]
    assert names["receipt"] == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_the_example_is_typed(tmp_path: Path) -> None:
    file = tmp_path / "storefront.py"
    file.write_text(EXAMPLE, encoding="utf-8")
    words = ["--strict", "--config-file", "", "--cache-dir", str(tmp_path / "cache"), str(file)]
    # In a process of its own: it raises the limit of recursion for whoever comes after it.
    done = subprocess.run([sys.executable, "-m", "mypy", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_times_are_the_codes() -> None:
    assert f"patience={Patience()}" in SECTION
