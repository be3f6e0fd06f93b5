"""Levels that keep calm: traces by hand, the calendar, and what serving makes of frozen periods."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from recsys.events.times import format_time, parse_time
from recsys.segments import Axis, AxisConfig, UserFacts, assign_axes, fit_axes
from recsys.segments.axis import Period
from recsys.segments.graded import in_force

from .conftest import AS_OF, DAY
from .made import gathered, made_facts

CONFIG: TypeAdapter[Any] = TypeAdapter(AxisConfig)
MID_JULY = parse_time("2024-07-15")
GRID = [parse_time(f"2024-0{month}-01") for month in (3, 4, 5, 6, 7)]
NAN = float("nan")


def calm_spending(**keys: Any) -> Any:
    calm = {"every": "month", "margin": 0, "confirm": 2, "dwell": 1, "periods": 5}
    return CONFIG.validate_python(
        {"kind": "spending", "cuts": [10, 20], "calm": {**calm, **keys.pop("calm", {})}, **keys}
    )


def traced(*traces: list[float]) -> UserFacts:
    """Users whose spend, in major units, was so at the five grid points, and is so now."""
    spend = 100.0 * np.asarray(traces).T
    at = zip([*GRID, MID_JULY], spend, strict=True)
    orders = [1] * len(traces)
    moments = {moment: {"spend": row.tolist(), "orders": orders} for moment, row in at}
    return made_facts(moments=moments, as_of=MID_JULY)


def levels(facts: UserFacts, config: Any, axes: tuple[Axis, ...] = ()) -> list[str | None]:
    found = assign_axes(axes or fit_axes({"axis": config}, facts), facts)
    weights = found.matrix.toarray()
    assert set(np.unique(weights)) <= {0.0, 1.0}
    names = found.axes[0].segments
    return [names[int(row.argmax())] if row.any() else None for row in weights]


@pytest.mark.parametrize(
    ("spent", "level"),
    [
        # Levels begin at 10 and at 20. The last number is of mid-July, between two grid points.
        ([15, 15, 15, 15, 15, 15], "middle"),
        ([25, 25, 25, 25, 15, 15], "high"),  # once below is not enough
        ([25, 25, 25, 15, 15, 15], "middle"),  # twice is
        ([25, 25, 25, 5, 5, 5], "middle"),  # but by one level only
        ([25, 5, 5, 5, 5, 5], "low"),  # and by the next after two more
        ([25, 5, 25, 5, 25, 5], "high"),  # never twice in a row
        ([5, 5, 5, 5, 5, 25], "high"),  # up at once, by two levels, on any day
        ([5, 5, 5, 25, 5, 5], "high"),  # once reached, it lasts
        ([5, 5, 25, 5, 5, 5], "middle"),
        ([25, 25, 25, 25, 25, 5], "high"),  # a fall waits for the grid
        ([25, 25, 25, 25, 25, NAN], None),  # unknown is unknown at once
        ([25, 25, 25, NAN, 5, 5], "low"),  # and forgets what was before
        ([25, 25, 25, 25, NAN, 15], "middle"),
    ],
)
def test_a_trace_worked_out_by_hand(spent: list[float], level: str | None) -> None:
    # Others have the feature, whatever the user under test has.
    facts = traced(spent, [15] * 6)
    assert levels(facts, calm_spending()) == [level, "middle"]


@pytest.mark.parametrize(
    ("spent", "level"),
    [
        ([15, 15, 15, 15, 21, 21], "middle"),  # 22 is to be reached
        ([15, 15, 15, 15, 22, 15], "high"),
        ([25, 25, 18, 18, 18, 18], "high"),  # to fall one must be below 18
        ([25, 25, 17.9, 17.9, 18, 18], "middle"),
        ([20, 20, 20, 20, 20, 20], "high"),  # who begins, begins at her plain level
    ],
)
def test_the_margin_of_fixed_cuts_is_a_share_of_them(spent: list[float], level: str) -> None:
    config = calm_spending(calm={"margin": 0.1})
    assert levels(traced(spent, [15] * 6), config)[0] == level


def test_the_margin_of_quantiles_is_a_share_of_the_customers() -> None:
    # 21 customers who spent 0, 1, … 20: the 0.8 quantile is 16, with a margin of 0.05 17 and 15.
    facts = traced(*([float(n)] * 6 for n in range(21)))
    config = CONFIG.validate_python(
        {"kind": "spending", "quantiles": [0.5, 0.8], "calm": {"margin": 0.05, "periods": 5}}
    )
    (axis,) = fit_axes({"axis": config}, facts)
    assert [period.moment for period in axis.fit.periods] == [*GRID[-5:]]
    for period in axis.fit.periods:
        assert period.plain == (1000, 1600)
        assert period.enter == (1100, 1700)
        assert period.leave == (900, 1500)


def test_cuts_are_frozen_at_each_grid_point() -> None:
    facts = traced(*([n, 2 * n, 3 * n, 4 * n, 5 * n, 99.0 * n] for n in range(1, 5)))
    config = CONFIG.validate_python(
        {"kind": "spending", "quantiles": [0.3, 0.6], "calm": {"margin": 0, "periods": 5}}
    )
    (axis,) = fit_axes({"axis": config}, facts)
    # Of 1, 2, 3, 4 times something the 0.3 quantile is the second and the 0.6 quantile the third.
    assert [period.plain for period in axis.fit.periods] == [
        (200 * times, 300 * times) for times in (1, 2, 3, 4, 5)
    ]
    assert axis.fit.definitions[0] == (
        "spent less than 10.00 before 2024-07-15; moves every month: up at once, "
        "down one level after 2 periods in a row below"
    )
    assert axis.config.update in axis.fit.definitions[0]


def test_a_grid_point_with_too_few_customers_takes_the_next_ones_cuts() -> None:
    facts = traced(*([NAN, 7, NAN, n, 2 * n, 3 * n] for n in range(1, 5)))
    config = CONFIG.validate_python(
        {"kind": "spending", "quantiles": [0.3, 0.6], "calm": {"margin": 0, "periods": 5}}
    )
    (axis,) = fit_axes({"axis": config}, facts)
    plain = [period.plain for period in axis.fit.periods]
    assert plain == [(200, 300), (200, 300), (200, 300), (200, 300), (400, 600)]
    assert [period.moment for period in axis.fit.periods] == GRID


def test_a_shop_younger_than_its_grid_takes_the_cuts_of_now_with_their_margin() -> None:
    facts = traced(*([NAN] * 5 + [float(n)] for n in range(21)))
    config = CONFIG.validate_python(
        {"kind": "spending", "quantiles": [0.5, 0.8], "calm": {"margin": 0.05, "periods": 5}}
    )
    (axis,) = fit_axes({"axis": config}, facts)
    now = {(period.plain, period.enter, period.leave) for period in axis.fit.periods}
    assert now == {((1000, 1600), (1100, 1700), (900, 1500))}
    # 20 customers came first now, whose level is the plain one.
    assert levels(facts, config)[10:17] == ["middle"] * 6 + ["high"]


def test_without_times_a_calm_axis_grades_plainly() -> None:
    facts = made_facts({"spend": [500, 1500, 2500], "orders": [1, 1, 1]}, timed=False)
    (axis,) = fit_axes({"axis": calm_spending()}, facts)
    assert (axis.fit.periods, axis.fit.definitions[0]) == ((), "spent less than 10.00 ever")
    assert levels(facts, calm_spending()) == ["low", "middle", "high"]


def period(moment: int) -> Period:
    return Period(moment=moment, plain=(), enter=(), leave=())


@pytest.mark.parametrize(
    ("moment", "taken"), [(5, 10), (10, 10), (19, 10), (20, 20), (29, 20), (30, 30), (99, 30)]
)
def test_the_period_in_force(moment: int, taken: int) -> None:
    assert in_force([period(10), period(20), period(30)], moment).moment == taken


def test_after_training_the_newest_frozen_cuts_hold_on() -> None:
    trained = traced(*([n] * 6 for n in (5, 15, 25)))
    config = CONFIG.validate_python(
        {"kind": "spending", "quantiles": [0.4, 0.7], "calm": {"margin": 0, "periods": 5}}
    )
    axes = fit_axes({"axis": config}, trained)
    assert axes[0].fit.periods[-1].plain == (1500, 2500)
    # Served in September: everybody has ten times as much, and the cuts of July still hold.
    grid = [*GRID[2:], parse_time("2024-08-01"), parse_time("2024-09-01")]
    served = made_facts(
        moments={
            moment: {"spend": [5000, 1400], "orders": [1, 1]}
            for moment in [*grid, parse_time("2024-09-10")]
        },
        as_of=parse_time("2024-09-10"),
    )
    assert levels(served, config, axes) == ["high", "low"]


def test_a_calm_axis_that_nobody_could_fall_on_is_refused() -> None:
    with pytest.raises(ValidationError, match="nobody could ever fall"):
        calm_spending(calm={"periods": 2})
    with pytest.raises(ValidationError, match="'fortnight' is no grid"):
        calm_spending(calm={"every": "fortnight"})


# from events

EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 200), st.integers(100, 5000)),
    min_size=1,
    max_size=12,
)
# Customers enough at every grid point; one with fewer would take the cuts of the next.
STEADY = [
    {"user_id": f"s{n}", "item_id": "x", "days": 30 * month + n, "amount": 700 * n}
    for n in range(1, 6)
    for month in range(7)
]
MONTHLY = CONFIG.validate_python(
    {
        "kind": "spending",
        "window": "90d",
        "calm": {"every": "30d", "confirm": 1, "periods": 2},
    }
)


def bought(drawn: list[tuple[str, int, int]]) -> list[dict[str, Any]]:
    return [{"user_id": u, "item_id": "x", "days": d, "amount": a} for u, d, a in drawn] + STEADY


@settings(max_examples=3, deadline=None)
@given(EVENTS, st.integers(0, 30))
def test_a_later_moment_keeps_the_past_and_one_user_is_as_in_the_batch(
    drawn: list[tuple[str, int, int]], later: int
) -> None:
    rows = bought(drawn)
    facts = gathered(rows, [MONTHLY])
    (axis,) = fit_axes({"axis": MONTHLY}, facts)
    # What comes afterwards changes nothing of the periods before, nor does looking later.
    after = [{**row, "days": -3.0, "amount": 9 * row["amount"]} for row in rows]
    afterwards = gathered(rows + after, [MONTHLY], as_of=AS_OF + later * DAY)
    (next_axis,) = fit_axes({"axis": MONTHLY}, afterwards)
    known = {one.moment: one for one in next_axis.fit.periods}
    shared = [one for one in axis.fit.periods if one.moment in known]
    assert shared
    for one in shared:
        assert known[one.moment] == one, format_time(one.moment)
    # Served later: by the frozen axis, alone as in the batch.
    served = gathered(rows + after, [MONTHLY], as_of=AS_OF + later * DAY, like=facts)
    together = assign_axes((axis,), served)
    user = drawn[0][0]
    own = [row for row in rows + after if row["user_id"] == user]
    alone = gathered(own, [MONTHLY], as_of=AS_OF + later * DAY, like=facts)
    place = int(together.users.index_of([user])[0])
    np.testing.assert_array_equal(assign_axes((axis,), alone).row(0), together.row(place))
