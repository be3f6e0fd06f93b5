"""The table of the config."""

import pytest
from pydantic import ValidationError

from recsys.errors import ConfigError
from recsys.models.related import RelatedConfig


def test_windows_are_durations():
    assert RelatedConfig(trend_window="2w").trend_days == 14
    with pytest.raises(ConfigError, match="trend_window 'soon'"):
        RelatedConfig(trend_window="soon")


@pytest.mark.parametrize("key", ["per_item", "largest_basket"])
def test_nothing_is_kept_of_nothing(key):
    with pytest.raises(ValidationError, match=key):
        RelatedConfig(**{key: 0})
