import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from recsys.errors import ConfigError
from recsys.segments import KINDS, Axis, AxisConfig, assign_axes, axes_off, fit_axes

CONFIG = TypeAdapter(AxisConfig)


def config(**keys):
    return CONFIG.validate_python(keys)


def segments_of(axis_config, facts, fitted_on=None):
    """Fit on one group of users, assign another; name -> weight of each user."""
    axes = fit_axes({"axis": axis_config}, fitted_on or facts)
    frame = assign_axes(axes, facts).frame()
    found = {user: {} for user in facts.histories.users.ids.tolist()}
    for row in frame.itertuples():
        found[row.user_id][row.segment] = row.weight
    return found


def buy(user, days, amount=100, item="x", event="purchase"):
    return {"user_id": user, "item_id": item, "days": days, "amount": amount, "event": event}


def test_lifecycle_at_its_boundaries(facts_of):
    rows = [
        buy("new", 30),
        buy("active", 31),
        buy("active", 30),
        buy("silent", 90),
        buy("silent", 90.5),
        buy("lapsed", 90.01),
        buy("looked", 2, event="view"),
    ]
    facts = facts_of(rows, users=["new", "active", "silent", "lapsed", "looked", "nobody"])
    found = segments_of(config(kind="lifecycle"), facts)
    assert found == {
        "new": {"new": 1.0},
        "active": {"active": 1.0},
        "silent": {"silent": 1.0},
        "lapsed": {"lapsed": 1.0},
        "looked": {"prospect": 1.0},
        "nobody": {},
    }


def test_spending_cuts_at_quantiles_of_buyers(facts_of):
    rows = [buy(f"u{n}", 5, amount=100 * (n + 1)) for n in range(10)]
    found = segments_of(config(kind="spending"), facts_of([*rows, buy("v", 5, event="view")]))
    # The cuts are the 0.5 and the 0.8 quantile of 100 … 1000, taken at a value that is there.
    middle, high = np.quantile(np.arange(100, 1001, 100), [0.5, 0.8], method="higher")
    for n in range(10):
        spent = 100 * (n + 1)
        expected = "high" if spent >= high else "middle" if spent >= middle else "low"
        assert found[f"u{n}"] == {expected: 1.0}
    assert found["v"] == {}


def test_spending_says_its_cuts_in_words(facts_of):
    rows = [buy(f"u{n}", 5, amount=100 * (n + 1)) for n in range(10)]
    facts = facts_of(rows, windows=(90.0,))
    (axis,) = fit_axes({"axis": config(kind="spending", window="90d")}, facts)
    assert axis.fit.definitions[0] == "spent less than 6.00 in the last 90d"


def test_spending_below_zero_through_returns_is_low(facts_of):
    rows = [buy(f"u{n}", 5, amount=100 * (n + 1)) for n in range(10)]
    rows += [buy("back", 5, amount=100), buy("back", 4, amount=900, event="return")]
    assert segments_of(config(kind="spending"), facts_of(rows))["back"] == {"low": 1.0}


def test_spending_without_amounts_is_refused_with_the_remedy(facts_of):
    with pytest.raises(ConfigError, match=r"needs amounts .* \[data.columns\] amount"):
        segments_of(config(kind="spending"), facts_of([buy("a", 1, amount=None)]))


def test_even_spending_is_refused_with_the_remedy(facts_of):
    with pytest.raises(ConfigError, match="too even"):
        segments_of(config(kind="spending"), facts_of([buy("a", 1), buy("b", 2)]))


def test_rfm_cells(facts_of):
    rows = []
    for n in range(10):
        # u0 came last, most often and spent most; u9 the other way round.
        rows += [buy(f"u{n}", n + 1 + day, amount=1000 - 50 * n) for day in range(10 - n)]
    found = segments_of(config(kind="rfm"), facts_of(rows))
    assert found["u0"] == {"champions": 1.0}
    assert found["u9"] == {"hibernating": 1.0}
    assert all(sum(weights.values()) == 1.0 for weights in found.values())


def test_rfm_of_equal_customers_is_the_middle(facts_of):
    facts = facts_of([buy("a", 3), buy("b", 3), buy("c", 3)])
    assert all(len(found) == 1 for found in segments_of(config(kind="rfm"), facts).values())


@pytest.mark.parametrize("values", [["young", "old"], [18.0, 56.0], [18, 56]])
def test_attribute_values_become_segments(facts_of, values):
    file = pd.DataFrame({"age": [*values, None]}, index=["a", "b", "c"])
    facts = facts_of([buy("a", 1)], users=["a", "b", "c", "d"], attributes=file)
    found = segments_of(config(kind="attribute", column="age"), facts)
    texts = [str(int(v)) if isinstance(v, float) else str(v) for v in values]
    assert found == {"a": {texts[0]: 1.0}, "b": {texts[1]: 1.0}, "c": {}, "d": {}}


def test_attribute_keeps_the_most_frequent_values(facts_of):
    file = pd.DataFrame({"city": ["x", "x", "y", "z"]}, index=list("abcd"))
    facts = facts_of([buy("a", 1)], users=list("abcd"), attributes=file)
    (axis,) = fit_axes({"axis": config(kind="attribute", column="city", most=2)}, facts)
    assert axis.segments == ("x", "y")


def test_a_value_that_training_never_saw_is_unknown(facts_of):
    seen = facts_of([buy("a", 1)], attributes=pd.DataFrame({"age": ["old"]}, index=["a"]))
    later = facts_of([buy("b", 1)], attributes=pd.DataFrame({"age": ["new"]}, index=["b"]))
    assert segments_of(config(kind="attribute", column="age"), later, seen) == {"b": {}}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"kind": "attribute", "column": "shoe"}, "'shoe', which is not there; the users file"),
        ({"kind": "attribute", "column": "empty"}, "'empty' holds no value"),
        ({"kind": "interest", "column": "colour"}, "'colour', which is not there; the items file"),
        ({"kind": "interest", "column": "brand"}, "'brand' holds no value"),
    ],
)
def test_an_axis_on_a_missing_or_empty_column_is_refused(facts_of, keys, said):
    file = pd.DataFrame({"age": ["old"], "empty": [None]}, index=["a"])
    items = pd.DataFrame({"available": [True], "category": ["c"], "brand": [None]}, index=["x"])
    facts = facts_of([buy("a", 1)], attributes=file, items=items)
    with pytest.raises(ConfigError, match=said):
        segments_of(config(**keys), facts)


ITEMS = pd.DataFrame(
    {"available": True, "category": ["food > bread", "food > milk", "toys", None]},
    index=["bread", "milk", "car", "odd"],
)


def test_interest_shares_out_what_a_user_is_worth(facts_of):
    rows = [
        buy("a", 0, item="bread"),
        buy("a", 0, item="milk"),
        buy("a", 0, item="car"),
        buy("a", 0, item="odd"),
        buy("b", 0, item="car", event="view"),
        buy("c", 0, item="car", event="return"),
    ]
    found = segments_of(config(kind="interest"), facts_of(rows, items=ITEMS))
    # Equal worth four times: half is food, a quarter toys, and a quarter is unknown mass.
    assert found["a"] == {"food": pytest.approx(0.5), "toys": pytest.approx(0.25)}
    assert found["b"] == {"toys": pytest.approx(1.0)}
    assert found["c"] == {}


def test_interest_deeper_in_the_hierarchy(facts_of):
    rows = [buy("a", 0, item="bread"), buy("a", 0, item="milk")]
    found = segments_of(config(kind="interest", level=2), facts_of(rows, items=ITEMS))
    assert found["a"] == {"food > bread": pytest.approx(0.5), "food > milk": pytest.approx(0.5)}


def test_without_times_the_axes_that_need_them_are_off_and_said_to_be(facts_of):
    rows = [buy("a", None), buy("b", None, amount=500), buy("c", None, amount=900)]
    facts = facts_of(rows, timed=False)
    configs = {
        "life": config(kind="lifecycle"),
        "cells": config(kind="rfm"),
        "money": config(kind="spending", quantiles=(0.1, 0.9)),
    }
    assert [axis.name for axis in fit_axes(configs, facts)] == ["money"]
    assert axes_off(configs, timed=False) == [
        "no timestamps: the axis 'life' (lifecycle) is off",
        "no timestamps: the axis 'cells' (rfm) is off",
    ]
    assert axes_off(configs, timed=True) == []


def test_an_axis_survives_its_json(facts_of):
    rows = [buy(f"u{n}", 5, amount=100 * (n + 1)) for n in range(10)]
    for axis in fit_axes({"a": config(kind="spending"), "b": config(kind="rfm")}, facts_of(rows)):
        assert Axis.model_validate_json(axis.model_dump_json()) == axis


def test_every_kind_is_named_by_its_config():
    for name, kind in KINDS.items():
        assert kind.config.model_fields["kind"].annotation.__args__ == (name,)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from(["bread", "milk", "car", "odd"]),
            st.sampled_from(["purchase", "view", "return"]),
            st.integers(0, 120),
            st.integers(0, 5000),
        ),
        min_size=4,
        max_size=30,
    ),
)
def test_weights_sum_to_at_most_one_and_one_user_is_as_in_the_batch(facts_of, rows):
    rows = [buy(u, d, a, item=i, event=e) for u, i, e, d, a in rows]
    # Somebody buys at three prices, so that spending always has its cuts.
    rows += [buy(f"s{n}", 3 * n, amount=100 * n, item="bread") for n in range(1, 6)]
    configs = {kind: config(kind=kind) for kind in ("lifecycle", "rfm", "spending", "interest")}
    facts = facts_of(rows, items=ITEMS)
    axes = fit_axes(configs, facts)
    together = assign_axes(axes, facts)
    for axis in axes:
        assert np.all(together.of(axis.name).sum(axis=1) <= 1 + 1e-12)
        assert np.all(together.of(axis.name).data > 0)
    user = rows[0]["user_id"]
    own = [row for row in rows if row["user_id"] == user]
    alone = assign_axes(axes, facts_of(own, items=ITEMS))
    mine = together.row(int(together.users.index_of([user])[0]))
    np.testing.assert_array_equal(alone.row(0), mine)
