"""Conditions and rules: three-valued logic, bounds, what cannot be meant, and words."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from recsys.errors import ConfigError
from recsys.segments import Axis, AxisConfig, assign_axes, fit_axes
from recsys.segments.rules import Condition, in_words, truth_of

from .made import gathered, made_facts

CONFIG: TypeAdapter[Any] = TypeAdapter(AxisConfig)
NAN = float("nan")
UNKNOWN = None
Known = bool | None
SPENT = {"feature": "spend", "at_least": 10}
OFTEN = {"feature": "orders", "above": 2}


def condition(**keys: Any) -> Condition:
    return Condition.model_validate(keys)


def answers(facts: Any, **keys: Any) -> list[Known]:
    """For each user whether it is so; None = unknown."""
    truth = truth_of(condition(**keys), facts)
    assert not (truth.yes & truth.no).any()
    known = truth.yes | truth.no
    return [bool(y) if k else UNKNOWN for y, k in zip(truth.yes, known, strict=True)]


def rules(*segments: dict[str, Any], **keys: Any) -> Any:
    return CONFIG.validate_python({"kind": "rules", "segments": list(segments), **keys})


def members(facts: Any, config: Any) -> list[dict[str, float]]:
    found = assign_axes(fit_axes({"axis": config}, facts), facts)
    names = found.axes[0].segments
    return [
        {name: weight for name, weight in zip(names, row, strict=True) if weight}
        for row in found.matrix.toarray().tolist()
    ]


# bounds


@pytest.mark.parametrize(
    ("bounds", "held"),
    [
        ({"at_least": 2}, [False, True, True, UNKNOWN]),
        ({"above": 2}, [False, False, True, UNKNOWN]),
        ({"at_most": 2}, [True, True, False, UNKNOWN]),
        ({"below": 2}, [True, False, False, UNKNOWN]),
        ({"above": 1, "below": 3}, [False, True, False, UNKNOWN]),
        ({"at_least": 3, "at_most": 1}, [False, False, False, UNKNOWN]),
    ],
)
def test_bounds_of_a_feature(bounds: dict[str, float], held: list[Known]) -> None:
    assert answers(made_facts({"orders": [1, 2, 3, NAN]}), feature="orders", **bounds) == held


def test_money_is_in_major_units() -> None:
    facts = made_facts({"spend": [999, 1000, -500, NAN], "order_value": [999, 1000, 0, NAN]})
    assert answers(facts, **SPENT) == [False, True, False, UNKNOWN]
    assert answers(facts, feature="order_value", below=10) == [True, False, True, UNKNOWN]
    assert answers(facts, feature="spend", above=-5) == [True, True, False, UNKNOWN]


def test_a_window_is_read_as_it_is_written() -> None:
    rows = [
        {"user_id": "a", "item_id": "x", "days": 5, "amount": 600},
        {"user_id": "a", "item_id": "x", "days": 20, "amount": 600},
    ]
    config = rules(
        {"name": "lately", "when": {**SPENT, "window": "10d"}},
        {"name": "ever", "when": SPENT},
    )
    assert {days for _, days in config.reads} == {10.0, np.inf}
    assert members(gathered(rows, [config]), config) == [{"ever": 1.0}]


# attributes


def test_an_attribute_among_values_or_within_bounds() -> None:
    facts = made_facts(attributes={"tier": [1, "2", 3.0, None, "", " 1 ", True]})
    among = answers(facts, attribute="tier", **{"in": [1, 2]})
    assert among == [True, True, False, UNKNOWN, UNKNOWN, True, False]
    assert answers(facts, attribute="tier", **{"in": [True]})[-2:] == [False, True]
    bounded = answers(facts, attribute="tier", at_most=2)
    assert bounded == [True, True, False, UNKNOWN, UNKNOWN, True, UNKNOWN]


def test_an_attribute_that_nobody_here_has_is_unknown_and_at_training_an_error() -> None:
    named, bounded = {"attribute": "shoe", "in": ["big"]}, {"attribute": "shoe", "above": 3}
    config = rules(
        {"name": "big", "when": named},
        {"name": "tall", "when": bounded},
        {"name": "other", "when": {"not": {"any": [named, bounded]}}},
    )
    without = made_facts(attributes={"city": ["Bern", "Rom"]})
    with pytest.raises(ConfigError, match=r"\[segments.axis\] a rule reads .*'shoe', .* has city"):
        fit_axes({"axis": config}, without)
    axes = fit_axes({"axis": config}, made_facts(attributes={"shoe": ["big"]}))
    assert assign_axes(axes, without).matrix.nnz == 0


# shares and axes

ITEMS = pd.DataFrame(
    {"available": True, "category": ["food > bread", "food > milk", "toys", None]},
    index=["bread", "milk", "car", "odd"],
)


def bought(**baskets: list[str]) -> list[dict[str, Any]]:
    return [
        {"user_id": user, "item_id": item, "days": 1, "amount": 100}
        for user, items in baskets.items()
        for item in items
    ]


def test_shares_of_a_column_at_their_own_depth() -> None:
    rows = bought(a=["bread", "milk", "car", "odd"], b=["car"], c=["bread"])
    rows += [{"user_id": "d", "item_id": "bread", "days": 1, "event": "return"}]
    food = {"share": "category", "of": "food", "at_least": 0.5}
    milk = {"share": "category", "of": "food > milk", "at_least": 0.25}
    none = {"share": "category", "of": "shoes", "at_least": 0.1}
    config = rules({"name": "x", "when": {"any": [food, milk, none]}})
    facts = gathered(rows, [config], items=ITEMS)
    # Of four equal dealings of a two are food, one of them milk; d has only returned.
    assert answers(facts, **food) == [True, False, True, UNKNOWN]
    assert answers(facts, **milk) == [True, False, False, UNKNOWN]
    assert answers(facts, **none) == [False, False, False, UNKNOWN]


def test_a_share_of_a_column_that_is_not_there_is_refused() -> None:
    config = rules({"name": "x", "when": {"share": "colour", "of": "red", "above": 0}})
    facts = gathered(bought(a=["car"]), [config], items=ITEMS)
    with pytest.raises(ConfigError, match=r"column 'colour', which is not there; .* category"):
        fit_axes({"axis": config}, facts)


def test_a_rule_on_another_axis_goes_by_its_weights() -> None:
    tier = CONFIG.validate_python({"kind": "imported", "column": "tier"})
    texts = ['{"gold": 0.5, "new": 0.5}', '{"gold": 0.4, "vip": 0.2}', '{"new": 1}', None]
    facts = made_facts(attributes={"tier": texts})
    configs = {
        "rule": rules(
            {"name": "some", "when": {"axis": "tier", "in": ["gold"]}},
            {"name": "good", "when": {"axis": "tier", "in": ["gold", "vip"]}},
            {"name": "bad", "when": {"not": {"axis": "tier", "in": ["gold", "vip"]}}},
        ),
        "tier": tier,
    }
    axes = fit_axes(configs, facts)
    assert [axis.name for axis in axes] == ["rule", "tier"]
    found = assign_axes(axes, facts).of("rule").toarray().tolist()
    assert found == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_a_rule_on_a_segment_or_axis_that_is_not_there_is_refused() -> None:
    facts = made_facts(attributes={"city": ["Bern", "Rom"]})
    city = CONFIG.validate_python({"kind": "attribute", "column": "city"})
    wrong = rules({"name": "x", "when": {"axis": "city", "in": ["Brn"]}})
    with pytest.raises(ConfigError, match=r"'Brn' of the axis 'city', .*mean 'Bern'"):
        fit_axes({"city": city, "wrong": wrong}, facts)
    with pytest.raises(ConfigError, match=r"\[segments.wrong\] is made of 'city', which is no"):
        fit_axes({"wrong": wrong}, facts)
    circle = {
        name: rules({"name": "s", "when": {"axis": other, "in": ["s"]}})
        for name, other in [("a", "b"), ("b", "a")]
    }
    with pytest.raises(ConfigError, match="axes are made of each other"):
        fit_axes(circle, facts)


# logic


def kleene(kind: str, values: list[Known]) -> Known:
    """Three-valued logic, by its definition."""
    if kind == "all":
        return False if False in values else None if None in values else True
    return True if True in values else None if None in values else False


@pytest.mark.parametrize(("one", "other"), [*product([True, False, UNKNOWN], repeat=2)])
def test_all_any_and_not_of_three_values(one: Known, other: Known) -> None:
    number = {True: 5.0, False: 1.0, UNKNOWN: NAN}
    facts = made_facts({"orders": [number[one]], "events": [number[other]]})
    parts = [OFTEN, {"feature": "events", "above": 2}]
    assert answers(facts, all=parts) == [kleene("all", [one, other])]
    assert answers(facts, any=parts) == [kleene("any", [one, other])]
    assert answers(facts, **{"not": OFTEN}) == [None if one is None else not one]


LEAF = st.sampled_from(["orders", "events", "active_days"]).map(
    lambda name: {"feature": name, "above": 2}
)
TREE = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        inner.map(lambda one: {"not": one}),
    ),
    max_leaves=8,
)


def looked_up(tree: dict[str, Any], user: dict[str, float]) -> Known:
    if "feature" in tree:
        value = user[tree["feature"]]
        return None if np.isnan(value) else value > tree["above"]
    if "not" in tree:
        found = looked_up(tree["not"], user)
        return None if found is None else not found
    ((kind, parts),) = tree.items()
    return kleene(kind, [looked_up(part, user) for part in parts])


@settings(max_examples=60, deadline=None)
@given(TREE)
def test_any_rule_is_as_its_slow_reading(tree: dict[str, Any]) -> None:
    grid = list(product([1.0, 5.0, NAN], repeat=3))
    names = ("orders", "events", "active_days")
    columns = {name: [row[place] for row in grid] for place, name in enumerate(names)}
    expected = [looked_up(tree, dict(zip(names, row, strict=True))) for row in grid]
    assert answers(made_facts(columns), **tree) == expected
    # Written and read again it is the same rule.
    again = Condition.model_validate_json(Condition.model_validate(tree).model_dump_json())
    assert again == Condition.model_validate(tree)


# segments


def test_the_first_match_wins_and_no_match_is_unknown() -> None:
    facts = made_facts({"spend": [2000, 2000, 500, 500, NAN], "orders": [5, 1, 5, 1, 5]})
    config = rules({"name": "rich", "when": SPENT}, {"name": "often", "when": OFTEN})
    assert members(facts, config) == [
        {"rich": 1.0}, {"rich": 1.0}, {"often": 1.0}, {}, {"often": 1.0}
    ]  # fmt: skip


def test_with_overlap_who_matches_several_is_shared_out() -> None:
    facts = made_facts({"spend": [2000, 2000, 500], "orders": [5, 1, 1]})
    config = rules(
        {"name": "rich", "when": SPENT}, {"name": "often", "when": OFTEN}, overlap=True
    )  # fmt: skip
    assert members(facts, config) == [{"rich": 0.5, "often": 0.5}, {"rich": 1.0}, {}]


def test_an_axis_of_rules_survives_its_json() -> None:
    facts = made_facts({"orders": [5]}, attributes={"tier": [1]})
    tier = {"attribute": "tier", "in": [1, "2", True, 2.5]}
    config = rules({"name": "x", "when": {"all": [tier, {"not": OFTEN}]}})
    (axis,) = fit_axes({"axis": config}, facts)
    again = Axis.model_validate_json(axis.model_dump_json())
    assert again == axis
    assert again.definition_id == axis.definition_id


# words


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({**SPENT, "window": "90d"}, "spend in the last 90d at least 10"),
        ({"feature": "orders", "above": 2, "at_most": 5}, "orders above 2 and at most 5"),
        ({"attribute": "tier", "in": [1, "b"]}, "tier is 1 or b"),
        ({"attribute": "age", "below": 30.5}, "age below 30.5"),
        ({"share": "category", "of": "a > b", "below": 0.3}, "share of category a > b below 0.3"),
        ({"axis": "life", "in": ["new"]}, "life is new"),
        ({"axis": "life", "in": ["new"], "above": 0.9}, "life is new with a weight above 0.9"),
        ({"not": OFTEN}, "not (orders above 2)"),
        (
            {"all": [OFTEN, {"any": [OFTEN, SPENT]}]},
            "orders above 2 and (orders above 2 or spend at least 10)",
        ),
        ({"any": [{"all": [SPENT]}, OFTEN]}, "spend at least 10 or orders above 2"),
    ],
)  # fmt: skip
def test_a_rule_in_words(keys: dict[str, Any], words: str) -> None:
    assert in_words(condition(**keys)) == words


def test_the_shops_own_words_go_first() -> None:
    facts = made_facts({"orders": [5]})
    config = rules({"name": "x", "when": OFTEN, "says": "our best"}, {"name": "y", "when": OFTEN})
    (axis,) = fit_axes({"axis": config}, facts)
    assert axis.fit.definitions == ("our best", "orders above 2")


# what cannot be meant


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "about one of feature, attribute, .*; this is nothing"),
        ({"window": "9d"}, "this is nothing"),
        ({**SPENT, "attribute": "tier"}, "this is feature and attribute"),
        ({**SPENT, "not": OFTEN}, "this is feature and not"),
        ({"feature": "spnd", "above": 1}, "'spnd' is no profile feature; did you mean 'spend'"),
        ({"feature": "spend"}, "a feature takes at_least, above, at_most or below"),
        ({"feature": "spend", "in": [1]}, "in is read with an attribute or an axis"),
        ({"feature": "spend", "above": 1, "window": "a month"}, "window 'a month' is not a dur"),
        ({"attribute": "age"}, "takes in = .values., or bounds"),
        ({"attribute": "age", "in": [1], "above": 1}, "takes in = .values., or bounds"),
        ({"attribute": "age", "above": 1, "window": "9d"}, "window is read with a feature"),
        ({"attribute": "age", "in": []}, "at least 1 item"),
        ({"share": "category", "above": 0}, "share and of go together"),
        ({"feature": "spend", "above": 0, "of": "x"}, "share and of go together"),
        ({"share": "category", "of": "x"}, "a share takes at_least"),
        ({"axis": "life", "above": 0.3}, "an axis takes in"),
        ({"all": [], }, "at least 1 item"),
        ({"all": [OFTEN], "above": 3}, "bounds are not read with all"),
        ({"not": OFTEN, "below": 3}, "bounds are not read with not"),
        ({"feature": "spend", "above": "much"}, "valid number"),
        ({"feature": "spend", "over": 3}, "Extra inputs"),
        ({"all": [{"any": [{"feature": "spnd", "above": 1}]}]}, r"all.0.any.0\s.*'spnd' is no"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_meant(keys: dict[str, Any], said: str) -> None:
    with pytest.raises((ValidationError, ConfigError), match=said):
        condition(**keys)


def test_rules_that_cannot_be_meant() -> None:
    with pytest.raises(ValidationError, match="two segments are named 'x'; join their rules"):
        rules({"name": "x", "when": OFTEN}, {"name": "x", "when": SPENT})
    for wrong in ({"name": "", "when": OFTEN}, {"name": "x"}, {"when": OFTEN}):
        with pytest.raises(ValidationError):
            rules(wrong)
    with pytest.raises(ValidationError):
        rules()
