"""What a ranking would have earned: on lists drawn by lot from a truth that is known."""

import numpy as np
import pytest

from recsys.experiments.counterfactual import (
    DECIDES,
    NOTHING,
    Slates,
    cascade_weights,
    evaluate,
    place_weights,
    reward_model,
)
from recsys.ranking.exploration import SwapsConfig, place_chances

ITEMS, K, DEPTH, CHANCE = 12, 4, 6, 0.3
LOOKS = 1.0 / np.arange(1, K + 1)
LIKED = np.linspace(0.2, 0.6, ITEMS)
AT = place_chances(
    SwapsConfig(kind="swaps", chance=CHANCE, depth=DEPTH),
    -np.arange(ITEMS, dtype=float),
    K,
    n_draws=20_000,
    rng=np.random.default_rng(0),
)
LOGGED = float((AT @ LIKED * LOOKS).sum())
"""Clicks that a list drawn by lot is worth."""


def lists_by_lot(rng, n):
    """Draw lists by swaps around item order, with the chance of each place given those above."""
    shown, propensities = np.empty((n, K), dtype=np.int64), np.empty((n, K))
    for row in range(n):
        left = list(range(ITEMS))
        for place in range(K):
            best = left[:DEPTH]
            luck = rng.random() < CHANCE
            item = best[int(rng.integers(DEPTH))] if luck else best[0]
            propensities[row, place] = CHANCE / DEPTH + (1 - CHANCE) * (item == best[0])
            shown[row, place] = item
            left.remove(item)
    return shown, propensities


def slates(seed, n, wanted, each=3):
    rng = np.random.default_rng(seed)
    shown, propensities = lists_by_lot(rng, n)
    marginals = AT[np.arange(K), shown]
    rewards = (rng.random((n, K)) < LOOKS * LIKED[shown]).astype(float)
    users = np.arange(n) // each
    return Slates(rewards, shown, np.tile(wanted, (n, 1)), propensities, marginals, users), (
        LOOKS * LIKED[np.array(wanted)]
    ).sum()


@pytest.mark.parametrize("wanted", [[0, 1, 2, 3], [3, 1, 0, 2], [2, 4, 5, 1]])
def test_the_truth_lies_within_their_errors(wanted):
    found, truth = {}, 0.0
    for seed in range(40):
        some, truth = slates(seed, 1500, wanted)
        for name, value in evaluate(some).values.items():
            found.setdefault(name, []).append((value.mean - truth) / value.error)
    for name in ("IPS", "SNIPS", DECIDES, "self-normalised doubly robust"):
        z = np.array(found[name])
        assert len(z) >= 35, name
        assert 0.7 < np.sqrt((z**2).mean()) < 1.35, name
        assert abs(z.mean()) < 0.5, name


def test_a_model_takes_noise_away():
    """Errors of doubly robust values are smaller than those of inverse propensities."""
    some, _ = slates(1, 6000, [2, 4, 5, 1])
    values = evaluate(some).values
    assert values[DECIDES].error < values["IPS"].error


def test_the_difference_is_relative_and_has_an_interval():
    held = 0
    for seed in range(40):
        some, truth = slates(seed, 3000, [5, 4, 3, 2])
        gain = truth / LOGGED - 1
        found = evaluate(some).difference
        assert found.low < found.mean < found.high
        held += found.low <= gain <= found.high
    assert 34 <= held <= 40


def test_what_was_never_shown_is_not_known():
    some, _ = slates(1, 3000, [9, 10, 11, 8])
    found = evaluate(some)
    assert not found.identified.holds
    assert (found.values, found.difference) == ({}, None)
    assert any("mean weight" in why for why in found.identified.why_not)


def test_a_place_nobody_was_shown_is_not_hidden_by_the_others():
    some, _ = slates(1, 4000, [11, 1, 2, 3])
    found = evaluate(some)
    assert any("shows at place 1 what was hardly ever" in why for why in found.identified.why_not)
    assert found.values == {}


def test_without_luck_only_the_same_list_is_known():
    some, _ = slates(1, 500, [0, 1, 2, 3])
    plain = some._replace(
        shown=np.tile([0, 1, 2, 3], (500, 1)),
        propensities=np.ones_like(some.propensities),
        marginals=np.ones_like(some.marginals),
    )
    found = evaluate(plain)
    assert found.identified.holds
    assert found.values[DECIDES].mean == pytest.approx(found.logged.mean)
    assert found.difference.mean == pytest.approx(0)
    other = evaluate(plain._replace(wanted=np.tile([3, 2, 1, 0], (500, 1))))
    assert not other.identified.holds


def test_a_few_lists_are_too_few():
    found = evaluate(slates(1, 60, [0, 1, 2, 3])[0])
    assert any("are needed" in why for why in found.identified.why_not)


def test_weights_by_hand():
    one = Slates(
        np.zeros((2, 3)),
        np.array([[1, 0, 2], [0, 5, NOTHING]]),
        np.array([[0, 1, 2], [0, 1, NOTHING]]),
        np.array([[0.5, 0.25, 0.8], [0.1, 0.2, 1.0]]),
        np.array([[0.5, 0.2, 0.4], [0.1, 0.2, 1.0]]),
        np.array([0, 1]),
    )
    assert place_weights(one).tolist() == [[0, 0, 2.5], [10, 0, 0]]
    # After 1 the best that is left is 0; after both it is 2.
    assert cascade_weights(one).tolist() == [[0, 4, 1 / 0.8], [10, 0, 0]]


def test_the_model_of_a_user_does_not_know_her_rewards():
    some, _ = slates(4, 400, [0, 1, 2, 3])
    known, expected = reward_model(some)
    mine = some.users % 2 == 0
    changed = some._replace(rewards=np.where(mine[:, None], 1 - some.rewards, some.rewards))
    again = reward_model(changed)
    assert (again[0][mine] == known[mine]).all()
    assert (again[1][mine] == expected[mine]).all()
    assert not (again[0][~mine] == known[~mine]).all()
