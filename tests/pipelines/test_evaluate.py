"""The offline evaluation: targets, counts, and the same lists judged as variants and as a file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.errors import ConfigError, DataError
from recsys.evaluation import BINS
from recsys.pipelines.evaluate import evaluate, with_baselines
from recsys.pipelines.ingest import open_evaluated
from recsys.pipelines.lists import GivenLists
from recsys.pipelines.questions import ask
from recsys.pipelines.report import report_on
from recsys.pipelines.train import fit
from recsys.ranking import BUILT_IN, Request, describe
from recsys.vocabulary import Vocabulary

CUT = {"cut": "2024-06-01T00:00:00Z", "test_window": "14d", "k": [3, 10]}
NAMES = ("popular", "own_purchases", "als")


@pytest.fixture(scope="module")
def judged_config(make_config):
    return make_config(evaluation=CUT)


@pytest.fixture(scope="module")
def cut(shop, judged_config):
    (question,) = ask(shop, judged_config)
    return question.as_of


@pytest.fixture(scope="module")
def learnt(shop, judged_config, cut):
    return fit(shop, judged_config, as_of=cut, variants=[], threads=1)


@pytest.fixture(scope="module")
def variants(judged_config):
    return judged_config.chosen(list(NAMES))


@pytest.fixture(scope="module")
def outcome(shop, judged_config, learnt, variants):
    return evaluate(shop, judged_config, variants, trained=learnt)


@pytest.fixture(scope="module")
def bought(tables):
    """Pairs of the window, by a loop that knows nothing of the project."""
    events = tables.events
    inside = (events["timestamp"] >= "2024-06-01") & (events["timestamp"] < "2024-06-15")
    pairs = events[inside & (events["event"] == "purchase")]
    return set(zip(pairs["user_id"], pairs["item_id"], strict=True))


def test_every_user_with_a_target_is_judged(outcome, bought):
    (run,) = outcome.runs
    users = sorted({user for user, _ in bought})
    assert (run.counts["users"], run.counts["targets"]) == (len(users), len(bought))
    for judged in run.judged.values():
        assert judged.per_user.index.tolist() == users
        assert judged.per_user["n_rel"].sum() == len(bought)
        assert (judged.per_user["listed"] == 10).all()


def lists_of(shop, learnt, cut, users, variant):
    """The rows that any recommender would hand over."""
    known = shop.users(as_of=cut)
    customers = describe(shop.events(before=cut), Vocabulary(users), known, learnt.model, as_of=cut)
    ranked = learnt.ranker().rank_all(customers, range(len(users)), variant, Request(10))
    rows = [
        (str(user), item, rank)
        for user, ranking in zip(customers.users.ids, ranked, strict=True)
        for rank, item in enumerate(ranking.ids(learnt.model.items.ids), 1)
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])


@pytest.mark.parametrize("name", NAMES)
def test_lists_in_a_file_are_judged_as_the_variant_is(
    shop, judged_config, learnt, cut, outcome, name
):
    variant = judged_config.every_variant()[name]
    mine = outcome.runs[0].judged[name]
    rows = lists_of(shop, learnt, cut, mine.per_user.index, variant)
    shuffled = rows.sample(frac=1.0, random_state=1)
    other = evaluate(shop, judged_config, [], lists=[GivenLists("file", shuffled)])
    theirs = other.runs[0].judged["file"]
    # A list of ten says nothing of what it would have gone on with.
    same = [one for one in mine.per_user if not str(one).startswith("explore_")]
    pd.testing.assert_frame_equal(theirs.per_user[same], mine.per_user[same])
    assert theirs.overall == mine.overall
    assert other.runs[0].counts == outcome.runs[0].counts
    pd.testing.assert_frame_equal(other.memberships, outcome.memberships)
    assert other.audits == [] and len(outcome.audits) == 1


def test_variants_and_files_stand_in_one_table(shop, judged_config, learnt, cut, variants):
    rows = lists_of(shop, learnt, cut, ["0001", "0002"], variants[0])
    files = [GivenLists("theirs", rows)]
    found = evaluate(shop, judged_config, variants, lists=files, trained=learnt)
    assert found.names == [*NAMES, "theirs"]
    assert found.digests["popular"] == variants[0].digest and "theirs" not in found.digests


def test_explore_asks_for_what_the_user_did_not_know(shop, judged_config, outcome, cut, bought):
    """Own purchases go on with the popular list once a user's own items are taken out."""
    judged = outcome.runs[0].judged
    mine, popular = (judged[name].per_user["explore_ndcg@10"] for name in NAMES[1::-1])
    events = shop.events(before=cut).select("user_id", "item_id").collect("pandas").to_native()
    known = set(zip(events["user_id"], events["item_id"], strict=True))
    new = {user for user, item in bought if (user, item) not in known}
    assert set(mine.dropna().index) == new
    assert popular.notna().sum() == len(new) > 10


def test_users_who_are_learnt_from_and_buy_nothing_are_counted(tables, outcome, bought):
    early = tables.events["timestamp"] < "2024-06-01"
    known = set(tables.events.loc[early, "user_id"]) | set(tables.users["user_id"])
    asked = {user for user, _ in bought}
    counts = outcome.runs[0].counts
    assert counts["users_learnt_from"] == len(known)
    assert counts["users_without_targets"] == len(known - asked)


def test_a_shop_that_knows_its_customers_is_judged_better_than_chance(outcome):
    means = {name: judged.means() for name, judged in outcome.runs[0].judged.items()}
    assert means["own_purchases"]["ndcg@10"] > 2 * means["popular"]["ndcg@10"] > 0
    assert means["popular"]["coverage@10"] < means["own_purchases"]["coverage@10"]


def test_an_item_that_is_new_in_the_window_counts_and_cannot_be_found(
    tables, open_shop_of, judged_config, learnt, variants, outcome
):
    new = tables.events.tail(1).assign(
        item_id="brand new", event="purchase", timestamp="2024-06-05", user_id="newcomer"
    )
    events = pd.concat([tables.events, new], ignore_index=True)
    other = open_shop_of(tables._replace(events=events), judged_config)
    found = evaluate(other, judged_config, variants, trained=learnt).runs[0]
    before = outcome.runs[0].counts
    for name in ("targets_outside_catalogue", "users_without_history", "users"):
        assert found.counts[name] == before[name] + 1
    row = found.judged["popular"].per_user.loc["newcomer"]
    assert (row["n_rel"], row["history"], row["ndcg@10"]) == (1, 0, 0.0)


def test_the_default_cut_is_a_window_before_the_newest_event(shop, make_config):
    (question,) = ask(shop, make_config(evaluation={"test_window": "10d"}))
    assert shop.after_all() - 1 - question.as_of == 10 * 86_400_000_000


def test_a_window_in_which_nothing_was_bought_is_refused_before_training(
    tables, open_shop_of, judged_config, variants
):
    early = tables.events["timestamp"] < "2024-06-01"
    quiet = tables.events[early | (tables.events["event"] != "purchase")]
    shop = open_shop_of(tables._replace(events=quiet), judged_config)
    with pytest.raises(DataError, match="nothing was bought from 2024-06-01"):
        evaluate(shop, judged_config, variants)


def test_the_built_in_variants_always_stand_in_the_table(make_config):
    config = make_config(variants={"mine": {"signals": ["als"]}, "other": {"signals": ["als"]}})
    assert [v.name for v in with_baselines(config, ["mine"])] == [*BUILT_IN, "mine"]
    assert [v.name for v in with_baselines(config, [])] == [*BUILT_IN, "mine", "other"]
    with pytest.raises(ConfigError, match="no variant 'thine'"):
        with_baselines(config, ["thine"])


# Whom the lists serve worse, and what they show

FAIR = CUT | {"baseline": "popular", "min_users": 5}


@pytest.fixture(scope="module")
def fairness(outcome, make_config):
    return report_on(outcome, make_config(evaluation=FAIR)).document["fairness"]


def test_candidate_and_baseline_are_held_against_segments(outcome, fairness, make_config):
    assert [one["variant"] for one in fairness] == ["own_purchases", "popular"]
    alone = report_on(outcome, make_config(evaluation=CUT)).document
    assert alone["comparisons"] == []
    assert [one["variant"] for one in alone["fairness"]] == list(NAMES)


def test_gaps_are_between_the_ends_of_the_breakdown(outcome, fairness, make_config):
    document = report_on(outcome, make_config(evaluation=FAIR)).document
    for one in fairness:
        segments = pd.DataFrame(document["variants"][one["variant"]]["segments"])
        means = segments[segments["readable"]].groupby("axis")["mean"]
        several = means.count() >= 2
        expected = (means.max() - means.min())[several]
        found = {gap["axis"]: gap["gap"] for gap in one["gaps"] if gap["segments"] >= 2}
        assert found == pytest.approx(expected.to_dict())
        assert {"age", "spending", "items known"} <= set(found)
        assert [gap["sentence"] is None for gap in one["gaps"]] == [
            gap["segments"] < 2 for gap in one["gaps"]
        ]


def test_what_everyone_is_shown_is_what_the_measures_say(outcome, fairness):
    for one in fairness:
        everyone, means = one["exposure"][0], outcome.results[one["variant"]].overall
        assert everyone["users"] == outcome.main.counts["users"]
        assert everyone["shown"] == pytest.approx(means["coverage@3"])
        assert everyone["gini"] == pytest.approx(means["gini@3"])
    axes = {row["axis"] for row in fairness[0]["exposure"]}
    assert axes == {"", *outcome.memberships["axis"], "items known"}


def test_without_a_background_nothing_is_told_of_exposure(outcome, make_config):
    bare = replace(outcome, runs=[replace(run, background=None) for run in outcome.runs])
    found = report_on(bare, make_config(evaluation=FAIR)).document["fairness"]
    assert [one["exposure"] for one in found] == [[], []]
    assert found[0]["gaps"]


def test_own_brands_and_new_items_are_marked(shop, tables, make_config, bought):
    users, items = sorted({user for user, _ in bought}), tables.items["item_id"]
    rows = [(user, item, rank) for user in users for rank, item in enumerate(items[:3], 1)]
    files = [GivenLists("file", pd.DataFrame(rows, columns=["user_id", "item_id", "rank"]))]
    data = {"events": "e.csv", "own_brands": ["brand 4", "brand 2"]}
    config = make_config(evaluation=CUT, data=data)
    found = evaluate(shop, config, [], lists=files)
    flags, ids = found.main.flags, found.main.items
    own = tables.items.loc[tables.items["brand"].isin(["brand 4", "brand 2"]), "item_id"]
    assert set(ids[flags["own brands"]]) == set(own)
    events = tables.events[tables.events["timestamp"] < "2024-06-01"]
    seen = pd.to_datetime(events["timestamp"], utc=True).groupby(events["item_id"]).min()
    since = pd.Timestamp("2024-06-01", tz="UTC") - pd.Timedelta(days=30)
    new = (seen > seen.min() + pd.Timedelta(days=30)) & (seen >= since)
    assert set(ids[flags["new items"]]) == set(new.index[new]) != set()
    everyone = report_on(found, config).document["fairness"][0]["exposure"][0]
    assert everyone["share of own brands"] == pytest.approx(items[:3].isin(own).mean())
    without = evaluate(shop, make_config(evaluation=CUT), [], lists=files)
    assert "own brands" not in without.main.flags


# Several origins, seeds and amounts


AGE = {"age": {"kind": "attribute", "column": "age"}}


def small(make_config, *, segments=AGE, **evaluation):
    model = {"factors": 2, "iterations": 1}
    return make_config(evaluation=evaluation, model=model, segments=segments)


def test_a_user_counts_once_however_often_she_is_asked_about(shop, make_config):
    config = small(make_config, **CUT, origins=2, seeds=[1, 2])
    found = evaluate(shop, config, config.chosen(["popular", "als"]))
    assert [(run.origin[:10], run.seed) for run in found.runs] == [
        ("2024-06-01", 1),
        ("2024-06-01", 2),
        ("2024-05-18", 1),
        ("2024-05-18", 2),
    ]
    pooled = found.results["als"].per_user
    each = [run.judged["als"].per_user["ndcg@10"] for run in found.runs]
    expected = pd.concat(each).groupby(level=0).mean()
    pd.testing.assert_series_equal(pooled["ndcg@10"].sort_index(), expected)
    # Her list is that of the newest cut that asks about her, and speaks of the same items.
    lists = found.results["als"].lists
    for number in (3, 1):
        run = found.runs[number - 1]
        mine = run.judged["als"]
        rows = pooled.index.get_indexer(mine.per_user.index)
        new = rows >= (0 if number == 1 else len(found.runs[0].judged["als"].per_user))
        shown = found.items[lists[rows[new]]]
        assert (shown == run.items[mine.lists[new][:, :10]]).all() and new.any()
    runs = found.results["als"].runs
    assert runs["seed"].tolist() == [1, 2, 1, 2]
    assert runs["ndcg@10"].tolist() == pytest.approx([one.mean() for one in each])
    popular = found.results["popular"].runs
    assert popular["ndcg@10"][0] == popular["ndcg@10"][1] != popular["ndcg@10"][2]
    # Gaps are over everybody's pooled values; what is shown is of the newest cut.
    (told, _) = report_on(found, small(make_config, **CUT, baseline="als")).document["fairness"]
    assert told["exposure"][0]["users"] == found.main.counts["users"] < len(pooled)
    shown = found.main.judged[told["variant"]].overall["coverage@3"]
    assert told["exposure"][0]["shown"] == pytest.approx(shown)


def test_one_cut_is_told_from_another_and_seeds_are_not_new_questions(shop, make_config):
    # What is asked does not depend on who answers: for lists of a file nothing is trained.
    lists = [GivenLists("theirs", pd.DataFrame({"user_id": ["a"], "item_id": ["b"], "rank": [1]}))]

    def question(**evaluation):
        config = small(make_config, **{**CUT, **evaluation})
        return evaluate(shop, config, [], lists=lists).question

    first = question()
    assert question(seeds=[7]) == question(seeds=[7, 8]) == first
    other = question(cut="2024-05-25")
    assert {name for name in first if other[name] != first[name]} >= {"protocol", "users"}
    assert question(k=[3])["protocol"] != first["protocol"]


def test_the_more_is_revealed_the_better_own_purchases_are_known(shop, make_config):
    config = small(make_config, **CUT, protocol="warm_up", users=25, reveal=[0, 2, 8])
    found = evaluate(shop, config, config.chosen(["popular", "own_purchases"]))
    by_reveal = {run.reveal: run.judged for run in found.runs}
    assert list(by_reveal) == [0, 2, 8]
    curve = [judged["own_purchases"].means()["ndcg@10"] for judged in by_reveal.values()]
    assert curve == sorted(curve) and curve[2] > 1.5 * curve[0]
    # Nothing of her: the popular list of the others.
    assert curve[0] == by_reveal[0]["popular"].means()["ndcg@10"]
    assert {tuple(judged["popular"].per_user.index) for judged in by_reveal.values()} == {
        tuple(found.results["popular"].per_user.index)
    }


def test_attributes_of_a_held_out_user_stay_and_her_habits_do_not(shop, make_config, tables):
    habits = {"spending": {"kind": "spending"}, "taste": {"kind": "interest"}}
    amounts = {"protocol": "warm_up", "users": 25, "reveal": [0]}
    config = small(make_config, segments={**AGE, **habits}, **CUT, **amounts)
    found = evaluate(shop, config, config.chosen(["popular"]))
    rows = found.memberships
    asked = found.runs[0].judged["popular"].per_user.index
    ages = tables.users.set_index("user_id")["age"].reindex(asked).dropna()
    found_ages = rows[rows["axis"] == "age"].set_index("user_id")["segment"]
    assert found_ages.to_dict() == ages.to_dict()
    assert set(rows["axis"]) == {"age"}  # without events: no spending, no taste
    assert (found.results["popular"].per_user["history"] == 0).all()


def test_files_of_lists_answer_one_question_only(shop, make_config):
    config = small(make_config, **CUT, origins=2)
    lists = GivenLists("theirs", pd.DataFrame({"user_id": ["a"], "item_id": ["b"], "rank": [1]}))
    with pytest.raises(ConfigError, match="one file of lists answers one question"):
        evaluate(shop, config, [], lists=[lists])


# Somebody else's split


def test_given_files_are_read_and_what_is_not_offered_is_not_listed(tmp_path, tables, make_config):
    early = tables.events["timestamp"] < "2024-06-01"
    tables.events[early].to_csv(tmp_path / "train.csv", index=False)
    late = tables.events[~early & (tables.events["event"] == "purchase")]
    late[["user_id", "item_id", "amount"]].to_parquet(tmp_path / "targets.parquet")
    offered = sorted(set(late["item_id"]))[:40]
    pd.DataFrame({"item_id": offered}).to_csv(tmp_path / "catalogue.csv", index=False)
    files = {"targets": "targets.parquet", "catalogue": "catalogue.csv", "train": "train.csv"}
    evaluation = {"protocol": "given", **{n: str(tmp_path / f) for n, f in files.items()}}
    config = small(make_config, **evaluation)
    shop = open_evaluated(config)
    found = evaluate(shop, config, config.chosen(["own_purchases"]))
    (run,) = found.runs
    assert run.counts["users"] == late["user_id"].nunique()
    assert run.counts["targets"] == len(late[["user_id", "item_id"]].drop_duplicates())
    assert run.counts["catalogue"] == len(offered)
    listed = run.judged["own_purchases"].lists
    assert set(run.items[listed[listed >= 0]]) <= set(offered)
    assert "revenue_recall@10" in run.judged["own_purchases"].per_user
    outside = ~late.drop_duplicates(["user_id", "item_id"])["item_id"].isin(offered)
    assert run.counts["targets_outside_catalogue"] == outside.sum()


def test_bins_are_those_of_what_was_known(outcome):
    table = outcome.runs[0].judged["popular"].by_bin("ndcg@10")
    assert set(table["bin"]) <= set(BINS)
    assert table["users"].sum() == outcome.runs[0].counts["users"]
    assert np.all(table["mean"] >= 0)
