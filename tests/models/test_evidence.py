"""What contacts tell: planted chances come out again, bounds hold, single equals batch."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from recsys.interactions import HALF_LIVES
from recsys.interactions.contacts import Contacts
from recsys.interactions.weights import CONTACT_HALF_LIVES
from recsys.models.evidence import (
    FIXED,
    FLOOR,
    FRESH_HALF_LIFE,
    Evidence,
    contact_features,
    feature_names,
    taken_back,
)
from recsys.models.habit import fit_habit

N_ITEMS = 10
GROUPS = np.zeros(N_ITEMS, dtype=np.int64)
KINDS = ("cart", "impression", "rating", "return", "view")


def contacts_of(ages, kinds=KINDS, rating=None):
    """Contacts from the days since each event: one mapping kind -> ages for each pair."""
    lists = [[np.asarray(pair.get(kind, ()), dtype=float) for kind in kinds] for pair in ages]
    lives = np.asarray(CONTACT_HALF_LIVES)
    decayed = [[(0.5 ** (a[:, None] / lives)).sum(axis=0) for a in pair] for pair in lists]
    since = [[a.min() if len(a) else np.nan for a in pair] for pair in lists]
    shape = (len(ages), len(kinds))
    stars = np.full(len(ages), np.nan) if rating is None else np.asarray(rating)
    return Contacts(
        tuple(kinds),
        np.asarray(decayed, dtype=float).reshape(*shape, len(lives)),
        np.asarray(since, dtype=float).reshape(shape),
        stars,
    )


def shop(make_histories, bought, n_users=400, seed=0):
    """Each user bought some items, viewed or carted others, and was shown the rest."""
    rng = np.random.default_rng(seed)
    users, ages = [], []
    for _ in range(n_users):
        deeds = rng.choice(["bought", "returned", "view", "cart", "shown"], size=N_ITEMS)
        users.append(
            {i: bought((20.0,) if d in ("bought", "returned") else ()) for i, d in enumerate(deeds)}
        )
        age = rng.uniform(0.5, 60, size=N_ITEMS)
        for deed, days in zip(deeds, age, strict=True):
            shown = tuple(np.arange(1.0, 1 + rng.integers(1, 20)))
            pair = {"view": {"view": (days,)}, "cart": {"cart": (days,), "view": (days,)}}
            more = {"returned": {"return": (10.0,)}, "shown": {"impression": shown}}
            ages.append((pair | more).get(deed, {}))
    histories = make_histories(users, N_ITEMS)
    return replace(histories, contacts=contacts_of(ages))


@pytest.fixture(scope="module")
def histories(make_histories, bought):
    return shop(make_histories, bought)


def chances(histories):
    """Half of the carted come back, a tenth of the viewed; the more it was shown, the less."""
    days = histories.contacts.days
    shown = special.expit(-1.0 - 1.0 * np.log1p(days("impression")))
    return np.select(
        [histories.visits > 0, days("cart") > 0, days("view") > 0], [0.3, 0.5, 0.1], shown
    )


@pytest.fixture(scope="module")
def habit(histories):
    label = np.random.default_rng(1).random(len(histories.items)) < chances(histories)
    return fit_habit(histories, label, GROUPS, HALF_LIVES)


def test_planted_chances_come_out_again(histories, habit):
    days, terms = histories.contacts.days, habit.terms(histories)
    never = histories.visits == 0
    for chosen, planted in (
        (never & (days("cart") > 0), 0.5),
        (never & (days("cart") == 0) & (days("view") > 0), 0.1),
    ):
        found = np.expm1(terms[chosen]) * habit.mean
        assert found.mean() == pytest.approx(planted, abs=0.04)
        assert found.std() < 0.06


def test_impressions_alone_lower_a_score_within_bounds(histories, habit):
    shown = histories.contacts.days("impression")
    alone = (histories.visits == 0) & (shown > 0)
    terms = habit.terms(histories)[alone]
    assert (terms < 0).all()
    assert (terms >= FLOOR).all()
    order = np.argsort(shown[alone], kind="stable")
    assert (np.diff(terms[order]) <= 0).all()
    assert habit.evidence.ignored["slope"] == pytest.approx(-1.0, abs=0.35)


def test_impressions_never_raise_a_score(histories):
    shown = histories.contacts.days("impression")
    label = np.random.default_rng(2).random(len(shown)) < special.expit(np.log1p(shown) - 3)
    habit = fit_habit(histories, label, GROUPS, HALF_LIVES)
    alone = (histories.visits == 0) & (shown > 0)
    assert not habit.terms(histories)[alone].any()


def test_the_floor_holds_whatever_was_learnt():
    harsh = Evidence(KINDS, ignored={"intercept": 3.0, "slope": -50.0})
    terms = harsh.terms(contacts_of([{"impression": range(9)}, {}]), mean=0.01)
    np.testing.assert_allclose(terms, [FLOOR, 0.0])


def test_what_was_taken_back_has_no_habit(histories, habit):
    bought = histories.visits > 0
    returned = bought & (histories.contacts.days("return") > 0)
    terms = habit.terms(histories)
    assert not terms[returned].any()
    assert (terms[bought & ~returned] > 0).all()
    back = contacts_of([{"return": (1.0,)}, {"return": (1.0,)}, {}, {"return": (1.0,)}])
    visits = np.array([1.0, 2.0, 1.0, 0.0])
    assert taken_back(back, visits).tolist() == [True, False, False, False]


def test_low_stars_are_learnt_as_a_bad_sign(make_histories, bought):
    rng = np.random.default_rng(3)
    users = [{i: bought((20.0,)) for i in range(N_ITEMS)}] * 300
    histories = make_histories(users, N_ITEMS)
    stars = rng.integers(1, 6, size=len(histories.items)).astype(float)
    contacts = contacts_of([{"rating": (15.0,)}] * len(stars), rating=stars)
    histories = replace(histories, contacts=contacts)
    label = rng.random(len(stars)) < stars / 10
    terms = fit_habit(histories, label, GROUPS, HALF_LIVES).terms(histories)
    means = [terms[stars == value].mean() for value in range(1, 6)]
    assert (np.diff(means) > 0).all()
    assert means[4] > 1.5 * means[0]


def test_features_are_as_documented():
    contacts = contacts_of([{"view": (2.0, 30.0), "rating": (4.0,)}], rating=[3.0])
    kinds = ("rating", "view")
    names = feature_names(kinds)
    found = dict(zip(names, contact_features(contacts, kinds)[0].tolist(), strict=True))
    for half_life in CONTACT_HALF_LIVES:
        faded = 0.5 ** (2 / half_life) + 0.5 ** (30 / half_life)
        assert found[f"view, half-life {half_life:g}"] == pytest.approx(math.log1p(faded))
    assert found["view, fresh"] == pytest.approx(0.5 ** (2 / FRESH_HALF_LIFE))
    assert found["stars"] == 3.0
    # A purchase between the rating, 4 days ago, and the last view, 2 days ago.
    after = contact_features(contacts, kinds, np.array([3.0]))[0]
    assert after[names.index("rating, fresh")] == 0.0
    assert after[names.index("view, fresh")] == found["view, fresh"]


def test_the_terms_of_one_user_are_those_among_all(histories, habit):
    everyone = habit.terms(histories)
    for user in range(0, len(histories.users), 7):
        rows = histories.rows(user)
        np.testing.assert_array_equal(habit.terms(histories, rows), everyone[rows])


def test_a_shop_of_purchases_only_is_as_it_was(make_histories, make_users):
    histories = make_histories(make_users(0, 60, N_ITEMS), N_ITEMS)
    label = np.random.default_rng(0).random(len(histories.items)) < 0.4
    plain = fit_habit(histories, label, GROUPS, HALF_LIVES)
    assert plain.evidence == Evidence()
    empty = replace(histories, contacts=contacts_of([{}] * len(histories.items), kinds=()))
    other = fit_habit(empty, label, GROUPS, HALF_LIVES)
    np.testing.assert_array_equal(other.coefficients, plain.coefficients)
    np.testing.assert_array_equal(other.terms(empty), plain.terms(histories))


def test_without_times_the_strongest_contact_counts(make_histories, bought):
    users = [{0: bought((1.0,)), 1: bought(()), 2: bought(()), 3: bought(()), 4: bought(())}]
    ages = [{}, {"view": (1.0,)}, {"view": (1.0,), "cart": (1.0,)}, {"impression": (1.0,)}, {}]
    histories = replace(make_histories(users, N_ITEMS, timed=False), contacts=contacts_of(ages))
    terms = fit_habit(histories, None, GROUPS, HALF_LIVES).terms(histories)
    expected = [math.log1p(FIXED["view"]), math.log1p(FIXED["cart"]), 0.0, 0.0]
    np.testing.assert_allclose(terms[1:], expected)
    assert terms[0] > max(expected)


def test_it_can_be_written_down_and_read_again(histories, habit):
    written = asdict(habit.evidence)
    again = replace(habit, evidence=Evidence(**{**written, "kinds": tuple(written["kinds"])}))
    np.testing.assert_array_equal(again.terms(histories), habit.terms(histories))
    assert list(habit.evidence.unbought) == [
        "intercept",
        *feature_names(("cart", "rating", "view")),
    ]


def test_kinds_that_a_history_does_not_have_never_happened(histories, habit):
    bare = replace(histories, contacts=contacts_of([{}] * len(histories.items), kinds=()))
    nothing = replace(histories, contacts=contacts_of([{}] * len(histories.items)))
    np.testing.assert_array_equal(habit.terms(bare), habit.terms(nothing))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(KINDS), st.lists(st.floats(0, 900), max_size=4)),
        min_size=1,
        max_size=N_ITEMS,
    ),
    st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS),
    st.booleans(),
)
def test_any_contacts_have_finite_bounded_terms(make_histories, bought, ages, labels, timed):
    users = [{item: bought((3.0,) if item % 3 == 0 else ()) for item in range(len(ages))}]
    histories = replace(make_histories(users, N_ITEMS), contacts=contacts_of(ages))
    label = np.asarray(labels[: len(ages)]) if timed else None
    terms = fit_habit(histories, label, GROUPS, HALF_LIVES).terms(histories)
    assert np.isfinite(terms).all()
    assert (terms >= FLOOR - 1e-12).all()
    untouched = [not any(pair.values()) for pair in ages]
    never = histories.visits == 0
    assert not terms[never & np.asarray(untouched)].any()
