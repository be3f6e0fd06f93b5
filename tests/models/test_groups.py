"""What an item without support takes from its category."""

import numpy as np

from recsys.models.groups import GROUP_SHRINKAGE, group_means, with_group_factors

VALUES = np.asarray([[1.0, 0.0], [3.0, 0.0], [0.0, 8.0], [7.0, 7.0], [9.0, 9.0]])
GROUPS = np.asarray([0, 0, 1, 0, 2])
SUPPORTED = np.asarray([True, True, True, False, False])
OVERALL = np.asarray([4.0 / 3, 8.0 / 3])


def test_a_group_is_the_mean_of_its_supported_items_shrunk_to_that_of_all():
    means = group_means(VALUES, SUPPORTED, GROUPS)
    strength = GROUP_SHRINKAGE
    np.testing.assert_allclose(means[0], ([4.0, 0.0] + strength * OVERALL) / (2 + strength))
    np.testing.assert_allclose(means[1], ([0.0, 8.0] + strength * OVERALL) / (1 + strength))
    np.testing.assert_allclose(means[2], OVERALL)
    # The last one is of no group there is.
    np.testing.assert_allclose(means[3], OVERALL)


def test_only_unsupported_items_are_filled():
    factors = VALUES.astype(np.float32)
    filled = with_group_factors(factors, SUPPORTED, GROUPS)
    means = group_means(VALUES, SUPPORTED, GROUPS).astype(np.float32)
    np.testing.assert_array_equal(filled[SUPPORTED], factors[SUPPORTED])
    np.testing.assert_array_equal(filled[~SUPPORTED], means[[0, 2]])
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(factors, VALUES)


def test_a_shop_without_support_has_means_of_zero():
    nothing = np.zeros(5, dtype=bool)
    assert not group_means(VALUES, nothing, GROUPS).any()


def test_no_items_have_no_groups():
    empty = np.empty(0, dtype=np.int64)
    assert group_means(np.empty((0, 2)), empty.astype(bool), empty).tolist() == [[0, 0]]
