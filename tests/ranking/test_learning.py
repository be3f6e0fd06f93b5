"""Weights on a window: what is tried, what is found, and shops with nothing to find."""

import json
import math

import numpy as np
import pytest

from recsys.models import ALS, HABIT, POPULARITY
from recsys.ranking import BUILT_IN, Ranker, Recipe, Request, Weights, make_variant
from recsys.ranking.learning import (
    CANDIDATES,
    START,
    START_HALF,
    K,
    Trials,
    _add_axes,
    collect,
    learn,
    unlearnt,
)

TRUE, NOISE = "prior:true", "prior:noise"
SEGMENT_AWARE = (ALS, POPULARITY, HABIT)


def trials_of(terms, hits, *, activity=None, missed=0):
    n_users = len(hits)
    return Trials(
        {name: np.asarray(values, dtype=np.float32) for name, values in terms.items()},
        np.ones(hits.shape, dtype=bool),
        hits,
        hits.sum(axis=1) + missed,
        np.full(n_users, 5.0) if activity is None else activity,
    )


def planted(seed=0, n_users=300, n_items=40, strength=1.0):
    """Popularity and one axis decide what is bought; ALS, habit and another axis are noise."""
    rng = np.random.default_rng(seed)
    shape = (n_users, n_items)
    popular = np.tile(rng.normal(size=n_items), (n_users, 1))
    side = np.eye(2)[rng.integers(2, size=n_users)] @ rng.normal(size=(2, n_items))
    other = np.eye(2)[rng.integers(2, size=n_users)] @ rng.normal(size=(2, n_items))
    chance = popular + strength * side + rng.gumbel(scale=0.7, size=shape)
    hits = chance >= np.sort(chance, axis=1)[:, [-3]]
    terms = {
        ALS: rng.normal(size=shape),
        POPULARITY: popular,
        HABIT: rng.random(shape) < 0.05,
        TRUE: side,
        NOISE: other,
    }
    return trials_of(terms, hits)


def finite(learnt):
    json.dumps(
        [learnt.weights.model_dump(), {a: list(g) for a, g in learnt.gains.items()}],
        allow_nan=False,
    )
    ends = [*learnt.weights.cold.values(), *learnt.weights.warm.values()]
    return all(weight >= 0 for weight in ends) and learnt.weights.half > 0


# The objective


@pytest.mark.parametrize("seed", range(3))
def test_the_objective_is_the_ndcg_of_the_lists_that_weights_give(seed):
    rng = np.random.default_rng(seed)
    hits = rng.random((20, 30)) < 0.1
    hits[:, 0] = True
    activity = rng.uniform(0, 40, size=20)
    terms = {name: rng.normal(size=(20, 30)) for name in (ALS, POPULARITY, TRUE)}
    trials = trials_of(terms, hits, activity=activity, missed=2)
    weights = Weights(cold={ALS: 0.5, TRUE: 0.3}, warm={ALS: 1.0, POPULARITY: 2.0}, half=7.0)
    expected = []
    for user in range(20):
        scores = sum(weights.at(s, activity[user]) * terms[s][user] for s in terms)
        ranked = hits[user][np.argsort(-scores)][:K]
        gain = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(ranked) if hit)
        n_relevant = min(int(hits[user].sum()) + 2, K)
        expected.append(gain / sum(1 / math.log2(rank + 2) for rank in range(n_relevant)))
    np.testing.assert_allclose(trials.ndcg(weights), expected)


def test_what_may_not_be_ranked_is_never_a_hit():
    hits = np.ones((2, 12), dtype=bool)
    possible = np.zeros((2, 12), dtype=bool)
    possible[0, :3] = True
    terms = {ALS: np.ones((2, 12), dtype=np.float32)}
    trials = Trials(terms, possible, hits & possible, np.array([3, 3]), np.zeros(2))
    assert trials.ndcg(Weights(cold={ALS: 1.0}, warm={ALS: 1.0}, half=1.0)).tolist() == [1.0, 0.0]


# What is found


@pytest.fixture(scope="module")
def found():
    return learn(planted(), (*SEGMENT_AWARE, NOISE, TRUE))


def test_an_informative_axis_gets_weight_and_a_random_one_does_not(found):
    assert max(found.weights.cold[TRUE], found.weights.warm[TRUE]) >= 0.1
    assert found.weights.cold.get(NOISE, 0.0) == 0.0
    assert found.weights.warm.get(NOISE, 0.0) == 0.0
    (gain, error), (noise, _) = found.gains[TRUE], found.gains[NOISE]
    assert gain > 3 * error > 0
    assert noise < gain / 10
    assert finite(found)


def test_popularity_stays_where_it_is(found):
    assert found.weights.cold[POPULARITY] == START[POPULARITY]
    assert found.weights.warm[POPULARITY] == START[POPULARITY]


def test_noise_loses_its_weight(found):
    assert found.weights.cold[ALS] < START[ALS] / 2
    assert found.weights.warm[ALS] < START[ALS] / 2


def test_learning_never_ends_below_its_start(found):
    trials = planted()
    start = unlearnt(SEGMENT_AWARE).weights
    assert found.ndcg > trials.ndcg(start).mean()
    assert found.ndcg == pytest.approx(trials.ndcg(found.weights).mean())


def test_the_same_axis_twice_gets_its_weight_once():
    trials = planted()
    terms = {**trials.terms, "prior:copy": trials.terms[TRUE]}
    both = Trials(terms, trials.possible, trials.hits, trials.n_relevant, trials.activity)
    once = learn(trials, (POPULARITY, TRUE))
    twice = learn(both, (POPULARITY, "prior:copy", TRUE))
    assert twice.ndcg == pytest.approx(once.ndcg, abs=0.01)
    for end in (twice.weights.cold, twice.weights.warm):
        assert sum(w for s, w in end.items() if s.startswith("prior:")) <= 1.0


def test_the_weights_of_the_axes_stay_within_one_however_many_inform():
    rng = np.random.default_rng(1)
    shape = (200, 40)
    axes = {f"prior:a{n}": rng.normal(size=shape) for n in range(4)}
    chance = 6 * sum(axes.values()) + rng.gumbel(size=shape)
    hits = chance >= np.sort(chance, axis=1)[:, [-3]]
    learnt = learn(trials_of({POPULARITY: np.zeros(shape), **axes}, hits), (POPULARITY, *axes))
    for end in (learnt.weights.cold, learnt.weights.warm):
        assert sum(end.get(axis, 0.0) for axis in axes) <= 1.0 + 1e-9
    assert finite(learnt)


def test_the_room_of_the_axes_may_run_out():
    taken = {POPULARITY: 0.1, "prior:a": 0.8, "prior:b": 0.2}
    full = Weights(cold=taken, warm=taken, half=10.0)
    weights, gains = _add_axes(planted(n_users=20), full, [TRUE, NOISE])
    assert weights == full
    assert gains == {}


@pytest.mark.parametrize("seed", range(5))
def test_of_many_random_axes_none_gets_weight(seed):
    rng = np.random.default_rng(seed)
    shape = (200, 40)
    popular = np.tile(rng.normal(size=40), (200, 1))
    hits = popular + rng.gumbel(size=shape) > 2.5
    hits[:, 0] |= ~hits.any(axis=1)
    # Small enough that some gain by chance: they only turn near ties around.
    axes = {f"prior:n{n}": rng.normal(scale=0.02, size=shape) for n in range(8)}
    learnt = learn(trials_of({POPULARITY: popular, **axes}, hits), (POPULARITY, *axes))
    assert any(gain > 0 for gain, _ in learnt.gains.values())
    assert learnt.weights.cold == learnt.weights.warm == {POPULARITY: START[POPULARITY]}


# Shops with nothing to find


@pytest.mark.parametrize("n_users", [0, 1, 2, 5])
@pytest.mark.parametrize("name", BUILT_IN)
def test_hardly_any_users_give_finite_weights(n_users, name):
    trials = planted(n_users=5)
    few = Trials(
        {signal: values[:n_users] for signal, values in trials.terms.items()},
        trials.possible[:n_users],
        trials.hits[:n_users],
        trials.n_relevant[:n_users],
        trials.activity[:n_users],
    )
    signals = make_variant(name, BUILT_IN[name]).signals({"true": None, "noise": None})
    learnt = learn(few, signals)
    assert finite(learnt)
    assert all(learnt.weights.cold[s] > 0 for s in signals if s == POPULARITY)
    if n_users < 2:
        assert learnt.weights == unlearnt(signals).weights
        assert learnt.gains == {}


def test_a_window_in_which_nothing_can_be_found_keeps_the_start():
    trials = planted(n_users=30)
    nothing = trials_of(trials.terms, np.zeros_like(trials.hits), missed=1)
    learnt = learn(nothing, (*SEGMENT_AWARE, TRUE))
    assert learnt.weights == unlearnt(SEGMENT_AWARE).weights
    assert learnt.ndcg == 0.0
    assert finite(learnt)


@pytest.mark.parametrize("alone", [POPULARITY, ALS, HABIT])
def test_a_lone_signal_is_never_lost(alone):
    # The worse the signal is, the better would be no order at all.
    trials = planted()
    upside_down = {**trials.terms, alone: -np.cumsum(trials.hits[:, ::-1], axis=1)[:, ::-1]}
    bad = trials_of(upside_down, trials.hits)
    learnt = learn(bad, (alone,))
    assert learnt.weights.cold == {alone: START[alone]}
    assert learnt.weights.warm == {alone: START[alone]}


def test_without_a_window_there_are_default_weights():
    learnt = unlearnt((*SEGMENT_AWARE, TRUE))
    assert learnt.weights == Weights(cold=START, warm=START, half=START_HALF)
    assert math.isnan(learnt.ndcg)


# What is collected


@pytest.fixture(scope="module")
def window(make_small):
    """With fewer items than `CANDIDATES`: whatever may be ranked is a candidate."""
    small = make_small(6, n_items=90, sizes=(0, 1, 4, 40, 60, 12))
    rng = np.random.default_rng(6)
    targets = [rng.choice(90, size=6, replace=False).astype(np.int64) for _ in range(6)]
    targets[1] = np.asarray([-1, -1, 3])
    return small, targets


def collected(window, **recipe):
    small, targets = window
    signals = ("als", "popularity", "priors", "habit")
    variant = make_variant("mine", Recipe(**{"signals": signals, **recipe}))
    return collect(small.model, small.customers, targets, variant), variant


@pytest.mark.parametrize("repeat", ["never", "learned", "always"])
@pytest.mark.parametrize("centre", ["segments", "mean"])
def test_a_trial_holds_the_terms_of_the_ranking_itself(window, repeat, centre):
    small, targets = window
    trials, variant = collected(window, repeat=repeat, centre=centre)
    ones = dict.fromkeys(small.model.signals, 1.0)
    chain = Ranker(small.model, {variant.digest: Weights(cold=ones, warm=ones, half=1.0)})
    rankings = chain.rank_all(small.customers, range(6), variant, Request(90))
    for user, ranking in enumerate(rankings):
        order = np.argsort(ranking.items)
        n = len(order)
        assert trials.possible[user].tolist() == [True] * n + [False] * (trials.hits.shape[1] - n)
        hits = np.isin(ranking.items[order], targets[user])
        assert trials.hits[user, :n].tolist() == hits.tolist()
        for signal, values in ranking.terms.items():
            np.testing.assert_allclose(trials.terms[signal][user, :n], values[order], rtol=1e-5)


def test_the_candidates_are_the_best_by_the_factors_by_popularity_and_ones_own(make_small):
    small = make_small(9, n_items=1000, sizes=(3,))
    variant = make_variant("mine", Recipe(signals=("als", "popularity"), repeat="always"))
    trials = collect(small.model, small.customers, [np.arange(1000)], variant)
    ones = dict.fromkeys(small.model.signals, 1.0)
    own = small.customers.histories.items.tolist()
    expected = set(own)
    for signal in ("als", "popularity"):
        alone = make_variant("alone", Recipe(signals=(signal,), repeat="always"))
        chain = Ranker(small.model, {alone.digest: Weights(cold=ones, warm=ones, half=1.0)})
        best = chain.rank(small.customers, 0, alone, Request(CANDIDATES))
        expected |= set(best.items.tolist())
    available = small.model.catalogue.available
    assert trials.hits[0].sum() == sum(available[item] for item in expected)


def test_an_item_outside_the_catalogue_counts_and_is_never_found(window):
    trials, _ = collected(window)
    assert trials.n_relevant.tolist() == [6, 3, 6, 6, 6, 6]
    assert trials.hits[1].sum() <= 1


def test_the_activity_is_that_of_the_customers(window):
    small, _ = window
    trials, _ = collected(window)
    expected = [small.customers.activity(user, 5.0) for user in range(6)]
    assert trials.activity.tolist() == expected


def test_a_catalogue_shorter_than_a_list_is_padded(make_small):
    small = make_small(7, n_items=4, sizes=(0, 1))
    targets = [np.asarray([0]), np.asarray([1])]
    variant = make_variant("segment_aware", BUILT_IN["segment_aware"])
    trials = collect(small.model, small.customers, targets, variant)
    assert trials.possible.shape == (2, K)
    assert finite(learn(trials, variant.signals(small.model.segments)))


def test_nobody_is_no_trial(make_small):
    small = make_small(8, sizes=())
    variant = make_variant("segment_aware", BUILT_IN["segment_aware"])
    trials = collect(small.model, small.customers, [], variant)
    assert learn(trials, variant.signals(small.model.segments)).gains == {}
