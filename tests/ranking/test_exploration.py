"""Draws whose probabilities are known: against every list there can be, counted over many seeds."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recsys.ranking.arrangement import arrange, candidates_of
from recsys.ranking.diversity import Mmr, by_category
from recsys.ranking.exploration import (
    PlackettLuceConfig,
    SwapsConfig,
    draws,
    logged_chances,
    place_chances,
)
from recsys.ranking.in_force import Cap, InForce, Pins, Requirement

SCORES = np.asarray([1.0, 0.4, 0.4, -0.3, -0.5, -2.0])
CODES = np.asarray([0, 0, 1, 1, -1, 0])
N, K = len(SCORES), 3
LUCE = PlackettLuceConfig(kind="plackett_luce", temperature=0.7, depth=4)
SWAPS = SwapsConfig(kind="swaps", chance=0.6, depth=3)

FREE = InForce()
CAPPED = InForce(caps=(Cap("cap", CODES, np.asarray(["a", "b"]), 1, None),))
PINNED = InForce(pins=(Pins("pin", ("i5",), np.asarray([5]), 2),))
BOUND = InForce(caps=CAPPED.caps, requirements=(Requirement("need", np.arange(N) == 4, 1, None),))
SITUATIONS = {"free": FREE, "capped": CAPPED, "pinned": PINNED, "bound": BOUND}


def listed(config, in_force=FREE, *, seed=0, user="u", request="r", objective=None):
    luck = draws(config, seed=seed, user_id=user, request_id=request, k=K)
    candidates = candidates_of(SCORES, np.ones(N, dtype=np.bool_))
    return arrange(candidates, in_force, k=K, draws=luck, objective=objective)


def may_follow(above, situation):
    """What may take the next place, by the definition of each situation."""
    left = [i for i in range(N) if i not in above]
    if situation == "pinned":
        return [5] if len(above) == 1 else [i for i in left if i != 5]
    if situation in ("capped", "bound"):
        taken = {CODES[i] for i in above} - {-1}
        left = [i for i in left if CODES[i] not in taken]
    if situation == "bound" and len(above) == K - 1 and 4 not in above:
        return [4]
    return left


def chances(config, left):
    """Candidate -> probability, by the definition."""
    best = sorted(left, key=lambda i: (-SCORES[i], i))[: config.depth]
    if config is LUCE:
        weights = [np.exp(SCORES[i] / config.temperature) for i in best]
        return {i: weight / sum(weights) for i, weight in zip(best, weights, strict=True)}
    even = {i: config.chance / len(best) for i in best}
    return {**even, best[0]: even[best[0]] + 1 - config.chance}


def every_list(config, situation, above=(), probability=1.0):
    """Each list there can be -> its probability."""
    if len(above) == K:
        return {above: probability}
    found = {}
    for item, chance in chances(config, may_follow(above, situation)).items():
        found |= every_list(config, situation, (*above, item), probability * chance)
    return found


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("config", [LUCE, SWAPS], ids=["luce", "swaps"])
def test_lists_come_as_often_as_they_say(config, situation):
    expected = every_list(config, situation)
    assert sum(expected.values()) == pytest.approx(1.0)
    n = 500
    seen = Counter()
    for seed in range(n):
        found = listed(config, SITUATIONS[situation], seed=seed)
        order = tuple(found.items.tolist())
        seen[order] += 1
        assert found.log_probability == pytest.approx(np.log(expected[order]))
    counts = np.asarray([seen[order] for order in expected])
    means = n * np.asarray(list(expected.values()))
    # Lists too rare for the test's approximation are counted as one.
    rare = means < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    awaited = np.append(means[~rare], means[rare].sum())
    filled = awaited > 0
    assert stats.chisquare(observed[filled], awaited[filled]).pvalue > 0.001


def test_a_place_that_is_not_drawn_is_certain():
    found = listed(LUCE, PINNED)
    assert found.items[1] == 5
    assert found.propensities[1] == 1.0


def test_a_draw_under_a_second_aim_goes_by_its_utilities():
    found = listed(LUCE, objective=Mmr(0.5, by_category(CODES)))
    first, second = found.items[:2].tolist()
    weight = 0.5 / 0.5 * (SCORES.max() - SCORES.min())
    alike = (CODES[first] == CODES) & (CODES >= 0)
    utilities = {i: SCORES[i] - weight * alike[i] for i in range(N) if i != first}
    best = sorted(utilities, key=lambda i: (-utilities[i], i))[: LUCE.depth]
    weights = {i: np.exp(utilities[i] / LUCE.temperature) for i in best}
    assert found.propensities[1] == pytest.approx(weights[second] / sum(weights.values()))


def test_only_seed_user_and_request_change_the_draw():
    def numbers(**other):
        who = {"seed": 1, "user_id": "u", "request_id": "r", "k": 4, **other}
        return draws(LUCE, **who).numbers.tolist()

    first = numbers()
    others = [numbers(**other) for other in ({"seed": 2}, {"user_id": "v"}, {"request_id": "s"})]
    assert first not in others
    assert numbers() == first
    assert numbers(k=9)[:4] == first


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8),
    st.one_of(
        st.floats(1e-3, 1e3).map(
            lambda t: PlackettLuceConfig(kind="plackett_luce", temperature=t, depth=8)
        ),
        st.floats(0, 1).map(lambda c: SwapsConfig(kind="swaps", chance=c, depth=8)),
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_probabilities_sum_to_one_and_none_that_is_drawn_is_zero(utilities, config, number):
    ordered = np.sort(utilities)[::-1]
    assert config.probabilities(ordered).sum() == pytest.approx(1.0)
    luck = draws(config, seed=0, user_id="u", request_id="r", k=1)
    chosen, probability = luck._replace(numbers=np.asarray([number])).choose(0, ordered)
    assert probability == config.probabilities(ordered)[chosen] > 0


def test_without_chance_and_at_no_temperature_the_best_is_listed():
    never = SwapsConfig(kind="swaps", chance=0.0, depth=3)
    cold = PlackettLuceConfig(kind="plackett_luce", temperature=1e-4, depth=1)
    for config in (never, cold):
        for seed in range(20):
            found = listed(config, seed=seed)
            assert found.items.tolist() == [0, 1, 2]
            assert found.log_probability == 0.0


@pytest.mark.parametrize("config", [LUCE, SWAPS], ids=["luce", "swaps"])
def test_chances_of_places_are_those_of_every_list(config) -> None:
    exact = np.zeros((K, N))
    for shown, probability in every_list(config, "free").items():
        for place, item in enumerate(shown):
            exact[place, item] += probability
    rng = np.random.default_rng(0)
    found = place_chances(config, SCORES, K, n_draws=20_000, rng=rng)
    assert found.sum(axis=1) == pytest.approx(np.ones(K))
    assert found == pytest.approx(exact, abs=0.01)
    # Of the first place nothing is drawn.
    assert found[0] == pytest.approx(exact[0])


@pytest.mark.parametrize("config", [LUCE, SWAPS], ids=["luce", "swaps"])
def test_logged_chances_are_those_that_were_drawn_by(config) -> None:
    for request in "abcdef":
        arranged = listed(config, request=request)
        found = logged_chances(config, SCORES, arranged.items)
        assert found == pytest.approx(arranged.propensities)
    assert logged_chances(config, SCORES, np.array([0, -1, 1]))[1] == 0
