"""Assignment: published hashes, fair shares, ramps that move nobody, layers that exclude."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recsys.engines.hashing import sha256_heads
from recsys.experiments import SCHEMES, Enrolment, Plan, define, position, positions
from recsys.experiments.assignment import NOBODY, fnv1a32, place, places, ranges

VECTORS = json.loads((Path(__file__).parent / "assignment.json").read_text(encoding="utf-8"))
IDS = [f"user{number}" for number in range(100_000)]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
DIGESTS = {name: name * 8 for name in ("old", "new", "other")}
AXES = {"age": ("young", "old"), "region": ("north", "south")}


def plan(**said):
    given_ = {"name": "one", "hypothesis": "better", "control": "old", "treatments": ("new",)}
    return Plan(**{**given_, "primary": "conversion", **said})


def enrolment(*, coverage=None, holdout=0.0, **said):
    return Enrolment(define(plan(**said), DIGESTS, AXES), coverage=coverage, holdout=holdout)


def fair(counts, shares):
    return stats.chisquare(counts, np.array(shares) * sum(counts)).pvalue > 1e-4


class TestPublished:
    @pytest.mark.parametrize("case", VECTORS["fnv1a32"], ids=lambda case: case["input"])
    def test_fnv(self, case):
        assert fnv1a32(case["input"]) == int(case["hex"], 16)

    @pytest.mark.parametrize("case", VECTORS["growthbook"])
    def test_growthbook(self, case):
        at = position("growthbook-2", case["seed"], case["value"])
        assert at == case["v2"]
        assert place(at, ranges([1, 1], 1.0)) == case["variation_50_50_v2"]
        found = place(at, ranges([0.2, 0.3, 0.5], 0.9))
        assert found == case["variation_20_30_50_coverage_0_9_v2"]

    def test_ranges(self):
        found = [list(one) for one in ranges([0.2, 0.3, 0.5], 0.9)]
        assert found == VECTORS["ranges"]

    def test_our_own_hash_is_what_its_words_say(self):
        head = hashlib.sha256("4:salt3:ü1".encode()).digest()[:8]
        expected = (int.from_bytes(head, "big") >> 11) / 2**53
        assert position("sha256-1", "salt", "ü1") == expected

    def test_it_never_changes(self):
        found = [position("sha256-1", "layer:default", name) for name in ("u1", "u2", "")]
        assert found == [0.428833805588971, 0.13718301638574348, 0.845952604979104]


class TestPositions:
    @pytest.mark.parametrize("scheme", SCHEMES)
    @given(salt=TEXTS, ids=st.lists(TEXTS, min_size=1, max_size=8))
    def test_many_are_each(self, scheme, salt, ids):
        one_by_one = [position(scheme, salt, unit_id) for unit_id in ids]
        assert positions(scheme, salt, ids).tolist() == one_by_one
        assert all(0 <= at < 1 for at in one_by_one)

    def test_salt_and_id_are_not_run_together(self):
        assert position("sha256-1", "a1", "2") != position("sha256-1", "a", "12")

    def test_nobody(self):
        assert positions("sha256-1", "salt", []).tolist() == []

    def test_quotes_are_text(self):
        head = hashlib.sha256(b"it's 1:'").hexdigest()[:16]
        assert f"{sha256_heads(chr(105) + 't' + chr(39) + 's ', [chr(39)])[0]:016x}" == head

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_they_are_uniform_and_independent(self, scheme):
        one, other = (positions(scheme, salt, IDS) for salt in ("exp1", "exp2"))
        assert fair(np.histogram(one, bins=20, range=(0, 1))[0], [1 / 20] * 20)
        table = np.histogram2d(one, other, bins=4, range=[(0, 1), (0, 1)])[0]
        assert stats.chi2_contingency(table).pvalue > 1e-4


class TestRanges:
    @given(
        st.lists(st.floats(0.01, 10), min_size=2, max_size=5),
        st.lists(st.floats(0, 1), min_size=2, max_size=4).map(sorted),
        st.floats(0, 1, exclude_max=True),
    )
    def test_a_ramp_moves_nobody(self, shares, coverages, at):
        found = [place(at, ranges(shares, coverage)) for coverage in coverages]
        for before, after in pairwise(found):
            assert before in (NOBODY, after)

    @given(st.lists(st.floats(0.01, 10), min_size=1, max_size=5))
    def test_full_coverage_leaves_nobody_out(self, shares):
        at = np.linspace(0, 1, 500, endpoint=False)
        found = places(at, ranges(shares, 1.0))
        # But for what sums of shares round away at the very end.
        assert (found[at < 0.999] != NOBODY).all()
        assert found.tolist() == [place(float(one), ranges(shares, 1.0)) for one in at]


class TestEnrolment:
    def test_arms_get_their_shares(self):
        found = enrolment(shares={"old": 3, "new": 1}).of_all(IDS)
        assert fair(np.bincount(found), [0.75, 0.25])

    def test_one_by_one_and_all_at_once_agree(self):
        found = enrolment(coverage=0.5, holdout=0.1, part=(0.2, 0.8))
        some = IDS[:500]
        arms = {arm.variant: number for number, arm in enumerate(found.experiment.arms)}
        each = [found.of(unit_id, {}) for unit_id in some]
        numbers = [arms[one.arm.variant] if one else NOBODY for one in each]
        assert found.of_all(some).tolist() == numbers
        assert set(numbers) == {NOBODY, 0, 1}

    def test_parts_of_a_layer_exclude_each_other(self):
        first = enrolment(name="one", part=(0.0, 0.5)).of_all(IDS)
        second = enrolment(name="two", part=(0.5, 1.0)).of_all(IDS)
        assert ((first == NOBODY) == (second != NOBODY)).all()
        assert fair(
            [(first == 0).sum(), (first == 1).sum(), (second >= 0).sum()], [1 / 4] * 2 + [1 / 2]
        )

    def test_layers_do_not_know_of_each_other(self):
        first = enrolment(name="one", layer="home", coverage=0.5).of_all(IDS)
        second = enrolment(name="two", layer="search", coverage=0.5).of_all(IDS)
        table = np.histogram2d(first, second, bins=3)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-4

    def test_experiments_of_a_layer_that_share_a_part_do_not_know_of_each_other(self):
        first, second = (enrolment(name=name).of_all(IDS) for name in ("one", "two"))
        table = np.histogram2d(first, second, bins=2)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-4

    def test_the_same_salt_is_the_same_assignment(self):
        first = enrolment(name="one", salt="s").of_all(IDS[:100])
        assert first.tolist() == enrolment(name="two", salt="s").of_all(IDS[:100]).tolist()

    def test_who_is_held_out_is_so_everywhere_and_stays_so(self):
        few = enrolment(name="one", holdout=0.05).of_all(IDS) == NOBODY
        more = enrolment(name="two", holdout=0.1, layer="other").of_all(IDS) == NOBODY
        assert fair([few.sum(), (~few).sum()], [0.05, 0.95])
        assert more[few].all()

    def test_an_audience_is_by_segments(self):
        found = enrolment(audience={"age": ("young",), "region": ("north", "south")})
        young = {"age": {"young": 0.3, "old": 0.7}, "region": {"south": 1.0}}
        assert found.of("u", young) is not None
        assert found.of("u", {**young, "age": {"old": 1.0}}) is None
        assert found.of("u", {"age": {"young": 1.0}}) is None
        assert found.of("u", {}) is None

    def test_what_is_given_is_named(self):
        found = enrolment().of("u1", {})
        assert found is not None
        assert found.experiment == "one"
        assert found.arm.digest == DIGESTS[found.arm.variant]
        assert found.arm.share == 0.5
