"""``recsys tune``: what is said, what is written, and what is left alone."""

import math
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.config import parse_config
from recsys.events.times import parse_time
from recsys.pipelines import tune as tuning
from recsys.pipelines.train import prepare
from recsys.pipelines.tune import FILE, SPACE, values_of
from recsys.ranking.learning import unlearnt
from recsys.state import StateStore

AGE = '[segments.age]\nkind = "attribute"\ncolumn = "age"\n'
N_USERS = 40


@pytest.fixture(scope="module")
def few(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty customers, one axis and few factors; read only."""
    folder = tmp_path_factory.mktemp("few")
    for name in ("users", "items"):
        shutil.copy(untrained / f"{name}.csv", folder)
    events = pd.read_csv(untrained / "events.csv", dtype=str)
    kept = sorted(events["user_id"].unique())[:N_USERS]
    events[events["user_id"].isin(kept)].to_csv(folder / "events.csv", index=False)
    config = '[data]\nevents = "events.csv"\nusers = "users.csv"\nitems = "items.csv"\n'
    model = "[model]\nfactors = 4\niterations = 2\nalpha = 0.2\n"
    (folder / "recsys.toml").write_text(config + AGE + model, encoding="utf-8")
    return folder


@pytest.fixture
def small(few: Path, tmp_path: Path) -> Path:
    """A copy, to tune."""
    return Path(shutil.copytree(few, tmp_path / "small"))


@pytest.fixture(scope="module")
def windows() -> dict[int, Any]:
    """What was prepared for each moment."""
    return {}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, windows: dict[int, Any]) -> None:
    """Rehearsals that cost nothing: the score rises with alpha."""

    def prepared(shop: Any, config: Any, *, as_of: int) -> Any:
        if as_of not in windows:
            windows[as_of] = prepare(shop, config, as_of=as_of)
        return windows[as_of]

    def rehearse(learning: Any, config: Any, variant: Any, *, threads: int) -> Any:
        return unlearnt(())._replace(ndcg=0.2 + math.log(config.model.alpha) / 100)

    monkeypatch.setattr(tuning, "prepare", prepared)
    monkeypatch.setattr(tuning, "rehearse", rehearse)


def everything(shop: Path) -> dict[str, bytes]:
    """Every file of a shop but the studies."""
    files = [file for file in shop.rglob("*") if file.is_file() and file.name != FILE]
    return {str(file.relative_to(shop)): file.read_bytes() for file in files}


def found(ask: Any, shop: Path, *words: object) -> dict[str, Any]:
    answer = ask("tune", *words, "--format", "json", shop=shop)
    assert answer.code == 0, answer.err
    document: dict[str, Any] = answer.json
    return document


def test_a_search_from_end_to_end(ask: Any, small: Path) -> None:
    before = everything(small)
    document = found(ask, small, "--trials", 1)
    assert document["trials"] == 1
    assert document["own"] == document["best"]
    assert document["own"]["values"]["model.alpha"] == 0.2
    assert 0 < document["own"]["score"] < 1
    assert (document["gain"], document["better"], document["changed"]) == (None, False, [])
    newest = parse_time(pd.read_csv(small / "events.csv")["timestamp"].max())
    assert parse_time(document["as_of"]) == newest - 28 * 86_400_000_000
    assert everything(small) == before


def test_people_see_what_to_paste(ask: Any, quick: None, small: Path, tmp_path: Path) -> None:
    written = tmp_path / "new" / "best.toml"
    document = found(ask, small, "--trials", 3, "--output", written)
    text = written.read_text(encoding="utf-8")
    assert text == document["toml"]
    config = parse_config({"data": {"events": "e.csv"}, **tomllib.loads(text)}, tmp_path)
    assert values_of(config, SPACE) == document["best"]["values"]

    answer = ask("tune", "--trials", 1, "--output", written, shop=small)
    assert answer.code == 0
    assert "segment_aware: the best of 4 trials" in answer.out
    assert "model.alpha" in answer.out
    assert "put this into your config, and train again" in answer.err
    assert answer.out.endswith(written.read_text(encoding="utf-8"))


def test_programs_see_everything(ask: Any, quick: None, small: Path) -> None:
    document = found(ask, small, "--trials", 3, "--variant", "no_segments")
    assert document["variant"]["name"] == "no_segments"
    assert "model.kappa_scale" not in document["own"]["values"]
    assert document["better"]
    assert document["gain"]["low"] > 0
    assert document["gain"]["n"] == tuning.DRAWS
    assert "model.alpha" in document["changed"]
    assert document["importances"] == {}
    assert Path(document["file"]) == small / "store" / FILE
    assert tomllib.loads(document["toml"])["model"]["alpha"] > 0.2


def test_a_config_that_is_best_is_left_as_it_is(ask: Any, quick: None, small: Path) -> None:
    text = (small / "recsys.toml").read_text(encoding="utf-8")
    high = text.replace("alpha = 0.2", "alpha = 1000.0")
    (small / "recsys.toml").write_text(high, encoding="utf-8")
    answer = ask("tune", "--trials", 3, shop=small)
    assert answer.code == 0
    assert "no trial scored higher than your config: leave it as it is" in answer.err
    assert "[model]" not in answer.out


def test_a_study_can_begin_again(ask: Any, quick: None, small: Path) -> None:
    assert found(ask, small, "--trials", 2)["trials"] == 2
    assert found(ask, small, "--trials", 1)["trials"] == 3
    assert found(ask, small, "--trials", 2, "--restart")["trials"] == 2


def test_time_is_up_after_the_first_trial(ask: Any, quick: None, small: Path) -> None:
    assert found(ask, small, "--trials", 9, "--timeout", 0)["trials"] == 1


def test_another_moment_is_another_study(ask: Any, quick: None, small: Path) -> None:
    usual = found(ask, small, "--trials", 1)
    earlier = found(ask, small, "--trials", 1, "--as-of", "2024-05-01T10:00:00+02:00")
    assert earlier["as_of"] == "2024-05-01T08:00:00Z"
    assert earlier["study"] != usual["study"]
    assert earlier["trials"] == 1


def test_an_interrupted_search_says_that_it_can_be_gone_on_with(
    ask: Any, quick: None, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(ask, small, "--trials", 2)

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "rehearse", interrupted)
        answer = ask("tune", "--trials", 5, shop=small)
    assert answer.code != 0
    assert answer.out == ""
    assert "the same command goes on from there" in answer.err
    assert found(ask, small, "--trials", 1)["trials"] == 3


def test_without_times_no_half_life_is_searched(ask: Any, quick: None, small: Path) -> None:
    events = pd.read_csv(small / "events.csv", dtype=str).drop(columns="timestamp")
    events.to_csv(small / "events.csv", index=False)
    document = found(ask, small, "--trials", 1)
    assert document["as_of"] is None
    assert "interactions.half_life" not in document["own"]["values"]
    assert "interactions" not in tomllib.loads(document["toml"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--trials", "0"], 2, "--trials"),
        (["--timeout", "-1"], 2, "--timeout"),
        (["--variant", "segment_awar"], 2, "did you mean 'segment_aware'?"),
        (["--variant", "popular"], 2, "nothing to tune for the variant 'popular'"),
        (["--as-of", "soon"], 2, "--as-of 'soon' is not an ISO 8601 time"),
        (["--as-of", "2023-01-01"], 3, "no event before the moment to learn at"),
    ],
)
def test_what_cannot_be_done(ask: Any, small: Path, words: list[str], code: int, said: str) -> None:
    answer = ask("tune", *words, shop=small)
    assert answer.code == code
    assert said in answer.err
    assert answer.out == ""
    assert not (small / "store").exists()


def test_too_little_history(ask: Any, small: Path) -> None:
    events = pd.read_csv(small / "events.csv", dtype=str)
    one = events[events["user_id"] == events["user_id"].iloc[0]]
    one.to_csv(small / "events.csv", index=False)
    answer = ask("tune", "--as-of", "2024-06-27", shop=small)
    assert answer.code == 3
    assert "too little history before 2024-06-27T00:00:00Z to tune on" in answer.err


def test_the_config_itself_is_not_overwritten(ask: Any, small: Path) -> None:
    config = small / "recsys.toml"
    before = config.read_bytes()
    answer = ask("tune", "--output", small / ".." / "small" / "recsys.toml", shop=small)
    assert answer.code == 2
    assert "is the config itself; name another file" in answer.err
    assert config.read_bytes() == before


def test_without_optuna_the_remedy_is_named(
    ask: Any, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = ask("tune", shop=small)
    assert answer.code == 2
    assert answer.err == 'error: tuning needs optuna: pip install "recsys[tune]"\n'


def test_a_store_that_cannot_be_written(ask: Any, quick: None, small: Path) -> None:
    (small / "store").write_text("no folder", encoding="utf-8")
    answer = ask("tune", "--trials", 1, shop=small)
    assert answer.code == 4
    assert "check [store] path" in answer.err


def test_bundles_and_the_state_are_not_touched(ask: Any, quick: None, small: Path) -> None:
    for name in ("active.json", "bundles/20240629-1/manifest.json"):
        (small / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        (small / "store" / name).write_bytes(name.encode())
    # It is read, for what users agreed to.
    state = StateStore(f"sqlite:///{small}/store/state.db")
    state.create()
    state.put_person("0001", consent="none")
    state.close()
    before = everything(small)
    found(ask, small, "--trials", 2)
    assert everything(small) == before
