"""A user's side of the score: units, weights, and what of a history counts."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.models import ALS, POPULARITY, PRIOR, confidence
from recsys.ranking import BUILT_IN, Recipe, Weights
from recsys.ranking.blend import coordinates, fixed_weights, user_vector


@pytest.mark.parametrize("user", range(5))
def test_the_scores_of_the_factors_have_a_spread_of_one(small, user):
    factors = small.model.columns[:, small.model.blocks[ALS]].astype(np.float64)
    fold_in = replace(small.model.fold_in, spread=np.cov(factors.T))
    model = replace(small.model, fold_in=fold_in)
    parts = coordinates(model, small.customers, user, "mean")
    assert (factors @ parts[ALS]).std(ddof=1) == pytest.approx(1.0)


def test_popularity_counts_as_it_is_and_priors_by_membership(small):
    row = small.customers.memberships.row(4)
    parts = coordinates(small.model, small.customers, 4, "segments")
    assert parts[POPULARITY].tolist() == [1.0]
    for axis, block in small.model.segments.items():
        assert parts[PRIOR + axis].tolist() == row[block].tolist()


def test_what_is_worth_nothing_is_not_part_of_the_vector(small):
    histories, model = small.customers.histories, small.model
    rows = histories.rows(4)
    worth = histories.worth[rows]
    assert (worth == 0).any()
    expected = model.fold_in.user_vector(
        histories.items[rows][worth != 0],
        confidence(worth[worth != 0], model.config.alpha),
        model.fold_in.mean,
        "mean",
        model.config.prior_strength,
    )
    row = small.customers.memberships.row(4)
    vector = user_vector(model, small.customers, 4, row, "mean")
    assert vector.tolist() == expected.tolist()


def test_a_weight_moves_from_its_cold_to_its_warm_end():
    weights = Weights(cold={"als": 1.0, "habit": 3.0}, warm={"als": 5.0}, half=10.0)
    assert weights.at("als", 0.0) == 1.0
    assert weights.at("als", 10.0) == 3.0
    assert weights.at("als", 30.0) == 4.0
    assert weights.at("habit", 10.0) == 1.5
    assert weights.at("popularity", 10.0) == 0.0


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], {"popularity": 1.0, "prior:age": 0.0, "prior:place": 0.0}),
        (["place"], {"popularity": 1.0, "prior:age": 0.0, "prior:place": 1.0}),
        (["age", "place"], {"popularity": 1.0, "prior:age": 0.5, "prior:place": 0.5}),
    ],
)
def test_known_axes_share_the_weight_of_the_priors(known, expected):
    signals = ("popularity", "prior:age", "prior:place")
    assert fixed_weights(BUILT_IN["popular_by_segment"], signals, known) == expected


def test_an_axis_of_its_own_weight_keeps_it_beside_its_share():
    recipe = Recipe(signals=("priors", "prior:age"), weights={"priors": 1.0, "prior:age": 0.25})
    found = fixed_weights(recipe, ("prior:age", "prior:place"), ["age", "place"])
    assert found == {"prior:age": 0.75, "prior:place": 0.5}
    alone = Recipe(signals=("prior:age",), weights={"prior:age": 0.25})
    assert fixed_weights(alone, ("prior:age",), ["age", "place"]) == {"prior:age": 0.25}
