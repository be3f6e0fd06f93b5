"""Smooth NDCG against the real one, finite differences and slow loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.ranking import smooth
from recsys.ranking.blend import KNOTS
from recsys.ranking.smooth import (
    FEWEST,
    SOFT_END,
    Blend,
    K,
    _smooth,
    cases_of,
    climb,
    narrowed,
)
from recsys.ranking.trials import Trials

NAMES = ("a", "b", "c")
COST = 1e-4
EACH = np.eye(len(KNOTS))
"""A weight for each knot."""


def trials_of(seed, n_users=12, n_items=30, *, missed=1):
    """Candidates of which some may not be listed, some hits, and targets that are not found."""
    rng = np.random.default_rng(seed)
    shape = (n_users, n_items)
    listed = rng.random(shape) < 0.9
    hits = (rng.random(shape) < 0.15) & listed
    n_targets = hits.sum(axis=1) + missed * rng.integers(3, size=n_users)
    bought = (rng.random(shape) < 0.2) & listed
    return Trials(
        NAMES,
        rng.normal(size=(*shape, 3)).astype(np.float32),
        listed,
        hits,
        bought,
        rng.random(shape) < 0.5,
        n_targets,
        np.maximum(n_targets - (hits & bought).sum(axis=1), 0),
        rng.uniform(0, 40, size=n_users),
        rng.integers(0, 150, size=n_users),
        rng.integers(3, size=n_users),
        np.arange(n_users),
    )


def blend_of(rng):
    return Blend(NAMES, rng.uniform(0.1, 2, size=(3, len(KNOTS))))


def even(*weights, columns=NAMES):
    """The same weights for everybody."""
    return Blend(columns[: len(weights)], np.tile(np.asarray([weights]).T, len(KNOTS)))


def slow_scores(trials, blend):
    scores = np.zeros(trials.hits.shape)
    for user in range(len(scores)):
        place = np.log1p(trials.activity[user])
        for number, name in enumerate(blend.columns):
            weight = np.interp(place, np.log1p(KNOTS), blend.weights[number])
            scores[user] += weight * trials.term(name)[user].astype(np.float64)
    return scores


def slow_ndcg(trials, scores, repeat):
    """Each case by itself: sort what may be listed, and add up the gains of ten places."""
    found = []
    for user in range(len(scores)):
        allowed = trials.possible(repeat)[user]
        order = np.argsort(-scores[user][allowed])
        ranked = trials.hits[user][allowed][order][:K]
        gain = sum(1 / math.log2(place + 2) for place, hit in enumerate(ranked) if hit)
        best = min(int(trials.n_relevant(repeat)[user]), K)
        ideal = sum(1 / math.log2(place + 2) for place in range(best))
        found.append(gain / ideal if ideal else 0.0)
    return np.asarray(found)


# The real measure


@pytest.mark.parametrize("repeat", ["never", "learned", "always"])
@pytest.mark.parametrize("n_items", [3, 10, 30])
def test_scores_and_ndcg_are_those_of_the_slow_loops(repeat, n_items):
    trials = trials_of(n_items, n_items=n_items)
    blend = blend_of(np.random.default_rng(1))
    expected = slow_scores(trials, blend)
    found = blend.scores(trials)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    cases = cases_of(trials, repeat)
    np.testing.assert_allclose(cases.ndcg(found), slow_ndcg(trials, expected, repeat))


def test_a_column_without_weight_adds_nothing_and_may_be_taken_in_later():
    trials = trials_of(1)
    more = even(1.0).having("c")
    assert more.columns == ("a", "c")
    np.testing.assert_array_equal(more.scores(trials), trials.term("a"))
    np.testing.assert_array_equal(more.scores(trials, np.asarray([4, 2])), trials.term("a")[[4, 2]])
    moved = more.moved(("c",), np.arange(float(len(KNOTS))))
    assert moved.weights.tolist() == [[1.0] * len(KNOTS), list(range(len(KNOTS)))]
    assert not more.weights[1].any()


def test_bins_of_activity_weigh_the_same_unless_hardly_anybody_is_in_one():
    sizes = {0: FEWEST, 2: 800, 7: 400, 20: 310, 50: FEWEST + 1, 500: 11}
    n_items = np.repeat(list(sizes), list(sizes.values()))
    trials = trials_of(2, n_users=len(n_items))
    ones = np.ones(len(n_items), dtype=np.int64)
    cases = cases_of(replace(trials, n_items=n_items, n_targets=ones), "always")
    for size, number in sizes.items():
        np.testing.assert_allclose(cases.counts[n_items == size], 1 / max(number, FEWEST))


def test_a_case_without_anything_to_find_counts_nothing():
    trials = trials_of(3)
    bare = replace(trials, n_targets=np.where(np.arange(12) < 4, 0, 1))
    assert np.flatnonzero(cases_of(bare, "always").counts).tolist() == list(range(4, 12))
    new = replace(bare, n_new=np.where(np.arange(12) < 7, 0, 1))
    assert np.flatnonzero(cases_of(new, "never").counts).tolist() == list(range(7, 12))


def test_the_mean_is_weighed_by_what_cases_count():
    trials = trials_of(4)
    cases = replace(cases_of(trials, "always"), counts=np.asarray([3.0, 1.0] + [0.0] * 10))
    values = np.arange(12.0)
    assert cases.mean(values) == pytest.approx(0.25)
    assert cases.mean(values, np.arange(12) > 0) == pytest.approx(1.0)


# The smooth one


def smooth_of(trials, blend, free=NAMES, repeat="always", basis=EACH):
    cases = cases_of(trials, repeat)
    rows = np.flatnonzero((cases.counts > 0) & (cases.possible & trials.hits).any(axis=1))
    return cases, rows, _smooth(cases, blend, rows, free, basis)


def as_doubles(found):
    return found._replace(
        fixed=found.fixed.astype(np.float64), inputs=found.inputs.astype(np.float64)
    )


def weights_of(blend, free, found):
    return (blend.weights[blend.places(free)] * found.spread[:, np.newaxis]).ravel()


def smooth_ndcg(blend, free, found):
    """Without what restrains the weights."""
    weights = weights_of(blend, free, found)
    held, _ = smooth._restraint(weights.reshape(len(free), -1), COST)
    return held - found.loss(weights, COST)[0]


@pytest.mark.parametrize("free", [NAMES, ("b",), ("c", "a")])
@pytest.mark.parametrize("repeat", ["never", "always"])
@pytest.mark.parametrize("seed", range(3))
def test_the_slope_is_that_of_finite_differences(seed, free, repeat):
    blend = blend_of(np.random.default_rng(seed))
    _, _, found = smooth_of(trials_of(seed), blend, free, repeat)
    found = as_doubles(found)
    # Steps and weights that float32 holds exactly: the rounding would be larger than the step.
    step = 2.0**-10
    at = np.round(weights_of(blend, free, found) / step) * step
    _, slope = found.loss(at, COST)
    expected = []
    for number in range(len(at)):
        moved = [at + sign * step * (np.arange(len(at)) == number) for sign in (1, -1)]
        expected.append(
            (found.loss(moved[0], COST)[0] - found.loss(moved[1], COST)[0]) / (2 * step)
        )
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-5)
    assert np.abs(slope).max() > 1e-3


def test_the_slope_along_a_shape_is_that_of_finite_differences():
    blend, shape = blend_of(np.random.default_rng(5)), np.linspace(1.0, 0.0, len(KNOTS))
    _, _, found = smooth_of(trials_of(5), blend, ("a", "b"), basis=shape[np.newaxis])
    found, step, at = as_doubles(found), 2.0**-10, np.asarray([0.5, 1.25])
    _, slope = found.loss(at, COST)
    for number in range(2):
        moved = step * (np.arange(2) == number)
        rise = found.loss(at + moved, COST)[0] - found.loss(at - moved, COST)[0]
        assert slope[number] == pytest.approx(rise / (2 * step), rel=1e-3, abs=1e-5)


def soft_gain(rank):
    """What a hit is worth: the list ends within about `SOFT_END` ranks of place ten."""
    return 1 / (1 + math.exp((rank - K - 0.5) / SOFT_END)) / math.log2(1 + rank)


def counted(trials, cases, rows, gain):
    """The mean over cases of the gains of the hits by their real ranks."""
    total = cases.counts[rows].sum()
    value = 0.0
    for user in rows:
        scores = np.where(cases.possible[user], trials.term("a")[user], -np.inf)
        ideal = sum(1 / math.log2(p + 2) for p in range(min(trials.n_targets[user], K)))
        for place in np.flatnonzero(trials.hits[user] & cases.possible[user]):
            rank = 1 + int((scores > scores[place]).sum())
            value += cases.counts[user] / total * gain(rank) / ideal
    return value


@pytest.mark.parametrize("seed", range(3))
def test_the_larger_the_scores_the_closer_it_is_to_the_ranks_themselves(seed):
    trials = trials_of(seed)
    distances = []
    for scale in (0.1, 3.0, 3000.0):
        blend = even(scale)
        cases, rows, found = smooth_of(trials, blend, ("a",))
        value = smooth_ndcg(blend, ("a",), found)
        distances.append(abs(value - counted(trials, cases, rows, soft_gain)))
    assert distances[0] > 10 * distances[2]
    assert distances[2] < 0.003


def test_with_a_hard_end_it_tends_to_ndcg(monkeypatch):
    monkeypatch.setattr(smooth, "SOFT_END", 1e-3)
    trials = trials_of(7)
    blend = even(1e4)
    cases, rows, found = smooth_of(trials, blend, ("a",))
    value = smooth_ndcg(blend, ("a",), found)
    ndcg = cases.ndcg(blend.scores(trials))
    assert value == pytest.approx(cases.mean(ndcg, np.isin(np.arange(12), rows)), abs=0.002)


def test_what_may_not_be_listed_stands_above_nothing():
    trials = trials_of(8)
    barred = trials.bought
    terms = trials.terms.copy()
    terms[barred] += 100.0
    blend = blend_of(np.random.default_rng(8))
    values = []
    for one in (trials, replace(trials, terms=terms)):
        _, _, found = smooth_of(one, blend, repeat="never")
        values.append(smooth_ndcg(blend, NAMES, found))
    assert values[0] == pytest.approx(values[1], abs=1e-6)


# Climbing


def test_the_dearer_a_step_between_knots_the_more_alike_their_weights():
    """Half of the activities like the first column, half the second."""
    trials = trials_of(14, n_users=120, n_items=40)
    likes = trials.term("a").copy()
    likes[::2] = trials.term("b")[::2]
    activity = np.where(np.arange(120) % 2 == 0, 3.0, 60.0)
    hits = likes >= np.sort(likes, axis=1)[:, [-3]]
    planted = replace(trials, activity=activity, hits=hits & trials.listed)
    cases, everybody = cases_of(planted, "always"), np.ones(120, dtype=bool)
    steps, found = [], []
    for cost in (1e-6, 1e-3, 1.0):
        after = climb(cases, even(1.0, 1.0, 1.0), everybody, NAMES, cost)
        steps.append(np.abs(np.diff(after.weights[:2, 1:])).sum())
        found.append(cases.mean(cases.ndcg(after.scores(planted))))
    assert steps[0] > steps[1] > steps[2]
    assert found[0] > found[2] + 0.05


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([NAMES, ("b",), ("a", "c")]))
def test_climbing_never_lowers_it_on_what_it_is_learnt_on(seed, free):
    trials = trials_of(seed)
    cases = cases_of(trials, "always")
    before = blend_of(np.random.default_rng(seed))
    after = climb(cases, before, np.ones(12, dtype=bool), free, COST)

    def loss(blend):
        # The units of the start: the ridge is on weights times spread.
        _, _, found = smooth_of(trials, before, free)
        return found.loss(weights_of(blend, free, found), COST)[0]

    assert loss(after) <= loss(before) + 1e-6
    assert (after.weights >= 0).all()
    fixed = [number for number, name in enumerate(NAMES) if name not in free]
    assert after.weights[fixed].tolist() == before.weights[fixed].tolist()
    assert after.columns == before.columns


def test_cases_that_are_kept_out_play_no_part():
    trials = trials_of(11)
    kept = np.arange(12) % 3 > 0
    other = replace(trials, terms=trials.terms.copy(), hits=trials.hits.copy())
    other.terms[~kept] = np.random.default_rng(0).normal(size=other.terms[~kept].shape)
    other.hits[~kept] = ~other.hits[~kept]
    start = blend_of(np.random.default_rng(2))
    one, two = (climb(cases_of(t, "always"), start, kept, NAMES, COST) for t in (trials, other))
    assert one.weights.tolist() == two.weights.tolist() != start.weights.tolist()


def test_where_nothing_can_be_found_nothing_moves():
    trials = trials_of(12)
    start = blend_of(np.random.default_rng(2))
    nothing = replace(trials, hits=np.zeros_like(trials.hits))
    everybody = np.ones(12, dtype=bool)
    assert climb(cases_of(nothing, "always"), start, everybody, NAMES, COST) is start
    assert climb(cases_of(trials, "always"), start, ~everybody, NAMES, COST) is start


def test_a_shape_is_kept_and_only_its_height_is_learnt():
    trials = trials_of(15, n_users=40)
    planted = replace(trials, terms=trials.terms.copy())
    planted.terms[:, :, 1] += 1.5 * trials.hits
    cases, shape = cases_of(planted, "always"), np.linspace(1.0, 0.0, len(KNOTS))
    start = even(1.0).having("b")
    after = climb(cases, start, np.ones(40, dtype=bool), ("b",), COST, shape=shape)
    np.testing.assert_allclose(after.weights[1], after.weights[1, 0] * shape)
    assert after.weights[1, 0] > 0.5
    assert after.weights[0].tolist() == start.weights[0].tolist()


def test_targets_below_the_best_candidates_move_nothing_and_break_nothing():
    trials = trials_of(16, n_items=120)
    last = np.argsort(-trials.term("a"), axis=1)[:, -5:]
    hits = np.zeros_like(trials.hits)
    np.put_along_axis(hits, last, True, axis=1)
    # Who cannot see the target lists it last, whatever else weighs.
    cases = cases_of(replace(trials, hits=hits & trials.listed), "always")
    after = climb(cases, even(50.0), np.ones(12, dtype=bool), ("a",), COST)
    assert np.isfinite(after.weights).all()


def test_without_columns_there_is_nothing_to_climb():
    nothing = Blend((), np.zeros((0, len(KNOTS))))
    trials = trials_of(17)
    cases = cases_of(trials, "always")
    assert climb(cases, nothing, np.ones(12, dtype=bool), (), COST) is nothing
    assert not nothing.scores(trials).any()


def test_the_mean_of_nobody_is_0():
    cases = cases_of(trials_of(18), "always")
    assert cases.mean(np.ones(12), np.zeros(12, dtype=bool)) == 0.0


@pytest.mark.parametrize("repeat", ["never", "always"])
def test_narrowed_cases_keep_the_best_candidates_and_what_is_to_be_found(monkeypatch, repeat):
    monkeypatch.setattr(smooth, "NARROW", 15)
    trials, blend = trials_of(19), blend_of(np.random.default_rng(19))
    cases = cases_of(trials, repeat)
    near = narrowed(cases, blend)
    assert near.possible.shape == (12, 15)
    np.testing.assert_allclose(
        near.ndcg(blend.scores(near.trials)), cases.ndcg(blend.scores(trials))
    )
    assert near.counts.tolist() == cases.counts.tolist()
    assert near.n_relevant.tolist() == cases.n_relevant.tolist()
    # Only those may be listed that might have been before.
    scores = np.where(cases.possible, blend.scores(trials), -np.inf)
    expected = np.minimum(cases.possible.sum(axis=1), 15)
    assert near.possible.sum(axis=1).tolist() == expected.tolist()
    mine = np.where(near.possible, blend.scores(near.trials), -np.inf)
    np.testing.assert_allclose(
        np.sort(mine, axis=1)[:, ::-1], np.sort(scores, axis=1)[:, ::-1][:, :15], rtol=1e-5
    )


def test_more_candidates_than_are_made_smooth_still_climb():
    trials = trials_of(13, n_users=60, n_items=120)
    planted = replace(trials, terms=trials.terms.copy())
    planted.terms[:, :, 1] += 1.5 * trials.hits
    cases = cases_of(planted, "always")
    start = even(1.0, 1.0, 1.0)
    after = climb(cases, start, np.ones(60, dtype=bool), NAMES, COST)
    gain = cases.mean(cases.ndcg(after.scores(planted)) - cases.ndcg(start.scores(planted)))
    assert gain > 0.1
    mine = after.weights[1] @ trials.shares.mean(axis=0)
    assert mine > 2 * max(after.weights[[0, 2]] @ trials.shares.mean(axis=0))
