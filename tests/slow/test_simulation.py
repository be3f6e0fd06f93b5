"""A million events: the simulator's load run, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "speed" / "simulation.py"
MOST_MB = 600
"""Memory must not grow with the shop: 100 million events took 363 MB."""


def test_a_million_events_are_exactly_as_many_in_bounded_memory(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARK), "1000000", "--folder", str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    (found,) = json.loads(answer.stdout)["figures"]
    assert found["events"] == 1_000_000
    assert found["bytes_per_event"] < 30
    assert found["peak_mb"] < MOST_MB
