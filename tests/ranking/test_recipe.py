"""A variant's identity, and recipes that cannot be meant."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from recsys.config import parse_config
from recsys.errors import ConfigError
from recsys.ranking import BUILT_IN, Recipe, make_variant, variants


def digest(**fields):
    return make_variant("any", Recipe(**fields)).digest


BOOST = {"kind": "boost", "where": {"brand": ("ours",)}, "amount": 0.5}
BASE = {"signals": ("als", "popularity", "priors"), "centre": "segments", "repeat": "learned"}


@pytest.mark.parametrize(
    "same",
    [
        {"signals": ("als", "popularity", "priors")},
        {"signals": ("priors", "als", "popularity")},
        {"signals": ("als", "als", "popularity", "priors")},
        {**BASE, "weights": "learned"},
        {**BASE, "centre": None},
    ],
)
def test_two_ways_to_say_the_same_are_the_same_recipe(same):
    assert digest(**same) == digest(**BASE)


@pytest.mark.parametrize(
    "other",
    [
        {**BASE, "signals": ("als", "popularity", "prior:age")},
        {**BASE, "signals": ("als", "popularity", "priors", "habit")},
        {**BASE, "centre": "mean"},
        {**BASE, "repeat": "never"},
        {**BASE, "repeat": "always"},
        {**BASE, "weights": {"als": 1, "popularity": 1, "priors": 1}},
        {**BASE, "weights": {"als": 1, "popularity": 2, "priors": 1}},
        {**BASE, "rules": {"new": BOOST}},
        {**BASE, "diversity": {"kind": "mmr"}},
        {**BASE, "diversity": {"kind": "mmr", "strength": 0.1}},
        {**BASE, "diversity": {"kind": "calibration"}},
        {**BASE, "exploration": {"kind": "swaps"}},
        {**BASE, "exploration": {"kind": "plackett_luce"}},
    ],
)
def test_every_field_is_part_of_the_identity(other):
    assert digest(**other) != digest(**BASE)


def test_the_order_and_the_spelling_of_weights_are_not():
    one = digest(signals=("als", "habit"), weights={"als": 1, "habit": 0.5})
    assert digest(signals=("habit", "als"), weights={"habit": 0.50, "als": 1.0}) == one


def test_the_order_in_which_rules_are_told_is_no_part_of_it_and_every_value_is():
    one = {"new": BOOST, "gone": {"kind": "forbid", "where": {"brand": ("theirs",)}}}
    other = {"gone": dict(reversed(one["gone"].items())), "new": dict(reversed(BOOST.items()))}
    assert digest(**BASE, rules=one) == digest(**BASE, rules=other)
    found = {digest(**BASE, rules=rules) for rules in CHANGED}
    assert len(found | {digest(**BASE, rules=one)}) == len(CHANGED) + 1


CHANGED = [
    {"new": BOOST},
    {"newer": BOOST},
    {"new": {**BOOST, "amount": 0.25}},
    {"new": {**BOOST, "kind": "bury"}},
    {"new": {**BOOST, "where": {"brand": ("theirs",)}}},
    {"new": {**BOOST, "segments": {"age": ("30-44",)}}},
    {"new": {**BOOST, "since": "2024-01-01"}},
]


# What weights depend on


def learns(**fields):
    return make_variant("any", Recipe(**{**BASE, **fields})).learns


@pytest.mark.parametrize(
    "finish",
    [
        {"rules": {"new": BOOST}},
        {"diversity": {"kind": "mmr"}},
        {"exploration": {"kind": "swaps"}},
        {"signals": ("priors", "popularity", "als")},
    ],
)
def test_variants_that_differ_only_after_the_blend_share_weights(finish):
    assert learns(**finish) == learns()


@pytest.mark.parametrize(
    "other", [{"signals": ("als", "popularity")}, {"centre": "mean"}, {"repeat": "never"}]
)
def test_variants_that_are_learnt_differently_do_not(other):
    assert learns(**other) != learns()


# Like another


def test_what_is_not_said_is_that_of_the_other():
    every = variants(
        {
            "sale": Recipe(like="segment_aware", rules={"new": BOOST}),
            "calm": Recipe(like="sale", repeat="never", rules={"gone": GONE}),
        }
    )
    aware, sale, calm = (every[name] for name in ("segment_aware", "sale", "calm"))
    assert sale.recipe == aware.recipe.model_copy(update={"rules": sale.recipe.rules})
    assert list(sale.recipe.rules) == ["new"]
    assert set(calm.recipe.rules) == {"new", "gone"}
    assert (calm.recipe.signals, calm.recipe.repeat) == (aware.recipe.signals, "never")
    assert sale.learns == aware.learns != calm.learns
    assert len({aware.digest, sale.digest, calm.digest}) == 3


GONE = {"kind": "forbid", "where": {"brand": ("theirs",)}}


def test_a_recipe_like_another_is_that_recipe_spelt_out():
    every = variants({"mine": Recipe(like="als", repeat="never"), "same": SAME})
    assert every["mine"].digest == every["same"].digest


SAME = Recipe(signals=("als",), weights={"als": 1.0}, centre="mean", repeat="never")


def test_what_is_said_again_replaces_and_a_default_that_is_said_counts_too():
    every = variants(
        {
            "shy": Recipe(like="own_purchases", repeat="learned"),
            "other": Recipe(like="own_purchases", signals=("als",), weights="learned"),
            "soft": Recipe(like="sale", rules={"new": {**BOOST, "amount": 0.1}}),
            "sale": Recipe(like="als", rules={"new": BOOST}, diversity={"kind": "mmr"}),
        }
    )
    assert every["shy"].recipe.repeat == "learned"
    assert every["other"].recipe.signals == ("als",)
    assert every["soft"].recipe.rules["new"].amount == 0.1
    assert every["soft"].recipe.diversity == every["sale"].recipe.diversity


def test_the_default_centre_follows_the_signals_that_are_inherited():
    every = variants({"mine": Recipe(like="segment_aware", signals=("als",))})
    assert every["mine"].recipe.centre == "mean"
    told = variants({"mine": Recipe(like="no_segments", signals=("als", "priors"))})
    assert told["mine"].recipe.centre == "mean"  # no_segments says so


@pytest.mark.parametrize(
    ("likes", "message"),
    [
        ({"a": "a"}, "in a circle: a → a"),
        ({"a": "b", "b": "a"}, "in a circle: a → b → a"),
        ({"a": "b", "b": "c", "c": "b"}, "in a circle: a → b → c → b"),
        (
            {"a": "segment_awere"},
            r"\[variants.a\] like = 'segment_awere' is no variant.*'segment_aware'",
        ),
    ],
)
def test_circles_and_unknown_names_are_config_errors(likes, message):
    with pytest.raises(ConfigError, match=message):
        variants({name: Recipe(like=other) for name, other in likes.items()})


def test_the_default_centre_follows_the_priors():
    assert make_variant("a", Recipe(signals=("als",))).recipe.centre == "mean"
    assert make_variant("a", Recipe(signals=("als", "prior:age"))).recipe.centre == "segments"


def test_the_name_is_not_part_of_the_digest():
    recipe = Recipe(signals=("als",))
    assert make_variant("a", recipe).digest == make_variant("b", recipe).digest


def test_the_digest_is_known():
    # Exposures and experiments keep it for years: it may not change between releases.
    assert digest(signals=("popularity",)) == (
        # pragma: allowlist nextline secret
        "70a760f73f272caf25a0407a824789c521a0a807da0a6345ea90d72f85136e19"
    )


def test_the_built_in_recipes_have_identities_of_their_own():
    assert len({variant.digest for variant in variants({}).values()}) == len(BUILT_IN)


def test_a_configured_variant_replaces_the_built_in_of_that_name():
    mine = Recipe(signals=("als", "habit"))
    every = variants({"als": mine, "extra": mine})
    assert every["als"].recipe == mine.resolved()
    assert every.keys() == {*BUILT_IN, "extra"}


def configured(**recipe):
    content = {"data": {"events": "e.csv"}, "variants": {"mine": recipe}}
    return parse_config(content, Path("."))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"signals": ["nearby"]}, "unknown signal 'nearby'; known are als, popularity"),
        ({"signals": []}, "signals is missing; name some, or another variant with like"),
        ({"signals": ["als"], "centre": "user"}, "'segments' or 'mean'"),
        ({"signals": ["als"], "repeat": "often"}, "'never', 'learned' or 'always'"),
        ({"signals": ["als"], "weights": {}}, r"must name exactly the signals \['als'\]"),
        ({"signals": ["als"], "weights": {"habit": 1.0}}, r"not \['habit'\]"),
        ({"signals": ["als"], "weights": {"als": 1, "habit": 1}}, "must name exactly"),
        ({"signals": ["als"], "signal": ["als"]}, "did you mean 'signals'"),
    ],
)
def test_what_cannot_be_meant_is_a_config_error(recipe, message):
    with pytest.raises(ConfigError, match=message):
        configured(**recipe)


@pytest.mark.parametrize("weight", [-0.1, float("inf"), float("nan")])
def test_a_weight_is_a_number_from_0(weight):
    with pytest.raises(ValidationError):
        Recipe(signals=("als",), weights={"als": weight})


# Signals of a model


AXES = {"age": slice(0, 2), "place": slice(2, 5)}


def signals(*listed):
    return set(make_variant("mine", Recipe(signals=listed)).signals(AXES))


def test_priors_are_the_prior_of_every_axis():
    assert signals("als", "priors") == {"als", "prior:age", "prior:place"}
    assert signals("prior:place") == {"prior:place"}
    assert signals("prior:place", "priors") == {"prior:age", "prior:place"}
    assert make_variant("mine", Recipe(signals=("als", "priors"))).signals({}) == ("als",)


@pytest.mark.parametrize("axis", ["income", "", "Age"])
def test_an_axis_that_is_not_there_is_named(axis):
    with pytest.raises(
        ConfigError, match=f"'prior:{axis}' and there is no such axis; axes are age"
    ):
        signals("prior:" + axis)


def test_without_axes_the_message_says_none():
    variant = make_variant("mine", Recipe(signals=("prior:age",)))
    with pytest.raises(ConfigError, match="axes are none"):
        variant.signals({})
