"""Trials: what a blend is tried on is what the ranking itself would add up."""

import numpy as np
import pytest

from recsys.interactions import Targets
from recsys.ranking import Ranker, Recipe, Request, Weights, make_variant, trials
from recsys.ranking.blend import KNOTS, shares_of_knots
from recsys.ranking.trials import AROUND, OWN, POOL, Trial, collect, columns_of, lay_out

ALL = ("als", "popularity", "trend", "priors", "habit", "neighbours", "taste")
COLUMNS = columns_of(("age", "place"))


def targets_of(users, items):
    """The targets of each user, in order."""
    index = np.repeat(np.arange(len(users)), [len(mine) for mine in items])
    return Targets(users, index, np.concatenate([np.empty(0, dtype=np.int64), *items]))


@pytest.fixture(scope="module")
def window(make_small):
    """With fewer items than `POOL`: whatever is available is a candidate."""
    small = make_small(6, n_items=90, sizes=(0, 1, 4, 40, 60, 12))
    rng = np.random.default_rng(6)
    items = [np.sort(rng.choice(90, size=6, replace=False)).astype(np.int64) for _ in range(6)]
    items[1] = np.asarray([-1, -1, 3])
    return small, targets_of(small.customers.users, items)


@pytest.fixture(scope="module")
def collected(window):
    small, targets = window
    owners = np.asarray([0, 0, 1, 2, 2, 2])
    rows = collect(small.model, small.customers, targets, COLUMNS, owners, window=2)
    return lay_out(list(rows), COLUMNS)


def ranked(small, user, signals=ALL, *, repeat="always", centre="mean", k=90):
    variant = make_variant("mine", Recipe(signals=signals, repeat=repeat, centre=centre))
    ones = dict.fromkeys(small.model.signals, (1.0,) * len(KNOTS))
    weights = Weights(signals=ones, centre=centre)
    chain = Ranker(small.model, {variant.learns: weights})
    return chain.rank(small.customers, user, variant, Request(k))


def test_the_columns_are_the_signals_with_the_factors_once_for_each_centre():
    assert COLUMNS == (
        "als:segments",
        "als:mean",
        "popularity",
        "trend",
        "prior:age",
        "prior:place",
        "habit",
        "neighbours",
        "taste",
    )
    without = ("als:mean", "popularity", "trend", "habit", "neighbours", "taste")
    assert columns_of((), ("mean",)) == without


@pytest.mark.parametrize("repeat", ["never", "learned", "always"])
@pytest.mark.parametrize("centre", ["segments", "mean"])
def test_a_trial_holds_the_terms_of_the_ranking_itself(window, collected, repeat, centre):
    small, targets = window
    for user in range(6):
        ranking = ranked(small, user, repeat=repeat, centre=centre)
        order = np.argsort(ranking.items)
        open_to = collected.possible(repeat)[user]
        assert open_to.sum() == len(ranking.items)
        hits = np.isin(ranking.items[order], targets.by_user()[user])
        assert collected.hits[user][open_to].tolist() == hits.tolist()
        for signal, values in ranking.terms.items():
            column = AROUND + centre if signal == "als" else signal
            found = collected.term(column)[user][open_to]
            np.testing.assert_allclose(found, values[order], rtol=1e-5, atol=1e-6)


def test_targets_are_counted_found_or_not_and_the_new_ones_apart(window, collected):
    small, targets = window
    histories = small.customers.histories
    for user, mine in enumerate(targets.by_user()):
        rows = histories.rows(user)
        owned = set(histories.items[rows][histories.visits[rows] > 0].tolist())
        assert collected.n_targets[user] == len(mine)
        assert collected.n_new[user] == sum(item not in owned for item in mine.tolist())
    assert (collected.n_new < collected.n_targets).any()
    assert collected.hits[1].sum() <= 1
    assert collected.n_relevant("never").tolist() == collected.n_new.tolist()
    for repeat in ("learned", "always"):
        assert collected.n_relevant(repeat).tolist() == collected.n_targets.tolist()


def test_what_is_known_of_each_user_comes_along(window, collected):
    small, _ = window
    expected = [small.customers.activity(user, 5.0) for user in range(6)]
    assert collected.activity.tolist() == expected
    assert collected.n_items.tolist() == [0, 1, 4, 40, 60, 12]
    np.testing.assert_array_equal(collected.shares, shares_of_knots(np.asarray(expected)))
    assert collected.window.tolist() == [2] * 6
    assert collected.owner.tolist() == [0, 0, 1, 2, 2, 2]


def test_an_axis_that_a_model_does_not_have_says_nothing(window):
    small, targets = window
    columns = columns_of(("age", "place", "younger"))
    rows = list(collect(small.model, small.customers, targets, columns, np.arange(6)))
    found = lay_out(rows, columns)
    assert not found.term("prior:younger").any()
    assert found.term("prior:age").any()


def test_how_many_are_worked_out_at_once_changes_nothing(monkeypatch, window, collected):
    small, targets = window
    monkeypatch.setattr(trials, "USERS_AT_ONCE", 1)
    owners = collected.owner
    rows = list(collect(small.model, small.customers, targets, COLUMNS, owners, window=2))
    found = lay_out(rows, COLUMNS)
    np.testing.assert_array_equal(found.hits, collected.hits)
    np.testing.assert_array_equal(found.terms, collected.terms)


# Candidates of a catalogue that is longer than the pools


@pytest.fixture(scope="module")
def large(make_small):
    small = make_small(9, n_items=1200, sizes=(30, 0))
    everything = np.arange(1200)
    return small, targets_of(small.customers.users, [everything, everything])


def candidates(large, columns):
    """The candidates of each user: with every item a target, all of them are hits."""
    small, targets = large
    rows = list(collect(small.model, small.customers, targets, columns, np.arange(2)))
    assert all(row.hits.all() and len(np.unique(row.terms, axis=0)) > 1 for row in rows)
    return rows


@pytest.mark.parametrize("signal", ["als", "popularity"])
@pytest.mark.parametrize("user", [0, 1])
def test_the_best_new_items_of_a_signal_are_candidates(large, signal, user):
    small, _ = large
    row = candidates(large, COLUMNS)[user]
    known = small.customers.histories.items[small.customers.histories.rows(user)]
    ranking = ranked(small, user, (signal,), k=POOL + len(known))
    new = ~np.isin(ranking.items, known)
    (values,) = ranking.terms.values()
    column = COLUMNS.index("als:mean" if signal == "als" else signal)
    # Popularity is tried with a nudge of the axes: without axes it is the list of the popular.
    if signal == "popularity":
        row = candidates(large, columns_of(()))[user]
        column = columns_of(()).index(signal)
    for value in values[new][:POOL]:
        assert np.isclose(row.terms[:, column], value, rtol=1e-5).any()


def test_ones_own_items_are_candidates_and_nothing_that_left_the_catalogue(large):
    small, _ = large
    available = small.model.catalogue.available
    histories = small.customers.histories
    own = histories.items[histories.rows(0)]
    habit = COLUMNS.index("habit")
    mine, stranger = candidates(large, COLUMNS)
    terms = small.model.habit.terms(histories, histories.rows(0))
    speaking = terms[available[own]]
    found = mine.terms[:, habit]
    assert np.count_nonzero(found) == np.count_nonzero(speaking) > 0
    np.testing.assert_allclose(np.sort(found[found != 0]), np.sort(speaking[speaking != 0]), 1e-5)
    assert len(mine.hits) <= 5 * POOL + 2 * OWN
    assert len(stranger.hits) <= 5 * POOL
    assert not stranger.terms[:, habit].any()


# Laying out


def trial_of(size, **fields):
    ones = np.ones(size, dtype=bool)
    said = {"n_targets": 1, "n_new": 1, "activity": 2.0, "n_items": 3, "window": 0, "owner": 0}
    return Trial(np.full((size, 2), 7.0, dtype=np.float32), ones, ones, ones, **{**said, **fields})


def test_rows_are_as_wide_as_the_longest_and_the_rest_is_no_candidate():
    found = lay_out([trial_of(2), trial_of(0), trial_of(5, owner=4)], ("a", "b"))
    assert found.terms.shape == (3, 5, 2)
    assert found.listed.sum(axis=1).tolist() == [2, 0, 5]
    for flags in (found.hits, found.bought, found.once):
        assert not (flags & ~found.listed).any()
    assert not found.terms[~found.listed].any()
    assert found.owner.tolist() == [0, 0, 4]


def test_nobody_is_no_trial():
    found = lay_out([], COLUMNS)
    assert found.terms.shape == (0, 0, len(COLUMNS))
    assert len(found.n_targets) == len(found.owner) == 0


@pytest.mark.parametrize(
    ("repeat", "expected"),
    [
        ("always", [True, True, True, True, False]),
        ("learned", [True, True, True, False, False]),
        ("never", [True, True, False, False, False]),
    ],
)
def test_a_repeat_policy_tells_what_may_be_listed(repeat, expected):
    row = trial_of(4)._replace(
        bought=np.asarray([False, False, True, True]), once=np.asarray([False, True, False, True])
    )
    found = lay_out([row, trial_of(5)], ("a", "b"))
    assert found.possible(repeat)[0].tolist() == expected
