"""Repeat purchases: what is learnt of them, their terms, and shops where little can be known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from recsys.interactions import HALF_LIVES
from recsys.models import Habit
from recsys.models.habit import GroupHabit, fit_habit
from recsys.models.habit_features import n_features, pair_features

N_ITEMS = 12
GROUPS = np.repeat([0, 1, 2], 4)
N_FEATURES = n_features(len(HALF_LIVES))


@pytest.fixture(scope="module")
def histories(make_histories, make_users):
    return make_histories(make_users(0, 1500, N_ITEMS), N_ITEMS)


@pytest.fixture(scope="module")
def again(histories):
    """Who bought often and lately buys again."""
    chance = special.expit(0.8 * histories.decayed_visits[:, 2] - 0.5)
    drawn = np.random.default_rng(1).random(len(chance)) < chance
    return drawn & (histories.visits > 0)


@pytest.fixture(scope="module")
def habit(histories, again):
    return fit_habit(histories, again, GROUPS, HALF_LIVES)


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


def spread_within(histories, habit):
    """Return how far the terms of a user's items are apart."""
    bought = histories.visits > 0
    terms, user = habit.terms(histories)[bought], histories.user_index[bought]
    mean = np.bincount(user, weights=terms) / np.maximum(np.bincount(user), 1)
    return (terms - mean[user]).std()


def test_a_second_window_adds_to_what_is_learnt(histories, again):
    once = fit_habit(histories, again, GROUPS, HALF_LIVES)
    turned = fit_habit(histories, again, GROUPS, HALF_LIVES, [(histories, ~again)])
    same = fit_habit(histories, again, GROUPS, HALF_LIVES, [(histories, again)])
    # What one window says and the other denies is not known: her items are alike.
    assert spread_within(histories, turned) < 0.3 * spread_within(histories, once)
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
    histories = make_histories([user] * 400, N_ITEMS)
    habit = fit_habit(histories, histories.items < 4, GROUPS, HALF_LIVES)
    terms = habit.terms(histories, histories.rows(0))
    assert terms[:4].min() > 3 * terms[4:].max()


@pytest.mark.parametrize("seed", range(4))
def test_chance_in_the_labels_tells_items_little_apart(seed, make_histories, bought):
    # Four buyers an item and labels by the toss of a coin: a rate that saw its own label would
    # seem to foretell it, and set terms .2 apart.
    n_items = 200
    rng = np.random.default_rng(seed)
    bought_by = [rng.choice(n_items, size=4, replace=False).tolist() for _ in range(200)]
    users = [{item: bought((5.0,)) for item in items} for items in bought_by]
    histories = make_histories(users, n_items)
    label = rng.random(len(histories.items)) < 0.5
    groups = np.zeros(n_items, dtype=np.int64)
    assert fit_habit(histories, label, groups, HALF_LIVES).terms(histories).std() < 0.1


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
