"""``recsys recommend``: lists for anybody, from what is known and from what is handed in."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys.config import load_config
from recsys.state import StateStore

TERMS = (
    "term_als",
    "term_popularity",
    "term_trend",
    "term_prior_lifecycle",
    "term_prior_rfm",
    "term_prior_spending",
    "term_prior_interest",
    "term_prior_age",
    "term_prior_region",
    "term_habit",
    "term_neighbours",
    "term_taste",
)


def lists(ask: Any, shop: Path, *words: object) -> pd.DataFrame:
    answer = ask("recommend", *words, "--format", "json", shop=shop)
    assert answer.code == 0, answer.err
    return pd.DataFrame(answer.json["recommendations"])


def items(ask: Any, shop: Path, *words: object) -> list[str]:
    return list(lists(ask, shop, *words)["item_id"])


def write_history(path: Path, *rows: str, header: str = "user_id,item_id,event,timestamp") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def snapshot(shop: Path) -> dict[str, Any]:
    """Every file's bytes, but the state's: its rows, for its log comes and goes."""
    files = {
        str(p): p.read_bytes() for p in shop.rglob("*") if p.is_file() and "state.db" not in p.name
    }
    with sqlite3.connect(shop / "store" / "state.db") as state:
        rows = {
            name: state.execute(f"SELECT * FROM {name}").fetchall()
            for name in ("events", "users", "meta")
        }
    state.close()
    return {**files, **rows}


class TestWhom:
    def test_a_known_user(self, ask: Any, trained: Path) -> None:
        answer = ask("recommend", "--user", "0001", "--format", "json", shop=trained)
        document = answer.json
        assert (document["users"], document["fallbacks"]) == (1, {})
        frame = pd.DataFrame(document["recommendations"])
        assert list(frame) == ["user_id", "item_id", "rank", "score"]
        assert list(frame["rank"]) == list(range(1, 21))
        assert set(frame["user_id"]) == {"0001"}
        assert frame["item_id"].is_unique
        assert frame["score"].is_monotonic_decreasing

    def test_an_unknown_user_gets_a_list_that_is_labelled(self, ask: Any, trained: Path) -> None:
        answer = ask("recommend", "--user", "nobody", "-k", 3, shop=trained)
        assert answer.code == 0
        assert answer.out.count("nobody") == 3
        assert "1 of 1 users have no history: their list is the popular one" in answer.err

    def test_one_known_from_the_users_file_only(
        self, ask: Any, trained: Path, newcomer: str
    ) -> None:
        words = ("recommend", "--user", newcomer, "--format", "json", "--variant")
        by_segment = ask(*words, "popular_by_segment", shop=trained)
        assert by_segment.json["fallbacks"] == {"segment": 1}
        plain = ask(*words, "popular", shop=trained)
        assert plain.json["fallbacks"] == {"popular": 1}

    def test_users_of_a_file(self, ask: Any, trained: Path, tmp_path: Path) -> None:
        file = write_history(tmp_path / "u.csv", " 0007 ", "nobody", "0007", "", header="user_id")
        frame = lists(ask, trained, "--users", file, "-k", 4)
        assert list(frame["user_id"]) == ["0007"] * 4 + ["nobody"] * 4
        alone = lists(ask, trained, "--user", "0007", "-k", 4)
        pd.testing.assert_frame_equal(frame.iloc[:4], alone)

    def test_ids_that_a_file_holds_as_fractions(
        self, ask: Any, trained: Path, tmp_path: Path
    ) -> None:
        pd.DataFrame({"user_id": [9001.0, None]}).to_parquet(tmp_path / "u.parquet")
        assert set(lists(ask, trained, "--users", tmp_path / "u.parquet")["user_id"]) == {"9001"}

    def test_users_of_a_file_by_the_shops_own_word(
        self, ask: Any, shop: Path, tmp_path: Path
    ) -> None:
        with (shop / "recsys.toml").open("a", encoding="utf-8") as config:
            config.write('[data.columns]\nuser_id = "house hold"\n')
        theirs = write_history(tmp_path / "theirs.csv", "0001", header="house hold")
        ours = write_history(tmp_path / "ours.csv", "0001", header="user_id")
        assert items(ask, shop, "--users", theirs) == items(ask, shop, "--users", ours)

    def test_everyone_is_known_from_events_or_the_users_file(
        self, ask: Any, trained: Path, newcomer: str
    ) -> None:
        answer = ask("recommend", "--all", "-k", 5, "--format", "json", shop=trained)
        assert answer.json["users"] == 61
        assert answer.json["fallbacks"] == {"popular": 1}
        frame = pd.DataFrame(answer.json["recommendations"])
        assert set(frame["user_id"]) == {f"{n:04d}" for n in range(60)} | {newcomer}
        assert (frame.groupby("user_id").size() == 5).all()
        alone = lists(ask, trained, "--user", "0042", "-k", 5)
        together = frame[frame["user_id"] == "0042"].reset_index(drop=True)
        pd.testing.assert_frame_equal(together, alone, check_exact=True)

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--user", "1", "--all"],
            ["--users", "u.csv", "--all"],
            ["--user", "1", "--users", "u"],
        ],
    )
    def test_exactly_one_way_to_say_whom(self, ask: Any, trained: Path, words: list[str]) -> None:
        answer = ask("recommend", *words, shop=trained)
        assert answer.code == 2
        assert "exactly one of --user, --users and --all" in answer.err

    @pytest.mark.parametrize(
        ("text", "code", "said"),
        [("id\n1\n", 3, "no column for 'user_id'; it has id"), ("user_id\n", 2, "nobody to rank")],
    )
    def test_a_file_of_nobody(
        self, ask: Any, trained: Path, tmp_path: Path, text: str, code: int, said: str
    ) -> None:
        (tmp_path / "u.csv").write_text(text, encoding="utf-8")
        answer = ask("recommend", "--users", tmp_path / "u.csv", shop=trained)
        assert answer.code == code
        assert said in answer.err
        assert ask("recommend", "--users", tmp_path / "gone.csv", shop=trained).code == 3

    @pytest.mark.parametrize("user_id", ["", "a/b", "客户🛒", "o'b\"; --", "x" * 500, "[/b]"])
    def test_any_text_is_somebody(self, ask: Any, trained: Path, user_id: str) -> None:
        answer = ask("recommend", "--user", user_id, "-k", 1, shop=trained)
        assert answer.code == 0
        assert len(lists(ask, trained, "--user", user_id, "-k", 2)) == 2


class TestHow:
    def test_terms_add_up_to_the_score(self, ask: Any, trained: Path) -> None:
        frame = lists(ask, trained, "--all", "--explain", "-k", 10)
        assert set(frame) == {"user_id", "item_id", "rank", "score", *TERMS}
        total = 0.0
        for term in (name for name in frame if name.startswith("term_")):
            total = total + frame[term]
        assert (total == frame["score"]).all()
        plain = lists(ask, trained, "--all", "-k", 10)
        pd.testing.assert_frame_equal(frame[list(plain)], plain, check_exact=True)

    @pytest.mark.parametrize(
        "variant", ["popular_by_segment", "own_purchases", "als", "no_segments"]
    )
    def test_every_variant_explains_itself(self, ask: Any, trained: Path, variant: str) -> None:
        words = ("--all", "--variant", variant, "--explain", "-k", 2)
        frame = lists(ask, trained, *words)
        terms = frame.filter(like="term_")
        assert terms.notna().all(axis=None)
        pd.testing.assert_series_equal(terms.sum(axis=1), frame["score"], check_names=False)

    @pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
    def test_files_hold_what_is_printed(
        self, ask: Any, trained: Path, tmp_path: Path, ending: str
    ) -> None:
        path = tmp_path / "new" / f"lists.{ending}"
        words = ("--user", "0001", "--explain")
        answer = ask("recommend", *words, "--output", path, "--format", "json", shop=trained)
        assert set(answer.json) == {"model_version", "users", "fallbacks"}
        if ending == "parquet":
            frame = pd.read_parquet(path)
        elif ending == "csv":
            frame = pd.read_csv(path, dtype={"user_id": "str", "item_id": "str"})
        else:
            rows = path.read_text(encoding="utf-8").splitlines()
            frame = pd.DataFrame([json.loads(row) for row in rows])
        pd.testing.assert_frame_equal(frame, lists(ask, trained, *words), check_exact=True)

    def test_people_are_told_where_the_file_is(
        self, ask: Any, trained: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "lists.csv"
        answer = ask("recommend", "--all", "-k", 2, "--output", path, shop=trained)
        assert answer.out == ""
        assert f"122 rows for 61 users: {path}" in answer.err

    @pytest.mark.parametrize(("k", "code"), [(0, 2), (-1, 2), (1001, 2), (1, 0), (1000, 0)])
    def test_a_list_has_1_to_1000_items(self, ask: Any, trained: Path, k: int, code: int) -> None:
        answer = ask("recommend", "--user", "0001", "-k", k, "--format", "json", shop=trained)
        assert answer.code == code
        if code:
            assert f"-k {k} is not between 1 and 1000" in answer.err
        else:
            assert 1 <= len(answer.json["recommendations"]) <= min(k, 240)

    def test_an_unknown_variant(self, ask: Any, untrained: Path) -> None:
        answer = ask("recommend", "--user", "1", "--variant", "own_purchase", shop=untrained)
        assert answer.code == 2
        assert "no variant 'own_purchase'; did you mean 'own_purchases'?" in answer.err

    def test_a_variant_that_has_not_been_learnt(self, ask: Any, shop: Path) -> None:
        with (shop / "recsys.toml").open("a", encoding="utf-8") as config:
            config.write('[variants.new]\nsignals = ["als", "habit"]\n')
            config.write('[variants.set]\nsignals = ["als"]\nrepeat = "never"\n')
            config.write("weights = { als = 2 }\n")
        answer = ask("recommend", "--user", "0001", "--variant", "new", shop=shop)
        assert answer.code == 2
        assert "train again" in answer.err
        assert items(ask, shop, "--user", "0001", "--variant", "set")

    def test_an_unknown_ending_is_refused_before_the_work(
        self, ask: Any, untrained: Path, tmp_path: Path
    ) -> None:
        answer = ask("recommend", "--all", "--output", tmp_path / "lists.xlsx", shop=untrained)
        assert answer.code == 2
        assert "ends in none of .parquet, .csv, .jsonl" in answer.err

    def test_the_moment_matters(self, ask: Any, trained: Path) -> None:
        now = items(ask, trained, "--user", "0001")
        assert items(ask, trained, "--user", "0001", "--as-of", "2024-02-01") != now
        words = ("recommend", "--user", "0001", "--format", "json", "--as-of", "2023-01-01")
        assert ask(*words, shop=trained).json["fallbacks"] == {"popular": 1}


class TestHistory:
    def test_an_unknown_user_gets_a_list_of_her_own(
        self, ask: Any, shop: Path, tmp_path: Path
    ) -> None:
        before = snapshot(shop)
        history = write_history(
            tmp_path / "h.csv",
            "nobody,00100,purchase,2024-06-20",
            "nobody,00100,purchase,2024-06-27",
            "somebody,00101,purchase,2024-06-27",
        )
        words = ("--user", "nobody", "-k", 10)
        answer = ask("recommend", *words, "--history", history, "--format", "json", shop=shop)
        assert answer.json["fallbacks"] == {}
        found = [row["item_id"] for row in answer.json["recommendations"]]
        assert found[0] == "00100"
        assert found != items(ask, shop, *words)
        assert snapshot(shop) == before

    def test_a_known_user_keeps_what_was_known(
        self, ask: Any, trained: Path, tmp_path: Path
    ) -> None:
        rows = [f"0001,00100,purchase,2024-06-{day}" for day in (15, 22, 29)]
        history = write_history(tmp_path / "h.csv", *rows)
        words = ("--user", "0001", "-k", 20)
        plain, further = (
            items(ask, trained, *words),
            items(ask, trained, *words, "--history", history),
        )
        assert "00100" in further
        assert further != plain
        assert len(set(plain) & set(further)) > 10

    def test_what_the_state_already_holds_counts_once(self, ask: Any, trained: Path) -> None:
        words = ("--user", "0001", "--explain")
        again = lists(ask, trained, *words, "--history", trained / "events.csv")
        pd.testing.assert_frame_equal(again, lists(ask, trained, *words), check_exact=True)

    def test_events_at_or_after_the_moment_play_no_part(
        self, ask: Any, trained: Path, tmp_path: Path
    ) -> None:
        history = write_history(tmp_path / "h.csv", "nobody,00100,purchase,2024-06-27")
        words = ("recommend", "--user", "nobody", "--history", history, "--format", "json")
        late = ask(*words, "--as-of", "2024-06-27", shop=trained)
        assert late.json["fallbacks"] == {"popular": 1}
        assert ask(*words, "--as-of", "2024-06-28", shop=trained).json["fallbacks"] == {}

    def test_rows_that_cannot_be_used_are_named(
        self, ask: Any, trained: Path, tmp_path: Path
    ) -> None:
        rows = ("nobody,00100,purchase,2024-06-27", "nobody,,purchase,2024-06-27")
        history = write_history(tmp_path / "h.csv", *rows)
        answer = ask("recommend", "--user", "nobody", "--history", history, shop=trained)
        assert answer.code == 0
        assert f"1 rows of {history} are rejected: missing_item_id; give every row" in answer.err

    @pytest.mark.parametrize(
        ("header", "row", "said"),
        [
            ("user_id,item_id,event", "nobody,00100,purchase", "the history has no timestamps"),
            ("user_id,item_id,event,timestamp", "nobody,,view,2024-06-27", "no usable event"),
            ("user_id,thing", "nobody,00100", "no column for 'item_id'"),
        ],
    )
    def test_a_history_that_says_nothing_is_refused(
        self, ask: Any, trained: Path, tmp_path: Path, header: str, row: str, said: str
    ) -> None:
        history = write_history(tmp_path / "h.csv", row, header=header)
        answer = ask("recommend", "--user", "nobody", "--history", history, shop=trained)
        assert answer.code == 3
        assert said in answer.err

    def test_who_agreed_to_segments_alone_is_ranked_without_it(
        self, ask: Any, shop: Path, tmp_path: Path
    ) -> None:
        state = StateStore(load_config(shop / "recsys.toml").state.url)
        state.put_person("0001", consent="segment_only")
        state.close()
        words = ("--user", "0001", "--variant", "popular_by_segment")
        without = lists(ask, shop, *words)
        bought = [f"0001,{item},purchase,2024-06-10 10:00:00" for item in without["item_id"]]
        history = write_history(tmp_path / "history.csv", *bought)
        found = lists(ask, shop, *words, "--history", history)
        pd.testing.assert_frame_equal(found, without)


class TestWithoutAModel:
    def test_before_any_training(self, ask: Any, untrained: Path) -> None:
        answer = ask("recommend", "--user", "0001", shop=untrained)
        assert answer.code == 4
        assert "run `recsys train`" in answer.err

    def test_a_damaged_bundle_is_never_served(self, ask: Any, shop: Path) -> None:
        array = next((shop / "store" / "bundles").glob("*/item_columns.npy"))
        array.write_bytes(array.read_bytes()[:-1] + b"x")
        answer = ask("recommend", "--user", "0001", shop=shop)
        assert answer.code == 4
        assert "is damaged: item_columns.npy" in answer.err
        assert "train again" in answer.err

    def test_a_state_that_is_gone(self, ask: Any, shop: Path) -> None:
        for file in (shop / "store").glob("state.db*"):
            file.unlink()
        answer = ask("recommend", "--user", "0001", shop=shop)
        assert answer.code == 4
        assert "run `recsys train`" in answer.err
        assert not (shop / "store" / "state.db").exists()
