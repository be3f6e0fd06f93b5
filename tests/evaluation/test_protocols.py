"""Every protocol's split: published cases, slow loops, and what must hold for any events."""

import json
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recsys import metrics
from recsys.engines import connect, rows
from recsys.errors import ConfigError, DataError
from recsys.evaluation import EvaluationConfig
from recsys.evaluation.protocols import given as given_files
from recsys.evaluation.protocols import split
from recsys.events.shop import read_shop
from recsys.events.validation import Intake

CASE = json.loads((Path(__file__).parent / "splits.json").read_text(encoding="utf-8"))
FIRST = pd.Timestamp("2026-01-01")
NAMES = ["user_id", "item_id", "day"]


def shop_of(events, *, timed=True, **columns):
    """A shop of ``(user, item, day)`` purchases."""
    frame = pd.DataFrame(events, columns=NAMES).assign(**columns)
    frame["timestamp"] = FIRST + pd.to_timedelta(frame.pop("day"), unit="D")
    frame = frame if timed else frame.drop(columns="timestamp")
    return read_shop(connect(threads=1), frame, Intake(columns={}, default_event="purchase"))


def day(number):
    return str(FIRST + pd.Timedelta(number, unit="D"))


def ask(shop, seed=0, **evaluation):
    return split(shop, EvaluationConfig(**evaluation), ["purchase"], seed=seed)


def triples(shop, part, before=None):
    """``(user, item, day)`` of the events that a part of the shop allows."""
    early = f" AND time < {before}" if before is not None else ""
    origin = FIRST.value // 1000
    query = (
        f"SELECT user_id, item_id, (time - {origin}) // 86400000000 FROM events "
        f"WHERE {part.events_where}{early}"
    )
    return sorted(map(list, rows(shop.connection, query)))


def pairs(targets):
    return sorted(targets[["user_id", "item_id"]].to_numpy().tolist())


def without_days(events):
    return sorted([user, item] for user, item, _ in events)


# Published cases


def test_the_global_cut_is_the_published_one():
    shop, case = shop_of(CASE["events"]), CASE["global_temporal"]
    (question,) = ask(shop, cut=day(7), test_window="30d")
    (asked,) = question.asked
    assert triples(shop, question.training, question.as_of) == sorted(case["train"])
    assert triples(shop, asked.known, question.as_of) == sorted(case["train"])
    assert pairs(asked.targets) == without_days(case["test_all"])


def test_leave_last_is_the_published_one_and_counts_what_it_leaks():
    shop, case = shop_of(CASE["events"]), CASE["leave_last_one_out"]
    (question,) = ask(shop, protocol="leave_last")
    assert triples(shop, question.training) == sorted(case["train"])
    assert pairs(question.asked[0].targets) == without_days(case["test"])
    leaks = case["future_train_events_per_test_instance"]
    assert question.counts["leaked_events"] == sum(leaks.values()) == 5


def test_fold_in_is_the_published_one():
    shop, case = shop_of(CASE["events"]), CASE["user_holdout_fold_in"]
    found = {}
    for seed in range(30):
        (question,) = ask(shop, seed, protocol="holdout_users", users=1)
        (asked,) = question.asked
        (user,) = asked.targets["user_id"].unique()
        found[user] = (triples(shop, question.training), triples(shop, asked.known), asked.targets)
    assert set(found) == {"u1", "u2", "u3"}  # the others have a single event
    train, known, targets = found["u3"]
    assert train == sorted(case["train"])
    assert known == sorted(case["fold_in"])
    assert pairs(targets) == without_days(case["ground_truth"])


def test_sampled_measures_would_turn_the_order_round_and_exact_ones_are_what_we_offer():
    case = CASE["sampled_metrics"]
    exact = {}
    for name, ranks in (("A", case["A_ranks"]), ("B", case["B_ranks"])):
        hits = np.zeros((len(ranks), case["n_items"]), dtype=bool)
        hits[np.arange(len(ranks)), np.array(ranks) - 1] = True
        one = np.ones(len(ranks), dtype=np.int64)
        listed = np.ones_like(hits)
        every = case["n_items"]
        exact[name] = {
            "hit": metrics.hit_rate(hits, one, k=case["k"]).mean(),
            "ndcg": metrics.ndcg(hits, one, k=case["k"]).mean(),
            "auc": metrics.auc(hits, one, listed, k=every, n_candidates=every).mean(),
        }
        assert exact[name] == pytest.approx(case["exact"][name], abs=1e-9)
    sampled = case["expected_with_100_sampled_negatives"]
    assert exact["A"]["ndcg"] > exact["B"]["ndcg"] and sampled["A"]["ndcg"] < sampled["B"]["ndcg"]


# Rules of the temporal protocol


def test_rolling_origins_lie_a_window_apart():
    shop = shop_of([(u, i, d) for d in range(40) for u, i in (("a", "x"), ("b", str(d)))])
    questions = ask(shop, cut=day(30), test_window="5d", origins=3)
    assert [question.name[:10] for question in questions] == [day(n)[:10] for n in (30, 25, 20)]
    for number, question in enumerate(questions):
        start = 30 - 5 * number
        expected = [["a", "x"], *(["b", str(d)] for d in range(start, start + 5))]
        assert pairs(question.asked[0].targets) == sorted(expected)
        assert max(d for *_, d in triples(shop, question.training, question.as_of)) == start - 1


EVENTS = [("a", "x", 1), ("a", "y", 12), ("a", "x", 12), ("a", "z", 13), ("b", "x", 14)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("all", [["a", "x"], ["a", "y"], ["a", "z"], ["b", "x"]]),
        ("first", [["a", "x"], ["a", "y"], ["b", "x"]]),
        ("new", [["a", "y"], ["a", "z"], ["b", "x"]]),
    ],
)
def test_which_purchases_of_the_window_are_targets(rule, expected):
    (question,) = ask(shop_of(EVENTS), cut=day(10), test_window="10d", target_rule=rule)
    assert pairs(question.asked[0].targets) == expected


def test_amounts_of_a_pair_add_up():
    shop = shop_of([*EVENTS, ("a", "y", 15)], amount="2.50")
    (question,) = ask(shop, cut=day(10), test_window="10d")
    targets = question.asked[0].targets.set_index(["user_id", "item_id"])["amount"]
    assert targets["a", "y"] == 500
    assert targets["b", "x"] == 250


def test_views_and_nothing_sold_are_no_targets():
    shop = shop_of(
        EVENTS,
        event=["purchase", "view", "purchase", "purchase", "purchase"],
        quantity=[1, 1, 1, 0, 2],
    )
    (question,) = ask(shop, cut=day(10), test_window="10d")
    assert pairs(question.asked[0].targets) == [["a", "x"], ["b", "x"]]


def test_given_files_say_what_is_learnt_what_is_asked_and_what_is_offered():
    shop = shop_of(EVENTS)
    targets = pd.DataFrame({"user_id": ["b"], "item_id": ["y"]})
    (question,) = given_files(shop, targets, ["y", "new"])
    assert triples(shop, question.training, question.as_of) == sorted(map(list, EVENTS))
    items = question.training.items()
    assert items["available"].to_dict() == {"x": False, "y": True, "z": False, "new": True}
    assert shop.items().empty


# What must hold for any events

events = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz"), st.integers(0, 20)),
    min_size=8,
    max_size=40,
    unique=True,
)
kept_small = settings(max_examples=12, deadline=None)


@kept_small
@given(events, st.integers(0, 3))
def test_leave_last_is_the_slow_loop(history, seed):
    by_user = {}
    for user, item, when in history:
        by_user.setdefault(user, []).append((when, item))
    last = {user: max(mine) for user, mine in by_user.items() if len(mine) > 1}
    assume(last)
    shop = shop_of(history)
    (question,) = ask(shop, seed, protocol="leave_last")
    train = [[u, i, d] for u, i, d in history if (d, i) != last.get(u)]
    assert triples(shop, question.training) == sorted(train)
    assert pairs(question.asked[0].targets) == sorted([u, item] for u, (_, item) in last.items())
    leaks = sum(d > when for when, _ in last.values() for *_, d in train)
    assert question.counts["leaked_events"] == leaks


@kept_small
@given(events, st.integers(0, 3), st.sampled_from([0.5, 0.8]))
def test_fold_in_cuts_each_held_out_user_at_a_moment(history, seed, fold_in):
    shop = shop_of(history)
    try:
        (question,) = ask(shop, seed, protocol="holdout_users", users=2, fold_in=fold_in)
    except DataError:
        return
    (asked,) = question.asked
    held = set(asked.targets["user_id"])
    assert held.isdisjoint(user for user, *_ in triples(shop, question.training))
    for user in held:
        mine = sorted(d for u, _, d in history if u == user)
        boundary = mine[-ceil((1 - fold_in) * len(mine) - 1e-9)]
        known = sorted([u, i, d] for u, i, d in history if u == user and d < boundary)
        hidden = {(u, i) for u, i, d in history if u == user and d >= boundary}
        assert [row for row in triples(shop, asked.known) if row[0] == user] == known
        assert {tuple(pair) for pair in pairs(asked.targets) if pair[0] == user} == hidden


@kept_small
@given(events, st.integers(0, 3))
def test_without_times_a_seeded_share_of_pairs_is_hidden(history, seed):
    shop = shop_of(history, timed=False)
    try:
        (question,) = ask(shop, seed, protocol="holdout_users", users=2, fold_in=0.5)
    except DataError:
        return
    (asked,) = question.asked
    for user in asked.targets["user_id"].unique():
        every = {(u, i) for u, i, _ in history if u == user}
        hidden = {tuple(pair) for pair in pairs(asked.targets) if pair[0] == user}
        known = {(u, i) for u, i, _ in triples(shop, asked.known) if u == user}
        assert len(hidden) == ceil(len(every) / 2)
        assert known == every - hidden


def revealed_slowly(mine, n, *, newest):
    """The events of a user's `n` items that were bought first (or last), up to that moment."""
    moments = {}
    for item, when in mine:
        best = max if newest else min
        moments[item] = best(when, moments.get(item, when))
    sign = -1 if newest else 1
    order = sorted(moments, key=lambda item: (sign * moments[item], item))[:n]
    if not order:
        return []
    bound = moments[order[-1]]
    return sorted((i, d) for i, d in mine if i in order and sign * (bound - d) >= 0)


@kept_small
@given(events, st.integers(0, 3))
def test_the_newest_items_are_revealed_and_targets_stay_the_same(history, seed):
    shop = shop_of(history)
    try:
        (question,) = ask(
            shop,
            seed,
            protocol="warm_up",
            cut=day(12),
            test_window="10d",
            users=2,
            reveal=[0, 1, 2],
        )
    except DataError:
        return
    held = set(question.asked[0].targets["user_id"])
    training = triples(shop, question.training, question.as_of)
    assert held.isdisjoint(user for user, *_ in training)
    for asked in question.asked:
        assert pairs(asked.targets) == pairs(question.asked[0].targets)
        for user in held:
            mine = [(i, d) for u, i, d in history if u == user and d < 12]
            known = [(i, d) for u, i, d in triples(shop, asked.known) if u == user]
            assert known == revealed_slowly(mine, asked.reveal, newest=True)


@kept_small
@given(events, st.integers(0, 3))
def test_the_oldest_items_are_revealed_and_the_rest_is_asked(history, seed):
    shop = shop_of(history)
    options = {"protocol": "warm_up", "reveal_from": "first", "reveal": [0, 1, 2], "users": 2}
    try:
        (question,) = ask(shop, seed, **options)
    except DataError:
        return
    held = {user for asked in question.asked for user in asked.targets["user_id"]}
    for asked in question.asked:
        assert set(asked.targets["user_id"]) == held  # every point is over the same users
        for user in held:
            mine = [(i, d) for u, i, d in history if u == user]
            known = [(i, d) for u, i, d in triples(shop, asked.known) if u == user]
            assert known == revealed_slowly(mine, asked.reveal, newest=False)
            rest = {(user, i) for i, d in mine if (i, d) not in known}
            assert {tuple(p) for p in pairs(asked.targets) if p[0] == user} == rest


@pytest.mark.parametrize(("reveal_from", "known"), [("first", [1, 1]), ("last", [5, 5])])
def test_a_basket_is_revealed_whole(reveal_from, known):
    history = [("a", "x", 1), ("a", "y", 1), ("a", "x", 5), ("a", "z", 5), ("a", "w", 9)]
    shop = shop_of([*history, ("b", "x", 3)], basket_id=["p", "p", "q", "q", "r", "s"])
    options = {"cut": day(7), "test_window": "9d"} if reveal_from == "last" else {}
    (question,) = ask(
        shop,
        protocol="warm_up",
        reveal=[1],
        reveal_unit="baskets",
        reveal_from=reveal_from,
        users=1,
        **options,
    )
    assert [d for *_, d in triples(shop, question.asked[0].known)] == known


def test_searches_and_views_of_the_hidden_part_stay_hidden():
    history = [
        ("a", "x", 1),
        ("a", "y", 2),
        ("a", "y", 3),
        ("a", "z", 9),
        ("b", "x", 3),
        ("c", "x", 9),
    ]
    event = ["purchase", "view", "purchase", "purchase", "purchase", "purchase"]
    options = {"cut": day(7), "test_window": "9d", "users": 1, "reveal": [0, 1]}
    shop = shop_of(history, event=event)
    (question,) = ask(shop, protocol="warm_up", **options)
    none, one = (triples(shop, asked.known) for asked in question.asked)
    assert none == []
    assert one == [["a", "y", 3]]


@kept_small
@given(events, st.integers(0, 3))
def test_the_order_of_rows_changes_no_draw(history, seed):
    options = {"protocol": "holdout_users", "users": 2}
    found = []
    for listed in (history, history[::-1]):
        shop = shop_of(listed)
        try:
            (question,) = ask(shop, seed, **options)
        except DataError:
            return
        found.append((triples(shop, question.training), pairs(question.asked[0].targets)))
    assert found[0] == found[1]


# Misuse


@pytest.mark.parametrize("protocol", ["temporal", "leave_last", "warm_up"])
def test_without_times_the_error_names_what_can_be_done(protocol):
    with pytest.raises(ConfigError, match=r"timestamps"):
        ask(shop_of(EVENTS, timed=False), protocol=protocol)


def test_a_cut_outside_the_events_is_refused():
    with pytest.raises(DataError, match="the cut 2020-01-01T00:00:00Z is outside the events"):
        ask(shop_of(EVENTS), cut="2020-01-01")


def test_too_many_origins_are_refused():
    with pytest.raises(DataError, match="set \\[evaluation\\] cut, test_window or origins"):
        ask(shop_of([("a", "x", n) for n in range(9)]), test_window="3d", origins=4)


def test_a_window_in_which_nobody_buys_is_refused_before_anything_is_learnt():
    with pytest.raises(DataError, match="nothing was bought from 2026-01-04"):
        ask(shop_of(EVENTS), cut=day(3), test_window="2d")


def test_everybody_held_out_is_refused():
    with pytest.raises(DataError, match="2 of 2 users can be kept out of training"):
        ask(shop_of([*EVENTS, ("b", "y", 15)]), protocol="holdout_users")


def test_revealing_more_than_anybody_has_is_refused():
    with pytest.raises(DataError, match="reveal less of each"):
        ask(shop_of(EVENTS), protocol="warm_up", reveal_from="first", reveal=[9])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reveal": [1]}, "reveal is not read by protocol = 'temporal', only by warm_up"),
        ({"protocol": "given"}, "needs targets"),
        ({"protocol": "leave_last", "cut": "2026-01-01"}, "cut is not read by"),
        ({"protocol": "warm_up", "reveal": [1, 1]}, "distinct whole numbers"),
        ({"protocol": "warm_up", "reveal": [-1]}, "distinct whole numbers"),
        ({"protocol": "holdout_users", "fold_in": 1.0}, "less than 1"),
        ({"k": []}, "at least 1"),
        ({"protocol": "sampled"}, "temporal"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EvaluationConfig(**options)
