import math

import numpy as np
import pytest

from recsys.segments.profiles.cadence import GAP, LAST_GAP, NEXT_IN, OVERDUE

from .profiled import SPANS, assert_crowd, bought, crowd, profile, purchases_of

NAMES = (GAP, LAST_GAP, NEXT_IN, OVERDUE)


def on(user, *days):
    return [bought(user, "rye", day) for day in days]


def test_gaps_are_between_days_and_drawn_to_the_mean_of_all():
    rows = [*on("a", 30, 30, 20, 5), *on("b", 9, 8)]
    found = profile(rows, NAMES)
    norm = (10 + 15 + 1) / 3
    gap = (25 + 3 * norm) / (2 + 3)
    np.testing.assert_allclose(found.loc["a"], [gap, 15, gap - 5, 5 / gap])
    assert found.loc["b", GAP] == pytest.approx((1 + 3 * norm) / (1 + 3))


def test_purchases_of_one_day_are_one():
    rows = [*on("a", 10.9, 10.1, 5.5), *on("b", 11, 6)]
    found = profile(rows, NAMES)
    # Ten days and some hours before midnight is the eleventh day before it.
    assert found.loc["a"].tolist() == found.loc["b"].tolist() == [5, 5, 5 - 6, 6 / 5]


def test_a_single_purchase_waits_for_as_long_as_others_do():
    rows = [*on("a", 4), *on("b", 20, 10)]
    found = profile(rows, NAMES).loc["a"]
    np.testing.assert_array_equal(found, [10, np.nan, 6, 4 / 10])


def test_where_nobody_came_back_no_gap_is_known():
    found = profile([*on("a", 4), *on("b", 20)], NAMES)
    assert found.isna().all(axis=None)


def test_who_only_looked_has_no_rhythm():
    rows = [*on("a", 9, 4), {"user_id": "b", "item_id": "rye", "days": 2, "event": "view"}]
    assert "b" not in profile(rows, NAMES).index


def test_a_window_forgets_the_gap_it_cuts():
    found = profile(on("a", 50, 20, 10, 5), NAMES, days=30.0)
    assert found.loc["a", GAP] == pytest.approx(15 / 2)


def gaps(lines):
    return np.diff(sorted({math.floor(-line["days"]) for line in lines}))


@pytest.mark.parametrize("span", SPANS)
def test_cadence_equals_a_slow_loop(span):
    users = sorted({row["user_id"] for row in crowd()})
    norm = np.concatenate([gaps(purchases_of(crowd(), user)) for user in users]).mean()

    def slow(lines):
        if not lines:
            return [np.nan] * 4
        hers = gaps(lines)
        gap = (hers.sum() + 3 * norm) / (len(hers) + 3)
        waited = math.ceil(min(line["days"] for line in lines))
        return [gap, hers[-1] if len(hers) else np.nan, gap - waited, waited / gap]

    assert_crowd(span, NAMES, slow)
