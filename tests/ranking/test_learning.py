"""What is planted is found, what is not gets no weight, and shops with nothing to find."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from recsys.metrics import ndcg
from recsys.models import ALS, HABIT, NEIGHBOURS, POPULARITY, TASTE, TREND
from recsys.ranking import BUILT_IN, Weights, learning, make_variant
from recsys.ranking.blend import KNOTS
from recsys.ranking.learning import FOLDS, SHAPES, STANDARD_ERRORS, START, Learner, unlearnt
from recsys.ranking.trials import Trials

TRUE, NOISE = "prior:true", "prior:noise"
SEGMENTS, MEAN = "als:segments", "als:mean"
BASE = (ALS, POPULARITY, HABIT, NEIGHBOURS)
K = 10


def trials_of(terms, hits, *, activity=None, **fields):
    """Trials in which everything may be listed, new to everybody, in three windows."""
    n_users, shape = len(hits), hits.shape
    said = {
        "listed": np.ones(shape, dtype=bool),
        "bought": np.zeros(shape, dtype=bool),
        "once": np.zeros(shape, dtype=bool),
        "n_targets": hits.sum(axis=1),
        "n_new": hits.sum(axis=1),
        "activity": np.full(n_users, 5.0) if activity is None else activity,
        "n_items": np.full(n_users, 5),
        "window": np.arange(n_users) % 3,
        "owner": np.arange(n_users),
    }
    stacked = np.stack([np.asarray(one, dtype=np.float32) for one in terms.values()], axis=2)
    return Trials(columns=tuple(terms), terms=stacked, hits=hits, **{**said, **fields})


def bought(rng, liking, n=3):
    """The items of the `n` largest likings, with some luck."""
    chance = liking + rng.gumbel(scale=0.7, size=liking.shape)
    return chance >= np.sort(chance, axis=1)[:, [-n]]


def planted(seed=0, n_users=120, n_items=30, lone=None):
    """Popularity and one axis (or `lone`) decide what is bought; all other signals are noise.

    The items and what segments like are always the same; the seed draws the users.
    """
    items, rng = np.random.default_rng(1), np.random.default_rng(seed)
    shape = (n_users, n_items)
    popular = np.tile(items.normal(size=n_items), (n_users, 1))
    # What one segment likes the other dislikes: of an item's popularity a segment says nothing.
    true, noise = (
        np.outer(rng.choice([-1.0, 1.0], size=n_users), items.normal(size=n_items))
        for _ in range(2)
    )
    terms = {
        SEGMENTS: rng.normal(size=shape),
        MEAN: rng.normal(size=shape),
        POPULARITY: popular,
        TRUE: true,
        NOISE: noise,
        HABIT: rng.random(shape) < 0.05,
        NEIGHBOURS: rng.random(shape),
        # No times and no categories.
        TREND: np.zeros(shape),
        TASTE: np.zeros(shape),
    }
    return trials_of(terms, bought(rng, popular + true if lone is None else 2 * terms[lone]))


def measured(trials, weights):
    """The mean NDCG of the lists that weights give, user by user."""
    found = []
    for user in range(len(trials.hits)):
        scores = np.zeros(trials.hits.shape[1])
        for column in trials.columns:
            signal = column.partition(":")[0] if column.startswith(ALS) else column
            if column.startswith(ALS) and column != f"{ALS}:{weights.centre}":
                continue
            weight = weights.at(trials.activity[user]).get(signal, 0.0)
            scores += weight * trials.term(column)[user].astype(np.float64)
        hits = trials.hits[user][np.argsort(-scores, kind="stable")][np.newaxis, :K]
        found.append(ndcg(hits, trials.n_targets[[user]], k=K)[0])
    return float(np.mean(found))


def weight(learnt, signal, activity=5.0):
    return learnt.weights.at(activity).get(signal, 0.0)


def even(**signals):
    """The same weights for everybody."""
    said = {name.replace("_", ":"): (float(w),) * len(KNOTS) for name, w in signals.items()}
    return Weights(signals=said)


def finite(learnt):
    json.dumps(
        [learnt.weights.model_dump(), {a: list(g) for a, g in learnt.gains.items()}],
        allow_nan=False,
    )
    return min((min(weights) for weights in learnt.weights.signals.values()), default=0.0) >= 0.0


def learn(trials, signals, **policy):
    return Learner(trials).learn(signals, **policy)


def learn_all(trials, signals=(*BASE, NOISE, TRUE), *, centre="mean", repeat="always"):
    return learn(trials, signals, centre=centre, repeat=repeat)


@pytest.fixture(scope="module", autouse=True)
def one_step_cost():
    """Learning with each of several takes so much longer; a test of its own tries more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "STEP_COSTS", (1e-4,))
        yield


# What is found


@pytest.fixture(scope="module")
def found():
    return learn_all(planted())


def test_an_informative_axis_gets_weight_and_a_random_one_does_not(found):
    # Both count in nats, and so they do in what was planted: one for one.
    assert weight(found, TRUE) == pytest.approx(weight(found, POPULARITY), rel=0.4)
    assert NOISE not in found.weights.signals
    (gain, error), (noise, noise_error) = found.gains[TRUE], found.gains[NOISE]
    assert gain > 5 * error > 0
    assert noise <= STANDARD_ERRORS * noise_error
    assert finite(found)


def test_a_signal_that_tells_nothing_apart_gets_no_weight(found):
    everything = learn_all(planted(), (*BASE, TREND, TASTE, NOISE, TRUE))
    assert everything.weights == found.weights
    # Where nothing else is listed it stays: a list needs some order.
    assert learn_all(planted(), (TREND,)).weights.signals == {TREND: (1.0,) * len(KNOTS)}


def test_the_largest_weight_of_popularity_is_1(found):
    assert max(found.weights.signals[POPULARITY]) == pytest.approx(1.0)


def test_what_is_noise_weighs_next_to_nothing(found):
    for signal in (ALS, HABIT, NEIGHBOURS):
        spread = planted().term(MEAN if signal == ALS else signal).std()
        assert weight(found, signal) * spread < 0.15


def test_the_blend_beats_each_lone_signal_on_fresh_users(found):
    fresh = planted(seed=77)
    blend = measured(fresh, found.weights)
    for signal in (ALS, POPULARITY, HABIT, NEIGHBOURS, TRUE, NOISE):
        assert blend > measured(fresh, even(**{signal: 1.0})) + 0.05


def test_what_is_told_of_it_is_what_fresh_users_find(found):
    fresh = [measured(planted(seed), found.weights) for seed in (77, 78)]
    assert found.ndcg == pytest.approx(np.mean(fresh), abs=0.04)


@pytest.mark.parametrize("lone", [MEAN, NEIGHBOURS])
def test_the_one_signal_that_informs_outweighs_the_others(lone):
    trials = planted(lone=lone)
    learnt = learn_all(trials, BASE)
    signal = ALS if lone == MEAN else lone
    spread = {s: trials.term(MEAN if s == ALS else s).std() for s in BASE}
    others = [weight(learnt, s) * spread[s] for s in BASE if s != signal]
    assert weight(learnt, signal) * spread[signal] > 5 * max(others)


def test_the_same_axis_twice_gets_its_weight_once():
    trials = planted()
    copy = np.concatenate([trials.terms, trials.term(TRUE)[:, :, np.newaxis]], axis=2)
    both = replace(trials, columns=(*trials.columns, "prior:copy"), terms=copy)
    learnt = learn(both, (POPULARITY, "prior:copy", TRUE), centre="mean", repeat="always")
    assert len({"prior:copy", TRUE} & set(learnt.weights.signals)) == 1


def test_an_axis_of_permuted_users_mostly_gets_nothing():
    """Twenty draws of who is in which segment, which say nothing of what anybody buys."""
    taken = 0
    for seed in range(20):
        trials = planted(seed, n_users=90)
        shuffled = np.random.default_rng(seed + 1000).permutation(90)
        terms = trials.terms.copy()
        terms[:, :, trials.columns.index(TRUE)] = trials.term(TRUE)[shuffled]
        placebo = replace(trials, terms=terms)
        learnt = learn(placebo, (POPULARITY, TRUE), centre="mean", repeat="always")
        taken += TRUE in learnt.weights.signals
    assert taken <= 2


def test_an_axis_that_informs_of_the_cold_alone_weighs_there():
    """What the warm buy has nothing to do with their segment, however long they are known."""
    rng = np.random.default_rng(3)
    trials = planted(n_users=240)
    activity = np.where(np.arange(240) // 3 % 2 == 0, 0.0, 200.0)
    likings = trials.term(POPULARITY) + np.where(activity[:, np.newaxis] > 0, 0, trials.term(TRUE))
    hits = bought(rng, likings)
    n_items = np.where(activity > 0, 500, 0)
    mixed = replace(trials, hits=hits, activity=activity, n_items=n_items)
    learnt = learn(mixed, (POPULARITY, TRUE), centre="mean", repeat="always")
    cold, warm = (weight(learnt, TRUE, n) / weight(learnt, POPULARITY, n) for n in (0.0, 200.0))
    assert cold > 0.5 and warm < cold / 3


def test_what_a_step_between_knots_costs_is_chosen_on_cases_it_had_no_part_in(monkeypatch):
    """Popularity is what the cold buy, and the warm buy what is near to their history."""
    rng, trials = np.random.default_rng(6), planted(n_users=63)
    activity = rng.choice([0.0, 1.0, 3.0, 8.0, 20.0, 60.0, 200.0], size=63)
    near = 4.0 * (trials.term(NEIGHBOURS) - 0.5) * (activity > 5)[:, np.newaxis]
    hits = bought(rng, trials.term(POPULARITY) * (activity <= 5)[:, np.newaxis] + near)
    mixed = replace(trials, hits=hits, activity=activity)

    def heldout(*costs):
        monkeypatch.setattr(learning, "STEP_COSTS", costs)
        return learn_all(mixed, (POPULARITY, NEIGHBOURS)).ndcg

    dear, cheap = heldout(10.0), heldout(1e-5)
    assert dear != cheap
    assert heldout(10.0, 1e-5) == heldout(1e-5, 10.0) == max(dear, cheap)


def test_the_weight_of_an_axis_moves_in_one_of_the_shapes(found):
    mine = np.asarray(found.weights.signals[TRUE])
    shapes = [np.asarray(shape, dtype=np.float64) for shape in SHAPES]
    assert any(np.allclose(mine, mine.max() * shape) for shape in shapes)


# The centre of the fold-in


def centred(at_segments, at_mean):
    """How much of what is liked the factors say around either centre."""
    trials, rng = planted(), np.random.default_rng(8)
    liking = rng.normal(size=trials.hits.shape)
    terms = trials.terms.copy()
    for column, share in ((SEGMENTS, at_segments), (MEAN, at_mean)):
        noise = rng.normal(size=liking.shape)
        terms[:, :, trials.columns.index(column)] = share * liking + (1 - share) * noise
    return replace(trials, terms=terms, hits=bought(rng, 2 * liking))


def test_the_centre_moves_to_the_segments_where_that_earns_something():
    learnt = learn(centred(0.9, 0.5), (ALS, POPULARITY), centre="segments", repeat="always")
    assert learnt.weights.centre == "segments"
    gain, error = learnt.gains["centre"]
    assert gain > STANDARD_ERRORS * error > 0
    assert set(learnt.weights.signals) == {ALS, POPULARITY}


@pytest.mark.parametrize(("at_segments", "at_mean"), [(0.5, 0.9), (0.7, 0.7)])
def test_where_it_earns_nothing_the_centre_stays(at_segments, at_mean):
    trials = centred(at_segments, at_mean)
    learnt = learn(trials, (ALS, POPULARITY), centre="segments", repeat="always")
    assert learnt.weights.centre == "mean"
    assert "centre" in learnt.gains


def test_a_centre_that_is_not_asked_for_is_not_tried():
    trials = centred(0.9, 0.5)
    learnt = learn(trials, (ALS, POPULARITY), centre="mean", repeat="always")
    assert (learnt.weights.centre, learnt.gains) == ("mean", {})
    learnt = learn(trials, (POPULARITY,), centre="segments", repeat="always")
    assert (learnt.weights.centre, learnt.gains) == ("mean", {})


# Repeat policies


def with_known(seed=0):
    """Every third candidate was bought before; only habit tells which of those come again."""
    trials, rng = planted(seed), np.random.default_rng(9)
    known = np.zeros(trials.hits.shape, dtype=bool)
    known[:, ::3] = True
    again = known & (rng.random(known.shape) < 0.3)
    hits = (trials.hits & ~known) | again
    terms = trials.terms.copy()
    terms[:, :, trials.columns.index(HABIT)] = 3.0 * again + known
    return replace(
        trials,
        terms=terms,
        hits=hits,
        bought=known,
        n_targets=np.maximum(hits.sum(axis=1), 1),
        n_new=(hits & ~known).sum(axis=1),
    )


def test_who_never_repeats_learns_on_new_items_alone():
    trials = with_known()
    signals = (POPULARITY, HABIT, TRUE)
    never = learn_all(trials, signals, repeat="never")
    alone = replace(trials, listed=~trials.bought, n_targets=trials.n_new)
    assert never == learn_all(alone, signals, repeat="always")
    assert weight(never, TRUE) > 0.3
    assert (trials.n_new == 0).any()  # some have nothing new to find: they count nothing


def test_habit_weighs_more_where_known_items_are_listed():
    signals = (POPULARITY, HABIT, NEIGHBOURS)
    always, never = (learn_all(with_known(), signals, repeat=r) for r in ("always", "never"))
    assert weight(always, HABIT) > max(2 * weight(never, HABIT), 0.5)


def test_learned_is_always_but_for_what_nobody_buys_twice():
    trials = with_known()
    both = (POPULARITY, HABIT)
    assert learn_all(trials, both, repeat="learned") == learn_all(trials, both, repeat="always")
    once = replace(trials, once=np.ones_like(trials.bought))
    hidden = replace(once, listed=~trials.bought)
    assert learn_all(once, both, repeat="learned") == learn_all(hidden, both, repeat="always")


# What counts as one observation


def test_a_single_window_is_dealt_into_folds_of_users():
    trials = planted()
    trials = replace(trials, window=np.zeros(120, dtype=np.int64), owner=np.arange(120) // 2)
    as_windows = replace(trials, window=trials.owner % FOLDS)
    signals = (POPULARITY, HABIT, TRUE, NOISE)
    one, other = learn_all(trials, signals), learn_all(as_windows, signals)
    assert (one.weights, one.ndcg) == (other.weights, other.ndcg)
    for axis, gain in one.gains.items():
        assert gain == pytest.approx(other.gains[axis])
    assert learn_all(planted(), signals).ndcg != one.ndcg


def test_a_user_who_is_asked_again_and_again_is_one_observation():
    trials = planted(n_users=90)
    again = np.repeat(np.arange(90), 5)
    many = Trials(
        trials.columns,
        *(
            getattr(trials, name)[again]
            for name in trials.__dataclass_fields__
            if name != "columns"
        ),
    )
    others = replace(many, owner=np.arange(450))

    def tried(trials):
        return learn(trials, (POPULARITY, TRUE), centre="mean", repeat="always").gains[TRUE]

    once, again_and_again, naive = (tried(one) for one in (trials, many, others))
    assert again_and_again == pytest.approx(once, rel=0.1)
    assert naive == pytest.approx((once[0], once[1] / math.sqrt(5)), rel=0.1)


def test_the_order_of_the_cases_changes_no_finding(found):
    trials = planted()
    order = np.random.default_rng(4).permutation(120)
    names = [name for name in trials.__dataclass_fields__ if name != "columns"]
    moved = Trials(trials.columns, *(getattr(trials, name)[order] for name in names))
    one, other = found, learn_all(moved)
    assert learn_all(trials) == one
    # Whatever else the same learner has learnt before.
    learner = Learner(trials)
    learner.learn((POPULARITY, TRUE), centre="mean", repeat="never")
    learner.learn(BASE, centre="segments", repeat="always")
    assert learner.learn((*BASE, NOISE, TRUE), centre="mean", repeat="always") == one
    assert other.weights.signals.keys() == one.weights.signals.keys()
    assert other.ndcg == pytest.approx(one.ndcg, abs=0.005)
    for signal in (POPULARITY, TRUE):
        assert weight(other, signal) == pytest.approx(weight(one, signal), abs=0.05)


# Shops with nothing to find


def first(trials, n_users):
    names = [name for name in trials.__dataclass_fields__ if name != "columns"]
    return Trials(trials.columns, *(getattr(trials, name)[:n_users] for name in names))


@pytest.mark.parametrize("n_users", [0, 1, 2, 4])
@pytest.mark.parametrize("name", BUILT_IN)
def test_hardly_any_users_give_finite_weights(n_users, name):
    recipe = BUILT_IN[name]
    signals = make_variant(name, recipe).signals({"true": None, "noise": None})
    learnt = learn(first(planted(), n_users), signals, centre="segments", repeat=recipe.repeat)
    assert finite(learnt)
    if n_users == 0:
        assert learnt.weights == unlearnt(signals).weights
        assert learnt.gains == {}


def test_where_nobody_is_asked_for_anything_weights_are_not_learnt():
    trials = planted(n_users=30)
    nothing = replace(
        trials, hits=np.zeros_like(trials.hits), n_targets=np.zeros(30, dtype=np.int64)
    )
    learnt = learn_all(nothing)
    assert learnt.weights == unlearnt(BASE).weights
    assert math.isnan(learnt.ndcg)


def test_a_window_in_which_nothing_can_be_found_keeps_the_proportions_of_the_start():
    trials = planted(n_users=30)
    learnt = learn_all(replace(trials, hits=np.zeros_like(trials.hits)))
    assert learnt.ndcg == 0.0
    for signal in BASE:
        expected = [START[signal] / START[POPULARITY]] * len(KNOTS)
        assert learnt.weights.signals[signal] == pytest.approx(expected)
    assert finite(learnt)


@pytest.mark.parametrize("alone", BASE)
def test_a_lone_signal_is_never_lost(alone):
    """The worse the signal is, the better would be no order at all."""
    trials = planted()
    terms = trials.terms.copy()
    for column in (MEAN, SEGMENTS) if alone == ALS else (alone,):
        terms[:, :, trials.columns.index(column)] = -np.cumsum(trials.hits, axis=1)
    learnt = learn(replace(trials, terms=terms), (alone,), centre="mean", repeat="always")
    assert learnt.weights == even(**{alone: 1.0})


def test_priors_alone_are_weights_too():
    learnt = learn(planted(), (TRUE,), centre="segments", repeat="always")
    assert list(learnt.weights.signals) == [TRUE]
    assert max(learnt.weights.signals[TRUE]) == 1.0
    nothing = learn(planted(), (NOISE,), centre="segments", repeat="always")
    assert finite(nothing)


def test_without_windows_there_are_default_weights():
    learnt = unlearnt((*BASE, TRUE))
    assert learnt.weights == even(**{signal: START[signal] for signal in BASE})
    assert learnt.weights.centre == "mean"
    assert math.isnan(learnt.ndcg)
    assert learnt.gains == {}


def test_where_nothing_may_be_listed_weights_are_not_learnt():
    trials = planted(n_users=30)
    closed = replace(trials, bought=np.ones_like(trials.hits))
    learnt = learn_all(closed, BASE, repeat="never")
    assert learnt.weights == unlearnt(BASE).weights
