"""What is told of a pair, against the same numbers written out."""

import math

import numpy as np

from recsys.interactions import HALF_LIVES
from recsys.models.habit_features import (
    FADED,
    LEFT,
    N_CROSSED,
    PRODUCTS,
    RIGHT,
    n_features,
    pair_features,
    products,
)
from recsys.models.repeats import PACE_SHRINKAGE

N_ITEMS = 12
PHASE = math.log(4 / ((20 + PACE_SHRINKAGE * 10) / (1 + PACE_SHRINKAGE)) + 0.05)
"""Of an item bought 4 and 24 days ago, in a category of ten days."""


def features_of(histories):
    rate, pace = np.full(N_ITEMS, 2.0), np.full(N_ITEMS, 10.0)
    return pair_features(histories, slice(None), rate, pace)


def test_features_of_the_pair_are_as_documented(make_histories, bought):
    histories = make_histories([{3: bought((4.0, 24.0), worth=5.0)}], N_ITEMS)
    (row,) = features_of(histories)
    np.testing.assert_allclose(row[:4], [math.log(2), PHASE, math.log(5), math.log(1 + 5 / 2)])
    faded = np.asarray([0.5 ** (4 / h) + 0.5 ** (24 / h) for h in HALF_LIVES])
    # Of one item alone nothing is told by how many there are.
    lives = [*np.log1p(faded), *np.log(faded + 0.01), *(0.0 * faded)]
    np.testing.assert_allclose(row[FADED:], lives)
    assert len(row) == n_features(len(HALF_LIVES))


def test_features_of_the_whole_history_are_as_documented(make_histories, bought):
    # Last purchases 4 and 9 days ago: two days, three items, 20 days from first to last.
    user = {0: bought((4.0, 24.0)), 3: bought((9.5, 14.0)), 5: bought((4.2,)), 7: bought(())}
    histories = make_histories([user], N_ITEMS)
    rows = features_of(histories)
    days, share = math.log(2), math.log(2 / 2)
    np.testing.assert_allclose(rows[:, 4:6], [[days, math.log(5)]] * 4)
    whole = [math.log(21), math.log(3), math.log(27 / 2)]
    np.testing.assert_allclose(rows[:, PRODUCTS.stop : PRODUCTS.stop + 3], [whole] * 4)
    both = [math.log(3) * days, math.log(2) * share]
    np.testing.assert_allclose(rows[0, PRODUCTS.stop + 3 : FADED], both)
    lately = math.log(3) * np.log(histories.decayed_visits[0] + 0.01)
    np.testing.assert_allclose(rows[0, FADED + 2 * len(HALF_LIVES) :], lately)


def test_every_two_of_the_first_features_are_multiplied_once(make_histories, make_users):
    rows = features_of(make_histories(make_users(0, 20, N_ITEMS), N_ITEMS))
    pairs = [(one, other) for one in range(N_CROSSED) for other in range(one, N_CROSSED)]
    assert list(zip(LEFT, RIGHT, strict=True)) == pairs
    for column, (one, other) in zip(rows[:, PRODUCTS].T, pairs, strict=True):
        np.testing.assert_array_equal(column, rows[:, one] * rows[:, other])


def test_products_around_a_centre():
    crossed = np.arange(2.0 * N_CROSSED).reshape(2, N_CROSSED)
    centre = crossed.mean(axis=0)
    expected = [(row - centre)[LEFT] * (row - centre)[RIGHT] for row in crossed]
    np.testing.assert_allclose(products(crossed, centre), expected)
