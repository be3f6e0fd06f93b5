"""A user's side of the score: units, weights, and what of a history counts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys.models import ALS, HABIT, NEIGHBOURS, POPULARITY, PRIOR, TASTE, confidence
from recsys.models.neighbours import history_weights
from recsys.models.taste import taste
from recsys.ranking import BUILT_IN, Recipe, Weights
from recsys.ranking.blend import (
    KNOTS,
    coordinates,
    fixed_weights,
    own_terms,
    shares_of_knots,
    user_vector,
)


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
        confidence(worth[worth != 0], model.slope),
        model.fold_in.mean,
        "mean",
        model.config.prior_strength,
    )
    row = small.customers.memberships.row(4)
    vector = user_vector(model, small.customers, 4, row, "mean")
    assert vector.tolist() == expected.tolist()


def test_a_weight_is_that_of_its_knot_and_between_two_knots_in_between():
    weights = Weights(knots=(0.0, 3.0, 15.0), signals={"als": (1.0, 2.0, 4.0), "habit": (3, 0, 0)})
    assert weights.at(0.0) == {"als": 1.0, "habit": 3.0}
    assert weights.at(3.0) == {"als": 2.0, "habit": 0.0}
    assert weights.at(15.0) == {"als": 4.0, "habit": 0.0}
    # Halfway in log(1 + n): from 1 to 4 lies 2, from 4 to 16 lies 8.
    assert weights.at(1.0) == pytest.approx({"als": 1.5, "habit": 1.5})
    assert weights.at(7.0) == pytest.approx({"als": 3.0, "habit": 0.0})


def test_beyond_the_last_knot_a_weight_stays():
    weights = Weights(signals={"als": tuple(range(len(KNOTS)))})
    assert weights.at(1e9) == weights.at(KNOTS[-1]) == {"als": len(KNOTS) - 1}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_each_activity_is_shared_by_the_knots_around_it(activities):
    shares = shares_of_knots(np.asarray(activities))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    for activity, row in zip(activities, shares, strict=True):
        held = np.flatnonzero(row)
        assert len(held) <= 2 and (np.diff(held) == 1).all()
        inside = min(activity, KNOTS[-1])
        assert KNOTS[max(held[0] - (len(held) == 1), 0)] <= inside
        assert inside <= KNOTS[min(held[-1] + (len(held) == 1), len(KNOTS) - 1)]
        assert np.log1p(KNOTS) @ row == pytest.approx(np.log1p(inside), abs=1e-9)


@pytest.mark.parametrize("wrong", [(-0.1,), (float("nan"),)])
def test_a_weight_below_0_is_refused(wrong):
    with pytest.raises(ValidationError):
        Weights(knots=(0.0,), signals={"als": wrong})


@pytest.mark.parametrize("user", range(5))
def test_the_own_terms_are_those_of_habit_of_near_items_and_of_categories(small, user):
    histories, model = small.customers.histories, small.model
    rows = histories.rows(user)
    own = own_terms(model, small.customers, user)
    assert list(own) == [HABIT, NEIGHBOURS, TASTE]
    assert own[HABIT].items.tolist() == histories.items[rows].tolist()
    assert own[HABIT].values.tolist() == model.habit.terms(histories, rows).tolist()
    weights = history_weights(histories.worth[rows])
    items, values = model.neighbours.terms(histories.items[rows], weights)
    assert own[NEIGHBOURS].items.tolist() == items.tolist()
    assert own[NEIGHBOURS].values.tolist() == values.tolist()
    everything = own[NEIGHBOURS].at(np.arange(len(model.items)))
    assert everything[items].tolist() == values.tolist()
    assert np.count_nonzero(everything) == len(items)
    groups, shares = model.catalogue.groups, model.category_shares
    values = taste(groups[histories.items[rows]], histories.visits[rows], shares)
    assert own[TASTE].at(np.arange(len(model.items))).tolist() == values[groups].tolist()


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
