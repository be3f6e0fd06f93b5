import cmath
import math

import numpy as np
import pandas as pd
import pytest

from recsys.segments.profiles.hours import (
    EVENING_SHARE,
    HOUR_CONCENTRATION,
    NIGHT_SHARE,
    USUAL_HOUR,
    WEEKEND_SHARE,
)

from .profiled import SPANS, assert_crowd, bought, profile

NAMES = (USUAL_HOUR, HOUR_CONCENTRATION, EVENING_SHARE, NIGHT_SHARE, WEEKEND_SHARE)
MOMENT = pd.Timestamp("2024-07-01")


def at(user, *times):
    """Purchases at times of the days before the moment, which is a Monday."""
    return [
        bought(user, "rye", (MOMENT - pd.Timestamp(time)) / pd.Timedelta(days=1)) for time in times
    ]


def test_the_usual_hour_goes_round_midnight():
    found = profile(at("a", "2024-06-03 23:00", "2024-06-04 01:00"), NAMES).loc["a"]
    distance = min(found[USUAL_HOUR], 24 - found[USUAL_HOUR])
    assert distance == pytest.approx(0, abs=1e-8)
    assert 0 <= found[USUAL_HOUR] < 24
    assert found[HOUR_CONCENTRATION] == pytest.approx(math.cos(math.pi / 12))


def test_one_hour_is_wholly_concentrated():
    found = profile(at("a", "2024-06-03 18:30", "2024-06-11 18:30"), NAMES).loc["a"]
    np.testing.assert_allclose(found, [18.5, 1, 1, 0, 0])


@pytest.mark.parametrize("hours", [(6, 18), (0, 8, 16)])
def test_opposite_hours_point_nowhere(hours):
    found = profile(at("a", *(f"2024-06-03 {hour:02}:00" for hour in hours)), NAMES).loc["a"]
    assert math.isnan(found[USUAL_HOUR])
    assert found[HOUR_CONCENTRATION] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("time", "shares"),
    [
        ("2024-06-28 17:59", (0, 0, 0)),
        ("2024-06-28 18:00", (1, 0, 0)),
        ("2024-06-28 23:59", (1, 0, 0)),
        ("2024-06-29 00:00", (0, 1, 1)),
        ("2024-06-29 05:59", (0, 1, 1)),
        ("2024-06-30 06:00", (0, 0, 1)),
        ("1969-12-28 23:59", (1, 0, 1)),
        ("1969-12-29 00:00", (0, 1, 0)),
    ],
)
def test_evening_night_and_weekend_have_bounds(time, shares):
    found = profile(at("a", time), NAMES).loc["a"]
    assert tuple(found[[EVENING_SHARE, NIGHT_SHARE, WEEKEND_SHARE]]) == shares


def test_a_full_basket_is_one_purchase():
    rows = at("a", *["2024-06-03 20:00"] * 9, "2024-06-04 08:00")
    assert profile(rows, NAMES).loc["a", EVENING_SHARE] == 1 / 2


def slow(lines):
    if not lines:
        return [np.nan] * 5
    # Their times are full hours.
    times = {MOMENT - pd.Timedelta(hours=round(line["days"] * 24)) for line in lines}
    total = sum(cmath.exp(2j * math.pi * time.hour / 24) for time in times) / len(times)
    return [
        cmath.phase(total) * 12 / math.pi % 24 if abs(total) > 1e-6 else np.nan,
        abs(total),
        sum(time.hour >= 18 for time in times) / len(times),
        sum(time.hour < 6 for time in times) / len(times),
        sum(time.day_name() in ("Saturday", "Sunday") for time in times) / len(times),
    ]


@pytest.mark.parametrize("span", SPANS)
def test_hours_equal_a_slow_loop(span):
    assert_crowd(span, NAMES, slow)
