"""Single steps of what users do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.events.schema import EVENT_TYPES
from recsys.random import generator
from recsys.simulation import SimulationConfig
from recsys.simulation.behaviour import Behaviour, simulate_block
from recsys.simulation.config import DAYS_PER_MONTH
from recsys.simulation.events import new_events
from recsys.simulation.population import make_people
from recsys.simulation.preference import make_preference
from recsys.simulation.visits import plan_visits

CONFIG = SimulationConfig(events=20_000, seed=2, days=240)


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(0, 12))
def test_the_earliest_events_are_kept_in_their_order(times, n):
    rows = np.arange(len(times))
    events = new_events("view", rows, rows, np.array(times, dtype=np.int64), rows)
    best = sorted(sorted(rows.tolist(), key=lambda row: (times[row], row))[:n])
    assert events.earliest(n).users.tolist() == best


def test_no_visit_is_taken_for_an_item_that_is_sold_no_more_by_then():
    sold = make_preference(CONFIG)
    all_gone = np.full(len(sold.catalogue), 2)
    gone = replace(sold, catalogue=replace(sold.catalogue, withdrawn=all_gone))
    people = make_people(CONFIG, 0)
    planned = plan_visits(people, 3_000, CONFIG.days, generator(1, "visits"))
    early = planned.take(np.flatnonzero(planned.days < 2 * DAYS_PER_MONTH))
    days = {}
    for name, preference in (("sold", sold), ("gone", gone)):
        rng = generator(1, "behaviour")
        behaviour = Behaviour(CONFIG, preference, people, sold.shares(people), rng)
        first = behaviour.look(early)
        days[name] = behaviour.bought_again(planned, first).visits.days
    assert days["sold"].max() > 3 * DAYS_PER_MONTH
    assert len(days["gone"]) > 50
    assert days["gone"].max() < 2 * DAYS_PER_MONTH


@pytest.mark.parametrize("browsing", [0.1, 0.3, 0.6])
def test_about_the_share_of_events_asked_for_is_views_that_come_to_nothing(browsing):
    config = SimulationConfig(events=40_000, browsing=browsing)
    preference, people = make_preference(config), make_people(config, 0)
    found = simulate_block(config, preference, people, 0)
    kinds = np.bincount(found.kinds, minlength=len(EVENT_TYPES))
    views, carts, likes, sales = (
        kinds[EVENT_TYPES.index(kind)] for kind in ("view", "cart", "favorite", "purchase")
    )
    bought = found.take(found.kinds == EVENT_TYPES.index("purchase"))
    pairs = len(np.unique(bought.users * config.n_items + bought.items))
    considered = carts - (sales - pairs) + likes
    assert (views - considered) / len(found) == pytest.approx(browsing, abs=0.06)
