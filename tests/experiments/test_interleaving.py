"""Interleaved lists: published ones, and what holds of all."""

import json
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.experiments.interleaving import (
    SIDES,
    balanced,
    credit,
    preference_of_lists,
    preference_of_users,
    team_draft,
)

VECTORS = json.loads((Path(__file__).parent / "lists.json").read_text(encoding="utf-8"))
NAMES = {"A": "control", "B": "treatment"}
RANKINGS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)
COINS = st.lists(st.sampled_from(SIDES), min_size=16, max_size=16)


def sides(letters):
    return [NAMES[letter] for letter in letters]


class TestTeamDraft:
    @pytest.mark.parametrize("case", VECTORS["team_draft"]["cases"])
    def test_as_published(self, case):
        found = team_draft(case["A"], case["B"], case["k"], sides(case["coins"]))
        assert found.items == case["interleaved"]
        assert found.sides == sides(case["teams"])

    def test_the_whole_distribution(self):
        case = VECTORS["team_draft"]["cases"][0]
        drawn = Counter()
        for coins in product(SIDES, repeat=3):
            found = team_draft(case["A"], case["B"], case["k"], coins)
            drawn[(*found.items, *found.sides)] += 1 / 8
        expected = {
            (*one["list"], *sides(one["teams"])): one["prob"]
            for one in VECTORS["team_draft"]["exact_distribution"]
        }
        assert drawn == expected

    @given(RANKINGS, RANKINGS, st.integers(1, 10), COINS)
    def test_every_pick_is_its_sides_best_left(self, control, treatment, k, coins):
        found = team_draft(control, treatment, k, coins)
        assert len(found.items) == min(k, len({*control, *treatment}))
        assert len(set(found.items)) == len(found.items)
        for place, (item, side) in enumerate(zip(*found, strict=True)):
            ranking = control if side == "control" else treatment
            before = found.items[:place]
            assert item == next(one for one in ranking if one not in before)

    @given(RANKINGS, COINS)
    def test_alike_rankings_stay_as_they_are(self, ranking, coins):
        found = team_draft(ranking, ranking, 8, coins)
        assert found.items == ranking
        assert abs(found.sides.count("control") - found.sides.count("treatment")) <= 1


@pytest.mark.parametrize("case", VECTORS["balanced"])
def test_balanced_is_as_published(case):
    first = "control" if case["a_first"] else "treatment"
    assert balanced(case["A"], case["B"], case["k"], first=first) == case["interleaved"]


@pytest.mark.parametrize("case", VECTORS["credit"])
def test_credit(case):
    found = credit(sides(case["teams"]), case["clicks"])
    assert found == {NAMES[letter]: clicks for letter, clicks in case["credit"].items()}


def test_a_place_counts_once():
    assert credit(["control", "treatment"], [0, 0, 0]) == {"control": 1, "treatment": 0}


class TestPreference:
    @pytest.mark.parametrize("case", VECTORS["statistic"])
    def test_of_lists_is_as_published(self, case):
        found = preference_of_lists(case["wins_A"], case["wins_B"], case["ties"])
        expected = [case[name] for name in ("delta_AB", "win_rate_nontied", "binom_p_two_sided")]
        assert [found.delta, found.win_rate, found.p] == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert found.interval == pytest.approx(case["wilson95"], rel=1e-9)

    def test_without_a_preference_nothing_is_known(self):
        found = preference_of_lists(0, 0, 7)
        assert (found.delta, found.p, found.interval) == (0.0, 1.0, (0.0, 1.0))
        with pytest.raises(ValueError, match="needs a list"):
            preference_of_lists(0, 0, 0)

    def test_of_users_is_as_published(self):
        case = VECTORS["user_level"]
        clicks = np.array(case["per_user_clicks_A_B"], dtype=float)
        found = preference_of_users(clicks[:, 1], clicks[:, 0])
        assert found.mean == pytest.approx(case["mean"])
        assert found.mean / found.error == pytest.approx(case["t"], rel=1e-9)
        assert found.p() == pytest.approx(case["p"], rel=1e-9)

    def test_who_never_clicked_has_no_say(self):
        found = preference_of_users(np.array([0.0, 1, 2]), np.array([0.0, 3, 0]))
        assert (found.mean, found.n) == (-0.25, 2)
