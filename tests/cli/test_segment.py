"""``recsys segment``: who is in which segment as of a moment."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.segments import FEATURES


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".csv":
        return pd.read_csv(path, dtype={"user_id": "str", "segment": "str"})
    lines = path.read_text(encoding="utf-8").splitlines()
    return pd.DataFrame([json.loads(line) for line in lines])


def test_every_axis_and_segment_with_its_size(ask: Any, untrained: Path) -> None:
    answer = ask("segment", "--quick", "--format", "json", shop=untrained)
    assert answer.code == 0
    report = answer.json
    assert report["users"] == 61
    assert report["notes"] == []
    sizes = pd.DataFrame(report["segments"])
    assert set(sizes) == {"axis", "segment", "users", "weight", "share", "definition"}
    totals = sizes.groupby("axis")["weight"].sum()
    assert set(totals.index) == {"lifecycle", "rfm", "spending", "interest", "age", "region"}
    assert (totals < 61.001).all()
    assert totals["region"] == 61
    assert totals["lifecycle"] == 60
    assert sizes["definition"].str.len().gt(0).all()


def test_people_see_a_table(ask: Any, untrained: Path) -> None:
    answer = ask("segment", shop=untrained)
    assert "Segments of 61 users" in answer.out
    assert "age is 60+" in answer.out
    assert "What each axis is worth" in answer.out
    assert "Knowing age makes the next purchase" in answer.err
    assert "nothing rises or falls beyond chance" in answer.err


def test_a_report_is_a_folder_to_look_at_and_to_read(
    ask: Any, untrained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "report"
    answer = ask("segment", "--report", folder, "--format", "json", shop=untrained)
    assert answer.code == 0
    document = json.loads((folder / "segments.json").read_text(encoding="utf-8"))
    assert {**answer.json, "segments": None} == {**document, "segments": None}
    assert document["users"] == 61
    page = (folder / "segments.html").read_text(encoding="utf-8")
    assert "What each axis is worth" in page
    tags = read(folder / "tags.csv")
    assert set(tags["axis"]) == {axis["name"] for axis in document["axes"]}
    assert tags["version"].str.len().eq(12).all()
    profiles = read(folder / "profiles.parquet")
    assert set(FEATURES) < set(profiles)
    assert profiles["user_id"].nunique() == len(profiles) == 61
    paces = read(folder / "paces.parquet")
    assert paces["gap"].gt(0).all()
    memberships = read(folder / "memberships.parquet")
    assert set(memberships["user_id"]) <= set(profiles["user_id"])


def test_a_report_that_cannot_be_written_is_said_with_its_place(
    ask: Any, untrained: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    answer = ask("segment", "--report", tmp_path / "file" / "report", shop=untrained)
    assert answer.code == 3
    assert "cannot be written" in answer.err


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_memberships_are_the_same_in_every_format(
    ask: Any, untrained: Path, tmp_path: Path, newcomer: str, ending: str
) -> None:
    path = tmp_path / "new" / f"memberships.{ending}"
    answer = ask("segment", "--quick", "--output", path, "--format", "json", shop=untrained)
    frame = read(path)
    assert list(frame) == ["user_id", "axis", "segment", "weight"]
    assert {"0000", newcomer} < set(frame["user_id"])
    sums = frame.groupby(["user_id", "axis"])["weight"].sum()
    assert sums.between(0, 1 + 1e-9).all()
    sizes = pd.DataFrame(answer.json["segments"]).set_index(["axis", "segment"])["weight"]
    found = frame.groupby(["axis", "segment"])["weight"].sum()
    pd.testing.assert_series_equal(found, sizes[sizes > 0].sort_index(), rtol=1e-12)


def test_nothing_at_or_after_the_moment_is_used(ask: Any, untrained: Path) -> None:
    early = ask(
        "segment", "--quick", "--format", "json", "--as-of", "2024-02-01", shop=untrained
    ).json
    events = pd.read_csv(untrained / "events.csv", dtype=str)
    known = events[events["timestamp"] < "2024-02-01"]["user_id"].nunique()
    sizes = pd.DataFrame(early["segments"]).groupby("axis")["weight"].sum()
    assert sizes["lifecycle"] == known < 60


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--as-of", "soon"], 2, "--as-of 'soon' is not an ISO 8601 time"),
        (["--as-of", "2020-01-01"], 3, "no event before the moment"),
        (["--output", "rows.xlsx"], 2, "ends in none of .parquet, .csv, .jsonl"),
        (["--output", "/proc/nowhere/rows.csv"], 3, "cannot be written"),
    ],
)
def test_what_cannot_be_done(
    ask: Any, untrained: Path, words: list[str], code: int, said: str
) -> None:
    answer = ask("segment", *words, shop=untrained)
    assert answer.code == code
    assert said in answer.err


def test_without_an_axis_there_is_nothing_to_do(ask: Any, new_shop: Path) -> None:
    config = new_shop / "recsys.toml"
    config.write_text('[data]\nevents = "events.csv"\n', encoding="utf-8")
    answer = ask("segment", shop=new_shop)
    assert answer.code == 2
    assert "[segments.lifecycle]" in answer.err


def test_an_axis_of_a_column_that_is_not_there(ask: Any, new_shop: Path) -> None:
    config = new_shop / "recsys.toml"
    text = config.read_text(encoding="utf-8").replace('column = "age"', 'column = "aeg"')
    config.write_text(text, encoding="utf-8")
    answer = ask("segment", shop=new_shop)
    assert answer.code == 2
    assert "'aeg'" in answer.err
    assert "age, region" in answer.err


def test_imported_segments_and_a_preset_come_from_the_config(
    ask: Any, untrained: Path, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    shutil.copytree(untrained, shop)
    (shop / "vip.csv").write_text(
        "user_id,segment,weight\n0000,gold,0.5\n0001,gold,\n0002,gold,2\n,gold,1\n"
    )
    config = shop / "recsys.toml"
    further = '\n[segments.vip]\nkind = "imported"\nfile = "vip.csv"\n'
    preset = '[segments.pdd]\npreset = "pdd"\nwithout = ["price"]\n'
    config.write_text(config.read_text() + further + preset)
    sizes = pd.DataFrame(ask("segment", "--quick", "--format", "json", shop=shop).json["segments"])
    gold = sizes[sizes["axis"] == "vip"].iloc[0]
    assert (gold["segment"], gold["users"], gold["weight"]) == ("gold", 2, 1.5)
    assert {"pdd_frequency", "pdd_spending"} <= set(sizes["axis"])
    report = ask("validate", "--format", "json", shop=shop).json
    assert "weight_out_of_range" in json.dumps(report)
    assert "missing_user_id" in json.dumps(report)
