"""Values of rankings that were never shown: published ones, the truth by simulation, refusals."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from recsys.experiments.off_policy import (
    Logged,
    by_users,
    cascade,
    clipped_ips,
    direct,
    doubly_robust,
    identified,
    independent_places,
    ips,
    logged,
    self_normalised_doubly_robust,
    shrunk_doubly_robust,
    snips,
    switch_doubly_robust,
    whole_lists,
)
from recsys.statistics import estimate

VECTORS = json.loads((Path(__file__).parent / "lists.json").read_text(encoding="utf-8"))
LOGGED, SLATE = VECTORS["logged"], VECTORS["slate"]
EXPECTED = LOGGED["expected"]
ESTIMATORS = {
    "IPS": ips,
    "CIPS_lambda_1_5": lambda log: clipped_ips(log, 1.5),
    "SNIPS": snips,
    "DM": direct,
    "DR": doubly_robust,
    "SNDR": self_normalised_doubly_robust,
    "SwitchDR_tau_1_5": lambda log: switch_doubly_robust(log, 1.5),
    "DRos_lambda_1": lambda log: shrunk_doubly_robust(log, 1.0),
}


def made(rewards, actions, behaviour, evaluated, expected):
    rows = np.arange(len(rewards))
    plain = logged(rewards, evaluated[rows, actions], behaviour)
    known = expected[rows, actions]
    return Logged(plain.rewards, plain.weights, known, (evaluated * expected).sum(axis=1))


@pytest.fixture
def log():
    names = ("reward", "action", "pscore", "pi_e", "q_hat")
    return made(*(np.array(LOGGED[name]) for name in names))


class TestLogged:
    def test_weights(self, log):
        assert log.weights == pytest.approx(EXPECTED["weights"], rel=1e-12)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_values_are_as_published(self, log, name):
        assert ESTIMATORS[name](log).mean() == pytest.approx(EXPECTED[name], rel=1e-12)

    @pytest.mark.parametrize(("name", "of"), [("se_IPS", ips), ("se_SNIPS_linearised", snips)])
    def test_errors_are_as_published(self, log, name, of):
        n = len(log.rewards)
        found = estimate(of(log)).error
        # That of the linearised ratio is over n.
        scale = math.sqrt((n - 1) / n) if "SNIPS" in name else 1.0
        assert found * scale == pytest.approx(EXPECTED[name], rel=1e-9)

    def test_the_weights_are_looked_at(self, log):
        found = identified(log.weights)
        assert found.effective == pytest.approx(EXPECTED["effective_sample_size"])
        assert found.mean_weight == pytest.approx(EXPECTED["mean_weight"])

    @pytest.mark.parametrize(
        ("evaluated", "behaviour", "message"),
        [
            ([0.5], [0.0], "above 0"),
            ([0.5], [1.5], "above 0"),
            ([1.2], [0.5], "between 0 and 1"),
            ([0.5, 0.5], [0.5], "same lists"),
        ],
    )
    def test_what_is_no_probability_is_refused(self, evaluated, behaviour, message):
        with pytest.raises(ValueError, match=message):
            logged(np.ones(1), np.array(evaluated), np.array(behaviour))


class TestSlates:
    @pytest.mark.parametrize(
        ("name", "of"), [("SIPS", whole_lists), ("IIPS", independent_places), ("RIPS", cascade)]
    )
    def test_values_are_as_published(self, name, of):
        shape = (SLATE["n_slates"], SLATE["len_list"])
        evaluated, behaviour, rewards = (
            np.array(SLATE[name]).reshape(shape)
            for name in (
                "evaluation_conditional_or_marginal",
                "behaviour_conditional_or_marginal",
                "reward",
            )
        )
        found = of(rewards, evaluated / behaviour).mean()
        assert found == pytest.approx(SLATE["expected"][name], rel=1e-12)


class TestTruth:
    """A shop whose rewards are known: what would be earned is estimated without being shown."""

    def test_it_is_found_and_intervals_hold_it(self):
        rng, actions = np.random.default_rng(4), 5
        rewards_of = rng.random(actions) * 0.2
        behaviour, evaluated = rng.dirichlet(np.full(actions, 4.0), size=2)
        truth, held = float(evaluated @ rewards_of), dict.fromkeys(("ips", "snips", "dr"), 0)
        for _ in range(300):
            shown = rng.choice(actions, size=1500, p=behaviour)
            reward = (rng.random(1500) < rewards_of[shown]).astype(float)
            guess = np.tile(rewards_of + 0.05, (1500, 1))
            log = made(reward, shown, behaviour[shown], np.tile(evaluated, (1500, 1)), guess)
            for name, of in (("ips", ips), ("snips", snips), ("dr", doubly_robust)):
                interval = estimate(of(log)).interval()
                held[name] += interval.low <= truth <= interval.high
        # 95 % of 300, give or take what chance does.
        assert all(270 <= count <= 299 for count in held.values()), held

    def test_lists_of_one_user_are_not_many(self):
        rng = np.random.default_rng(9)
        taste = np.repeat(rng.normal(size=200), 10)
        users = np.repeat(np.arange(200), 10)
        found = by_users(taste, users)
        assert found.n == 200
        assert found.error == pytest.approx(taste[::10].std(ddof=1) / math.sqrt(200), rel=1e-9)
        assert found.error > 3 * estimate(taste).error
        alone = by_users(taste, np.arange(2000))
        assert alone.error == pytest.approx(estimate(taste).error, rel=1e-9)


class TestRefusals:
    def test_good_weights_hold(self):
        found = identified(np.ones(500))
        assert (found.holds, found.effective, found.why_not) == (True, 500.0, ())

    @pytest.mark.parametrize(
        ("weights", "clip", "message"),
        [
            (np.ones(50), None, "amount to 50 lists"),
            (np.r_[np.zeros(900), np.full(100, 10.0), 900.0], None, "amount to"),
            (np.full(500, 1.5), None, "mean weight is 1.500"),
            (np.full(500, 0.5), None, "mean weight is 0.500"),
            (np.r_[np.full(480, 0.8), np.full(20, 6.0)], 2.0, "cut off"),
            (np.zeros(500), None, "amount to 0 lists"),
        ],
    )
    def test_what_is_not_identified_is_said(self, weights, clip, message):
        found = identified(weights, clip=clip)
        assert not found.holds
        assert any(message in text for text in found.why_not), found.why_not

    def test_a_ranking_that_would_show_nothing_of_it_has_no_value(self):
        log = logged(np.ones(3), np.zeros(3), np.full(3, 0.5))
        with pytest.raises(ValueError, match="all weights are 0"):
            snips(log)
