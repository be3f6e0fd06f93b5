"""When users come and when things are due again, against slow loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.random import generator
from recsys.simulation import SimulationConfig
from recsys.simulation.behaviour import expected_repeats
from recsys.simulation.catalogue import make_catalogue
from recsys.simulation.population import make_people
from recsys.simulation.visits import LATEST, SOONEST, Visits, due_days, nearest, plan_visits, settle

CONFIG = SimulationConfig(events=4_000, seed=5, days=200)
KEYS = st.sets(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=20)
WANTED = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 30), st.floats(1, 9)), min_size=1, max_size=20
)


def visits_of(keys):
    users, days = np.array(sorted(keys), dtype=np.int64).T
    return Visits(users, days, np.arange(len(users)))


@given(KEYS, WANTED)
@settings(max_examples=60, deadline=None)
def test_the_nearest_visit_is_the_one_a_loop_finds(keys, wanted):
    visits = visits_of(keys)
    users, days, within = (np.array(column) for column in zip(*wanted, strict=True))
    for row, user, day, limit in zip(
        nearest(visits, users, days, within), users, days, within, strict=True
    ):
        own = [d for u, d in sorted(keys) if u == user and abs(d - day) <= limit]
        best = min(own, key=lambda d: abs(d - day), default=None)
        if best is None:
            assert row == -1
        else:
            assert (visits.users[row], visits.days[row]) == (user, best)


@given(KEYS, WANTED)
@settings(max_examples=60, deadline=None)
def test_every_repeat_gets_a_visit_of_its_user_near_its_day(keys, wanted):
    planned = visits_of(keys)
    users, days, within = (np.array(column) for column in zip(*wanted, strict=True))
    settled = settle(planned, users, days, within, generator(1, "settle"))
    near = nearest(planned, users, days, within) >= 0
    assert (settled.users == users).all()
    assert (np.abs(settled.days - days) <= within).all()
    assert (settled.days[~near] == days[~near]).all()
    moments = {}
    for key in zip(settled.users, settled.days, settled.seconds, strict=True):
        assert moments.setdefault(key[:2], key[2]) == key[2], "a user visits once on a day"


def test_planned_visits_begin_when_a_user_joins_and_end_when_she_leaves():
    people = make_people(CONFIG, 0)
    visits = plan_visits(people, 600, CONFIG.days, generator(1, "visits"))
    keys = visits.users * CONFIG.days + visits.days
    assert (np.diff(keys) > 0).all()
    assert 0.9 * 600 < len(visits) <= 600
    for user in range(len(people)):
        days = visits.days[visits.users == user]
        assert days.min() == people.joins[user]
        assert days.max() < people.leaves[user]


def test_gaps_and_lengths_of_chains_are_as_documented():
    catalogue = make_catalogue(CONFIG)
    often = int(np.argmax(catalogue.categories.repeat))
    item = int(np.flatnonzero(catalogue.category == often)[0])
    pace, chance = catalogue.categories.pace[often], catalogue.categories.repeat[often]
    size, span = 20_000, 10_000
    follows, due = due_days(
        np.zeros(size, dtype=np.int64), np.full(size, item), catalogue, span, generator(1, "due")
    )
    # Geometric: the mean is r / (1 − r).
    assert len(due) / size == pytest.approx(chance / (1 - chance), rel=0.05)
    first = np.concatenate([[True], np.diff(follows) > 0])
    gaps = np.where(first, due, np.diff(due, prepend=0))
    assert gaps.mean() == pytest.approx(pace, rel=0.02)
    assert (gaps >= SOONEST * pace - 1).all()
    assert (gaps <= LATEST * pace + 1).all()


def test_expected_repeats_are_those_of_a_loop_over_chains():
    catalogue = make_catalogue(CONFIG)
    rng = generator(2, "loop")
    shares = np.exp(catalogue.categories.base) / np.exp(catalogue.categories.base).sum()
    counts = []
    for category in rng.choice(CONFIG.n_categories, size=20_000, p=shares):
        day, count = rng.uniform(0, CONFIG.days), 0
        while rng.random() < catalogue.categories.repeat[category]:
            day += catalogue.categories.pace[category]
            count += day < CONFIG.days
        counts.append(count)
    assert expected_repeats(catalogue, CONFIG.days) == pytest.approx(np.mean(counts), rel=0.05)
