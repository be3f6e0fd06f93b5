"""Shops that lack something still train, rank, and say what is off."""

import numpy as np
import pandas as pd
import pytest

from recsys.events.shop import WITHOUT_TIMES
from recsys.pipelines import windows
from recsys.pipelines.train import fit, rehearse
from recsys.pipelines.windows import TOO_SHORT
from recsys.ranking import Request, describe
from recsys.ranking.learning import unlearnt
from recsys.vocabulary import Vocabulary


def rankings_of(shop, trained, config, users, k=10, names=None):
    """Every variant's lists, or those of some, finite and full; the users may be strangers."""
    customers = describe(
        shop.events(before=trained.as_of),
        Vocabulary(users),
        shop.users(as_of=trained.as_of),
        trained.model,
        as_of=trained.as_of,
    )
    lists = {}
    for name, variant in config.every_variant().items():
        if names is not None and name not in names:
            continue
        everyone = range(len(customers.users))
        found = list(trained.ranker().rank_all(customers, everyone, variant, Request(k)))
        for ranking in found:
            assert np.isfinite(ranking.scores).all()
            assert len(set(ranking.items.tolist())) + ranking.shortfall == k
        lists[name] = found
    return lists


USERS = ("0000", "0001", "0007", "nobody")


def test_a_shop_trains_and_ranks_by_every_variant(shop, trained, config):
    lists = rankings_of(shop, trained, config, USERS)
    for found in lists.values():
        assert [ranking.shortfall for ranking in found] == [0, 0, 0, 0]
        assert [ranking.fallback for ranking in found] == [None, None, None, "popular"]
    assert trained.notes == ()


def test_weights_are_learnt_for_the_variants_that_ask_for_them(trained, config):
    asked = {n for n, v in config.every_variant().items() if v.recipe.weights == "learned"}
    assert trained.learnt.keys() == asked == {"no_segments", "segment_aware"}
    assert trained.weights().keys() == {trained.variants[name].learns for name in asked}
    for found in trained.learnt.values():
        assert min(min(weights) for weights in found.weights.signals.values()) >= 0
        assert 0 < found.ndcg <= 1
    assert not any(s.startswith("prior:") for s in trained.learnt["no_segments"].weights.signals)
    assert trained.learnt["no_segments"].weights.centre == "mean"


def test_variants_that_differ_after_the_blend_alone_share_what_is_learnt(
    monkeypatch, tables, make_config, open_shop_of
):
    monkeypatch.setattr(windows, "WINDOWS", 1)
    pin = {"first": {"kind": "pin", "items": [tables.items["item_id"].iloc[-1]]}}
    config = make_config(
        segments={"age": {"kind": "attribute", "column": "age"}},
        variants={"sale": {"like": "no_segments", "rules": pin}},
    )
    shop = open_shop_of(tables, config)
    wanted = config.chosen(["no_segments", "sale"])
    trained = fit(shop, config, as_of=shop.after_all(), variants=wanted, threads=1)
    assert trained.learnt["sale"] == trained.learnt["no_segments"]
    assert len(trained.weights()) == 1
    # Another one with the same blend is ranked by those weights, and nothing is learnt anew.
    late = make_config(variants={"later": {"like": "no_segments", "diversity": {"kind": "mmr"}}})
    trained.ranker().check(late.every_variant()["later"])
    lists = rankings_of(shop, trained, config, USERS, names=("no_segments", "sale"))
    first = trained.model.items.index_of(pin["first"]["items"])[0]
    assert [ranking.items[0] for ranking in lists["sale"]] == [first] * len(USERS)


def test_learning_again_on_the_same_windows_finds_the_same(trained, config):
    variant = trained.variants["no_segments"]
    assert rehearse(trained.learning, config, variant, threads=1) == trained.learnt["no_segments"]


def test_weights_are_learnt_only_where_they_are_asked_for(shop, config):
    trained = fit(shop, config, as_of=shop.after_all(), variants=[], threads=1)
    assert trained.learnt == {}


def test_without_times_a_shop_trains_ranks_and_says_what_is_off(tables, config, open_shop_of):
    untimed = tables._replace(events=tables.events.drop(columns="timestamp"))
    shop = open_shop_of(untimed, config)
    trained = fit(shop, config, as_of=shop.after_all(), threads=1)
    assert trained.notes == (
        WITHOUT_TIMES,
        "no timestamps: the axis 'lifecycle' (lifecycle) is off",
    )
    assert [axis.name for axis in trained.model.axes] == ["age", "spending", "taste"]
    assert trained.window_days is None
    assert trained.model.popularity_half_life == np.inf
    assert not trained.model.timed
    rankings_of(shop, trained, config, USERS)


def test_a_history_that_is_too_short_gives_default_weights_and_says_so(
    tables, open_shop_of, make_config
):
    config = make_config(segments={"age": {"kind": "attribute", "column": "age"}})
    # One old purchase and then two days: nothing was bought before the windows.
    lately = tables.events[tables.events["timestamp"] >= "2024-06-27"]
    views = tables.events[tables.events["event"] == "view"].head(5).assign(timestamp="2024-01-01")
    shop = open_shop_of(tables._replace(events=pd.concat([views, lately])), config)
    trained = fit(shop, config, as_of=shop.after_all(), threads=1)
    assert trained.notes == (TOO_SHORT,)
    for name, found in trained.learnt.items():
        signals = trained.variants[name].signals(trained.model.segments)
        assert found.weights == unlearnt(signals).weights
    rankings_of(shop, trained, config, USERS)


def without_recent_purchases(events):
    return events[(events["event"] != "purchase") | (events["timestamp"] < "2024-05-01")]


def one_recent_buyer(events):
    late = events["timestamp"] >= "2024-05-15"
    buyer = events.loc[late & (events["event"] == "purchase"), "user_id"].iloc[0]
    return events[(events["event"] != "purchase") | ~late | (events["user_id"] == buyer)]


def bought_once(events):
    return events[events["event"] == "purchase"].drop_duplicates(["user_id", "item_id"])


def one_event(events):
    return events[events["event"] == "purchase"].head(1)


def one_user(events):
    return events[events["user_id"] == "0001"]


def one_item(events):
    bought = events.loc[events["event"] == "purchase", "item_id"]
    return events[events["item_id"] == bought.mode()[0]]


def one_moment(events):
    return events.assign(timestamp="2024-01-01 10:00:00")


def everyone_new(events):
    late = events["timestamp"] >= "2024-06-01"
    return events.assign(user_id=events["user_id"].where(~late, events["user_id"] + "x"))


@pytest.mark.parametrize(
    "odd",
    [
        without_recent_purchases,
        one_recent_buyer,
        bought_once,
        one_event,
        one_user,
        one_item,
        one_moment,
        everyone_new,
    ],
)
def test_odd_shops_train_and_rank(odd, monkeypatch, tables, open_shop_of, make_config, content):
    # Two windows may differ in what they lack, as three may.
    monkeypatch.setattr(windows, "WINDOWS", 2)
    config = make_config(
        segments={"lifecycle": {"kind": "lifecycle"}, "taste": {"kind": "interest"}}
    )
    shop = open_shop_of(tables._replace(events=odd(tables.events)), config)
    trained = fit(shop, config, as_of=shop.after_all(), threads=1)
    content(trained)
    rankings_of(shop, trained, config, USERS)


def test_a_catalogue_of_which_nothing_is_left_gives_empty_lists(tables, config, open_shop_of):
    gone = tables._replace(items=tables.items.assign(available="false"))
    shop = open_shop_of(gone, config)
    trained = fit(shop, config, as_of=shop.after_all(), variants=[], threads=1)
    customers = describe(
        shop.events(), Vocabulary(USERS), shop.users(as_of=0), trained.model, as_of=trained.as_of
    )
    variant = config.every_variant()["popular"]
    ranking = trained.ranker().rank(customers, 0, variant, Request(10))
    assert (ranking.items.tolist(), ranking.shortfall) == ([], 10)


def test_an_axis_younger_than_the_learning_window_trains_without_a_weight(
    monkeypatch, tables, config, open_shop_of
):
    monkeypatch.setattr(windows, "WINDOWS", 1)
    last_week = tables.users.assign(valid_from="2024-06-25")
    shop = open_shop_of(tables._replace(users=last_week), config)
    trained = fit(shop, config, as_of=shop.after_all(), threads=1)
    assert "age" in trained.model.segments
    assert "prior:age" not in trained.learnt["segment_aware"].weights.signals
    rankings_of(shop, trained, config, USERS)


def test_windows_in_which_nobody_buys_say_that_defaults_are_used(tables, config, open_shop_of):
    views = tables.events["timestamp"] >= "2024-03-15"
    quiet = tables.events.assign(event=tables.events["event"].where(~views, "view"))
    shop = open_shop_of(tables._replace(events=quiet), config)
    trained = fit(shop, config, as_of=shop.after_all(), threads=1)
    assert TOO_SHORT in trained.notes
    for name, found in trained.learnt.items():
        signals = trained.variants[name].signals(trained.model.segments)
        assert found.weights == unlearnt(signals).weights
