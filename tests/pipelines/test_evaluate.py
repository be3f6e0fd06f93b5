"""The offline protocol: targets, and the same lists judged as variants and as a file."""

import numpy as np
import pandas as pd
import pytest

from recsys.errors import ConfigError, DataError
from recsys.events.times import parse_time
from recsys.pipelines.evaluate import (
    evaluate,
    evaluate_lists,
    find_targets,
    known_customers,
    protocol_of,
)
from recsys.pipelines.train import fit
from recsys.ranking import Request

CUT = "2024-06-01T00:00:00Z"


@pytest.fixture(scope="module")
def judged_config(make_config):
    return make_config(evaluation={"cut": CUT, "test_window": "14d", "k": [3, 10]})


@pytest.fixture(scope="module")
def protocol(shop, judged_config):
    return protocol_of(shop, judged_config)


@pytest.fixture(scope="module")
def learnt(shop, judged_config, protocol):
    return fit(shop, judged_config, as_of=protocol.cut, variants=[], threads=1)


@pytest.fixture(scope="module")
def variants(judged_config):
    return judged_config.chosen(["popular", "own_purchases", "als"])


@pytest.fixture(scope="module")
def result(shop, judged_config, protocol, learnt, variants):
    return evaluate(shop, judged_config, protocol, learnt, variants)


def test_targets_are_the_distinct_purchases_of_the_window(
    tables, shop, judged_config, protocol, learnt
):
    targets = find_targets(shop, judged_config, protocol, learnt.model.items)
    events = tables.events
    inside = (events["timestamp"] >= "2024-06-01") & (events["timestamp"] < "2024-06-15")
    bought = events[inside & (events["event"] == "purchase")]
    expected = set(zip(bought["user_id"], bought["item_id"], strict=True))
    users = targets.users.ids[targets.user_index].tolist()
    items = learnt.model.items.ids[targets.items].tolist()
    assert set(zip(users, items, strict=True)) == expected
    assert len(users) == len(expected)


def test_every_user_with_a_target_is_judged(result, shop, judged_config, protocol, learnt):
    targets = find_targets(shop, judged_config, protocol, learnt.model.items)
    assert result.users == len(targets.users)
    for judged in result.judged.values():
        assert judged.per_user.index.tolist() == targets.users.ids.tolist()
        assert (judged.per_user["listed"] == 10).all()


def test_lists_in_a_file_are_judged_as_the_variant_is(
    shop, judged_config, protocol, learnt, variants, result
):
    targets = find_targets(shop, judged_config, protocol, learnt.model.items)
    customers = known_customers(shop, learnt.model, targets, protocol)
    everyone = range(len(customers.users))
    for variant in variants:
        rows = [
            (str(customers.users.ids[user]), item, rank)
            for user, ranking in enumerate(
                learnt.ranker().rank_all(customers, everyone, variant, Request(10))
            )
            for rank, item in enumerate(ranking.ids(learnt.model.items.ids), 1)
        ]
        frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])
        frame = frame.sample(frac=1.0, random_state=1)
        other = evaluate_lists(shop, judged_config, protocol, frame, "file")
        mine = result.judged[variant.name]
        pd.testing.assert_frame_equal(other.judged["file"].per_user, mine.per_user)
        assert other.judged["file"].coverage == mine.coverage
        assert (other.users, other.outside) == (result.users, result.outside)
        assert other.new_users == result.new_users


def test_a_shop_that_knows_its_customers_is_judged_better_than_chance(result):
    means = {name: judged.means() for name, judged in result.judged.items()}
    assert means["own_purchases"]["ndcg@10"] > 2 * means["popular"]["ndcg@10"] > 0
    assert means["popular"]["coverage@10"] < means["own_purchases"]["coverage@10"]


def test_an_item_that_is_new_in_the_window_counts_and_cannot_be_found(
    tables, open_shop_of, judged_config, protocol, learnt, variants, result
):
    new = tables.events.tail(1).assign(
        item_id="brand new", event="purchase", timestamp="2024-06-05", user_id="newcomer"
    )
    events = pd.concat([tables.events, new], ignore_index=True)
    other = open_shop_of(tables._replace(events=events), judged_config)
    found = evaluate(other, judged_config, protocol, learnt, variants)
    assert (found.outside, found.new_users) == (result.outside + 1, result.new_users + 1)
    row = found.judged["popular"].per_user.loc["newcomer"]
    assert (row["n_rel"], row["history"], row["ndcg@10"]) == (1, 0, 0.0)


def test_the_default_cut_is_a_window_before_the_newest_event(shop, make_config):
    config = make_config(evaluation={"test_window": "10d"})
    protocol = protocol_of(shop, config)
    day = 86_400_000_000
    assert protocol.end - protocol.cut == 10 * day
    assert protocol.end == shop.after_all() - 1


def test_a_cut_outside_the_events_is_refused(shop, make_config):
    for cut in ("2020-01-01", "2030-01-01"):
        with pytest.raises(DataError, match="is outside the events, which are of 2024-01-01"):
            protocol_of(shop, make_config(evaluation={"cut": cut}))


def test_a_window_in_which_nothing_was_bought_is_refused(
    tables, open_shop_of, judged_config, protocol, learnt
):
    early = tables.events["timestamp"] < "2024-06-01"
    quiet = tables.events[early | (tables.events["event"] != "purchase")]
    shop = open_shop_of(tables._replace(events=quiet), judged_config)
    with pytest.raises(DataError, match="nothing was bought from 2024-06-01"):
        find_targets(shop, judged_config, protocol, learnt.model.items)


def test_a_shop_without_times_has_no_temporal_protocol(tables, open_shop_of, judged_config):
    untimed = tables._replace(events=tables.events.drop(columns="timestamp"))
    with pytest.raises(ConfigError, match="the temporal protocol needs times"):
        protocol_of(open_shop_of(untimed, judged_config), judged_config)


def test_the_cut_is_read_as_utc(protocol):
    assert protocol.cut == parse_time(CUT, what="cut") == 1_717_200_000_000_000
    assert np.all(np.diff([protocol.cut, protocol.end]) == 14 * 86_400_000_000)
