"""Grids of moments, against a walk through the calendar day by day."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.events.times import EPOCH, FIRST, LAST, MICROSECOND, format_time, parse_time
from recsys.segments.calendar import check_every, moments

DAY = 86_400_000_000
MOMENT = st.integers(FIRST, LAST)
EVERY = st.sampled_from(["week", "month", "quarter", "1d", "30d", "12h", "2w", "0.5d", "9999w"])


def dates(every: str, as_of: str, count: int) -> list[str]:
    found = moments(every, as_of=parse_time(as_of), count=count)
    return [format_time(point)[:16].replace("T00:00", "") for point in found]


def is_point(every: str, day: datetime) -> bool:
    return {
        "week": day.weekday() == 0,
        "month": day.day == 1,
        "quarter": day.day == 1 and day.month in (1, 4, 7, 10),
        "30d": (day - EPOCH).days % 30 == 0,
        "2w": (day - EPOCH).days % 14 == 0,
    }[every]


def walk(every: str, as_of: int, count: int) -> tuple[int, ...]:
    """Step back from the moment, one day at a time."""
    found: list[int] = []
    day = (EPOCH + as_of * MICROSECOND).replace(hour=0, minute=0, second=0, microsecond=0)
    while len(found) < count:
        if is_point(every, day):
            found.append((day - EPOCH) // MICROSECOND)
        if day == datetime(1, 1, 1, tzinfo=UTC):
            break
        day -= timedelta(days=1)
    return tuple(reversed(found))


@pytest.mark.parametrize(
    ("every", "as_of", "count", "points"),
    [
        ("week", "2024-07-03", 3, ["2024-06-17", "2024-06-24", "2024-07-01"]),
        ("week", "2024-07-01", 1, ["2024-07-01"]),
        ("week", "2024-06-30T23:59:59.999999", 1, ["2024-06-24"]),
        ("week", "1970-01-04", 2, ["1969-12-22", "1969-12-29"]),
        ("month", "2024-03-31", 3, ["2024-01-01", "2024-02-01", "2024-03-01"]),
        ("month", "2024-01-01", 2, ["2023-12-01", "2024-01-01"]),
        ("month", "1969-12-31", 2, ["1969-11-01", "1969-12-01"]),
        ("quarter", "2024-03-31", 3, ["2023-07-01", "2023-10-01", "2024-01-01"]),
        ("quarter", "2024-04-01", 1, ["2024-04-01"]),
        ("30d", "1970-03-05", 3, ["1970-01-01", "1970-01-31", "1970-03-02"]),
        ("12h", "1970-01-01T13:00", 2, ["1970-01-01", "1970-01-01T12:00"]),
        ("30d", "1969-12-31", 1, ["1969-12-02"]),
        ("month", "0001-02-10", 6, ["0001-01-01", "0001-02-01"]),
        ("quarter", "0001-02-10", 6, ["0001-01-01"]),
        ("week", "0001-01-09", 6, ["0001-01-01", "0001-01-08"]),
        ("month", "9998-12-31", 1, ["9998-12-01"]),
    ],
)
def test_points_of_the_calendar(every: str, as_of: str, count: int, points: list[str]) -> None:
    assert dates(every, as_of, count) == points


@given(st.sampled_from(["week", "month", "quarter", "30d", "2w"]), MOMENT, st.integers(1, 5))
def test_grids_are_what_a_walk_finds(every: str, as_of: int, count: int) -> None:
    assert moments(every, as_of=as_of, count=count) == walk(every, as_of, count)


@given(EVERY, MOMENT, MOMENT, st.integers(1, 50), st.integers(1, 50))
def test_a_later_look_finds_the_same_points(
    every: str, one: int, other: int, count: int, more: int
) -> None:
    early, late = sorted((one, other))
    before = moments(every, as_of=early, count=count)
    after = moments(every, as_of=late, count=more)
    both = range(max(before[:1] + after[:1], default=late), early + 1)
    assert [point for point in before if point in both] == [
        point for point in after if point in both
    ]


@given(EVERY, MOMENT, st.integers(1, 20))
def test_what_always_holds_of_a_grid(every: str, as_of: int, count: int) -> None:
    found = moments(every, as_of=as_of, count=count)
    assert list(found) == sorted({*found})
    assert all(FIRST <= point <= as_of for point in found)
    assert len(found) == count or len(found) == len(moments(every, as_of=as_of, count=count + 1))
    # A point is its own last point, and just before it is the time of the one before.
    for earlier, point in pairwise(found):
        assert moments(every, as_of=point, count=1) == (point,)
        assert moments(every, as_of=point - 1, count=1) == (earlier,)


@pytest.mark.parametrize(
    "every", ["fortnight", "", "Month", "0d", "30", "-7d", "9" * 400 + "d", "0.00000000000001h"]
)
def test_what_is_no_grid_is_refused_with_what_is_possible(every: str) -> None:
    with pytest.raises(ConfigError, match="write week, month, quarter or a duration like 30d"):
        moments(every, as_of=0, count=1)
    with pytest.raises(ConfigError, match="is no grid of moments"):
        check_every(every)


@pytest.mark.parametrize("count", [0, -1])
def test_a_grid_without_points_is_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=f"count = {count}: a grid needs at least 1 point"):
        moments("week", as_of=0, count=count)


@pytest.mark.parametrize("as_of", [FIRST - 1, LAST + 1, 10**30])
def test_moments_that_no_date_can_be_written_for_are_refused(as_of: int) -> None:
    with pytest.raises(ConfigError, match=f"as_of = {as_of} is not within 0001-01-01"):
        moments("week", as_of=as_of, count=1)


@pytest.mark.parametrize("every", ["week", "month", "quarter", "12h"])
def test_the_first_moment_of_all_has_at_most_one_point(every: str) -> None:
    assert moments(every, as_of=FIRST, count=9) == (FIRST,)


def test_a_step_longer_than_the_calendar_before_the_epoch_has_no_point() -> None:
    assert moments("400000w", as_of=-DAY, count=3) == ()
    assert moments("400000w", as_of=DAY, count=3) == (0,)
