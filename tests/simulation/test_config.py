"""What can be asked of the simulator, and what it says to the rest."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys.errors import ConfigError
from recsys.simulation import SimulationConfig
from recsys.simulation.simulate import ROW_GROUP, row_groups


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"events": -5}, r"events = -5 is not within 1000 to 1000000000"),
        ({"events": 999}, r"events = 999"),
        ({"seed": -1}, r"seed = -1"),
        ({"days": 3}, r"days = 3 is not within 7 to 3650"),
        ({"departments": 13}, r"departments = 13 is not within 1 to 12"),
        ({"missing": 1.0}, r"missing = 1.0 is not within 0.0 to 0.9"),
        ({"loyalty": float("nan")}, r"loyalty = nan"),
        ({"events": 1_000, "users": 0}, r"users = 0: 1000 events need 1 to 100 users"),
        ({"events": 1_000, "users": 101}, r"users = 101: .* change users or events"),
        ({"events": 1_000_000, "users": 999}, r"users = 999: 1000000 events need 1000 to 100000"),
        ({"items": 59}, r"items = 59: 12 departments of 5 shelves and 365 days need 60 to 769230"),
        ({"items": 100_000, "days": 3_650}, r"need 60 to 81967 items; change items, shelves or"),
        ({"price_effect": 1e9}, r"price_effect = 1000000000.0 is not within 0.0 to 5.0"),
        ({"taste": -0.1}, r"taste = -0.1"),
        ({"start": "9999-01-01"}, r"start = 9999-01-01 is not within 1900-01-01 to 9900-01-01"),
        ({"lifts": {"age": 1.0, "shoes": 1.0}}, r"'shoes', which is no axis; known are age"),
        ({"lifts": {"age": -1.0}}, r"lifts of age = -1.0 is not within 0.0 to 3.0"),
        ({"start": "yesterday"}, r"start 'yesterday' is not an ISO 8601 time"),
    ],
)
def test_nonsense_is_refused_with_value_and_remedy(values, said):
    with pytest.raises(ConfigError, match=said):
        SimulationConfig(**values)


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError, match="event"):
        SimulationConfig(event=5_000)


def sizes():
    """Numbers of events, with a possible number of users."""
    return st.integers(1_000, 10**9).flatmap(
        lambda events: st.tuples(
            st.just(events), st.integers(-(-events // 1_000), min(events // 10, 10**7))
        )
    )


@given(sizes())
@settings(max_examples=40, deadline=None)
def test_blocks_share_users_and_events_without_rest(size):
    events, users = size
    config = SimulationConfig(events=events, users=users)
    blocks = range(config.n_blocks)
    ends = [config.block_users(block) for block in blocks]
    assert ends[0].start == 0
    assert ends[-1].stop == users
    assert all(one.stop == other.start for one, other in pairwise(ends))
    assert sum(config.block_quota(block) for block in blocks) == events


@given(sizes())
@settings(max_examples=40, deadline=None)
def test_memory_is_bounded_whatever_is_asked_for(size):
    events, users = size
    config = SimulationConfig(events=events, users=users)
    groups = [group for file in row_groups(config) for group in file]
    assert [block for group in groups for block in group] == list(range(config.n_blocks))
    for group in groups[:3]:
        assert len(group) == 1 or sum(map(config.block_quota, group)) <= ROW_GROUP + 1
    assert max(map(config.block_quota, range(min(config.n_blocks, 5)))) <= 1_024 * 1_000
