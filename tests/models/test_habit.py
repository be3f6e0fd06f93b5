"""Repeat purchases: the regression against an independent optimum, rates, paces and edges."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from recsys.interactions import HALF_LIVES
from recsys.models import Habit
from recsys.models.habit import (
    CATEGORY_SHRINKAGE,
    N_PLAIN,
    PACE_SHRINKAGE,
    PER_HALF_LIFE,
    RATE_SHRINKAGE,
    GroupHabit,
    _crossed_rates,
    category_paces,
    fit_habit,
    own_pace,
    pair_features,
    repeat_rates,
)
from recsys.models.logistic import RIDGE, logistic

N_ITEMS = 12
GROUPS = np.repeat([0, 1, 2], 4)
N_FEATURES = N_PLAIN + PER_HALF_LIFE * len(HALF_LIVES)


@pytest.fixture(scope="module")
def histories(make_histories, make_users):
    return make_histories(make_users(0, 80, N_ITEMS), N_ITEMS)


@pytest.fixture(scope="module")
def again(histories):
    """Who bought often and lately buys again."""
    chance = special.expit(0.8 * histories.decayed_visits[:, 2] - 0.5)
    drawn = np.random.default_rng(1).random(len(chance)) < chance
    return drawn & (histories.visits > 0)


@pytest.fixture(scope="module")
def habit(histories, again):
    return fit_habit(histories, again, GROUPS, HALF_LIVES)


# The regression


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(300, 4)) * [1.0, 5.0, 0.1, 30.0] + [0.0, 3.0, -2.0, 100.0]
    odds = (features - [0.0, 3.0, -2.0, 100.0]) @ [1.0, -0.3, 4.0, 0.02] - 0.5
    label = (rng.random(300) < special.expit(odds)).astype(np.float64)
    return features, label


def penalised(coefficients, features, label):
    """−log likelihood + ½ RIDGE Σ (β_j · spread_j)²: the ridge is on standardised features."""
    odds = coefficients[0] + features @ coefficients[1:]
    likelihood = -np.log(special.expit(np.where(label > 0, odds, -odds))).sum()
    return likelihood + 0.5 * RIDGE * ((coefficients[1:] * features.std(axis=0)) ** 2).sum()


def test_the_gradient_is_zero_at_the_solution(problem):
    features, label = problem
    found = logistic(features, label)
    surplus = special.expit(found[0] + features @ found[1:]) - label
    spread = features.std(axis=0)
    slopes = ((features - features.mean(axis=0)) / spread).T @ surplus + RIDGE * found[1:] * spread
    assert surplus.sum() == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(slopes, 0.0, atol=1e-3)


def test_another_optimiser_from_another_start_finds_the_same(problem):
    features, label = problem
    scale = np.asarray([1.0, *features.std(axis=0)])
    other = optimize.minimize(
        lambda scaled: penalised(scaled / scale, features, label),
        np.full(5, 0.3),
        method="Powell",
        options={"xtol": 1e-10, "ftol": 1e-14},
    )
    found = logistic(features, label)
    best = penalised(found, features, label)
    assert best == pytest.approx(other.fun, rel=1e-8)
    np.testing.assert_allclose(found[1:] * scale[1:], other.x[1:], atol=1e-3)


def test_perturbed_coefficients_are_worse(problem):
    features, label = problem
    found = logistic(features, label)
    best = penalised(found, features, label)
    spread = np.asarray([1.0, *features.std(axis=0)])
    rng = np.random.default_rng(3)
    for step in rng.normal(scale=0.05, size=(50, 5)) / spread:
        assert penalised(found + step, features, label) > best


# Rates and paces


def test_rates_are_shrunk_to_the_category_and_that_to_the_shop():
    items = np.array([0, 0, 0, 1, 4])
    label = np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    rate, by_group = repeat_rates(items, label, GROUPS)
    overall = 3 / 5
    first = (2 + CATEGORY_SHRINKAGE * overall) / (4 + CATEGORY_SHRINKAGE)
    second = (1 + CATEGORY_SHRINKAGE * overall) / (1 + CATEGORY_SHRINKAGE)
    # The last one is of a category without any item.
    np.testing.assert_allclose(by_group, [first, second, overall, overall])
    item = (2 + RATE_SHRINKAGE * first) / (3 + RATE_SHRINKAGE)
    np.testing.assert_allclose(rate[0], item / overall)
    np.testing.assert_allclose(rate[[2, 8]], [first / overall, 1.0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1))
def test_crossed_rates_never_see_a_label_of_their_own_half(seed, half):
    rng = np.random.default_rng(seed)
    folds = rng.integers(2, size=60)
    items = rng.integers(N_ITEMS, size=60)
    label = (rng.random(60) < 0.4).astype(np.float64)
    turned = np.where(folds == half, 1.0 - label, label)
    mine = folds == half
    before = _crossed_rates(folds, items, label, GROUPS)
    after = _crossed_rates(folds, items, turned, GROUPS)
    np.testing.assert_array_equal(after[mine], before[mine])
    others = repeat_rates(items[~mine], label[~mine], GROUPS)[0]
    np.testing.assert_array_equal(before[mine], others[items[mine]])


def test_a_pace_is_the_mean_interval_shrunk_to_the_category(make_histories, bought):
    # Item 0: 3 visits over 20 days; item 1 of the same category: 2 visits over 30 days.
    user = {0: bought((1.0, 11.0, 21.0)), 1: bought((5.0, 35.0)), 4: bought((2.0,))}
    histories = make_histories([user], N_ITEMS)
    overall = 50 / 3
    category = (50 + RATE_SHRINKAGE * overall) / (3 + RATE_SHRINKAGE)
    pace = category_paces(histories, GROUPS)[GROUPS]
    np.testing.assert_allclose(pace[[0, 3, 4]], [category, category, overall])
    own = own_pace(histories, slice(None), pace)
    twenty = (20 + PACE_SHRINKAGE * category) / (2 + PACE_SHRINKAGE)
    np.testing.assert_allclose(own[[0, 2]], [twenty, overall])


def test_features_are_as_documented(make_histories, bought):
    histories = make_histories([{3: bought((4.0, 24.0))}], N_ITEMS)
    rate, pace = np.full(N_ITEMS, 2.0), np.full(N_ITEMS, 10.0)
    (row,) = pair_features(histories, slice(None), rate, pace)
    own = (20 + PACE_SHRINKAGE * 10) / (1 + PACE_SHRINKAGE)
    faded = [0.5 ** (4 / h) + 0.5 ** (24 / h) for h in HALF_LIVES]
    scalars = [math.log(2), math.log(4 / own + 0.05), math.log1p(4)]
    expected = [*scalars, *np.log1p(faded), *np.log(np.asarray(faded) + 0.01)]
    np.testing.assert_allclose(row[: len(expected)], expected)


def test_features_of_the_whole_history_are_as_documented(make_histories, bought):
    # Last purchases 4 and 9 days ago: two days, two items, 20 days from first to last.
    user = {0: bought((4.0, 24.0)), 3: bought((9.5, 14.0)), 5: bought((4.2,)), 7: bought(())}
    histories = make_histories([user], N_ITEMS)
    rate, pace = np.full(N_ITEMS, 2.0), np.full(N_ITEMS, 10.0)
    rows = pair_features(histories, slice(None), rate, pace)[:, 3 + 2 * len(HALF_LIVES) :]
    taken = np.log1p(histories.worth / np.maximum(histories.visits, 1.0))
    days, share = math.log(2), math.log(2 / 2)
    whole = [days, math.log(21), math.log(3), math.log(5), math.log(27 / 2)]
    phase = math.log(4 / ((20 + PACE_SHRINKAGE * 10) / (1 + PACE_SHRINKAGE)) + 0.05)
    both = [math.log(2) * days, math.log(3) * days, phase * days, math.log(2) * share]
    lately = math.log(3) * np.log(histories.decayed_visits[0] + 0.01)
    np.testing.assert_allclose(rows[0], [taken[0], *whole, *both, *lately])
    np.testing.assert_allclose(rows[:, 1:6], [whole] * 4)


def test_in_a_short_history_the_rate_tells_more(make_histories, bought):
    """One basket: nothing but the rate tells her items apart; twenty: what she bought often."""
    rng = np.random.default_rng(5)
    favourite = {user: rng.choice(N_ITEMS, 4, replace=False) for user in range(300)}
    short = [{int(i): bought((5.0,)) for i in favourite[u]} for u in range(150)]
    ages = np.arange(1.0, 61.0, 3.0)
    long = [
        {i: bought(tuple(ages if i in favourite[u] else ages[:: 10 + i])) for i in range(N_ITEMS)}
        for u in range(150, 300)
    ]
    histories = make_histories([*short, *long], N_ITEMS)
    staple, own = histories.items < 4, histories.visits > 10
    is_short = histories.user_index < 150
    odds = np.where(is_short, 3.0 * staple - 2.0, 3.0 * own - 2.0)
    label = rng.random(len(odds)) < special.expit(odds)
    terms = fit_habit(histories, label, GROUPS, HALF_LIVES).terms(histories)
    for part, right in ((is_short, staple), (~is_short, own)):
        assert terms[part & right].mean() > 1.5 * terms[part & ~right].mean()


def test_a_second_window_adds_to_what_is_learnt(histories, again):
    once = fit_habit(histories, again, GROUPS, HALF_LIVES)
    turned = fit_habit(histories, again, GROUPS, HALF_LIVES, [(histories, ~again)])
    same = fit_habit(histories, again, GROUPS, HALF_LIVES, [(histories, again)])
    # What one window says and the other denies is not known.
    bought = histories.visits > 0
    assert turned.terms(histories)[bought].std() < 0.5 * once.terms(histories)[bought].std()
    # The same evidence twice: the ridge counts for half.
    terms = [habit.terms(histories) for habit in (once, same)]
    assert np.corrcoef(*terms)[0, 1] > 0.99
    assert (once.rate == same.rate).all()
    assert once.mean == same.mean


# The terms


def test_a_term_is_the_log_of_its_chance_over_the_mean(histories, habit):
    features = pair_features(histories, slice(None), habit.rate, habit.pace)
    chance = special.expit(habit.coefficients[0] + features @ habit.coefficients[1:])
    expected = np.where(histories.visits > 0, np.log1p(chance / habit.mean), 0.0)
    np.testing.assert_allclose(habit.terms(histories), expected)


def test_chances_agree_with_what_came_back(histories, habit, again):
    bought = histories.visits > 0
    chance = np.expm1(habit.terms(histories)[bought]) * habit.mean
    assert chance.mean() == pytest.approx(again[bought].mean(), abs=0.03)
    assert chance[again[bought]].mean() > chance[~again[bought]].mean() + 0.05


def test_what_was_never_bought_is_no_habit(histories, habit):
    never = histories.visits == 0
    assert never.any()
    assert not habit.terms(histories)[never].any()
    assert (habit.terms(histories)[~never] > 0).all()


def test_the_terms_of_one_user_are_those_among_all(histories, habit):
    everyone = habit.terms(histories)
    for user in range(len(histories.users)):
        rows = histories.rows(user)
        np.testing.assert_array_equal(habit.terms(histories, rows), everyone[rows])


def test_an_item_that_comes_back_more_often_is_the_stronger_habit(make_histories, bought):
    fixed = np.zeros(1 + N_FEATURES)
    fixed[:2] = -2.0, 0.3
    rates = np.linspace(0.1, 5.0, N_ITEMS)
    of_groups = GroupHabit(np.ones(1), np.ones(1), np.ones(1, dtype=bool))
    every = np.ones(N_ITEMS, dtype=bool)
    habit = Habit(rates, np.full(N_ITEMS, 7.0), every, fixed, 0.1, of_groups)
    same = {item: bought((3.0, 10.0)) for item in range(N_ITEMS)}
    assert (np.diff(habit.terms(make_histories([same], N_ITEMS))) > 0).all()


def test_the_weight_of_the_rate_is_learnt(make_histories, bought):
    # The first four items come back, the others do not, and nothing else tells them apart.
    user = {item: bought((5.0,)) for item in range(N_ITEMS)}
    histories = make_histories([user] * 40, N_ITEMS)
    habit = fit_habit(histories, histories.items < 4, GROUPS, HALF_LIVES)
    assert habit.coefficients[1] > 0.5
    terms = habit.terms(histories, histories.rows(0))
    assert terms[:4].min() > 3 * terms[4:].max()


def test_chance_in_the_labels_gives_the_rate_no_weight(make_histories, bought):
    # Four buyers an item and labels by the toss of a coin: a rate that saw its own label would
    # seem to foretell it, with a weight of about 8.
    n_items = 200
    rng = np.random.default_rng(0)
    bought_by = [rng.choice(n_items, size=4, replace=False).tolist() for _ in range(200)]
    users = [{item: bought((5.0,)) for item in items} for items in bought_by]
    histories = make_histories(users, n_items)
    label = rng.random(len(histories.items)) < 0.5
    groups = np.zeros(n_items, dtype=np.int64)
    assert abs(fit_habit(histories, label, groups, HALF_LIVES).coefficients[1]) < 2


def test_without_times_often_bought_is_the_stronger_habit(make_histories, bought):
    user = {item: bought((1.0,) * (item + 1)) for item in range(4)}
    histories = make_histories([user] * 3, N_ITEMS, timed=False)
    habit = fit_habit(histories, None, GROUPS, HALF_LIVES)
    assert (np.diff(habit.terms(histories, histories.rows(0))) > 0).all()


def test_a_category_that_nobody_buys_twice_is_not_rebought(make_histories, bought):
    # In a shop of no repeats no category is; with repeats, one with enough buyers and none is not.
    user = {0: bought((9.0,)), 4: bought((9.0,))}
    histories = make_histories([user] * 2000, N_ITEMS)
    nowhere = fit_habit(histories, np.zeros(4000, dtype=bool), GROUPS, HALF_LIVES)
    assert not nowhere.rebought.any()
    some = (histories.items == 0) & (histories.user_index % 10 == 0)
    partly = fit_habit(histories, some, GROUPS, HALF_LIVES)
    assert partly.rebought.tolist() == [True] * 4 + [False] * 4 + [True] * 4


def cases(make_histories, make_users, bought):
    users = make_users(4, 20, N_ITEMS)
    many = make_histories(users, N_ITEMS)
    once = make_histories([{item: bought((7.0,)) for item in range(5)}] * 20, N_ITEMS)
    one = make_histories(users[:1], N_ITEMS)
    untimed = make_histories(users, N_ITEMS, timed=False)
    viewed = make_histories([{0: bought(()), 1: bought(())}] * 3, N_ITEMS)
    nobody = make_histories([{}], N_ITEMS)
    return {
        "no repeats": (many, many.visits < 0),
        "all repeats": (many, many.visits > 0),
        "one purchase each, no repeats": (once, once.visits < 0),
        "one purchase each, all repeats": (once, once.visits > 0),
        "one user, one repeat": (one, np.arange(len(one.items)) == int(one.visits.argmax())),
        "one user, no label": (one, None),
        "untimed": (untimed, None),
        "untimed, labelled": (untimed, untimed.visits > 2),
        "times but no label": (many, None),
        "nothing bought": (viewed, viewed.visits > 0),
        "nothing bought, no label": (viewed, None),
        "nobody": (nobody, None),
    }


@pytest.mark.parametrize("case", range(12))
def test_degenerate_shops_have_finite_habits(case, make_histories, make_users, bought):
    name, (histories, label) = list(cases(make_histories, make_users, bought).items())[case]
    habit = fit_habit(histories, label, GROUPS, HALF_LIVES)
    assert np.isfinite(habit.coefficients).all(), name
    assert np.isfinite(habit.rate).all(), name
    assert (habit.rate > 0).all(), name
    assert (habit.pace > 0).all(), name
    assert 0 < habit.mean < 1, name
    terms = habit.terms(histories)
    assert np.isfinite(terms).all(), name
    assert (terms[histories.visits > 0] > 0).all(), name


def test_a_shop_without_repeats_is_finite_for_any_history(histories, make_histories, make_users):
    once = replace(histories, visits=np.minimum(histories.visits, 1.0))
    habit = fit_habit(once, np.zeros(len(once.items), dtype=bool), GROUPS, HALF_LIVES)
    others = make_histories(make_users(9, 10, N_ITEMS), N_ITEMS)
    assert np.isfinite(habit.terms(others)).all()
