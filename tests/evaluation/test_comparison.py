"""Comparisons against the statistics they are made of, cases by hand, and what they promise."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from recsys.errors import DataError
from recsys.evaluation.breakdown import groups_of
from recsys.evaluation.comparison import ComparisonSettings, Result, compare
from recsys.evaluation.effects import overall_effect, segment_effects
from recsys.statistics import (
    benjamini_hochberg,
    bootstrap_pair,
    estimate,
    heterogeneity,
    holm,
    paired_t,
    shrink_over_grid,
)

N = 400
QUESTION = {"protocol": "p", "users": "u", "catalogue": "c"}
SETTINGS = ComparisonSettings(draws=500, min_users=20)
IDS = [f"u{number:03d}" for number in range(N)]
KEYS = {
    "overall": "users baseline_mean candidate_mean difference low high relative relative_low "
    "relative_high t_low t_high p p_holm dz",
    "measures": "measure baseline_mean candidate_mean difference low high users",
    "segments": "axis segment users weight baseline_mean candidate_mean difference se low high "
    "relative p p_bh shrunken shrunken_low shrunken_high false_sign_rate readable overlapping",
    "heterogeneity": "axis q p i2 tau",
    "lists": "k overlap rbo changed",
    "verdict": "decision sentence better_for worse_for further_users",
    "variance": "origins seeds",
}


def result(name, values, *, question=QUESTION, overall=None, runs=None, lists=None, **columns):
    frame = pd.DataFrame(
        {"n_rel": 1, "history": np.arange(len(values)) % 8, "ndcg@10": values, **columns},
        index=pd.Index(IDS[: len(values)], name="user_id"),
    )
    lists = np.tile(np.arange(10), (len(values), 1)) if lists is None else lists
    return Result(name, None, question, frame, lists, overall or {}, runs)


def memberships():
    rng = np.random.default_rng(0)
    hard = [(user, "age", "abcd"[number % 4 if number > 9 else 3], 1.0)
            for number, user in enumerate(IDS)]  # fmt: skip
    few = [(user, "plan", "gold", 1.0) for user in IDS[:5]]
    soft = [
        (u, "interest", s, w / 2) for s in "xy" for u, w in zip(IDS, rng.random(N), strict=True)
    ]
    frame = pd.DataFrame(hard + few + soft, columns=["user_id", "axis", "segment", "weight"])
    return frame[frame["weight"] > 0]


def values(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(N) < 0.6, 0.0, rng.random(N) + shift)


BASE = result("base", values(0), **{"recall@10": values(5), "novelty@10": values(6)})
GROUPS = groups_of(memberships(), BASE.per_user)
BETTER = result("better", values(0) + 0.1 * values(1), **{"recall@10": values(7)})
OTHER = result("other", values(2))


# Overall


def test_overall_is_made_of_bootstrap_and_student():
    (found,) = compare(BASE, [BETTER], GROUPS, measure="ndcg@10", settings=SETTINGS)
    one, other = BASE.per_user["ndcg@10"].to_numpy(), BETTER.per_user["ndcg@10"].to_numpy()
    drawn, student = bootstrap_pair(one, other, draws=500, seed=42), paired_t(one, other)
    overall = found.overall
    assert (overall.users, overall.difference) == (N, pytest.approx((other - one).mean()))
    assert (overall.low, overall.high) == (drawn.difference.low, drawn.difference.high)
    assert (overall.relative, overall.relative_low) == (drawn.relative.mean, drawn.relative.low)
    assert (overall.t_low, overall.t_high) == (student.difference.low, student.difference.high)
    assert overall.p == pytest.approx(stats.ttest_rel(other, one).pvalue)
    assert overall.dz == pytest.approx((other - one).mean() / (other - one).std(ddof=1))


def test_p_values_are_adjusted_over_the_candidates():
    found = compare(BASE, [BETTER, OTHER], GROUPS, measure="ndcg@10", settings=SETTINGS)
    p = np.array([one.overall.p for one in found])
    assert [one.overall.p_holm for one in found] == holm(p).tolist()
    (alone,) = compare(BASE, [BETTER], GROUPS, measure="ndcg@10", settings=SETTINGS)
    assert alone.overall.p_holm == alone.overall.p < found[0].overall.p_holm


def test_users_without_a_value_on_either_side_are_left_out():
    one, other = values(0), values(2)
    one[:10], other[5:30] = np.nan, np.nan
    (found,) = compare(
        result("a", one), [result("b", other)], GROUPS, measure="ndcg@10", settings=SETTINGS
    )
    assert found.overall == overall_effect(one[30:], other[30:], SETTINGS)
    gold = next(e for e in found.segments if e.segment == "gold")
    assert (gold.users, gold.readable) == (0, False)
    assert math.isnan(gold.difference)


def test_equal_recommenders_do_not_differ():
    (found,) = compare(BASE, [BASE], GROUPS, measure="ndcg@10", settings=SETTINGS)
    overall = found.overall
    assert (overall.difference, overall.low, overall.high, overall.p) == (0.0, 0.0, 0.0, 1.0)
    assert (found.lists.overlap, found.lists.changed) == (1.0, 0.0)
    assert found.lists.rbo == pytest.approx(1.0)
    json.dumps(found.document(), allow_nan=False)


# Segments


def test_segments_are_weighted_and_adjusted_over_the_readable_ones():
    (found,) = compare(BASE, [BETTER], GROUPS, measure="ndcg@10", settings=SETTINGS)
    one, other = BASE.per_user["ndcg@10"].to_numpy(), BETTER.per_user["ndcg@10"].to_numpy()
    for effect, (axis, segment, rows, weights) in zip(
        found.segments, GROUPS.members(), strict=True
    ):
        assert (effect.axis, effect.segment, effect.users) == (axis, segment, len(rows))
        expected = estimate(other[rows] - one[rows], weights)
        assert (effect.difference, effect.se) == (expected.mean, expected.error)
        assert effect.p == expected.p()
        base = np.average(one[rows], weights=weights)
        assert effect.baseline_mean == pytest.approx(base)
        assert effect.relative == pytest.approx(effect.difference / base)
        assert effect.readable == (segment != "gold")
        assert effect.overlapping == (axis == "interest")
    readable = [effect for effect in found.segments if effect.readable]
    adjusted = benjamini_hochberg(np.array([effect.p for effect in readable]))
    assert [effect.p_bh for effect in readable] == adjusted.tolist()


def test_segments_of_an_axis_borrow_strength_from_its_readable_ones():
    (found,) = compare(BASE, [BETTER], GROUPS, measure="ndcg@10", settings=SETTINGS)
    for axis, spread in zip(GROUPS.axes, found.heterogeneity, strict=True):
        effects = [e for e in found.segments if e.axis == axis and e.readable]
        assert spread.axis == axis
        if effects:
            y, se = np.array([(e.difference, e.se) for e in effects]).T
            grid, test = shrink_over_grid(y, se), heterogeneity(y, se)
            assert [e.shrunken for e in effects] == grid.mean.tolist()
            assert [e.false_sign_rate for e in effects] == grid.false_sign_rate.tolist()
            assert (spread.q, spread.p, spread.i2, spread.tau) == (
                test.q,
                test.p,
                test.i2,
                grid.tau,
            )
    gold = next(e for e in found.segments if e.segment == "gold")
    assert all(map(math.isnan, (gold.p_bh, gold.p_harm, gold.shrunken, gold.false_sign_rate)))
    assert math.isnan(next(s for s in found.heterogeneity if s.axis == "plan").q)


def test_harm_is_a_loss_beyond_the_margin():
    one = np.full(N, 0.5)
    loss = np.where(np.arange(N) % 2, 0.02, 0.0)  # 2 % of the baseline on average
    for margin, harmed in ((0.01, True), (0.03, False)):
        effects, _ = segment_effects(
            one, one - loss, GROUPS, ComparisonSettings(margin=margin, min_users=20)
        )
        soft = [effect.p_harm <= 0.05 for effect in effects if effect.axis == "interest"]
        assert soft == [harmed, harmed]
        rows = next(rows for _, name, rows, _ in GROUPS.members() if name == "x")
        weights = next(weights for _, name, _, weights in GROUPS.members() if name == "x")
        slack = estimate((one - loss - (1 - margin) * one)[rows], weights)
        assert slack.p_below() <= next(e for e in effects if e.segment == "x").p_harm + 1e-15


# Beyond the measure


def test_other_measures_have_differences_with_student_s_interval():
    base = result("a", values(0), overall={"coverage@10": 0.5}, **{"ild@10": values(1)})
    other_values = values(2)
    other_values[:7] = np.nan
    other = result("b", values(3), overall={"coverage@10": 0.75}, **{"ild@10": other_values})
    (found,) = compare(base, [other], GROUPS, measure="ndcg@10", settings=SETTINGS)
    ild, coverage = found.measures
    expected = paired_t(values(1)[7:], other_values[7:])
    assert (ild.measure, ild.users, ild.difference) == ("ild@10", N - 7, expected.difference.mean)
    assert (ild.low, ild.high) == (expected.difference.low, expected.difference.high)
    assert (coverage.measure, coverage.difference) == ("coverage@10", 0.25)
    assert math.isnan(coverage.low)


def test_only_measures_of_both_are_compared():
    (found,) = compare(BASE, [BETTER], GROUPS, measure="ndcg@10", settings=SETTINGS)
    assert [one.measure for one in found.measures] == ["recall@10"]


def test_lists_by_hand():
    one = np.array([[0, 1, 2, 3], [4, 5, -1, -1], [7, 8, 9, 6]])
    other = np.array([[0, 1, 2, 9], [5, 4, -1, -1], [1, 2, 3, 4]])
    base = result("a", values(0)[:3], lists=one, **{"ndcg@2": [0.0, 1.0, 0.5]})
    candidate = result("b", values(0)[:3], lists=other, **{"ndcg@2": [0.5, 1.0, 0.5]})
    groups = groups_of(memberships(), base.per_user)
    (found,) = compare(base, [candidate], groups, measure="ndcg@2", settings=SETTINGS)
    # At depth 2: the same, turned round, nothing in common.
    assert (found.lists.k, found.lists.overlap) == (2, pytest.approx((1 + 1 + 0) / 3))
    assert found.lists.changed == pytest.approx(2 / 3)
    turned = (0 + 0.9 * 1) / (1 + 0.9)
    assert found.lists.rbo == pytest.approx((1 + turned + 0) / 3)


def test_origins_and_seeds_vary_apart():
    def runs(means):
        rows = [(o, s, m) for (o, s), m in zip(
            [("jan", 1), ("jan", 2), ("feb", 1), ("feb", 2)], means, strict=True)]  # fmt: skip
        return pd.DataFrame(rows, columns=["origin", "seed", "ndcg@10"])

    base = result("a", values(0), runs=runs([0.1, 0.1, 0.2, 0.2]))
    # Differences: .01 and .03 in one origin, .05 and .07 in the other, rows in another order.
    other = result("b", values(1), runs=runs([0.11, 0.13, 0.25, 0.27])[::-1])
    (found,) = compare(base, [other], GROUPS, measure="ndcg@10", settings=SETTINGS)
    assert (found.origins.n, found.seeds.n) == (2, 2)
    assert found.origins.sd == pytest.approx(np.std([0.02, 0.06], ddof=1))
    assert found.seeds.sd == pytest.approx(np.std([0.01, 0.03], ddof=1))
    (single,) = compare(
        result("a", values(0), runs=runs([0.1, 0.1, 0.2, 0.2])[:1]),
        [other], GROUPS, measure="ndcg@10", settings=SETTINGS,
    )  # fmt: skip
    assert (single.origins, single.seeds) == (None, None)


@pytest.mark.parametrize("seed", [None, math.nan])
def test_runs_without_a_seed_still_vary_over_origins(seed):
    def runs(*means):
        return pd.DataFrame({"origin": ["jan", "feb"], "seed": [seed] * 2, "ndcg@10": means})

    base, other = result("a", values(0), runs=runs(1, 2)), result("b", values(1), runs=runs(2, 5))
    (found,) = compare(base, [other], GROUPS, measure="ndcg@10", settings=SETTINGS)
    assert (found.origins.sd, found.seeds) == (pytest.approx(math.sqrt(2)), None)


# The document


def test_the_document_has_its_keys_and_is_json():
    base = result("base", values(0), overall={"coverage@10": 0.5}, **{"recall@10": values(5)})
    other = result("other", values(2), overall={"coverage@10": 0.4}, **{"recall@10": values(7)})
    (found,) = compare(base, [other], GROUPS, measure="ndcg@10", settings=SETTINGS)
    document = found.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {*document} == {"baseline", "candidate", "measure", *KEYS}
    for key, names in KEYS.items():
        parts = document[key] if isinstance(document[key], list) else [document[key]]
        assert parts
        assert all(sorted(part) == sorted(names.split()) for part in parts)


def test_the_seed_alone_decides():
    first = compare(BASE, [OTHER], GROUPS, measure="ndcg@10", settings=SETTINGS)[0].document()
    again = compare(BASE, [OTHER], GROUPS, measure="ndcg@10", settings=SETTINGS)[0].document()
    assert first == again


# What is refused


@pytest.mark.parametrize("key", QUESTION)
def test_another_question_is_refused_and_named(key):
    other = result("other", values(2), question={**QUESTION, key: "x"})
    with pytest.raises(DataError, match=f"were not asked the same: they differ in {key};"):
        compare(BASE, [other], GROUPS, measure="ndcg@10")


def test_other_users_are_refused_even_if_the_question_says_the_same():
    with pytest.raises(DataError, match="they differ in users"):
        compare(BASE, [result("other", values(2)[:9])], GROUPS, measure="ndcg@10")


def test_segments_of_other_users_are_refused():
    groups = groups_of(memberships(), BASE.per_user[::-1])
    with pytest.raises(DataError, match="segments are of other users"):
        compare(BASE, [OTHER], groups, measure="ndcg@10")


def test_a_measure_that_is_not_there_or_empty_is_refused():
    with pytest.raises(DataError, match=r"not judged by 'ndcg@5'; it has ndcg@10"):
        compare(BASE, [OTHER], GROUPS, measure="ndcg@5")
    empty = result("empty", np.full(N, np.nan))
    with pytest.raises(DataError, match="no user has a value of ndcg@10"):
        compare(BASE, [empty], GROUPS, measure="ndcg@10")


# What is promised


def test_claims_about_equal_recommenders_are_rare():
    rng = np.random.default_rng(0)
    overall, segments, runs = 0, 0, 150
    for _ in range(runs):
        one, other = rng.permuted(np.stack([values(0), values(2)]), axis=0)
        effects, _ = segment_effects(one, other, GROUPS, SETTINGS)
        overall += paired_t(one, other).p <= 0.05
        segments += any(effect.p_bh <= 0.05 for effect in effects)
    # Five in a hundred, and three standard errors.
    assert 0 < overall / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert segments / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
