"""``recsys serve``: finds out before it starts that it cannot."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes back what the command hands to its workers."""
    for name in ("CONFIG", "CLOCK", "OPEN", "PROFILING"):
        monkeypatch.setenv(f"RECSYS_{name}", "")


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Takes back where the command sends what is said, in what is its own process otherwise."""
    named = [logging.getLogger(name) for name in ("recsys", "uvicorn")]
    before = [(each.handlers[:], each.level, each.propagate) for each in named]
    yield
    for each, (handlers, level, propagate) in zip(named, before, strict=True):
        each.handlers[:], each.propagate = handlers, propagate
        each.setLevel(level)


def test_a_port_that_is_taken(ask: Any, trained: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = ask("serve", "--port", port, shop=trained)
    assert answer.code == 2
    assert f"the service did not start on 127.0.0.1:{port}" in answer.err
    assert "name another with --port" in answer.err
    assert answer.out == ""


def test_without_a_model(ask: Any, untrained: Path) -> None:
    answer = ask("serve", shop=untrained)
    assert answer.code == 4
    assert "run `recsys train`" in answer.err


def test_without_a_state(ask: Any, shop: Path) -> None:
    (shop / "store" / "state.db").unlink()
    answer = ask("serve", shop=shop)
    assert answer.code == 4
    assert "run `recsys train`" in answer.err


def test_a_variant_that_has_not_been_learnt(ask: Any, shop: Path) -> None:
    with (shop / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write('[variants.new]\nsignals = ["als", "habit"]\n')
    answer = ask("serve", shop=shop)
    assert answer.code == 2
    assert "'new'" in answer.err
    assert "train again" in answer.err
