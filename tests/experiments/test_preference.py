"""Whose items customers turn to: against a slow loop, and the verdict."""

from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest

from recsys.errors import DataError
from recsys.experiments.definition import ConfidenceSequenceDesign
from recsys.experiments.interleaving import coins
from recsys.experiments.metrics import METRICS
from recsys.experiments.preference import decide_preference, prefer

from .made import DAY, DIGESTS, experiment, interleaved, preferences, tables_of

UNTIL = 30 * DAY


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_a_slow_loop_finds(seed):
    lists, clicks, ages = interleaved(seed, 80, better=0.1)
    found = preferences(lists, clicks, ages)
    clicked, of_users, votes = set(clicks), defaultdict(Counter), Counter()
    for user, name, _, items, sides in lists:
        mine = Counter(
            side for item, side in zip(items, sides, strict=True) if (user, name, item) in clicked
        )
        of_users[user] += mine
        votes[np.sign(mine["treatment"] - mine["control"])] += 1
    told = [c for c in of_users.values() if c.total()]
    each = [(c["treatment"] - c["control"]) / c.total() for c in told]
    assert (found.users, found.lists) == (len(ages), len(lists))
    assert found.overall.users == len(told)
    assert found.overall.interval.mean == pytest.approx(np.mean(each), abs=1e-12)
    error = np.std(each, ddof=1) / np.sqrt(len(each))
    width = found.overall.interval.high - found.overall.interval.mean
    assert width == pytest.approx(error * 1.99, rel=0.01)
    first = Counter(sides[0] for *_, sides in lists)
    assert found.ratio.counts == (first["control"], first["treatment"])
    assert found.by_lists.win_rate == pytest.approx(votes[1] / (votes[1] + votes[-1]))


def test_it_is_preferred():
    found = preferences(*interleaved(5, 300, better=0.15))
    verdict = decide_preference(found, users_per_day=10)
    assert (verdict.answer, verdict.variant) == ("preferred", "new")
    assert "customers turn to items of new more often" in verdict.reasons[0]


def test_it_is_not():
    for better in (0.0, -0.15):
        verdict = decide_preference(
            preferences(*interleaved(6, 300, better=better)), users_per_day=10
        )
        assert verdict.answer == "not preferred"
    assert "items of old" in verdict.reasons[0]


def test_who_prefers_it():
    found = preferences(*interleaved(7, 600, better=0.2, only="young"))
    of = {one.of: one for one in found.segments}
    assert of["age:young"].adjusted_p < 0.01 < 0.05 < of["age:old"].adjusted_p
    assert of["age:young"].declared


def test_too_early():
    lists, clicks, ages = interleaved(8, 40)
    found = preferences(lists, clicks, ages, decision=ConfidenceSequenceDesign(), planned_users=400)
    verdict = decide_preference(found, users_per_day=10)
    assert (verdict.answer, verdict.further_users, verdict.further_days) == (
        "keep running",
        360,
        36,
    )


def test_a_coin_that_is_not_even():
    lists, clicks, ages = interleaved(9, 200)
    turned = [(*start, ["control", *sides[1:]]) for *start, sides in lists]
    verdict = decide_preference(preferences(turned, clicks, ages), users_per_day=10)
    assert verdict.answer == "invalid"
    assert "a coin decides" in verdict.reasons[0]


def test_nobody_turned_to_anything():
    lists, _, ages = interleaved(9, 50)
    found = preferences(lists, [("u0", "other", "i1")], ages)
    assert found.overall is None
    verdict = decide_preference(found, users_per_day=1)
    assert verdict.answer == "invalid"
    assert "does the storefront send the recommendation_id" in verdict.reasons[0]
    early = preferences(lists, [], ages, decision=ConfidenceSequenceDesign(), planned_users=400)
    verdict = decide_preference(early, users_per_day=1)
    assert verdict.answer == "keep running"
    assert verdict.reasons == ("nobody has turned to an item (ctr) yet",)


def test_lists_of_other_recipes_are_left_out():
    lists, clicks, ages = interleaved(9, 50)
    one = experiment(kind="interleaving", primary="ctr")
    shown, events, segments = tables_of(lists, clicks, ages)
    other = pa.array(["another"] * 10 + [DIGESTS["old"]] * (len(lists) - 10))
    shown = shown.set_column(shown.column_names.index("digest"), "digest", other)
    found = prefer(shown, events, one, METRICS["ctr"], segments, until=UNTIL, stopped=True)
    assert (found.foreign, found.lists) == (10, len(lists) - 10)


def test_the_same_key_tosses_the_same_coins():
    tossed = coins("a"), coins("a")
    first, second = ([next(one) for _ in range(64)] for one in tossed)
    assert first == second
    assert 16 < first.count("control") < 48


@pytest.mark.parametrize(("users", "answer"), [(12, "preferred"), (3, "not preferred")])
def test_all_prefer_the_same(users, answer):
    """Where nobody differs it is as rare as coins that all fall alike."""
    lists, _, ages = interleaved(10, users)
    clicks = [
        (user, name, item)
        for user, name, _, items, sides in lists
        for item, side in zip(items, sides, strict=True)
        if side == "treatment"
    ]
    found = preferences(lists, clicks, ages)
    assert found.overall.interval.mean == 1
    assert found.overall.p == pytest.approx(2 * 0.5**users)
    assert decide_preference(found, users_per_day=1).answer == answer


def test_a_list_of_one_variant_alone_was_decided_by_no_coin():
    lists, clicks, ages = interleaved(11, 60)
    alone = [(*start, items, ["control"] * len(items)) for *start, items, _ in lists[:20]]
    found = preferences([*alone, *lists[20:]], clicks, ages)
    assert found.lists == len(lists) - 20
    with pytest.raises(DataError, match="has no list of both variants by then"):
        preferences(alone, clicks, ages)
