"""What the weights of habit are learnt from, and when products of features come in."""

import numpy as np
import pytest
from scipy import special

from recsys.interactions import HALF_LIVES
from recsys.models import habit_weights
from recsys.models.habit_features import (
    LEFT,
    N_CROSSED,
    PRODUCTS,
    RIGHT,
    n_features,
    pair_features,
    products,
)
from recsys.models.habit_weights import around_zero, learn_weights, worth_of_a_find
from recsys.models.repeats import category_paces, repeat_rates

N_ITEMS = 12
GROUPS = np.repeat([0, 1, 2], 4)
N_FEATURES = n_features(len(HALF_LIVES))
SINCE, DAYS = 2, 4
"""Columns of the time since a purchase, and of the days of a history."""


@pytest.fixture(scope="module")
def histories(make_histories, make_users):
    return make_histories(make_users(0, 2000, N_ITEMS), N_ITEMS)


@pytest.fixture(scope="module")
def again(histories):
    return came_back(histories, np.log(histories.decayed_visits[:, 2] + 0.1) - 1.0)


def came_back(histories, odds, seed=1):
    """Draw which bought pairs come back."""
    even = np.random.default_rng(seed).random(len(histories.items))
    return (even < special.expit(odds)) & (histories.visits > 0)


def learnt(*windows):
    return learn_weights(windows, GROUPS, category_paces(windows[0][0], GROUPS)[GROUPS])


def features_of(histories, label):
    bought = histories.visits > 0
    rate, _ = repeat_rates(histories.items[bought], label[bought].astype(np.float64), GROUPS)
    pace = category_paces(histories, GROUPS)[GROUPS]
    return pair_features(histories, slice(None), rate, pace)[bought]


def chances(coefficients, features):
    return special.expit(coefficients[0] + features @ coefficients[1:])


# Who has a part in it


def test_a_find_is_worth_a_share_of_the_best_list():
    user = np.repeat([0, 1, 2, 3], [2, 1, 3, 12])
    label = np.asarray([0, 0, 1, 1, 0, 1, *[1] * 12], dtype=np.float64)
    best = 1 / np.log2(np.arange(2, 12))
    expected = [0, 0, 1, *[1 / best[:2].sum()] * 3, *[1 / best.sum()] * 12]
    np.testing.assert_allclose(worth_of_a_find(user, label), expected)


def test_who_came_back_for_nothing_changes_no_order(histories, again, make_histories, make_users):
    others = make_histories(make_users(7, 2000, N_ITEMS), N_ITEMS)
    among = learnt((histories, again), (others, np.zeros(len(others.items), dtype=bool)))
    alone = learnt((histories, again))
    np.testing.assert_array_equal(among[1:], alone[1:])
    # They bring the chances of all down, though.
    assert among[0] < alone[0] - 0.3


def test_whoever_comes_back_for_much_has_no_more_of_a_say(make_histories, bought):
    """Half come back for the six they bought last, half for the one they bought first."""
    user = {item: bought((1.0 + item,)) for item in range(N_ITEMS)}
    histories = make_histories([user] * 800, N_ITEMS)
    much = histories.user_index < 400
    label = np.where(much, histories.items < 6, histories.items == N_ITEMS - 1)
    chance = chances(learnt((histories, label)), features_of(histories, label))[:N_ITEMS]
    # A find of the six is worth 1 / 3.3, the one alone 1: it is the better bet.
    assert chance[-1] > 1.5 * chance[:6].max()


def test_chances_are_those_of_everyones_pairs(histories, again):
    label = again & (histories.user_index % 3 > 0)
    found = chances(learnt((histories, label)), features_of(histories, label))
    assert found.mean() == pytest.approx(label[histories.visits > 0].mean(), abs=0.005)


def test_of_many_pairs_some_stand_for_the_others(histories, again, monkeypatch):
    everything = learnt((histories, again))
    features = features_of(histories, again)
    monkeypatch.setattr(habit_weights, "MOST_PAIRS", len(features) // 3)
    some = learnt((histories, again))
    assert (some != everything).any()
    full, sampled = chances(everything, features), chances(some, features)
    assert sampled.mean() == pytest.approx(full.mean(), abs=0.01)
    assert np.corrcoef(full, sampled)[0, 1] > 0.95


# Products


def test_products_come_in_where_two_features_tell_only_together(histories):
    """With many days she comes back for what she bought last, with few for the oldest."""
    features = features_of(histories, histories.visits > 2)
    since, days = features[:, SINCE], features[:, DAYS]
    odds = np.zeros(len(histories.items))
    odds[histories.visits > 0] = 6.0 * (since.mean() - since) * (days - days.mean()) - 1.0
    found = learnt((histories, came_back(histories, odds)))
    place = next(p for p in range(len(LEFT)) if (LEFT[p], RIGHT[p]) == (SINCE, DAYS))
    assert found[1:][PRODUCTS][place] < -1.0


def test_products_stay_out_where_features_tell_one_by_one(histories, again):
    assert not learnt((histories, again))[1:][PRODUCTS].any()


def test_products_stay_out_where_few_came_back(histories):
    label = np.zeros(len(histories.items), dtype=bool)
    label[np.flatnonzero(histories.visits > 0)[0]] = True
    found = learnt((histories, label))
    assert not found[1:][PRODUCTS].any()
    assert np.isfinite(found).all()


def test_products_around_a_centre_are_plain_ones_of_other_weights():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, N_FEATURES)) + 3.0
    coefficients, centre = rng.normal(size=1 + N_FEATURES), rng.normal(size=N_CROSSED)
    features[:, PRODUCTS] = products(features[:, :N_CROSSED], centre)
    odds = coefficients[0] + features @ coefficients[1:]
    features[:, PRODUCTS] = features[:, LEFT] * features[:, RIGHT]
    plain = around_zero(coefficients, centre)
    np.testing.assert_allclose(plain[0] + features @ plain[1:], odds)
