"""Taste against its closed form, and where it must say nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.models.taste import KAPPA, category_shares, taste

SHARES = np.asarray([0.5, 0.3, 0.2])


def test_a_taste_is_the_lift_of_her_days_over_the_shops_shares():
    # Four days, three of them in the second category, of which 1.2 were expected.
    found = taste(np.asarray([1, 0, 1]), np.asarray([1.0, 1.0, 2.0]), SHARES)
    expected = [(1 + KAPPA) / (2.0 + KAPPA), (3 + KAPPA) / (1.2 + KAPPA), KAPPA / (0.8 + KAPPA)]
    np.testing.assert_allclose(np.exp(found), expected)


def test_of_nobody_known_and_without_categories_nothing_is_said():
    nothing = np.empty(0, dtype=np.int64)
    assert taste(nothing, np.empty(0), SHARES).tolist() == [0.0] * 3
    lone = taste(np.zeros(4, dtype=np.int64), np.arange(4.0), np.ones(1))
    np.testing.assert_allclose(lone, 0.0, atol=1e-12)


def test_a_shopper_like_the_shop_has_no_taste():
    np.testing.assert_allclose(taste(np.arange(3), 10 * SHARES, SHARES), 0.0, atol=1e-12)


@given(st.integers(0, 2), st.lists(st.floats(0, 50), min_size=3, max_size=3))
def test_one_day_more_in_a_category_never_lowers_its_taste(group, visits):
    before = taste(np.arange(3), np.asarray(visits), SHARES)
    more = np.asarray(visits) + (np.arange(3) == group)
    after = taste(np.arange(3), more, SHARES)
    assert after[group] >= before[group]
    assert (np.delete(after, group) <= np.delete(before, group)).all()


@pytest.mark.parametrize("popular", [[-1.0, -2.0, -3.0, -1.5], [-4.0] * 4])
def test_shares_are_those_of_purchases(popular):
    groups, popular = np.asarray([0, 1, 1, 2]), np.asarray(popular)
    sold = np.exp(popular)
    expected = np.asarray([sold[0], sold[1] + sold[2], sold[3]]) / sold.sum()
    np.testing.assert_allclose(category_shares(groups, popular), expected)
