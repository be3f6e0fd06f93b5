import itertools
import math

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.engines import connect, frame
from recsys.random import generator
from recsys.segments import Axis, AxisFit, Memberships
from recsys.segments.axes.attribute import AttributeConfig
from recsys.segments.insight.funnel import (
    EVERYONE,
    LEAST,
    auc_interval,
    funnel,
    separates,
    wilson,
    with_everyone,
)
from recsys.vocabulary import Vocabulary

from .conftest import AS_OF, event_frame


def memberships_of(axes):
    """Memberships by hand: axis -> segment -> user -> weight."""
    users = Vocabulary(sorted({user for own in axes.values() for s in own.values() for user in s}))
    columns = [weights for segments in axes.values() for weights in segments.values()]
    matrix = np.zeros((len(users), len(columns)))
    for column, weights in enumerate(columns):
        for user, weight in weights.items():
            matrix[users.index_of([user])[0], column] = weight
    named = tuple(
        Axis(
            name=name,
            config=AttributeConfig(kind="attribute", column=name),
            fit=AxisFit(segments=tuple(segments), definitions=tuple(segments)),
        )
        for name, segments in axes.items()
    )
    return Memberships(users, named, sparse.csr_matrix(matrix))


NOBODY = memberships_of({})
SOFT = memberships_of({"taste": {"tea": {"a": 1.0, "b": 0.25}, "milk": {"b": 0.75, "c": 0.5}}})


def did(user, event, days=1.0, item="x", **others):
    return {"user_id": user, "event": event, "days": days, "item_id": item, **others}


def lazily(table):
    return nw.from_native(table).lazy()


def of(rows, memberships=NOBODY, **options):
    events = lazily(event_frame(rows))
    return funnel(events, memberships, ["purchase"], **{"as_of": AS_OF, "timed": True, **options})


def users_of(found, axis="", segment=""):
    rows = found.rows[(found.rows["axis"] == axis) & (found.rows["segment"] == segment)]
    return dict(zip(rows["step"], rows["users"], strict=True))


SHOP = [
    did("a", "view"),
    did("a", "cart"),
    did("a", "purchase", 5),
    did("a", "purchase", 3),
    did("b", "click"),
    did("b", "cart"),
    did("c", "purchase", 2),
    did("d", "view"),
    did("e", "search", item=None, query="tea"),
]


def test_a_later_step_counts_as_every_earlier_one():
    # c bought without a view, e only searched.
    assert users_of(of(SHOP)) == {"view": 4, "cart": 3, "purchase": 2, "repeat": 1}


def test_kept_and_lost_are_of_the_step_before():
    rows = of(SHOP).rows
    assert math.isnan(rows["kept"][0]) and math.isnan(rows["lost"][0])
    assert rows["kept"][1:].tolist() == [0.75, pytest.approx(2 / 3), 0.5]
    assert rows["lost"][1:].tolist() == [1, 1, 1]
    low, high = wilson(np.array([0.75]), np.array([4.0]))
    assert (rows["low"][1], rows["high"][1]) == (low[0], high[0])


@pytest.mark.parametrize(
    ("rows", "orders"),
    [
        pytest.param([did("a", "purchase", 2.1), did("a", "purchase", 2.2)], 1, id="one day"),
        pytest.param([did("a", "purchase", 2.1), did("a", "purchase", 3.1)], 2, id="two days"),
        pytest.param(
            [did("a", "purchase", 2, basket_id="p"), did("a", "purchase", 2, basket_id="q")],
            2,
            id="two baskets of a day",
        ),
        pytest.param(
            [did("a", "purchase", 2, basket_id="p"), did("a", "purchase", 3, basket_id="p")],
            1,
            id="one basket",
        ),
        pytest.param(
            [did("a", "purchase", 2), did("a", "purchase", 5, quantity=0.0)], 1, id="none"
        ),
    ],
)
def test_a_repeat_is_a_second_order(rows, orders):
    assert users_of(of(rows)) == {"purchase": 1, "repeat": orders - 1}


def test_soft_members_count_by_their_weight():
    found = of(SHOP, SOFT)
    assert users_of(found, "taste", "tea") == {
        "view": 1.25,
        "cart": 1.25,
        "purchase": 1,
        "repeat": 1,
    }
    assert users_of(found, "taste", "milk") == {
        "view": 1.25,
        "cart": 1.25,
        "purchase": 0.5,
        "repeat": 0,
    }
    milk = found.rows[(found.rows["segment"] == "milk") & (found.rows["step"] == "purchase")]
    # The effective number of the step before: (0.75 + 0.5)² / (0.75² + 0.5²).
    low, high = wilson(np.array([0.4]), np.array([1.25**2 / (0.75**2 + 0.5**2)]))
    assert (milk["low"].item(), milk["high"].item()) == pytest.approx((low[0], high[0]))


def test_steps_that_are_not_recorded_are_left_out_and_said():
    found = of([did("a", "purchase", 2), did("b", "purchase", 3)])
    assert found.steps == ("purchase", "repeat")
    assert found.notes == (
        "no view is recorded: the step is left out",
        "no cart is recorded: the step is left out",
    )
    assert users_of(found) == {"purchase": 2, "repeat": 0}


def test_the_window_and_the_moment_bound_it():
    rows = [did("a", "view", 1), did("b", "view", 31), did("c", "view", 0), did("d", "cart", 30)]
    assert users_of(of(rows, window=30.0)) == {"view": 2, "cart": 1}
    assert users_of(of(rows)) == {"view": 3, "cart": 1}


def test_without_times_every_purchase_is_an_order_of_its_own():
    rows = [did("a", "view", None), did("a", "purchase", None), did("a", "purchase", None)]
    assert users_of(of(rows, timed=False)) == {"view": 1, "purchase": 1, "repeat": 1}


def test_it_says_where_a_segment_falls_behind():
    rows, age = [], {"young": {}, "old": {}}
    for n in range(400):
        group = "young" if n % 2 else "old"
        age[group][f"u{n}"] = 1.0
        rows.append(did(f"u{n}", "view"))
        # The young fill carts and do not buy; the old rarely fill one, and then buy.
        if n % 8 < 6 if n % 2 else n % 8 < 4:
            rows.append(did(f"u{n}", "cart"))
            if n % 16 < 2 or not n % 2:
                rows.append(did(f"u{n}", "purchase"))
    losses = of(rows, memberships_of({"age": age})).losses.set_index("segment")
    assert losses["loses_at"].to_dict() == {"": "repeat", "young": "purchase", "old": "cart"}
    assert losses["clear"].tolist() == [False, True, True]
    assert losses["everyone"]["young"] == pytest.approx(
        users_of(of(rows))["purchase"] / users_of(of(rows))["cart"]
    )
    assert (
        "age: young falls behind most, at purchase"
        in of(rows, memberships_of({"age": age})).sentence
    )


def test_segments_drawn_by_lot_do_not_fall_behind():
    rng, rows = generator(6, "lot"), []
    by_lot = {f"s{k}": {} for k in range(40)}
    for number in range(1200):
        user = f"u{number}"
        by_lot[f"s{rng.integers(40)}"][user] = 1.0
        rows.append(did(user, "view"))
        rows += [did(user, "cart")] if rng.random() < 0.5 else []
        rows += [did(user, "purchase")] if rng.random() < 0.3 else []
    found = of(rows, memberships_of({"lot": by_lot}))
    # Of 80 shares, about two intervals end below what all users keep.
    own = found.rows[found.rows["axis"] != ""].set_index(["segment", "step"])
    low = found.losses.set_index("segment")["everyone"].drop("")
    steps = found.losses.set_index("segment")["loses_at"].drop("")
    behind = [own["high"][segment, steps[segment]] < low[segment] for segment in steps.index]
    assert any(behind)
    assert not found.losses["clear"].any()


def test_nothing_recorded_is_no_crash():
    found = of([did("a", "impression")], SOFT)
    assert found.steps == () and found.rows.empty and found.losses.empty
    empty = funnel(lazily(event_frame(SHOP).iloc[:0]), SOFT, ["purchase"], as_of=AS_OF, timed=True)
    assert empty.rows.empty
    assert "Too little is recorded" in empty.sentence


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(["view", "cart", "purchase", "search"]),
            st.integers(1, 4),
        ),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_a_slow_loop_and_the_other_engine_say_the_same(drawn, order):
    rows = [did(*row) for row in drawn]
    expected = dict.fromkeys(("view", "cart", "purchase", "repeat"), 0.0)
    for user in {row[0] for row in drawn}:
        events = [event for name, event, _ in drawn if name == user]
        days = {day for name, event, day in drawn if (name, event) == (user, "purchase")}
        depth = max([0, *({"view": 1, "cart": 2, "purchase": 3}.get(event, 0) for event in events)])
        for step in list(expected)[: 4 if len(days) > 1 else depth]:
            expected[step] += {"a": 1.0, "b": 0.25}.get(user, 0.0)
    found = of(rows, SOFT)
    tea = users_of(found, "taste", "tea")
    assert tea == {step: expected[step] for step in found.steps}
    for kept in found.rows["kept"].dropna():
        assert 0 <= kept <= 1
    order.shuffle(rows)
    with connect() as connection:
        connection.register("e", event_frame(rows))
        again = funnel(frame(connection, "e"), SOFT, ["purchase"], as_of=AS_OF, timed=True)
    pd.testing.assert_frame_equal(again.rows, found.rows)
    assert again.sentence == found.sentence


def test_everyone_stands_first_and_strangers_belong_to_no_segment():
    names, weights = with_everyone(SOFT, Vocabulary(["b", "zoe"]))
    assert names == [EVERYONE, ("taste", "tea"), ("taste", "milk")]
    assert weights.toarray().tolist() == [[1, 0.25, 0.75], [1, 0, 0]]


# intervals


@pytest.mark.parametrize(("share", "n"), [(0.0, 8.0), (1.0, 8.0), (0.3, 40.0), (0.5, 2.5)])
def test_wilson_solves_its_equation(share, n):
    # The bounds are the shares at which the score test is just not rejected.
    for bound in wilson(np.array([share]), np.array([n])):
        score = abs(share - bound[0]) - 1.959963985 * math.sqrt(bound[0] * (1 - bound[0]) / n)
        assert score == pytest.approx(0, abs=1e-9)


def test_wilson_of_nobody_is_unknown():
    low, high = wilson(np.array([np.nan]), np.array([0.0]))
    assert np.isnan([low[0], high[0]]).all()


VALUES = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=4, max_size=20).filter(
    lambda rows: 2 <= sum(positive for _, positive in rows) <= len(rows) - 2
)


@given(VALUES)
def test_auc_and_its_variance_by_looping_over_pairs(rows):
    values = np.array([value for value, _ in rows], dtype=float)
    positive = np.array([flag for _, flag in rows])
    wins = {
        (i, j): 1.0 if values[i] > values[j] else 0.5 if values[i] == values[j] else 0.0
        for i, j in itertools.product(np.flatnonzero(positive), np.flatnonzero(~positive))
    }
    v_p = [np.mean([w for (i, _), w in wins.items() if i == p]) for p in np.flatnonzero(positive)]
    v_n = [np.mean([w for (_, j), w in wins.items() if j == n]) for n in np.flatnonzero(~positive)]
    error = math.sqrt(np.var(v_p, ddof=1) / len(v_p) + np.var(v_n, ddof=1) / len(v_n))
    area = np.mean(list(wins.values()))
    found = auc_interval(values, positive)
    assert found.mean == pytest.approx(area)
    # The quantile is rounded, and a bound may lie next to 0.
    assert found.low == pytest.approx(max(0, area - 1.959963985 * error), abs=1e-9)
    assert found.high == pytest.approx(min(1, area + 1.959963985 * error), abs=1e-9)


def test_the_interval_of_an_auc_covers():
    # Normal buyers one standard deviation above normal leavers: AUC = Φ(1 / √2).
    truth, rng, runs = 0.5 * (1 + math.erf(0.5)), generator(1, "auc"), 400
    positive = np.arange(120) < 40
    held = 0
    for _ in range(runs):
        found = auc_interval(rng.normal(size=120) + positive, positive)
        held += found.low <= truth <= found.high
    # Five standard errors of a share of 0.95 around it.
    assert held / runs == pytest.approx(0.95, abs=5 * math.sqrt(0.95 * 0.05 / runs))


# buyers and leavers


def two_windows(n=240, *, told_by="cart", seed=3):
    """Users of whom a share buys after the cut, more often the more they did of one thing."""
    rng = generator(seed, "two windows")
    rows = []
    for number in range(n):
        user = f"u{number:03}"
        much = int(rng.integers(0, 4))
        rows += [did(user, "view", 29 + float(day)) for day in rng.integers(0, 27, size=3)]
        rows += [did(user, told_by, 29 + float(day)) for day in rng.integers(0, 27, size=much)]
        if rng.random() < 0.1 + 0.25 * much:
            rows.append(did(user, "purchase", 2))
    return rows


def apart(rows, **options):
    events = lazily(event_frame(rows))
    return separates(events, ["purchase"], **{"as_of": AS_OF, "seed": 0, **options})


def test_the_planted_behaviour_is_found_on_users_that_did_not_choose_it():
    found = apart(two_windows())
    assert found.best == "carts"
    row = found.rows.set_index("behaviour").loc["carts"]
    assert 0.5 < row["low"] < row["auc"] < row["high"]
    assert row["buyers"] > row["leavers"]
    # About half of the 240 users judge, and the number is told.
    assert 90 < found.users < 150
    assert "correlation" in found.sentence and "carts" in found.sentence


def test_fewer_of_something_can_tell_buyers_too():
    rows = two_windows()
    buyers = {row["user_id"] for row in rows if row["event"] == "purchase"}
    everyone = {row["user_id"] for row in rows}
    rows = [row for row in rows if row["event"] != "cart"]
    rows += [did(user, "favorite", 30) for user in everyone - buyers for _ in range(5)]
    found = apart(rows)
    assert found.best == "favourites"
    row = found.rows.set_index("behaviour").loc["favourites"]
    assert row["auc"] == 1.0 and row["buyers"] < row["leavers"]
    assert "buyers have fewer" in found.sentence


def test_what_tells_nothing_is_not_claimed():
    claimed = 0
    for seed in range(12):
        rng = generator(seed, "noise")
        rows = []
        for number in range(80):
            user = f"u{number}"
            rows += [did(user, "view", 30) for _ in range(1 + int(rng.integers(4)))]
            rows += [did(user, "cart", 31) for _ in range(int(rng.integers(4)))]
            rows += [did(user, "purchase", 2)] if rng.random() < 0.5 else []
        claimed += apart(rows, seed=seed).best is not None
    # At 2.5 % each, 3 or more of 12 have a chance of 0.3 %.
    assert claimed < 3


def test_what_happens_after_the_cut_is_no_behaviour():
    rows = two_windows()
    with_later = [*rows, *(did(row["user_id"], "cart", 3) for row in rows)]
    pd.testing.assert_frame_equal(apart(with_later).rows, apart(rows).rows)
    later = [did(row["user_id"], "purchase", -1) for row in rows]
    pd.testing.assert_frame_equal(apart([*rows, *later]).rows, apart(rows).rows)


def test_categories_count_where_they_are_given_and_engines_agree():
    rows = two_windows()
    for n, row in enumerate(rows):
        row["item_id"] = f"i{n % 7}"
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(7)], "category": list("aabbccc")})
    table = event_frame(rows)
    here = apart(rows, item_category=lazily(items))
    assert "distinct categories" in here.rows["behaviour"].tolist()
    with connect() as connection:
        connection.register("e", table.sample(frac=1, random_state=1, ignore_index=True))
        connection.register("i", items)
        there = separates(
            frame(connection, "e"),
            ["purchase"],
            as_of=AS_OF,
            seed=0,
            item_category=frame(connection, "i"),
        )
    pd.testing.assert_frame_equal(there.rows, here.rows)
    assert there.sentence == here.sentence


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [did("a", "view", 30)],
        [did(f"u{n}", "view", 30) for n in range(100)],
        [
            did(f"u{n}", event, days)
            for n in range(100)
            for event, days in [("view", 30), ("purchase", 1)]
        ],
    ],
)
def test_too_few_of_either_kind_is_said(rows):
    table = event_frame(rows or [did("a", "view", 30)]).iloc[: None if rows else 0]
    found = separates(lazily(table), ["purchase"], as_of=AS_OF, seed=0)
    assert found.best is None and found.rows.empty
    assert f"{LEAST} of either are needed" in found.sentence
