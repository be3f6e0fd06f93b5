"""``recsys doctor``: every part is looked at, nothing is changed, and a problem leaves with 6."""

import re
import sqlite3
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.pipelines.doctor import (
    EVENTS_A_CORE,
    EVENTS_IN_SQLITE,
    LARGE_TEXT,
    MEMORY_AN_EVENT,
    PARTS,
    Part,
    container_quota,
    count_rows,
    data_file,
    disk,
    events,
    held,
    installed,
    memory,
    state,
    usable_cores,
)

ROOT = Path(__file__).parents[2]


def found(answer: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in answer.json["checks"]}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def sparse(path: Path, size: int) -> str:
    with path.open("wb") as file:
        file.truncate(size)
    return str(path)


def test_a_trained_shop_is_in_order_and_stays_as_it_is(ask: Any, shop: Path) -> None:
    before = contents(shop)
    answer = ask("doctor", "--format", "json", shop=shop)
    checks = found(answer)
    assert answer.code == 0
    assert answer.json["problems"] == []
    assert {name: checks[name]["status"] for name in ("config", "store", "state", "events")} == {
        "config": "ok",
        "store": "ok",
        "state": "ok",
        "events": "ok",
    }
    users = len(pd.read_csv(shop / "users.csv"))
    rows = len(pd.read_csv(shop / "events.csv"))
    assert checks["state"]["finding"] == f"{users:,} users, {rows:,} events"
    (version,) = (shop / "store" / "bundles").iterdir()
    assert checks["store"]["finding"].endswith(f"version {version.name} is active")
    assert checks["[data] events"]["finding"].startswith("1 file, ")
    assert contents(shop) == before


def test_people_read_a_table(ask: Any, shop: Path) -> None:
    answer = ask("doctor", shop=shop)
    assert answer.code == 0
    for word in ("Checks", "what to do", "Python", "implicit", "BLAS", "[data] items", "state"):
        assert word in answer.out


def test_before_training_it_says_what_comes_next(ask: Any, new_shop: Path) -> None:
    before = contents(new_shop)
    answer = ask("doctor", "--format", "json", shop=new_shop)
    assert answer.code == 0
    for name in ("store", "state"):
        check = found(answer)[name]
        assert (check["status"], check["remedy"]) == ("note", "run `recsys train`")
    assert contents(new_shop) == before


def test_without_a_config_only_the_machine_is_looked_at(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECSYS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    answer = ask("doctor", "--format", "json")
    assert answer.code == 0
    assert {"Python", "cores", "BLAS", "OpenMP", "memory", "disk"} < set(found(answer))
    assert {"config", "store", "state"}.isdisjoint(found(answer))
    (tmp_path / "recsys.toml").write_text("[dta]\n", encoding="utf-8")
    assert ask("doctor").code == 6


@pytest.mark.parametrize(
    ("change", "problem", "said"),
    [
        (("events.csv", "gone.csv"), "[data] events", "no file matches"),
        (("items.csv", "items.xlsx"), "[data] items", "no file matches"),
        (("[data]", "[dta]"), "config", "did you mean 'data'"),
    ],
)
def test_what_is_wrong_with_a_config_leaves_with_6(
    ask: Any, new_shop: Path, change: tuple[str, str], problem: str, said: str
) -> None:
    config = new_shop / "recsys.toml"
    config.write_text(config.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    answer = ask("doctor", "--format", "json", shop=new_shop)
    assert (answer.code, answer.json["problems"]) == (6, [problem])
    assert said in found(answer)[problem]["finding"]
    assert found(answer)[problem]["remedy"]
    assert f"found a problem: {problem}" in answer.err


def test_events_in_the_state_are_no_files(ask: Any, shop: Path) -> None:
    config = shop / "recsys.toml"
    changed = config.read_text(encoding="utf-8").replace('"events.csv"', '"state"')
    config.write_text(changed, encoding="utf-8")
    answer = ask("doctor", "--format", "json", shop=shop)
    assert (answer.code, answer.json["problems"]) == (0, [])
    assert "[data] events" not in found(answer)
    assert " events" in found(answer)["state"]["finding"]


def test_a_query_is_asked_for_its_first_rows(
    ask: Any, new_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = new_shop / "recsys.toml"
    query = '{ url = "env:SHOP_DB", query = "SELECT 7 AS user_id, 8 AS item_id" }'
    changed = config.read_text(encoding="utf-8").replace('"events.csv"', query)
    config.write_text(changed, encoding="utf-8")
    (new_shop / "shop.db").touch()
    monkeypatch.setenv("SHOP_DB", f"sqlite:///{new_shop}/shop.db")
    answer = ask("doctor", "--format", "json", shop=new_shop)
    assert found(answer)["[data] events"] == {
        "name": "[data] events",
        "status": "ok",
        "finding": "a query of env:SHOP_DB gives user_id, item_id",
        "remedy": "",
    }
    monkeypatch.delenv("SHOP_DB")
    answer = ask("doctor", "--format", "json", shop=new_shop)
    assert answer.json["problems"] == ["[data] events"]
    assert "'SHOP_DB' is not set" in found(answer)["[data] events"]["finding"]


def test_a_config_that_is_named_and_not_there(ask: Any, tmp_path: Path) -> None:
    answer = ask("doctor", "--format", "json", shop=tmp_path)
    assert (answer.code, answer.json["problems"]) == (6, ["config"])
    assert "recsys init" in found(answer)["config"]["finding"]


def test_a_damaged_store_and_a_damaged_state(ask: Any, shop: Path) -> None:
    (manifest,) = (shop / "store" / "bundles").glob("*/manifest.json")
    manifest.write_text("{}", encoding="utf-8")
    (shop / "store" / "state.db").write_bytes(b"no database, but long enough to be looked at")
    answer = ask("doctor", "--format", "json", shop=shop)
    assert (answer.code, answer.json["problems"]) == (6, ["store", "state"])
    assert "not a database" in found(answer)["state"]["finding"]


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    before = contents(tmp_path)
    check = state(f"sqlite:///{tmp_path / 'other.db'}")
    assert check.status == "note"
    assert "another program" in check.remedy
    assert contents(tmp_path) == before


def test_a_state_of_no_known_kind_shows_no_secret() -> None:
    check = state("mysql://shop:secret@host/db")
    assert check.status == "problem"
    assert "secret" not in str(check)


def test_every_dependency_is_known_with_what_it_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=!\[; ]", text)[0] for text in project["dependencies"]}
    assert names <= {part.name for part in PARTS if part.required}
    assert {installed(part).status for part in PARTS if part.name in names} == {"ok"}


def test_a_part_that_is_missing() -> None:
    missing = Part("no-such-package-of-anybody", "nothing", "pip install nothing")
    assert installed(missing).status == "problem"
    optional = installed(missing._replace(required=False))
    assert (optional.status, optional.remedy) == ("note", "pip install nothing")


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000\n", None), ("", None), ("50000 100000", 0.5)]
)
def test_what_a_container_leaves_of_the_cores(text: str, cores: float | None) -> None:
    assert container_quota(text) == cores


def test_large_text_is_worth_converting(tmp_path: Path) -> None:
    small = data_file("[data] events", sparse(tmp_path / "small.csv", LARGE_TEXT))
    assert small.status == "ok"
    large = data_file("[data] events", sparse(tmp_path / "large.csv", LARGE_TEXT + 1))
    assert large.status == "note"
    assert "all_varchar" in large.remedy
    parquet = data_file("[data] events", sparse(tmp_path / "large.parquet", LARGE_TEXT + 1))
    assert parquet.status == "ok"


def test_files_of_no_known_kind(tmp_path: Path) -> None:
    check = data_file("[data] users", sparse(tmp_path / "users.xlsx", 1))
    assert check.status == "problem"
    assert ".parquet" in check.remedy


def test_parquet_is_counted_by_its_own_word(tmp_path: Path) -> None:
    for number in (3, 4):
        frame = pd.DataFrame({"a": range(number)})
        frame.to_parquet(tmp_path / f"it's {number}.parquet")
    assert count_rows(str(tmp_path / "*.parquet")) == (7, True)
    assert count_rows(sparse(tmp_path / "a.csv", 600)) == (10, False)
    assert count_rows(str(tmp_path / "gone")) == (0, False)


def test_what_would_be_slow_is_noted() -> None:
    most = EVENTS_A_CORE * usable_cores()
    assert events(most, known=True).status == "ok"
    assert events(most + 1, known=True).status == "note"
    counts = {"users": 1, "events": EVENTS_IN_SQLITE}
    more = {"users": 1, "events": EVENTS_IN_SQLITE + 1}
    assert held(counts, in_sqlite=True).status == "ok"
    assert held(more, in_sqlite=True).status == "note"
    assert held(more, in_sqlite=False).status == "ok"


def test_room_is_held_against_what_is_needed(tmp_path: Path) -> None:
    assert disk(tmp_path / "not" / "there", 0).status == "ok"
    assert disk(tmp_path, 10**18).status == "note"
    assert memory(10, 10 * MEMORY_AN_EVENT).status == "ok"
    assert memory(10, 10 * MEMORY_AN_EVENT - 1).status == "note"
    assert memory(10**15, None).status == "ok"
