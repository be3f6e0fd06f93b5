"""``recsys evaluate``: the offline protocol, for variants and for anybody's lists."""

import json
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from recsys import metrics
from recsys.cli import run
from recsys.cli.evaluate import print_gaps
from recsys.config import load_config
from recsys.ranking import BUILT_IN
from recsys.state import Entry, StateStore

COLUMNS = ["user_id", "n_rel", "history", "listed"]


def targets_of(shop: Path, cut: str) -> dict[str, set[str]]:
    """Distinct items bought from the cut on, by a loop that knows nothing of the project."""
    events = pd.read_csv(shop / "events.csv", dtype=str)
    bought = events[(events["event"] == "purchase") & (events["timestamp"] >= cut)]
    return {user: set(rows["item_id"]) for user, rows in bought.groupby("user_id")}


def with_cut(shop: Path, cut: str, window: str = "28d") -> Path:
    with (shop / "recsys.toml").open("a", encoding="utf-8") as config:
        config.write(f'[evaluation]\ncut = "{cut}"\ntest_window = "{window}"\nk = [5, 10]\n')
    return shop


class Judged(NamedTuple):
    """What an evaluation printed, the shop it was about, and the folder it wrote."""

    document: Any
    shop: Path
    report: Path


@pytest.fixture(scope="module")
def judged(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The built-in variants, judged once; read only."""
    folder = tmp_path_factory.mktemp("judged")
    shop = with_cut(Path(shutil.copytree(untrained, folder / "shop")), "2024-06-02")
    words = ["--variant", "popular", "--variant", "segment_aware", "--format", "json"]
    words += ["--output", str(folder / "report"), "-c", str(shop / "recsys.toml")]
    with redirect_stdout(StringIO()) as out:
        assert run(["evaluate", *words]) == 0
    return Judged(json.loads(out.getvalue()), shop, folder / "report")


def test_variants_are_judged_side_by_side(judged: Judged) -> None:
    document, shop, report = judged
    assert json.loads((report / "report.json").read_text(encoding="utf-8")) == document
    assert document["protocol"]["cut"] == "2024-06-02T00:00:00Z"
    assert document["protocol"]["end"] == "2024-06-30T00:00:00Z"
    assert list(document["variants"]) == list(BUILT_IN)
    targets = targets_of(shop, "2024-06-02")
    assert document["counts"]["users"] == len(targets)
    told = [one["variant"] for one in document["fairness"]]
    assert told == [document["candidate"], document["baseline"]]
    assert "What each segment is shown" in (report / "report.html").read_text(encoding="utf-8")
    for name, found in document["variants"].items():
        per_user = pd.read_parquet(report / "users" / f"{name}.parquet")
        assert list(per_user)[:4] == COLUMNS
        assert dict(zip(per_user["user_id"], per_user["n_rel"], strict=True)) == {
            user: len(items) for user, items in targets.items()
        }
        for measure, bins in found["bins"].items():
            assert per_user[measure].mean() == pytest.approx(found["mean"][measure])
            assert sum(row["users"] for row in bins) == found["users"][measure]
        assert document["counts"]["users_without_a_list"][name] == 0
    means = {name: found["mean"]["ndcg@10"] for name, found in document["variants"].items()}
    assert means["segment_aware"] > means["popular"]


def test_people_see_every_variant(ask: Any, untrained: Path) -> None:
    answer = ask("evaluate", shop=untrained)
    for name in ("popular", "own_purchases", "als", "no_segments", "segment_aware"):
        assert answer.out.count(name) >= 2
    assert "ndcg@10 by items known before the cut (users)" in answer.out
    assert "users with targets have no history" in answer.err
    # Whatever the verdict is: it names the two.
    verdict = next(line for line in answer.err.splitlines() if line.startswith("verdict: "))
    assert "segment_aware" in verdict and "no_segments" in verdict
    assert "artefacts, none knows the future" in answer.err
    assert not (untrained / "store").exists()


def test_only_gaps_beyond_chance_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    gaps = [
        {"beyond_chance": True, "sentence": "On the axis age."},
        {"beyond_chance": False, "sentence": "On the axis lot."},
        {"beyond_chance": False, "sentence": None},
    ]
    print_gaps({"fairness": [{"variant": "a", "gaps": gaps}, {"variant": "b", "gaps": gaps}]})
    assert capsys.readouterr().err == "a: On the axis age.\n"
    print_gaps({"fairness": []})
    assert capsys.readouterr().err == ""


def test_lists_of_any_recommender(ask: Any, new_shop: Path, tmp_path: Path) -> None:
    shop = with_cut(new_shop, "2024-06-02")
    targets = targets_of(shop, "2024-06-02")
    draw, items = np.random.default_rng(0), [f"{n:05d}" for n in range(240)]
    lists = {user: draw.permutation(items)[:10].tolist() for user in sorted(targets)[5:]}
    rows = [(u, i, rank) for u, found in lists.items() for rank, i in enumerate(found, 1)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"]).sample(
        frac=1, random_state=1
    )
    frame = pd.concat([frame, pd.DataFrame([("stranger", "00000", 1)], columns=list(frame))])
    frame.to_csv(tmp_path / "theirs.csv", index=False)

    words = ("--recommendations", tmp_path / "theirs.csv", "--output", tmp_path / "out")
    document = ask("evaluate", *words, "--format", "json", shop=shop).json
    assert document["counts"]["users_without_a_list"]["theirs"] == 5
    assert list(document["variants"]) == ["theirs"] and document["audit"] is None
    per_user = pd.read_parquet(tmp_path / "out" / "users" / "theirs.parquet").set_index("user_id")
    for user, wanted in targets.items():
        found = lists.get(user, [])
        hits = np.array([item in wanted for item in found] + [False] * (10 - len(found)))
        expected = metrics.ndcg(hits[np.newaxis], np.array([len(wanted)]), k=10)[0]
        assert per_user.loc[user, "ndcg@10"] == pytest.approx(expected, abs=1e-12)
        assert per_user.loc[user, "precision@5"] == pytest.approx(hits[:5].sum() / 5)


def test_our_lists_are_judged_alike_in_a_file(
    ask: Any, new_shop: Path, judged: Judged, tmp_path: Path
) -> None:
    shop, file = with_cut(new_shop, "2024-06-02"), tmp_path / "lists.parquet"
    ask("train", "--as-of", "2024-06-02", shop=shop)
    words = ("--variant", "own_purchases", "-k", 10, "--output", file)
    assert ask("recommend", "--all", *words, "--as-of", "2024-06-02", shop=shop).code == 0
    theirs = ask("evaluate", "--recommendations", file, "--format", "json", shop=shop).json
    ours = judged.document
    # Users who are new after the cut are in nobody's file.
    some = [row["bin"] for row in ours["variants"]["own_purchases"]["bins"]["ndcg@10"][1:]]
    for found in ("ndcg@5", "recall@10"):
        a = {row["bin"]: row for row in ours["variants"]["own_purchases"]["bins"][found]}
        b = {row["bin"]: row for row in theirs["variants"]["lists"]["bins"][found]}
        assert [a[name] for name in some] == [b[name] for name in some]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user_id,item_id\n0001,00001\n", "has no column rank; it has user_id, item_id"),
        ("user_id,item_id,rank\n0001,00001,first\n", "1 rows lack a user_id, an item_id or"),
        ("user_id,item_id,rank\n0001,,1\n,00001,1\n", "2 rows lack a user_id, an item_id or"),
        ("user_id,item_id,rank\n0001,00001,1\n0001,00001,2\n", "1 rows repeat item_id"),
        ("user_id,item_id,rank\n0001,00001,1\n0001,00002,1\n", "1 rows repeat rank"),
    ],
)
def test_lists_that_cannot_be_judged(
    ask: Any, untrained: Path, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "lists.csv").write_text(text, encoding="utf-8")
    answer = ask("evaluate", "--recommendations", tmp_path / "lists.csv", shop=untrained)
    assert answer.code == 3
    assert said in answer.err


def test_a_bin_of_one_user_has_no_interval(ask: Any, tmp_path: Path) -> None:
    rows = [f"u{u},i{u % 3},purchase,2024-01-0{1 + day}" for u in range(4) for day in range(5)]
    rows += ["u1,i2,purchase,2024-01-20", "u0,i0,purchase,2024-01-20"]
    text = "user_id,item_id,event,timestamp\n" + "\n".join([*rows, "new,i1,purchase,2024-01-20"])
    (tmp_path / "events.csv").write_text(text, encoding="utf-8")
    (tmp_path / "recsys.toml").write_text('[data]\nevents = "events.csv"\n', encoding="utf-8")
    words = ("--variant", "popular", "--format", "json")
    document = ask("evaluate", *words, shop=with_cut(tmp_path, "2024-01-10")).json
    bins = document["variants"]["popular"]["bins"]["ndcg@10"]
    assert [(row["bin"], row["users"], row["low"]) for row in bins if row["users"] == 1] == [
        ("0", 1, None)
    ]


@pytest.mark.parametrize(
    ("cut", "window", "code", "said"),
    [
        ("2023-01-01", "28d", 3, "the cut 2023-01-01T00:00:00Z is outside the events"),
        ("2025-01-01", "28d", 3, "the cut 2025-01-01T00:00:00Z is outside the events"),
        ("2024-06-02", "1h", 3, "nothing was bought from 2024-06-02T00:00:00Z"),
        ("soon", "28d", 2, "cut 'soon' is not an ISO 8601 time"),
    ],
)
def test_a_cut_that_cannot_be_meant(
    ask: Any, new_shop: Path, cut: str, window: str, code: int, said: str
) -> None:
    answer = ask("evaluate", "--variant", "popular", shop=with_cut(new_shop, cut, window))
    assert answer.code == code
    assert said in answer.err


def test_an_unknown_variant(ask: Any, untrained: Path) -> None:
    answer = ask("evaluate", "--variant", "alz", shop=untrained)
    assert answer.code == 2
    assert "did you mean 'als'?" in answer.err


def test_the_ledger_stands_beside_what_was_found(ask: Any, untrained: Path, tmp_path: Path) -> None:
    """Nothing is kept without a state; with one, each evaluation tells what gains have meant."""
    shop = with_cut(Path(shutil.copytree(untrained, tmp_path / "judged")), "2024-06-02")
    words = ("evaluate", "--variant", "popular", "--format", "json")
    assert ask(*words, shop=shop).json["ledger"] is None
    url = load_config(shop / "recsys.toml").state.url
    state = StateStore(url)
    assert not state.exists()
    state.create()
    first = ask(*words, shop=shop).json
    assert first["ledger"] is None
    kept = state.ledger.all()
    assert {one.kind for one in kept} == {"offline"}
    both = {name: first["variants"][name]["digest"] for name in ("popular", "als")}
    (one,) = [o for o in kept if {o.control, o.variant} == set(both)]
    control, variant = (
        first["variants"][name]["mean"][first["measure"]] for name in (one.control, one.variant)
    )
    assert one.mean == pytest.approx(variant / control - 1)
    assert one.low < one.mean < one.high
    who = ("home", "popular", "als", "conversion", both["popular"], both["als"])
    state.ledger.add(Entry("online", *who, 0.03, 0.01, 0.05, 900, 2**60))
    state.close()
    again = ask(*words, "--output", str(tmp_path / "report"), shop=shop)
    (row,) = again.json["ledger"]["experiments"]
    assert (row["experiment"], row["online"]["mean"]) == ("home", 0.03)
    assert row["offline"]["mean"] == pytest.approx(
        one.mean if one.control == "popular" else 1 / (1 + one.mean) - 1
    )
    assert "1 finished experiments" in again.json["ledger"]["sentence"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "What offline gains have meant online" in page
    assert "home" in page
