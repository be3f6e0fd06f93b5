"""The closed form of popularity."""

import numpy as np
import pytest

from recsys.models.popularity import log_popularity, trend


def test_popularity_is_the_smoothed_share_of_purchases():
    # Item 0: 2 + 1, item 2: 0.5; with one more for each of four items 3.5 + 4 = 7.5.
    values = log_popularity(np.array([0, 2, 0]), np.array([2.0, 0.5, 1.0]), 4)
    np.testing.assert_allclose(np.exp(values), [4 / 7.5, 1 / 7.5, 1.5 / 7.5, 1 / 7.5])


@pytest.mark.parametrize("n_items", [1, 3])
def test_a_shop_without_purchases_likes_every_item_the_same(n_items):
    values = log_popularity(np.empty(0, dtype=np.int64), np.empty(0), n_items)
    np.testing.assert_allclose(np.exp(values), np.full(n_items, 1 / n_items))


def test_a_trend_is_what_is_bought_of_late_against_what_was_expected():
    # 6 recent days, of which 1.5 and 4.5 were expected; with 5 more on either side.
    values = trend(np.array([0, 1, 0]), np.array([2.0, 3.0, 1.0]), np.log([0.25, 0.75]))
    np.testing.assert_allclose(np.exp(values), [(3 + 5) / (1.5 + 5), (3 + 5) / (4.5 + 5)])


def test_where_nothing_changes_nothing_rises():
    items, days = np.arange(6), np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    np.testing.assert_allclose(trend(items, days, np.log(days / days.sum())), 0.0, atol=1e-12)
    np.testing.assert_allclose(trend(items[:0], days[:0], np.log(days / days.sum())), 0.0)
