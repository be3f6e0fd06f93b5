"""A process beside the one that answers ends with it, whether it wants to or not."""

import os
import time
from pathlib import Path

import pytest

from recsys.cli.beside import PATIENCE_SECONDS, beside

STUBBORN = """
import os, pathlib, time
note = pathlib.Path(__file__).with_name("pid")
note.with_suffix(".new").write_text(str(os.getpid()))
note.with_suffix(".new").rename(note)
time.sleep(120)
"""


def test_one_that_does_not_end_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with beside("stubborn"):
        while not (tmp_path / "pid").exists():
            time.sleep(0.01)
        start = time.monotonic()
    assert time.monotonic() - start < PATIENCE_SECONDS + 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), 0)
