"""Memberships of everyone, with sizes."""

import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.pipelines.segment import segment


def test_sizes_count_and_weigh_every_segment(shop, config, tables):
    segmented = segment(shop, config, as_of=shop.after_all())
    sizes = segmented.sizes()
    ages = sizes[sizes["axis"] == "age"].set_index("segment")["users"].to_dict()
    assert ages == tables.users["age"].value_counts().to_dict()
    np.testing.assert_allclose(sizes["share"] * 60, sizes["weight"], rtol=1e-12)
    by_axis = sizes.groupby("axis")["weight"].sum()
    assert by_axis["lifecycle"] == 60
    assert by_axis["taste"] <= 60 + 1e-9
    assert segmented.notes == ()


def test_memberships_of_training_are_those_of_segmenting(shop, config, trained):
    segmented = segment(shop, config, as_of=trained.as_of)
    assert segmented.memberships.axes == trained.memberships.axes
    assert (segmented.memberships.matrix != trained.memberships.matrix).nnz == 0


def test_no_axis_is_nothing_to_segment_by(shop, make_config):
    with pytest.raises(ConfigError, match="no axis is configured"):
        segment(shop, make_config(segments={}), as_of=shop.after_all())
