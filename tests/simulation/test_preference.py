"""The closed form: against a slow loop, against its own draws, and what must always hold."""

from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recsys.random import generator
from recsys.simulation import SimulationConfig
from recsys.simulation.population import make_people
from recsys.simulation.preference import make_lifts, make_preference

TINY = SimulationConfig(
    events=1_000, seed=11, users=100, items=40, days=100, departments=2, shelves=2, brands=3,
    new_items=0.5,
)  # fmt: skip


def weight(preference, config, item, tier, month):
    """The formula of the module's text, for one item."""
    items = preference.catalogue
    if not items.launched[item] <= month < items.withdrawn[item]:
        return 0.0
    progress = month / (config.n_months - 1) - 0.5
    from_wanted = items.dearness[item] - (tier - 1)
    dislike = config.price_effect / 2 * from_wanted**2
    return items.popularity[item] * exp(items.growth[item] * progress - dislike)


def slow_chances(preference, config, people, user, month):
    items = preference.catalogue
    weights = [weight(preference, config, i, people.tier[user], month) for i in range(len(items))]
    logs = [
        items.categories.base[c]
        + people.taste[user, c]
        + sum(lifts[people.segments[axis][user], c] for axis, lifts in preference.lifts.items())
        for c in range(config.n_categories)
    ]
    total = sum(exp(value) for value in logs)
    chances = []
    for i in range(len(items)):
        category, brand = items.category[i], people.brand[user]
        same = [j for j in range(len(items)) if items.category[j] == category]
        own = sum(weights[j] for j in same if items.brand[j] == brand)
        loyalty = people.loyalty[user] if own > 0 else 0.0
        within = (1 - loyalty) * weights[i] / sum(weights[j] for j in same)
        if items.brand[i] == brand and own > 0:
            within += loyalty * weights[i] / own
        chances.append(exp(logs[category]) / total * within)
    return chances


def test_chances_are_the_formulas():
    preference, people = make_preference(TINY), make_people(TINY, 0)
    for user, month in ((0, 0), (3, 1), (17, 2), (42, 3)):
        found = preference.chances(people, np.array([user]), month)[0]
        expected = slow_chances(preference, TINY, people, user, month)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("month", [0, 3])
def test_draws_follow_the_chances(month, fit):
    preference, people = make_preference(TINY), make_people(TINY, 0)
    shares, size = preference.shares(people), 40_000
    for user in (5, 6):
        users = np.full(size, user)
        rng = generator(1, "draws", str(user))
        drawn = preference.draw(people, shares, users, np.full(size, month), rng)
        counts = np.bincount(drawn, minlength=TINY.n_items)
        expected = size * preference.chances(people, np.array([user]), month)[0]
        assert counts[expected == 0].sum() == 0
        assert fit(counts, expected) > 1e-3


@given(
    st.integers(0, 2**31), st.integers(8, 120), st.integers(1, 12), st.integers(1, 30),
    st.integers(7, 400),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_chances_are_a_distribution_over_what_is_sold(seed, items, departments, brands, days):
    config = SimulationConfig(
        events=1_000, seed=seed, items=max(items, departments), departments=departments,
        shelves=1, brands=brands, days=days, new_items=0.6,
    )  # fmt: skip
    preference, people = make_preference(config), make_people(config, 0)
    everyone, every_item = np.arange(len(people)), np.arange(config.n_items)
    users = np.repeat(everyone, 20)
    for month in {0, config.n_months // 2, config.n_months - 1}:
        chances = preference.chances(people, everyone, month)
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-12)
        sold = preference.catalogue.sold(every_item, np.array(month))
        assert ((chances > 0) == sold).all()
        months = np.full(len(users), month)
        drawn = preference.draw(
            people, preference.shares(people), users, months, generator(seed, "draws")
        )
        assert sold[drawn].all()


@pytest.mark.parametrize(
    "strong",
    [
        {"price_effect": 5.0, "taste": 3.0, "loyalty": 0.99},
        {"price_effect": 0.0, "taste": 0.0, "loyalty": 0.01},
        {"lifts": dict.fromkeys(("age", "gender", "income", "region"), 3.0)},
    ],
)
def test_the_strongest_and_the_weakest_are_still_distributions(strong):
    config = SimulationConfig(events=2_000, days=3_650, **strong)
    preference, people = make_preference(config), make_people(config, 0)
    assert (np.diff(preference.before.ravel()) >= 0).all()
    for month in (0, config.n_months - 1):
        chances = preference.chances(people, np.arange(len(people)), month)
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-12)


def test_lifts_are_as_strong_as_asked_and_none_where_not():
    config = SimulationConfig(
        events=10_000, departments=12, shelves=50, items=600, lifts={"age": 0.8, "region": 0.0}
    )
    lifts = make_lifts(config)
    for table in lifts.values():
        np.testing.assert_allclose(table.mean(axis=0), 0.0, atol=1e-12)
    # Taking off the mean of four leaves three quarters of the variance.
    assert lifts["age"].std() == pytest.approx(0.8 * np.sqrt(0.75), rel=0.25)
    for axis in ("region", "gender", "income"):
        assert not lifts[axis].any()


def test_income_decides_what_level_of_price_is_chosen():
    config = SimulationConfig(events=100_000, price_effect=1.0)
    preference, people = make_preference(config), make_people(config, 0)
    chances = preference.chances(people, np.arange(len(people)), 0)
    dearness = chances @ preference.catalogue.dearness
    low, middle, high = (dearness[people.segments["income"] == income] for income in range(3))
    assert stats.ttest_ind(low, middle).pvalue < 1e-9
    assert low.mean() < middle.mean() < high.mean()
