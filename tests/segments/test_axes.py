import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from recsys.errors import ConfigError
from recsys.events.schema import MINOR_UNITS
from recsys.segments import KINDS, Axis, AxisConfig, Memberships, assign_axes, axes_off, fit_axes
from recsys.segments.axes.attribute import bin_names

from .made import few_facts, gathered, made_facts

CONFIG = TypeAdapter(AxisConfig)


@pytest.fixture(name="facts_of")
def few_facts_of(facts_of):
    return few_facts(facts_of)


def config(**keys):
    return CONFIG.validate_python(keys)


def segments_of(axis_config, facts, fitted_on=None):
    """Fit on one group of users, assign another; name -> weight of each user."""
    axes = fit_axes({"axis": axis_config}, fitted_on or facts)
    frame = assign_axes(axes, facts).frame()
    found = {user: {} for user in facts.users.ids.tolist()}
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
    assert axis.fit.definitions == (
        "spent less than 6.00 in the 90 days before 2024-07-01",
        "spent 6.00 or more but less than 9.00 in the 90 days before 2024-07-01",
        "spent 9.00 or more in the 90 days before 2024-07-01",
    )


def test_spending_below_zero_through_returns_is_low(facts_of):
    rows = [buy(f"u{n}", 5, amount=100 * (n + 1)) for n in range(10)]
    rows += [buy("back", 5, amount=100), buy("back", 4, amount=900, event="return")]
    assert segments_of(config(kind="spending"), facts_of(rows))["back"] == {"low": 1.0}


def test_spending_without_amounts_is_refused_with_the_remedy(facts_of):
    with pytest.raises(ConfigError, match=r"'spend': .* \[data.columns\] amount"):
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


NAN = float("nan")


def segment_each(facts, **keys):
    """The one segment of each user in order, None = unknown."""
    found = segments_of(config(**keys), facts)
    assert all(set(weights.values()) <= {1.0} and len(weights) <= 1 for weights in found.values())
    return [next(iter(weights), None) for weights in found.values()]


# lifecycle


def test_who_comes_back_after_a_pause_longer_than_silence_is_returning(facts_of):
    rows = [buy("back", 200), buy("back", 10), buy("steady", 100), buy("steady", 10)]
    rows += [buy("again", 300), buy("again", 60), buy("again", 29)]
    found = segments_of(config(kind="lifecycle"), facts_of(rows))
    # The pauses before the last purchase are 190, 90 and 31 days; silence is 90.
    assert found == {
        "back": {"returning": 1.0}, "steady": {"active": 1.0}, "again": {"active": 1.0}
    }  # fmt: skip


def test_the_own_pace_measures_silence_in_gaps():
    facts = made_facts(
        {
            "events": [3, 3, 3, 3, 3, 3, 3, 3, 3, NAN],
            "recency": [20, 20.5, 40, 40.5, 20, 60, NAN, 5, 30, NAN],
            "tenure": [99, 99, 99, 99, 99, 99, NAN, 30, 99, NAN],
            "gap": [10, 10, 10, 10, 10, 30, NAN, 10, 30, NAN],
            "last_gap": [9, 9, 9, 9, 20.5, 60, NAN, NAN, NAN, NAN],
            "p_alive": [0.9, 0.9, 0.2, 0.9, 0.9, 0.9, NAN, 1.0, 0.19, NAN],
        }
    )
    own = segment_each(facts, kind="lifecycle", pace="own")
    assert own == [
        "active", "silent", "silent", "lapsed", "returning", "active", "prospect", "new", "lapsed",
        None,
    ]  # fmt: skip
    without = segment_each(facts, kind="lifecycle", pace="own", lapsed_alive="none")
    assert without == [*own[:8], "active", None]
    tighter = segment_each(facts, kind="lifecycle", pace="own", silent_gaps=1, lapsed_gaps=2)
    assert tighter[:6] == ["silent", "lapsed", "lapsed", "lapsed", "silent", "silent"]


def test_the_own_pace_needs_somebody_who_came_back(facts_of):
    with pytest.raises(ConfigError, match="nobody bought on two days; take pace = 'fixed'"):
        segments_of(config(kind="lifecycle", pace="own"), facts_of([buy("a", 1), buy("b", 9)]))


# aipl


def contact(user, days, event):
    return buy(user, days, amount=None, event=event)


def test_aipl_takes_the_closest_and_only_the_loyal_fall_back(facts_of):
    rows = [
        contact("aware", 15, "impression"),
        contact("gone", 15.1, "view"),
        contact("interest", 15, "cart"),
        contact("faded", 15.1, "cart"),
        contact("faded", 3, "click"),
        contact("twice", 3, "view"),
        contact("twice", 2, "view"),
        contact("two_items", 3, "view") | {"item_id": "y"},
        contact("two_items", 2, "view"),
        buy("bought", 910),
        buy("forgotten", 911),
        buy("loyal", 365),
        buy("loyal", 1),
        buy("fell_back", 366),
        buy("fell_back", 1),
        buy("one_day", 5.2),
        buy("one_day", 5.1),
        buy("praised", 800),
        contact("praised", 300, "rating") | {"rating": 4.0},
        buy("scolded", 5),
        contact("scolded", 3, "rating") | {"rating": 3.5},
        contact("returned", 3, "return"),
        contact("rated", 3, "rating") | {"rating": 5.0},
    ]
    axis = config(kind="aipl")
    found = segments_of(axis, facts_of(rows, asking=(axis,)))
    assert {user: next(iter(weights), None) for user, weights in found.items()} == {
        "aware": "aware",
        "gone": None,
        "interest": "interest",
        "faded": "aware",
        "twice": "interest",
        "two_items": "aware",
        "bought": "purchase",
        "forgotten": None,
        "loyal": "loyal",
        "fell_back": "purchase",
        "one_day": "purchase",
        "praised": "loyal",
        "scolded": "purchase",
        "returned": None,
        "rated": "interest",
    }


def test_aipl_by_the_shops_own_windows_and_signs(facts_of):
    rows = [contact("a", 20, "search") | {"item_id": None}, contact("b", 20, "cart"), buy("c", 40)]
    axis = config(
        kind="aipl", aware="30d", interest="30d", interest_events=["cart"], purchase="30d",
        loyal="30d",
    )  # fmt: skip
    found = segments_of(axis, facts_of(rows, asking=(axis,)))
    assert found == {"a": {"aware": 1.0}, "b": {"interest": 1.0}, "c": {}}


# graded axes with a segment besides


def test_frequency_sees_potential_below_the_highest():
    facts = made_facts(
        {
            "frequency": [9, 8, 1, 1, 1, 1, 1, 1, 1, 1, NAN],
            "orders": [9, 8, 2, 2, 1, 2, 2, 2, 2, 2, 0],
            "order_trend": [1, 0, 0.2, -0.2, 1, 0, 0, 0, 0, 0, NAN],
            "order_value": [1, 1, 1, 1, 1, 90, 80, 70, 1, 1, NAN],
        }
    )
    # The 0.75 quantile of ten order values is at the eighth: 70, the third from above.
    assert segment_each(facts, kind="frequency") == [
        "high", "high", "potential", "low", "low", "potential", "potential", "potential", "low",
        "low", None,
    ]  # fmt: skip


def test_activity_tells_the_silent_from_the_unknown(facts_of):
    rows = [contact(f"u{n}", day, "view") for n in range(4) for day in range(1, 2 * n + 2)]
    rows += [contact("silent", 31, "view"), contact("just", 30, "view")]
    axis = config(kind="activity")
    facts = facts_of(
        rows, users=[*(f"u{n}" for n in range(4)), "silent", "just", "nobody"], asking=(axis,),
    )  # fmt: skip
    # Days seen: 1, 3, 5, 7 and 1; their 0.7 quantile is 5.
    assert segments_of(axis, facts) == {
        "just": {"average": 1.0},
        "nobody": {},
        "silent": {"silent": 1.0},
        "u0": {"average": 1.0},
        "u1": {"average": 1.0},
        "u2": {"active": 1.0},
        "u3": {"active": 1.0},
    }


PRICES = {
    "orders": [1] * 5 + [0],
    "price_position": [0.1, 0.3, 0.5, 0.7, 0.9, NAN],
    "discount_share": [0.0, 0.0, 0.0, 0.1, 0.4, NAN],
}


def test_high_discounts_go_before_the_price():
    facts = made_facts(PRICES)
    keys = {"kind": "price", "cuts": [0.2, 0.8]}
    # Four fifths have less than the highest discount.
    assert segment_each(facts, **keys) == [
        "price_sensitive", "middle", "middle", "middle", "value_first", None
    ]  # fmt: skip
    assert segment_each(facts, **keys, discount_cut=0.1)[3:] == ["value_first"] * 2 + [None]
    assert segment_each(facts, **keys, value_first=False)[3:] == ["middle", "premium", None]


@pytest.mark.parametrize("shares", [[0.0] * 5, [NAN] * 5])
def test_a_shop_without_discounts_has_no_segment_for_them(shares):
    facts = made_facts({**PRICES, "discount_share": [*shares, NAN]})
    (axis,) = fit_axes({"axis": config(kind="price")}, facts)
    assert axis.segments == ("price_sensitive", "middle", "premium")
    assert axis.assign(facts).sum() == 5


def test_a_level_named_like_the_segment_besides_is_refused():
    names = ["low", "potential"]
    facts = made_facts({"frequency": [1, 2], "orders": [1, 1], "order_value": [1, 1],
                        "order_trend": [0, 0]})  # fmt: skip
    with pytest.raises(ConfigError, match="'potential' is a segment besides them"):
        fit_axes({"axis": config(kind="frequency", names=names, quantiles=[0.5])}, facts)


# graded axes

PLAIN = {
    "brand": ("brand_concentration", ("switching", "mixed", "loyal")),
    "novelty": ("first_time_share", ("settled", "mixed", "curious")),
    "breadth": ("category_entropy", ("narrow", "middle", "broad")),
    "value": ("expected_value", ("low", "middle", "high")),
    "spending": ("spend", ("low", "middle", "high")),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_levels_of_a_feature(kind):
    feature, (low, middle, high) = PLAIN[kind]
    facts = made_facts({feature: [0.4, 0.1, 0.2, NAN, 0.3], "orders": [1, 1, 1, 1, 0]})
    # Who did not buy and who has not the feature is unknown, and does not count in quantiles:
    # of 0.1, 0.2 and 0.4 the 0.4 quantile is the second and the 0.6 quantile the third.
    assert segment_each(facts, kind=kind, quantiles=[0.4, 0.6]) == [high, low, middle, None, None]


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("values", [[NAN, NAN], [0.0, 0.0], [NAN, NAN, 5.0]])
def test_a_feature_that_nobody_has_is_refused_with_a_remedy(kind, values):
    feature, _ = PLAIN[kind]
    facts = made_facts({feature: values, "orders": [1, 1, 0][: len(values)]})
    for keys in ({}, {"cuts": [0.2, 0.5]}):
        with pytest.raises(ConfigError, match=rf"\[segments.axis\] no customer .*'{feature}': .*a"):
            fit_axes({"axis": config(kind=kind, **keys)}, facts)


def test_customers_who_are_all_alike_are_refused_with_a_remedy():
    facts = made_facts({"brand_concentration": [0.5] * 9, "orders": [1] * 9})
    with pytest.raises(ConfigError, match=r"is 0.5 for all of 9 customers.*fixed cuts, or remove"):
        segments_of(config(kind="brand"), facts)


@pytest.mark.parametrize("values", [[0.5, 0.6], [0.5, 0.5, 0.5, 0.6]])
def test_where_bounds_fall_on_one_value_nobody_is_between_them_and_it_says_so(values):
    facts = made_facts({"brand_concentration": values, "orders": [1] * len(values)})
    (axis,) = fit_axes({"axis": config(kind="brand")}, facts)
    assert axis.segments == ("switching", "mixed", "loyal")
    assert ["nobody" in definition for definition in axis.fit.definitions] == [False, True, False]
    found = segments_of(config(kind="brand"), facts)
    expected = [{"loyal": 1.0} if value == 0.6 else {"switching": 1.0} for value in values]
    assert list(found.values()) == expected


@pytest.mark.parametrize(
    ("keys", "feature", "words"),
    [
        ({"kind": "value", "cuts": [5, 7.5]}, "expected_value",
         "expected to spend 5.00 or more but less than 7.50 in the next 90 days, by what was known "
         "before 2024-07-01"),
        ({"kind": "activity", "cuts": [3, 12345], "names": ["a", "b", "c"], "window": "1d"},
         "active_days",
         "came on 3 or more but less than 12345 days in the 1 day before 2024-07-01"),
        ({"kind": "breadth", "cuts": [1 / 3, 2]}, "category_entropy",
         "purchases spread over categories by 0.333 or more but less than 2 nats "
         "before 2024-07-01"),
    ],
)  # fmt: skip
def test_a_level_in_words(keys, feature, words):
    facts = made_facts({feature: [1, 2, 3], "orders": [1] * 3, "events": [1] * 3})
    (axis,) = fit_axes({"axis": config(**keys)}, facts)
    assert axis.fit.definitions[1] == words


def test_fixed_cuts_are_in_the_features_own_unit():
    money = made_facts({"spend": [999, 1000, 5000], "orders": [1, 1, 1]})
    assert segment_each(money, kind="spending", cuts=[10, 50]) == ["low", "middle", "high"]
    (axis,) = fit_axes({"axis": config(kind="spending", cuts=[10, 50])}, money)
    assert axis.fit.cuts["spend"] == (10 * MINOR_UNITS, 50 * MINOR_UNITS)
    names = ["a", "b", "c", "d"]
    keys = {"kind": "brand", "cuts": [0.1, 0.2, 0.3], "names": names}
    facts = made_facts({"brand_concentration": [0.0, 0.1, 0.25, 0.3], "orders": [1] * 4})
    assert segment_each(facts, **keys) == names


def test_novelty_of_the_shop_in_place_of_the_customers():
    facts = made_facts({"new_item_share": [0.0, 0.5, 1.0], "orders": [1] * 3})
    keys = {"kind": "novelty", "feature": "new_item_share", "quantiles": [0.3, 0.8]}
    assert segment_each(facts, **keys) == ["settled", "mixed", "curious"]


# rfm


def test_rfm_in_thirds():
    facts = made_facts(
        {
            "recency": [1, 2, 3, 40, 50, 60, 90, 95, 99, NAN],
            "orders": [9, 1, 3, 3, 9, 3, 9, 1, 1, 0],
            "spend": [900, 1, 500, 501, 902, 502, 901, 2, 3, NAN],
        }
    )
    # Thirds: of recency the first three, of orders 1 | 3 | 9, of spend 1 to 3, to 502, above.
    assert segment_each(facts, kind="rfm", grades=3) == [
        "champions", "promising", "promising", "regular", "loyal", "regular", "loyal",
        "hibernating", "hibernating", None,
    ]  # fmt: skip


def test_rfm_without_a_buyer_is_refused(facts_of):
    with pytest.raises(ConfigError, match="nobody bought before 2024-07-01; take another window"):
        segments_of(config(kind="rfm"), facts_of([contact("a", 1, "view")]))


# attribute


@pytest.mark.parametrize(
    ("bins", "names"),
    [
        ([18, 25, 35], ("under 18", "18-24", "25-34", "35+")),
        ([18], ("under 18", "18+")),
        ([1, 2, 4], ("under 1", "1", "2-3", "4+")),
        ([-5, 0.5], ("under -5", "-5 to under 0.5", "0.5+")),
    ],
)
def test_names_of_ranges(bins, names):
    assert bin_names(bins) == names


def test_numbers_in_ranges():
    ages = [17, "18", 24.9, 25, " 35 ", 99.0, None, "old", "", NAN, float("inf")]
    facts = made_facts(attributes={"age": ages})
    assert segment_each(facts, kind="attribute", column="age", bins=[18, 25, 35]) == [
        "under 18", "18-24", "18-24", "25-34", "35+", "35+", None, None, None, None, None
    ]  # fmt: skip


def test_a_date_counts_as_its_year():
    born = ["1994-12-31", pd.Timestamp("1995-01-01"), "1995-05-01T10:00", 1994, "1995-05", "95"]
    facts = made_facts(attributes={"born": born})
    found = segment_each(facts, kind="attribute", column="born", bins=[1900, 1995])
    assert found == ["1900-1994", "1995+", "1995+", "1900-1994", "1995+", "under 1900"]


def test_values_in_groups():
    facts = made_facts(attributes={"age": ["19-24", "25-34", "65+", None, 45]})
    groups = {"young": ["19-24", "25-34"], "middle": ["45"]}
    found = segment_each(facts, kind="attribute", column="age", groups=groups)
    assert found == ["young", "young", None, None, "middle"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"bins": [1]}, "'city' holds no number to put into bins"),
        ({"groups": {"a": ["Rom"]}}, "no user has a value .* in the column 'city'; it has Bern"),
    ],
)
def test_ranges_and_groups_that_fit_nobody_are_refused(keys, said):
    facts = made_facts(attributes={"city": ["Bern", None]})
    with pytest.raises(ConfigError, match=said):
        fit_axes({"axis": config(kind="attribute", column="city", **keys)}, facts)


# imported


def test_imported_weights_are_taken_as_they_are():
    texts = ['{"gold": 0.7}', '{"gold": 0.25, "vip": 0.75}', None, "{}", '{"zinc": 1}']
    facts = made_facts(attributes={"imported:m": texts})
    axis = config(kind="imported", column="imported:m", most=2)
    assert list(segments_of(axis, facts).values()) == [
        {"gold": 0.7}, {"gold": 0.25, "vip": 0.75}, {}, {}, {}
    ]  # fmt: skip


BROKEN = ["gold", "[1]", '{"a": 0}', '{"a": 1.5}', '{"a": 0.6, "b": 0.6}', '{"a": true}', "3"]


@pytest.mark.parametrize("text", [*BROKEN, '{"a": "0.5"}', '{"a": NaN}', '{"a": -1}'])
def test_imported_weights_that_are_none_are_refused_and_later_unknown(text):
    axis = config(kind="imported", column="m")
    with pytest.raises(ConfigError, match="are no weights above 0"):
        fit_axes({"axis": axis}, made_facts(attributes={"m": ['{"a": 1}', text]}))
    axes = fit_axes({"axis": axis}, made_facts(attributes={"m": ['{"a": 1}']}))
    assert assign_axes(axes, made_facts(attributes={"m": [text]})).matrix.nnz == 0


def test_imported_segments_without_any_are_refused():
    axis = config(kind="imported", column="m")
    with pytest.raises(ConfigError, match="reads the users' column 'm', which is not there"):
        fit_axes({"axis": axis}, made_facts(attributes={"n": ["{}"]}))
    with pytest.raises(ConfigError, match="'m' holds no imported segment"):
        fit_axes({"axis": axis}, made_facts(attributes={"m": ["{}", None]}))


def test_the_file_of_imported_segments_is_no_part_of_their_definition():
    facts = made_facts(attributes={"m": ['{"a": 1}']})
    of = {
        file: fit_axes({"axis": config(kind="imported", column="m", file=file)}, facts)[0]
        for file in ("one.csv", "two.csv")
    }
    assert of["one.csv"].definition_id == of["two.csv"].definition_id
    assert "one.csv" not in of["one.csv"].model_dump_json()


# combine


def combined(facts, **keys):
    configs = {
        "region": config(kind="attribute", column="region"),
        "tier": config(kind="imported", column="tier"),
        "both": config(kind="combine", axes=["region", "tier"], **keys),
    }
    axes = fit_axes(configs, facts)
    return axes, assign_axes(axes, facts)


def crossed():
    return made_facts(
        attributes={
            "region": ["north", "north", "south", None, "south"],
            "tier": ['{"high": 1}', '{"high": 0.5, "low": 0.25}', '{"low": 1}', '{"low": 1}', None],
        }
    )


def test_a_combination_is_the_product_of_its_axes():
    axes, found = combined(crossed(), min_users=0.2)
    # Sums: north × high 1.5, north × low 0.25, south × high 0, south × low 1.
    assert axes[2].segments == ("north × high", "north × low", "south × low")
    assert found.of("both").toarray().tolist() == [
        [1, 0, 0], [0.5, 0.25, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]
    ]  # fmt: skip
    assert axes[2].fit.learnt == {
        "parents": {
            "north × high": ["north", "high"],
            "north × low": ["north", "low"],
            "south × low": ["south", "low"],
        }
    }
    assert axes[2].fit.definitions[0] == "region is north and tier is high"


def test_a_combination_of_too_few_is_left_to_its_axes():
    axes, found = combined(crossed(), min_users=1)
    assert axes[2].segments == ("north × high", "south × low")
    assert found.of("both").sum() == 2.5
    assert found.of("region").sum() == 4


def test_no_combination_with_enough_users_is_refused():
    with pytest.raises(ConfigError, match=r"\[segments.both\] no combination of region and tier "
                       r"has 9 users, the largest has 1.5; lower min_users"):  # fmt: skip
        combined(crossed(), min_users=9)


def test_combinations_of_one_name_are_refused():
    facts = made_facts(attributes={"x": ["a × b", "a"], "y": ["c", "b × c"]})
    configs = {name: config(kind="attribute", column=name) for name in "xy"}
    configs["both"] = config(kind="combine", axes=["x", "y"], min_users=1)
    with pytest.raises(ConfigError, match="have one name; name segments without '×'"):
        fit_axes(configs, facts)


def test_three_axes_at_once():
    columns = {"x": list("aabb"), "y": list("cdcd"), "z": list("efef")}
    configs = {name: config(kind="attribute", column=name) for name in "xyz"}
    configs["all"] = config(kind="combine", axes=["z", "x", "y"], min_users=1)
    facts = made_facts(attributes=columns)
    found = segments_of_all(configs, facts).of("all")
    axis = fit_axes(configs, facts)[-1]
    assert axis.segments == ("e × a × c", "e × b × c", "f × a × d", "f × b × d")
    assert found.toarray().tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


def segments_of_all(configs, facts) -> Memberships:
    return assign_axes(fit_axes(configs, facts), facts)


# clusters


def blobs():
    """Two groups far apart, and one user of whom nothing is known."""
    draw = np.random.default_rng(5)
    near, far = draw.normal(0, 1, (20, 2)), draw.normal(50, 1, (20, 2))
    orders, recency = np.vstack([near, far]).T
    return made_facts({"orders": [*orders, NAN], "recency": [*recency, NAN]})


def test_clusters_find_what_is_there():
    features = {"features": ["orders", "recency"]}
    found = segment_each(blobs(), kind="clusters", most=3, **features)
    assert len({*found[:20]}) == len({*found[20:40]}) == 1
    assert found[0] != found[20]
    assert found[40] is None


def test_clusters_of_too_few_users_are_refused():
    facts = made_facts({"orders": [1, 2, 3], "recency": [1, 2, 3]})
    keys = {"kind": "clusters", "features": ["orders", "recency"], "k": 2}
    with pytest.raises(ConfigError, match=r"\[segments.axis\] 3 users .* too few for 2 clusters"):
        fit_axes({"axis": config(**keys)}, facts)
    with pytest.raises(ConfigError, match="no column of orders differs between users"):
        fit_axes(
            {"axis": config(kind="clusters", features=["orders"])}, made_facts({"orders": [1] * 9})
        )


# every kind

SHOP = pd.DataFrame(
    {
        "available": True,
        "category": ["food > fresh", "food > fresh", "toys", None],
        "brand": ["A", "B", "A", None],
        "price": [100, 200, 900, 300],
    },
    index=["bread", "milk", "car", "odd"],
)
REGIONS = pd.DataFrame(
    {
        "region": ["north", "south", "north", None, "south", "south"],
        "imported:vip": ['{"gold": 0.7}', None, '{"gold": 0.5, "new": 0.5}', None, "{}", None],
    },
    index=["a", "b", "s1", "c", "s2", "s10"],
)
EVERY = {
    "lifecycle": {"kind": "lifecycle"},
    "pace": {"kind": "lifecycle", "pace": "own"},
    "aipl": {"kind": "aipl", "aware": "60d", "interest": "60d", "purchase": "60d", "loyal": "60d"},
    "rfm": {"kind": "rfm", "window": "60d"},
    "spending": {"kind": "spending"},
    "calm": {"kind": "spending", "calm": {"every": "30d", "confirm": 1, "periods": 2}},
    "frequency": {"kind": "frequency", "quantiles": [0.5]},
    "activity": {"kind": "activity", "window": "60d", "cuts": [2]},
    "value": {"kind": "value", "cuts": [0.001, 5]},
    "price": {"kind": "price", "cuts": [0.45, 0.6]},
    "brand": {"kind": "brand", "cuts": [0.2, 0.8]},
    "novelty": {"kind": "novelty", "cuts": [0.2, 0.8]},
    "breadth": {"kind": "breadth", "cuts": [0.2, 0.6]},
    "interest": {"kind": "interest", "level": 2},
    "region": {"kind": "attribute", "column": "region"},
    "vip": {"kind": "imported", "column": "imported:vip"},
    "clusters": {"kind": "clusters", "k": 2},
    "rules": {
        "kind": "rules",
        "overlap": True,
        "segments": [
            {"name": "fresh", "when": {"axis": "lifecycle", "in": ["new", "active"]}},
            {"name": "eater", "when": {"share": "category", "of": "food", "at_least": 0.3}},
            {"name": "poor", "when": {"not": {"feature": "spend", "above": 20}}},
        ],
    },
    "combine": {"kind": "combine", "axes": ["region", "spending"], "min_users": 1},
}
# Ten who buy at many prices, twice of one category, so that every axis has its cuts.
BUYERS = [
    buy(f"s{n}", 9 * n + 31 * again, amount=100 * n + 10 * again, item=item) | {"discount": 10 * n}
    for n in range(1, 11)
    for again, item in enumerate(["bread", "milk", "car", "bread"][: 2 + n % 3])
]


def every_kind():
    return {name: config(**keys) for name, keys in EVERY.items()}


def gather(rows, like=None):
    asking = tuple(every_kind().values())
    return gathered(rows, asking, items=SHOP, attributes=REGIONS, like=like)


def test_every_kind_is_tried():
    assert {keys["kind"] for keys in EVERY.values()} == {*KINDS}


@settings(max_examples=3, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from(["bread", "milk", "car", "odd"]),
            st.sampled_from(["purchase", "view", "return", "cart"]),
            st.integers(0, 120),
            st.integers(0, 5000),
        ),
        min_size=1,
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_what_holds_of_every_kind(drawn, random):
    rows = [buy(u, d, a, item=i, event=e) for u, i, e, d, a in drawn] + BUYERS
    facts = gather(rows)
    # So few customers tell nothing of what they will be worth.
    axes = fit_axes(every_kind(), facts, possible_only=True)
    together = assign_axes(axes, facts)
    assert {axis.name for axis in axes} >= {*every_kind()} - {"value"}
    for axis in axes:
        weights = together.of(axis.name)
        assert np.all(weights.data > 0)
        assert np.all(weights.data <= 1)
        assert np.all(weights.sum(axis=1) <= 1 + 1e-12)
        assert len({*axis.segments}) == len(axis.segments) == len(axis.fit.definitions)
        assert Axis.model_validate_json(axis.model_dump_json()) == axis
    user = drawn[0][0]
    own = [row for row in rows if row["user_id"] == user]
    alone = assign_axes(axes, gather(own, like=facts))
    place = int(together.users.index_of([user])[0])
    np.testing.assert_array_equal(alone.row(0), together.row(place))
    # Neither the order of the events nor what comes at the moment or later changes anything.
    later = [buy(u, -d, 7 * a, item=i, event=e) for u, i, e, d, a in drawn]
    mixed = rows + later
    random.shuffle(mixed)
    again = gather(mixed)
    assert fit_axes(every_kind(), again, possible_only=True) == axes
    np.testing.assert_array_equal(
        assign_axes(axes, again).matrix.toarray(), together.matrix.toarray()
    )
