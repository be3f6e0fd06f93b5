"""``recsys models``: the versions of a store."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from recsys.bundle import BundleStore
from recsys.pipelines.doctor import in_words


@pytest.fixture
def versions(shop: Path) -> list[str]:
    """Three versions in the store, the last one active."""
    store = BundleStore(shop / "store")
    first = store.load()
    said = first.manifest.model_dump(include={"as_of", "config", "recipes", "window", "rows"})
    published = [first.manifest.version]
    for day in (1, 2):
        learnt = {**first.manifest.learnt, "window_days": float(day)}
        time = f"2099-01-0{day}T00:00:00Z"
        manifest = store.publish(first.arrays, **said, learnt=learnt, created_at=time)
        store.activate(manifest.version)
        published.append(manifest.version)
    return published


def active(ask: Any, shop: Path) -> str:
    models = ask("models", "list", "--format", "json", shop=shop).json["models"]
    [version] = [model["version"] for model in models if model["active"]]
    return str(version)


def test_list(ask: Any, shop: Path, versions: list[str]) -> None:
    document = ask("models", "list", "--format", "json", shop=shop).json
    assert [model["version"] for model in document["models"]] == versions
    assert [model["active"] for model in document["models"]] == [False, False, True]
    assert document["broken"] == {}
    shown = ask("models", "list", shop=shop)
    assert all(version in shown.out for version in versions)
    assert shown.out.count("→") == 1


def test_an_empty_store_has_no_models(ask: Any, untrained: Path) -> None:
    assert ask("models", "list", "--format", "json", shop=untrained).json == {
        "models": [],
        "broken": {},
    }
    assert ask("models", "prune", shop=untrained).code == 0


def test_a_broken_version_is_listed_with_the_reason(
    ask: Any, shop: Path, versions: list[str]
) -> None:
    (shop / "store" / "bundles" / versions[0] / "gram.npy").unlink()
    document = ask("models", "list", "--format", "json", shop=shop).json
    assert list(document["broken"]) == [versions[0]]
    assert "broken: " + versions[0] in ask("models", "list", shop=shop).err
    refused = ask("models", "activate", versions[0], shop=shop)
    assert refused.code == 4
    assert active(ask, shop) == versions[2]


def test_show(ask: Any, shop: Path, versions: list[str]) -> None:
    document = ask("models", "show", versions[0], "--format", "json", shop=shop).json
    assert document["version"] == versions[0]
    assert document["rows"] == {"events": 2941, "users": 61, "items": 240}
    assert document["window"]["last"] == "2024-06-29T18:20:43Z"
    shown = ask("models", "show", versions[0], shop=shop)
    assert document["content_id"] in shown.out
    assert "item_columns" in shown.out


def test_activate_and_roll_back(ask: Any, shop: Path, versions: list[str]) -> None:
    assert ask("models", "activate", versions[0], shop=shop).code == 0
    assert active(ask, shop) == versions[0]
    assert f"active: {versions[2]}" in ask("models", "rollback", shop=shop).err
    assert active(ask, shop) == versions[2]
    words = ("recommend", "--user", "0001", "--format", "json")
    assert ask(*words, shop=shop).json["model_version"] == versions[2]


def test_prune_spares_the_active_one_and_the_way_back(
    ask: Any, shop: Path, versions: list[str]
) -> None:
    ask("models", "activate", versions[1], shop=shop)
    shutil.copytree(shop, shop.with_name("copy"))
    arrays = (shop / "store" / "bundles" / versions[0]).glob("*.npy")
    size = sum(path.stat().st_size for path in arrays)
    pruned = ask("models", "prune", "--keep", 1, shop=shop)
    assert pruned.err == f"removed: {versions[0]}; {in_words(size)} freed\n"
    assert "removed: nothing; 0.0 MB freed" in ask("models", "prune", "--keep", 3, shop=shop).err
    refused = ask("models", "prune", "--keep", 0, shop=shop.with_name("copy"))
    assert refused.code == 2
    assert len(list((shop.with_name("copy") / "store" / "bundles").iterdir())) == 3


def test_prune_tells_programs_what_it_did_and_leaves_broken_ones_alone(
    ask: Any, shop: Path, versions: list[str]
) -> None:
    bundles = shop / "store" / "bundles"
    size = sum(path.stat().st_size for path in (bundles / versions[0]).glob("*.npy"))
    ask("models", "activate", versions[2], shop=shop)
    pruned = ask("models", "prune", "--keep", 1, "--format", "json", shop=shop).json
    assert pruned == {
        "removed": [versions[0]],
        "freed_bytes": size,
        "kept": versions[1:],
        "broken": {},
    }
    (bundles / versions[1] / "gram.npy").unlink()
    again = ask("models", "prune", "--keep", 1, shop=shop)
    assert f"broken, and left alone: {versions[1]}: " in again.err
    assert {path.name for path in bundles.iterdir()} == set(versions[1:])


@pytest.mark.parametrize("words", [["show", "../x"], ["activate", "none"], ["rollback"]])
def test_a_version_that_is_not_there(ask: Any, trained: Path, words: list[str]) -> None:
    answer = ask("models", *words, shop=trained)
    assert answer.code == 5
    assert answer.err.startswith("error: ")
