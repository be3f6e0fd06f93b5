"""Rules as a shop writes them, for whom and when they hold, and what they do to items."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from recsys.errors import ConfigError
from recsys.events.times import parse_time
from recsys.interactions import Catalogue
from recsys.ranking.in_force import NOTHING, compile_rules
from recsys.ranking.rules import Rule, check_rules, in_order, matching, value_codes
from recsys.segments import Axis, AxisFit
from recsys.vocabulary import Vocabulary

READ = TypeAdapter(Rule).validate_python
CATALOGUE = Catalogue(
    Vocabulary(["i0", "i1", "i2", "i3", "i4"]),
    np.ones(5, dtype=np.bool_),
    {
        "category": np.asarray(["food", "food > bread", "food > bread > rye", "foodstuff", ""]),
        "brand": np.asarray(["ours", "ours", "theirs", "", ""]),
    },
)


def axis(name, *segments):
    config = {"kind": "attribute", "column": name}
    return Axis(name=name, config=config, fit=AxisFit(segments=segments, definitions=segments))


AXES = (axis("age", "young", "old"), axis("place", "north", "south"))


def rule(kind, **keys):
    return READ({"kind": kind, **keys})


BREAD = {"category": ["food > bread"]}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"kind": "pin", "items": []}, "at least 1"),
        ({"kind": "pin", "items": ["a", "a"]}, "name one twice"),
        ({"kind": "pin", "items": ["a"], "position": 0}, "greater than 0"),
        ({"kind": "pin", "items": ["a"], "where": {}}, "Extra inputs"),
        ({"kind": "boost", "amount": 0}, "greater than 0"),
        ({"kind": "bury", "amount": -1.0}, "greater than 0"),
        ({"kind": "boost", "amount": float("inf")}, "finite"),
        ({"kind": "boost"}, "Field required"),
        ({"kind": "boost", "amount": 1, "where": {"brand": []}}, "at least 1"),
        ({"kind": "require", "at_least": 3, "within": 2}, "more than within"),
        ({"kind": "forbid"}, "forbids every item"),
        ({"kind": "cap", "column": "brand", "at_most": 0}, "greater than 0"),
        ({"kind": "cap", "column": "brand", "at_most": 1, "level": 0}, "greater than 0"),
        ({"kind": "offer", "label": ""}, "at least 1"),
        ({"kind": "offer", "label": "x", "amount": -0.1}, "greater than or equal to 0"),
        ({"kind": "boost", "amount": 1, "since": "soon"}, "since 'soon' is not an ISO 8601"),
        (
            {"kind": "boost", "amount": 1, "since": "2024-01-02", "until": "2024-01-02"},
            "not before until",
        ),
        ({"kind": "boost", "amount": 1, "segments": {"age": []}}, "at least 1"),
        ({"kind": "push"}, "'pin', 'boost'"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(table, problem):
    with pytest.raises(ValidationError, match=problem):
        READ(table)


def test_a_span_is_half_open_and_endless_where_nothing_is_said():
    assert rule("boost", amount=1).span == (-np.inf, np.inf)
    start, end = rule("boost", amount=1, since="2024-01-01", until="2024-02-01T12:00:00Z").span
    assert (start, end) == (parse_time("2024-01-01"), parse_time("2024-02-01T12:00"))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, [1, 1, 1, 1, 1]),
        ({"category": ["food"]}, [1, 1, 1, 0, 0]),
        (BREAD, [0, 1, 1, 0, 0]),
        ({"category": ["food > bread > rye", "foodstuff"]}, [0, 0, 1, 1, 0]),
        ({"category": ["bread"]}, [0, 0, 0, 0, 0]),
        ({"category": [""]}, [0, 0, 0, 0, 0]),
        ({"brand": ["ours"], "category": ["food > bread"]}, [0, 1, 0, 0, 0]),
        ({"items": ["i4", "i1", "gone"]}, [0, 1, 0, 0, 1]),
        ({"items": ["i0", "i1"], "category": ["food > bread"]}, [0, 1, 0, 0, 0]),
        ({"items": ["gone"]}, [0, 0, 0, 0, 0]),
    ],
)
def test_an_item_matches_one_value_of_every_key(where, expected):
    assert matching(where, CATALOGUE).astype(int).tolist() == expected


@pytest.mark.parametrize(
    ("level", "codes", "values"),
    [
        (None, [0, 1, 2, 3, -1], ["food", "food > bread", "food > bread > rye", "foodstuff"]),
        (2, [0, 1, 1, 2, -1], ["food", "food > bread", "foodstuff"]),
        (1, [0, 0, 0, 1, -1], ["food", "foodstuff"]),
    ],
)
def test_values_are_cut_to_so_many_steps_and_none_is_no_value(level, codes, values):
    found, names = value_codes(CATALOGUE, "category", level)
    assert found.tolist() == codes
    assert names.tolist() == values


def test_a_column_that_is_not_there_has_no_values():
    codes, values = value_codes(CATALOGUE, "seller", None)
    assert codes.tolist() == [-1] * 5
    assert not len(values)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (rule("boost", amount=1, segments={"agee": ["old"]}), "'r'.*axis 'agee'.*mean 'age'"),
        (rule("boost", amount=1, segments={"age": ["odl"]}), "'r'.*segment 'odl'.*mean 'old'"),
        (rule("pin", items=["i0"], segments={"age": ["odl"]}), "'r'.*segment 'odl'"),
        (rule("bury", amount=1, where={"brnd": ["ours"]}), "'r'.*column 'brnd'.*mean 'brand'"),
        (rule("cap", column="catgory", at_most=1), "'r'.*column 'catgory'.*mean 'category'"),
        (rule("cap", column="items", at_most=1), "'r'.*column 'items', which this model does not"),
    ],
)
def test_what_a_model_does_not_know_is_refused_with_the_nearest_it_knows(bad, problem):
    with pytest.raises(ConfigError, match=problem):
        check_rules({"r": bad}, CATALOGUE, AXES)


def test_a_model_without_axes_says_so():
    aimed = rule("boost", amount=1, segments={"age": ["old"]})
    with pytest.raises(ConfigError, match="it has none"):
        check_rules({"r": aimed}, CATALOGUE, ())


def test_items_and_values_that_come_and_go_are_only_noted():
    rules = {
        "front": rule("pin", items=["i0", "gone"]),
        "up": rule("boost", amount=1, where={"items": ["i9"], "brand": ["our", "theirs"]}),
        "sound": rule("cap", column="category", level=1, at_most=2, segments={"age": ["old"]}),
    }
    assert check_rules(rules, CATALOGUE, AXES) == [
        "the rule 'front' names the item 'gone', which is not in the catalogue",
        "the rule 'up' names the item 'i9', which is not in the catalogue",
        "the rule 'up' names the brand 'our', which no item has; did you mean 'ours'?",
    ]


def test_the_kind_ranks_rules_and_then_their_name():
    rules = {
        "e": rule("require"),
        "d": rule("cap", column="brand", at_most=1),
        "c": rule("pin", items=["i1"]),
        "b": rule("pin", items=["i2"]),
        "a": rule("offer", label="x"),
        "z": rule("forbid", where=BREAD),
    }
    assert in_order(rules) == ["z", "b", "c", "d", "e", "a"]
    assert in_order(dict(reversed(rules.items()))) == in_order(rules)


# For whom, when, and to what effect

NOBODY = np.zeros(4)


def in_force(rules, *, row=NOBODY, as_of=0):
    return compile_rules(rules, CATALOGUE, AXES).for_user(np.asarray(row, dtype=float), as_of=as_of)


def holds(aimed, **moment):
    return in_force({"r": aimed}, **moment) is not NOTHING


@pytest.mark.parametrize(
    ("segments", "row", "expected"),
    [
        ({}, [0, 0, 0, 0], True),
        ({"age": ["old"]}, [0, 1, 0, 0], True),
        ({"age": ["old"]}, [0.5, 0.5, 0, 0], True),
        ({"age": ["old"]}, [0.51, 0.49, 0, 0], False),
        ({"age": ["old"]}, [0, 0, 1, 0], False),
        ({"age": ["old", "young"]}, [0.25, 0.25, 0, 0], True),
        ({"age": ["old"], "place": ["north"]}, [0, 1, 1, 0], True),
        ({"age": ["old"], "place": ["north"]}, [0, 1, 0, 1], False),
        ({"place": ["south"]}, [0, 1, 0, 0.6], True),
    ],
)
def test_a_rule_holds_for_those_who_belong_on_every_axis_it_names(segments, row, expected):
    assert holds(rule("boost", amount=1, segments=segments), row=row) is expected


def test_a_rule_holds_from_its_start_until_before_its_end():
    aimed = rule("boost", amount=1, since="2024-01-01", until="2024-02-01")
    start, end = parse_time("2024-01-01"), parse_time("2024-02-01")
    moments = (start - 1, start, end - 1, end)
    assert [holds(aimed, as_of=moment) for moment in moments] == [False, True, True, False]


def test_nudges_are_terms_of_the_score_by_the_name_of_their_rule():
    rules = {
        "up": rule("boost", amount=0.5, where=BREAD),
        "down": rule("bury", amount=2, where={"brand": ["ours"]}),
        "sale": rule("offer", label="-10 %", amount=0.25, where={"items": ["i2"]}),
        "shown": rule("offer", label="new", where={"items": ["i2"]}),
    }
    found = in_force(rules)
    terms = found.terms(np.asarray([0, 2, 4]))
    assert {name: values.tolist() for name, values in terms.items()} == {
        "rule:up": [0.0, 0.5, 0.0],
        "rule:down": [-2.0, 0.0, 0.0],
        "rule:sale": [0.0, 0.25, 0.0],
    }
    assert [offer.label for offer in found.offers] == ["-10 %", "new"]
    assert found.forbids() is None


def test_what_any_rule_forbids_is_forbidden():
    rules = {
        "a": rule("forbid", where=BREAD),
        "b": rule("forbid", where={"items": ["i4"]}),
        "c": rule("forbid", where={"items": ["i0"]}, segments={"age": ["old"]}),
    }
    assert in_force(rules).forbids().tolist() == [False, True, True, False, True]
    assert in_force(rules, row=[0, 1, 0, 0]).forbids().tolist() == [True, True, True, False, True]


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [
        ("boost", {"amount": 1}, False),
        ("forbid", {"where": BREAD}, False),
        ("pin", {"items": ["i0"]}, True),
        ("cap", {"column": "brand", "at_most": 1}, True),
        ("require", {}, True),
        ("offer", {"label": "x"}, True),
    ],
)
def test_only_what_decides_places_asks_for_an_arrangement(kind, keys, expected):
    assert in_force({"r": rule(kind, **keys)}).arranges is expected
    assert not NOTHING.arranges


def test_a_cap_counts_only_what_matches():
    (cap,) = in_force({"r": rule("cap", column="category", at_most=1, where=BREAD)}).caps
    assert cap.codes.tolist() == [-1, 1, 2, -1, -1]


def test_rules_do_not_depend_on_the_order_of_the_file():
    rules = {
        name: rule("pin", items=[name.replace("p", "i")], position=2) for name in ("p2", "p0", "p1")
    }
    assert [pins.rule for pins in in_force(rules).pins] == ["p0", "p1", "p2"]
