"""What an axis is worth: a slow loop, planted preferences, and axes that say nothing."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.errors import DataError
from recsys.models import worth as module
from recsys.models.priors import Support, fit_prior
from recsys.models.worth import Evidence, Worth, WorthSettings, axis_worth
from recsys.random import generator
from recsys.segments.axis import one_hot
from recsys.statistics import Interval, mean_interval

QUICK = WorthSettings(placebos=5, k=5)


def shop(
    seed, *, n_users=200, n_items=40, n_segments=4, lean=3.0, later=None, loyal=0.0, baskets=(8, 4)
):
    """Users whose segment buys its own items `lean` times as often as others do.

    `later` is the same of the window after; `loyal` how much each user sticks to items of her own.
    """
    rng = np.random.default_rng(seed)
    codes = rng.integers(n_segments, size=n_users)
    own = codes[:, np.newaxis] == np.arange(n_items) % n_segments
    taste = rng.gamma(0.5, size=n_items) * rng.gamma(1.0, size=(n_users, n_items)) ** loyal

    def bought(times, size):
        chance = taste * np.where(own, times, 1.0)
        chance *= size / chance.sum(axis=1, keepdims=True)
        return sparse.csr_matrix((rng.random(chance.shape) < chance).astype(np.float64))

    pairs, targets = bought(lean, baskets[0]), bought(lean if later is None else later, baskets[1])
    supported = np.bincount(pairs.indices, minlength=n_items) >= 3
    return Evidence(pairs, targets, supported, np.arange(n_items) % 3), codes


def softened(codes, n_segments, seed):
    rng = np.random.default_rng(seed)
    weights = 0.7 * np.eye(n_segments)[codes] + 0.25 * rng.dirichlet(
        np.ones(n_segments), len(codes)
    )
    weights[rng.random(len(codes)) < 0.2] = 0
    return sparse.csr_matrix(weights)


def slow_gains(evidence, membership):
    """The formula as it is written, user by user and item by item."""
    support = Support(evidence.supported, evidence.groups)
    lifts = fit_prior(evidence.pairs, membership, support).lifts
    counts = [1.0 + (evidence.pairs[:, [i]] != 0).sum() for i in range(evidence.pairs.shape[1])]
    p = [count / sum(counts) for count in counts]
    gains = {}
    for user in range(evidence.pairs.shape[0]):
        wanted = evidence.targets[[user]].nonzero()[1].tolist()
        weights = membership[[user]].toarray()[0]
        odds = [p[i] * math.exp(sum(weights * lifts[:, i])) for i in range(len(p))]
        if wanted:
            terms = [math.log(odds[i] / sum(odds) / p[i]) for i in wanted]
            gains[user] = sum(terms) / len(terms)
    return gains


def slow_ndcg(scores, wanted, k):
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    found = sum(1 / math.log2(rank + 2) for rank, item in enumerate(order) if item in wanted)
    return found / sum(1 / math.log2(rank + 2) for rank in range(min(k, len(wanted))))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_gains_are_those_of_a_loop(seed, soft):
    evidence, codes = shop(seed, n_users=60)
    membership = softened(codes, 4, seed) if soft else one_hot(np.where(codes > 2, -1, codes), 4)
    gains, worth = axis_worth("age", membership, evidence, QUICK)
    expected = slow_gains(evidence, membership)
    assert math.isfinite(worth.kappa)
    assert gains.users.tolist() == list(expected)
    np.testing.assert_allclose(gains.log_likelihood, list(expected.values()), atol=1e-6)
    assert worth.users == len(expected)
    assert worth.gain == mean_interval(gains.log_likelihood)
    known = np.flatnonzero(membership.sum(axis=1))
    assert gains.known.tolist() == np.isin(gains.users, known).tolist()
    assert worth.coverage == pytest.approx(gains.known.mean())


@pytest.mark.parametrize("hide_known", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_ndcg_is_that_of_sorted_scores(soft, hide_known):
    evidence, codes = shop(4, n_users=60)
    membership = softened(codes, 4, 4) if soft else one_hot(codes, 4)
    options = WorthSettings(placebos=1, k=5, hide_known=hide_known)
    gains, worth = axis_worth("age", membership, evidence, options)
    support = Support(evidence.supported, evidence.groups)
    lifts = fit_prior(evidence.pairs, membership, support).lifts
    counts = np.asarray((evidence.pairs != 0).sum(axis=0)).ravel() + 1
    popular, prior = [], []
    for user in gains.users:
        known = evidence.pairs[[user]].toarray()[0] != 0
        base = np.where(known & hide_known, -np.inf, np.log(counts / counts.sum()))
        wanted = set(evidence.targets[[user]].nonzero()[1].tolist())
        popular.append(slow_ndcg(base, wanted, 5))
        prior.append(slow_ndcg(base + membership[[user]].toarray()[0] @ lifts, wanted, 5))
    np.testing.assert_allclose(gains.ndcg, np.subtract(prior, popular), atol=1e-12)
    assert worth.ndcg_popular == pytest.approx(np.mean(popular))
    assert worth.ndcg_prior == pytest.approx(np.mean(prior))
    assert worth.ndcg_gain == mean_interval(gains.ndcg)
    assert worth.ndcg_relative == pytest.approx(np.mean(prior) / np.mean(popular) - 1)


def test_lists_as_long_as_the_catalogue_hold_it_all():
    evidence, codes = shop(5, n_users=30, n_items=6)
    options = WorthSettings(placebos=1, k=10, hide_known=True)
    _, worth = axis_worth("age", one_hot(codes, 4), evidence, options)
    assert 0 < worth.ndcg_popular <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_nobody_lists_an_item_that_is_no_candidate(seed, depth):
    rng = np.random.default_rng(seed)
    popular = np.log(rng.integers(1, 5, size=30) / 40)
    lifts = rng.normal(0, 0.5, (3, 30)) * (rng.random(30) < 0.6)
    candidates = module._candidates(lifts, popular, depth).tolist()
    for weights in rng.dirichlet(np.ones(4), 40)[:, :3]:
        listed = np.argsort(-(popular + weights @ lifts), kind="stable")[:depth]
        assert set(listed.tolist()) <= set(candidates)


@pytest.mark.parametrize(("users", "items"), [(1, 7), (16, 40), (1000, 1)])
def test_blocks_change_nothing(monkeypatch, users, items):
    evidence, codes = shop(6, n_users=60)
    membership = softened(codes, 4, 6)
    before, _ = axis_worth("age", membership, evidence, QUICK)
    monkeypatch.setattr(module, "_USERS", users)
    monkeypatch.setattr(module, "_ITEMS", items)
    after, _ = axis_worth("age", membership, evidence, QUICK)
    np.testing.assert_allclose(after.log_likelihood, before.log_likelihood, atol=1e-6)
    np.testing.assert_array_equal(after.ndcg, before.ndcg)


# Verdicts


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_planted_preferences_predict(seed, soft):
    evidence, codes = shop(seed)
    membership = softened(codes, 4, seed) if soft else one_hot(codes, 4)
    _, worth = axis_worth("age", membership, evidence)
    assert worth.verdict == "predicts"
    assert worth.beats_placebos
    assert len(worth.placebos) == 20
    assert worth.placebo_lowest <= worth.placebo_median <= worth.placebo_highest
    assert worth.ndcg_gain.mean > 0
    assert worth.sentence.startswith("Knowing age makes the next purchase ")
    assert "% more likely than popularity alone [" in worth.sentence
    assert "; 20 permutations reached at most " in worth.sentence


def test_knowing_more_of_the_users_is_worth_more():
    evidence, codes = shop(7)
    half = np.where(np.arange(200) % 2, codes, -1)
    _, whole = axis_worth("age", one_hot(codes, 4), evidence, QUICK)
    _, some = axis_worth("age", one_hot(half, 4), evidence, QUICK)
    assert 0 < some.gain.mean < whole.gain.mean
    assert some.users == whole.users
    assert some.coverage == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "kind",
    [{"lean": 1.0}, {"lean": 1.0, "loyal": 2.0}, {"lean": 40.0, "n_segments": 2}],
    ids=["all alike", "loyal to own items", "two camps"],
)
def test_segments_by_lot_seldom_predict(kind):
    verdicts = []
    for seed in range(30):
        evidence, _ = shop(seed, n_users=150, n_items=30, **kind)
        lot = np.random.default_rng(seed + 1000).integers(4, size=150)
        verdicts.append(axis_worth("lot", one_hot(lot, 4), evidence)[1].verdict)
    # One in 21 lots beats its 20 permutations; 6 or more of 30 then have a chance below 1 %.
    assert verdicts.count("predicts") < 6
    assert verdicts.count("predicts nothing") > 20


def test_preferences_that_turned_round_are_harmful():
    evidence, codes = shop(8, lean=4.0, later=0.1)
    _, worth = axis_worth("age", one_hot(codes, 4), evidence, QUICK)
    assert worth.verdict == "harmful"
    assert worth.gain.high < 0
    assert "% less likely than popularity alone" in worth.sentence
    assert worth.sentence.endswith("what was learnt from the past does not hold any more.")


def test_segments_that_buy_alike_gain_exactly_0():
    evidence, _ = shop(9, n_users=100, lean=1.0)
    twice = Evidence(
        *(sparse.vstack([part, part], format="csr") for part in evidence[:2]), *evidence[2:]
    )
    gains, worth = axis_worth("age", one_hot(np.repeat([0, 1], 100), 2), twice, QUICK)
    assert worth.kappa == math.inf
    assert worth.verdict == "predicts nothing"
    assert not gains.log_likelihood.any()
    assert not gains.ndcg.any()
    assert (worth.gain.mean, worth.gain.low, worth.gain.high) == (0, 0, 0)
    assert worth.ndcg_prior == worth.ndcg_popular > 0
    assert "κ = ∞" in worth.sentence


def test_users_who_are_unknown_gain_exactly_0_and_count():
    evidence, codes = shop(10)
    unknown = np.arange(200) % 3 == 0
    gains, worth = axis_worth("age", one_hot(np.where(unknown, -1, codes), 4), evidence, QUICK)
    assert not gains.log_likelihood[~gains.known].any()
    assert not gains.ndcg[~gains.known].any()
    assert gains.log_likelihood[gains.known].any()
    assert worth.users == np.count_nonzero(np.diff(evidence.targets.indptr))


def test_nobody_known_predicts_nothing():
    evidence, _ = shop(11)
    gains, worth = axis_worth("age", sparse.csr_matrix((200, 3)), evidence, QUICK)
    assert worth.coverage == 0
    assert worth.verdict == "predicts nothing"
    assert not gains.log_likelihood.any()


@pytest.mark.parametrize("users", [0, 1])
def test_too_few_users_are_not_judged(users):
    evidence, codes = shop(12)
    keep = np.zeros(200)
    keep[np.flatnonzero(np.diff(evidence.targets.indptr))[:users]] = 1
    few = evidence._replace(targets=sparse.csr_matrix(sparse.diags_array(keep) @ evidence.targets))
    few.targets.eliminate_zeros()
    gains, worth = axis_worth("age", one_hot(codes, 4), few, QUICK)
    assert (worth.users, len(gains.users)) == (users, users)
    assert worth.verdict == "too few users"
    assert worth.sentence.endswith(f"to judge age: {users}.")


def test_a_gain_that_lots_reach_too_is_no_prediction():
    gain = mean_interval(np.array([0.02, 0.03, 0.04, 0.03]))
    assert gain.low > 0
    assert module._verdict(gain, (0.0, 0.029), 0.001) == "predicts"
    assert module._verdict(gain, (0.0, 0.031), 0.001) == "predicts nothing"
    said = module._against_chance("predicts nothing", gain, (0.0, 0.031))
    assert said.startswith("that is no more than memberships dealt at random: 2 permutations")


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_sure_and_too_little_does_not_matter(sign):
    gain = mean_interval(sign * np.array([0.0004, 0.0005, 0.0006, 0.0005]))
    assert gain.low > 0 or gain.high < 0
    assert module._verdict(gain, (0.0, 0.0001), 0.001) == "predicts nothing"
    assert module._verdict(gain, (0.0, 0.0001), 0.0001) == {1: "predicts", -1: "harmful"}[sign]
    said = module._against_chance("predicts nothing", gain, (0.0, 0.0001))
    assert said.startswith("that is too little to matter")


def test_a_sentence_tells_the_numbers():
    evidence, codes = shop(8, lean=4.0)
    _, worth = axis_worth("age", one_hot(codes, 4), evidence, QUICK)
    gain = [100 * math.expm1(x) for x in (worth.gain.mean, worth.gain.low, worth.gain.high)]
    reached = 100 * math.expm1(worth.placebo_highest)
    assert worth.sentence == (
        f"Knowing age makes the next purchase {gain[0]:.1f} % more likely than popularity alone "
        f"[{gain[1]:.1f}, {gain[2]:.1f}]; 5 permutations reached at most {reached:.1f} %."
    )


def test_a_small_loss_is_told_without_signs():
    gain = Interval(mean=-0.004, low=-0.0081, high=0.00001, n=9)
    assert module._told("age", gain) == (
        "Knowing age makes the next purchase 0.40 % less likely than popularity alone [0.00, 0.81]"
    )


def test_lists_that_get_worse_all_the_same_are_told():
    worse, same = Interval(-0.02, -0.03, -0.01, 9), Interval(-0.02, -0.05, 0.01, 9)
    assert module._worse_lists("predicts", worse, 10) == (
        " Its list is worse all the same: NDCG@10 falls by 0.0200 [0.0100, 0.0300]."
    )
    assert module._worse_lists("predicts", same, 10) == ""
    assert module._worse_lists("predicts nothing", worse, 10) == ""


# What must not matter


@pytest.mark.parametrize("soft", [False, True])
def test_the_order_of_users_and_segments_changes_nothing(soft):
    evidence, codes = shop(13, n_users=80)
    membership = softened(codes, 4, 13) if soft else one_hot(codes, 4)
    gains, worth = axis_worth("age", membership, evidence, QUICK)
    users = np.random.default_rng(0).permutation(80)
    turned = Evidence(evidence.pairs[users], evidence.targets[users], *evidence[2:])
    mixed, same = axis_worth("age", membership[users][:, [2, 0, 3, 1]], turned, QUICK)
    place = np.empty(200)
    place[gains.users] = gains.log_likelihood
    np.testing.assert_allclose(mixed.log_likelihood, place[users[mixed.users]], atol=1e-6)
    assert same.gain.mean == pytest.approx(worth.gain.mean, abs=1e-7)
    assert same.ndcg_prior == pytest.approx(worth.ndcg_prior)


def test_only_that_a_pair_is_there_counts():
    evidence, codes = shop(14, n_users=80)
    heavier = Evidence(7 * evidence.pairs, 3 * evidence.targets, *evidence[2:])
    first, second = (axis_worth("age", one_hot(codes, 4), e, QUICK)[1] for e in (evidence, heavier))
    assert first == second


def two_camps(seed, n_users):
    """Users of two camps that hardly share an item: deals at random seldom split them evenly."""
    evidence, codes = shop(seed, n_users=n_users, n_segments=2, lean=40.0)
    return evidence, codes


def test_the_seed_decides_the_placebos_alone():
    evidence, codes = two_camps(15, 80)
    first, again, other = (
        axis_worth("age", one_hot(codes, 4), evidence, WorthSettings(placebos=4, seed=seed))[1]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.placebos != other.placebos
    assert first.gain == other.gain


def test_a_placebo_is_a_deal_of_the_memberships():
    evidence, codes = two_camps(16, 80)
    membership = one_hot(codes, 4)
    options = WorthSettings(placebos=8, seed=3)
    _, worth = axis_worth("age", membership, evidence, options)
    expected = []
    for number in range(8):
        deal = generator(3, "placebo", str(number)).permutation(80)
        expected.append(np.mean(list(slow_gains(evidence, membership[deal]).values())))
    assert np.count_nonzero(expected) > 1
    np.testing.assert_allclose(worth.placebos, expected, atol=1e-6)


def test_placebos_on_some_users_are_like_those_on_all():
    evidence, codes = two_camps(17, 600)
    whole, some = (
        axis_worth("age", one_hot(codes, 4), evidence, WorthSettings(placebo_users=users))[1]
        for users in (600, 100)
    )
    assert whole.placebos != some.placebos
    assert whole.gain == some.gain
    assert abs(whole.placebo_median - some.placebo_median) < 0.05 * whole.gain.mean


def test_a_worth_can_be_written_down():
    evidence, codes = shop(18, n_users=60)
    _, worth = axis_worth("age", one_hot(codes, 4), evidence, QUICK)
    document = json.loads(json.dumps(dataclasses.asdict(worth)))
    assert set(document) == {field.name for field in dataclasses.fields(Worth)}


def test_what_does_not_fit_is_refused():
    evidence, codes = shop(19)
    membership = one_hot(codes, 4)
    with pytest.raises(DataError, match="memberships of 199 users, but the past has 200"):
        axis_worth("age", membership[:199], evidence)
    with pytest.raises(DataError, match=r"targets of shape \(200, 39\)"):
        axis_worth("age", membership, evidence._replace(targets=evidence.targets[:, :39]))
    with pytest.raises(DataError, match="39 support flags and 40 groups for 40 items"):
        axis_worth("age", membership, evidence._replace(supported=evidence.supported[:39]))
