"""Calm levels: traces by hand, a slow loop over users, and what always holds."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys.errors import ConfigError
from recsys.segments.axis import grade
from recsys.segments.hysteresis import Calm, replay, step_now
from recsys.types import Indices

Grades = tuple[Indices, Indices, Indices]
CALM = st.builds(Calm, confirm=st.integers(1, 4), dwell=st.integers(0, 4), periods=st.just(12))
U = -1


def column(levels: Sequence[int]) -> Indices:
    return np.array(levels, dtype=np.int64)[:, np.newaxis]


def trace(
    levels: Sequence[int],
    *,
    enter: Sequence[int] | None = None,
    leave: Sequence[int] | None = None,
    confirm: int = 2,
    dwell: int = 1,
) -> list[int]:
    calm = Calm(confirm=confirm, dwell=dwell, periods=12)
    plain = column(levels)
    found = replay(
        plain if enter is None else column(enter),
        plain if leave is None else column(leave),
        plain,
        calm,
    )
    return found.ravel().tolist()


@st.composite
def graded(draw: st.DrawFn, levels: int = 4) -> Grades:
    """Grades by real cuts of values that jump about; some periods are unknown."""
    shape = draw(st.integers(1, 12)), draw(st.integers(0, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.random(shape)
    values[rng.random(shape) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    cuts = np.arange(1, levels) / levels
    margin = draw(st.sampled_from([0.0, 0.05, 0.3]))
    enter, leave, plain = (grade(values, cuts + shift) for shift in (margin, -margin, 0.0))
    return enter, leave, plain


def slowly(enter: list[int], leave: list[int], levels: list[int], calm: Calm) -> list[int]:
    """The rules for one user, sentence by sentence."""
    states: list[int] = []
    since = 0
    for period, level in enumerate(levels):
        state = states[-1] if states else U
        if level == U:
            new = U
        elif state == U:
            new = level
        elif enter[period] > state:
            new = enter[period]
        else:
            recent = range(period - calm.confirm + 1, period + 1)
            below = all(t > since and leave[t] < state for t in recent)
            held = period - since
            new = state - 1 if below and held >= calm.dwell else state
        if new != state:
            since = period
        states.append(new)
    return states


def moves(states: Indices) -> Indices:
    """Levels travelled by each user, without becoming known or unknown."""
    known = (states[1:] >= 0) & (states[:-1] >= 0)
    return np.where(known, np.abs(np.diff(states, axis=0)), 0).sum(axis=0)


# by hand


@pytest.mark.parametrize(
    ("levels", "calm", "states"),
    [
        # Up at once, by as many levels as there are.
        ([0, 2, 2], {}, [0, 2, 2]),
        # Down after two periods in a row below, one level at a time, each confirmed anew.
        ([2, 0, 0, 0, 0, 0], {}, [2, 2, 1, 1, 0, 0]),
        # One period that is not below begins the count anew.
        ([1, 0, 1, 0, 0], {}, [1, 1, 1, 1, 0]),
        # With one period to confirm, slowly but at once.
        ([3, 0, 0, 0, 0], {"confirm": 1}, [3, 2, 1, 0, 0]),
        # She must have held the level for three periods.
        ([0, 1, 0, 0, 0, 0], {"confirm": 1, "dwell": 3}, [0, 1, 1, 1, 0, 0]),
        # Each fall begins a level that is to be held as well.
        ([2, 0, 0, 0, 0, 0], {"confirm": 1, "dwell": 2}, [2, 2, 1, 1, 0, 0]),
        # The first level has been held for one period in the next.
        ([1, 0], {"confirm": 1, "dwell": 1}, [1, 0]),
        ([1, 0], {"confirm": 1, "dwell": 0}, [1, 0]),
        # Unknown forgets the level, and that she was below it.
        ([2, U, 0, 0], {}, [2, U, 0, 0]),
        ([2, 0, U, 2, 0, 2], {}, [2, 2, U, 2, 2, 2]),
        ([U, U, 1, 1], {}, [U, U, 1, 1]),
        # Rising while she is below two levels further up.
        ([2, 0, 0, 2, 1, 1], {}, [2, 2, 1, 2, 2, 1]),
    ],
)
def test_traces_by_hand(levels: list[int], calm: dict[str, int], states: list[int]) -> None:
    assert trace(levels, **calm) == states


def test_the_margin_keeps_those_near_a_cut_where_they_are() -> None:
    # Above the cut but not by the margin: no rise. Below it but not by the margin: no fall.
    assert trace([0, 1, 1, 1], enter=[0, 0, 0, 1], leave=[1, 1, 1, 1]) == [0, 0, 0, 1]
    assert trace([1, 0, 0, 0], enter=[0, 0, 0, 0], leave=[1, 1, 0, 0]) == [1, 1, 1, 0]


def test_the_first_level_is_the_plain_one_whatever_the_margin() -> None:
    assert trace([1], enter=[0], leave=[2]) == [1]
    assert trace([U, 1], enter=[U, 0], leave=[U, 2]) == [U, 1]


def test_margins_beyond_merged_cuts_do_not_count() -> None:
    # She would enter level 2 by cuts that the plain ones do not have.
    assert trace([0, 1], enter=[2, 2], leave=[0, 1]) == [0, 1]
    # Where only the margins are unknown she is known, and neither rises nor falls by them.
    assert trace([1, 1, 0, 0], enter=[U] * 4, leave=[U] * 4) == [1, 1, 1, 0]


# for all


@given(graded(), CALM)
def test_levels_are_those_of_a_slow_loop(grades: Grades, calm: Calm) -> None:
    enter, leave, levels = grades
    found = replay(enter, leave, levels, calm)
    assert found.dtype == np.int64
    assert found.shape == levels.shape
    for user in range(levels.shape[1]):
        one = (part[:, user].tolist() for part in (enter, leave, levels))
        assert found[:, user].tolist() == slowly(*one, calm)


@given(graded(), CALM)
def test_a_level_moves_towards_the_plain_one_and_never_past_it(grades: Grades, calm: Calm) -> None:
    enter, leave, levels = grades
    found = replay(enter, leave, levels, calm)
    known = levels >= 0
    np.testing.assert_array_equal(found < 0, ~known)
    # Never below what she must be promoted to.
    assert (found >= enter)[known].all()
    both = known[1:] & known[:-1]
    before, after, plain = found[:-1][both], found[1:][both], levels[1:][both]
    assert (np.minimum(before, plain) <= after).all()
    assert (after <= np.maximum(before, plain)).all()
    assert (before - after <= 1).all()
    assert (leave[1:][both] < before)[after < before].all()
    assert (moves(found) <= moves(levels)).all()


@given(graded(levels=2), CALM)
def test_on_two_levels_nobody_moves_more_often_than_plainly(grades: Grades, calm: Calm) -> None:
    found = replay(*grades, calm)
    assert (moves(found) <= moves(grades[2])).all()


def test_on_more_levels_a_slow_fall_is_more_moves_but_no_longer_way() -> None:
    plain = [2, 0, 0, 0, 0]
    slow = trace(plain)
    assert (np.diff(plain) != 0).sum() == 1
    assert (np.diff(slow) != 0).sum() == 2
    assert moves(column(slow)) == moves(column(plain)) == 2


@given(graded(), st.integers(0, 1))
def test_without_calm_only_falls_are_slow(grades: Grades, dwell: int) -> None:
    levels = grades[2]
    found = replay(levels, levels, levels, Calm(margin=0, confirm=1, dwell=dwell))
    # The plain level, or the last one less one where that is higher: nobody rises too late.
    expected = levels.copy()
    for period in range(1, len(levels)):
        known = (levels[period] >= 0) & (expected[period - 1] >= 0)
        slow = np.maximum(levels[period], expected[period - 1] - 1)
        expected[period] = np.where(known, slow, levels[period])
    np.testing.assert_array_equal(found, expected)
    assert (found >= levels).all()


@given(st.integers(-1, 3), st.integers(1, 12), CALM)
def test_who_does_not_change_does_not_move(level: int, periods: int, calm: Calm) -> None:
    levels = column([level] * periods)
    np.testing.assert_array_equal(replay(levels, levels, levels, calm), levels)


@given(graded(), CALM, st.integers(0, 11))
def test_after_an_unknown_period_she_begins_anew(grades: Grades, calm: Calm, gap: int) -> None:
    enter, leave, levels = (part.copy() for part in grades)
    gap %= len(levels)
    for part in (enter, leave, levels):
        part[gap] = U
    whole = replay(enter, leave, levels, calm)
    rest = replay(enter[gap + 1 :], leave[gap + 1 :], levels[gap + 1 :], calm)
    np.testing.assert_array_equal(whole[gap + 1 :], rest)


@given(graded(), CALM)
def test_users_do_not_touch_each_other(grades: Grades, calm: Calm) -> None:
    together = replay(*grades, calm)
    apart = [
        replay(*(part[:, [user]] for part in grades), calm) for user in range(together.shape[1])
    ]
    np.testing.assert_array_equal(together, np.hstack([together[:, :0], *apart]))


def test_no_periods_and_no_users() -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        nothing = np.zeros(shape, dtype=np.int64)
        assert replay(nothing, nothing, nothing, Calm()).shape == shape


@pytest.mark.parametrize("shape", [(2, 3), (6,), (3, 3)])
def test_grades_of_other_users_are_refused(shape: tuple[int, ...]) -> None:
    levels, other = np.zeros((3, 2), dtype=np.int64), np.zeros(shape, dtype=np.int64)
    with pytest.raises(ValueError, match=r"must be \(n_periods, n_users\) each"):
        replay(levels, other, levels, Calm())


# between grid points


@pytest.mark.parametrize(
    ("state", "enter", "level", "now"),
    [
        (1, 2, 2, 2),  # rises at once
        (1, 1, 2, 1),  # not by the margin
        (2, 0, 0, 2),  # a fall waits
        (U, 0, 1, 1),  # was unknown: the plain level
        (1, U, U, U),  # is unknown
        (U, U, U, U),
        (0, 2, 1, 1),  # merged cuts: the plain level bounds the other
    ],
)
def test_between_grid_points_only_rises_count(state: int, enter: int, level: int, now: int) -> None:
    found = step_now(np.array([state]), np.array([enter]), np.array([level]))
    assert (found.dtype, found.tolist()) == (np.int64, [now])


@given(graded(), CALM)
def test_the_step_on_a_grid_point_changes_nothing(grades: Grades, calm: Calm) -> None:
    enter, _, levels = grades
    state = replay(*grades, calm)[-1]
    np.testing.assert_array_equal(step_now(state, enter[-1], levels[-1]), state)


# the config


@pytest.mark.parametrize(
    "wrong", [{"margin": 0.5}, {"margin": -0.1}, {"confirm": 0}, {"dwell": -1}, {"periods": 0},
              {"delta": 0.1}],
)  # fmt: skip
def test_numbers_that_cannot_be_meant(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Calm(**wrong)


def test_a_grid_that_cannot_be_meant() -> None:
    with pytest.raises(ConfigError, match="every 'moon' is no grid of moments; write week, month"):
        Calm(every="moon")


@pytest.mark.parametrize(("confirm", "dwell"), [(6, 1), (2, 6)])
def test_too_few_periods_to_ever_fall_are_refused(confirm: int, dwell: int) -> None:
    with pytest.raises(ConfigError, match="nobody could ever fall; take at least 7 periods"):
        Calm(confirm=confirm, dwell=dwell)
    calm = Calm(confirm=confirm, dwell=dwell, periods=7)
    levels = column([1, 0, 0, 0, 0, 0, 0])
    assert replay(levels, levels, levels, calm).ravel().tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_calm_in_words() -> None:
    assert Calm().words == "every month: up at once, down one level after 2 periods in a row below"
    assert Calm(every="30d", confirm=1).words.endswith("every 30d: up at once, down one level "
                                                       "after 1 period below")  # fmt: skip
