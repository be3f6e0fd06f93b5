"""``recsys compare``: variants, files and stored results; verdicts and exit codes."""

import json
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from recsys.cli import run

WINDOW = '[evaluation]\ncut = "2024-06-02"\ntest_window = "28d"\nk = [5, 10]\nmin_users = 20\n'


def with_window(shop: Path, more: str = "") -> Path:
    with (shop / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write(WINDOW + more)
    return shop


@pytest.fixture
def shop(new_shop: Path) -> Path:
    return with_window(new_shop)


class Lists(NamedTuple):
    """Files of lists that hold what was bought, and that do not."""

    right: Path
    wrong: Path


def write_lists(shop: Path, folder: Path) -> Lists:
    events = pd.read_csv(shop / "events.csv", dtype=str)
    bought = events[(events["event"] == "purchase") & (events["timestamp"] >= "2024-06-02")]
    right = bought[["user_id", "item_id"]].drop_duplicates()
    right["rank"] = right.groupby("user_id").cumcount() + 1
    wrong = right.assign(item_id="unsold")[right["rank"] == 1]
    lists = Lists(folder / "right.csv", folder / "wrong.csv")
    right.to_csv(lists.right, index=False)
    wrong.to_csv(lists.wrong, index=False)
    return lists


@pytest.fixture(scope="module")
def lists(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Lists:
    return write_lists(untrained, tmp_path_factory.mktemp("lists"))


class Anew(NamedTuple):
    """What a comparison said, and where its results are kept."""

    document: Any
    folder: Path


@pytest.fixture(scope="module")
def anew(untrained: Path, lists: Lists, tmp_path_factory: pytest.TempPathFactory) -> Anew:
    """The popular list and the right ones, compared once; it leaves with 0."""
    folder = tmp_path_factory.mktemp("compared")
    shop = with_window(Path(shutil.copytree(untrained, folder / "shop")))
    words = ["compare", "popular", str(lists.right), "--require", "better", "--format", "json"]
    words += ["--output", str(folder / "one"), "-c", str(shop / "recsys.toml")]
    with redirect_stdout(StringIO()) as out:
        assert run(words) == 0
    return Anew(json.loads(out.getvalue()), folder / "one")


def test_a_ranking_that_finds_everything_is_better(anew: Anew) -> None:
    document = anew.document
    first = document["comparisons"][0]
    assert (first["baseline"], first["candidate"]) == ("popular", "right")
    assert first["verdict"]["decision"] == "better"
    assert first["overall"]["low"] > 0 and first["overall"]["p_holm"] < 1e-6
    assert {"popular", "own_purchases", "als", "right"} <= set(document["variants"])
    assert document["variants"]["right"]["mean"]["ndcg@5"] == pytest.approx(1)


def test_what_is_required_and_does_not_hold_leaves_with_6(
    ask: Any, shop: Path, lists: Lists
) -> None:
    answer = ask("compare", "popular", lists.wrong, "--require", "better", shop=shop)
    assert answer.code == 6
    assert "wrong is worse than popular" in answer.err.replace("\n", " ")
    assert "too few users to read" in answer.err
    assert "lifecycle" in answer.out
    items = len(pd.read_csv(lists.wrong))
    assert f"{items} items listed by wrong are outside the catalogue" in answer.err


def test_stored_results_are_compared_without_training(ask: Any, shop: Path, anew: Anew) -> None:
    (shop / "events.csv").unlink()
    names = (anew.folder / "popular", anew.folder / "right")
    stored = ask("compare", *names, "--format", "json", shop=shop).json
    for part in ("overall", "segments", "heterogeneity", "lists", "verdict", "measures"):
        assert json.dumps(stored[part]) == json.dumps(anew.document["comparisons"][0][part]), part
    assert ask("compare", *names[::-1], "--require", "better", shop=shop).code == 6
    assert ask("compare", *names[::-1], shop=shop).code == 0


def test_results_of_other_questions_are_refused(
    ask: Any, shop: Path, lists: Lists, tmp_path: Path
) -> None:
    words = ("--recommendations", lists.right, "--output")
    assert ask("evaluate", *words, tmp_path / "one", shop=shop).code == 0
    config = (shop / "recsys.toml").read_text(encoding="utf-8")
    (shop / "recsys.toml").write_text(config.replace("2024-06-02", "2024-05-20"), encoding="utf-8")
    assert ask("evaluate", *words, tmp_path / "two", shop=shop).code == 0
    answer = ask("compare", tmp_path / "one" / "right", tmp_path / "two" / "right", shop=shop)
    assert answer.code == 3
    assert "protocol" in answer.err and "users" in answer.err


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        (("popular", "popular"), 2, "is held against itself"),
        (("popular", "nobody"), 2, "'nobody' is no variant, no file of lists"),
        (("popular", "als", "--require", "worse"), 2, "worse"),
        (("popular",), 2, "Missing argument"),
    ],
)
def test_misuse(ask: Any, shop: Path, names: tuple[str, ...], code: int, said: str) -> None:
    answer = ask("compare", *names, shop=shop)
    assert answer.code == code
    assert said in answer.err


def test_a_stored_result_beside_a_variant_is_refused(
    ask: Any, shop: Path, lists: Lists, tmp_path: Path
) -> None:
    words = ("--recommendations", lists.right, "--output", tmp_path / "one")
    assert ask("evaluate", *words, shop=shop).code == 0
    one = tmp_path / "one"
    assert "name DIR/NAME for both" in ask("compare", "popular", one / "right", shop=shop).err
    other = ask("compare", one / "right", one / "left", shop=shop)
    assert (other.code, "knows no 'left'; it has right" in other.err) == (3, True)
    (one / "lists" / "right.parquet").write_text("no parquet", encoding="utf-8")
    lost = ask("compare", one / "right", one / "right ", shop=shop)
    assert lost.code == 3


def test_a_measure_that_is_not_there_is_refused(ask: Any, new_shop: Path) -> None:
    shop = with_window(new_shop, 'measure = "ndgc"\n')
    answer = ask("evaluate", "--variant", "popular", shop=shop)
    assert answer.code == 2
    assert "ndcg" in answer.err
