"""Every decision, by differences that leave no room for another."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.evaluation.breakdown import groups_of
from recsys.evaluation.effects import ComparisonSettings, overall_effect, segment_effects
from recsys.evaluation.verdict import decide

N = 2000
SETTINGS = ComparisonSettings(draws=400)
NAMES = ("no_segments", "segment_aware")
USERS = pd.DataFrame({"history": np.arange(N) % 3}, index=[f"u{n:04d}" for n in range(N)])
GROUPS = groups_of(
    pd.DataFrame(
        {"user_id": USERS.index, "axis": "age", "segment": np.array(list("abcd"))[np.arange(N) % 4]}
    ).assign(weight=1.0),
    USERS,
)
NOISE = np.random.default_rng(0).normal(0, 0.02, size=N)
NOISE -= NOISE.mean()  # so that a mean difference is what a test says it is
BASE = np.full(N, 0.4)
GAIN = np.array([1.0, 1.0, 1.0, -1.0])[np.arange(N) % 4]


def verdict(other, one=BASE, settings=SETTINGS, **changed):
    overall = replace(overall_effect(one, other, settings), **changed)
    effects, _ = segment_effects(one, other, GROUPS, settings)
    return decide(NAMES, "ndcg@10", overall, effects, settings)


@pytest.mark.parametrize(
    ("difference", "decision"),
    [
        (0.04 + NOISE, "better"),
        (-0.04 + NOISE, "worse"),
        (0.04 * GAIN + NOISE, "mixed"),
        (0.0 + NOISE, "no difference that matters"),
        (0.002 + 0 * NOISE, "no difference that matters"),
        (0.002 + 10 * NOISE, "not enough users"),
    ],
)
def test_decisions(difference, decision):
    assert verdict(BASE + difference).decision == decision


def test_a_difference_within_the_margin_does_not_matter_however_sure_it_is():
    other = BASE + 0.003 + NOISE / 20
    found = verdict(other)
    assert found.decision == "no difference that matters"
    assert found.better_for
    assert verdict(other, settings=ComparisonSettings(draws=400, margin=0.001)).decision == "better"


def test_a_claim_must_survive_holm():
    other = BASE + 0.04 + NOISE
    assert verdict(other, p_holm=0.06).decision == "not enough users"
    assert verdict(other, p_holm=0.05 - 1e-12).decision == "better"
    assert verdict(BASE - 0.04 + NOISE, p_holm=0.06).decision == "not enough users"


def test_a_handful_of_users_decides_nothing():
    other = BASE + 0.04 + NOISE
    settings = ComparisonSettings(draws=400, min_users=N + 1)
    assert verdict(other, settings=settings).decision == "not enough users"


def test_who_wins_and_who_loses_is_named_by_size():
    gain = np.array([0.02, 0.08, 0.0, -0.03])[np.arange(N) % 4]
    found = verdict(BASE + gain + NOISE / 4)
    ages = [one for one in found.better_for if one.axis == "age"]
    assert [one.segment for one in ages] == ["b", "a"]
    assert [one.relative for one in ages] == pytest.approx([0.2, 0.05], abs=0.01)
    assert [(one.axis, one.segment) for one in found.worse_for] == [("age", "d")]
    assert found.worse_for[0].relative == pytest.approx(-0.075, abs=0.01)
    assert found.decision == "mixed"


def test_a_loss_within_the_margin_is_no_harm():
    gain = np.array([0.02, 0.02, 0.02, -0.002])[np.arange(N) % 4]
    assert verdict(BASE + gain + NOISE / 40).decision == "better"
    strict = ComparisonSettings(draws=400, margin=0.001)
    assert verdict(BASE + gain + NOISE / 40, settings=strict).decision == "mixed"


# Words


def test_the_sentence_says_what_the_numbers_say():
    found = verdict(BASE + 0.04 * GAIN + NOISE)
    overall = overall_effect(BASE, BASE + 0.04 * GAIN + NOISE, SETTINGS)
    figures = [100 * x for x in (overall.relative, overall.relative_low, overall.relative_high)]
    assert found.sentence.startswith(
        "segment_aware is better than no_segments on average, but not for everybody: "
        "NDCG@10 {:+.1f} % ({:.1f} to {:.1f} %), 2,000 users; best for age: ".format(*figures)
    )
    assert "; worse for age: d (-" in found.sentence


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (0.04 + NOISE, "segment_aware is better than no_segments: NDCG@10 +10.0 % ("),
        (-0.04 + NOISE, "segment_aware is worse than no_segments: NDCG@10 -"),
        (0 * NOISE, "segment_aware is within 1 % of no_segments, which makes no difference that"),
        (0.002 + 10 * NOISE, "too few users to tell segment_aware from no_segments: NDCG@10 "),
    ],
)
def test_sentences(difference, words):
    assert verdict(BASE + difference).sentence.startswith(words)


def test_no_difference_on_average_still_names_the_harmed():
    found = verdict(BASE + 0.02 * np.array([1, -1, 1, -1])[np.arange(N) % 4] + NOISE / 10)
    assert found.decision == "no difference that matters"
    assert "on average, but not for everybody" in found.sentence
    assert {one.segment for one in found.worse_for if one.axis == "age"} == {"b", "d"}


def test_without_a_baseline_the_difference_itself_is_told():
    found = verdict(0.04 + NOISE, one=np.zeros(N))
    assert "NDCG@10 +0.0400 (0.03" in found.sentence
    assert "%" not in found.sentence
    assert found.better_for[0].relative is None


def test_a_long_list_of_segments_is_cut():
    found = verdict(BASE + 0.04 + NOISE)
    assert len(found.better_for) == 6  # four ages and two bins of activity
    assert found.sentence.count("%)") == 1 + 3
    assert found.sentence.endswith(", 3 more")


def test_the_document_is_plain():
    document = verdict(BASE + 0.04 * GAIN + NOISE).document()
    assert document["worse_for"] == [
        {"axis": "age", "segment": "d", "relative": pytest.approx(-0.1, abs=0.01)}
    ]
    assert document["further_users"] is None
    assert document["decision"] == "mixed"


# How many more


def test_further_users_would_indeed_decide():
    rng = np.random.default_rng(1)
    spread, gain = 0.3, 0.01
    pilot = verdict(BASE + gain + spread * rng.normal(size=N), settings=SETTINGS)
    assert pilot.decision == "not enough users"
    # By the formula for the true spread and gain; the pilot's own estimates are noisy.
    exact = replace(
        overall_effect(BASE, BASE + gain, SETTINGS),
        dz=gain / spread,
        p_holm=1.0,
        low=-1.0,
        high=1.0,
    )
    further = decide(NAMES, "ndcg@10", exact, [], SETTINGS).further_users
    total = N + further
    found = []
    for _ in range(400):
        differences = gain + spread * rng.normal(size=total)
        error = differences.std(ddof=1) / math.sqrt(total)
        found.append(differences.mean() - 1.96 * error > 0)
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)  # three standard errors
    assert (
        f"; about {further:,} more users would tell"
        in decide(NAMES, "ndcg@10", exact, [], SETTINGS).sentence
    )


def test_of_equal_lists_so_many_are_needed_that_nobody_can_be_overlooked():
    few = np.tile([0.0, 0.5], 50)
    found = decide(NAMES, "ndcg@10", overall_effect(few, few, SETTINGS), [], SETTINGS)
    # 3 / n of users at 0.5 each are 1 % of the mean of 0.25 where n is 600.
    assert (found.decision, found.further_users) == ("not enough users", 500)
    enough = np.tile([0.0, 0.5], 300)
    found = decide(NAMES, "ndcg@10", overall_effect(enough, enough, SETTINGS), [], SETTINGS)
    assert (found.decision, found.further_users) == ("no difference that matters", None)


def test_no_estimate_where_nothing_can_be_estimated():
    overall = overall_effect(np.zeros(2), np.zeros(2), SETTINGS)
    assert decide(NAMES, "ndcg@10", overall, [], SETTINGS).further_users is None


# What must always hold


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-0.2, 0.2), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0, 1),
    st.floats(0.0, 1.0), st.integers(1, 10**6),
)  # fmt: skip
def test_decisions_and_intervals_agree(difference, below, above, p, mean, users):
    overall = replace(
        overall_effect(np.zeros(2), np.zeros(2), SETTINGS),
        users=users, baseline_mean=mean, difference=difference, low=difference - below,
        high=difference + above, p_holm=p, dz=difference,
    )  # fmt: skip
    found = decide(NAMES, "ndcg@10", overall, [], SETTINGS)
    if found.decision == "better":
        assert overall.low > 0
        assert overall.high > SETTINGS.margin * mean
    if found.decision == "worse":
        assert overall.high < 0
        assert overall.low < -SETTINGS.margin * mean
    if found.decision == "no difference that matters":
        assert max(-overall.low, overall.high) <= SETTINGS.margin * mean
    assert found.further_users is None or found.decision == "not enough users"
    assert found.further_users is None or found.further_users >= 1
    assert found.decision != "mixed"
