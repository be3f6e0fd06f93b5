"""Rates and paces: what they are shrunk to, and what they may see."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models.repeats import (
    CATEGORY_SHRINKAGE,
    PACE_SHRINKAGE,
    RATE_SHRINKAGE,
    category_paces,
    crossed_rates,
    own_pace,
    repeat_rates,
)

N_ITEMS = 12
GROUPS = np.repeat([0, 1, 2], 4)


def test_rates_are_shrunk_to_the_category_and_that_to_the_shop():
    items = np.array([0, 0, 0, 1, 4])
    label = np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    rate, by_group = repeat_rates(items, label, GROUPS)
    overall = 3 / 5
    first = (2 + CATEGORY_SHRINKAGE * overall) / (4 + CATEGORY_SHRINKAGE)
    second = (1 + CATEGORY_SHRINKAGE * overall) / (1 + CATEGORY_SHRINKAGE)
    # The last one is of a category without any item.
    np.testing.assert_allclose(by_group, [first, second, overall, overall])
    item = (2 + RATE_SHRINKAGE * first) / (3 + RATE_SHRINKAGE)
    np.testing.assert_allclose(rate[0], item / overall)
    np.testing.assert_allclose(rate[[2, 8]], [first / overall, 1.0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1))
def test_crossed_rates_never_see_a_label_of_their_own_half(seed, half):
    rng = np.random.default_rng(seed)
    folds = rng.integers(2, size=60)
    items = rng.integers(N_ITEMS, size=60)
    label = (rng.random(60) < 0.4).astype(np.float64)
    turned = np.where(folds == half, 1.0 - label, label)
    mine = folds == half
    before = crossed_rates(folds, items, label, GROUPS)
    after = crossed_rates(folds, items, turned, GROUPS)
    np.testing.assert_array_equal(after[mine], before[mine])
    others = repeat_rates(items[~mine], label[~mine], GROUPS)[0]
    np.testing.assert_array_equal(before[mine], others[items[mine]])


def test_a_pace_is_the_mean_interval_shrunk_to_the_category(make_histories, bought):
    # Item 0: 3 visits over 20 days; item 1 of the same category: 2 visits over 30 days.
    user = {0: bought((1.0, 11.0, 21.0)), 1: bought((5.0, 35.0)), 4: bought((2.0,))}
    histories = make_histories([user], N_ITEMS)
    overall = 50 / 3
    category = (50 + RATE_SHRINKAGE * overall) / (3 + RATE_SHRINKAGE)
    pace = category_paces(histories, GROUPS)[GROUPS]
    np.testing.assert_allclose(pace[[0, 3, 4]], [category, category, overall])
    own = own_pace(histories, slice(None), pace)
    twenty = (20 + PACE_SHRINKAGE * category) / (2 + PACE_SHRINKAGE)
    np.testing.assert_allclose(own[[0, 2]], [twenty, overall])
