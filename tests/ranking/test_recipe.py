"""A variant's identity, and recipes that cannot be meant."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from recsys.config import parse_config
from recsys.errors import ConfigError
from recsys.ranking import BUILT_IN, Recipe, make_variant, variants


def digest(**fields):
    return make_variant("any", Recipe(**fields)).digest


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
    ],
)
def test_every_field_is_part_of_the_identity(other):
    assert digest(**other) != digest(**BASE)


def test_the_order_and_the_spelling_of_weights_are_not():
    one = digest(signals=("als", "habit"), weights={"als": 1, "habit": 0.5})
    assert digest(signals=("habit", "als"), weights={"habit": 0.50, "als": 1.0}) == one


def test_the_default_centre_follows_the_priors():
    assert make_variant("a", Recipe(signals=("als",))).recipe.centre == "mean"
    assert make_variant("a", Recipe(signals=("als", "prior:age"))).recipe.centre == "segments"


def test_the_name_is_not_part_of_the_digest():
    recipe = Recipe(signals=("als",))
    assert make_variant("a", recipe).digest == make_variant("b", recipe).digest


def test_the_digest_is_known():
    # Exposures and experiments keep it for years: it may not change between releases.
    assert digest(signals=("popularity",)) == (
        "42eb44c30a7dc53c0edede0513453b74e94a7eabe2cdf9564a1d58800f2132a2"
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


def test_neighbours_are_refused_with_a_reason():
    with pytest.raises(ConfigError, match="'neighbours' is not there yet"):
        configured(signals=["als", "neighbours"])


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"signals": ["nearby"]}, "unknown signal 'nearby'; known are als, popularity"),
        ({"signals": []}, "at least 1 item"),
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
